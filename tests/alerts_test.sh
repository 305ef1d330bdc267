#!/usr/bin/env bash
# deploy/monitoring: a configuration and rules that Prometheus takes, alerts that fire on their signs, each with a test, an
# explanation and a section of docs/operations.md to go to; dashboards as their script writes them.
# tests/cluster/watch_test.py runs their queries.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
monitoring="$root/deploy/monitoring"
promtool check config "$monitoring/prometheus.yml"
promtool check rules "$monitoring/rules.yml" "$monitoring/alerts.yml"
promtool test rules "$monitoring/alerts_test.yml"
status=0
for alert in $(awk '$2 == "alert:" { print $3 }' "$monitoring/alerts.yml"); do
  grep -qF "\`$alert\`" "$root/docs/operations.md" || { echo "$alert: not in docs/operations.md"; status=1; }
  grep -qF "alertname: $alert" "$monitoring/alerts_test.yml" || { echo "$alert: has no test"; status=1; }
done
[ "$(grep -c 'runbook: ' "$monitoring/alerts.yml")" = "$(grep -c 'alert: ' "$monitoring/alerts.yml")" ] ||
  { echo "an alert has no runbook"; status=1; }
for section in $(grep -oE 'runbook: "docs/operations.md#[a-z-]+' "$monitoring/alerts.yml" | cut -d '#' -f 2 | sort -u); do
  heading="$(tr '-' ' ' <<<"$section")"
  grep -qiE "^#+ ${heading/ /:? }$" "$root/docs/operations.md" || { echo "docs/operations.md has no section $section"; status=1; }
done
for record in $(grep -oE 'record: "?[a-z0-9_:]+' "$monitoring/rules.yml" | cut -d ' ' -f 2 | tr -d '"' | sort -u); do
  grep -qF "\`$record\`" "$root/docs/operations.md" || { echo "$record: not in docs/operations.md"; status=1; }
done
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
python3 "$monitoring/grafana/make_dashboards.py" "$scratch"
diff -r "$scratch" "$monitoring/grafana/dashboards" || { echo "run deploy/monitoring/grafana/make_dashboards.py"; status=1; }
exit "$status"
