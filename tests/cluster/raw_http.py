"""HTTP/1.1 over a bare connection, for clients that keep it alive, pipeline, or break the rules. asyncio; no time-outs of its own."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any, NamedTuple


class Response(NamedTuple):
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def closes(self) -> bool:
        return self.headers.get("connection", "").lower() == "close"


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()


def post(path: str, body: dict[str, Any] | bytes) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


class Connection:
    """One connection to the local port. Context manager: closed at the end, whatever is still to come.

    `unread_bytes`: about so much is taken from the server before somebody reads here (None: as the system likes)."""

    def __init__(self, port: int, unread_bytes: int | None = None) -> None:
        self.port = port
        self.unread_bytes = unread_bytes

    async def __aenter__(self) -> "Connection":
        s = socket.socket()
        s.setblocking(False)
        if self.unread_bytes:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.unread_bytes)
        await asyncio.get_running_loop().sock_connect(s, ("127.0.0.1", self.port))
        self.reader, self.writer = await asyncio.open_connection(sock=s, limit=self.unread_bytes or 1 << 20)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()  # what is not read any more must not hold up the next

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def end(self) -> None:
        """Nothing more will be sent; answers can still come."""
        self.writer.write_eof()

    async def response(self) -> Response:
        """The next one, whole. IncompleteReadError where the server closes before its end."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        return Response(int(head[0].split()[1]), headers, await self.body(headers))

    async def body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await self.reader.readexactly(int(headers["content-length"]))
        parts = []
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            parts.append((await self.reader.readexactly(size + 2))[:-2])
        await self.reader.readexactly(2)
        return b"".join(parts)

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        return await self.reader.read(-1)
