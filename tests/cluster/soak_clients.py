"""The honest clients of soak_test.py: each compares every answer with the one that the same request got before, alone."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from typing import Any

from cluster import Cluster, open_files
from raw_http import Connection, Response, post

ROUTE = "/v1/completions"
FORCED = {"mode": "propagate", "measure": "forced", "forced": [{"layer": 10, "probability": 0.5}, {"layer": 20, "probability": 0.3}]}
WORDS = "the quick brown fox jumps over one lazy dog and then sleeps near a quiet river until morning".split()
# The client is sure that something hangs.
DEADLINE_S = 600.0
PROBE_PERIOD_S = 0.05
PROBE_DEADLINE_S = 30.0


class Until:
    """When clients stop: after some seconds; on a busy machine later, when there are enough answers, but not after `longest`."""

    def __init__(self, seconds: float, longest: float, enough: Callable[[], bool]) -> None:
        self.end, self.enough = time.monotonic() + seconds, enough
        self.last = self.end + longest

    def over(self) -> bool:
        return time.monotonic() >= self.end and (self.enough() or time.monotonic() >= self.last)

    def left(self) -> float:
        return max(0.0, self.end - time.monotonic())


class Tally:
    """What clients saw. Of the event loop's thread, but for what is the probe's."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()  # read to the end, by route and status
        self.kinds: Counter[str] = Counter()  # what honest clients asked for, and what the hostile did
        self.latencies: list[float] = []  # of honest answers, s
        self.wrong: list[str] = []
        self.probes: list[float] = []  # s
        self.open_files: list[int] = []  # of the coordinator, at each probe
        self.hangs: list[str] = []

    async def answer(self, connection: Connection, route: str) -> Response:
        response = await connection.response()
        self.answers[route, response.status] += 1
        return response


def make_bodies(count: int, seed: int) -> list[dict[str, Any]]:
    """Greedy and sampled, with and without exits, log-probabilities, several choices, penalties."""
    draw = random.Random(seed)
    made = []
    for i in range(count):
        body: dict[str, Any] = {"model": "default", "prompt": " ".join(draw.choices(WORDS, k=draw.randint(1, 50))),
                                "max_tokens": draw.randint(1, 16), "seed": i, "temperature": draw.choice([0, 0.8, 1.3])}
        if i % 3:
            body["exit"] = FORCED | {"per_token": True}
        if i % 4 == 1:
            body["logprobs"] = 3
        if i % 8 == 2:
            body["n"] = 2
        if i % 8 == 3:
            body["frequency_penalty"] = 0.7
        made.append(body)
    return made


def streamed(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"stream": True, "stream_options": {"include_usage": True}}


def said(response: Response) -> dict[str, Any]:
    """What must be the same each time: by choice the text, log-probabilities, exits and reason; the usage, but for what was cached
    and how long it waited."""
    if not response.headers["content-type"].startswith("text/event-stream"):
        parts = [json.loads(response.body)]
    else:
        events = [event for event in response.body.decode().split("\n\n") if not event.startswith(":")]
        assert events[-2:] == ["data: [DONE]", ""], events[-2:]
        parts = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    choices: dict[int, dict[str, Any]] = {}
    for choice in (c for part in parts for c in part["choices"]):
        whole = choices.setdefault(choice["index"], {"text": "", "exits": [], "logprobs": {}, "reason": None})
        whole["text"] += choice["text"]
        whole["exits"] += choice.get("exit_layers", [])
        whole["reason"] = choice["finish_reason"] or whole["reason"]
        for name, values in (choice["logprobs"] or {}).items():
            whole["logprobs"].setdefault(name, []).extend(values)
    usage = {name: value for name, value in parts[-1]["usage"].items() if name not in ("prompt_tokens_details", "queue_time")}
    return {"choices": choices, "usage": usage}


class Asked:
    """The honest requests, and what is right."""

    def __init__(self, bodies: list[dict[str, Any]]) -> None:
        self.bodies = bodies
        self.answers: list[dict[str, Any]] = []

    async def learn(self, port: int, tally: Tally) -> None:
        """One at a time."""
        async with Connection(port) as connection:
            for body in self.bodies:
                await connection.send(post(ROUTE, body))
                response = await asyncio.wait_for(tally.answer(connection, ROUTE), DEADLINE_S)
                assert response.status == 200, response
                self.answers.append(said(response))


async def honest_session(connection: Connection, draw: random.Random, until: Until, asked: Asked, tally: Tally) -> None:
    """Requests on one connection, until time is up or the server wants to close it."""
    while not until.over():
        i = draw.randrange(len(asked.bodies))
        stream = draw.random() < 0.5
        began = time.monotonic()
        await connection.send(post(ROUTE, streamed(asked.bodies[i]) if stream else asked.bodies[i]))
        response = await asyncio.wait_for(tally.answer(connection, ROUTE), DEADLINE_S)
        if response.status == 200:
            tally.latencies.append(time.monotonic() - began)
            tally.kinds["streamed" if stream else "plain"] += 1
            if said(response) != asked.answers[i]:
                tally.wrong.append(f"{asked.bodies[i]}: {said(response)}, alone {asked.answers[i]}")
        elif response.status in (429, 503) and "retry-after" in response.headers:
            tally.kinds["put off"] += 1
            await asyncio.sleep(min(float(response.headers["retry-after"]), 5.0))
        else:
            tally.wrong.append(f"{asked.bodies[i]}: {response}")
        if response.closes:
            return
        await asyncio.sleep(draw.random())


async def honest(port: int, seed: int, until: Until, asked: Asked, tally: Tally) -> None:
    draw = random.Random(seed)
    await asyncio.sleep(draw.random())
    while not until.over():
        try:
            async with Connection(port) as connection:
                tally.kinds["honest connections"] += 1
                await honest_session(connection, draw, until, asked, tally)
        except (OSError, EOFError, ValueError, AssertionError, asyncio.TimeoutError) as error:
            tally.wrong.append(f"an honest client's: {error!r}")
            await asyncio.sleep(1)


def probe(cluster: Cluster, stop: threading.Event, tally: Tally) -> None:
    """GET /healthz on a fresh connection each time. A thread of its own: the event loop's work is no delay of the server."""
    while not stop.wait(PROBE_PERIOD_S):
        began = time.monotonic()
        try:
            with urllib.request.urlopen(cluster.url + "/healthz", timeout=PROBE_DEADLINE_S) as response:
                tally.answers["/healthz", response.status] += 1
        except OSError as error:
            tally.hangs.append(f"a probe failed after {time.monotonic() - began:.1f} s: {error!r}")
        tally.probes.append(time.monotonic() - began)
        tally.open_files.append(open_files(cluster.process.pid))
