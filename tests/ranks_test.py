"""`exeunt probe` and `exeunt fit` over real mpirun, on the default model: what they find is what one process finds, bit by bit.

    tests/ranks_test.py BUILD_DIR
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXEUNT = str(Path(sys.argv[1]) / "tools/exeunt")
MODEL = subprocess.run([ROOT / "deploy/get_model.sh"], capture_output=True, text=True, check=True).stdout.strip()
PROMPTS = ["The capital of France is", "Once upon a time there was", "1, 2, 3, 4,", "Water boils at", "My name is",
           "The sun rises in the"]


def exeunt(ranks: int, verb: str, *arguments: object, ok: bool = True) -> subprocess.CompletedProcess[str]:
    command = [EXEUNT, verb, MODEL, *map(str, arguments)]
    if ranks > 1:
        command = [str(ROOT / "tests/mpirun.sh"), str(ranks), *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode == 0) == ok, (command, done.stdout, done.stderr)
    return done


def layers_of(table: str) -> list[str]:
    """What does not depend on costs, which are measured."""
    rows = [line for line in table.splitlines() if line.strip() and line.split()[0].isdigit() and line.startswith("    ")]
    assert len(rows) == 29, table
    return rows


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prompts = folder / "prompts.jsonl"
        prompts.write_text("".join(json.dumps({"prompt": p}) + "\n" for p in PROMPTS))
        # Fewer streams than prompts: places are used again.
        common = ["--prompts", prompts, "-n", 8, "--streams", 2]
        fit = [*common, "--exit-layers", "12,26", "--ridge", 0.1, "--classifier-passes", 2, "--holdout", 0.5]
        alone = exeunt(1, "fit", *fit, "--refine-passes", 1, "-o", folder / "alone").stdout
        assert exeunt(2, "fit", *fit, "--refine-passes", 1, "-o", folder / "ranks").stdout == alone
        for file in ("exits.json", "exits.safetensors"):
            assert (folder / "alone" / file).read_bytes() == (folder / "ranks" / file).read_bytes(), file
        print("PASS fit", flush=True)
        probe = [*common, "--exits", folder / "alone"]
        table = layers_of(exeunt(1, "probe", *probe).stdout)
        assert layers_of(exeunt(2, "probe", *probe, "--split", "0-20,20-30").stdout) == table
        print("PASS probe", flush=True)
        error = exeunt(2, "probe", *probe, "--split", "0-30", ok=False).stderr
        assert "exeunt probe: rank 0: --split" in error, error
        print("PASS errors", flush=True)


if __name__ == "__main__":
    main()
