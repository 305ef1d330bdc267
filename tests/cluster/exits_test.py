"""The engineer's path on the default model, small: probe, fit, sweep (stopped and gone on with), calibrate, serve by name.

    tests/cluster/exits_test.py BUILD_DIR MODEL
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from cluster import Cluster

BUILD = Path(sys.argv[1])
MODEL = sys.argv[2]
PROMPTS = ["The capital of France is", "Once upon a time there was", "1, 2, 3, 4,", "def add(a, b):\n    return",
           "Water boils at", "The opposite of hot is", "My name is", "To be or not to be,", "The sun rises in the",
           "Roses are red,", "import numpy as", "The largest planet is"]
MAX_TOKENS = 12


def exeunt(verb: str, *arguments: object, ok: bool = True) -> subprocess.CompletedProcess[str]:
    command = [str(BUILD / "tools/exeunt"), verb, MODEL, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode == 0) == ok, (command, done.stdout, done.stderr)
    return done


def fit(folder: Path) -> Path:
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": p, "reference": p}) + "\n" for p in PROMPTS))
    common = ["--prompts", prompts, "-n", MAX_TOKENS]
    exits = folder / "exits"
    fitted = exeunt("fit", *common, "--exit-layers", "20,26", "--ridge", 0.1, "-o", exits, "--classifier-passes", 2).stdout
    assert fitted.count("; before: agreement") == 2, fitted  # translators are refined unless told otherwise
    described = json.loads((exits / "exits.json").read_text())
    assert described["model"] == json.loads(exeunt("inspect", "--json").stdout)["hash"]
    assert [e["layer"] for e in described["exits"]] == [20, 26] and described["preview"]["rank"] == 64, described
    html = folder / "probe.html"
    table = exeunt("probe", *common, "--limit", 3, "--exits", exits, "--html", html).stdout
    # After every layer something is judged; the last has nothing beside it.
    assert sum(line.split()[0].isdigit() for line in table.splitlines() if line.startswith("         ")) == 29, table
    page = html.read_text()
    assert page.count("<svg") == 5 and "src=" not in page and "href=" not in page
    return exits


def check_sweep_resumes(folder: Path, exits: Path) -> None:
    out = folder / "sweep.jsonl"
    arguments = ["--prompts", folder / "prompts.jsonl", "-n", MAX_TOKENS, "--limit", 4, "--exits", exits, "--thresholds",
                 "0.9,0.2", "-o", out]
    exeunt("sweep", *arguments)
    whole = out.read_text().splitlines()
    assert len(whole) == 1 + 4 * 3
    out.write_text("\n".join(whole[:6]) + "\n" + whole[6][:20])  # as a kill leaves it
    exeunt("sweep", *arguments)
    again = out.read_text().splitlines()
    assert again[:6] == whole[:6] and sorted(again) == sorted(whole)
    error = exeunt("sweep", *arguments[:-1], out, "--exit-min-layer", 26, ok=False).stderr
    assert "is a sweep of something else" in error, error


def calibrate(folder: Path, exits: Path) -> dict:
    arguments = ["--prompts", folder / "prompts.jsonl", "-n", MAX_TOKENS, "--exits", exits, "--thresholds", "0.9,0.5", "--loss",
                 "wer", "--name", "small", "-o", folder / "calibration.jsonl"]
    error = exeunt("calibrate", *arguments, "--delta", 0.05, ok=False).stderr
    assert "12 prompts cannot certify anything at delta 0.05" in error and "it takes 62" in error, error
    table = exeunt("calibrate", *arguments, "--delta", 0.9, "--consistency", "textual,risk", "--html", folder / "c.html").stdout
    assert table.count("<- certified") == 2, table
    certificate = json.loads((exits / "certificates/small-textual-0.9.json").read_text())
    assert certificate["n"] == len(PROMPTS) and certificate["p_value"] <= 0.05 and certificate["measure"] == "preview"
    generations = [json.loads(line) for line in (folder / "calibration.jsonl").read_text().splitlines()[1:]]
    chosen = [g for g in generations if g["candidate"] != "off" and abs(float(g["candidate"]) - certificate["threshold"]) < 1e-6]
    assert len(chosen) == len(PROMPTS)
    layers = sum(g["layers"] for g in chosen) / sum(g["tokens"] for g in chosen)
    assert abs(certificate["mean_layers"] - layers) < 1e-9 and layers < 30, (certificate, layers)
    return {g["prompt"]: g for g in chosen}


def check_served(exits: Path, swept: dict) -> None:
    name = "small-textual-0.9"
    with Cluster(BUILD, MODEL, "--stages", "2", "--exits", str(exits)) as cluster:
        (model,) = cluster.get("/v1/models")["data"]
        assert [c["name"] for c in model["certificates"]] == ["small-risk-0.9", name], model
        assert model["exit_layers"] == [20, 26], model
        body = {"model": "default", "prompt": "", "exit": {"certificate": name}}
        for place, prompt in enumerate(PROMPTS):
            status, answer = cluster.post("/v1/completions", body | {"prompt": prompt})
            assert status == 200, answer
            assert answer["choices"][0]["text"] == swept[place]["text"], (prompt, answer, swept[place])
            usage = answer["usage"]["exit"]
            assert usage["certificate"] == name and usage["measure"] == "preview", usage
            assert usage["mean_layers"] * answer["usage"]["completion_tokens"] == swept[place]["layers"], (usage, swept[place])
        for more, why in (({"temperature": 1}, "'temperature' 0, not 1"), ({"max_tokens": 13}, "at most 12"),
                          ({"exit": {"certificate": "other"}}, "there is no certificate 'other'")):
            status, answer = cluster.post("/v1/completions", body | {"prompt": "x"} | more)
            assert status == 400 and why in answer["error"]["message"], answer
    with Cluster(BUILD, MODEL, "--stages", "1", "--exits", str(exits), "--exit-layers", "20") as cluster:
        status, answer = cluster.post("/v1/completions", body | {"prompt": "x"})
        assert status == 400 and "tested with exits after layers 20, 26" in answer["error"]["message"], answer


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        exits = fit(folder)
        print("ok   fit, inspect and probe", flush=True)
        check_sweep_resumes(folder, exits)
        print("ok   sweep goes on where it was stopped", flush=True)
        swept = calibrate(folder, exits)
        print("ok   calibrate refuses, certifies, writes", flush=True)
        check_served(exits, swept)
        print("ok   served by name over two stages: the swept answers, and a clear 400 for what is not certified", flush=True)


main()
