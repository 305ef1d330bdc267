"""experiments/calm. "scripts": what they compute with, on small cases. "table": docs/calm_table.md has every line that report.py
makes of the kept answers and rates and the package descriptions; skipped without these. Run by tests/calm.sh.

    tests/calm_test.py scripts
    EXEUNT_PACKAGES=DIR tests/calm_test.py table
"""
from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
CALM = ROOT / "experiments/calm"
PACKAGES = Path(os.environ.get("EXEUNT_PACKAGES", ROOT.parent / "shared/fixtures/packages"))
SKIPPED = 77
sys.path.insert(0, str(CALM))
import keep  # noqa: E402
import report  # noqa: E402
import tasks  # noqa: E402
import throughput  # noqa: E402


def check_tasks() -> None:
    row = {"text": "Don't  panic:\nit's GNU/Linux (v2.0)!", "synopsis": "A guide"}
    assert tasks.restore(row) == ("don t panic it s gnu linux v2 0\nRestored:", "Don't panic: it's GNU/Linux (v2.0)!")
    assert tasks.synopsis(row) == ("Don't panic: it's GNU/Linux (v2.0)!\nSynopsis:", "A guide")
    long = {"text": "Word " * 100, "synopsis": ""}
    assert [len(task(long)[0].split()) for task in (tasks.restore, tasks.synopsis)] == [45 + 1, 80 + 1]


def check_losses() -> None:
    assert report.wer("a b c", "a b c") == 0 and report.wer("a b", "a B c d") == 3 / 4 and report.wer("a b c", "x") == 1
    assert report.rouge_l("the cat", "the cat") == 0 and math.isclose(report.rouge_l("the dog", "the cat"), 0.5)
    assert report.rouge_l("--", "--") == 1  # no word to agree in


def check_choice() -> None:
    """One sample at a time, as the definition has it."""
    def p_value(samples: np.ndarray, delta: float) -> float:
        wealth = best = 1.0
        total, squares = 0.5 * delta, 0.25
        for i, x in enumerate(samples):
            bet = min(math.sqrt(2 * math.log(1 / report.EPSILON) / (len(samples) * squares / (i + 1))), 0.95 / (1 - delta))
            wealth *= 1 - bet * (x - delta)
            best = max(best, wealth)
            total += x
            squares += (x - total / (i + 1.5)) ** 2
        return 1 / best

    samples = np.random.default_rng(7).beta(0.3, 3, size=(3, 400))
    found = report.wsr_p_values(samples, 0.11)
    assert np.allclose(found, [p_value(row, 0.11) for row in samples], rtol=1e-9), found
    assert 0 < found.min() < 1
    assert [report.chosen(np.array(p)) for p in ([0.01, 0.05, 0.2, 0.01], [0.2, 0.01], [0.01, 0.02])] == [1, None, 1]
    # Pooled risks .12 and .1201 where delta is .12: the first is within it, the second is not and must be certified seldom.
    pooled = np.zeros((2, 6000))
    pooled[:, :720] = 1
    pooled[1, 720:726] = 0.1
    seldom = report.split_violations(pooled, 3000, 0.12)
    assert 0 < seldom <= 0.073, seldom
    assert report.split_violations(pooled[:1], 3000, 0.12) == 0


def check_rates(folder: Path) -> None:
    file, lines = folder / "throughput.json", ["a", "b"]
    wanted = {"decode 8 off": 2, "decode 8 early": 2}
    rates = throughput.Rates(file, lines, wanted)
    for turn, (off, early) in enumerate([(100, 150), (50, 100)]):
        rates.measure("decode 8 off", turn, lambda: [off, 30, "0-18,18-30"])
        rates.measure("decode 8 early", turn, lambda: [early, 20, "0-12,12-30"])
    # Of 1.5 and 2, in their turns; of the medians it is 1.67.
    assert rates.gain("decode 8 early", "decode 8 off") == "**1.75**x (1.50-2.00)"
    assert rates.median("decode 8 off") == 75

    def never() -> list:
        raise AssertionError("measured twice")

    again = throughput.Rates(file, lines, wanted)
    again.measure("decode 8 off", 1, never)
    assert again.of == rates.of
    assert not throughput.Rates(file, [*lines, "c"], wanted).of, "rates of other prompts"
    # Of another CPU: all that is wanted, or nothing.
    kept = json.loads(file.read_text(encoding="utf-8")) | {"cpu": "another"}
    file.write_text(json.dumps(kept), encoding="utf-8")
    assert throughput.Rates(file, lines, wanted).cpu == "another"
    anew = throughput.Rates(file, lines, wanted | {"decode 8 late": 1})
    assert not anew.of and anew.cpu == throughput.cpu_name()
    del kept["prompts"]  # as an earlier script wrote it
    file.write_text(json.dumps(kept), encoding="utf-8")
    assert not throughput.Rates(file, lines, wanted).of


def check_long_answers(folder: Path) -> None:
    (folder / "test.jsonl").write_text("".join(f"{i}\n" for i in range(5)), encoding="utf-8")
    with (folder / "test_answers.jsonl").open("w", encoding="utf-8") as file:
        file.write("{}\n")
        for i, (full, early) in enumerate([(3, 3), (8, 2), (8, 8), (40, 9), (9, 9)]):
            for setting, tokens in (("off", full), ("early", early)):
                file.write(json.dumps({"prompt": i, "setting": setting, "text": "", "exits": {"30": tokens}}) + "\n")
    # Shortest of each: 3, 2, 8, 9, 9; one answer is cut off.
    assert throughput.long_answers(folder, ["off", "early"], 40, 0.5) == ["2", "4"]
    assert throughput.long_answers(folder, ["off"], 40, 0) == ["0", "1", "2", "4"]


def check_pack(folder: Path) -> None:
    (folder / "exits_29").mkdir()
    for name in ("exits_29/exits.json", "probe.txt", "train.jsonl"):
        (folder / name).write_text(name, encoding="utf-8")
    archive = folder / "measured.tar.xz"
    keep.pack(folder, archive)
    first = archive.read_bytes()
    os.utime(folder / "probe.txt", (1, 1))
    keep.pack(folder, archive)
    assert archive.read_bytes() == first
    with tarfile.open(archive) as tar:
        assert {m.name: oct(m.mode) for m in tar} == {"exits_29": "0o755", "exits_29/exits.json": "0o644", "probe.txt": "0o644"}


def check_table(task: str, loss: str) -> None:
    documented = set((ROOT / "docs/calm_table.md").read_text(encoding="utf-8").split(f"\n## {task}\n")[1].split("\n## ")[0].splitlines())
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        tasks.write(PACKAGES, task, data)
        with tarfile.open(CALM / task / "measured.tar.xz") as archive:
            archive.extractall(data)
        done = subprocess.run([sys.executable, CALM / "report.py", "--task", task, "--loss", loss, "--data", data, "--adapted", CALM / task],
                              capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
    assert len(lines) > 50, done.stdout
    missing = [line for line in lines if line not in documented]
    assert not missing, "not in docs/calm_table.md:\n" + "\n".join(missing)


def main() -> int:
    if sys.argv[1] == "table":
        if not PACKAGES.is_dir():
            print(f"SKIPPED: no package descriptions in {PACKAGES} (EXEUNT_PACKAGES)")
            return SKIPPED
        for task, loss in (("restore", "wer"), ("synopsis", "rouge_l")):
            check_table(task, loss)
            print(f"PASS table of {task}")
        return 0
    for check in (check_tasks, check_losses, check_choice):
        check()
        print(f"PASS {check.__name__}")
    for check in (check_rates, check_long_answers, check_pack):
        with tempfile.TemporaryDirectory() as folder:
            check(Path(folder))
        print(f"PASS {check.__name__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
