#!/usr/bin/env bash
# Installs, builds and runs every test; no GPU is needed. A line per test; the exit status is non-zero on any failure.
#   tests/run.sh            all of it: gcc; the coordinator without MPI; clang with ASan and UBSan and the fuzz corpora; TSan;
#                           clang-tidy; formatting
#   tests/run.sh --quick    without the sanitizers
#   tests/run.sh --soak     all of it, with minutes of load instead of half a minute
set -uo pipefail

root="$(cd "$(dirname "$0")/.." && pwd)"
cd "$root"
quick=0
export EXEUNT_SOAK_SECONDS=30
for arg in "$@"; do
  case "$arg" in
    --quick) quick=1 ;;
    --soak) EXEUNT_SOAK_SECONDS=300 ;;
    *) echo "tests/run.sh: unknown option $arg" >&2; exit 2 ;;
  esac
done

passed=0 failed=0 skipped=0
report() { # NAME STATUS
  if [ "$2" -eq 0 ]; then
    echo "PASS: $1"; passed=$((passed + 1))
  else
    echo "FAIL: $1"; failed=$((failed + 1))
  fi
}

# The build folder of a preset of CMakePresets.json.
folder() { [ "$1" = release ] && echo build || echo "build-$1"; }

# build PRESET: configures and builds; a failure counts as a failed test.
build() {
  local dir; dir="$(folder "$1")"
  echo "== build $dir"
  local log="$dir/build.log"
  mkdir -p "$dir"
  if cmake --preset "$1" >"$log" 2>&1 && cmake --build --preset "$1" >>"$log" 2>&1; then
    report "build $dir" 0
  else
    tail -n 40 "$log"
    report "build $dir" 1
    return 1
  fi
}

# run_tests PRESET: ctest prints a line per test.
run_tests() {
  local dir; dir="$(folder "$1")"
  echo "== tests of $dir"
  local log="$dir/ctest.log"
  ctest --preset "$1" 2>&1 | tee "$log"
  local ok bad
  ok=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#.* Passed' "$log")
  bad=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#.*(\*\*\*|Not Run)' "$log")
  local skips
  skips=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#.*\*\*\*Skipped' "$log")
  passed=$((passed + ok)); failed=$((failed + bad - skips)); skipped=$((skipped + skips))
  [ $((ok + bad)) -gt 0 ] || report "ctest of $dir ran no test" 1
}

deploy/install.sh build run test || { report "install Debian packages" 1; exit 1; }
deploy/get_model.sh >/dev/null || { report "get the default model" 1; exit 1; }
deploy/python_env.sh tests/requirements.txt .venv-tests >/dev/null || { report "install Python test packages" 1; exit 1; }
grep -m1 '^model name' /proc/cpuinfo

mapfile -t sources < <(git ls-files '*.cc' '*.h')
clang-format-14 --dry-run --Werror "${sources[@]}"
report "formatting" $?
long=$(wc -l "${sources[@]}" | awk '$2 != "total" && $1 > 400')
[ -z "$long" ]
report "no file over 400 lines $long" $?
python3 tests/rooms.py
report "includes between folders" $?

build release && {
  # clang-tidy fills the pauses of the tests.
  nice -n 19 tests/tidy.sh >build/tidy.log & tidy=$!
  run_tests release
}
build no-mpi && run_tests no-mpi
if [ "$quick" -eq 0 ]; then
  # clang, ASan and UBSan: the folders' own tests, the laws over loopback, and the fuzz corpora.
  build asan && run_tests asan
  build tsan && run_tests tsan
fi
if [ -n "${tidy:-}" ]; then
  wait "$tidy"; tidied=$?
  [ "$tidied" -eq 0 ] || grep -A4 'error:' build/tidy.log
  report "clang-tidy" "$tidied"
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
