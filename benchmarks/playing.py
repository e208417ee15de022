"""Peers for the benchmarks, played by a process of their own with raw asyncio, so that they cost the measured one nothing.

    async with playing.peers(good=47, bad=True) as played: …

Good ones answer 202 at once. The bad ones: one has closed its port, one takes the connection and never answers, one takes
a second for each answer.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

SLOW_SECONDS = 1.0
ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Played:
    """Where the peers listen, on 127.0.0.1."""

    good: list[int]
    bad: list[int]
    process: asyncio.subprocess.Process

    async def last(self) -> float:
        """When a good one answered last (monotonic clock, seconds)."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        return float(await self.process.stdout.readline())


@contextlib.asynccontextmanager
async def peers(good: int, *, bad: bool = False) -> AsyncIterator[Played]:
    command = [sys.executable, "-m", "benchmarks.playing", str(good), *(["--bad"] if bad else [])]
    process = await asyncio.create_subprocess_exec(*command, stdin=-1, stdout=-1)
    try:
        assert process.stdout is not None
        ports = json.loads(await process.stdout.readline())
        yield Played(ports["good"], ports["bad"], process)
    finally:
        process.kill()
        await process.wait()


async def _play(good: int, *, bad: bool) -> None:
    """Ports on standard output, then for each line of input the time of the last good answer."""
    last = [0.0]

    async def peer_that(takes: float) -> asyncio.Server:
        return await asyncio.start_server(partial(_answer, [0.0] if takes else last, takes), "127.0.0.1", 0)

    servers = [await peer_that(0.0) for _ in range(good)]
    worse = [await peer_that(1e6), await peer_that(SLOW_SECONDS)] if bad else []
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = [closed.getsockname()[1]] if bad else []
    ports = {"good": [_port(one) for one in servers], "bad": [*dead, *(_port(one) for one in worse)]}
    print(json.dumps(ports), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(last[0], flush=True)


def _port(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


async def _answer(
    last: list[float], seconds: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            await asyncio.sleep(seconds)
            last[0] = time.monotonic()
            writer.write(ANSWER)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.playing", description=__doc__)
    parser.add_argument("good", type=int)
    parser.add_argument("--bad", action="store_true")
    options = parser.parse_args()
    asyncio.run(_play(options.good, bad=options.bad))
