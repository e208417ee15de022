"""Ears at the streams of a served node: what somebody hears until a bell rings, by WebSocket or as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import websockets

from tests.support.visibility_stage import Stage

STREAMS = {"U": "user", "P": "public", "L": "public:local", "T": "hashtag"}
Frames = AsyncIterator[tuple[str, str, str]]
"""(stream, event, payload) as they come."""


async def by_socket(base: str, stage: Stage, name: str, stack: AsyncExitStack) -> dict[str, Frames]:
    """All streams over one connection."""
    address = base.replace("http", "ws") + "/api/v1/streaming"
    socket = await stack.enter_async_context(websockets.connect(address, additional_headers=stage.bearer(name)))
    for stream in STREAMS.values():
        await socket.send(json.dumps({"type": "subscribe", "stream": stream, "tag": "risk"}))
    await socket.send('{"type": "answer"}')  # what this is answered with comes after all that was asked for before
    assert "error" in json.loads(await socket.recv())

    async def frames() -> Frames:
        async for text in socket:
            frame = json.loads(text)
            yield frame["stream"][0], frame["event"], frame["payload"]

    return {"".join(STREAMS): frames()}


async def by_events(base: str, stage: Stage, name: str, stack: AsyncExitStack) -> dict[str, Frames]:
    """Each stream over a request of its own."""
    http = await stack.enter_async_context(httpx.AsyncClient(base_url=base, headers=stage.bearer(name), timeout=20))
    found: dict[str, Frames] = {}
    for letter, stream in STREAMS.items():
        path = f"/api/v1/streaming/{stream.replace(':', '/')}"
        answer = await stack.enter_async_context(http.stream("GET", path, params={"tag": "risk"}))
        lines = answer.aiter_lines()
        assert await anext(lines) == ":)"
        found[letter] = _events(stream, lines)
    return found


async def _events(stream: str, lines: AsyncIterator[str]) -> Frames:
    event = ""
    async for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "data":
            yield stream, event, value


async def until(frames: Frames, bell: int, letters: str) -> set[tuple[str, str, int]]:
    """(letter, event, post id) of all that was heard before the bell was, on each of these streams."""
    waiting, heard = set(letters + "N" * ("U" in letters)), set()
    names = {stream: letter for letter, stream in STREAMS.items()}
    while waiting:
        stream, event, payload = await asyncio.wait_for(anext(frames), 10)
        told = json.loads(payload)
        post_id = int(told if event == "delete" else told["status"]["id"] if event == "notification" else told["id"])
        letter = "N" if event == "notification" else names[stream]
        if post_id == bell:
            waiting.discard(letter)
        else:
            assert letter in waiting, "it came after what was said last"
            heard.add((letter, event, post_id))
    return heard
