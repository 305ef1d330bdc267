"""What certified exits are worth in tokens a second: two stages of one thread over real mpirun.

Decode alone (`exeunt bench`, prompts prefilled) with 1, 8 and 32 streams, `off` and certified settings in turns, each with the
split that is planned for the depths that its certificate found; then end to end, served by name over HTTP. Writes throughput.md into
--data, and every rate into throughput.json, from which a second call goes on."""
from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from report import SERVED, certificates, read_answers, setting_of

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cluster"))
from cluster import Cluster  # noqa: E402

STREAMS = (1, 8, 32)
SERVED_PROMPTS = 128


def long_answers(data: Path, settings: list[str], limit: int, quantile: float) -> list[str]:
    """Lines of test prompts whose answers all end within `limit` tokens, and whose shortest one under these settings is at this
    quantile of all or beyond: the window in which every stream decodes is as long as the shortest answer."""
    lines = (data / "test.jsonl").read_text(encoding="utf-8").splitlines()
    answers = read_answers(data, "test").exits
    lengths = [[sum(answers[setting][i].values()) for setting in settings] for i in range(len(lines))]
    least = np.quantile([min(n) for n in lengths], quantile)
    return [line for line, n in zip(lines, lengths, strict=True) if min(n) >= least and max(n) < limit]


class Throughput:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.file = options.data / "throughput.json"
        self.rates: dict[str, list] = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.settings = self.certified()
        settings = ["off"] + [setting_of(c) for c in self.settings.values() if c]
        self.lines = long_answers(options.data, settings, options.max_tokens, options.answers_from)

    def certified(self) -> dict[str, dict | None]:
        """`off`, and each distinct setting that a certificate names, by the name of the first such certificate."""
        found: dict[str, dict | None] = {"off": None}
        seen = set()
        for name, c in certificates(self.options.adapted).items():
            wanted = c["measure"] == SERVED or name.endswith("risk-0.05")
            if wanted and setting_of(c) not in seen:
                seen.add(setting_of(c))
                found[name] = c
        return found

    def prompts(self, turn: int) -> Path:
        """As many as streams there may be, drawn anew each turn: all settings of a turn answer the same ones."""
        path = self.options.data / "bench_prompts.jsonl"
        path.write_text("".join(line + "\n" for line in random.Random(turn).sample(self.lines, max(STREAMS))), encoding="utf-8")
        return path

    def bench(self, streams: int, certificate: dict | None, turn: int) -> dict:
        exits = json.loads((self.options.adapted / "exits/exits.json").read_text())
        layers = ",".join(str(e["layer"]) for e in exits["exits"])
        command = [ROOT / "tests/mpirun.sh", "2", ROOT / "build/tools/exeunt", "bench", self.options.model, "--adapter",
                   self.options.adapted / "adapter", "--prompts", self.prompts(turn), "--workload", f"decode:{streams}", "--json"]
        if certificate is not None:
            command += ["--exits", self.options.adapted / "exits", "--exit-layers", layers, "--exit-mode", "propagate",
                        "--exit-measure", certificate["measure"], "--exit-threshold", str(certificate["threshold"]),
                        "--exit-profile", ",".join(f"{layer}:{share:.4f}" for layer, share in certificate["profile"].items())]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=900, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr[-2000:]}")
        return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))

    def keep(self, key: str, values: list) -> None:
        self.rates[key] = values
        self.file.write_text(json.dumps(self.rates, indent=1))

    def decode(self) -> list[str]:
        for streams in STREAMS:
            keys = {name: f"decode {streams} {name}" for name in self.settings}
            for turn in range(self.options.rounds):
                for name, key in keys.items():
                    rates = self.rates.get(key, [])
                    if len(rates) > turn:
                        continue  # an earlier call has it
                    report = self.bench(streams, self.settings[name], turn)
                    self.keep(key, rates + [[report["tokens_per_second"], report["mean_layers"], report["split"]]])
        rows = ["| decode, tokens/s (least to most) | " + " | ".join(f"{s} stream{'s' if s > 1 else ''}" for s in STREAMS) + " |",
                "|---|" + "---:|" * len(STREAMS)]
        for name in self.settings:
            cells = []
            for streams in STREAMS:
                rates = [r[0] for r in self.rates[f"decode {streams} {name}"]]
                off = statistics.median(r[0] for r in self.rates[f"decode {streams} off"])
                layers = statistics.mean(r[1] for r in self.rates[f"decode {streams} {name}"])
                split = self.rates[f"decode {streams} {name}"][-1][2]
                median = statistics.median(rates)
                gain = "" if name == "off" else f", **{median / off:.2f}**x"
                cells.append(f"{median:.0f} ({min(rates):.0f}-{max(rates):.0f}){gain}, {layers:.1f} layers, split {split}")
            rows.append(f"| {name} | " + " | ".join(cells) + " |")
        return rows

    def served(self) -> list[str]:
        """Requests a second of 32 clients over HTTP, each test prompt once."""
        lines = [json.loads(line)["prompt"] for line in (self.options.data / "test.jsonl").read_text().splitlines()][:SERVED_PROMPTS]
        cases = {"off": {"exit": {"mode": "off"}}, "first token alone": {"exit": {"mode": "off"}, "max_tokens": 1}}
        named = {n: c for n, c in self.settings.items() if c and c["consistency"] == "risk" and c["measure"] == SERVED}
        cases |= {name: {"exit": {"certificate": name}} for name in named}
        for name, body in cases.items():
            while len(self.rates.get(f"served {name}", [])) < self.options.rounds:
                plan = [ROOT / "build/tools/exeunt", "plan", self.options.model, "--adapter", self.options.adapted / "adapter",
                        "--stages", "2", "--streams", "32", "--json"]
                if name in named:
                    plan += ["--exits", self.options.adapted / "exits", "--certificate", name]
                split = json.loads(subprocess.run([str(p) for p in plan], capture_output=True, text=True, check=True).stdout)["split"]
                with Cluster(ROOT / "build", self.options.model, "--stages", "2", "--threads-per-stage", "1", "--split", split,
                             "--adapter", str(self.options.adapted / "adapter"), "--exits",
                             str(self.options.adapted / "exits")) as cluster:
                    def ask(prompt: str) -> int:
                        request = {"model": "default", "prompt": prompt, "max_tokens": self.options.max_tokens, "temperature": 0} | body
                        status, answer = cluster.post("/v1/completions", request)
                        assert status == 200, answer
                        return answer["usage"]["completion_tokens"]
                    with ThreadPoolExecutor(32) as pool:
                        list(pool.map(ask, lines[:32]))  # warm
                        begin = time.monotonic()
                        tokens = sum(pool.map(ask, lines))
                        seconds = time.monotonic() - begin
                self.keep(f"served {name}", self.rates.get(f"served {name}", []) + [[len(lines) / seconds, tokens / seconds]])
        middle = {name: statistics.median(r[0] for r in self.rates[f"served {name}"]) for name in cases}
        off, first = middle["off"], middle["first token alone"]
        rows = ["", f"End to end, {SERVED_PROMPTS} test prompts by 32 clients over HTTP, prompts and all: `off` {off:.1f} requests/s; with free "
                f"decoding (first token alone) it would be {first:.1f}, {first / off:.2f} times: the cap."]
        for name in named:
            decoding = (1 / off - 1 / first) / (1 / middle[name] - 1 / first)
            rows.append(f"`{name}`: {middle[name]:.1f}, **{middle[name] / off:.2f}** times; less the time of first tokens, {decoding:.2f} times.")
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
    (options.data / "throughput.md").write_text("\n".join(throughput.decode() + throughput.served()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
