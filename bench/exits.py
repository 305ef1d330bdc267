"""Do tokens that leave early become throughput? Prints a Markdown table of rates with and without forced exits.

    bench/exits.py [--rounds N] [--stages 1,2,3] [--model PATH]

Every round runs the three profiles in turns over real mpirun, one thread a stage. `allowed` is what the cost of a layer,
of a fill and of the head, as `exeunt plan` measures them for a step of streams / stages rows, allows the profile to gain:
(n L + H) / (m L + (n - m) F + H), n layers, of which a token runs m on average.
"""

import argparse
import json
import statistics
import subprocess
from collections import defaultdict
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


def run(model: str, stages: int, profile: list[str]) -> dict[int, tuple[float, float]]:
    """Tokens per second and mean layers, by number of streams."""
    command = [str(ROOT / "tests/mpirun.sh"), str(stages), str(EXEUNT), "bench", model, "--json"]
    for streams in STREAMS:
        command += ["--workload", f"decode:{streams}"]
    if profile:
        command += ["--exit-mode", "propagate", "--exit-measure", "forced"]
        command += ["--exit-layers", profile[0], "--forced", profile[1]]
    rates = {}
    for line in output(command).splitlines():
        if line.startswith("{"):
            report = json.loads(line)
            streams = int(report["workload"].partition(":")[2])
            rates[streams] = (report["tokens_per_second"], report["mean_layers"])
    return rates


def allowed(model: str, rows: int, mean_layers: float) -> float:
    costs = json.loads(output([str(EXEUNT), "plan", model, "--json", "--stages", "1", "--rows", str(rows)]))
    layers, layer, fill, head = costs["layers"], costs["layer_us"], costs["fill_us"], costs["head_us"]
    return (layers * layer + head) / (mean_layers * layer + (layers - mean_layers) * fill + head)


def measure(model: str, stages: int, rounds: int) -> None:
    rates: dict[tuple[str, int], list[float]] = defaultdict(list)
    layers: dict[tuple[str, int], float] = {}
    for _ in range(rounds):
        for name, profile in PROFILES.items():
            for streams, (rate, mean_layers) in run(model, stages, profile).items():
                rates[name, streams].append(rate)
                layers[name, streams] = mean_layers
    for streams in STREAMS:
        none = statistics.median(rates["none", streams])
        for name, profile in PROFILES.items():
            rate = statistics.median(rates[name, streams])
            cells = [str(stages), str(streams), name, f"{rate:.0f}", "", "", ""]
            if profile:
                limit = allowed(model, max(1, streams // stages), layers[name, streams])
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
        measure(model, int(stages), options.rounds)


if __name__ == "__main__":
    main()
