"""What certified exits are worth in tokens a second: two stages of one thread over real mpirun.

Decode alone (`exeunt bench`, prompts prefilled) with 1, 8 and 32 streams, `off` and other settings in turns, each with the split that is
planned for the depths that are expected of it; `off` and the certificate at risk .05 also at fixed splits; then end to end, served by name
over HTTP. Writes throughput.md into --data, and every rate into throughput.json, from which a second call goes on."""
from __future__ import annotations

import argparse
import hashlib
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from report import GOALS, SERVED, certificates, read_answers, setting_of

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cluster"))
from cluster import Cluster  # noqa: E402

STREAMS = (1, 8, 32)
FEW_ROUNDS = 3                        # of what is not `off` and not measured by SERVED
FIRST_STAGES = (8, 10, 12, 14, 16, 18, 20, 22)  # layers, of the fixed splits
SERVED_PROMPTS = 128
FREE = "first token alone"            # end to end: what decoding for nothing would give


def cpu_name() -> str:
    lines = [line.split(":", 1) for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if ":" in line]
    found = {key.strip(): value.strip() for key, value in lines}
    return f"{found['model name']}, family {found['cpu family']} model {found['model']}"


def long_answers(data: Path, settings: list[str], limit: int, quantile: float) -> list[str]:
    """Lines of test prompts whose answers all end within `limit` tokens, and whose shortest one under these settings is at this
    quantile of all or beyond: the window in which every stream decodes is as long as the shortest answer."""
    lines = (data / "test.jsonl").read_text(encoding="utf-8").splitlines()
    answers = read_answers(data, "test").exits
    lengths = [[sum(answers[setting][i].values()) for setting in settings] for i in range(len(lines))]
    least = np.quantile([min(n) for n in lengths], quantile)
    return [line for line, n in zip(lines, lengths, strict=True) if min(n) >= least and max(n) < limit]


class Rates:
    """Rates by key, one a turn, in a file. What another CPU measured is taken if nothing that is wanted is missing, else left aside, as
    are rates of other prompts: they do not stand beside each other."""

    def __init__(self, file: Path, lines: list[str], wanted: dict[str, int]) -> None:
        self.file, self.cpu, self.of = file, cpu_name(), {}
        self.prompts = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        if file.exists():
            kept = json.loads(file.read_text(encoding="utf-8"))
            if kept.get("prompts") == self.prompts and (kept["cpu"] == self.cpu or
                                                        all(len(kept["rates"].get(key, [])) >= n for key, n in wanted.items())):
                self.cpu, self.of = kept["cpu"], kept["rates"]

    def measure(self, key: str, turn: int, measured: Callable[[], list]) -> None:
        """Of turn `turn`, unless it is there."""
        if len(self.of.get(key, [])) <= turn:
            self.of.setdefault(key, []).append(measured())
            self.file.write_text(json.dumps({"cpu": self.cpu, "prompts": self.prompts, "rates": self.of}, indent=1), encoding="utf-8")

    def median(self, key: str) -> float:
        return statistics.median(r[0] for r in self.of[key])

    def gain(self, key: str, off: str) -> str:
        """The median of the turns' quotients, and the least and largest: in a turn all answer the same prompts."""
        gains = [rate[0] / full[0] for rate, full in zip(self.of[key], self.of[off])]
        return f"**{statistics.median(gains):.2f}**x ({min(gains):.2f}-{max(gains):.2f})"


class Throughput:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.certificates = certificates(options.adapted)
        self.cases = self.decoded_cases()
        named = [name for name, c in self.certificates.items() if c["measure"] == SERVED and c["consistency"] == "risk"]
        self.served = [name for name in self.cases if name in named]
        self.headline = next(name for name in self.served if name.endswith("risk-0.05"))
        settings = ["off"] + [setting_of(self.certificates[name]) for name in self.cases if name in self.certificates]
        self.lines = long_answers(options.data, settings, options.max_tokens, options.answers_from)
        wanted = {f"decode {streams} {name}": self.turns(name) for streams in STREAMS for name in self.cases}
        wanted |= {f"first {n} {name}": options.rounds for n in FIRST_STAGES for name in ("off", self.headline)}
        wanted |= {f"served {name}": options.rounds for name in ("off", FREE, *self.served)}
        self.rates = Rates(options.data / "throughput.json", self.lines, wanted)

    def turns(self, name: str) -> int:
        certificate = self.certificates.get(name)
        often = name == "off" or (certificate is not None and certificate["measure"] == SERVED)
        return self.options.rounds if often else min(self.options.rounds, FEW_ROUNDS)

    def decoded_cases(self) -> dict[str, list[object]]:
        """What bench is told, by name: `off`; each distinct setting of a certificate of the table, by the name of the first
        such; every token at the same exit; all tokens to the end, but for the head."""
        exits = self.options.adapted / "exits"
        layers = [e["layer"] for e in json.loads((exits / "exits.json").read_text(encoding="utf-8"))["exits"]]

        def case(exits: Path, layers: list[int], measure: str, threshold: float, profile: dict[int, float]) -> list[object]:
            return ["--exits", exits, "--exit-layers", ",".join(map(str, layers)), "--exit-mode", "propagate", "--exit-measure", measure,
                    "--exit-threshold", threshold, "--exit-profile", ",".join(f"{layer}:{share:.4f}" for layer, share in profile.items())]

        found: dict[str, list[object]] = {"off": []}
        seen = set()
        for name, c in self.certificates.items():
            wanted = c["measure"] == SERVED or (c["consistency"], c["delta"]) in GOALS
            if wanted and setting_of(c) not in seen:
                seen.add(setting_of(c))
                found[name] = case(exits, layers, c["measure"], c["threshold"], c["profile"])
        for layer in layers:
            found[f"every token after layer {layer}"] = case(exits, [layer], "preview", 0, {layer: 1})
        found["every token after layer 29 (the cheap head)"] = case(self.options.data / "exits_29", [29], "preview", 0, {29: 1})
        return found

    def prompts(self, turn: int) -> Path:
        """As many as streams there may be, drawn anew each turn: all settings of a turn answer the same ones."""
        path = self.options.data / "bench_prompts.jsonl"
        path.write_text("".join(line + "\n" for line in random.Random(turn).sample(self.lines, max(STREAMS))), encoding="utf-8")
        return path

    def bench(self, streams: int, name: str, turn: int, *more: object) -> list:
        command = [ROOT / "tests/mpirun.sh", "2", ROOT / "build/tools/exeunt", "bench", self.options.model, "--adapter",
                   self.options.adapted / "adapter", "--prompts", self.prompts(turn), "--workload", f"decode:{streams}", "--json",
                   *self.cases[name], *more]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=900, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr[-2000:]}")
        report = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
        return [report["tokens_per_second"], report["mean_layers"], report["split"]]

    def decode(self) -> list[str]:
        for streams in STREAMS:
            for turn in range(self.options.rounds):
                for name in self.cases:
                    if turn < self.turns(name):
                        self.rates.measure(f"decode {streams} {name}", turn, lambda: self.bench(streams, name, turn))
        rows = [f"CPU: {self.rates.cpu}. Medians (least to most); *split*: layers of the first stage.", "",
                "| decode, tokens/s | " + " | ".join(f"{s} stream{'s' if s > 1 else ''}" for s in STREAMS) + " |",
                "|---|" + "---:|" * len(STREAMS)]
        for name in self.cases:
            cells = []
            for streams in STREAMS:
                key, off = f"decode {streams} {name}", f"decode {streams} off"
                rates = [r[0] for r in self.rates.of[key]]
                layers = statistics.mean(r[1] for r in self.rates.of[key])
                splits = sorted({int(r[2].split(",")[0].split("-")[1]) for r in self.rates.of[key]})
                gain = "" if name == "off" else f" {self.rates.gain(key, off)},"
                cells.append(f"{self.rates.median(key):.0f} ({min(rates):.0f}-{max(rates):.0f}),{gain} {layers:.1f} layers, split "
                             + "/".join(map(str, splits)))
            rows.append(f"| {name} | " + " | ".join(cells) + " |")
        return rows

    def fixed_splits(self) -> list[str]:
        """Each at its best split, whatever was planned."""
        names = ("off", self.headline)
        for turn in range(self.options.rounds):
            for n in FIRST_STAGES:
                for name in names:
                    self.rates.measure(f"first {n} {name}", turn,
                                       lambda: self.bench(max(STREAMS), name, turn, "--split", f"0-{n},{n}-30"))
        rows = ["", f"| decode, {max(STREAMS)} streams, by layers of the first stage | " + " | ".join(map(str, FIRST_STAGES)) + " |",
                "|---|" + "---:|" * len(FIRST_STAGES)]
        best = {}
        for name in names:
            rates = {n: self.rates.median(f"first {n} {name}") for n in FIRST_STAGES}
            best[name] = max(rates, key=lambda n: rates[n])
            rows.append(f"| {name} | " + " | ".join(f"**{r:.0f}**" if n == best[name] else f"{r:.0f}" for n, r in rates.items()) + " |")
        gain = self.rates.gain(f"first {best[self.headline]} {self.headline}", f"first {best['off']} off")
        return [*rows, "", f"Each at its best split, `{self.headline}` decodes {gain} as fast as `off`."]

    def requests_per_second(self, name: str) -> list:
        """Of 32 clients over HTTP, each test prompt once; and the tokens they get."""
        lines = (self.options.data / "test.jsonl").read_text(encoding="utf-8").splitlines()[:SERVED_PROMPTS]
        prompts = [json.loads(line)["prompt"] for line in lines]
        exits = ["--exits", self.options.adapted / "exits"]
        plan = [ROOT / "build/tools/exeunt", "plan", self.options.model, "--adapter", self.options.adapted / "adapter", "--stages", "2",
                "--streams", "32", "--json", *([*exits, "--certificate", name] if name in self.served else [])]
        split = json.loads(subprocess.run([str(p) for p in plan], capture_output=True, text=True, check=True).stdout)["split"]
        body = {"model": "default", "max_tokens": 1 if name == FREE else self.options.max_tokens, "temperature": 0,
                "exit": {"certificate": name} if name in self.served else {"mode": "off"}}
        with Cluster(ROOT / "build", self.options.model, "--stages", "2", "--threads-per-stage", "1", "--split", split,
                     "--adapter", str(self.options.adapted / "adapter"), *map(str, exits)) as cluster:
            def ask(prompt: str) -> int:
                status, answer = cluster.post("/v1/completions", body | {"prompt": prompt})
                assert status == 200, answer
                return answer["usage"]["completion_tokens"]
            with ThreadPoolExecutor(32) as pool:
                list(pool.map(ask, prompts[:32]))  # warm
                begin = time.monotonic()
                tokens = sum(pool.map(ask, prompts))
                seconds = time.monotonic() - begin
        return [len(prompts) / seconds, tokens / seconds]

    def end_to_end(self) -> list[str]:
        for turn in range(self.options.rounds):
            for name in ("off", FREE, *self.served):
                self.rates.measure(f"served {name}", turn, lambda: self.requests_per_second(name))
        off, free = self.rates.median("served off"), self.rates.median(f"served {FREE}")
        rows = ["", f"End to end, {SERVED_PROMPTS} test prompts by 32 clients over HTTP, prompts and all: `off` {off:.1f} requests/s; with free "
                f"decoding ({FREE}) it would be {free:.1f}, {free / off:.2f} times: the cap."]
        for name in self.served:
            rate = self.rates.median(f"served {name}")
            decoding = (1 / off - 1 / free) / (1 / rate - 1 / free)
            rows.append(f"`{name}`: {rate:.1f}, {self.rates.gain(f'served {name}', 'served off')}; less the time of first tokens, "
                        f"{decoding:.2f} times.")
        return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--adapted", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--max-tokens", type=int, required=True)
    parser.add_argument("--answers-from", type=float, required=True, help="of decode alone: quantile of the answers' lengths")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    throughput = Throughput(options)
    rows = throughput.decode() + throughput.fixed_splits() + throughput.end_to_end()
    (options.data / "throughput.md").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
