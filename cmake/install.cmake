# cmake --install: the three programs, what monitoring needs, and the CMake package `exeunt` for programs that embed the engine.
# A program that embeds it calls find_package(exeunt) and links exeunt::exeunt.
include(CMakePackageConfigHelpers)

# The one target that an embedding program links: an in-process pipeline (LocalPipeline) and the tokenizer.
add_library(exeunt_engine INTERFACE)
target_link_libraries(exeunt_engine INTERFACE exeunt_worker exeunt_text)
target_compile_features(exeunt_engine INTERFACE cxx_std_20)
# The headers that such a program includes. What they include is installed with them.
set(engine_headers text/chat_rendering.h text/chat_template.h text/open_tokenizer.h costs/layer_split.h
    worker/process/local_pipeline.h)

# Appends `target` and every library of ours that it needs, once each.
function(exeunt_collect_libraries target found)
  set(all ${${found}})
  if(target IN_LIST all)
    return()
  endif()
  list(APPEND all ${target})
  get_target_property(links ${target} INTERFACE_LINK_LIBRARIES)
  foreach(link ${links})
    if(link MATCHES "^exeunt_")
      exeunt_collect_libraries(${link} all)
    endif()
  endforeach()
  set(${found} ${all} PARENT_SCOPE)
endfunction()

exeunt_collect_libraries(exeunt_engine libraries)
foreach(library ${libraries})  # exeunt_base is exported as exeunt::base
  string(REPLACE "exeunt_" "" exported ${library})
  set_target_properties(${library} PROPERTIES EXPORT_NAME ${exported})
endforeach()
set_target_properties(exeunt_engine PROPERTIES EXPORT_NAME exeunt)

install(TARGETS ${libraries} EXPORT exeunt ARCHIVE DESTINATION lib)
install(EXPORT exeunt FILE exeuntTargets.cmake NAMESPACE exeunt:: DESTINATION lib/cmake/exeunt)
write_basic_package_version_file("${CMAKE_BINARY_DIR}/exeuntConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES cmake/exeuntConfig.cmake "${CMAKE_BINARY_DIR}/exeuntConfigVersion.cmake" DESTINATION lib/cmake/exeunt)

install(CODE "set(roots \"${engine_headers}\")
set(folders \"${CMAKE_SOURCE_DIR};${CMAKE_BINARY_DIR}/proto\")
set(destination \"\${CMAKE_INSTALL_PREFIX}/${EXEUNT_INSTALL_HEADERS}\")
include(\"${CMAKE_SOURCE_DIR}/cmake/install_headers.cmake\")")

install(TARGETS exeunt exeunt-coordinator exeunt-worker RUNTIME DESTINATION bin)
install(DIRECTORY deploy/monitoring/ DESTINATION share/exeunt/monitoring
        FILES_MATCHING PATTERN "*.yml" PATTERN "*.json" PATTERN "alerts_test.yml" EXCLUDE)
install(FILES LICENSE README.md DESTINATION share/doc/exeunt)
