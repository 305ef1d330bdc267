"""256 connections, a third of them slow, deaf, malformed or vanishing, for EXEUNT_SOAK_SECONDS. Usage: soak_test.py BUILD MODEL

The others' answers are the very ones that the same requests got before, alone; /healthz answers all the time; the counters in /metrics
are the clients' own. Afterwards nothing is held: no K/V page, backlog, open sequence or connection, and memory has stopped growing."""

from __future__ import annotations

import asyncio
import os
import random
import re
import sys
import threading
import time
import urllib.request
from pathlib import Path

from cluster import Cluster, open_files, resident_bytes
from soak_clients import DEADLINE_S, Asked, Tally, Until, honest, make_bodies, probe
from soak_hostile import Hostile

HONEST = 171
LEAST_ANSWERS = 50  # streamed, and plain: a busy machine gets more time for them, up to LONGEST_S
LONGEST_S = 240
HOSTILE = 85
# What allocators, logs and histograms may still take between the two halves of the run, per process.
GROWTH_BYTES = 24 << 20
# Little K/V memory: prompts that were left behind fill it in the first half, and requests wait for it.
OPTIONS = ("--stages", "2", "--exit-layers", "10,20", "--max-queue", "1024", "--kv-budget", "128MiB")


async def clients(cluster: Cluster, seed: int, seconds: float, asked: Asked, tally: Tally) -> None:
    until = Until(seconds, LONGEST_S, lambda: min(tally.kinds["streamed"], tally.kinds["plain"]) > LEAST_ANSWERS)
    work = [honest(cluster.port, seed + i, until, asked, tally) for i in range(HONEST)]
    work += [Hostile(cluster.port, seed + HONEST + i, until, asked, tally).run(first=i) for i in range(HOSTILE)]
    await asyncio.wait_for(asyncio.gather(*work), seconds + LONGEST_S + DEADLINE_S)


def files_at_rest(cluster: Cluster) -> int:
    """Without the connections of this test: the server closes the last ones within a moment."""
    counts = []
    for _ in range(30):
        counts.append(open_files(cluster.process.pid))
        time.sleep(0.1)
    return min(counts)


def half(cluster: Cluster, seed: int, seconds: float, files: int, asked: Asked, tally: Tally) -> dict[int, int]:
    """Half of the run, until nothing is held. Returns the resident bytes of each process."""
    over = threading.Event()
    prober = threading.Thread(target=probe, args=(cluster, over, tally))
    prober.start()
    try:
        asyncio.run(clients(cluster, seed, seconds, asked, tally))
    finally:
        over.set()
        prober.join()
    view = cluster.quiet(60)
    if view["pipelines"][0]["restarts"] != 0:
        cluster.fail(f"the pipeline was restarted: {view['pipelines'][0]['last_error']}")
    deadline = time.monotonic() + 30
    while open_files(cluster.process.pid) > files:
        assert time.monotonic() < deadline, f"{open_files(cluster.process.pid)} files are open, {files} before"
        time.sleep(0.1)
    return {pid: resident_bytes(pid) for pid in cluster.pids()}


def metrics(cluster: Cluster) -> list[tuple[str, dict[str, str], float]]:
    with urllib.request.urlopen(cluster.url + "/metrics", timeout=10) as response:
        lines = [line for line in response.read().decode().splitlines() if not line.startswith("#")]
    series = [line.rpartition(" ") for line in lines]
    return [(name.partition("{")[0], dict(re.findall(r'(\w+)="([^"]*)"', name)), float(value)) for name, _, value in series]


def check_metrics(cluster: Cluster, tally: Tally) -> None:
    series = metrics(cluster)
    (in_flight,) = (value for name, _, value in series if name == "exeunt_http_requests_in_flight")
    assert in_flight == 1, f"{in_flight} requests are in flight, beside this one"
    for (route, status), count in sorted(tally.answers.items()):
        told = sum(value for name, labels, value in series if name == "exeunt_http_requests_total" and
                   labels["route"] == route and labels["status"] == str(status))
        assert told == count, f"{route} {status}: /metrics has {told:.0f}, the clients {count}"
    assert not any(labels.get("status") == "500" for _, labels, _ in series), "answers with 500"


def quantile(values: list[float], q: float) -> float:
    return sorted(values)[int(q * (len(values) - 1))]


def report(tally: Tally, connections: int, growth: dict[int, int]) -> None:
    probes = ", ".join(f"{name} {1000 * quantile(tally.probes, q):.1f}" for name, q in (("p50", 0.5), ("p99", 0.99), ("most", 1)))
    print(f"{len(tally.latencies)} honest answers, {len(tally.wrong)} wrong, half of them within {quantile(tally.latencies, 0.5):.2f} s; "
          f"up to {connections} connections; /healthz {len(tally.probes)} times, ms: {probes}; "
          f"bytes that processes grew by in the second half: {sorted(growth.values())}")
    print(f"answers: {dict(sorted(tally.answers.items()))}\ndone: {dict(sorted(tally.kinds.items()))}")
    for text in (tally.wrong + tally.hangs)[:5]:
        print("wrong:", text[:2000])


def check_tally(tally: Tally, connections: int, growth: dict[int, int]) -> None:
    assert not tally.wrong and not tally.hangs, "wrong answers, or none"
    assert all(size < GROWTH_BYTES for size in growth.values()), growth
    assert connections > HONEST + HOSTILE / 2, "too few connections to mean anything"
    assert min(tally.kinds["streamed"], tally.kinds["plain"]) > LEAST_ANSWERS, "too few answers to mean anything"
    assert all(tally.kinds[kind.__name__] for kind in Hostile.KINDS), "a hostile kind never had its turn"


def main() -> None:
    build, model = Path(sys.argv[1]), sys.argv[2]
    seconds = float(os.environ.get("EXEUNT_SOAK_SECONDS", "30"))
    seed = random.SystemRandom().randrange(1 << 20)
    print(f"seed {seed}, {HONEST} honest and {HOSTILE} hostile clients, {seconds:.0f} s", flush=True)
    tally = Tally()
    with Cluster(build, model, *OPTIONS) as cluster:
        asked = Asked(make_bodies(48, seed))
        asyncio.run(asked.learn(cluster.port, tally))
        cluster.quiet()
        files = files_at_rest(cluster)
        before = half(cluster, 1000 * seed, seconds / 2, files, asked, tally)
        after = half(cluster, 1000 * seed + 500, seconds / 2, files, asked, tally)
        growth = {pid: after[pid] - size for pid, size in before.items()}
        connections = max(tally.open_files) - files
        report(tally, connections, growth)
        check_tally(tally, connections, growth)
        check_metrics(cluster, tally)


main()
