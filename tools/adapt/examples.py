"""Training examples: JSONL lines {"prompt": ..., "completion": ...} as token ids, in batches of texts of similar length."""
from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import torch

IGNORED = -100  # label of what is not trained on


@dataclasses.dataclass(frozen=True)
class Example:
    prompt: list[int]
    answer: list[int]  # ends with the end-of-sequence token


@dataclasses.dataclass(frozen=True)
class Batch:
    ids: torch.Tensor     # [texts, tokens], padded on the right
    labels: torch.Tensor  # [texts, tokens]: the next token where it is one of the answer, else IGNORED


class ExampleError(ValueError):
    """A line that cannot be trained on; names file and line."""


def read_lines(path: Path) -> list[dict[str, str]]:
    """The objects of a JSONL file; each has the strings `prompt` and `completion`."""
    lines = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise ExampleError(f"{path}:{number}: not JSON: {error}") from error
        for key in ("prompt", "completion"):
            if not isinstance(value, dict) or not isinstance(value.get(key), str) or not value[key]:
                raise ExampleError(f"{path}:{number}: \"{key}\" is not a string with something in it")
        lines.append(value)
    if not lines:
        raise ExampleError(f"{path}: no lines")
    return lines


def encode(path: Path, lines: list[dict[str, str]], tokenizer, max_tokens: int) -> list[Example]:
    """Of the lines of a file. Prompt and completion are tokenised apart, as they are when served. Longer ones than max_tokens are
    an error."""
    examples = []
    prompts = tokenizer.prompts([line["prompt"] for line in lines])
    answers = tokenizer.answers([line["completion"] for line in lines])
    for number, (prompt, answer) in enumerate(zip(prompts, answers), 1):
        if len(prompt) + len(answer) > max_tokens:
            raise ExampleError(f"{path}:{number}: {len(prompt) + len(answer)} tokens, the limit is {max_tokens}")
        examples.append(Example(prompt, answer))
    return examples


def collate(examples: list[Example], pad: int) -> Batch:
    longest = max(len(e.prompt) + len(e.answer) for e in examples) - 1
    ids = torch.full((len(examples), longest), pad)
    labels = torch.full((len(examples), longest), IGNORED)
    for row, e in enumerate(examples):
        text = torch.tensor(e.prompt + e.answer)
        ids[row, :len(text) - 1] = text[:-1]
        labels[row, len(e.prompt) - 1:len(text) - 1] = text[len(e.prompt):]
    return Batch(ids, labels)


def batches_of_epoch(examples: list[Example], texts: int, seed: int) -> list[list[int]]:
    """Indices: every example once, in batches of `texts` of similar length, in an order that `seed` fixes."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(examples), generator=generator).tolist()
    batches = []
    window = texts * 16
    for begin in range(0, len(order) - texts + 1, window):
        part = sorted(order[begin:begin + window], key=lambda i: len(examples[i].prompt) + len(examples[i].answer))
        batches += [part[i:i + texts] for i in range(0, len(part) - texts + 1, texts)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]
