"""examples/curl.sh and examples/client.py, run as they are, print what the API answers. Usage: examples_test.py BUILD MODEL"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from cluster import ROOT, Cluster

BUILD = Path(sys.argv[1])
MODEL = sys.argv[2]
PROMPT = "The history of the Roman empire begins"
ASK = {"model": "default", "max_tokens": 48, "temperature": 0}


def printed(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def main() -> None:
    with Cluster(BUILD, MODEL, "--stages", "2") as cluster:
        completion = cluster.post("/v1/completions", ASK | {"prompt": PROMPT, "max_tokens": 24})[1]["choices"][0]["text"]
        colours = [{"role": "user", "content": "Name three primary colours."}]
        chat = cluster.post("/v1/chat/completions", ASK | {"messages": colours})[1]["choices"][0]["message"]["content"]
        assert len(completion) > 20 and len(chat) > 20, (completion, chat)

        curl = printed(str(ROOT / "examples" / "curl.sh"), cluster.url)
        plain, exits, chat_part, stream = re.split(r"^== .*\n", curl, flags=re.M)[1:]
        assert plain.strip() == completion.strip(), (plain, completion)
        early, report = map(json.loads, exits.splitlines())
        assert early and report["mode"] == "propagate" and sum(report["by_layer"].values()) == 24, exits
        assert report["layers_skipped"] > 0, f"no token left early: {exits}"
        assert chat_part.strip() == chat.strip(), (chat_part, chat)
        events = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data: ")]
        assert events[-1] == "[DONE]", events
        pieces = [json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events[:-1]]
        assert "".join(pieces) == chat and len(pieces) > 5, (pieces, chat)

        client = printed(sys.executable, str(ROOT / "examples" / "client.py"), cluster.url)
        before, after = re.split(r"^mean layers: .*\n", client, flags=re.M)
        assert before == early + "\n", (before, early)
        assert f"mean layers: {report['mean_layers']:.2f}, tokens by layer: {report['by_layer']}" in client, (client, report)
        assert after.strip() == chat.strip(), (after, chat)
        # They report an error as such.
        for command in ([str(ROOT / "examples" / "curl.sh")], [sys.executable, str(ROOT / "examples" / "client.py")]):
            wrong = subprocess.run([*command, cluster.url + "/nowhere"], capture_output=True, timeout=120, check=False)
            assert wrong.returncode != 0, (command, wrong.stdout)
    print("PASS")


main()
