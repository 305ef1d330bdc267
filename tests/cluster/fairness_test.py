"""Who waits for whom: clients share, priorities come in order, timeouts pass. One sequence runs at a time, so that answers
come in the order of admission.

    tests/cluster/fairness_test.py BUILD_DIR MODEL
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import unittest
import urllib.request
from pathlib import Path
from typing import Any

import openai

from cluster import Cluster

BUILD = Path(sys.argv[1])
MODEL = sys.argv[2]
ASK: dict[str, Any] = {"model": "default", "prompt": "Once", "max_tokens": 16, "temperature": 0, "ignore_eos": True}
ENDLESS: dict[str, Any] = ASK | {"max_tokens": 7000}
GREEDY, OTHER = "127.0.0.1", "127.0.0.2"  # without keys, a client is its address


class Fairness(unittest.TestCase):
    cluster: Cluster

    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = Cluster(BUILD, MODEL, "--stages", "2", "--max-sequences", "1", "--max-queue", "64")
        cls.cluster.__enter__()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.cluster.__exit__()

    def setUp(self) -> None:
        self.done: list[tuple[str, dict[str, Any]]] = []  # in order of completion
        self.lock = threading.Lock()
        self.threads: list[threading.Thread] = []

    def tearDown(self) -> None:
        self.cluster.quiet()

    def connect(self, address: str) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.cluster.port, timeout=120, source_address=(address, 0))

    def post(self, connection: http.client.HTTPConnection, fields: dict[str, Any]) -> http.client.HTTPResponse:
        connection.request("POST", "/v1/completions", json.dumps(fields), {"content-type": "application/json"})
        return connection.getresponse()

    def hold(self) -> http.client.HTTPConnection:
        """Takes the only place; closing it gives it back."""
        connection = self.connect(GREEDY)
        self.post(connection, ENDLESS | {"stream": True}).readline()
        return connection

    def ask(self, name: str, address: str = GREEDY, **fields: Any) -> None:
        """A request that waits: it is in the queue when this returns."""
        waiting = self.requests()["waiting"]

        def run() -> None:
            connection = self.connect(address)
            answer = json.load(self.post(connection, ASK | fields))
            with self.lock:
                self.done.append((name, answer))
            connection.close()

        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()
        self.wait_for(waiting=waiting + 1)

    def join(self) -> list[str]:
        for thread in self.threads:
            thread.join(timeout=240)
        for name, answer in self.done:
            self.assertIn("usage", answer, name)
        return [name for name, _ in self.done]

    def requests(self) -> dict[str, Any]:
        return self.cluster.get("/v1/cluster")["requests"]

    def wait_for(self, **requests: Any) -> None:
        for _ in range(1200):
            if requests.items() <= self.requests().items():
                return
            threading.Event().wait(0.05)
        self.fail(f"never {requests}")

    def failures(self) -> float:
        with urllib.request.urlopen(self.cluster.url + "/metrics", timeout=10) as response:
            text = response.read().decode()
        line = next(x for x in text.splitlines() if x.startswith('exeunt_request_failures_total{reason="deadline"}'))
        return float(line.rsplit(" ", 1)[1])

    def test_one_client_with_many_requests_does_not_keep_another_waiting(self) -> None:
        place = self.hold()
        for _ in range(40):
            self.ask("greedy")
        for _ in range(4):
            self.ask("other", OTHER)
        place.close()
        order = self.join()
        self.assertEqual((order.count("greedy"), order.count("other")), (40, 4))
        last = len(order) - 1 - order[::-1].index("other")
        self.assertLess(last, 12, order)  # they take turns: the eighth of 44
        waits = {name: [a["usage"]["queue_time"] for n, a in self.done if n == name] for name in ("greedy", "other")}
        self.assertLess(max(waits["other"]), max(waits["greedy"]))
        self.assertGreater(min(waits["other"]), 0)

    def test_priorities_come_in_order_and_are_shown(self) -> None:
        place = self.hold()
        for priority in (5, 0, -5):
            self.ask(str(priority), priority=priority, max_tokens=48)
        requests = self.requests()
        self.assertEqual(requests["waiting_by_priority"], {"-5": 1, "0": 1, "5": 1})
        self.assertGreater(requests["oldest_wait_seconds"], 0)
        place.close()
        self.assertEqual(self.join(), ["-5", "0", "5"])
        self.assertIsNone(self.requests()["oldest_wait_seconds"])

    def test_a_timeout_passes_in_the_queue_and_while_it_runs_and_the_client_does_not_come_back(self) -> None:
        before = self.failures()
        with openai.OpenAI(base_url=self.cluster.url + "/v1", api_key="none", max_retries=5) as client:
            fields = {k: v for k, v in ENDLESS.items() if k != "ignore_eos"}
            extra = {"ignore_eos": True, "timeout": 1.5}
            place = self.hold()
            for running in (False, True):
                if running:
                    place.close()
                    self.cluster.quiet()
                with self.assertRaises(openai.APIStatusError) as caught:
                    client.completions.create(**fields, extra_body=extra)
                self.assertEqual((caught.exception.status_code, caught.exception.code), (408, "deadline_exceeded"))
                self.assertIn("was being answered" if running else "waited", caught.exception.message)
                self.assertEqual(self.failures(), before + 1 + running, "it was tried again")
            self.cluster.quiet()
            with self.assertRaises(openai.APIError) as failed:
                chunks = list(client.completions.create(**fields, extra_body=extra | {"timeout": 3}, stream=True))
                self.fail(f"it ended after {len(chunks)} chunks")
            self.assertEqual(failed.exception.code, "deadline_exceeded")
        self.assertEqual(self.failures(), before + 3)

    def test_a_timeout_that_is_long_enough_changes_nothing(self) -> None:
        status, answer = self.cluster.post("/v1/completions", ASK | {"timeout": 100})
        self.assertEqual(status, 200)
        self.assertEqual(answer["usage"]["completion_tokens"], 16)
        self.assertGreaterEqual(answer["usage"]["queue_time"], 0)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[3:]])
