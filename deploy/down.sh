#!/usr/bin/env bash
# Stops what deploy/up.sh started: the coordinator drains, ends its pipelines and leaves; so does Prometheus. Harmless where
# nothing runs.
set -euo pipefail

. "$(cd "$(dirname "$0")" && pwd)/common.sh"

# stop NAME PID_FILE FUNCTION: FUNCTION prints the process id while it runs.
stop() {
  local pid
  if ! pid="$("$3")"; then
    rm -f "$2"
    return 1
  fi
  kill -TERM "$pid"
  for ((i = 0; i < 120; ++i)); do
    if ! "$3" >/dev/null; then
      rm -f "$2"
      echo "down: $1 stopped" >&2
      return 0
    fi
    sleep 0.5
  done
  # mpirun and its ranks die with the coordinator.
  kill -KILL "$pid"
  rm -f "$2"
  echo "down: $1 did not stop within 60 s and was killed" >&2
  exit 1
}

stop prometheus "$prometheus_pid_file" running_prometheus || true
stop coordinator "$pid_file" running_coordinator || echo "down: nothing is running" >&2
