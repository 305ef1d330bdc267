# Shared by up.sh and down.sh: where a started cluster leaves its traces.
state="${XDG_STATE_HOME:-$HOME/.local/state}/exeunt"
pid_file="$state/coordinator.pid"
log_file="$state/coordinator.log"
prometheus_state="$state/prometheus"
prometheus_pid_file="$prometheus_state/pid"

# running PID_FILE NAME: prints the process id in the file, if a process of that name still runs under it.
running() {
  [ -f "$1" ] || return 1
  local pid
  pid="$(cat "$1")"
  # A recycled process id is not ours.
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] || return 1
  echo "$pid"
}
running_coordinator() { running "$pid_file" exeunt-coordina; }
running_prometheus() { running "$prometheus_pid_file" prometheus; }
