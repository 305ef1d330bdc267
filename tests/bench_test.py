"""`exeunt bench` over real mpirun, `exeunt plan` and `exeunt simulate`, on the default model: their figures hang together.

    tests/bench_test.py BUILD_DIR

No rate and no measured cost is asserted: machines differ, and may be busy.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXEUNT = str(Path(sys.argv[1]) / "tools/exeunt")
MODEL = subprocess.run([ROOT / "deploy/get_model.sh"], capture_output=True, text=True, check=True).stdout.strip()
LAYERS = 30
KEPT = ROOT / "experiments/calm/restore"


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def bench(stages: int, *arguments: str) -> list[dict]:
    done = run([str(ROOT / "tests/mpirun.sh"), str(stages), EXEUNT, "bench", MODEL, "--json", *arguments])
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def check_pipeline(stages: int, trace: Path) -> None:
    workloads = ["prefill:64", "decode:4x8"]
    reports = bench(stages, "--trace", str(trace), *(w for name in workloads for w in ("--workload", name)))
    assert [r["workload"] for r in reports] == workloads
    for report in reports:
        assert report["stages"] == stages == len(report["stage"]), report
        assert report["tokens_per_second"] > 0 and report["mean_layers"] == LAYERS, report
        for stage in report["stage"]:
            assert 0 < stage["busy"] <= 1.001, report
            assert stage["read_share"] > 0 and stage["dot_share"] > 0, report
    slices = [e for e in json.loads(trace.read_text())["traceEvents"] if e["ph"] == "X"]
    assert {e["pid"] for e in slices} == set(range(stages))
    # Every token of the 4 streams ran through the head of the last stage: 8 of each.
    heads = [e for e in slices if e["name"].startswith("head")]
    assert sum(e["args"]["rows"] for e in heads) == 4 * 8, heads
    for rank in range(stages):
        own = sorted((e["ts"], e["ts"] + e["dur"]) for e in slices if e["pid"] == rank)
        assert all(a[1] <= b[0] for a, b in zip(own, own[1:])), "jobs of a stage overlap"


def check_exits() -> None:
    exits = ["--exit-mode", "propagate", "--exit-measure", "forced", "--exit-layers", "15", "--forced", "15:1"]
    (report,) = bench(2, "--workload", "decode:4x8", *exits)
    assert report["mean_layers"] == 15 and report["exits"] == {"15": 1}, report


def check_curves(plan: dict, names: list[str]) -> None:
    """Costs that were measured: of the same steps, and above nothing. Their order is not asserted: the machine may be busy."""
    for name in names:
        assert [rows for rows, _ in plan[name]] == [rows for rows, _ in plan["layer_us"]], plan
        assert all(cost > 0 for _, cost in plan[name]), plan


def measured_plan(model_options: list[str], *options: str) -> dict:
    done = run([EXEUNT, "plan", MODEL, *model_options, *options, "--json"])
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    spans = [tuple(map(int, part.split("-"))) for part in plan["split"].split(",")]
    assert spans[0][0] == 0 and spans[-1][1] == LAYERS and all(a[1] == b[0] for a, b in zip(spans, spans[1:])), plan
    check_curves(plan, ["layer_us", "fill_us", "head_us"])
    return plan | {"spans": spans}


def check_plan() -> None:
    plan = measured_plan([], "--stages", "3", "--streams", "12")
    assert len(plan["spans"]) == 3 and plan["token_us"] == plan["full_token_us"] and "exit_us" not in plan, plan
    assert measured_plan([], "--streams", "12", "--exit-profile", "15:0.5")["token_us"] > 0
    # What exits look at costs something.
    kept = ["--adapter", str(KEPT / "adapter"), "--exits", str(KEPT / "exits")]
    for looks in (["--exit-measure", "candidates", "--exit-profile", "8:0.4"], ["--certificate", "restore-candidates-risk-0.05"]):
        check_curves(measured_plan(kept, *looks), ["exit_us"])


def check_simulate(folder: Path) -> None:
    """From costs that are written here: a layer 100 us, the head 1 ms, a look 10 us, a fill 5 us, each for one row or for ten."""
    costs = folder / "costs.json"
    written = {"layers": LAYERS, "layer_us": [[1, 100], [10, 100]], "fill_us": [[1, 5], [10, 5]], "head_us": [[1, 1000], [10, 1000]]}

    def rate(*options: str, **more: object) -> float:
        costs.write_text(json.dumps(written | more))
        done = run([EXEUNT, "simulate", str(costs), *options])
        assert done.returncode == 0, done.stderr
        return float(done.stdout.split()[1])

    # One stream goes through all of it: 30 layers and the head.
    alone = rate("--workload", "decode:1", "--split", "0-20,20-30")
    assert 0.95 * 1e6 / 4000 < alone <= 1.05 * 1e6 / 4000, alone
    # With two streams two stages work at once, each 2 ms a token.
    both = rate("--workload", "decode:2", "--split", "0-20,20-30")
    assert 1.8 * alone < both <= 2.05 * alone, (alone, both)
    # `auto` finds that split: the head is on the last stage, which has fewer layers.
    costs.write_text(json.dumps(written))
    done = run([EXEUNT, "simulate", str(costs), "--workload", "decode:2"])
    assert done.returncode == 0 and "stage 1 (20-30): busy" in done.stdout, (done.stdout, done.stderr)
    # Tokens that leave are cheaper, the more so where the exit's look gives them without the head.
    profile = ["--workload", "decode:12", "--split", "0-12,12-30", "--exit-profile", "8:0.4,14:0.1,22:0.2"]
    full, leaving, looking = rate(*profile[:4]), rate(*profile), rate(*profile, exit_us=[[1, 10], [10, 10]])
    assert full < leaving < looking, (full, leaving, looking)


def check_errors() -> None:
    for arguments, words in [
        (["bench", MODEL, "--workload", "decode:0"], "decode:0"),
        (["bench", MODEL, "--workload", "prefill:9999999"], "context"),
        (["bench", "/no/such/model.gguf"], "/no/such/model.gguf"),
        (["plan", MODEL, "--stages", "31"], "30 layers"),
        (["plan", MODEL, "--exit-profile", "10:2"], "10:2"),
        (["plan", MODEL, "--exit-measure", "candidates"], "'candidates' needs exits"),
        (["plan", MODEL, "--exits", str(KEPT / "exits"), "--certificate", "none"], "--certificate 'none'"),
        (["simulate", "/no/such/costs.json"], "/no/such/costs.json"),
    ]:
        done = run([EXEUNT, *arguments])
        assert done.returncode == 1 and words in done.stderr, (arguments, done.returncode, done.stderr)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for stages in (1, 2):
            check_pipeline(stages, Path(folder) / "trace.json")
            print(f"PASS bench of {stages} stage(s)")
        check_plan()
        print("PASS plan")
        check_simulate(Path(folder))
        print("PASS simulate")
    check_exits()
    print("PASS bench with exits")
    check_errors()
    print("PASS errors")


if __name__ == "__main__":
    main()
