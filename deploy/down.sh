#!/usr/bin/env bash
# Stops what deploy/up.sh started: the coordinator drains, ends its pipelines and leaves. Harmless where nothing runs.
set -euo pipefail

. "$(cd "$(dirname "$0")" && pwd)/common.sh"
if ! pid="$(running_coordinator)"; then
  echo "down: nothing is running" >&2
  rm -f "$pid_file"
  exit 0
fi
kill -TERM "$pid"
for ((i = 0; i < 120; ++i)); do
  if ! running_coordinator >/dev/null; then
    rm -f "$pid_file"
    echo "down: stopped" >&2
    exit 0
  fi
  sleep 0.5
done
# mpirun and its ranks die with the coordinator.
kill -KILL "$pid"
rm -f "$pid_file"
echo "down: did not stop within 60 s and was killed" >&2
exit 1
