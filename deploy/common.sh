# Shared by up.sh and down.sh: where a started cluster leaves its traces.
state="${XDG_STATE_HOME:-$HOME/.local/state}/exeunt"
pid_file="$state/coordinator.pid"
log_file="$state/coordinator.log"

# The coordinator that up.sh started, if it still runs: prints its process id.
running_coordinator() {
  [ -f "$pid_file" ] || return 1
  local pid
  pid="$(cat "$pid_file")"
  # A recycled process id is not ours.
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = exeunt-coordina ] || return 1
  echo "$pid"
}
