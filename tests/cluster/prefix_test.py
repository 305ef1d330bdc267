"""Prompts that begin alike, on a real cluster with little K/V memory: the very answers of a cluster that shares nothing, while
clients come, go and evict each other; every stage holds what the ledger says.

    tests/cluster/prefix_test.py BUILD_DIR MODEL
"""

import json
import random
import socket
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cluster import Cluster

BUILD = Path(sys.argv[1])
MODEL = sys.argv[2]
OPTIONS = ("--stages", "3", "--kv-budget", "20MiB", "--exit-layers", "10,20")
SYSTEMS = [f"You are the {name} assistant. " + "Answer briefly, politely and without repeating the question. " * n
           for name, n in (("first", 6), ("second", 9), ("third", 13))]
WORDS = "the quick brown fox jumps over one lazy dog and then sleeps near a quiet river until morning".split()


def requests(seed: int) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    made = []
    for i in range(48):
        question = " ".join(draw.choices(WORDS, k=draw.randrange(1, 60)))
        exit = {"mode": "propagate", "measure": "forced", "forced": [{"layer": 10, "probability": 0.4}]}
        made.append({"model": "default", "prompt": draw.choice(SYSTEMS) + question, "max_tokens": 8, "seed": i,
                     "temperature": 0.7 if i % 2 else 0.0, "exit": exit if i % 3 else {"mode": "off"}})
    return made


def ask(cluster: Cluster, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def one(body: dict[str, Any]) -> dict[str, Any]:
        status, answer = cluster.post("/v1/completions", body)
        assert status == 200, answer
        return answer

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, bodies))


def vanish(cluster: Cluster, body: dict[str, Any]) -> None:
    """Asks for more than it waits for."""
    content = json.dumps(body | {"max_tokens": 40, "stream": True, "ignore_eos": True}).encode()
    with socket.create_connection(("127.0.0.1", cluster.port), timeout=30) as s:
        s.sendall(b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: "
                  + str(len(content)).encode() + b"\r\n\r\n" + content)
        if len(content) % 2:
            s.recv(1)  # the first token is there


def said(answer: dict[str, Any]) -> tuple[str, Any]:
    return answer["choices"][0]["text"], answer["usage"]["exit"]["by_layer"]


def main() -> None:
    bodies = requests(1)
    with Cluster(BUILD, MODEL, *OPTIONS, "--prefix-cache", "false") as cluster:
        want = ask(cluster, bodies)
        assert all(a["usage"]["prompt_tokens_details"]["cached_tokens"] == 0 for a in want)
        cluster.quiet()
    with Cluster(BUILD, MODEL, *OPTIONS) as cluster:
        for attempt in range(3):
            with ThreadPoolExecutor(4) as leavers:
                gone = [leavers.submit(vanish, cluster, body) for body in requests(2 + attempt)[::4]]
                got = ask(cluster, bodies)
                for leaver in gone:
                    leaver.result()
            for body, a, b in zip(bodies, want, got, strict=True):
                assert said(a) == said(b), (body, a, b)
            cached = sum(a["usage"]["prompt_tokens_details"]["cached_tokens"] for a in got)
            prompts = sum(a["usage"]["prompt_tokens"] for a in got)
            assert cached > prompts / 4, (cached, prompts)
            cluster.quiet()
        before = counter(cluster)
        again = ask(cluster, [bodies[0] | {"n": 2}])[0]
        assert counter(cluster) - before >= again["usage"]["prompt_tokens_details"]["cached_tokens"] > 0, again
        kv = cluster.quiet()["pipelines"][0]["kv"]
        assert 0 < kv["pages_cached"] <= kv["pages_total"], kv
    print(f"ok   answers as without sharing; {cached} of {prompts} tokens of prompts were there already, "
          f"{kv['pages_cached']} of {kv['pages_total']} pages left behind")


def counter(cluster: Cluster) -> float:
    with urllib.request.urlopen(cluster.url + "/metrics", timeout=10) as response:
        line = next(line for line in response.read().decode().splitlines() if line.startswith("exeunt_prefix_cache_hits_total "))
    return float(line.split()[1])


main()
