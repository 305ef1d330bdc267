"""tools/adapt on the default model, a few steps: an adapter and exits that exeunt serves, going on where it was stopped, and
what it says to bad input. Needs torch (tools/adapt/requirements.txt), which CI does not install: without it the test is
reported as skipped.

    EXEUNT_ADAPT_PYTHON=PYTHON tests/adapt_test.py BUILD_DIR
"""

import array
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXEUNT = Path(sys.argv[1]).resolve() / "tools/exeunt"
PYTHON = os.environ.get("EXEUNT_ADAPT_PYTHON", sys.executable)
SKIPPED = 77
LINES = [{"prompt": f"{word} is a\nSpelt:", "completion": " " + " ".join(word)} for word in
         ("cat", "dog", "horse", "mouse", "bird", "fish", "lion", "bear", "wolf", "goat", "duck", "frog")]


ENVIRONMENT = os.environ | {"EXEUNT_ADAPT_PYTHON": PYTHON, "EXEUNT_BINARY": str(EXEUNT)}


def command_of(model: str, folder: Path, *arguments: str) -> list[str]:
    return [str(ROOT / "tools/adapt/adapt.sh"), model, "--train", str(folder / "train.jsonl"), "--development",
            str(folder / "train.jsonl"), "--out", str(folder / "out"), "--exits", "6,12", "--texts-per-step", "2",
            "--rank", "4", *arguments]


def halves(made: Path) -> list[int]:
    """The F16 numbers of a run's adapter, as bits; 0 for -0, of which a blend loses the sign."""
    data = (made / "adapter/adapter_model.safetensors").read_bytes()
    bits = array.array("H", data[8 + int.from_bytes(data[:8], "little"):])
    return [0 if x == 0x8000 else x for x in bits]


def kill_at(file: Path, model: str, folder: Path, *arguments: str) -> None:
    """Kills a run as soon as the file is there."""
    with subprocess.Popen(command_of(model, folder, *arguments), stdout=subprocess.DEVNULL, env=ENVIRONMENT) as run:
        deadline = time.monotonic() + 600
        while not file.exists():
            assert run.poll() is None and time.monotonic() < deadline, run.returncode
            time.sleep(0.05)
        run.kill()
        assert run.wait() == -signal.SIGKILL


def adapt(model: str, folder: Path, *arguments: str, ok: bool = True) -> str:
    command = command_of(model, folder, *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, env=ENVIRONMENT)
    assert (done.returncode == 0) == ok, (command, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout + done.stderr


def main() -> int:
    if subprocess.run([PYTHON, "-c", "import torch, peft, transformers"], capture_output=True, check=False).returncode:
        print("skipped: no torch, peft and transformers (EXEUNT_ADAPT_PYTHON names a Python that has them)")
        return SKIPPED
    subprocess.run([PYTHON, ROOT / "tests/adapt_losses_check.py"], check=True)
    model = subprocess.run([ROOT / "deploy/get_model.sh"], capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / "train.jsonl").write_text('{"prompt": "x"}\n')
        assert 'train.jsonl:1: "completion" is not a string' in adapt(model, folder, ok=False)
        (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
        assert "train.jsonl:1: 11 tokens, the limit is 4" in adapt(model, folder, "--max-tokens", "4", ok=False)
        assert "not ascending layers" in adapt(model, folder, "--exits", "12,6", ok=False)
        # One step of each kind: task, taught, served, with own targets at the end; a checkpoint after every step.
        steps = ["--steps", "6", "--warmup-steps", "1", "--task-share", "0.17", "--teach-share", "0.33",
                 "--own-targets-share", "0.34", "--checkpoint-minutes", "0"]
        said = adapt(model, folder, *steps)
        assert "phase=task" in said and "own targets: 2" in said and "fitted=2" in said, said
        before = (folder / "out/adapter/adapter_model.safetensors").read_bytes()
        assert "phase=" not in adapt(model, folder, *steps), "it trained on behind its end"
        assert (folder / "out/adapter/adapter_model.safetensors").read_bytes() == before
        assert "was trained with steps 6, asked for is 7" in adapt(model, folder, *steps, "--steps", "7", ok=False)
        assert "was trained with --start none, asked for is" in adapt(model, folder, *steps, "--start", str(folder / "out"), ok=False)
        # Killed, it goes on to the same bits.
        killed = [*steps, "--out", str(folder / "killed")]
        kill_at(folder / "killed/training/checkpoint.pt", model, folder, *killed)
        adapt(model, folder, *killed)
        assert (folder / "killed/adapter/adapter_model.safetensors").read_bytes() == before
        # Another run begins with what this one made, even without a step of its own.
        again = ["--start", str(folder / "out"), "--out", str(folder / "again"), "--steps", "0"]
        adapt(model, folder, *again)
        assert (folder / "again/adapter/adapter_model.safetensors").read_bytes() == before
        assert "the recipe's is torch.Size([8, 576])" in adapt(model, folder, *again, "--rank", "8", ok=False)
        # ... or on the way from there to a third one: at its end that one's matrices, before it neither's.
        adapt(model, folder, "--plain", "--steps", "2", "--out", str(folder / "plain"))
        plain = halves(folder / "plain")
        blends = []
        for share in ("0.3", "1"):
            adapt(model, folder, *again[:2], "--blend", str(folder / "plain"), "--blend-share", share, "--gated-exits",
                  "--steps", "0", "--out", str(folder / f"blend{share}"))
            blends.append(halves(folder / f"blend{share}"))
        assert "--blend-share 2.0 is not between 0 and 1" in adapt(model, folder, *again, "--blend-share", "2", ok=False)
        assert "--blend needs --start" in adapt(model, folder, "--blend", str(folder / "plain"), ok=False)
        assert blends[1] == plain
        assert blends[0] not in (halves(folder / "out"), plain)
        described = json.loads((folder / "out/exits/exits.json").read_text())
        assert [e["layer"] for e in described["exits"]] == [6, 12], described
        served = subprocess.run([EXEUNT, "generate", model, "--adapter", folder / "out/adapter", "--exits", folder / "out/exits",
                                 "-p", LINES[0]["prompt"], "-n", "8", "--exit-mode", "propagate", "--exit-threshold", "0.0"],
                                capture_output=True, text=True, check=True)
        assert "tokens by layer: 6:8" in served.stderr, served.stderr
    print("ok   adapt: teaches, goes on, refuses, and exeunt takes what it made")
    return 0


sys.exit(main())
