"""A cluster with TLS, keys, CORS and limits, as the official OpenAI client and browsers meet it.

    tests/cluster/access_test.py BUILD_DIR MODEL
"""

from __future__ import annotations

import http.client
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Any

import httpx2
import openai

from cluster import Cluster

BUILD = Path(sys.argv[1])
MODEL = sys.argv[2]
ALICE, BOB, CAROL = "alice-key-aaaaaaaaaaaa", "bob-key-bbbbbbbbbbbb", "carol-key-cccccccccc"
ORIGIN = "https://chat.example"
SHORT: dict[str, Any] = {"model": "default", "prompt": "Once upon a time", "max_tokens": 2}
# Never ends by itself.
LONG = SHORT | {"max_tokens": 400, "extra_body": {"ignore_eos": True}}


def make_certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "tls.pem", folder / "tls.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def write_keys(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


class Access(unittest.TestCase):
    cluster: Cluster

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.certificate, key = make_certificate(Path(cls.folder))
        cls.keys = Path(cls.folder) / "keys"
        write_keys(cls.keys, f"# who may ask\nalice {ALICE}\n{BOB}\n")
        cls.cluster = Cluster(BUILD, MODEL, "--stages", "2", "--api-keys", str(cls.keys), "--tls-certificate", str(cls.certificate),
                              "--tls-key", str(key), "--cors-origin", ORIGIN, "--cors-origin", "http://localhost:3000",
                              "--max-requests-in-flight", "2", "--max-body-bytes", "20KB", "--max-header-bytes", "4KB",
                              "--max-prompt-tokens", "50", "--max-tokens-limit", "400", "--http-header-timeout", "2",
                              ca=cls.certificate, key=ALICE)
        cls.cluster.__enter__()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.cluster.__exit__()

    def tearDown(self) -> None:
        self.cluster.quiet()

    def client(self, key: str = ALICE, **options: Any) -> openai.OpenAI:
        trust = openai.DefaultHttpxClient(verify=ssl.create_default_context(cafile=self.certificate))
        return self.enterContext(openai.OpenAI(base_url=self.cluster.url + "/v1", api_key=key, http_client=trust,
                                               **({"max_retries": 0, "timeout": 60} | options)))

    def http(self, **options: Any) -> httpx2.Client:
        trust = ssl.create_default_context(cafile=self.certificate)
        return self.enterContext(httpx2.Client(base_url=self.cluster.url, verify=trust, timeout=30, **options))

    def wait_for_log(self, text: str) -> None:
        for _ in range(400):
            if text in Path(self.cluster.log.name).read_text():
                return
            threading.Event().wait(0.05)
        self.fail(f"the log never had: {text}")

    def wait_for_key(self, key: str) -> None:
        http = self.http(headers={"authorization": f"Bearer {key}"})
        for _ in range(400):
            if http.get("/v1/models").status_code == 200:
                return
            threading.Event().wait(0.05)
        self.fail("the key is still wrong")

    def test_the_right_keys_and_no_other(self) -> None:
        for key in (ALICE, BOB):
            self.assertEqual(self.client(key).completions.create(**SHORT).usage.completion_tokens, 2)
        for key in ("wrong", ALICE[:-1], ALICE + "a", "alice"):
            with self.assertRaises(openai.AuthenticationError) as caught:
                self.client(key).completions.create(**SHORT)
            self.assertEqual((caught.exception.code, caught.exception.type), ("invalid_api_key", "invalid_request_error"))
            self.assertEqual(caught.exception.response.headers["www-authenticate"], "Bearer")
        http = self.http()
        for path in ("/v1/models", "/v1/cluster", "/nowhere"):
            self.assertEqual(http.get(path).status_code, 401, path)
        self.assertEqual(http.post("/tokenize", json={"prompt": "x"}).status_code, 401)
        for path in ("/healthz", "/readyz", "/metrics", "/v1/targets", "/openapi.json"):
            self.assertEqual(http.get(path).status_code, 200, path)
        self.assertEqual(http.get("/v1/targets").json()[0]["labels"]["__scheme__"], "https")

    def test_a_stream_over_tls(self) -> None:
        chunks = list(self.client().completions.create(**(SHORT | {"max_tokens": 20}), stream=True))
        plain = self.client().completions.create(**(SHORT | {"max_tokens": 20, "seed": 1, "temperature": 0}))
        self.assertTrue(chunks[-1].choices[0].finish_reason)
        self.assertEqual(plain.usage.completion_tokens, 20)

    def test_keys_are_read_again_at_sighup(self) -> None:
        try:
            running = self.client(BOB).completions.create(**(LONG | {"max_tokens": 100}), stream=True)
            next(iter(running))
            write_keys(self.keys, f"alice {ALICE}\ncarol {CAROL}\n")
            self.cluster.process.send_signal(signal.SIGHUP)
            self.wait_for_key(CAROL)
            with self.assertRaises(openai.AuthenticationError):
                self.client(BOB).models.list()
            self.assertGreater(len(list(running)), 50, "what runs goes on")
            write_keys(self.keys, "short\n")
            self.cluster.process.send_signal(signal.SIGHUP)
            self.wait_for_log("line 1: the key has 5 characters")
            self.client(CAROL).models.list()  # a wrong file changes nothing
        finally:
            write_keys(self.keys, f"alice {ALICE}\n{BOB}\n")
            self.cluster.process.send_signal(signal.SIGHUP)
            self.wait_for_key(BOB)

    def test_browsers_ask_first(self) -> None:
        http = self.http()
        asked = {"origin": ORIGIN, "access-control-request-method": "POST",
                 "access-control-request-headers": "authorization,content-type,x-stainless-os,openai-organization"}
        preflight = http.options("/v1/chat/completions", headers=asked)
        self.assertEqual(preflight.status_code, 204)
        self.assertEqual(preflight.headers["access-control-allow-origin"], ORIGIN)
        self.assertEqual(preflight.headers["access-control-allow-headers"], asked["access-control-request-headers"].replace(",", ", "))
        self.assertIn("POST", preflight.headers["access-control-allow-methods"])
        for names in ("dangerously-allow-browser", "HTTP-Referer,X-Title", "x-api-key, anthropic-version,traceparent"):
            allowed = http.options("/v1/models", headers=asked | {"access-control-request-headers": names}).headers["access-control-allow-headers"]
            self.assertEqual(allowed.split(", "), [name.strip().lower() for name in names.split(",")])
        self.assertEqual(http.options("/v1/models", headers=asked | {"origin": "https://evil.example"}).status_code, 403)
        key = {"authorization": f"Bearer {ALICE}", "origin": ORIGIN}
        for response in (http.get("/v1/models", headers={"origin": ORIGIN}), http.get("/v1/models", headers=key),
                         http.post("/v1/completions", json=SHORT | {"stream": True}, headers=key),
                         http.post("/v1/completions", content=b" " * 30_000, headers=key)):
            self.assertEqual(response.headers["access-control-allow-origin"], ORIGIN, response.status_code)
            self.assertEqual(response.headers["vary"], "Origin")
            self.assertEqual(response.headers["access-control-expose-headers"], "x-request-id, retry-after, x-should-retry")
        self.assertNotIn("access-control-allow-origin", http.get("/healthz", headers={"origin": "https://evil.example"}).headers)

    def test_more_requests_than_may_be_in_flight(self) -> None:
        client = self.client()
        streams = [client.completions.create(**LONG, stream=True) for _ in range(2)]
        for stream in streams:
            next(iter(stream))
        with self.assertRaises(openai.RateLimitError) as caught:
            client.completions.create(**SHORT)
        self.assertEqual(caught.exception.code, "too_many_requests")
        self.assertGreaterEqual(int(caught.exception.response.headers["retry-after"]), 1)
        self.assertEqual(self.http().get("/readyz").status_code, 200)
        for stream in streams:
            stream.close()
        self.assertEqual(client.with_options(max_retries=5).completions.create(**SHORT).usage.completion_tokens, 2)

    def test_too_large(self) -> None:
        client = self.client()
        with self.assertRaises(openai.BadRequestError) as caught:
            client.completions.create(**(SHORT | {"prompt": "one two three " * 20}))
        self.assertEqual((caught.exception.param, caught.exception.code), ("prompt", "context_length_exceeded"))
        with self.assertRaises(openai.BadRequestError) as caught:
            client.completions.create(**(SHORT | {"max_tokens": 401}))
        self.assertEqual(caught.exception.param, "max_tokens")
        self.assertEqual(client.completions.create(**(SHORT | {"max_tokens": openai.omit}), extra_body={"ignore_eos": True})
                         .usage.completion_tokens, 400, "the default is within the limit")
        for status, ask in ((413, dict(prompt="x" * 30_000)), (431, dict(extra_headers={"x-large": "y" * 5000}))):
            with self.assertRaises(openai.APIStatusError) as caught:
                client.completions.create(**(SHORT | ask))
            self.assertEqual(caught.exception.status_code, status)

    def test_what_is_no_https_does_no_harm(self) -> None:
        plain = http.client.HTTPConnection("127.0.0.1", self.cluster.port, timeout=30)
        with self.assertRaises((http.client.HTTPException, OSError)):
            plain.request("GET", "/healthz")
            plain.getresponse()
        with self.assertRaises(openai.APIConnectionError):  # a certificate that nobody vouches for
            openai.OpenAI(base_url=self.cluster.url + "/v1", api_key=ALICE, max_retries=0).models.list()
        slow = http.client.HTTPSConnection("127.0.0.1", self.cluster.port, timeout=30, context=self.cluster.tls)
        slow.connect()
        slow.sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
        self.assertTrue(slow.sock.recv(100).startswith(b"HTTP/1.1 408 "))
        slow.close()
        self.assertEqual(self.http().get("/healthz").status_code, 200)

    def test_top(self) -> None:
        exeunt = [BUILD / "tools" / "exeunt", "top", "--once", "--interval", "0.1", "--url", self.cluster.url]
        key = os.environ | {"EXEUNT_API_KEY": ALICE}
        for trust in (["--ca", self.certificate], ["--insecure"]):
            done = subprocess.run([*exeunt, *trust], env=key, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("stage", done.stdout.lower())
        self.assertIn("certificate", subprocess.run(exeunt, env=key, capture_output=True, text=True, timeout=60).stderr)
        self.assertIn("EXEUNT_API_KEY", subprocess.run([*exeunt, "--insecure"], capture_output=True, text=True, timeout=60,
                                                       env=os.environ | {"EXEUNT_API_KEY": ""}).stderr)


class WrongFiles(unittest.TestCase):
    def test_the_start_says_what_is_wrong(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = make_certificate(Path(folder))
            keys = Path(folder) / "keys"
            write_keys(keys, f"{ALICE}\n\nshort\n")
            for options, what in ((["--api-keys", keys], "line 3: the key has 5 characters"),
                                  (["--api-keys", folder + "/none"], "/none' cannot be read"),
                                  (["--tls-certificate", key, "--tls-key", key], f"certificate '{key}'"),
                                  (["--tls-certificate", certificate, "--tls-key", certificate], f"private key '{certificate}'"),
                                  (["--tls-certificate", certificate], "--tls-key")):
                command = [BUILD / "coordinator" / "exeunt-coordinator", "--model", MODEL, "--port", "0", *options]
                done = subprocess.run(command, capture_output=True, text=True, timeout=60)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(what, done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[3:]])
