"""`exeunt bench` over real mpirun, `exeunt plan` and `exeunt simulate`, on the default model: their figures hang together.

    tests/bench_test.py BUILD_DIR

No rate is asserted: machines differ.
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
            assert stage["read_share"] > 0 and 0 < stage["dot_share"] <= 1, report
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


def check_plan(folder: Path) -> None:
    done = run([EXEUNT, "plan", MODEL, "--stages", "2", "--streams", "12", "--exit-profile", "15:0.5", "--json"])
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["token_us"] < plan["full_token_us"], plan
    costs = folder / "costs.json"
    costs.write_text(done.stdout)
    done = run([EXEUNT, "simulate", str(costs), "--workload", "decode:12", "--split", "0-20,20-30"])
    assert done.returncode == 0 and "stage 1 (20-30): busy" in done.stdout, (done.stdout, done.stderr)
    rate = float(done.stdout.split()[1])
    # Two stages that work at once, of which the heavier has over half of a token's cost.
    assert 1e6 / plan["full_token_us"] < rate < 2e6 / plan["full_token_us"], (rate, plan)

    # What exits look at costs something, and the head is not run for those that leave.
    looks = ["--exits", str(KEPT / "exits"), "--exit-measure", "candidates", "--exit-profile", "8:0.4,14:0.1,22:0.2"]
    done = run([EXEUNT, "plan", MODEL, "--adapter", str(KEPT / "adapter"), "--streams", "12", *looks, "--json"])
    assert done.returncode == 0, done.stderr
    cheap = json.loads(done.stdout)
    for (rows, head), (_, exit_us), (_, fill) in zip(cheap["head_us"], cheap["exit_us"], cheap["fill_us"]):
        assert head > exit_us > fill > 0, (rows, cheap)
    done = run([EXEUNT, "plan", MODEL, "--adapter", str(KEPT / "adapter"), "--exits", str(KEPT / "exits"), "--json",
                "--certificate", "restore-candidates-risk-0.05"])
    assert done.returncode == 0, done.stderr
    certified = json.loads(done.stdout)
    assert "exit_us" in certified and certified["token_us"] < certified["full_token_us"], certified
    rates = []
    for exit_us in (cheap["exit_us"], cheap["head_us"]):
        costs.write_text(json.dumps(cheap | {"exit_us": exit_us}))
        done = run([EXEUNT, "simulate", str(costs), "--workload", "decode:12", "--exit-profile", looks[-1], "--split", "0-12,12-30"])
        assert done.returncode == 0, done.stderr
        rates.append(float(done.stdout.split()[1]))
    assert rates[0] > 1.05 * rates[1], rates

    done = run([EXEUNT, "plan", MODEL, "--stages", "3", "--streams", "12", "--json"])
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["token_us"] == plan["full_token_us"], plan
    spans = [tuple(map(int, part.split("-"))) for part in plan["split"].split(",")]
    assert len(spans) == 3 and spans[0][0] == 0 and spans[-1][1] == LAYERS, plan
    assert all(a[1] == b[0] for a, b in zip(spans, spans[1:])), plan
    for (rows, head), (_, layer), (_, fill) in zip(plan["head_us"], plan["layer_us"], plan["fill_us"]):
        assert head > layer > fill > 0, (rows, plan)
    # The head is on the last stage: it has the fewest layers.
    assert spans[2][1] - spans[2][0] < spans[0][1] - spans[0][0], plan


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
        check_plan(Path(folder))
        print("PASS plan and simulate")
    check_exits()
    print("PASS bench with exits")
    check_errors()
    print("PASS errors")


if __name__ == "__main__":
    main()
