"""schemathesis against /openapi.json of a real cluster with a tiny model: no 5xx, and every answer as the document says.

    tests/cluster/schema_test.py BUILD_DIR MODEL

EXEUNT_SCHEMA_EXAMPLES: cases per operation (CI: 60). EXEUNT_SCHEMA_CASES: fail below so many cases in all. The long run is
    EXEUNT_SCHEMA_EXAMPLES=900 EXEUNT_SCHEMA_CASES=5000 tests/cluster/run.sh schema_test.py build
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from cluster import ROOT, Cluster

BUILD = Path(sys.argv[1])
EXAMPLES = os.environ.get("EXEUNT_SCHEMA_EXAMPLES", "60")
LEAST_CASES = int(os.environ.get("EXEUNT_SCHEMA_CASES", "300"))
# What a schema cannot say (fields that need each other, the model's ids) is a 400 of its own.
NOT_CHECKED = "positive_data_acceptance"
GENERATIONS = ("/v1/completions", "/v1/chat/completions")


def answered(cluster: Cluster) -> dict[str, int]:
    """Answers with 200 by route: a run that is refused throughout shows nothing."""
    with urllib.request.urlopen(cluster.url + "/metrics", timeout=10) as response:
        text = response.read().decode()
    lines = [(dict(re.findall(r'(\w+)="([^"]*)"', line)), line.split()[-1]) for line in text.splitlines()
             if line.startswith("exeunt_http_requests_total{")]
    return {labels["route"]: int(float(value)) for labels, value in lines if labels["status"] == "200"}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "tiny.gguf"
        subprocess.run([BUILD / "tests/write_tiny_model", model], check=True)
        with Cluster(BUILD, str(model), "--stages", "2", "--exit-layers", "1,2,3", "--default-max-tokens", "4") as cluster:
            command = [sys.executable, "-m", "schemathesis.cli", "run", cluster.url + "/openapi.json", "--checks", "all",
                       "--exclude-checks", NOT_CHECKED, "--max-examples", EXAMPLES, "--seed", "1", "--no-shrink",
                       "--suppress-health-check", "all", "--generation-database", "none", "--request-timeout", "60", "--no-color",
                       "--continue-on-failure", "--phases", "examples,coverage,fuzzing", "--warnings", "off"]
            environment = os.environ | {"SCHEMATHESIS_HOOKS": "schema_hooks", "PYTHONPATH": str(ROOT / "tests/cluster")}
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)
            print(done.stdout[-20000:])
            assert done.returncode == 0, (done.returncode, done.stderr[-4000:])
            cases = int(re.search(r"([\d,]+) generated", done.stdout).group(1).replace(",", ""))
            assert cases >= LEAST_CASES, f"{cases} cases, fewer than {LEAST_CASES}"
            answers = answered(cluster)
            print(f"{cases} cases; answers by route: {answers}")
            assert all(answers.get(route, 0) >= int(EXAMPLES) // 10 for route in GENERATIONS), answers
            view = cluster.quiet()
            assert view["pipelines"][0]["restarts"] == 0, view


main()
