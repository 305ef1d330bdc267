#!/usr/bin/env python3
"""Writes data/*.json: logits that our engine is held to (golden.h says how), and data/hf/*: tiny checkpoints.

  python3 -m venv /tmp/venv && /tmp/venv/bin/pip install -r requirements.txt
  mkdir /tmp/random && build/tests/golden/write_random_models /tmp/random
  /tmp/venv/bin/python make_goldens.py random /tmp/random
  /tmp/venv/bin/python make_goldens.py llama /tmp/random "$(../../bench/build_llama.sh)"
  /tmp/venv/bin/python make_goldens.py hf
  /tmp/venv/bin/python make_goldens.py adapter
  /tmp/venv/bin/python make_goldens.py default_adapter "$(../../deploy/get_model.sh)"          (2 minutes)
  /tmp/venv/bin/python make_goldens.py default "$(../../deploy/get_model.sh)" TEXTS.jsonl.gz   (5 minutes)
  /tmp/venv/bin/python make_goldens.py noise "$(../../deploy/get_model.sh)"                    (5 minutes)

Every golden is computed in float64. `noise` is how far the same computation comes out from it when it rounds as an
engine does: as float32 sums do, and with the inputs of quantised matrices in 8 bits (reference.py, Numerics). The
goldens of `llama` are llama.cpp's logits instead, which rounds in its own way; `noise` is how far the computation that
rounds as ours does comes out from them.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

import adapters
import hf_models
from prompts import prompts, tokenizer_of
from reference import EXACT, F32, INT8, Model, Numerics, Tensor, read_gguf

DATA = Path(__file__).resolve().parent / "data"
KEPT_ADAPTER = DATA.parents[2] / "experiments/calm/restore/adapter"
TOP = 8  # largest logits kept per generated position of the default model
GENERATED = 32
WIDE_PROMPTS, WIDE_STRIDE = (0, 40), 192  # a chat and a text with a wider look at the vocabulary
NOISE_RUNS = 16  # of a small model: a few K/V values that round the other way first make its noise, or do not
Run = Callable[[list[int]], Tensor]  # logits [tokens, vocab] of a fresh sequence


class Noise:
    """Root mean square and largest deviation of the kept logits, every row counting the same; and of each logit's
    distance from its row's first: that is what decides between two tokens, and rounding moves the logits of a row
    together far more than apart."""

    def __init__(self) -> None:
        self.rows: list[Tensor] = []  # deviations

    def add(self, exact: Tensor, rounded: Tensor) -> None:
        """Both [kept logits] of one row."""
        self.rows.append(rounded - exact)

    def summary(self) -> dict[str, float]:
        """For the golden."""
        result = {}
        for prefix, rows in (("", self.rows), ("gap_", [row - row[0] for row in self.rows])):
            result[prefix + "rms"] = torch.stack([row.square().mean() for row in rows]).mean().sqrt().item()
            result[prefix + "max"] = max(row.abs().max().item() for row in rows)
        return {name: float(f"{value:.4g}") for name, value in result.items()}


def write(name: str, golden: dict[str, Any]) -> None:
    """One sequence's scalars and one row of logits per line: compact, and a change shows in a diff."""
    sequences = golden.pop("sequences")
    lines = [json.dumps(golden, ensure_ascii=False)[:-1] + ', "sequences": [']
    for i, sequence in enumerate(sequences):
        rows = sequence.pop("rows")
        lines.append(json.dumps(sequence, ensure_ascii=False, separators=(",", ":"))[:-1] + ',"rows":[')
        lines += [json.dumps(row, separators=(",", ":")) + "," for row in rows[:-1]]
        lines.append(json.dumps(rows[-1], separators=(",", ":")) + "]}" + ("," if i + 1 < len(sequences) else ""))
    DATA.mkdir(exist_ok=True)
    (DATA / f"{name}.json").write_text("\n".join(lines) + "\n]}\n", encoding="utf-8")
    print(name, golden["noise"], flush=True)


def row(position: int, ids: list[int], logits: Tensor, digits: int) -> dict[str, Any]:
    """What a golden says of one position: logits of some ids."""
    return {"position": position, "ids": ids, "logits": [round(x, digits) for x in logits[ids].tolist()]}


def sampled_golden(model: str, vocab: int, n_tokens: int, exact: Run, noisy: dict[str, Run], stride: int = 8) -> dict[str, Any]:
    """A fixed random sequence, with one logit in `stride` at about a dozen positions: enough to see any difference."""
    tokens = torch.randint(vocab, (n_tokens,), generator=torch.Generator().manual_seed(n_tokens)).tolist()
    positions = sorted({0, 1, *range(n_tokens - 1, 0, -max(n_tokens // 12, 1))})
    ids = list(range(0, vocab, stride))
    want = exact(tokens)
    noise = {}
    torch.manual_seed(1)
    for name, run in noisy.items():
        noise[name] = Noise()
        for _ in range(NOISE_RUNS):
            got = run(tokens)
            for p in positions:
                noise[name].add(want[p, ids], got[p, ids])
    return {
        "model": model,
        "deviation": round(want[positions][:, ids].std().item(), 3),  # what the noise is to be seen against
        "noise": {name: n.summary() for name, n in noise.items()},
        "sequences": [{"tokens": tokens, "generated": [], "rows": [row(p, ids, want[p], 7) for p in positions]}],
    }


def make_random(directory: Path) -> None:
    """Goldens of the models that write_random_models wrote."""
    for path in sorted(directory.glob("*.gguf")):
        config, weights = read_gguf(str(path))
        vocab = weights.tensors["token_embd.weight"].shape[0]

        def runner(numerics: Numerics) -> Run:
            return lambda tokens: Model(config, weights, numerics).run(tokens)

        noisy = {"f32": runner(F32)}
        if weights.quantised:
            noisy["int8"] = runner(INT8)
        n_tokens = 600 if "long" in path.stem else 80
        write(path.stem, sampled_golden(path.name, vocab, n_tokens, runner(EXACT), noisy))


def llama_logits(driver: Path, model: Path, tokens: list[int]) -> Tensor:
    """What llama.cpp computes: [tokens, vocab]."""
    with tempfile.TemporaryDirectory() as scratch:
        sequences, out = Path(scratch, "sequences"), Path(scratch, "logits")
        sequences.write_text(" ".join(map(str, tokens)) + "\n", encoding="utf-8")
        command = [str(driver), "--model", str(model), "--threads", "1", "--logits", str(sequences), str(out)]
        subprocess.run(command, check=True)
        return torch.from_file(str(out), size=out.stat().st_size // 4).reshape(len(tokens), -1).double()


def make_llama(directory: Path, driver: Path) -> None:
    """Goldens llama_recipe_*: llama.cpp on files of the types that its quantiser chooses."""
    for path in sorted(directory.glob("recipe_*.gguf")):
        config, weights = read_gguf(str(path))
        vocab = weights.tensors["token_embd.weight"].shape[0]

        def runner(numerics: Numerics) -> Run:
            return lambda tokens: Model(config, weights, numerics).run(tokens)

        noisy = {"f32": runner(F32), "int8": runner(INT8)}
        write(f"llama_{path.stem}",
              sampled_golden(path.name, vocab, 80, lambda tokens: llama_logits(driver, path, tokens), noisy))


def make_hf() -> None:
    """Checkpoints saved by transformers, and logits by transformers' own modelling code."""
    for name in hf_models.NAMES:
        directory = DATA / "hf" / name
        hf_models.save(name, directory)
        hf_models.check_reference(directory)
        write_hf(name, hf_models.runner(hf_models.load(directory)), hf_models.load(directory))


def write_hf(name: str, exact: Run, model: transformers.PreTrainedModel) -> None:
    """The golden of a checkpoint whose noise is reference.py's on `model`."""
    config, weights = hf_models.as_reference(model)
    noisy: Run = lambda tokens: Model(config, weights, F32).run(tokens)
    vocab = weights.tensors["token_embd.weight"].shape[0]
    write(name, sampled_golden(f"hf/{name}", vocab, 80, exact, {"f32": noisy}))


def make_adapter() -> None:
    """An adapter saved by peft, and logits of peft's own modules."""
    base, directory = DATA / "hf" / adapters.BASE, DATA / "hf" / adapters.NAME
    adapters.save(base, directory)
    merged = adapters.load(base, directory).merge_and_unload()
    write_hf(adapters.NAME, hf_models.runner(adapters.load(base, directory)), merged)


def make_default_adapter(path: Path) -> None:
    """The default model with the adapter that is kept for it, by transformers and peft from the GGUF file."""
    model = adapters.load(path, KEPT_ADAPTER)
    config, weights = hf_models.as_reference(adapters.load(path, KEPT_ADAPTER).merge_and_unload())
    noisy: Run = lambda tokens: Model(config, weights, F32).run(tokens)
    vocab = weights.tensors["token_embd.weight"].shape[0]
    write("default_lora", sampled_golden(path.name, vocab, 80, hf_models.runner(model), {"f32": noisy}, WIDE_STRIDE))


def make_default(path: Path, texts: Path) -> None:
    """Greedy continuations of 50 prompts, and the logits that decided them."""
    exact = Model(*read_gguf(str(path)), EXACT)
    sequences = []
    for i, (name, tokens) in enumerate(prompts(str(texts), tokenizer_of(str(path)))):
        exact.reset()
        logits = exact.run(tokens, 1)[0]
        generated, rows = [], []
        for step in range(GENERATED):
            ids = logits.topk(TOP).indices.tolist()
            if i in WIDE_PROMPTS and step % 4 == 0:
                ids += [token for token in range(0, logits.numel(), WIDE_STRIDE) if token not in ids]
            rows.append(row(len(tokens) - 1 + step, ids, logits, 5))
            generated.append(ids[0])
            if step + 1 < GENERATED:
                logits = exact.run([generated[-1]])[0]
        sequences.append({"name": name, "tokens": tokens, "generated": generated, "rows": rows})
        print(f"{i}: {name!r}, {len(tokens)} tokens", flush=True)
    write("default", {"model": path.name, "noise": {}, "sequences": sequences})


def make_noise(path: Path) -> None:
    """Noise of the default model's golden: models that are fed the exact one's tokens."""
    golden = json.loads((DATA / "default.json").read_text(encoding="utf-8"))
    config, weights = read_gguf(str(path))
    torch.manual_seed(1)
    kept: list[float] = []
    for name, numerics in (("f32", F32), ("int8", INT8)):
        model, noise = Model(config, weights, numerics), Noise()
        for sequence in golden["sequences"]:
            model.reset()
            logits = model.run(sequence["tokens"] + sequence["generated"][:-1], GENERATED)
            for got, golden_row in zip(logits, sequence["rows"]):
                noise.add(torch.tensor(golden_row["logits"], dtype=torch.float64), got[golden_row["ids"]])
                kept += golden_row["logits"][TOP:]
        golden["noise"][name] = noise.summary()
    golden["deviation"] = round(torch.tensor(kept).std().item(), 3)
    write("default", golden)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("random").add_argument("directory", type=Path)
    llama = verbs.add_parser("llama")
    llama.add_argument("directory", type=Path)
    llama.add_argument("driver", type=Path)
    verbs.add_parser("hf")
    verbs.add_parser("adapter")
    verbs.add_parser("default_adapter").add_argument("model", type=Path)
    verbs.add_parser("noise").add_argument("model", type=Path)
    default = verbs.add_parser("default")
    default.add_argument("model", type=Path)
    default.add_argument("texts", type=Path)
    arguments = parser.parse_args()
    with torch.inference_mode():
        if arguments.verb == "random":
            make_random(arguments.directory)
        elif arguments.verb == "llama":
            make_llama(arguments.directory, arguments.driver)
        elif arguments.verb == "hf":
            make_hf()
        elif arguments.verb == "adapter":
            make_adapter()
        elif arguments.verb == "default_adapter":
            make_default_adapter(arguments.model)
        elif arguments.verb == "noise":
            make_noise(arguments.model)
        else:
            make_default(arguments.model, arguments.texts)


if __name__ == "__main__":
    main()
