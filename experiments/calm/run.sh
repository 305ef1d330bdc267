#!/usr/bin/env bash
# CALM's table on real tasks, from the default model: adapt, fit, calibrate, serve over two stages, measure (docs/calm_table.md).
#   experiments/calm/run.sh PACKAGES [TASK ...]     PACKAGES: directory of {train,development,calibration,test}.jsonl.gz;
#                                                   TASK: restore, synopsis (both)
# Works in ${EXEUNT_CALM:-~/.cache/exeunt/calm}; every step goes on where it was stopped. Adapter and exits that are kept here
# (TASK/adapter, TASK/exits) are used as they are, and so are the answers and rates that were measured with them
# (TASK/measured.tar.xz): --anew leaves these aside and measures what the work directory does not have, in one to two hours a
# task; --train makes everything anew, in hours. The report goes to standard output.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$here/../.."
train=0 anew=0
case "${1:-}" in
  --train) train=1; shift ;;
  --anew) anew=1; shift ;;
esac
packages="${1:?usage: run.sh [--train | --anew] PACKAGES [TASK ...]}"
shift
[[ $# -gt 0 ]] || set -- restore synopsis
work="${EXEUNT_CALM:-${XDG_CACHE_HOME:-$HOME/.cache}/exeunt/calm}"
threads="$(nproc)"
exeunt="$root/build/tools/exeunt"
for built in "$exeunt" "$root/build/coordinator/exeunt-coordinator" "$root/build/worker/exeunt-worker"; do
  [[ -x "$built" ]] || { echo "run.sh: $built is not built (deploy/up.sh builds all)" >&2; exit 2; }
done
model="$("$root/deploy/get_model.sh")"

python="$("$root/deploy/python_env.sh" "$here/requirements.txt" "$work/venv")"

say() { echo "calm: $(date +%H:%M) $*" >&2; }

# What a task is measured by, how long its answers may be, how it is taught. Chosen on development prompts, as are the thresholds:
# from where nothing is lost to where delta .25 is.
declare -A loss=([restore]=wer [synopsis]=rouge_l) tokens=([restore]=140 [synopsis]=40)
# Rates of decoding alone are those of answers from this quantile of their lengths on: long enough to measure, and as deep as all (the
# longest of restore go deeper; of synopsis half are shorter than 9 tokens).
declare -A answers_from=([restore]=0.5 [synopsis]=0.9)
declare -A exits=([restore]=8,14,22 [synopsis]=8,14,22) recipe=(
  [restore]="--steps 2000 --teach-share 0.62 --learning-rate 7e-4" [synopsis]="--steps 1200")
# Where teaching costs the last layer more than it may: more steps, which all run in full, from between the taught model and the
# plain one; and as many more of the plain one, to compare with.
declare -A more=([restore]="--steps 700 --learning-rate 4e-4 --seed 2") mending=(
  [restore]="--blend-share 0.3 --task-share 0 --teach-share 0.6 --shallow-share-teach 0 --shallow-share-serve 0
    --served-share 0.4 --exit-weight 0.3 --gated-exits")
declare -A thresholds=(
  [restore_candidates]=0.997,0.99,0.98,0.97,0.95,0.93,0.91,0.89,0.86,0.8,0.7,0.6,0.5
  [restore_preview]=0.997,0.99,0.98,0.96,0.95,0.94,0.92,0.8,0.68
  [restore_softmax]=0.99,0.95,0.92,0.74,0.62
  [restore_classifier]=0.998,0.996,0.99,0.945
  [restore_state]=0.984,0.977,0.96
  [synopsis_candidates]=0.8,0.7,0.6,0.5,0.4,0.35,0.3,0.25,0.2
  [synopsis_preview]=0.9,0.8,0.7,0.6,0.5,0.45,0.4,0.35
  [synopsis_softmax]=0.8,0.7,0.6,0.5,0.4,0.35,0.3,0.25
  [synopsis_classifier]=0.999,0.995,0.99
  [synopsis_state]=0.999,0.99,0.98)

# Makes $1 with the rest of the arguments, unless it is there; $1.part until it is complete.
once() {
  [[ -e "$1" ]] && return
  rm -rf "$1.part"
  "${@:2}" -o "$1.part" >&2 && mv "$1.part" "$1"
}

for task in "$@"; do
  [[ -n "${loss[$task]:-}" ]] || { echo "run.sh: unknown task $task" >&2; exit 2; }
  data="$work/$task"
  kept="$here/$task"

  adapted="$kept" plain="$data/plain"
  [[ -n "${more[$task]:-}" ]] && plain="$data/plain_longer"
  if [[ $train -eq 1 || ! -f "$kept/adapter/adapter_model.safetensors" ]]; then
    python3 "$here/tasks.py" "$packages" "$task" "$data"
    adapted="$data/adapted"
    common=("$model" --train "$data/train.jsonl" --development "$data/development.jsonl" --exits "${exits[$task]}")
    say "$task: teaching, with exits and plain"
    taught="$data/run"
    "$root/tools/adapt/adapt.sh" "${common[@]}" ${recipe[$task]} --out "$taught"
    "$root/tools/adapt/adapt.sh" "${common[@]}" ${recipe[$task]} --plain --out "$data/plain"
    if [[ -n "${more[$task]:-}" ]]; then
      say "$task: mending the last layer, and as many steps plain"
      "$root/tools/adapt/adapt.sh" "${common[@]}" ${more[$task]} ${mending[$task]} --start "$taught" --blend "$data/plain" \
        --out "$data/mended"
      taught="$data/mended"
      "$root/tools/adapt/adapt.sh" "${common[@]}" ${more[$task]} --plain --start "$data/plain" --out "$plain"
    fi
    say "$task: fitting exits"
    mkdir -p "$adapted"
    cp -r "$taught/adapter" "$adapted/"
    once "$adapted/exits" "$exeunt" fit "$model" --adapter "$adapted/adapter" --prompts "$data/development.jsonl" --limit 400 \
      -n "${tokens[$task]}" --threads "$threads" --keep "$taught/exits" --candidates 512
  fi
  # What is measured is of this adapter and these exits.
  data="$data/$(cat "$adapted/adapter/adapter_model.safetensors" "$adapted/exits/exits.safetensors" "$adapted/exits/exits.json" |
    sha256sum | cut -c1-12)"
  python3 "$here/tasks.py" "$packages" "$task" "$data"
  if [[ "$adapted" == "$kept" && $anew -eq 0 && -f "$kept/measured.tar.xz" ]]; then
    tar -xJf "$kept/measured.tar.xz" --skip-old-files -C "$data"
  fi
  served=("$model" --adapter "$adapted/adapter" -n "${tokens[$task]}" --threads "$threads" --streams 64)

  # One file for all measures: what they share (answers in full) is made once.
  for measure in candidates preview softmax classifier state; do
    grid=(--exits "$adapted/exits" --exit-measure "$measure" --thresholds "${thresholds[${task}_$measure]}")
    say "$task: calibrating $measure"
    "$exeunt" calibrate "${served[@]}" "${grid[@]}" --prompts "$data/calibration.jsonl" --name "$task-$measure" \
      --loss "${loss[$task]}" --consistency textual,risk --delta 0.02,0.05,0.1,0.25 \
      -o "$data/calibration_answers.jsonl" >"$data/calibration_$measure.txt"
    say "$task: test answers by $measure"
    "$exeunt" sweep "${served[@]}" "${grid[@]}" --prompts "$data/test.jsonl" -o "$data/test_answers.jsonl" >/dev/null
  done

  # To compare with: every token leaves at the same exit; the whole model with the cheap head (an exit after the last layer but
  # one, always taken); the plain fine-tune; what an oracle would save.
  "$exeunt" sweep "${served[@]}" --exits "$adapted/exits" --exit-min-layer "${exits[$task]}" --prompts "$data/test.jsonl" \
    --exit-measure preview --thresholds 0 -o "$data/test_answers.jsonl" >/dev/null
  once "$data/exits_29" "$exeunt" fit "$model" --adapter "$adapted/adapter" --prompts "$data/development.jsonl" --limit 200 \
    -n "${tokens[$task]}" --threads "$threads" --exit-layers 29
  "$exeunt" sweep "${served[@]}" --exits "$data/exits_29" --prompts "$data/test.jsonl" --exit-measure preview --thresholds 0 \
    -o "$data/test_cheap_head.jsonl" >/dev/null
  if [[ -f "$plain/adapter/adapter_model.safetensors" ]]; then
    "$exeunt" sweep "$model" --adapter "$plain/adapter" -n "${tokens[$task]}" --threads "$threads" --streams 64 \
      --exit-mode off --prompts "$data/test.jsonl" -o "$data/test_plain.jsonl" >/dev/null
  fi
  [[ -f "$data/probe.txt" ]] ||
    "$exeunt" probe "$model" --adapter "$adapted/adapter" --exits "$adapted/exits" -n "${tokens[$task]}" --limit 100 \
      --prompts "$data/test.jsonl" --threads "$threads" --html "$data/probe.html" >"$data/probe.txt"

  say "$task: throughput over two stages"
  "$python" "$here/throughput.py" --model "$model" --adapted "$adapted" --data "$data" --max-tokens "${tokens[$task]}" \
    --answers-from "${answers_from[$task]}"
  "$python" "$here/keep.py" --adapted "$adapted" --data "$data" --task "$task" --out "$kept"
  "$python" "$here/report.py" --task "$task" --loss "${loss[$task]}" --data "$data" --adapted "$adapted"
done
