"""64 clients that come, go, cancel and vanish, for EXEUNT_SOAK_SECONDS. Usage: soak_test.py BUILD MODEL

Afterwards nothing is held: no K/V page, no backlog, no open sequence, and memory has stopped growing."""

from __future__ import annotations

import http.client
import json
import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

from cluster import Cluster, resident_bytes

CLIENTS = 64
# What allocators, logs and histograms may still take between the two halves of the run, per process.
GROWTH_BYTES = 24 << 20


class Tally:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.done = self.vanished = self.refused = 0
        self.wrong: list[str] = []

    def add(self, name: str) -> None:
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)


def body_of(rng: random.Random) -> dict[str, Any]:
    body: dict[str, Any] = {"model": "default", "prompt": "word " * rng.randint(1, 60), "max_tokens": rng.randint(1, 24),
                            "seed": rng.randint(0, 99), "stream": rng.random() < 0.5}
    if rng.random() < 0.6:
        body["exit"] = {"mode": "propagate", "measure": "forced", "forced": [{"layer": 10, "probability": 0.5},
                                                                             {"layer": 20, "probability": 0.3}]}
    return body


def client(port: int, seed: int, until: float, tally: Tally) -> None:
    rng = random.Random(seed)
    while time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        try:
            connection.request("POST", "/v1/completions", json.dumps(body_of(rng)), {"content-type": "application/json"})
            if rng.random() < 0.3:  # vanish: at once, or after some bytes
                if rng.random() < 0.7:
                    time.sleep(rng.random() * 0.5)
                tally.add("vanished")
                continue
            response = connection.getresponse()
            text = response.read().decode()
            if response.status == 200:
                tally.add("done")
                if "error" in text[:20] or (text.startswith("data:") and not text.endswith("data: [DONE]\n\n")):
                    tally.wrong.append(text[:300])
            elif response.status in (429, 503):
                tally.add("refused")
                time.sleep(0.2)
            else:
                tally.wrong.append(f"{response.status}: {text[:300]}")
        except OSError as error:
            tally.wrong.append(repr(error))
        finally:
            connection.close()


def run_clients(cluster: Cluster, seed: int, seconds: float, tally: Tally) -> None:
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=client, args=(cluster.port, seed * 1000 + i, until, tally)) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> int:
    build, model = Path(sys.argv[1]), sys.argv[2]
    seconds = float(os.environ.get("EXEUNT_SOAK_SECONDS", "30"))
    seed = random.SystemRandom().randrange(1 << 20)
    print(f"seed {seed}, {CLIENTS} clients, {seconds:.0f} s")
    tally = Tally()
    with Cluster(build, model, "--stages", "2", "--exit-layers", "10,20", "--max-queue", "512") as cluster:
        run_clients(cluster, seed, seconds / 2, tally)
        cluster.quiet(60)
        before = {pid: resident_bytes(pid) for pid in cluster.pids()}
        run_clients(cluster, seed + 1, seconds / 2, tally)
        view = cluster.quiet(60)
        if view["pipelines"][0]["restarts"] != 0:
            cluster.fail(f"the pipeline was restarted: {view['pipelines'][0]['last_error']}")
        growth = {pid: resident_bytes(pid) - size for pid, size in before.items()}
    print(f"{tally.done} answered, {tally.vanished} vanished, {tally.refused} refused, {len(tally.wrong)} wrong; "
          f"growth {growth}; restarts {view['pipelines'][0]['restarts']}")
    for text in tally.wrong[:5]:
        print("wrong:", text)
    ok = (not tally.wrong and tally.done > 50 and tally.vanished > 10 and view["pipelines"][0]["restarts"] == 0 and
          all(g < GROWTH_BYTES for g in growth.values()))
    print("PASS" if ok else "FAIL")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
