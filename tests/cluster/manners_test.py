"""What the official OpenAI client makes of errors, full queues, time-outs and cancels.

    tests/cluster/manners_test.py BUILD_DIR MODEL
"""

from __future__ import annotations

import asyncio
import sys
import threading
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

import httpx2
import openai

from cluster import Cluster, free_port

BUILD = Path(sys.argv[1])
MODEL = sys.argv[2]
# Leaves early and never ends by itself: it runs until somebody stops it.
ENDLESS: dict[str, Any] = {"model": "default", "prompt": "Once", "max_tokens": 6000, "temperature": 0, "seed": 1,
                           "extra_body": {"ignore_eos": True, "exit": {"mode": "propagate", "measure": "forced",
                                                                       "forced": [{"layer": 15, "probability": 1}]}}}
SHORT: dict[str, Any] = {"model": "default", "prompt": "x", "max_tokens": 2}


def client_of(url: str, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(**{"base_url": url + "/v1", "api_key": "none", "max_retries": 0, "timeout": 60} | options)


class Errors(unittest.TestCase):
    cluster: Cluster

    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = Cluster(BUILD, MODEL, "--stages", "2", "--max-sequences", "1", "--max-queue", "1", "--exit-layers", "15",
                              "--stream-comment-interval", "1")
        cls.cluster.__enter__()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.cluster.__exit__()

    def tearDown(self) -> None:
        self.cluster.quiet()  # whatever was cancelled leaves nothing open

    def check_body(self, response: httpx2.Response) -> dict[str, Any]:
        error = response.json()["error"]
        self.assertEqual(set(error), {"message", "type", "param", "code"})
        self.assertTrue(error["message"])
        self.assertTrue(response.headers["x-request-id"])
        return error

    def test_errors_by_class(self) -> None:
        with client_of(self.cluster.url) as client:
            for kind, fields in ((openai.BadRequestError, {"temperature": 3}), (openai.BadRequestError, {"max_tokens": 100000}),
                                 (openai.BadRequestError, {"prompt": [-1]}), (openai.NotFoundError, {"model": "other"})):
                with self.assertRaises(kind) as caught:
                    client.completions.create(**(SHORT | fields))
                error = self.check_body(caught.exception.response)
                self.assertEqual(caught.exception.request_id, caught.exception.response.headers["x-request-id"])
                self.assertEqual(error["type"], "invalid_request_error")
                self.assertIn(error["param"], (*fields, None))
            with self.assertRaises(openai.NotFoundError):
                client.models.retrieve("other")
            with self.assertRaises(openai.BadRequestError) as caught:
                client.chat.completions.create(model="default", messages=[{"role": "tool", "content": "x", "tool_call_id": "y"}])
            self.assertEqual(caught.exception.param, "messages[0].role")

    def test_statuses_that_the_client_never_causes(self) -> None:
        with httpx2.Client(base_url=self.cluster.url, timeout=30) as http:
            post = dict(method="POST", url="/v1/completions")
            for status, request in ((404, dict(method="GET", url="/nowhere")), (405, dict(method="GET", url="/v1/completions")),
                                    (413, post | dict(content=b" " * (5 << 20))), (400, post | dict(content=b"{")),
                                    (415, post | dict(content=b"a=b", headers={"content-type": "text/plain"}))):
                response = http.request(**request)
                self.assertEqual(response.status_code, status, response.text)
                self.assertEqual(self.check_body(response)["type"], "invalid_request_error")
            self.assertEqual(http.get("/v1/completions").headers["allow"], "POST")

    def test_a_full_queue_is_429_and_the_client_comes_back_when_told_to(self) -> None:
        with client_of(self.cluster.url) as client:
            running = client.completions.create(**ENDLESS, stream=True)
            next(iter(running))
            waiting = threading.Thread(target=lambda: client.completions.create(**SHORT))
            waiting.start()
            self.wait_for(waiting=1)
            with self.assertRaises(openai.RateLimitError) as caught:
                client.completions.create(**SHORT)
            error = self.check_body(caught.exception.response)
            self.assertEqual((error["type"], error["code"]), ("rate_limit_error", "queue_full"))
            slept: list[float] = []

            def sleep(seconds: float) -> None:
                slept.append(seconds)
                running.close()  # makes room
                waiting.join(timeout=60)

            with mock.patch("time.sleep", sleep):
                answer = client.with_options(max_retries=1).completions.create(**SHORT)
            self.assertEqual(answer.usage.completion_tokens, 2)
            self.assertEqual(slept, [float(caught.exception.response.headers["retry-after"])])

    def test_a_stream_that_waits_has_its_header_and_comments(self) -> None:
        with client_of(self.cluster.url) as client, httpx2.Client(base_url=self.cluster.url, timeout=60) as http:
            running = client.completions.create(**ENDLESS, stream=True)
            next(iter(running))
            with http.stream("POST", "/v1/completions", json=SHORT | {"stream": True}) as bare:
                self.assertEqual(bare.status_code, 200)
                lines = bare.iter_lines()
                self.assertEqual([next(lines) for _ in range(4)], [": waiting", ""] * 2)
            self.wait_for(waiting=0)
            waiting = client.completions.create(**SHORT, stream=True)  # it returns with the header
            self.wait_for(waiting=1)
            with self.assertRaises(openai.RateLimitError):  # what is refused at once has its status
                client.completions.create(**SHORT, stream=True)
            comments = threading.Timer(1.5, running.close)  # some comments later
            comments.start()
            self.assertEqual(sum(c.choices[0].finish_reason == "length" for c in waiting), 1)
            comments.join()

    def test_what_fails_in_a_stream_that_waits_is_raised(self) -> None:
        with client_of(self.cluster.url) as client:
            running = client.completions.create(**ENDLESS, stream=True)
            next(iter(running))
            waiting = client.completions.create(**SHORT, stream=True, extra_body={"timeout": 0.5})
            with self.assertRaises(openai.APIError) as caught:
                list(waiting)
            self.assertEqual(caught.exception.code, "deadline_exceeded")
            running.close()

    def test_head_and_requests_through_a_proxy(self) -> None:
        with httpx2.Client(base_url=self.cluster.url, timeout=30) as http:
            for path, status in (("/v1/models", 200), ("/healthz", 200), ("/nowhere", 404), ("/v1/completions", 405)):
                head, get = http.head(path), http.get(path)
                self.assertEqual((head.status_code, head.content), (status, b""), path)
                if status != 404:  # its message has the method
                    self.assertEqual(head.headers["content-length"], get.headers["content-length"] if status == 200 else head.headers["content-length"])
                self.assertEqual(head.headers["content-type"], get.headers["content-type"])
        with httpx2.Client(proxy=self.cluster.url, timeout=30) as proxied:  # as a proxy gets it: GET http://exeunt.example/...
            self.assertEqual(proxied.get("http://exeunt.example/v1/targets").json()[0]["targets"], ["exeunt.example"])
            answer = proxied.post("http://exeunt.example/v1/completions", json=SHORT, headers={"content-type": "Application/JSON; Charset=UTF-8"})
            self.assertEqual(answer.status_code, 200, answer.text)

    def test_fields_of_other_servers_are_refused_by_name(self) -> None:
        with client_of(self.cluster.url) as client:
            for field, value in (("structured_outputs", {"choice": ["yes", "no"]}), ("grammar", 'root ::= "y"'), ("use_beam_search", True),
                                 ("mirostat", 2), ("regex", "a+"), ("watermark", True), ("truncate_prompt_tokens", 5)):
                with self.assertRaises(openai.BadRequestError) as caught:
                    client.completions.create(**SHORT, extra_body={field: value})
                error = self.check_body(caught.exception.response)
                self.assertEqual((error["param"], error["code"]), (field, "unsupported_parameter"))
                self.assertIn(f"'{field}' is ", error["message"])
            for defaults in ({"skip_special_tokens": True, "spaces_between_special_tokens": True, "length_penalty": 1.0, "use_beam_search": False},
                             {"cache_prompt": True, "mirostat": 0, "mirostat_tau": 5.0, "typical_p": 1.0, "n_predict": -1, "grammar": ""},
                             {"watermark": False, "details": False, "truncate": None, "lora_path": None, "regex": None, "no_stop_trim": False}):
                self.assertEqual(client.completions.create(**SHORT, extra_body=defaults).usage.completion_tokens, 2)

    def wait_for(self, **requests: int) -> None:
        for _ in range(600):
            if requests.items() <= self.cluster.get("/v1/cluster")["requests"].items():
                return
            threading.Event().wait(0.05)
        self.fail(f"never {requests}")

    def test_a_client_that_times_out_leaves_nothing_running(self) -> None:
        with client_of(self.cluster.url, timeout=1) as client, self.assertRaises(openai.APITimeoutError):
            client.completions.create(**ENDLESS)

    def test_streams_and_plain_requests_are_cancelled_with_their_client(self) -> None:
        with client_of(self.cluster.url) as client:
            for create, ask in ((client.completions.create, ENDLESS),
                                (client.chat.completions.create, ENDLESS | {"messages": [{"role": "user", "content": "x"}]})):
                with create(**{k: v for k, v in ask.items() if k != "prompt" or "messages" not in ask}, stream=True) as stream:
                    chunks = iter(stream)
                    next(chunks), next(chunks)
                self.cluster.quiet()

        async def cancel() -> None:
            async with openai.AsyncOpenAI(base_url=self.cluster.url + "/v1", api_key="none", max_retries=0) as client:
                task = asyncio.create_task(client.completions.create(**ENDLESS))
                await asyncio.to_thread(self.wait_for, running=1)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task

        asyncio.run(cancel())

    def test_a_cancelled_wait_leaves_the_queue(self) -> None:
        with client_of(self.cluster.url) as client:
            running = client.completions.create(**ENDLESS, stream=True)
            next(iter(running))
            with self.assertRaises(openai.APITimeoutError):
                client.with_options(timeout=0.5).completions.create(**SHORT)
            self.wait_for(running=1, waiting=0)
            running.close()


class NotReady(unittest.TestCase):
    def test_503_while_loading_and_retries_until_it_is_ready(self) -> None:
        cluster = Cluster(BUILD, MODEL, "--stages", "2")
        try:
            while cluster.status("/healthz") != 200:
                self.assertIsNone(cluster.process.poll())
                threading.Event().wait(0.02)
            with client_of(cluster.url) as client:
                with self.assertRaises(openai.InternalServerError) as caught:
                    client.completions.create(**SHORT)
                self.assertEqual(caught.exception.status_code, 503)
                error = caught.exception.response.json()["error"]
                self.assertEqual((error["type"], error["code"]), ("service_unavailable", "no_pipeline_ready"))
                self.assertLessEqual(int(caught.exception.response.headers["retry-after"]), 120)
                answer = client.with_options(max_retries=60).completions.create(**SHORT)
                self.assertEqual(answer.usage.completion_tokens, 2)
        finally:
            cluster.__exit__()

    def test_nobody_there(self) -> None:
        with client_of(f"http://127.0.0.1:{free_port()}") as client, self.assertRaises(openai.APIConnectionError):
            client.completions.create(**SHORT)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[3:]])
