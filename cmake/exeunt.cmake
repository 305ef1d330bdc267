# Build rules shared by every folder.
#   exeunt_library(name SOURCES ... DEPS ...)   a static library; a folder is a library
#   exeunt_executable(name SOURCES ... DEPS ...)
#   exeunt_test(file.cc DEPS ...)               a GoogleTest binary named after the file
#   exeunt_fuzz(file.cc CORPUS dir DEPS ...)    a libFuzzer target, and a test that replays its corpus

# Where installed headers lie. They include each other by their paths in the source tree.
set(EXEUNT_INSTALL_HEADERS "include/exeunt")

# Flags of every target of ours (third-party headers are SYSTEM).
add_library(exeunt_flags INTERFACE)
target_compile_options(exeunt_flags INTERFACE -Wall -Wextra -Wconversion -Werror
  # Fused multiply-adds are written out where they are meant: every instruction set must give the same bits.
  -ffp-contract=off
  # Fields that a designated initialiser leaves out have their written default.
  -Wno-missing-field-initializers
  # gcc 12 raises it wrongly on every move of a std::variant (gcc bugs 80635, 105593); clang builds this code too.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
target_include_directories(exeunt_flags INTERFACE "${CMAKE_SOURCE_DIR}")
if(EXEUNT_SANITIZE)
  target_compile_options(exeunt_flags INTERFACE -fsanitize=${EXEUNT_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(exeunt_flags INTERFACE -fsanitize=${EXEUNT_SANITIZE})
endif()
if(EXEUNT_FUZZ)
  target_compile_options(exeunt_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

function(exeunt_library name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  target_link_libraries(${name} PUBLIC ${A_DEPS} PRIVATE $<BUILD_INTERFACE:exeunt_flags>)
  target_include_directories(${name} PUBLIC "$<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>"
                             "$<INSTALL_INTERFACE:${EXEUNT_INSTALL_HEADERS}>")
endfunction()

function(exeunt_executable name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE ${A_DEPS} exeunt_flags)
endfunction()

function(exeunt_test file)
  cmake_parse_arguments(A "" "TIMEOUT" "DEPS;ARGS;LABELS" ${ARGN})
  get_filename_component(stem ${file} NAME_WE)
  file(RELATIVE_PATH folder "${CMAKE_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}")
  string(REPLACE "/" "_" prefix "${folder}")
  set(name ${prefix}_${stem})
  add_executable(${name} ${file})
  target_link_libraries(${name} PRIVATE ${A_DEPS} GTest::gtest_main GTest::gmock exeunt_flags)
  # A test's own file is compiled faster, and what it tests is optimised as ever.
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  target_compile_definitions(${name} PRIVATE EXEUNT_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name} ${A_ARGS})
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${A_TIMEOUT} LABELS "${A_LABELS}")
  # `ninja tsan_tests` builds what runs under TSan, and no more.
  if("tsan" IN_LIST A_LABELS)
    if(NOT TARGET tsan_tests)
      add_custom_target(tsan_tests)
    endif()
    add_dependencies(tsan_tests ${name})
  endif()
  set_property(GLOBAL APPEND PROPERTY EXEUNT_TESTS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
endfunction()

function(exeunt_fuzz file)
  cmake_parse_arguments(A "" "CORPUS" "DEPS" ${ARGN})
  if(NOT EXEUNT_FUZZ)
    return()
  endif()
  get_filename_component(stem ${file} NAME_WE)
  add_executable(${stem} ${file})
  target_link_libraries(${stem} PRIVATE ${A_DEPS} exeunt_flags)
  target_link_options(${stem} PRIVATE -fsanitize=fuzzer)
  # Replays the committed corpus, then mutates it for a bounded number of runs from a fixed seed.
  add_test(NAME fuzz_${stem} COMMAND ${stem} -runs=20000 -seed=1 -rss_limit_mb=2048 -timeout=10
           "${CMAKE_CURRENT_BINARY_DIR}/${stem}_scratch" "${CMAKE_CURRENT_SOURCE_DIR}/${A_CORPUS}")
  file(MAKE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/${stem}_scratch")
  set_tests_properties(fuzz_${stem} PROPERTIES TIMEOUT 300 LABELS fuzz)
endfunction()

# A test that is not run is worse than none: an unregistered *_test.cc fails the configure step.
function(exeunt_check_every_test_is_registered)
  list(TRANSFORM EXEUNT_FOLDERS REPLACE "(.+)" "${CMAKE_SOURCE_DIR}/\\1/*_test.cc" OUTPUT_VARIABLE patterns)
  file(GLOB_RECURSE found ${patterns})
  get_property(registered GLOBAL PROPERTY EXEUNT_TESTS)
  foreach(file ${found})
    if(NOT file IN_LIST registered)
      message(FATAL_ERROR "${file} is not registered: add exeunt_test() to its folder's CMakeLists.txt")
    endif()
  endforeach()
endfunction()

# Every header compiles alone: a .cc includes its own header first, and a header without a .cc gets one here.
function(exeunt_check_headers)
  set(stubs)
  foreach(folder ${EXEUNT_FOLDERS})
    file(GLOB_RECURSE headers RELATIVE "${CMAKE_SOURCE_DIR}" "${CMAKE_SOURCE_DIR}/${folder}/*.h")
    foreach(header ${headers})
      # The headers of one instruction set are compiled with its flags only; those of the llama.cpp drivers are not ours
      # to build.
      if(header MATCHES "^kernels/cpu/vec_avx|^bench/llama")
        continue()
      endif()
      string(REGEX REPLACE "\\.h$" ".cc" source "${header}")
      if(EXISTS "${CMAKE_SOURCE_DIR}/${source}")
        file(STRINGS "${CMAKE_SOURCE_DIR}/${source}" includes REGEX "^#include" LIMIT_COUNT 1)
        if(NOT includes STREQUAL "#include \"${header}\"")
          message(FATAL_ERROR "${source} does not include ${header} first: nothing shows that the header compiles alone")
        endif()
      else()
        string(REPLACE "/" "_" stub "${header}")
        set(stub "${CMAKE_BINARY_DIR}/headers/${stub}.cc")
        file(CONFIGURE OUTPUT "${stub}" CONTENT "#include \"${header}\"\n")
        list(APPEND stubs "${stub}")
      endif()
    endforeach()
  endforeach()
  add_library(exeunt_headers OBJECT ${stubs})
  target_link_libraries(exeunt_headers PRIVATE exeunt_flags ${ARGN})
  target_include_directories(exeunt_headers PRIVATE "${CMAKE_SOURCE_DIR}")
endfunction()
