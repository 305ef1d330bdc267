"""What bench/ says and does about llama.cpp on CPUs with AMX, where its AMX kernels crash: bench/build_llama.sh's options and
the note in bench/compare.py's table. Nothing is built.

    tests/compare_test.py
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))
import compare  # noqa: E402

NO_AMX = "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
CRASH = "without its AMX kernels, which crash (SIGSEGV in ggml_backend_amx_mul_mat)"


def options(amx: str | None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "LLAMA_AMX"}
    if amx is not None:
        environment["LLAMA_AMX"] = amx
    command = [str(ROOT / "bench/build_llama.sh"), "--options"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def check_options() -> None:
    with_amx, without = options("yes").stdout.splitlines(), options("no").stdout.splitlines()
    added = [line for line in with_amx[:-1] if line not in without]
    assert sorted(added) == sorted([f"-DCMAKE_C_FLAGS={NO_AMX}", f"-DCMAKE_CXX_FLAGS={NO_AMX}",
                                    *(f"-DGGML_AMX_{kind}=OFF" for kind in ("TILE", "INT8", "BF16"))]), added
    assert [line for line in without if "AMX" in line or "amx" in line] == [], without
    assert CRASH in with_amx[-1] and without[-1].endswith("built for this CPU"), (with_amx[-1], without[-1])
    present = "amx_tile" in compare.cpu_info("flags").split()
    for default in (None, "auto"):
        assert options(default).stdout.splitlines() == (with_amx if present else without)
    wrong = options("maybe")
    assert wrong.returncode == 1 and "LLAMA_AMX is 'maybe', expected yes, no or auto" in wrong.stderr, wrong


def check_table() -> None:
    with tempfile.TemporaryDirectory() as folder:
        driver = Path(folder, "llama_driver")
        for amx in ("yes", "no"):
            note = options(amx).stdout.splitlines()[-1]
            driver.with_name("note").write_text(note + "\n", encoding="utf-8")
            heading = compare.heading(argparse.Namespace(driver=str(driver), model="m.gguf", rounds=1))
            assert f"Compared with: {note}." in heading.splitlines(), heading
            assert (CRASH in heading) == (amx == "yes")


check_options()
check_table()
