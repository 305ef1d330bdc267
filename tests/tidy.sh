#!/usr/bin/env bash
# Runs clang-tidy, by .clang-tidy, over each source of the product and the headers that they include.
#   tests/tidy.sh [FILE ...]    the named files; without any, all but tests, fuzz targets and the drivers of peers
# build/compile_commands.json and the generated headers must be there: cmake --preset release && ninja -C build
set -euo pipefail
cd "$(dirname "$0")/.."
[ -f build/compile_commands.json ] || { echo "tests/tidy.sh: there is no build/compile_commands.json" >&2; exit 2; }
if [ $# -gt 0 ]; then
  printf '%s\n' "$@"
else
  git ls-files '*.cc' | grep -vE '_test\.cc$|/(fuzz|testing|conformance)/|^(tests|bench|examples)/'
fi | xargs -P "$(nproc)" -n 4 clang-tidy-14 -p build --quiet 2>/dev/null
