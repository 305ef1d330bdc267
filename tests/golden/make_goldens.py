#!/usr/bin/env python3
"""Writes data/*.json: logits that our engine is held to (golden.h says how), and data/hf/*: tiny checkpoints.

  python3 -m venv /tmp/venv && /tmp/venv/bin/pip install -r requirements.txt
  mkdir /tmp/random && build/tests/golden/write_random_models /tmp/random
  /tmp/venv/bin/python make_goldens.py random /tmp/random
  /tmp/venv/bin/python make_goldens.py hf
  /tmp/venv/bin/python make_goldens.py default "$(../../deploy/get_model.sh)" TEXTS.jsonl.gz   (10 minutes)

Every golden is computed in float64. `noise` is how far the same computation comes out from it when it rounds as an
engine does: as float32 sums do, and with the inputs of quantised matrices in 8 bits (reference.py, Numerics).
"""
from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import hf_models
from prompts import prompts, tokenizer_of
from reference import EXACT, F32, INT8, Model, Numerics, Tensor, read_gguf

DATA = Path(__file__).resolve().parent / "data"
TOP = 8  # largest logits kept per generated position of the default model
GENERATED = 32
NOISE_RUNS = 16  # of a small model: a handful of K/V values that round the other way is what makes its noise
Run = Callable[[list[int]], Tensor]  # logits [tokens, vocab] of a fresh sequence


class Noise:
    """Root mean square and largest deviation over the kept logits."""

    def __init__(self) -> None:
        self.squares, self.count, self.largest = 0.0, 0, 0.0

    def add(self, exact: Tensor, rounded: Tensor) -> None:
        """Both [kept logits]."""
        deviation = (exact.double() - rounded.double()).abs()
        self.squares += deviation.square().sum().item()
        self.count += deviation.numel()
        self.largest = max(self.largest, deviation.max().item())

    def summary(self) -> dict[str, float]:
        """For the golden."""
        return {"rms": float(f"{(self.squares / self.count) ** 0.5:.4g}"), "max": float(f"{self.largest:.4g}")}


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


def sampled_golden(model: str, vocab: int, n_tokens: int, exact: Run, noisy: dict[str, Run]) -> dict[str, Any]:
    """A fixed random sequence, with every eighth logit at about a dozen positions: enough to see any difference."""
    tokens = torch.randint(vocab, (n_tokens,), generator=torch.Generator().manual_seed(n_tokens)).tolist()
    positions = sorted({0, 1, *range(n_tokens - 1, 0, -max(n_tokens // 12, 1))})
    ids = list(range(0, vocab, 8))
    want = exact(tokens)
    noise = {}
    torch.manual_seed(1)
    for name, run in noisy.items():
        noise[name] = Noise()
        for _ in range(NOISE_RUNS):
            noise[name].add(want[positions][:, ids], run(tokens)[positions][:, ids])
    return {
        "model": model,
        "deviation": round(want[positions][:, ids].std().item(), 3),  # of the logits: what the noise is to be seen against
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


def make_hf() -> None:
    """Checkpoints saved by transformers, and logits by transformers' own modelling code."""
    for name in hf_models.NAMES:
        directory = DATA / "hf" / name
        hf_models.save(name, directory)
        hf_models.check_reference(directory)
        config, weights = hf_models.as_reference(directory)
        noisy: Run = lambda tokens: Model(config, weights, F32).run(tokens)
        vocab = weights.tensors["token_embd.weight"].shape[0]
        write(name, sampled_golden(f"hf/{name}", vocab, 80, hf_models.runner(directory), {"f32": noisy}))


def make_default(path: Path, texts: Path) -> None:
    """Greedy continuations of 50 prompts, and the logits that decided them."""
    config, weights = read_gguf(str(path))
    exact = Model(config, weights, EXACT)
    sequences, kept = [], []
    for i, (name, tokens) in enumerate(prompts(str(texts), tokenizer_of(str(path)))):
        exact.reset()
        logits = exact.run(tokens, 1)[0]
        generated, rows, values = [], [], []
        for step in range(GENERATED):
            ids = logits.topk(TOP).indices.tolist()
            if i in (0, 40) and step % 4 == 0:  # a chat and a text: a wider look at the vocabulary
                ids += [token for token in range(0, logits.numel(), 48) if token not in ids]
            rows.append(row(len(tokens) - 1 + step, ids, logits, 5))
            values.append(logits[ids])
            generated.append(ids[0])
            if step + 1 < GENERATED:
                logits = exact.run([generated[-1]])[0]
        sequences.append({"name": name, "tokens": tokens, "generated": generated, "rows": rows})
        kept.append(values)
        print(f"{i}: {name!r}, {len(tokens)} tokens", flush=True)
    del exact
    torch.manual_seed(1)
    noise = {name: teacher_forced(Model(config, weights, numerics), sequences, kept)
             for name, numerics in (("f32", F32), ("int8", INT8))}
    deviation = torch.cat([v for values in kept for v in values if v.numel() > TOP]).std().item()
    write("default", {"model": path.name, "deviation": round(deviation, 3), "noise": noise, "sequences": sequences})


def teacher_forced(model: Model, sequences: list[dict[str, Any]], kept: list[list[Tensor]]) -> dict[str, float]:
    """Noise of a model that is fed the exact one's tokens."""
    noise = Noise()
    for sequence, values in zip(sequences, kept):
        model.reset()
        logits = model.run(sequence["tokens"] + sequence["generated"][:-1], GENERATED)
        for got, golden_row, want in zip(logits, sequence["rows"], values):
            noise.add(want, got[golden_row["ids"]])
    return noise.summary()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("random").add_argument("directory", type=Path)
    verbs.add_parser("hf")
    default = verbs.add_parser("default")
    default.add_argument("model", type=Path)
    default.add_argument("texts", type=Path)
    arguments = parser.parse_args()
    with torch.inference_mode():
        if arguments.verb == "random":
            make_random(arguments.directory)
        elif arguments.verb == "hf":
            make_hf()
        else:
            make_default(arguments.model, arguments.texts)


if __name__ == "__main__":
    main()
