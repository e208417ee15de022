"""Servers on loopback that answer as they are told, rightly or wrongly; and the client that asks them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from activitypub.client import Client
from activitypub.guard import Guard
from activitypub.signatures import Flavour, Request, SigningKey, VerifyKey, presented
from activitypub.vocabulary import AP_TYPE, Iri

NOW = 1_800_000_000.0


USER_AGENT = "Corridor/1.0 (+https://sales.test/)"


Answer = bytes | AsyncIterator[bytes]


Handler = Callable[[Request], Answer]


@dataclass
class Peer:
    """A server that answers each path as it was told to, and keeps what it was asked. It speaks raw HTTP, so that it
    can also speak it wrongly; an answer is bytes, or an iterator of bytes which are flushed one by one."""

    port: int = 0
    scheme: str = "http"
    asked: list[Request] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    busiest: int = 0
    keep: Callable[[int], bool] = lambda count: True  # whether to keep a connection that has served so many requests
    paths: dict[str, Handler] = field(default_factory=dict)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def url(self, path: str) -> str:
        return f"{self.scheme}://{self.authority}{path}"

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    def says(self, path: str, answer: bytes) -> str:
        self.paths[path] = lambda request: answer
        return self.url(path)

    def does(self, path: str, handler: Handler) -> str:
        self.paths[path] = handler
        return self.url(path)

    def note(self, path: str, **more: Any) -> str:
        """Serves a small document at this path, whose id is the URL of the path unless told otherwise."""
        return self.says(path, document(**{"id": self.url(path), **more}))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            served = 0
            while await self._answer(reader, writer):
                served += 1
                if not self.keep(served):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = [(n.lower(), v.strip()) for n, _, v in (line.partition(":") for line in head[1:] if line)]
        body = await reader.readexactly(int(dict(headers).get("content-length", "0")))
        request = Request(method, target, headers, body)
        self.asked.append(request)
        self.open += 1
        self.busiest = max(self.busiest, self.open)
        try:
            answer = self.paths.get(target.partition("?")[0], _nothing_there)(request)
            if isinstance(answer, bytes):
                writer.write(answer)
            else:
                async for piece in answer:
                    writer.write(piece)
                    await writer.drain()
            await writer.drain()
        finally:
            self.open -= 1
        return b"connection: close" not in (answer if isinstance(answer, bytes) else b"")[:400]

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


def reply(status: int = 200, body: bytes = b"", *headers: str, content_type: str = AP_TYPE) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(body)}", f"content-type: {content_type}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def document(*, content_type: str = AP_TYPE, **doc: Any) -> bytes:
    return reply(200, json.dumps({"type": "Note", **doc}).encode(), content_type=content_type)


def _nothing_there(request: Request) -> bytes:
    return reply(404)


def moved(to: str, status: int = 302) -> bytes:
    return reply(status, b"", f"location: {to}")


Start = Callable[..., Awaitable[Peer]]


async def drip(head: bytes, piece: bytes, pause: float) -> AsyncIterator[bytes]:
    yield head
    while True:
        await asyncio.sleep(pause)
        yield piece


async def flood(head: bytes, piece: bytes) -> AsyncIterator[bytes]:
    yield head
    while True:
        yield piece


CHUNKED = f"HTTP/1.1 200 OK\r\ncontent-type: {AP_TYPE}\r\ntransfer-encoding: chunked\r\n"


def a_client(guard: Guard | None = None, **more: Any) -> Client:
    return Client(
        guard or Guard(allow_http=True, private="loopback"), **{"user_agent": USER_AGENT, "clock": lambda: NOW, **more}
    )


def verified(request: Request, peer: Peer, key: SigningKey) -> Flavour:
    """How the request was signed, or SignatureInvalid."""
    found = presented(request, authority=peer.authority, scheme=peer.scheme, now=NOW)
    found.verify(VerifyKey(key.id, Iri("https://sales.test/actor"), key.private.public_key()))
    return found.flavour
