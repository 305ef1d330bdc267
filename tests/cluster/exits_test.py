"""The engineer's path on the default model, small: probe, fit, sweep (stopped and gone on with), calibrate (one measure, own
losses, a family over three measures), serve by name, watch.

    tests/cluster/exits_test.py BUILD_DIR MODEL
"""

import html
import json
import math
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from cluster import Cluster

BUILD = Path(sys.argv[1])
MODEL = sys.argv[2]
PROMPTS = ["The capital of France is", "Once upon a time there was", "1, 2, 3, 4,", "def add(a, b):\n    return",
           "Water boils at", "The opposite of hot is", "My name is", "To be or not to be,", "The sun rises in the",
           "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "import numpy as", "The largest planet is"]
DEVELOPMENT = ["The moon is made of", "An apple a day", "Ten, nine, eight,", "for i in range("]
MAX_TOKENS = 12


def exeunt(verb: str, *arguments: object, ok: bool = True) -> subprocess.CompletedProcess[str]:
    command = [str(BUILD / "tools/exeunt"), verb, MODEL, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode == 0) == ok, (command, done.stdout, done.stderr)
    return done


def classifiers(exits: Path) -> list[bytes]:
    """Of exits 20 and 26: weights and bias."""
    data = (exits / "exits.safetensors").read_bytes()
    behind = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:behind])

    def tensor(name: str) -> bytes:
        begin, end = header[name]["data_offsets"]
        return data[behind + begin:behind + end]

    return [tensor(f"exit.{layer}.classifier.weight") + tensor(f"exit.{layer}.classifier.bias") for layer in (20, 26)]


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
    assert len(described["candidates"]["tokens"]) == 512 and all(e["outside"] for e in described["exits"]), described
    shared = folder / "shared"
    exeunt("fit", *common, "--exit-layers", "20,26", "-o", shared, "--classifier", "shared", "--refine-passes", 0)
    assert len(set(classifiers(shared))) == 1 and len(set(classifiers(exits))) == 2, (classifiers(shared), classifiers(exits))
    report = folder / "probe.html"
    table = exeunt("probe", *common, "--limit", 3, "--exits", exits, "--html", report).stdout
    # After every layer something is judged; the last has nothing beside it.
    assert sum(line.split()[0].isdigit() for line in table.splitlines() if line.startswith("         ")) == 29, table
    page = report.read_text()
    assert page.count("<svg") == 5 and "src=" not in page and "href=" not in page
    assert page.count(">after 20<") == page.count(">after 26<") == 2, "histogram and reliability of both"
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
    exeunt("sweep", *arguments, "--exit-min-layer", 26)  # more settings: what is there is kept
    more = out.read_text().splitlines()
    assert more[:13] == again and len(more) == 13 + 4 * 2, more
    error = exeunt("sweep", *arguments[:3], MAX_TOKENS - 1, *arguments[4:], ok=False).stderr
    assert "is a sweep of something else" in error, error


def calibrate(folder: Path, exits: Path) -> dict:
    arguments = ["--prompts", folder / "prompts.jsonl", "-n", MAX_TOKENS, "--exits", exits, "--thresholds", "0.9,0.5", "--loss",
                 "wer", "--name", "small", "-o", folder / "calibration.jsonl"]
    error = exeunt("calibrate", *arguments, "--delta", 0.05, ok=False).stderr
    assert "12 prompts cannot certify anything at delta 0.05" in error and "it takes 62" in error, error
    table = exeunt("calibrate", *arguments, "--delta", 0.9, "--consistency", "textual,risk", "--html", folder / "c.html").stdout
    assert table.count("<- certified") == 2, table
    page = (folder / "c.html").read_text()
    assert page.count("<polyline") == 2 and "risk 0.9" in page and table.strip() in html.unescape(page), page
    error = exeunt("calibrate", *arguments[:-4], "--name", "a/b", *arguments[-2:], "--delta", 0.9, ok=False).stderr
    assert "a certificate cannot be called 'a/b-textual-0.9'" in error, error
    written = exits / "certificates/small-textual-0.9.json"
    text = written.read_text()
    certificate = json.loads(text)
    # Made again, it is the same certificate, of the same day; one that says something else is not.
    earlier = text.replace(f'"created":"{certificate["created"]}"', '"created":"2026-01-02"')
    for there, kept in ((earlier, True), (earlier.replace(f'"n":{len(PROMPTS)},', '"n":1,'), False)):
        assert json.loads(there)["created"] == "2026-01-02" and (there == earlier) == kept
        written.write_text(there)
        exeunt("calibrate", *arguments, "--delta", 0.9)
        again = json.loads(written.read_text())
        assert (again["created"] == "2026-01-02") == kept, again
        assert again | {"created": ""} == certificate | {"created": ""}, again
    assert certificate["n"] == len(PROMPTS) and certificate["p_value"] <= 0.05 and certificate["measure"] == "preview"
    generations = [json.loads(line) for line in (folder / "calibration.jsonl").read_text().splitlines()[1:]]
    chosen = [g for g in generations if g["setting"] == f"preview-{certificate['threshold']:.6g}"]
    assert len(chosen) == len(PROMPTS)
    layers = sum(g["layers"] for g in chosen) / sum(g["tokens"] for g in chosen)
    assert abs(certificate["mean_layers"] - layers) < 1e-9 and layers < 30, (certificate, layers)
    return {g["prompt"]: g for g in chosen}


def check_watch(folder: Path, exits: Path) -> None:
    """Traffic like the calibration prompts raises no alarm; where the full model says something else altogether, all of it does."""
    command = [BUILD / "tools/exeunt", "watch", "--certificate", exits / "certificates/small-textual-0.9.json", "--requests", 20000,
               "--audit-share", 0.1, "--replays", 200, "--json", "--sweep"]

    def watch(sweep: Path) -> dict:
        done = subprocess.run([*map(str, command), str(sweep)], capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout)

    same = watch(folder / "calibration.jsonl")
    assert same["prompts"] == len(PROMPTS) and same["mean_loss"] < same["watch_delta"] == 0.9, same
    assert same["alarm_share"] <= 0.05 and same["median_requests_to_alarm"] is None, same
    shifted = folder / "shifted.jsonl"
    lines = (folder / "calibration.jsonl").read_text().splitlines()
    others = [line | {"text": "something else"} if line["setting"] == "off" else line for line in map(json.loads, lines[1:])]
    shifted.write_text("\n".join([lines[0], *map(json.dumps, others)]) + "\n")
    other = watch(shifted)
    assert other["mean_loss"] == 1 and other["alarm_share"] == 1 and other["median_requests_to_alarm"] > 0, other


def check_own_losses(folder: Path, exits: Path) -> None:
    """What the file says decides, whatever the answers are; what is wrong with it is named by file and line."""
    losses = folder / "losses.jsonl"
    arguments = ["--prompts", folder / "prompts.jsonl", "-n", MAX_TOKENS, "--exits", exits, "--thresholds", "0.9,0.5", "--losses",
                 losses, "--delta", 0.9, "--name", "own", "-o", folder / "calibration.jsonl"]

    def write(of: dict[str, float], *more: dict) -> None:
        lines = [{"setting": s, "prompt": p, "loss": x} for s, x in of.items() for p in range(len(PROMPTS))]
        losses.write_text("".join(json.dumps(line) + "\n" for line in [*lines, *more]))

    certificate = exits / "certificates/own-textual-0.9.json"
    for of, threshold in (({"off": 0, "preview-0.9": 0.125, "preview-0.5": 1}, 0.9),
                          ({"off": 0, "preview-0.9": 0, "preview-0.5": 0.25}, 0.5)):
        write(of)
        exeunt("calibrate", *arguments)
        made = json.loads(certificate.read_text())
        assert made["loss"] == "custom" and abs(made["threshold"] - threshold) < 1e-6, made
        assert made["mean_loss"] == of[f"preview-{threshold}"], made
    write({"off": 0, "preview-0.9": 1, "preview-0.5": 0})
    assert "no setting is certified" in exeunt("calibrate", *arguments).stdout
    assert not certificate.exists(), "the one before no longer holds"
    good = {"off": 0, "preview-0.9": 0, "preview-0.5": 0}
    for more, why in (({"setting": "off", "prompt": 0, "loss": 0}, "losses.jsonl:37: a second loss"),
                      ({"setting": "preview-0.7", "prompt": 0, "loss": 0}, "losses.jsonl:37: the sweep has no setting"),
                      ({"setting": "off", "prompt": 12, "loss": 0}, "losses.jsonl:37: 'prompt' is 12"),
                      ({"setting": "off", "prompt": 0, "loss": 2}, "losses.jsonl:37: 'loss' is 2")):
        write(good, more)
        error = exeunt("calibrate", *arguments, ok=False).stderr
        assert why in error, error
    write({"off": 0, "preview-0.9": 0})
    error = exeunt("calibrate", *arguments, ok=False).stderr
    assert "losses.jsonl: 24 lines, and no loss of setting preview-0.5, prompt 0" in error, error


def check_family(folder: Path, exits: Path) -> list[dict]:
    """Three measures: their order comes from development prompts, and all that passes is certified."""
    development = folder / "development.jsonl"
    development.write_text("".join(json.dumps({"prompt": p}) + "\n" for p in DEVELOPMENT))
    arguments = ["--prompts", folder / "prompts.jsonl", "-n", MAX_TOKENS, "--exits", exits, "--exit-measure",
                 "preview,candidates,softmax", "--thresholds", "0.9,0.5", "--loss", "wer", "--delta", 0.9, "--name", "wide", "--family", "-o",
                 folder / "wide.jsonl"]
    error = exeunt("calibrate", *arguments, ok=False).stderr
    assert "have no order to be tested in" in error, error
    error = exeunt("calibrate", *arguments, "--development", folder / "prompts.jsonl", ok=False).stderr
    assert "prompts.jsonl:1: is a calibration prompt, too" in error, error
    table = exeunt("calibrate", *arguments, "--development", development).stdout
    swept = [json.loads(line)["setting"] for line in (folder / "wide.jsonl.development").read_text().splitlines()[1:]]
    assert len(swept) == 7 * len(DEVELOPMENT) and len(set(swept)) == 7, swept
    members = [json.loads(path.read_text()) for path in (exits / "certificates").glob("wide-*.json")]
    assert members and len(members) == table.count("<- certified"), (table, members)
    assert {m["family"] for m in members} == {"wide-textual-0.9"}, members
    assert {m["name"].removeprefix("wide-textual-0.9-") for m in members} <= set(swept), members
    tested = {json.loads(line)["setting"] for line in (folder / "wide.jsonl").read_text().splitlines()[1:]}
    fronts = sum(table.count(f"\n{measure}-") for measure in ("preview", "candidates", "softmax"))
    assert len(tested) == 1 + fronts, "only the front is generated"
    return members


def check_served(exits: Path, swept: dict, members: list[dict]) -> None:
    name = "small-textual-0.9"
    with Cluster(BUILD, MODEL, "--stages", "2", "--exits", str(exits)) as cluster:
        (model,) = cluster.get("/v1/models")["data"]
        names = ["small-risk-0.9", name, *sorted(m["name"] for m in members)]
        assert [c["name"] for c in model["certificates"]] == names, model
        assert [c["family"] for c in model["certificates"]] == [None, None] + ["wide-textual-0.9"] * len(members), model
        assert model["exit_layers"] == [20, 26], model
        body = {"model": "default", "prompt": "", "exit": {"certificate": name}}
        for place, prompt in enumerate(PROMPTS):
            status, answer = cluster.post("/v1/completions", body | {"prompt": prompt})
            assert status == 200, answer
            assert answer["choices"][0]["text"] == swept[place]["text"], (prompt, answer, swept[place])
            usage = answer["usage"]["exit"]
            assert usage["certificate"] == name and usage["measure"] == "preview", usage
            assert usage["mean_layers"] * answer["usage"]["completion_tokens"] == swept[place]["layers"], (usage, swept[place])
        fastest = min(members, key=lambda m: m["mean_cost"])["name"]
        for asked in ("wide-textual-0.9", fastest):
            status, answer = cluster.post("/v1/completions", body | {"prompt": "x", "exit": {"certificate": asked}})
            assert status == 200 and answer["usage"]["exit"]["certificate"] == fastest, answer
        for more, why in (({"temperature": 1}, "'temperature' 0, not 1"), ({"max_tokens": 13}, "'max_tokens' 12, not 13"),
                          ({"max_tokens": 11}, "'max_tokens' 12, not 11"), ({"logprobs": 1}, "which 'logprobs' needs"),
                          ({"exit": {"certificate": "other"}}, "there is no certificate 'other'")):
            status, answer = cluster.post("/v1/completions", body | {"prompt": "x"} | more)
            assert status == 400 and why in answer["error"]["message"], answer
    with Cluster(BUILD, MODEL, "--stages", "1", "--exits", str(exits), "--exit-layers", "20") as cluster:
        status, answer = cluster.post("/v1/completions", body | {"prompt": "x"})
        assert status == 400 and "tested with exits after layers 20, 26" in answer["error"]["message"], answer
    other = exits.parent / "others"
    shutil.copytree(exits, other)
    described = json.loads((other / "exits.json").read_text())
    (other / "exits.json").write_text(json.dumps(described | {"model": "0" * 64}))
    assert f"fitted to model {'0' * 64}, not to {described['model']}" in refused("--exits", str(other))


def refused(*options: str) -> str:
    """What a coordinator says that does not start with these options."""
    done = subprocess.run([BUILD / "coordinator/exeunt-coordinator", "--model", MODEL, *options], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 1, done
    return done.stdout + done.stderr


def metrics(cluster: Cluster) -> list[str]:
    with urllib.request.urlopen(cluster.url + "/metrics", timeout=10) as response:
        return response.read().decode().splitlines()


def metric(cluster: Cluster, name: str) -> float:
    (value,) = [float(line.split()[-1]) for line in metrics(cluster) if line.startswith(name + " ")]
    return value


def audited_tokens(cluster: Cluster, name: str) -> dict[tuple[int, bool], int]:
    found = {}
    for line in metrics(cluster):
        if line.startswith("exeunt_audited_tokens_total{") and f'certificate="{name}"' in line:
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            found[int(labels["layer"]), labels["agrees"] == "true"] = int(float(line.split()[-1]))
    return found


def check_agreement(counted: dict[tuple[int, bool], int], early: list[dict], full: list[dict]) -> None:
    """Every token is counted once, at its layer; an answer that the full model gives too agrees throughout, and where another
    begins to differ is one that does not."""
    usages = [a["usage"] for a in early]
    assert sum(counted.values()) == sum(u["completion_tokens"] for u in usages), (counted, usages)
    layers = sum(u["exit"]["mean_layers"] * u["completion_tokens"] for u in usages)
    assert abs(sum(layer * n for (layer, _), n in counted.items()) - layers) < 1e-3 * layers, (counted, layers)
    same = [a["choices"][0]["text"] == b["choices"][0]["text"] for a, b in zip(early, full)]
    assert any(same) and not all(same), same
    agree = sum(n for (_, agrees), n in counted.items() if agrees)
    assert agree >= sum(u["completion_tokens"] for u, s in zip(usages, same) if s), (counted, same)
    assert sum(counted.values()) - agree >= same.count(False), (counted, same)


def check_evidence_survives(folder: Path, exits: Path) -> None:
    name = "small-textual-0.9"
    evidence = f'exeunt_certificate_evidence{{certificate="{name}"}}'
    done = f'exeunt_audits_total{{certificate="{name}",result="done"}}'
    state = folder / "audits.json"
    options = ["--stages", "2", "--exits", str(exits), "--audit-share", "1", "--audit-state", str(state)]
    with Cluster(BUILD, MODEL, *options) as cluster:
        def ask(prompt: str, exit: dict) -> dict:
            status, answer = cluster.post("/v1/completions", {"model": "default", "prompt": prompt, "exit": exit,
                                                              "max_tokens": MAX_TOKENS, "temperature": 0})
            assert status == 200, answer
            return answer

        early = [ask(prompt, {"certificate": name}) for prompt in PROMPTS]
        full = [ask(prompt, {"mode": "off"}) for prompt in PROMPTS]
        tokens = sum(a["usage"]["completion_tokens"] for a in early)
        deadline = time.monotonic() + 120
        while metric(cluster, done) < len(PROMPTS) or sum(audited_tokens(cluster, name).values()) < tokens:
            assert time.monotonic() < deadline, ("the audits do not end", audited_tokens(cluster, name), tokens)
            time.sleep(0.2)
        check_agreement(audited_tokens(cluster, name), early, full)
    (kept,) = [e for e in json.loads(state.read_text())["evidence"].values() if e["certificate"] == name]
    assert kept["count"] == len(PROMPTS) and kept["sum"] > 0, kept
    # Losses under delta are no evidence: what the restart is to find is put in.
    state.write_text(state.read_text().replace('"log_wealth":0E0,"log_largest":0E0', '"log_wealth":1.5E0,"log_largest":2E0'))
    with Cluster(BUILD, MODEL, *options) as cluster:
        assert abs(metric(cluster, evidence) - math.exp(1.5)) < 1e-4 and metric(cluster, done) == 0
    state.write_text(state.read_text()[:-20])
    assert f"--audit-state: {state}: " in refused(*options)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        exits = fit(folder)
        print("ok   fit, inspect and probe", flush=True)
        check_sweep_resumes(folder, exits)
        print("ok   sweep goes on where it was stopped", flush=True)
        swept = calibrate(folder, exits)
        print("ok   calibrate refuses, certifies, writes", flush=True)
        check_watch(folder, exits)
        print("ok   watch: calibration traffic raises no alarm, shifted traffic does", flush=True)
        check_own_losses(folder, exits)
        print("ok   own losses decide, and errors name their line", flush=True)
        members = check_family(folder, exits)
        print("ok   a family over three measures, ordered on development prompts", flush=True)
        check_served(exits, swept, members)
        print("ok   served by name over two stages: the swept answers, and a clear 400 for what is not certified", flush=True)
        check_evidence_survives(folder, exits)
        print("ok   audits' evidence survives a restart; a broken file is an error", flush=True)


main()
