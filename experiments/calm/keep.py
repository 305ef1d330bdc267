"""Copies what a task needs to be served into this folder, with the answers to the first test prompts by a certificate and in full,
as tests/cluster/kept_exits_test.py wants them back; and what was measured, from which run.sh goes on elsewhere."""
from __future__ import annotations

import argparse
import json
import shutil
import tarfile
from pathlib import Path

from report import SERVED, certificates, read_answers, setting_of

PROMPTS = 32
MEASURED = ("calibration_*.jsonl", "test_*.jsonl", "exits_29", "probe.txt", "throughput.*")


def pack(data: Path, archive: Path) -> None:
    """The same bytes for the same files."""
    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
        info.mode = 0o755 if info.isdir() else 0o644
        return info

    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for file in sorted(file for pattern in MEASURED for file in data.glob(pattern)):
            tar.add(file, file.name, filter=plain)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapted", type=Path, required=True, help="directory of adapter/ and exits/")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    name = f"{options.task}-{SERVED}-risk-0.05"
    certificate = certificates(options.adapted)[name]
    sweep = read_answers(options.data, "test")
    setting = setting_of(certificate)
    prompts = [json.loads(line)["prompt"] for line in (options.data / "test.jsonl").read_text(encoding="utf-8").splitlines()]
    if options.adapted != options.out:
        for folder in ("adapter", "exits"):
            shutil.copytree(options.adapted / folder, options.out / folder, dirs_exist_ok=True)
    pack(options.data, options.out / "measured.tar.xz")
    with (options.out / "served.jsonl").open("w", encoding="utf-8") as file:
        for i in range(PROMPTS):
            layers = sum(layer * n for layer, n in sweep.exits[setting][i].items())
            file.write(json.dumps({"exit": {"certificate": name}, "max_tokens": certificate["max_tokens"],
                                   "prompt": prompts[i], "early": sweep.texts[setting][i], "layers": layers, "full": sweep.texts["off"][i]}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
