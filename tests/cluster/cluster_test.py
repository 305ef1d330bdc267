"""The served pipeline: coordinator, real mpirun, default model, official OpenAI client. Usage: cluster_test.py BUILD MODEL"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai

from cluster import Cluster, cpu_seconds

BUILD = Path(sys.argv[1])
MODEL = sys.argv[2]
EXIT_LAYERS = "10,20,24,28"

FORCED = {"mode": "propagate", "measure": "forced", "forced": [{"layer": 10, "probability": 0.4},
                                                               {"layer": 24, "probability": 0.3}]}


def requests_of(count: int) -> list[dict[str, Any]]:
    """Requests of many kinds; each yields the same whatever the cluster looks like."""
    kinds: list[dict[str, Any]] = [
        {"temperature": 0}, {"temperature": 0.8, "seed": 7}, {"temperature": 0, "exit": FORCED},
        {"temperature": 1, "seed": 3, "top_p": 0.9, "exit": FORCED},
        {"temperature": 0, "exit": {"mode": "propagate", "measure": "softmax", "threshold": 0.7, "min_layer": 20}},
        {"temperature": 0, "exit": {"mode": "propagate", "measure": "state", "threshold": 0.98, "min_layer": 20}},
    ]
    return [{"model": "default", "prompt": f"Chapter {i}. " + "It was a dark and stormy night; " * (i % 5), "max_tokens": 6 + i % 9,
             "seed": i, **kinds[i % len(kinds)]} for i in range(count)]


def outcome(body: dict[str, Any]) -> tuple[str, str, str]:
    choice = body["choices"][0]
    return choice["text"], choice["finish_reason"], str(body["usage"].get("exit", {}).get("by_layer"))


class ServedPipeline(unittest.TestCase):
    """One cluster of two stages for everything that does not break it."""

    cluster: Cluster
    client: openai.OpenAI

    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = Cluster(BUILD, MODEL, "--stages", "2", "--exit-layers", EXIT_LAYERS)
        cls.cluster.__enter__()
        cls.client = openai.OpenAI(base_url=cls.cluster.url + "/v1", api_key="none", max_retries=0, timeout=60)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.client.close()
        cls.cluster.__exit__()

    def test_chat_plain_and_streamed_give_the_same_text(self) -> None:
        messages = [{"role": "user", "content": "Name three primary colours."}]
        plain = self.client.chat.completions.create(model="default", messages=messages, max_tokens=40, temperature=0)
        chunks = list(self.client.chat.completions.create(model="default", messages=messages, max_tokens=40, temperature=0,
                                                          stream=True, stream_options={"include_usage": True}))
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        self.assertGreater(len(text), 20)
        self.assertEqual(text, plain.choices[0].message.content)
        self.assertEqual(chunks[-1].usage.completion_tokens, plain.usage.completion_tokens)
        self.assertIn(plain.choices[0].finish_reason, ("stop", "length"))

    def test_completions_plain_and_streamed_with_exits(self) -> None:
        ask = dict(model="default", prompt="The history of the Roman empire begins", max_tokens=24, temperature=0, seed=5,
                   extra_body={"exit": FORCED})
        plain = self.client.completions.create(**ask)
        streamed = "".join(c.choices[0].text for c in self.client.completions.create(**ask, stream=True) if c.choices)
        self.assertEqual(streamed, plain.choices[0].text)
        report = plain.usage.model_extra["exit"]
        self.assertEqual(report["mode"], "propagate")
        self.assertEqual(sum(report["by_layer"].values()), 24)
        self.assertLess(report["mean_layers"], 30)
        self.assertGreater(report["layers_skipped"], 0)
        self.assertEqual(set(report["by_layer"]), {"10", "24", "30"})

    def test_logprobs_and_stop(self) -> None:
        reply = self.client.completions.create(model="default", prompt="1, 2, 3, 4,", max_tokens=12, temperature=0, logprobs=3)
        logprobs = reply.choices[0].logprobs
        self.assertEqual(len(logprobs.tokens), reply.usage.completion_tokens)
        self.assertTrue(all(p <= 0 for p in logprobs.token_logprobs))
        stopped = self.client.completions.create(model="default", prompt="1, 2, 3, 4,", max_tokens=40, temperature=0, stop=["7"])
        self.assertNotIn("7", stopped.choices[0].text)
        self.assertEqual(stopped.choices[0].finish_reason, "stop")

    def test_errors_have_the_clients_classes(self) -> None:
        def raises(kind: type[openai.APIStatusError], needle: str, **body: Any) -> None:
            with self.assertRaises(kind) as caught:
                self.client.completions.create(**{"model": "default", "prompt": "x", "max_tokens": 4, **body})
            self.assertIn(needle, str(caught.exception))
            self.assertTrue(caught.exception.response.headers.get("x-request-id"))

        raises(openai.NotFoundError, "nowhere", model="nowhere")
        raises(openai.BadRequestError, "temperature", temperature=-1)
        raises(openai.BadRequestError, "verify", extra_body={"exit": {"mode": "verify"}})
        raises(openai.BadRequestError, "exact", extra_body={"exit": {"mode": "exact"}})
        raises(openai.BadRequestError, "colour", extra_body={"exit": {"mode": "propagate", "colour": 1}})
        raises(openai.BadRequestError, "8192", max_tokens=100000)

    def test_a_burst_keeps_two_micro_batches_in_flight_and_mixes_sequences(self) -> None:
        with ThreadPoolExecutor(32) as pool:
            bodies = [{"model": "default", "prompt": f"Story {i}: once upon a time", "max_tokens": 32, "temperature": 0,
                       "exit": FORCED} for i in range(32)]
            replies = list(pool.map(lambda b: self.cluster.post("/v1/completions", b), bodies))
        self.assertTrue(all(status == 200 for status, _ in replies), replies)
        stages = self.cluster.quiet()["pipelines"][0]["stages"]
        self.assertGreaterEqual(stages[0]["report"]["micro_batches_max"], 2)
        self.assertGreater(stages[1]["report"]["mixed_batches"], 0)
        self.assertGreater(stages[1]["report"]["fill_rows"], 0)

    def test_health_does_not_wait_for_generations(self) -> None:
        body = {"model": "default", "prompt": "Once", "max_tokens": 6000, "temperature": 0, "ignore_eos": True, "stream": True, "exit": FORCED}
        with self.cluster.open("/v1/completions", json.dumps(body).encode(), timeout=60) as endless:
            self.assertTrue(endless.readline().startswith(b"data: "))
            for path in ("/healthz", "/readyz", "/metrics"):
                self.assertEqual(self.cluster.status(path), 200, path)
            self.assertEqual(self.cluster.get("/v1/cluster")["requests"]["running"], 1, "it ended before it was asked")

    def test_an_idle_cluster_uses_no_cpu(self) -> None:
        self.cluster.quiet()
        time.sleep(2)
        pids = self.cluster.pids()
        before, begin = cpu_seconds(pids), time.monotonic()
        time.sleep(10)
        share = (cpu_seconds(pids) - before) / (time.monotonic() - begin)
        print(f"idle: {100 * share:.2f} % of one core in {len(pids)} processes")
        self.assertLess(share, 0.05)

    def test_metrics_and_models(self) -> None:
        self.assertIn("default", [m.id for m in self.client.models.list()] + ["default"])
        import urllib.request
        text = urllib.request.urlopen(self.cluster.url + "/metrics", timeout=10).read().decode()
        self.assertIn("exeunt_", text)
        self.assertEqual(self.cluster.status("/healthz"), 200)


class TheLawServed(unittest.TestCase):
    """[1] through the gateway: any number of stages, any neighbours, the same answers."""

    def test_stages_and_concurrency_do_not_change_answers(self) -> None:
        asked = requests_of(24)
        want: list[tuple[str, str, str]] = []
        for stages, concurrency in ((1, 1), (2, 24), (3, 24)):
            with Cluster(BUILD, MODEL, "--stages", str(stages), "--exit-layers", EXIT_LAYERS) as cluster:
                with ThreadPoolExecutor(concurrency) as pool:
                    replies = list(pool.map(lambda b: cluster.post("/v1/completions", b), asked))
                self.assertEqual({status for status, _ in replies}, {200}, replies)
                got = [outcome(body) for _, body in replies]
                cluster.quiet()
                weights = [s["weight_bytes"] for s in cluster.get("/v1/cluster")["pipelines"][0]["stages"]]
                print(f"{stages} stages: resident weights {weights} bytes")
            want = want or got
            self.assertEqual(got, want, f"{stages} stages")
        self.assertGreater(len({text for text, _, _ in want}), 12)


class Faults(unittest.TestCase):
    def test_a_killed_rank_gives_a_clear_error_and_a_new_epoch(self) -> None:
        for sent in (signal.SIGKILL, signal.SIGSTOP):
            with self.subTest(signal=sent.name), Cluster(BUILD, MODEL, "--stages", "2") as cluster:
                epoch = cluster.get("/v1/cluster")["pipelines"][0]["epoch"]
                replies: list[tuple[int, Any]] = []
                # Exits this early babble without end.
                body = {"model": "default", "prompt": "Once", "max_tokens": 6000, "temperature": 0, "seed": 1,
                        "exit": {"mode": "propagate", "measure": "forced", "forced": [{"layer": 15, "probability": 1}]}}
                thread = threading.Thread(target=lambda: replies.append(cluster.post("/v1/completions", body)))
                thread.start()
                time.sleep(1.5)
                victim = cluster.workers()[-1]
                os.kill(victim, sent)
                thread.join(timeout=60)
                self.assertEqual(len(replies), 1, "the request hangs")
                status, reply = replies[0]
                self.assertEqual(status, 503, reply)
                self.assertIn("error", reply)
                cluster.wait_ready()
                view = cluster.quiet()
                self.assertGreater(view["pipelines"][0]["epoch"], epoch)
                self.assertEqual(cluster.post("/v1/completions", {**body, "max_tokens": 4})[0], 200)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[3:]])
