"""Random requests, right and wrong, on models whose tokenizer and embedding differ in size: every answer is a 200 or a 400 that names
a field, and no pipeline is started again.

    tests/cluster/vocabulary_test.py BUILD_DIR MODEL
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.error
from pathlib import Path
from typing import Any

from cluster import Cluster

BUILD = Path(sys.argv[1])
REQUESTS = int(os.environ.get("EXEUNT_VOCABULARY_REQUESTS", "600"))  # for each model
CLIENTS = 6
CONTEXT = 512  # of the models
TEXTS = ["a", "hello there", "<|im_start|>user\nhi<|im_end|>", "x<|endoftext|>y", "<|extra_305|>", "say <|extra_319|> twice",
         "<|unused_310|>", "äöü 日本 😀", "a" * 300, " ", "\n\n"]


class Draw:
    """Draws requests. Most fields are left out, most of those that are there are right."""

    def __init__(self, seed: int, rows: int, tokens: int) -> None:
        self.dice = random.Random(seed)
        self.rows, self.tokens = rows, tokens

    def id(self) -> int:
        """A token id: mostly one that can be used, else one at an edge."""
        if self.dice.random() < 0.8:
            return self.dice.randrange(min(self.rows, self.tokens))
        return self.dice.choice([self.rows - 1, self.rows, self.tokens - 1, self.tokens, -1, 1 << 22, 1 << 31, 1 << 40])

    def ids(self, most: int) -> list[int]:
        return [self.id() for _ in range(self.dice.randint(0, most))]

    def prompt(self) -> Any:
        kind = self.dice.random()
        if kind < 0.4:
            return self.dice.choice(TEXTS)
        if kind < 0.7:
            return self.ids(8)
        if kind < 0.85:
            return [self.dice.choice(TEXTS), self.dice.choice(TEXTS)]
        return self.dice.choice([[self.ids(3), self.ids(3)], [], "", None, 7, [[]], ["a", 1], [1.5], {"a": 1}])

    def messages(self) -> Any:
        if self.dice.random() < 0.1:
            return self.dice.choice([[], None, "hi", [{"role": "nobody", "content": "x"}], [{"content": "x"}], [7]])
        return [{"role": self.dice.choice(["system", "user", "assistant"]), "content": self.dice.choice(TEXTS)}
                for _ in range(self.dice.randint(1, 3))]

    def fields(self) -> dict[str, Any]:
        pick, wild = self.dice.choice, self.dice.random() < 0.15
        drawn = {
            "max_tokens": pick([1, 2, 5, 9]) if not wild else pick([0, -1, CONTEXT, 100000, "x", 1 << 40]),
            "temperature": pick([0, 0.5, 2]) if not wild else pick([-1, 3, "hot"]),
            "top_p": pick([0.1, 1]) if not wild else pick([0, 2]), "top_k": pick([-1, 0, 5, 1000]), "min_p": pick([0, 0.5]),
            "n": pick([1, 2]) if not wild else pick([0, 999]), "best_of": pick([1, 3]), "seed": pick([0, -5, 1 << 62]),
            "stop": pick(["x", ["y", "zz"], []]) if not wild else pick(["", [7], ["a"] * 9]),
            "stop_token_ids": self.ids(4), "logit_bias": {str(self.id()): pick([-100, 1, 100, 5.5]) for _ in range(3)},
            "allowed_token_ids": self.ids(4), "bad_words": pick([["a"], [" hello", "there"], [], [""], [TEXTS[4]]]),
            "frequency_penalty": pick([-2, 0, 2, 9]), "presence_penalty": pick([-2, 0, 2]), "repetition_penalty": pick([0.5, 1, 2, 0]),
            "min_tokens": pick([0, 1, 3, 50]), "ignore_eos": pick([True, False]), "logprobs": pick([0, 3, 20, 99, True]),
            "top_logprobs": pick([0, 2, 30]), "echo": pick([True, False]), "priority": pick([0, 5, 1000]),
            "timeout": pick([30, 0, -1]), "user": pick(["me", 7]), "add_special_tokens": pick([True, False]),
            "exit": pick([{"mode": "propagate", "measure": "softmax", "threshold": 0.1}, {"mode": "off"},
                          {"mode": "propagate", "measure": "forced", "forced": [{"layer": pick([1, 2, 3, 99]), "probability": 0.5}]},
                          {"mode": "exact"}, {"mode": "nonsense"}]),
            "nobody_knows_this": 1,
        }
        return {name: value for name, value in drawn.items() if self.dice.random() < 0.25}

    def request(self) -> tuple[str, dict[str, Any]]:
        """A path and a body."""
        kind = self.dice.random()
        if kind < 0.5:
            return "/v1/completions", {"model": "default", "max_tokens": 3, "prompt": self.prompt()} | self.fields()
        if kind < 0.8:
            return "/v1/chat/completions", {"model": "default", "max_tokens": 3, "messages": self.messages()} | self.fields()
        if kind < 0.9:
            return "/tokenize", self.dice.choice([{"prompt": self.dice.choice(TEXTS)}, {"messages": self.messages()}])
        return "/detokenize", {"tokens": self.ids(9)}


class Vocabulary(unittest.TestCase):
    folder: tempfile.TemporaryDirectory[str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def storm(self, rows: int, tokens: int, seed: int) -> None:
        model = f"{self.folder.name}/{rows}_{tokens}.gguf"
        subprocess.run([BUILD / "tests/write_tiny_model", model, str(rows), str(tokens)], check=True)
        statuses: dict[int, int] = {}
        wrong: list[Any] = []
        with Cluster(BUILD, model, "--stages", "2", "--threads-per-stage", "1", "--kv-budget", "16MiB", "--exit-layers", "1,3") as cluster:
            workers = set(cluster.workers())

            def client(number: int) -> None:
                draw = Draw(1000 * seed + number, rows, tokens)
                for _ in range(REQUESTS // CLIENTS):
                    path, body = draw.request()
                    stream = path.startswith("/v1") and draw.dice.random() < 0.3
                    try:
                        status, answer = self.ask(cluster, path, body | ({"stream": True} if stream else {}))
                        named = status == 200 or (status == 400 and (answer["error"]["param"] or answer["error"]["code"]))
                    except (OSError, ValueError, LookupError) as error:
                        status, answer, named = 0, repr(error), False
                    statuses[status] = statuses.get(status, 0) + 1
                    if not named:
                        wrong.append((path, body, status, answer))

            threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            view = cluster.quiet()
            self.assertEqual(wrong, [])
            self.assertEqual([p["restarts"] for p in view["pipelines"]], [0])
            self.assertEqual(set(cluster.workers()), workers)
            for status in (200, 400):  # the draw is not one-sided
                self.assertGreater(statuses.get(status, 0), REQUESTS // 5, statuses)
            self.check_edges(cluster, rows, tokens)
            self.assertEqual([p["restarts"] for p in cluster.quiet()["pipelines"]], [0])

    @staticmethod
    def ask(cluster: Cluster, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """A stream's answer is its last event but [DONE]; an error in it counts as a 500."""
        try:
            with cluster.open(path, json.dumps(body).encode(), timeout=120) as response:
                if "event-stream" not in response.headers["content-type"]:
                    return response.status, json.load(response)
                events = [line[6:] for line in response.read().decode().splitlines() if line.startswith("data: ")]
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        answer = json.loads(events[-2])
        return (500 if "error" in answer or events[-1] != "[DONE]" else 200), answer

    def check_edges(self, cluster: Cluster, rows: int, tokens: int) -> None:
        """Each way in which an id comes in, at the edge of the embedding."""
        def post(**fields: Any) -> tuple[int, Any]:
            return cluster.post("/v1/completions", {"model": "default", "prompt": "a", "max_tokens": 1, "temperature": 0} | fields)

        for field, value in (("prompt", lambda i: [97, i]), ("logit_bias", lambda i: {str(i): 1}), ("stop_token_ids", lambda i: [i]),
                             ("allowed_token_ids", lambda i: [97, i])):
            self.assertEqual(post(**{field: value(rows - 1)})[0], 200, field)
            status, answer = post(**{field: value(rows)})
            self.assertEqual((status, answer["error"]["param"]), (400, field))
            self.assertIn(str(rows), answer["error"]["message"])
        for token in range(rows, tokens):  # by their text
            status, answer = post(prompt=f"a <|extra_{token}|> b")
            self.assertEqual((status, answer["error"]["param"]), (400, "prompt"))
            self.assertIn(f"{token} ('<|extra_{token}|>')", answer["error"]["message"])
            status, answer = post(bad_words=[f"<|extra_{token}|>"])
            self.assertEqual((status, answer["error"]["param"]), (400, "bad_words"))
            self.assertEqual(cluster.post("/detokenize", {"tokens": [token]}), (200, {"prompt": f"<|extra_{token}|>"}))
        for token in range(tokens, rows):  # without a text
            self.assertEqual(cluster.post("/detokenize", {"tokens": [token]}), (200, {"prompt": ""}))
            status, answer = post(logit_bias={str(token): 100}, logprobs=0)
            self.assertEqual((status, answer["choices"][0]["text"]), (200, ""))
        self.assertEqual(cluster.post("/detokenize", {"tokens": [max(rows, tokens)]})[0], 400)

    def test_a_tokenizer_larger_than_the_embedding(self) -> None:
        self.storm(300, 320, seed=1)

    def test_an_embedding_larger_than_the_tokenizer(self) -> None:
        self.storm(320, 300, seed=2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
