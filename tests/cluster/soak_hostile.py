"""The hostile clients of soak_test.py: slow, deaf, malformed, vanishing. What they get must be right, too: never an answer to what is
not a request, never a 5xx."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from raw_http import Connection, get, post
from soak_clients import ROUTE, Asked, Tally, Until, said

# Requests whose end is not waited for go here: so those of the other route can be counted exactly.
VANISHING_ROUTE = "/v1/chat/completions"
# Of a server with limits, to any client.
PUT_OFF = {408, 429, 503}
DRIP_S = 0.3
HEAD = b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
MALFORMED_HTTP = [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64, 400),  # TLS
    (b"HELO mail.example\r\n\r\n", 400),
    (b"GET /healthz HTTP/9.9\r\nhost: x\r\n\r\n", 400),
    (b"GET /hea lthz HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: b\x00c\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n", 400),
    (b"\x00" * 128 + b"\r\n\r\n", 400),
    (HEAD + b"content-length: many\r\n\r\n{}", 400),
    (HEAD + b"content-length: -1\r\n\r\n{}", 400),
    (HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
    (HEAD + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
    (HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400),
    (HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n{}no end\r\n0\r\n\r\n", 400),
    (HEAD + b"x-long: " + b"a" * 20000 + b"\r\n\r\n", 431),
    (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 431),
    (HEAD + b"content-length: 99999999\r\n\r\n" + b"a" * 100000, 413),
    (HEAD + b"transfer-encoding: chunked\r\n\r\nffffffff\r\n" + b"a" * 100000, 413),
]
MALFORMED_JSON = [
    b"", b"null", b"[]", b"{", b'{"model": "default", "prompt": "a"', b'{"model": "default", "prompt": "a"} x', b"\x00" * 64,
    b'{"model": "default", "prompt": "\xff\xfe"}', b"[" * 100000, b'{"a":' * 100000, b'{"model": "default", "prompt": {"a": 1}}',
    b'{"model": "default", "prompt": "a", "max_tokens": 1e400}', b'{"model": "default", "prompt": "a", "temperature": NaN}',
    b'{"model": "default", "prompt": "a", "exit": {"mode": "no such"}}', b'{"model": "default", "prompt": [[]]}',
    b'{"model": "default", "prompt": [-1]}', b'{"model": "default", "prompt": ""}',
]


class Hostile:
    """One client; it does one thing after the other, each on a connection of its own."""

    def __init__(self, port: int, seed: int, until: Until, asked: Asked, tally: Tally) -> None:
        self.port, self.until, self.asked, self.tally = port, until, asked, tally
        self.draw = random.Random(seed)

    async def run(self, first: int) -> None:
        turn = first
        while not self.until.over():
            kind = self.KINDS[turn % len(self.KINDS)]
            turn += 1
            try:
                await kind(self)
            except (OSError, EOFError):  # the server closed it first: so it may, to such clients
                self.tally.kinds["hostile ones cut off"] += 1
            except (ValueError, AssertionError) as error:
                self.tally.wrong.append(f"{kind.__name__}: {error!r}")
            self.tally.kinds[kind.__name__] += 1

    def left(self, most: float) -> float:
        """Up to `most` seconds, and not beyond the end."""
        return min(self.draw.uniform(0, most), self.until.left())

    def chat(self) -> dict[str, Any]:
        return {"model": "default", "messages": [{"role": "user", "content": f"Count to {self.draw.randint(1, 99)}."}],
                "max_tokens": 40, "ignore_eos": True, "stream": self.draw.random() < 0.7}

    async def drip(self, connection: Connection, piece: bytes) -> None:
        """Until the server has enough, with whatever status but one that says that this was a request."""
        while not self.until.over():
            await connection.send(piece)
            try:
                got = await asyncio.wait_for(connection.reader.read(4096), DRIP_S)
            except asyncio.TimeoutError:
                continue
            assert not got or got.startswith(b"HTTP/1.1 4"), got
            self.tally.kinds["drips that the server ended"] += 1
            return

    async def slow_header(self) -> None:
        async with Connection(self.port) as connection:
            await connection.send(HEAD)
            await self.drip(connection, b"x-a: b\r\n")

    async def slow_body(self) -> None:
        async with Connection(self.port) as connection:
            chunked = self.draw.random() < 0.5
            await connection.send(HEAD + (b"transfer-encoding: chunked\r\n\r\n" if chunked else b"content-length: 100000\r\n\r\n"))
            await self.drip(connection, b"1\r\n \r\n" if chunked else b" ")

    async def deaf_to_stream(self) -> None:
        async with Connection(self.port, unread_bytes=4096) as connection:
            body = self.chat() | {"stream": True, "n": 4, "logprobs": True, "top_logprobs": 20}
            await connection.send(post(VANISHING_ROUTE, body))
            await asyncio.sleep(self.left(20))

    async def deaf_to_pipeline(self) -> None:
        """6 MB of answers: more than sockets hold."""
        async with Connection(self.port, unread_bytes=4096) as connection:
            await connection.send(get("/openapi.json") * 128)
            await asyncio.sleep(self.left(40))

    async def malformed_http(self) -> None:
        data, status = self.draw.choice(MALFORMED_HTTP)
        async with Connection(self.port) as connection:
            await asyncio.sleep(self.left(1))
            await connection.send(data)
            response = await self.tally.answer(connection, "none")
            assert response.status == status or response.status in PUT_OFF, (data[:100], response)
            assert response.closes and await connection.rest() == b"", (data[:100], response)

    async def malformed_json(self) -> None:
        """A 400, and the connection is as good as before."""
        async with Connection(self.port) as connection:
            for _ in range(4):
                content = self.draw.choice(MALFORMED_JSON)
                await connection.send(post(ROUTE, content))
                response = await self.tally.answer(connection, ROUTE)
                assert response.status == 400 or response.status in PUT_OFF, (content[:100], response)
                if response.closes:
                    return
                await asyncio.sleep(self.left(0.5))

    async def vanishes_at_once(self) -> None:
        async with Connection(self.port) as connection:
            data = post(VANISHING_ROUTE, self.chat())
            await connection.send(data if self.draw.random() < 0.7 else data[:self.draw.randrange(len(data))])
            await asyncio.sleep(self.left(0.3) if self.draw.random() < 0.5 else 0)

    async def vanishes_in_stream(self) -> None:
        async with Connection(self.port) as connection:
            await connection.send(post(VANISHING_ROUTE, self.chat() | {"stream": True}))
            head = await connection.reader.readuntil(b"\r\n\r\n")
            if int(head.split()[1]) in PUT_OFF:
                return
            assert head.startswith(b"HTTP/1.1 200"), head
            await connection.reader.readuntil(b"\n\n")
            await asyncio.sleep(self.left(0.5))

    async def half_closes(self) -> None:
        """With a request not whole, or whole: whether that one is answered is the server's to say."""
        async with Connection(self.port) as connection:
            data = post(VANISHING_ROUTE, self.chat())
            whole = self.draw.random() < 0.5
            await connection.send(data if whole else data[:self.draw.randrange(1, len(data))])
            connection.end()
            got = await connection.rest()
            assert whole or not got.startswith(b"HTTP/1.1 200"), got
            await asyncio.sleep(self.left(1))

    async def pipelines(self) -> None:
        i = self.draw.randrange(len(self.asked.bodies))
        async with Connection(self.port) as connection:
            tokenize = post("/tokenize", {"model": "default", "prompt": "a b"})
            await connection.send(get("/v1/models") + post(ROUTE, self.asked.bodies[i]) + tokenize)
            for route in ("/v1/models", ROUTE, "/tokenize"):
                response = await self.tally.answer(connection, route)
                assert response.status == 200 or response.status in PUT_OFF, (route, response)
                if route == ROUTE and response.status == 200:
                    assert said(response) == self.asked.answers[i], (said(response), self.asked.answers[i])

    async def says_nothing(self) -> None:
        async with Connection(self.port):
            await asyncio.sleep(self.left(5))

    KINDS = (slow_header, deaf_to_stream, malformed_http, vanishes_at_once, slow_body, pipelines, vanishes_in_stream, malformed_json,
             deaf_to_pipeline, half_closes, says_nothing)
