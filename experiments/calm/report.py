"""The table of one task, in Markdown, from the files that run.sh made. Losses are computed here anew, by other packages than exeunt's
own code (rapidfuzz, rouge-score), and what a certificate says of them is held to that; p-values, too, by numpy: a setting that is
certified and should not be, or the other way round, is an error."""
from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Levenshtein
from rouge_score import rouge_scorer

MEASURES = ("candidates", "preview", "softmax", "classifier", "state")
SERVED = MEASURES[0]  # the measure whose certificates are measured at every goal, and kept to be asked for
GOALS = (("textual", 0.05), ("textual", 0.1), ("textual", 0.25), ("risk", 0.02), ("risk", 0.05))
EPSILON = 0.05
SPLITS = 1000
ROUGE = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)


def wer(answer: str, reference: str) -> float:
    words = reference.split()
    return min(1.0, Levenshtein.distance(answer.split(), words) / max(len(words), 1))


def rouge_l(answer: str, reference: str) -> float:
    if answer == reference and any(c.isascii() and c.isalnum() for c in reference):
        return 0.0  # most are, and it is slow
    return 1.0 - ROUGE.score(reference, answer)["rougeL"].fmeasure


LOSSES = {"wer": wer, "rouge_l": rouge_l}


@dataclass
class Sweep:
    """Answers by setting, in the order of the prompts."""
    texts: dict[str, list[str]]
    exits: dict[str, list[dict[int, int]]]

    def layers(self, setting: str) -> float:
        counts = [item for by_layer in self.exits[setting] for item in by_layer.items()]
        return sum(layer * n for layer, n in counts) / sum(n for _, n in counts)


@cache
def read_sweep(path: Path) -> Sweep:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    lines.sort(key=lambda line: line["prompt"])
    sweep = Sweep({}, {})
    for line in lines:
        sweep.texts.setdefault(line["setting"], []).append(line["text"])
        sweep.exits.setdefault(line["setting"], []).append({int(layer): n for layer, n in line["exits"].items()})
    return sweep


def read_answers(data: Path, part: str) -> Sweep:
    """To the prompts of "calibration" or "test", by every measure, as run.sh made them."""
    return read_sweep(data / f"{part}_answers.jsonl")


def references(path: Path) -> list[str]:
    return [json.loads(line)["reference"] for line in path.read_text(encoding="utf-8").splitlines()]


def losses(loss, answers: list[str], wanted: list[str]) -> np.ndarray:
    return np.array([loss(a, w) for a, w in zip(answers, wanted, strict=True)])


def tested_settings(sweep: Sweep, measure: str) -> list[str]:
    """The settings of a measure that are tested, in the order of the tests: from the largest threshold down."""
    found = [s for s in sweep.texts if re.fullmatch(rf"{measure}-[\d.]+", s)]
    return sorted(found, key=lambda s: -float(s.removeprefix(f"{measure}-")))


def tested(sweep: Sweep, settings: list[str], loss, wanted: list[str], consistency: str) -> dict[str, np.ndarray]:
    """What settings are tested for, answer by answer: loss against the full model's answer, or loss beyond the full model's."""
    if consistency == "textual":
        return {s: losses(loss, sweep.texts[s], sweep.texts["off"]) for s in settings}
    full = losses(loss, sweep.texts["off"], wanted)
    return {s: losses(loss, sweep.texts[s], wanted) - full for s in settings}


def wsr_p_values(samples: np.ndarray, delta: float) -> np.ndarray:
    """Betting (arXiv 2010.09686, with the bets of certify/bounds.cc) for "the mean of this row is over delta"; samples [rows, n],
    in order."""
    n = samples.shape[1]
    t = np.arange(1, n + 1)
    mean = (0.5 * delta + np.cumsum(samples, 1)) / (t + 0.5)
    squares = 0.25 + np.cumsum((samples - mean) ** 2, 1)
    before = np.concatenate([np.full((len(samples), 1), 0.25), squares[:, :-1]], 1) / t
    bets = np.minimum(np.sqrt(2 * np.log(1 / EPSILON) / (n * before)), 0.95 / (1 - delta))
    wealth = np.cumsum(np.log1p(-bets * (samples - delta)), 1).max(1)
    return np.minimum(1.0, np.exp(-wealth))


def chosen(p_values: np.ndarray) -> int | None:
    """Fixed sequence: the last setting that is rejected before the first that is not."""
    failed = np.flatnonzero(p_values > EPSILON)
    passed = failed[0] if len(failed) else len(p_values)
    return int(passed) - 1 if passed else None


def split_violations(pooled: np.ndarray, n: int, delta: float, seed: int = 1) -> float:
    """Share of random calibration/test splits in which the setting that calibration chooses has a risk over delta, judged by
    all answers; pooled: [settings, answers] in the order of the tests."""
    generator = np.random.default_rng(seed)
    risk = pooled.mean(1)
    over = 0
    for _ in range(SPLITS):
        pick = chosen(wsr_p_values(pooled[:, generator.permutation(pooled.shape[1])[:n]], delta))
        over += pick is not None and risk[pick] > delta
    return over / SPLITS


def setting_of(certificate: dict) -> str:
    """As sweeps name it."""
    return f"{certificate['measure']}-{certificate['threshold']:g}"


def certificates(adapted: Path) -> dict[str, dict]:
    return {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in sorted((adapted / "exits/certificates").glob("*.json"))}


def check_choice(name: str, certificate: dict | None, settings: list[str], samples: np.ndarray, delta: float) -> None:
    """The certified setting is the one that is chosen here. exeunt takes the losses in another order, on which a p-value depends a
    little: one choice is as good as the other where the p-value that parts them is near epsilon."""
    p_values = wsr_p_values(samples, delta)
    here = chosen(p_values)
    there = settings.index(setting_of(certificate)) if certificate else None
    if here == there:
        return
    between = p_values[min(-1 if here is None else here, -1 if there is None else there) + 1]
    if not EPSILON / 2 < between < EPSILON * 2:
        known, found = ("nothing" if i is None else settings[i] for i in (there, here))
        raise SystemExit(f"{name}: certified is {known}, by the p-values here it is {found} ({p_values})")


def certified_rows(options, loss) -> list[str]:
    known = certificates(options.adapted)
    wanted = {part: references(options.data / f"{part}.jsonl") for part in ("calibration", "test")}
    sweeps = {part: read_answers(options.data, part) for part in wanted}
    rows = []
    for measure in MEASURES:
        settings = tested_settings(sweeps["calibration"], measure)
        if settings != tested_settings(sweeps["test"], measure):
            raise SystemExit(f"{measure}: calibration and test answers are not of the same settings")
        if not settings:
            continue
        by_consistency = {consistency: {part: tested(sweep, settings, loss, wanted[part], consistency) for part, sweep in sweeps.items()}
                          for consistency in {consistency for consistency, _ in GOALS}}
        for consistency, delta in GOALS:
            values = by_consistency[consistency]
            pooled = np.stack([np.concatenate([values[part][s] for part in values]) for s in settings])
            over = split_violations(pooled, len(wanted["calibration"]), delta)
            name = f"{options.task}-{measure}-{consistency}-{delta:g}"
            certificate = known.get(name)
            check_choice(name, certificate, settings, np.stack([values["calibration"][s] for s in settings]), delta)
            if certificate is None:
                rows.append(f"| {measure} | {consistency} {delta:g} | none | 30 | | | | | {over:.3f} |")
                continue
            setting = setting_of(certificate)
            mean = values["calibration"][setting].mean()
            if abs(mean - certificate["mean_loss"]) > 1e-4:
                raise SystemExit(f"{certificate['name']}: mean loss {certificate['mean_loss']}, computed here {mean}")
            risk = losses(loss, sweeps["test"].texts[setting], wanted["test"]).mean()
            full = losses(loss, sweeps["test"].texts["off"], wanted["test"]).mean()
            against = by_consistency["textual"]["test"][setting].mean()
            rows.append(f"| {measure} | {consistency} {delta:g} | {certificate['threshold']:g} | "
                        f"{sweeps['test'].layers(setting):.2f} | {values['test'][setting].mean():.4f} | "
                        f"{risk:.4f} | {full:.4f} | {against:.4f} | {over:.3f} |")
    return rows


def compared_rows(options, loss) -> list[str]:
    """Other ways to spend as little, on the test prompts."""
    wanted = references(options.data / "test.jsonl")
    test = read_answers(options.data, "test")
    rows = []

    def row(name: str, sweep: Sweep, setting: str) -> None:
        against = losses(loss, sweep.texts[setting], sweep.texts["off"]).mean()
        rows.append(f"| {name} | {sweep.layers(setting):.2f} | {losses(loss, sweep.texts[setting], wanted).mean():.4f} | {against:.4f} |")

    row("in full (`off`)", test, "off")
    for setting in sorted((s for s in test.texts if s.startswith("preview-0-from")), key=test.layers):
        row("every token at the same exit", test, setting)
    cheap_head = options.data / "test_cheap_head.jsonl"
    if cheap_head.exists():
        row("in full but for the cheap head (every token after layer 29, preview)", read_sweep(cheap_head), "preview-0")
    probed = options.data / "probe.txt"
    if probed.exists():
        for layers, depth in re.findall(r"exits after ([\d, ]+): oracle depth ([\d.]+)", probed.read_text(encoding="utf-8")):
            rows.append(f"| an oracle that leaves at the first of {layers} that agrees (`exeunt probe`) | {depth} | | 0 |")
    plain = options.data / "test_plain.jsonl"
    if plain.exists():
        theirs = losses(loss, read_sweep(plain).texts["off"], wanted)
        ours = losses(loss, test.texts["off"], wanted)
        difference = ours - theirs
        bound = difference.mean() + 1.645 * difference.std(ddof=1) / np.sqrt(len(difference))
        rows.append(f"| plain fine-tune of equal length, in full | 30 | {theirs.mean():.4f} | |")
        rows.append(f"| adapted - plain, both in full: {difference.mean():+.4f}, one-sided 95 % bound {bound:+.4f} | | | |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--loss", required=True, choices=LOSSES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--adapted", type=Path, required=True, help="directory with exits/certificates")
    options = parser.parse_args()
    loss = LOSSES[options.loss]
    columns = ("measure", "goal", "threshold", "mean layers of 30", "loss tested, on test", "loss", "in full", "against in full",
               "splits over delta")
    print(f"## {options.task}\n\n| {' | '.join(columns)} |\n|---|---|{'---:|' * (len(columns) - 2)}")
    print("\n".join(certified_rows(options, loss)))
    print("\n| to compare with | mean layers | loss | against in full |\n|---|---:|---:|---:|")
    print("\n".join(compared_rows(options, loss)))
    throughput = options.data / "throughput.md"
    if throughput.exists():
        print("\n" + throughput.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
