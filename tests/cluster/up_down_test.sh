#!/usr/bin/env bash
# deploy/up.sh starts a cluster and shows a request, again is harmless, other options are refused; deploy/down.sh leaves nothing.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
XDG_STATE_HOME="$(mktemp -d)"
export XDG_STATE_HOME
trap '"$root/deploy/down.sh" >/dev/null 2>&1 || true; rm -rf "$XDG_STATE_HOME"' EXIT
fail() { echo "FAIL: $*"; exit 1; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
prometheus_port=$(free_port)

first="$("$root/deploy/up.sh" --stages 3 --port "$port" 2>/dev/null)"
grep -q '^\$ curl' <<<"$first" || fail "up.sh does not print its curl: $first"
[ "$(tail -n +2 <<<"$first" | jq -r .usage.completion_tokens)" -gt 0 ] || fail "up.sh's request generated nothing: $first"
pid="$(cat "$XDG_STATE_HOME/exeunt/coordinator.pid")"
[ "$(curl -s "http://127.0.0.1:$port/v1/cluster" | jq '.pipelines[0].stages | length')" = 3 ] || fail "not 3 stages"
"$root/deploy/up.sh" --stages 3 --port "$port" >/dev/null 2>&1 || fail "running up.sh again failed"
[ "$(cat "$XDG_STATE_HOME/exeunt/coordinator.pid")" = "$pid" ] || fail "running up.sh again started another"
if "$root/deploy/up.sh" --stages 2 --port "$port" >/dev/null 2>&1; then fail "other options were accepted silently"; fi
"$root/deploy/up.sh" --stages 3 --port "$port" --monitoring --prometheus-port "$prometheus_port" >/dev/null 2>&1 ||
  fail "up.sh --monitoring failed"
prometheus="$(cat "$XDG_STATE_HOME/exeunt/prometheus/pid")"
up() { curl -s "http://127.0.0.1:$prometheus_port/api/v1/query?query=up" | jq -r '.data.result[0].value[1]'; }
for ((i = 0; i < 60; ++i)); do [ "$(up)" = 1 ] && break; sleep 0.5; done
[ "$(up)" = 1 ] || fail "Prometheus does not scrape the coordinator"
[ "$(curl -s "http://127.0.0.1:$prometheus_port/api/v1/rules" | jq '.data.groups | length')" -gt 5 ] || fail "Prometheus has no rules"
ranks="$(pgrep -f "exeunt-worker .*--pipeline" -g "$(pgrep -P "$pid" mpirun)" || true)"
"$root/deploy/down.sh" || fail "down.sh failed"
for process in $pid $prometheus $ranks; do
  [ ! -e "/proc/$process" ] || fail "process $process is left"
done
"$root/deploy/down.sh" || fail "down.sh without a cluster failed"
echo PASS
