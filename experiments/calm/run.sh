#!/usr/bin/env bash
# CALM's table on real tasks, from the default model: adapt, fit, calibrate, serve over two stages, measure (docs/calm_table.md).
#   experiments/calm/run.sh PACKAGES [TASK ...]     PACKAGES: directory of {train,development,calibration,test}.jsonl.gz
# Works in ${EXEUNT_CALM:-~/.cache/exeunt/calm}; every step goes on where it was stopped. Adapter and exits that are kept here
# (TASK/adapter, TASK/exits) are used as they are; --train makes them anew, in hours. The report goes to standard output.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$here/../.."
train=0
if [[ "${1:-}" == --train ]]; then train=1; shift; fi
packages="${1:?usage: run.sh [--train] PACKAGES [TASK ...]}"
shift
tasks=("${@:-restore}")
work="${EXEUNT_CALM:-${XDG_CACHE_HOME:-$HOME/.cache}/exeunt/calm}"
threads="$(nproc)"
exeunt="$root/build/tools/exeunt"
model="$("$root/deploy/get_model.sh")"

venv="$work/venv"
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/requirements.txt"
fi
python="$venv/bin/python"

say() { echo "calm: $(date +%H:%M) $*" >&2; }

# What a task is measured by, and how long its answers may be.
declare -A loss=([restore]=wer [synopsis]=rouge_l) tokens=([restore]=140 [synopsis]=40)
declare -A exits=([restore]=8,14,22 [synopsis]=8,14,22) recipe=(
  [restore]="--steps 1200 --teach-share 0.59 --learning-rate 7e-4" [synopsis]="--steps 1200")
thresholds=0.98,0.95,0.9,0.85,0.8,0.7,0.6,0.5,0.4,0.3

for task in "${tasks[@]}"; do
  [[ -n "${loss[$task]:-}" ]] || { echo "run.sh: unknown task $task" >&2; exit 2; }
  data="$work/$task"
  kept="$here/$task"
  python3 "$here/tasks.py" "$packages" "$task" "$data"

  adapted="$kept"
  if [[ $train -eq 1 || ! -f "$kept/adapter/adapter_model.safetensors" ]]; then
    adapted="$data/run"
    common=("$model" --train "$data/train.jsonl" --development "$data/development.jsonl" --exits "${exits[$task]}"
            ${recipe[$task]})
    say "$task: teaching, with exits and plain"
    "$root/tools/adapt/adapt.sh" "${common[@]}" --out "$data/run"
    "$root/tools/adapt/adapt.sh" "${common[@]}" --out "$data/plain" --plain
    say "$task: fitting exits"
    "$exeunt" fit "$model" --adapter "$data/run/adapter" --prompts "$data/development.jsonl" --limit 400 -n "${tokens[$task]}" \
      --threads "$threads" --keep "$data/run/exits" -o "$data/run/fitted"
    rm -rf "$data/run/exits" && mv "$data/run/fitted" "$data/run/exits"
  fi
  served=("$model" --adapter "$adapted/adapter" -n "${tokens[$task]}" --threads "$threads" --streams 64)

  for measure in preview softmax classifier state; do
    grid=(--exit-measure "$measure" --thresholds "$thresholds")
    say "$task: calibrating $measure"
    "$exeunt" calibrate "${served[@]}" --exits "$adapted/exits" --prompts "$data/calibration.jsonl" "${grid[@]}" \
      --name "$task-$measure" --loss "${loss[$task]}" --consistency textual,risk --delta 0.02,0.05,0.1,0.25 \
      -o "$data/calibration_$measure.jsonl" >"$data/calibration_$measure.txt"
    say "$task: test answers by $measure"
    "$exeunt" sweep "${served[@]}" --exits "$adapted/exits" --prompts "$data/test.jsonl" "${grid[@]}" \
      -o "$data/test_$measure.jsonl" >/dev/null
  done

  # To compare with: every token leaves at the same exit; the whole model with the cheap head (an exit after the last layer but
  # one, always taken); the plain fine-tune; what an oracle would save.
  for layer in ${exits[$task]//,/ }; do
    "$exeunt" sweep "${served[@]}" --exits "$adapted/exits" --exit-layers "$layer" --prompts "$data/test.jsonl" \
      --exit-measure softmax --thresholds 0 -o "$data/test_static_$layer.jsonl" >/dev/null
  done
  if [[ ! -f "$data/exits_29/exits.json" ]]; then
    "$exeunt" fit "$model" --adapter "$adapted/adapter" --prompts "$data/development.jsonl" --limit 200 -n "${tokens[$task]}" \
      --threads "$threads" --exit-layers 29 -o "$data/exits_29"
  fi
  "$exeunt" sweep "${served[@]}" --exits "$data/exits_29" --prompts "$data/test.jsonl" --exit-measure preview --thresholds 0 \
    -o "$data/test_cheap_head.jsonl" >/dev/null
  if [[ -f "$data/plain/adapter/adapter_model.safetensors" ]]; then
    "$exeunt" sweep "$model" --adapter "$data/plain/adapter" -n "${tokens[$task]}" --threads "$threads" --streams 64 \
      --exit-mode off --prompts "$data/test.jsonl" -o "$data/test_plain.jsonl" >/dev/null
  fi
  "$exeunt" probe "$model" --adapter "$adapted/adapter" --exits "$adapted/exits" -n "${tokens[$task]}" --limit 100 \
    --prompts "$data/test.jsonl" --threads "$threads" --html "$data/probe.html" >"$data/probe.txt"

  say "$task: throughput over two stages"
  "$python" "$here/throughput.py" --model "$model" --adapted "$adapted" --data "$data" --max-tokens "${tokens[$task]}"
  [[ "$adapted" == "$kept" ]] ||
    "$python" "$here/keep.py" --adapted "$adapted" --data "$data" --certificate "$task-preview-risk-0.05" --out "$kept"
  "$python" "$here/report.py" --task "$task" --loss "${loss[$task]}" --data "$data" --adapted "$adapted"
done
