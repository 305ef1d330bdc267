#!/usr/bin/env bash
# deploy/monitoring/alerts.yml: rules that Prometheus takes, that fire on their signs, and over metrics that there are; each alert
# is explained in docs/operations.md.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
rules="$root/deploy/monitoring/alerts.yml"
promtool check rules "$rules"
promtool test rules "$root/deploy/monitoring/alerts_test.yml"
status=0
for metric in $(grep -ohE 'exeunt_[a-z_]+' "$rules" | sort -u); do
  grep -rqF "\"$metric\"" "$root/coordinator" --include='*.cc' || { echo "$metric: no such metric"; status=1; }
done
for alert in $(awk '$2 == "alert:" { print $3 }' "$rules"); do
  grep -qF "\`$alert\`" "$root/docs/operations.md" || { echo "$alert: not in docs/operations.md"; status=1; }
  grep -qF "alertname: $alert" "$root/deploy/monitoring/alerts_test.yml" || { echo "$alert: has no test"; status=1; }
done
exit "$status"
