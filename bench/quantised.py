"""Requantises a model with llama.cpp's library and compares Exeunt's log-probabilities with llama.cpp's, type by type.

Both engines round the activations that enter a quantised matrix to 8 bits, each in its own blocks. So three results are
compared for each file: `exact`, which is Exeunt with every matrix dequantised to F32 and no activation rounded; Exeunt as
it serves the file; and llama.cpp. What Exeunt is off from `exact` is the spread that 8-bit activations cause. llama.cpp may
be off by LIMIT times as much, and the two engines from each other by as much as independent errors of these sizes are, and a
fifth more. A number of a block that is read wrongly is in the files' weights, which `exact` has too: it shows as a distance
of llama.cpp from both.

    bench/quantised.sh [--model FILE] [--types q4_k_m,iq4_xs] [--sequences N]
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compare import cpu_info

ROOT = Path(__file__).resolve().parent.parent
LIKELIEST = 20  # tokens of a position whose log-probabilities are compared
# llama.cpp rounds what goes into K-quants in blocks of 256, ours are of 32: the largest of 256 normal numbers is 1.35 times
# the largest of 32, and a block of 256 meets more of the activations' outliers. Its scales for other types are halves.
LIMIT = 2.0


@dataclass
class Spread:
    """Of log-probabilities: how far one engine is from another."""

    mean: float
    rms: float
    largest: float
    same_token: float  # share of positions whose likeliest token is the same


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def spread(one: np.ndarray, other: np.ndarray, ids: np.ndarray) -> Spread:
    """one, other: log-probabilities [positions, vocab]; ids: [positions, kept]."""
    difference = np.take_along_axis(one, ids, -1) - np.take_along_axis(other, ids, -1)
    same = (one.argmax(-1) == other.argmax(-1)).mean()
    return Spread(np.abs(difference).mean(), math.sqrt((difference**2).mean()), np.abs(difference).max(), same)


class Engines:
    """Runs both engines on the same sequences."""

    def __init__(self, options: argparse.Namespace, sequences: list[list[int]], scratch: Path) -> None:
        self.options, self.scratch = options, scratch
        self.rows = sum(map(len, sequences))
        self.sequences = scratch / "sequences"
        self.sequences.write_text("".join(" ".join(map(str, s)) + "\n" for s in sequences))

    def _run(self, *command: str) -> np.ndarray:
        out = self.scratch / "logits"
        subprocess.run([part.replace("OUT", str(out)) for part in command], check=True)
        return log_softmax(np.fromfile(out, dtype=np.float32).reshape(self.rows, -1))

    def exeunt(self, model: Path, *more: str) -> np.ndarray:
        return self._run(self.options.write_logits, str(model), str(self.sequences), "OUT", *more)

    def llama(self, model: Path) -> np.ndarray:
        return self._run(self.options.driver, "--model", str(model), "--threads", str(self.options.threads), "--logits",
                         str(self.sequences), "OUT")


def quantised(options: argparse.Namespace, kind: str) -> Path:
    """The model requantised, beside llama.cpp in the cache."""
    path = Path(options.driver).parent / f"{kind}-{options.key}.gguf"
    if not path.exists():
        unfinished = path.with_suffix(".new")
        subprocess.run([options.driver, "--quantize", options.model, str(unfinished), "--type", kind], check=True)
        unfinished.rename(path)
    return path


def row(kind: str, engines: Engines, model: Path) -> tuple[str, bool]:
    """A row of the table, and whether llama.cpp and Exeunt agree."""
    exact, ours, theirs = engines.exeunt(model, "--dequantise"), engines.exeunt(model), engines.llama(model)
    ids = np.argpartition(-exact, LIKELIEST, -1)[:, :LIKELIEST]
    own, llama, both = spread(ours, exact, ids), spread(theirs, exact, ids), spread(ours, theirs, ids)
    ok = llama.rms <= LIMIT * own.rms and both.rms <= 1.2 * math.hypot(own.rms, llama.rms)
    cells = [kind, f"{model.stat().st_size / 1e6:.1f}", f"{own.rms:.4f}", f"{llama.rms:.4f}", f"{both.rms:.4f}",
             f"{both.mean:.4f}", f"{both.largest:.3f}", f"{own.same_token:.1%}", f"{both.same_token:.1%}",
             "ok" if ok else "APART"]
    return "| " + " | ".join(cells) + " |", ok


def prompts(count: int) -> list[list[int]]:
    """Token ids of the default model's golden: chats, code, languages, prose."""
    golden = json.loads((ROOT / "tests/golden/data/default.json").read_text())
    sequences = [s["tokens"] + s["generated"] for s in golden["sequences"] if len(s["tokens"]) >= 20]
    step = max(1, len(sequences) // count)
    return sequences[::step][:count]


def main() -> int:
    parser = argparse.ArgumentParser(description="called by quantised.sh")
    parser.add_argument("--driver", required=True, help="llama_driver")
    parser.add_argument("--write-logits", required=True, help="our tests/golden/write_logits")
    parser.add_argument("--model", required=True, help="GGUF file with the default model's vocabulary")
    parser.add_argument("--key", required=True, help="of the model, in the names of the requantised files")
    parser.add_argument("--types", default="q4_k_m,q5_k_m,q3_k_m,iq4_xs,q2_k,q5_0,q5_1,iq4_nl")
    parser.add_argument("--sequences", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1, help="of llama.cpp, whose threads spin")
    options = parser.parse_args()
    sequences = prompts(options.sequences)
    print(f"CPU: {cpu_info('model name')}; model {Path(options.model).name}; {sum(map(len, sequences))} positions of "
          f"{len(sequences)} sequences, the {LIKELIEST} likeliest tokens of each: differences of log-probabilities.\n")
    titles = ["type", "MB", "Exeunt to exact, rms", "llama.cpp to exact, rms", "Exeunt to llama.cpp, rms", "mean", "max",
              "same token: Exeunt, exact", "Exeunt, llama.cpp", "result"]
    print("| " + " | ".join(titles) + " |", "|---|" + "---:|" * (len(titles) - 2) + "---|", sep="\n", flush=True)
    good = True
    with tempfile.TemporaryDirectory() as scratch:
        engines = Engines(options, sequences, Path(scratch))
        for kind in options.types.split(","):
            text, ok = row(kind, engines, quantised(options, kind))
            print(text, flush=True)
            good = good and ok
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
