"""The bell: a hint that a table has something new (design, decision 10).

Tables are the truth; whoever listens also looks once a second by itself, so a lost ring costs a moment and nothing else.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator

EVENT = "event"
INBOX = "inbox"
DELIVERY = "delivery"
JOB = "job"
ROSTER = "roster"
TOPICS = frozenset({EVENT, INBOX, DELIVERY, JOB, ROSTER})


class Listener:
    """Waits for rings of one topic. Rings while nobody waits are kept as one."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, seconds: float) -> bool:
        """True when the bell rang, False after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True


class Bell:
    """Rings within the process. `relay` (PostgreSQL) also tells the other processes."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Listener]] = {topic: set() for topic in TOPICS}

    @contextlib.contextmanager
    def listen(self, topic: str) -> Iterator[Listener]:
        listener = Listener()
        self._listeners[topic].add(listener)
        try:
            yield listener
        finally:
            self._listeners[topic].discard(listener)

    def ring(self, topics: Iterable[str]) -> None:
        """Call on the event loop's thread."""
        for topic in topics:
            for listener in self._listeners[topic]:
                listener.ring()
