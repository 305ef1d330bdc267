"""The two tasks of the experiment, made from the package descriptions: JSONL files that tools/adapt, exeunt and the scripts
here read. Each line: name, prompt, completion (what training is given), reference (what an answer is judged by)."""
from __future__ import annotations

import argparse
import gzip
import json
import re
from pathlib import Path

SPLITS = ("train", "development", "calibration", "test")


def restore(row: dict[str, str]) -> tuple[str, str]:
    text = " ".join(row["text"].split()[:45])
    return re.sub("[^a-z0-9]+", " ", text.lower()).strip() + "\nRestored:", text


def synopsis(row: dict[str, str]) -> tuple[str, str]:
    return " ".join(row["text"].split()[:80]) + "\nSynopsis:", row["synopsis"]


TASKS = {"restore": restore, "synopsis": synopsis}


def write(packages: Path, task: str, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        with gzip.open(packages / f"{split}.jsonl.gz", "rt", encoding="utf-8") as source:
            rows = [json.loads(line) for line in source]
        with (out / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for row in rows:
                prompt, answer = TASKS[task](row)
                file.write(json.dumps({"name": row["name"], "prompt": prompt, "completion": " " + answer,
                                       "reference": answer}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", type=Path)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    write(options.packages, options.task, options.out)
