"""The adapters and exits that experiments/calm keeps, served over two stages: early and in full, the very answers that a sweep in
one process gave (served.jsonl), at no more than the depth that is wanted. Audits of traffic like the calibration prompts raise no alarm,
of another task's prompts they do.

    tests/cluster/kept_exits_test.py BUILD_DIR MODEL
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cluster import ROOT, Cluster

BUILD = Path(sys.argv[1])
MODEL = sys.argv[2]
DEEPEST = {"restore": 20, "synopsis": 22}  # mean layers of 30, at most
KEPT_BYTES = 25_000_000  # of a task's adapter and exits


def check(task: Path) -> None:
    size = sum(p.stat().st_size for part in ("adapter", "exits") for p in (task / part).rglob("*") if p.is_file())
    assert size < KEPT_BYTES, (task, size)
    recorded = [json.loads(line) for line in (task / "served.jsonl").read_text(encoding="utf-8").splitlines()]
    with Cluster(BUILD, MODEL, "--stages", "2", "--adapter", str(task / "adapter"), "--exits", str(task / "exits")) as cluster:
        def ask(line: dict, exit: dict) -> dict:
            body = {"model": "default", "prompt": line["prompt"], "temperature": 0, "exit": exit, "max_tokens": line["max_tokens"]}
            status, answer = cluster.post("/v1/completions", body)
            assert status == 200, answer
            return answer

        with ThreadPoolExecutor(16) as pool:
            early = list(pool.map(lambda line: ask(line, line["exit"]), recorded))
            full = list(pool.map(lambda line: ask(line, {"mode": "off"}), recorded))
    for line, a, b in zip(recorded, early, full):
        assert a["choices"][0]["text"] == line["early"], (line, a)
        assert b["choices"][0]["text"] == line["full"], (line, b)
        assert a["usage"]["exit"].get("certificate") == line["exit"].get("certificate"), a
    layers = [a["usage"]["exit"]["mean_layers"] * a["usage"]["completion_tokens"] for a in early]
    tokens = sum(a["usage"]["completion_tokens"] for a in early)
    assert sum(layers) == sum(line["layers"] for line in recorded), (sum(layers), recorded)
    assert sum(layers) / tokens <= DEEPEST[task.name], sum(layers) / tokens
    print(f"ok   {task.name}: {len(recorded)} answers with exit {recorded[0]['exit']} and in full as recorded, "
          f"{sum(layers) / tokens:.2f} layers a token", flush=True)


def exeunt(*arguments: object) -> str:
    return subprocess.run([BUILD / "tools/exeunt", *map(str, arguments)], capture_output=True, text=True, timeout=300, check=True).stdout


def check_watched(task: Path, other: Path) -> None:
    path = task / f"exits/certificates/{task.name}-candidates-risk-0.05.json"
    certificate = json.loads(path.read_text())

    def watch(sweep: Path) -> dict:
        return json.loads(exeunt("watch", "--certificate", path, "--sweep", sweep, "--audit-share", 0.02, "--requests", 10000, "--json"))

    with tempfile.TemporaryDirectory() as directory:
        swept = "calibration_answers.jsonl"
        with tarfile.open(task / "measured.tar.xz") as measured:
            measured.extract(swept, directory, filter="data")
        same = watch(Path(directory) / swept)
        assert same["prompts"] == certificate["n"] == 3000 and same["alarm_share"] <= same["audit_level"] == 0.01, same
        shifted = Path(directory) / "shifted.jsonl"
        exeunt("sweep", MODEL, "--adapter", task / "adapter", "--exits", task / "exits", "--prompts", other / "served.jsonl", "-n",
               certificate["max_tokens"], "--exit-measure", certificate["measure"], "--thresholds", f"{certificate['threshold']:g}",
               "--threads", 2, "-o", shifted)
        alarmed = watch(shifted)
        assert alarmed["alarm_share"] > 0.99, alarmed
    print(f"ok   {task.name}: of {same['replays']} replays {same['alarm_share']:.1%} alarm on calibration traffic, "
          f"{alarmed['alarm_share']:.1%} on prompts of {other.name}", flush=True)


def main() -> None:
    kept = sorted(p.parent for p in (ROOT / "experiments/calm").glob("*/adapter"))
    assert kept, "no adapters are kept"
    for task in kept:
        check(task)
    restore, synopsis = kept
    check_watched(restore, synopsis)


main()
