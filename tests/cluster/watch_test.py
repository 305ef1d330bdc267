"""What Prometheus says of a cluster under load, against what its client counted itself. Usage: watch_test.py BUILD MODEL

One real Prometheus finds the coordinator by /v1/targets and scrapes it. Then every query of every dashboard and every recording rule
has data, every metric is in docs/operations.md, and `exeunt top --once` shows the cluster."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cluster import ROOT, Cluster, free_port

MONITORING = ROOT / "deploy" / "monitoring"
EXIT_LAYERS = "10,20,24,28"
FORCED = {"mode": "propagate", "measure": "forced", "forced": [{"layer": 10, "probability": 0.4}, {"layer": 24, "probability": 0.3}]}
# Families whose series begin with a certificate's first, and none is served here: nothing to see is right.
OF_CERTIFICATES = {"exeunt_certificate_evidence", "exeunt_certificate_alarm", "exeunt_audits_total", "exeunt_audit_loss_total",
                   "exeunt_audited_tokens_total"}
VARIABLES = {"$job": "exeunt", "$replica": ".*", "$stage": ".*", "$__rate_interval": "1m"}


class Prometheus:
    """A Prometheus with the rules in the tree. Context manager."""

    def __init__(self, coordinator: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.scratch = tempfile.TemporaryDirectory(prefix="exeunt-prometheus-")
        folder = Path(self.scratch.name)
        rules = [str(MONITORING / name) for name in ("rules.yml", "alerts.yml")]
        # JSON is YAML.
        (folder / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": rules,
            "scrape_configs": [{"job_name": "exeunt", "http_sd_configs": [{"url": coordinator + "/v1/targets", "refresh_interval": "5s"}]}]}))
        self.log = open(folder / "log", "w+")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address={self.url.removeprefix('http://')}"], stdout=self.log, stderr=subprocess.STDOUT)

    def __enter__(self) -> "Prometheus":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()
        self.scratch.cleanup()

    def get(self, path: str, **query: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10) as response:
            return json.load(response)["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        return [(r["metric"], float(r["value"][1])) for r in self.get("query", query=expression)["result"]]

    def by(self, expression: str, *labels: str) -> dict[str, int]:
        """Whole numbers that are not 0, by the labels' values."""
        return {" ".join(metric[label] for label in labels): int(value) for metric, value in self.query(expression) if value != 0}

    def number(self, expression: str) -> int:
        ((_, value),) = self.query(expression)
        return int(value)

    def wait_scrape_after(self, moment: float, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (self.log.seek(0), self.log.read())[1]
            try:
                found = self.query("timestamp(exeunt_generation_tokens_total)")
            except OSError:  # it has just been started
                found = []
            if found and found[0][1] > moment:
                return
            time.sleep(0.2)
        raise AssertionError("Prometheus does not scrape the coordinator")


class Client:
    """Asks, and counts what it gets."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.lock = threading.Lock()
        self.http: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.exits: Counter[str] = Counter()
        self.prompt_tokens = self.generated_tokens = self.choices = self.asked = self.layers_skipped = 0

    def ask(self, body: dict[str, Any]) -> None:
        status, reply = self.stream(body) if body.get("stream") else self.cluster.post("/v1/completions", body)
        with self.lock:
            self.http[f"POST {status}"] += 1
            if status != 200:
                return
            self.asked += 1
            self.choices += len(reply["choices"])
            for choice in reply["choices"]:
                self.reasons[choice["finish_reason"]] += 1
            usage = reply["usage"]
            self.prompt_tokens += usage["prompt_tokens"]
            self.generated_tokens += usage["completion_tokens"]
            self.layers_skipped += usage["exit"]["layers_skipped"]
            self.exits.update(usage["exit"]["by_layer"])

    def stream(self, body: dict[str, Any]) -> tuple[int, Any]:
        """The parts of the plain answer that are counted."""
        request = urllib.request.Request(self.cluster.url + "/v1/completions", json.dumps(body).encode(), {"content-type": "application/json"})
        choices, usage = [], None
        with urllib.request.urlopen(request, timeout=120) as response:
            for line in response:
                text = line.decode().strip().removeprefix("data: ")
                if not text or text == "[DONE]" or text.startswith(":"):
                    continue
                chunk = json.loads(text)
                choices += [c for c in chunk["choices"] if c["finish_reason"]]
                usage = chunk["usage"] or usage
            return response.status, {"choices": choices, "usage": usage}


def bodies(count: int) -> list[dict[str, Any]]:
    kinds: list[dict[str, Any]] = [
        {"max_tokens": 12}, {"max_tokens": 24, "exit": FORCED}, {"n": 3, "temperature": 1, "exit": FORCED},
        {"stream": True, "stream_options": {"include_usage": True}, "exit": FORCED},
        {"prompt": "1, 2, 3, 4,", "stop": ["9", " 8"], "temperature": 0}, {"max_tokens": 100000},
        {"stream": True, "stream_options": {"include_usage": True}, "prompt": "1, 2, 3, 4,", "stop": "8", "temperature": 0}, {"temperature": -1},
    ]
    return [{"model": "default", "prompt": f"Chapter {i}. " + "It was a dark and stormy night; " * (i % 7), "max_tokens": 16, "seed": i,
             **kinds[i % len(kinds)]} for i in range(count)]


def equal(name: str, prometheus: Any, client: Any) -> None:
    assert prometheus == client, f"{name}: Prometheus has {prometheus}, the client {client}"
    print(f"ok   {name}: {client}")


def check_counts(prometheus: Prometheus, client: Client, refused: int) -> None:
    equal("requests by reason", prometheus.by("exeunt_request_success_total", "finished_reason"), dict(client.reasons))
    equal("failures", prometheus.by("exeunt_request_failures_total", "reason"), {"context_length": refused})
    equal("prompt tokens", prometheus.number("exeunt_prompt_tokens_total"), client.prompt_tokens)
    equal("generated tokens", prometheus.number("exeunt_generation_tokens_total"), client.generated_tokens)
    equal("exits by layer", prometheus.by("exeunt_request_exits_total", "layer"), dict(client.exits))
    equal("layers skipped", prometheus.number("exeunt_request_layers_skipped_total"), client.layers_skipped)
    equal("HTTP", prometheus.by('exeunt_http_requests_total{route="/v1/completions"}', "method", "status"), dict(client.http))
    for name in ("time_to_first_token_seconds", "e2e_request_latency_seconds", "request_decode_time_seconds", "request_generation_tokens"):
        equal(f"observations of {name}", prometheus.number(f"exeunt_{name}_count"), client.choices)
    equal("observations between tokens", prometheus.number("exeunt_inter_token_latency_seconds_count"), client.generated_tokens - client.choices)
    equal("left", prometheus.number("exeunt_requests_running") + prometheus.number("exeunt_requests_waiting"), 0)
    # Stages count canaries too, and tokens that overran a stop string.
    work = prometheus.by("sum by (layer) (exeunt_exits_total)", "layer")
    assert all(work[layer] >= count for layer, count in client.exits.items()), work
    # Layers 10 to 30 of a token that left after 10, wherever they are.
    equal("layers skipped, by stages", prometheus.number("sum(exeunt_stage_layers_skipped_total)"),
          sum((30 - int(layer)) * count for layer, count in work.items()))


def panel_queries() -> list[tuple[str, str]]:
    found = []
    for file in sorted((MONITORING / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            if panel["type"] == "row":
                continue
            assert panel["description"] and panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            for target in panel["targets"]:
                expression = target["expr"]
                for name, value in VARIABLES.items():
                    expression = expression.replace(name, value)
                assert "$" not in expression, expression
                found.append((f"{file.stem}: {panel['title']}", expression))
    return found


def check_queries(prometheus: Prometheus) -> None:
    """Each has data, and some of it is a number. Nothing is excepted: what may have no series says 0 by itself."""
    rules = [(f"rule {r['name']}", r["query"]) for g in prometheus.get("rules", type="record")["groups"] for r in g["rules"]]
    records = [(f"record {name}", name) for name in sorted({name.split()[1] for name, _ in rules})]
    queries = panel_queries()
    assert len(queries) > 60 and len(rules) > 15, (len(queries), len(rules))
    empty = []
    for title, expression in queries + rules + records:
        values = [value for _, value in prometheus.query(expression)]
        if not values or all(math.isnan(v) for v in values):
            empty.append(f"{title}: {expression}: {values}")
    assert not empty, "no data:\n" + "\n".join(empty)
    firing = prometheus.by('ALERTS{alertstate="firing"}', "alertname")
    assert not firing, firing
    print(f"ok   {len(queries)} queries of panels, {len(rules)} rules: data")


def check_names(cluster: Cluster, prometheus: Prometheus) -> None:
    """Rules, dashboards and documentation name what there is, and the documentation all of it."""
    with urllib.request.urlopen(cluster.url + "/metrics", timeout=10) as response:
        text = response.read().decode()
    lint = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
    assert lint.returncode == 0 and not lint.stderr.strip(), lint.stderr
    there = set(re.findall(r"^# TYPE (\S+)", text, re.M)) | OF_CERTIFICATES
    docs = (ROOT / "docs" / "operations.md").read_text()
    missing = sorted(name for name in there if f"`{name}" not in docs)
    assert not missing, f"not in docs/operations.md: {missing}"
    used = docs + "".join((MONITORING / name).read_text() for name in ("rules.yml", "alerts.yml"))
    used += "".join(expression for _, expression in panel_queries())
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bexeunt_[a-z0-9_]+", used)}
    unknown = sorted(name for name in names if name not in there)
    assert not unknown, f"no such metric: {unknown}"
    print(f"ok   {len(there)} metrics, promtool finds nothing to say against them")


def check_top(build: Path, cluster: Cluster) -> None:
    command = [str(build / "tools" / "exeunt"), "top", "--url", cluster.url, "--once", "--interval", "2.5"]  # stages at rest report once a second
    shown = subprocess.run(command, text=True, capture_output=True, timeout=60)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0].endswith("ready") and re.match(r"requests  running \d+  waiting \d+  served \d+  failed \d+$", lines[1]), shown.stdout
    stages = [line for line in lines if re.match(r" +\d +\d+-\d+ [#.]{10} +\d+ % ", line)]
    assert len(stages) == 2 and "10: 0.0/s" in stages[0] and "\x1b" not in shown.stdout, shown.stdout
    gone = subprocess.run([*command[:3], f"http://127.0.0.1:{free_port()}", "--once"], text=True, capture_output=True, timeout=60)
    assert gone.returncode == 1 and "Connection refused" in gone.stderr, gone
    print(shown.stdout)


def main() -> None:
    build, model = Path(sys.argv[1]), sys.argv[2]
    asked = bodies(48)
    with Cluster(build, model, "--stages", "2", "--exit-layers", EXIT_LAYERS) as cluster, Prometheus(cluster.url) as prometheus:
        prometheus.wait_scrape_after(0)
        client = Client(cluster)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(client.ask, asked))
        cluster.quiet()
        prometheus.wait_scrape_after(time.time())
        assert len(client.reasons) == 2 and len(client.exits) == 3, (client.reasons, client.exits)
        check_counts(prometheus, client, refused=sum(b["max_tokens"] == 100000 for b in asked))
        prometheus.wait_scrape_after(time.time() + 1)  # rules see what was scraped
        check_queries(prometheus)
        check_names(cluster, prometheus)
        check_top(build, cluster)


main()
