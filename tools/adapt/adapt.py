"""Teaches a checkpoint to exit early: a JSONL file in, a LoRA adapter and exits that exeunt serves out (docs/exits.md).

Progress and checkpoints go to OUT/training; the same command goes on where it was stopped."""
from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

import examples
import export
from examples import Batch, Example
from exiting_model import ADAPTER, ExitingModel, Tokenizer, blend, load, use_all_cores
from recipe import Recipe, evaluate, fit_translators, step_loss

FIT_TEXTS = 400  # that the closed-form translators are fitted on


@dataclasses.dataclass
class Training:
    model: ExitingModel
    tokenizer: Tokenizer
    recipe: Recipe
    source: Path            # of the model
    exeunt: Path
    lines: list[dict[str, str]]  # that `train` was made from
    train: list[Example]
    development: list[Example]
    directory: Path
    inputs: dict[str, str]  # what the recipe does not say: options, with the hashes of their files
    own_targets: dict[int, list[int]] = dataclasses.field(default_factory=dict)  # by index of `train`

    def batch(self, chosen: list[Example]) -> Batch:
        made = examples.collate(chosen, self.tokenizer.pad)
        return Batch(made.ids.to(self.model.device), made.labels.to(self.model.device))

    def batches(self, chosen: list[Example]) -> list[Batch]:
        chosen = sorted(chosen, key=lambda e: len(e.prompt) + len(e.answer))
        return [self.batch(chosen[i:i + 16]) for i in range(0, len(chosen), 16)]

    def batch_of_step(self, step: int) -> Batch:
        per_epoch = len(examples.batches_of_epoch(self.train, self.recipe.texts_per_step, 0))
        epoch = examples.batches_of_epoch(self.train, self.recipe.texts_per_step, self.recipe.seed + step // per_epoch)
        chosen = []
        for place, index in enumerate(epoch[step % per_epoch]):
            example = self.train[index]
            if self.recipe.wants_own_targets(step) and place % 2 and index in self.own_targets:
                example = Example(example.prompt, self.own_targets[index])
            chosen.append(example)
        return self.batch(chosen)


def log(training: Training, record: dict) -> None:
    with (training.directory / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    print(" ".join(f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in record.items()),
          flush=True)


def rate(recipe: Recipe, step: int) -> float:
    """Share of the learning rate: linear warm-up, then cosine to a tenth."""
    warm = min(1.0, (step + 1) / recipe.warmup_steps)
    return warm * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * step / recipe.steps)))


def write_own_targets(training: Training) -> None:
    """The served engine's greedy answers to training prompts, for half of the texts of the steps that are left."""
    recipe, path = training.recipe, training.directory / "own_targets.json"
    if not path.exists():
        count = min(len(training.train), int(recipe.steps * recipe.own_targets_share * recipe.texts_per_step * 0.5))
        indices = torch.randperm(len(training.train), generator=torch.Generator().manual_seed(recipe.seed))[:count].tolist()
        print(f"own targets: {count}", flush=True)
        replace(path, lambda scratch: scratch.write_text(json.dumps(dict(zip(indices, generate(training, indices))))))
    training.own_targets = {int(index): answer for index, answer in json.loads(path.read_text(encoding="utf-8")).items()}


def generate(training: Training, indices: list[int]) -> list[list[int]]:
    """Answers of the model as it is now, in full, by exeunt: an answer that ended has its end token."""
    adapter, prompts, out = (training.directory / name for name in ("own_adapter", "own_prompts.jsonl", "own_sweep.jsonl"))
    export.write_adapter(training.model, training.source, adapter)
    prompts.write_text("".join(json.dumps({"prompt": training.lines[i]["prompt"]}) + "\n" for i in indices), encoding="utf-8")
    out.unlink(missing_ok=True)  # of a run that was cut short
    limit = max(len(example.answer) for example in training.train) + 8
    subprocess.run([training.exeunt, "sweep", training.source, "--adapter", adapter, "--prompts", prompts, "-n", str(limit),
                    "--exit-mode", "off", "--threads", str(torch.get_num_threads()), "-o", out], check=True)
    made = sorted((json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()[1:]), key=lambda m: m["prompt"])
    answers = training.tokenizer.answers([m["text"] for m in made])
    return [answer if m["tokens"] < limit else answer[:-1] for m, answer in zip(made, answers)]


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Written beside it and renamed: a kill at any moment leaves a whole one."""
    scratch = path.with_suffix(".new")
    write(scratch)
    scratch.replace(path)


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Checkpoint:
    """What a step leaves behind."""

    def __init__(self, training: Training, optimizer: torch.optim.Optimizer | None):
        self._training, self._optimizer = training, optimizer
        self._path = training.directory / "checkpoint.pt"

    def save(self, step: int) -> None:
        state = {"step": step, "recipe": dataclasses.asdict(self._training.recipe), "inputs": self._training.inputs,
                 "optimizer": self._optimizer.state_dict(),
                 "trained": {name: p.detach().cpu() for name, p in self._training.model.trained().items()}}
        replace(self._path, lambda scratch: torch.save(state, scratch))

    def load(self) -> int:
        """The step to go on with; 0 where there is no checkpoint. One of another recipe or other inputs is an error."""
        if not self._path.exists():
            return 0
        state = torch.load(self._path, map_location="cpu", weights_only=True)
        asked = dataclasses.asdict(self._training.recipe) | self._training.inputs
        for key, value in (state["recipe"] | state["inputs"]).items():
            if asked[key] != value:
                raise SystemExit(f"{self._path}: was trained with {key} {value}, asked for is {asked[key]}")
        with torch.no_grad():
            for name, parameter in self._training.model.trained().items():
                parameter.copy_(state["trained"][name])
        if self._optimizer is not None:
            self._optimizer.load_state_dict(state["optimizer"])
        return state["step"]


def train(training: Training, checkpoint_minutes: float, evaluate_steps: int) -> None:
    model, recipe = training.model, training.recipe
    lora = [p for name, p in model.trained().items() if "lora_" in name]
    optimizer = torch.optim.AdamW([{"params": lora, "peak": recipe.learning_rate},
                                   {"params": model.translators.parameters(), "peak": recipe.translator_learning_rate}],
                                  lr=0, weight_decay=0)
    checkpoint = Checkpoint(training, optimizer)
    first = checkpoint.load()
    saved, development = time.monotonic(), training.batches(training.development)
    for step in range(first, recipe.steps):
        began = time.monotonic()
        if step > 0 and recipe.phase(step) != "task" and recipe.phase(step - 1) == "task":
            fit_translators(model, training.batches(training.train[:FIT_TEXTS]))
            log(training, {"step": step, "fitted": len(recipe.exits), **evaluate(model, development)})
        if recipe.wants_own_targets(step) and not training.own_targets:
            write_own_targets(training)
        batch = training.batch_of_step(step)
        with model.autocast():
            loss, parts = step_loss(model, recipe, step, batch)
        if not math.isfinite(loss.item()):
            raise SystemExit(f"step {step}: the loss is {loss.item()}: try a smaller --learning-rate")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(lora, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * rate(recipe, step)
        optimizer.step()
        optimizer.zero_grad()
        if step % 10 == 0:
            seconds = time.monotonic() - began
            log(training, {"step": step, "of": recipe.steps, "phase": recipe.phase(step), "loss": loss.item(), **parts,
                           "seconds": round(seconds, 2)})
        if (step + 1) % evaluate_steps == 0:
            log(training, {"step": step + 1, **evaluate(model, development)})
        if time.monotonic() - saved > checkpoint_minutes * 60:
            checkpoint.save(step + 1)
            saved = time.monotonic()
    checkpoint.save(recipe.steps)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="GGUF file or Hugging Face directory")
    parser.add_argument("--train", type=Path, required=True, help='JSONL of {"prompt", "completion"}')
    parser.add_argument("--development", type=Path, required=True, help="JSONL of the same form")
    parser.add_argument("--out", type=Path, required=True, help="directory: adapter/, exits/, training/")
    parser.add_argument("--exits", required=True, help="layers, ascending: 8,12,16,22")
    parser.add_argument("--exeunt", type=Path, required=True, help="the exeunt binary: its tokenizer, and the model's hash")
    parser.add_argument("--max-tokens", type=int, default=512, help="of prompt and completion")
    parser.add_argument("--development-texts", type=int, default=128)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--checkpoint-minutes", type=float, default=5)
    parser.add_argument("--evaluate-steps", type=int, default=100)
    parser.add_argument("--start", type=Path, help="directory of an earlier run's adapter/ and exits/ to begin from")
    parser.add_argument("--blend", type=Path, help="directory of another run's adapter/ (a plain one's): begin on the way to it")
    parser.add_argument("--blend-share", type=float, default=0.3, help="of the way")
    parser.add_argument("--export", action="store_true", help="write what the last checkpoint holds, train no further")
    for field in dataclasses.fields(Recipe):
        flag = "--" + field.name.replace("_", "-")
        if field.type == "bool":
            parser.add_argument(flag, action="store_true")
        elif field.name != "exits":
            parser.add_argument(flag, type={"int": int, "float": float}[field.type], default=field.default)
    options = parser.parse_args(arguments)
    if options.blend is not None and options.start is None:
        parser.error("--blend needs --start: the run to begin on the way from")
    if not 0 <= options.blend_share <= 1:
        parser.error(f"--blend-share {options.blend_share} is not between 0 and 1")
    return options


def main(arguments: list[str]) -> None:
    options = parse(arguments)
    use_all_cores()
    torch.manual_seed(options.seed)
    chosen = {f.name: getattr(options, f.name) for f in dataclasses.fields(Recipe) if f.name != "exits"}
    recipe = Recipe(exits=tuple(int(e) for e in options.exits.split(",")), **chosen)
    tokenizer = Tokenizer(options.exeunt, options.model)
    model = ExitingModel(options.model, list(recipe.exits), recipe.rank, options.device)
    if options.start is not None:
        load(model, options.start)
    if options.blend is not None:
        blend(model, options.blend, options.blend_share)
    directory = options.out / "training"
    directory.mkdir(parents=True, exist_ok=True)
    lines = examples.read_lines(options.train)
    development = examples.read_lines(options.development)[:options.development_texts]
    inputs = {"--train": hash_of(options.train)}
    for flag, made in (("--start", options.start), ("--blend", options.blend)):
        inputs[flag] = hash_of(made / ADAPTER) if made else "none"
    if options.blend is not None:
        inputs["--blend-share"] = str(options.blend_share)
    training = Training(model, tokenizer, recipe, options.model, options.exeunt, lines,
                        examples.encode(options.train, lines, tokenizer, options.max_tokens),
                        examples.encode(options.development, development, tokenizer, options.max_tokens), directory, inputs)
    if not options.export:
        train(training, options.checkpoint_minutes, options.evaluate_steps)
    elif Checkpoint(training, None).load() == 0:
        raise SystemExit(f"{directory}: no checkpoint to export")
    export.write(model, options.model, options.out, options.exeunt)


if __name__ == "__main__":
    main(sys.argv[1:])
