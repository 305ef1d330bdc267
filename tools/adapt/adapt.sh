#!/usr/bin/env bash
# Teaches a checkpoint to exit early: tools/adapt/adapt.sh MODEL --train FILE --development FILE --exits 8,12,22 --out DIR
# Installs the pinned packages of requirements.txt into a virtual environment at the first call (5 GB: torch brings CUDA's
# libraries along). EXEUNT_ADAPT_PYTHON names a Python that has them already.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
python="${EXEUNT_ADAPT_PYTHON:-}"
[[ -n "$python" ]] ||
  python="$("$here/../../deploy/python_env.sh" "$here/requirements.txt" "${XDG_CACHE_HOME:-$HOME/.cache}/exeunt/adapt-venv")"
exeunt="${EXEUNT_BINARY:-$here/../../build/tools/exeunt}"
[[ -x "$exeunt" ]] || { echo "adapt.sh: $exeunt is not there: build it (deploy/up.sh), or set EXEUNT_BINARY" >&2; exit 1; }
# A step allocates and frees gigabytes in pieces of every size. In huge pages that costs little; keeping them in the process
# instead (MALLOC_MMAP_MAX_=0, jemalloc without decay) fragments to 19 GB within 400 steps.
export GLIBC_TUNABLES=glibc.malloc.hugetlb=1
exec "$python" "$here/adapt.py" "$@" --exeunt "$exeunt"
