#!/usr/bin/env python3
"""Do tokens that leave early become throughput? Prints a Markdown table of rates with and without forced exits.

    bench/exits.py [--rounds N] [--stages 1,2,3] [--model PATH]

Every round runs the three profiles in turns over real mpirun, one thread a stage, each with the split that is planned for
it. `allowed` is what the measured cost of the layers that are skipped allows the profile to gain: the cost of a token
without exits over its cost with them, in steps of streams / stages rows, of which each layer, fill and head runs as many as
the profile leaves it (`exeunt plan`, as many at once as stages have cores; a job of two rows costs nearly as much as one of
four).
"""

import argparse
import json
import os
import statistics
import subprocess
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXEUNT = ROOT / "build/tools/exeunt"
STREAMS = (1, 8, 32)
PROFILES: dict[str, list[str]] = {  # exit layers, and the share of tokens that leaves at each
    "none": [],
    "all at 15": ["15", "15:1"],
    "half at 10, a quarter at 20": ["10,20", "10:0.5,20:0.25"],
}


def output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode != 0:
        raise SystemExit(f"exits: {' '.join(command)}\n{done.stderr[-2000:]}")
    return done.stdout


def run(model: str, stages: int, streams: int, profile: list[str]) -> float:
    """Tokens per second."""
    command = [str(ROOT / "tests/mpirun.sh"), str(stages), str(EXEUNT), "bench", model, "--json"]
    command += ["--workload", f"decode:{streams}"]
    if profile:
        command += ["--exit-mode", "propagate", "--exit-measure", "forced"]
        command += ["--exit-layers", profile[0], "--forced", profile[1]]
    lines = [line for line in output(command).splitlines() if line.startswith("{")]
    return float(json.loads(lines[0])["tokens_per_second"])


def allowed(model: str, stages: int, streams: int, profile: str) -> float:
    command = [str(EXEUNT), "plan", model, "--json", "--exit-profile", profile]
    command += ["--stages", str(stages), "--streams", str(streams)]
    at_once = min(stages, len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(at_once) as pool:
        plans = [json.loads(text) for text in pool.map(output, [command] * at_once)]
    return statistics.mean(plan["full_token_us"] / plan["token_us"] for plan in plans)


def measure(model: str, stages: int, streams: int, rounds: int) -> None:
    rates: dict[str, list[float]] = defaultdict(list)
    limits: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, profile in PROFILES.items():
            rates[name].append(run(model, stages, streams, profile))
            if profile:
                limits[name].append(allowed(model, stages, streams, profile[1]))
    none = statistics.median(rates["none"])
    for name, profile in PROFILES.items():
        rate = statistics.median(rates[name])
        cells = [str(stages), str(streams), name, f"{rate:.0f} ({min(rates[name]):.0f}-{max(rates[name]):.0f})", "", "", ""]
        if profile:
            limit = statistics.median(limits[name])
            cells[4:] = [f"{rate / none:.2f}", f"{limit:.2f}", f"{rate / none / limit:.2f}"]
        print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Rates with and without forced exits")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stages", default="1,2,3", help="numbers of stages, with commas")
    parser.add_argument("--model", default="")
    options = parser.parse_args()
    model = options.model or output([str(ROOT / "deploy/get_model.sh")]).strip()
    print("| stages | streams | tokens that leave | tokens/s | times none | allowed | share |")
    print("|---:|---:|---|---:|---:|---:|---:|")
    for stages in options.stages.split(","):
        for streams in STREAMS:
            measure(model, int(stages), streams, options.rounds)


if __name__ == "__main__":
    main()
