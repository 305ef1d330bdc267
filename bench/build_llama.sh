#!/usr/bin/env bash
# Builds llama.cpp's library, as pinned below, and bench/llama_driver.cc on it; prints the path of the driver only.
# It lies in the cache; nothing is done when it is up to date. Progress goes to stderr, the compilers' output to a log.
# A file `note` beside the driver says in a line how the library was built. `--options` prints CMake's options instead.
set -euo pipefail

readonly VERSION=0.3.36 # of llama-cpp-python, whose source distribution carries the sources of llama.cpp
readonly SHA256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e

bench="$(cd "$(dirname "$0")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/exeunt/llama-$VERSION"
readonly bench cache
readonly source="$cache/llama.cpp" build="$cache/build" driver="$cache/llama_driver" log="$cache/build.log"

say() { echo "build_llama: $*" >&2; }
die() { say "$*"; exit 1; }

# On a CPU with AMX, llama.cpp's AMX kernels end the process (SIGSEGV in ggml_backend_amx_mul_mat): they are left out.
# LLAMA_AMX=yes or no says whether the CPU has AMX; otherwise /proc/cpuinfo does.
has_amx() {
  case "${LLAMA_AMX:-auto}" in
    yes) return 0 ;;
    no) return 1 ;;
    auto) grep -qm 1 '^flags.* amx_' /proc/cpuinfo ;;
    *) die "LLAMA_AMX is '$LLAMA_AMX', expected yes, no or auto" ;;
  esac
}
amx_options=() note="llama.cpp of llama-cpp-python $VERSION, built for this CPU"
if has_amx; then
  readonly NO_AMX="-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
  amx_options=(-DGGML_AMX_TILE=OFF -DGGML_AMX_INT8=OFF -DGGML_AMX_BF16=OFF "-DCMAKE_C_FLAGS=$NO_AMX" "-DCMAKE_CXX_FLAGS=$NO_AMX")
  note+=" without its AMX kernels, which crash (SIGSEGV in ggml_backend_amx_mul_mat)"
fi
readonly OPTIONS=(
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++ -DBUILD_SHARED_LIBS=OFF
  -DGGML_NATIVE=ON -DGGML_OPENMP=ON -DGGML_RPC=ON -DGGML_RPC_RDMA=OFF
  -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF
  -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF "${amx_options[@]}"
)
if [ "${1:-}" = --options ]; then
  printf '%s\n' "${OPTIONS[@]}" "$note"
  exit 0
fi
# The library is made for this processor (-march=native): a cache that was made on another one is built anew.
isa="$(grep -m 1 '^flags' /proc/cpuinfo | sha256sum | cut -d ' ' -f 1)"
readonly wanted="$SHA256 $isa ${OPTIONS[*]}"

fetch_source() {
  local scratch="$cache/download"
  rm -rf "$scratch" "$source"
  mkdir -p "$scratch" "$source"
  echo "llama-cpp-python==$VERSION --hash=sha256:$SHA256" >"$scratch/requirements.txt"
  say "downloading the sources of llama-cpp-python $VERSION from PyPI (73 MB)"
  python3 -m pip download --disable-pip-version-check --no-binary llama-cpp-python --no-deps --require-hashes \
    --dest "$scratch" --requirement "$scratch/requirements.txt" >>"$log" 2>&1 ||
    die "pip could not download llama-cpp-python==$VERSION (is there a network?); see $log"
  tar -xzf "$scratch/llama_cpp_python-$VERSION.tar.gz" -C "$source" --strip-components 3 \
    "llama_cpp_python-$VERSION/vendor/llama.cpp" || die "the archive holds no vendor/llama.cpp"
  rm -rf "$scratch"
}

build_library() {
  rm -rf "$build"
  say "building llama.cpp's library (some minutes)"
  cmake -S "$source" -B "$build" -G Ninja "${OPTIONS[@]}" >>"$log" 2>&1 || die "cmake failed; see $log"
  ninja -C "$build" llama >>"$log" 2>&1 || die "the build failed; see $log"
}

build_driver() {
  say "building the driver"
  local ggml="$build/ggml/src"
  g++ -std=c++20 -O3 -march=native -Wall -Wextra -Wconversion -Werror \
    -I "$bench/.." -isystem "$source/include" -isystem "$source/ggml/include" \
    -o "$driver.new" "$bench/llama_driver.cc" "$build/src/libllama.a" "$ggml/libggml.a" "$ggml/ggml-rpc/libggml-rpc.a" \
    "$ggml/libggml-cpu.a" "$ggml/libggml-base.a" -fopenmp -pthread -ldl >>"$log" 2>&1 || die "the driver failed; see $log"
  mv -f "$driver.new" "$driver"
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
: >"$log"
if [ "$(cat "$cache/fetched" 2>/dev/null)" != "$SHA256" ]; then
  rm -f "$cache/fetched" "$cache/built"
  fetch_source
  echo "$SHA256" >"$cache/fetched"
fi
if [ "$(cat "$cache/built" 2>/dev/null)" != "$wanted" ]; then
  rm -f "$cache/built" "$driver"
  build_library
  echo "$wanted" >"$cache/built"
fi
echo "$note" >"$cache/note"
if [ ! -x "$driver" ] || [ -n "$(find "$bench" -name '*llama*' -newer "$driver")" ]; then build_driver; fi
echo "$driver"
