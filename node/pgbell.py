"""The bell between processes on one PostgreSQL: LISTEN and NOTIFY, debounced.

A lost notification costs a moment and nothing else, since everybody looks by themselves once a second. So a failed
connection is simply opened anew. The connection that listens is also what shows that this process is alive.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable

import psycopg
import structlog
from sqlalchemy import make_url

from node import presence
from node.bell import TOPICS
from node.runtime import Node

log = structlog.get_logger(__name__)

CHANNEL = "corridor"
DEBOUNCE_SECONDS = 0.005
RETRY_SECONDS = 1.0


class Relay:
    """Carries rings of this process to the others and back. `start` and `stop` on the event loop."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._url = (
            make_url(node.settings.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        )
        self._pending: set[str] = set()
        self._wake = asyncio.Event()
        self._own: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._node.relay = self._relay
        self._tasks = [
            asyncio.create_task(self._for_ever(self._listen)),
            asyncio.create_task(self._for_ever(self._tell)),
        ]

    async def stop(self) -> None:
        self._node.relay = None
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _relay(self, topics: Iterable[str]) -> None:
        self._pending.update(topics)
        self._wake.set()

    async def _for_ever(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except psycopg.Error as error:
                log.warning("the bell between processes is interrupted", error=str(error))
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            number = presence.number()
            await connection.execute("SELECT pg_advisory_lock_shared(%s, %s)", (presence.CLASS, number))
            self._node.presence = number
            try:
                self._node.bell.ring(TOPICS)  # whatever rang while nobody listened
                async for notice in connection.notifies():
                    if notice.pid not in self._own and notice.payload in TOPICS:
                        self._node.bell.ring([notice.payload])
            finally:
                self._node.presence = None

    async def _tell(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            pid = connection.info.backend_pid
            self._own.add(pid)
            try:
                while True:
                    await self._wake.wait()
                    await asyncio.sleep(DEBOUNCE_SECONDS)
                    self._wake.clear()
                    topics, self._pending = sorted(self._pending), set()
                    await connection.execute(
                        "SELECT pg_notify(%s, topic) FROM unnest(%s::text[]) AS topic", (CHANNEL, topics)
                    )
            finally:
                self._own.discard(pid)
