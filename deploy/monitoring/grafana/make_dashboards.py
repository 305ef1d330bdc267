#!/usr/bin/env python3
"""Writes dashboards/*.json beside this file. Run it after a change here; a test compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

Json = dict[str, Any]
J = 'job=~"$job"'
R = J + ', replica=~"$replica"'
S = R + ', stage=~"$stage"'
BY_STAGE = "replica {{replica}} stage {{stage}}"


def variable(name: str, query: str) -> Json:
    return {"name": name, "label": name.capitalize(), "type": "query", "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "query": {"query": query, "refId": name}, "refresh": 2, "sort": 3, "multi": True, "includeAll": True, "allValue": ".*",
            "current": {"text": "All", "value": "$__all"}}


VARIABLES = [
    {"name": "datasource", "label": "Datasource", "type": "datasource", "query": "prometheus", "current": {}},
    variable("job", "label_values(exeunt_build_info, job)"),
    variable("replica", f"label_values(exeunt_pipeline_ready{{{J}}}, replica)"),
    variable("stage", f"label_values(exeunt_stage_layers{{{R}}}, stage)"),
]


def panel(kind: str, title: str, description: str, unit: str, *targets: tuple[str, str], width: int = 8, height: int = 8,
          stack: bool = False, high: float | None = None, thresholds: tuple[float, float] | None = None) -> Json:
    """A panel; `thresholds` are where it turns orange and red, `high` is the end of its axis."""
    defaults: Json = {"unit": unit, "min": 0}
    if high is not None:
        defaults["max"] = high
    if thresholds:
        warn, bad = thresholds
        rising = bad > warn
        steps = [("green" if rising else "red", None), ("orange", warn if rising else bad), ("red" if rising else "green", bad if rising else warn)]
        defaults["thresholds"] = {"mode": "absolute", "steps": [{"color": c, "value": v} for c, v in steps]}
    options: Json = {}
    if kind == "timeseries":
        defaults["custom"] = {"fillOpacity": 60 if stack else 10, "showPoints": "never", "stacking": {"mode": "normal" if stack else "none"}}
        options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    elif kind == "stat":
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background" if thresholds else "value", "graphMode": "area"}
    elif kind == "heatmap":
        options = {"calculate": False, "yAxis": {"unit": unit}, "color": {"scheme": "Oranges", "mode": "scheme"}}
    heat = {"format": "heatmap"} if kind == "heatmap" else {"format": "table", "instant": True} if kind == "table" else {}
    return {"type": kind, "title": title, "description": description, "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "fieldConfig": {"defaults": defaults, "overrides": []}, "options": options, "gridPos": {"w": width, "h": height},
            "targets": [{"refId": chr(ord("A") + i), "expr": expr, "legendFormat": legend, **heat} for i, (expr, legend) in enumerate(targets)]}


AGREES = ', agrees="true"'


def of_exits(more: str = "") -> str:
    return f"sum by (certificate, layer) (increase(exeunt_audited_tokens_total{{{J}{more}}}[1d]))"


def row(title: str) -> Json:
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"w": 24, "h": 1}}


def dashboard(uid: str, title: str, description: str, panels: list[Json]) -> Json:
    x = y = tallest = 0
    for number, p in enumerate(panels, 1):
        width, height = p["gridPos"]["w"], p["gridPos"]["h"]
        if x + width > 24:
            x, y, tallest = 0, y + tallest, 0
        p["gridPos"] |= {"x": x, "y": y}
        p["id"] = number
        x, tallest = x + width, max(tallest, height)
    return {"uid": uid, "title": title, "description": description, "tags": ["exeunt"], "schemaVersion": 39, "version": 1, "editable": True,
            "refresh": "10s", "time": {"from": "now-30m", "to": "now"}, "timezone": "", "templating": {"list": VARIABLES},
            "links": [{"type": "dashboards", "title": "Exeunt", "tags": ["exeunt"], "asDropdown": False, "includeVars": True, "keepTime": True}],
            "panels": panels}


def stat(title: str, description: str, unit: str, expr: str, **more: Any) -> Json:
    return panel("stat", title, description, unit, (expr, ""), width=4, height=5, **more)


def quantiles(title: str, description: str, name: str, **more: Any) -> Json:
    return panel("timeseries", title, description, "s", (f"exeunt:{name}:quantile5m{{{J}}}", "p {{quantile}}"), **more)


def rate(name: str, selector: str, by: str) -> str:
    return f"sum by ({by}) (rate({name}{{{selector}}}[$__rate_interval]))"


def mean(name: str, selector: str = J) -> str:
    total, count = (f"sum(rate({name}_{part}{{{selector}}}[$__rate_interval]))" for part in ("sum", "count"))
    return f"{total} / clamp_min({count}, 1e-9)"


def buckets(name: str, selector: str) -> str:
    return f"sum by (le) (rate({name}_bucket{{{selector}}}[$__rate_interval]))"


def utilisation(**more: Any) -> Json:
    return panel("timeseries", "Stage utilisation", "Share of its time that a stage computes. The busiest is the bottleneck: give it fewer layers.",
                 "percentunit", (f"exeunt:stage_utilisation:ratio1m{{{S}}}", BY_STAGE), high=1, **more)


def exits(**more: Any) -> Json:
    return panel("timeseries", "Exits by layer", "Clients' tokens by the layer that they left after; the last layer is the full model.", "percentunit",
                 (f"sum by (layer) (exeunt:request_exits:share5m{{{J}}}) / scalar(clamp_min(count(exeunt_model_layers{{{J}}}), 1))",
                  "layer {{layer}}"), stack=True, high=1, **more)


OVERVIEW = [
    stat("Pipelines ready", "Pipelines that have loaded and let a token through. 0: requests get 503.", "short",
         f"sum(exeunt_pipeline_ready{{{R}}})", thresholds=(1, 0.5)),
    stat("Alerts", "Alerts of deploy/monitoring/alerts.yml that fire now.", "short",
         'sum(ALERTS{alertstate="firing", alertname=~"Exeunt.*"}) or vector(0)', thresholds=(1, 3)),
    stat("Output", "Tokens generated for clients.", "short", f"sum(exeunt:generation_tokens:rate1m{{{J}}})"),
    stat("First token, p95", "From arrival to the first token: 95 of 100 requests are faster.", "s",
         f'max(exeunt:time_to_first_token_seconds:quantile5m{{{J}, quantile="0.95"}})', thresholds=(2, 10)),
    stat("Between tokens, p95", "From one token of an answer to the next.", "s",
         f'max(exeunt:inter_token_latency_seconds:quantile5m{{{J}, quantile="0.95"}})', thresholds=(0.2, 1)),
    stat("Server errors", "Share of the HTTP requests that ended with 5xx.", "percentunit", f"max(exeunt:http_server_errors:ratio5m{{{J}}})",
         thresholds=(0.01, 0.05)),
    stat("Running", "Sequences that pipelines work on.", "short", f"sum(exeunt_requests_running{{{J}}})"),
    stat("Waiting", "Sequences that wait for a place.", "short", f"sum(exeunt_requests_waiting{{{J}}})", thresholds=(10, 50)),
    stat("K/V memory", "Share of the K/V pages that is reserved, of the fullest pipeline.", "percentunit",
         f"max(exeunt_kv_cache_usage_ratio{{{R}}})", thresholds=(0.8, 0.95)),
    stat("Mean layers", "Layers that a client's token ran, on average.", "short", f"avg(exeunt:layers:mean1m{{{J}}})"),
    stat("Layers saved", "Share of the layers that clients' tokens did not run.", "percentunit", f"avg(exeunt:layers_saved:ratio1m{{{J}}})"),
    stat("Bubbles", "Share of the stages' time, while they had sequences, that they waited for each other.", "percentunit",
         f"max(exeunt:pipeline_bubble:ratio1m{{{R}}})"),
    panel("timeseries", "Tokens", "Tokens a second: generated for clients, and of admitted prompts.", "short",
          (f"sum(exeunt:generation_tokens:rate1m{{{J}}})", "generated"), (f"sum(exeunt:prompt_tokens:rate1m{{{J}}})", "prompt"), width=12),
    utilisation(width=12),
    exits(width=12),
    quantiles("Time to first token", "From arrival to the first token.", "time_to_first_token_seconds", width=12),
]

PIPELINE = [
    row("Stages"),
    panel("timeseries", "Where the time goes", "Seconds a second: computing; blocked, with rows and no credit to send them; waiting for other stages while "
          "sequences are open (bubble); nothing open.", "percentunit",
          (f"avg(rate(exeunt_stage_busy_seconds_total{{{S}}}[$__rate_interval]))", "busy"),
          (f"avg(rate(exeunt_stage_blocked_seconds_total{{{S}}}[$__rate_interval]))", "blocked"),
          (f"avg(rate(exeunt_stage_bubble_seconds_total{{{S}}}[$__rate_interval]))", "bubble"),
          (f"avg(rate(exeunt_stage_idle_seconds_total{{{S}}}[$__rate_interval]) - rate(exeunt_stage_bubble_seconds_total{{{S}}}[$__rate_interval]))",
           "nothing open"), stack=True),
    utilisation(),
    panel("timeseries", "Bubble ratio", "Of the time in which a stage had sequences: the share that it waited, for rows or for credits. "
          "Few sequences over many stages make bubbles; exits, too, where they are uneven.", "percentunit",
          (f"exeunt:stage_bubble:ratio1m{{{S}}}", BY_STAGE), high=1),
    panel("table", "Split", "Layers of each stage: from, up to.", "short", (f"exeunt_stage_info{{{S}}}", "")),
    panel("timeseries", "Rows", "Rows a second, by kind: live (decoding), prompt, fill (K/V alone). A row counts once for each step that it is in.", "short",
          (rate("exeunt_stage_rows_total", S, "kind"), "{{kind}}"), stack=True),
    panel("timeseries", "Steps", "Steps a second; mixed ones have rows of several sequences.", "short",
          (rate("exeunt_stage_steps_total", S, "replica, stage"), BY_STAGE),
          (rate("exeunt_stage_mixed_batches_total", S, "replica, stage"), BY_STAGE + " mixed")),
    panel("heatmap", "Micro-batch sizes", "Rows of a step. Small ones cost nearly as much as larger ones: the matrices are read all the same.", "short",
          (buckets("exeunt_stage_step_rows", S), "{{le}}")),
    panel("timeseries", "Mean micro-batch size", "Rows of a step, on average.", "short", (f"exeunt:stage_step_rows:mean1m{{{S}}}", BY_STAGE)),
    panel("timeseries", "In flight", "Micro-batches between stage 0 and the return of their tokens; frames that the next stage has not taken.", "short",
          (f"exeunt_stage_micro_batches{{{R}, stage=\"0\"}}", "replica {{replica}} micro-batches"),
          (f"exeunt_stage_frames_in_flight{{{S}}}", BY_STAGE + " frames")),
    row("Exits and forwarding"),
    exits(),
    panel("timeseries", "Exits a second", "Tokens that left at a stage, by layer: audits' and canaries' too.", "short",
          (rate("exeunt_exits_total", S, "stage, layer"), "stage {{stage}} layer {{layer}}")),
    panel("timeseries", "Layers saved", "Share of a stage's layers that tokens did not run. Their K/V is projected later (fills).", "percentunit",
          (f"exeunt:stage_layers_saved:ratio1m{{{S}}}", BY_STAGE), high=1),
    panel("timeseries", "Mean layers", "Layers that a client's token ran, on average.", "short", (f"exeunt:layers:mean1m{{{J}}}", "{{instance}}")),
    panel("timeseries", "Forwarding backlog", "Fills that wait at a stage, to be computed or sent.", "short",
          (f"exeunt_stage_backlog_rows{{{S}}}", BY_STAGE)),
    panel("timeseries", "Fills", "Fills a second: sent, computed, and dropped because their sequence had ended.", "short",
          (f"sum(rate(exeunt_stage_fills_sent_total{{{S}}}[$__rate_interval]))", "sent"),
          (f"sum(rate(exeunt_stage_rows_total{{{S}, kind=\"fill\"}}[$__rate_interval]))", "computed"),
          (f"sum(rate(exeunt_stage_fills_dropped_total{{{S}}}[$__rate_interval]))", "dropped")),
    row("Memory and links"),
    panel("timeseries", "K/V pages of a pipeline", "Reserved by admission, kept of prompts that are over, and all of the smallest stage.", "short",
          (f"exeunt_kv_pages_reserved{{{R}}}", "replica {{replica}} reserved"), (f"exeunt_kv_pages_cached{{{R}}}", "replica {{replica}} kept"),
          (f"exeunt_kv_pages{{{R}}}", "replica {{replica}} all")),
    panel("timeseries", "K/V pages of a stage", "In use at a stage, of those that it can hold.", "percentunit",
          (f"exeunt_stage_kv_pages_used{{{S}}} / clamp_min(exeunt_stage_kv_pages{{{S}}}, 1)", BY_STAGE), high=1),
    panel("timeseries", "Open sequences", "Sequences open in a pipeline.", "short", (f"exeunt_open_sequences{{{R}}}", "replica {{replica}}")),
    panel("timeseries", "Bytes sent", "Bytes a second that a stage sends to other stages.", "Bps",
          (rate("exeunt_stage_sent_bytes_total", S, "replica, stage"), BY_STAGE)),
    panel("timeseries", "Bytes received", "Bytes a second that a stage receives from other stages.", "Bps",
          (rate("exeunt_stage_received_bytes_total", S, "replica, stage"), BY_STAGE)),
    panel("timeseries", "Frames", "Frames a second: to the next stage, of tokens to stage 0, received, and of those stale ones.", "short",
          (f"sum(rate(exeunt_stage_frames_sent_total{{{S}}}[$__rate_interval]))", "sent"),
          (f"sum(rate(exeunt_stage_returns_sent_total{{{S}}}[$__rate_interval]))", "tokens"),
          (f"sum(rate(exeunt_stage_frames_received_total{{{S}}}[$__rate_interval]))", "received"),
          (f"sum(rate(exeunt_stage_stale_frames_total{{{S}}}[$__rate_interval]))", "stale")),
    row("Health"),
    panel("timeseries", "Heartbeat age", "Since a stage was last heard of; it is ended after --heartbeat-timeout (3 s).", "s",
          (f"exeunt_stage_heartbeat_age_seconds{{{S}}}", BY_STAGE)),
    panel("timeseries", "Restarts", "Times that a pipeline's job was started again in an hour.", "short",
          (f"increase(exeunt_pipeline_restarts_total{{{R}}}[1h])", "replica {{replica}}")),
    panel("timeseries", "Ready", "1: the pipeline is loaded and a token has come through.", "short",
          (f"exeunt_pipeline_ready{{{R}}}", "replica {{replica}}"), high=1),
]

REQUESTS = [
    row("Latency"),
    quantiles("Time to first token", "From arrival to the first token: queue and prompt.", "time_to_first_token_seconds"),
    quantiles("Between tokens", "From one token of an answer to the next.", "inter_token_latency_seconds"),
    quantiles("Whole request", "From arrival to the end.", "e2e_request_latency_seconds"),
    panel("timeseries", "Phases", "Mean of a request that was served: in the queue; from there to the first token; from there to the last.", "s",
          (mean("exeunt_request_queue_time_seconds"), "queue"), (mean("exeunt_request_prefill_time_seconds"), "prefill"),
          (mean("exeunt_request_decode_time_seconds"), "decode"), stack=True),
    panel("timeseries", "Inference time", "Mean from admission to the last token.", "s", (mean("exeunt_request_inference_time_seconds"), "inference")),
    panel("heatmap", "Time to first token, all", "How requests spread over the time to their first token.", "s",
          (buckets("exeunt_time_to_first_token_seconds", J), "{{le}}")),
    row("Load"),
    panel("timeseries", "Running and waiting", "Sequences in pipelines, and in the queue; those that audit are apart.", "short",
          (f"sum(exeunt_requests_running{{{J}}})", "running"), (f"sum(exeunt_requests_waiting{{{J}}})", "waiting"),
          (f"sum(exeunt_audit_requests_running{{{J}}}) + sum(exeunt_audit_requests_waiting{{{J}}})", "audits")),
    panel("timeseries", "Sequences that ended", "A second, by how: stop, length, abort (the client went).", "short",
          (rate("exeunt_request_success_total", J, "finished_reason"), "{{finished_reason}}"), stack=True),
    panel("timeseries", "Failures", "Sequences a second that were refused or ended with an error, by reason.", "short",
          (rate("exeunt_request_failures_total", J, "reason"), "{{reason}}"), stack=True),
    panel("timeseries", "Tokens", "Tokens a second: generated for clients, and of admitted prompts.", "short",
          (f"sum(exeunt:generation_tokens:rate1m{{{J}}})", "generated"), (f"sum(exeunt:prompt_tokens:rate1m{{{J}}})", "prompt")),
    panel("heatmap", "Prompt lengths", "Tokens of prompts.", "short", (buckets("exeunt_request_prompt_tokens", J), "{{le}}")),
    panel("heatmap", "Answer lengths", "Tokens generated for an answer.", "short", (buckets("exeunt_request_generation_tokens", J), "{{le}}")),
    panel("timeseries", "Asked for", "Mean of max_tokens and of n.", "short", (mean("exeunt_request_params_max_tokens"), "max_tokens"),
          (mean("exeunt_request_params_n"), "n")),
    panel("timeseries", "Prefix hits", "Share of the tokens of prompts whose K/V was there already.", "percentunit",
          (f"exeunt:prefix_cache_hits:ratio5m{{{J}}}", "{{instance}}"), high=1),
    panel("timeseries", "Failure share", "Share of the sequences that were refused or ended with an error.", "percentunit",
          (f"exeunt:request_failures:ratio5m{{{J}}}", "{{instance}}"), high=1),
    row("HTTP"),
    panel("timeseries", "HTTP requests", "Answers a second by route, method and status. 499: the client had gone.", "reqps",
          (rate("exeunt_http_requests_total", J, "route, method, status"), "{{method}} {{route}} {{status}}")),
    panel("timeseries", "HTTP duration, p95", "From a request's last byte to its answer's; streams to their end.", "s",
          (f"histogram_quantile(0.95, sum by (route, le) (rate(exeunt_http_request_duration_seconds_bucket{{{J}}}[$__rate_interval])))", "{{route}}")),
    panel("timeseries", "HTTP in flight and bytes", "Requests whose answer is not complete; bytes of bodies a second.", "short",
          (f"sum(exeunt_http_requests_in_flight{{{J}}})", "in flight"),
          (f"sum(rate(exeunt_http_request_body_bytes_total{{{J}}}[$__rate_interval]))", "bytes in"),
          (f"sum(rate(exeunt_http_response_body_bytes_total{{{J}}}[$__rate_interval]))", "bytes out")),
    row("Audits of certificates"),
    panel("timeseries", "Evidence", "Against each certificate; it alarms at 1 / --audit-level. 0 where none is served.", "short",
          (f"exeunt_certificate_evidence{{{J}}} or vector(0)", "{{certificate}}"), width=6),
    panel("timeseries", "Agreement", "Share of an exit's audited tokens that the full model would have said, over a day. 0 where there are none.",
          "percentunit", (f"{of_exits(AGREES)} / {of_exits()} or vector(0)", "{{certificate}} after {{layer}}"), width=6, high=1),
    panel("timeseries", "Audits", "An hour, by result; dropped ones found no room. 0 where no certificate is served.", "short",
          (f"sum by (certificate, result) (increase(exeunt_audits_total{{{J}}}[1h])) or vector(0)", "{{certificate}} {{result}}"), width=6),
    panel("timeseries", "Tokens of audits", "Tokens a second that audits generate, beside those for clients.", "short",
          (f"sum(rate(exeunt_audit_generation_tokens_total{{{J}}}[$__rate_interval]))", "generated"),
          (f"sum(rate(exeunt_audit_prompt_tokens_total{{{J}}}[$__rate_interval]))", "prompt"), width=6),
]

DASHBOARDS = [
    dashboard("exeunt-overview", "Exeunt / Overview", "For a wall: is it up, is it fast, is it full, what do exits save.", OVERVIEW),
    dashboard("exeunt-pipeline", "Exeunt / Pipeline", "What each stage does: time, rows, exits, forwarding, memory, links.", PIPELINE),
    dashboard("exeunt-requests", "Exeunt / Requests", "What clients get: latency, load, HTTP, audits.", REQUESTS),
]


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "dashboards"
    for made in DASHBOARDS:
        (folder / f"{made['uid']}.json").write_text(json.dumps(made, indent=1) + "\n")


main()
