"""The writer thread: it takes the units that wait, as a group, and gives the group away to be committed.

One per process on both engines. SQLite has room for no second; on PostgreSQL a second made writing slower (ADR 0011).
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from node.db.common import DATABASE_THREAD, T, Work
from node.errors import Unavailable

GROUP_MAX = 64
"""Units that share one commit at the most, unless one `write_all` brings more."""

Outcome = tuple[bool, Any]
"""(True, the unit's result) or (False, the error that its caller shall get)."""


@dataclass(slots=True, eq=False)
class Unit:
    """A write that waits, since a moment of `time.monotonic`."""

    work: Work[Any]
    future: "Future[Any]"
    since: float

    def settle(self, outcome: Outcome) -> None:
        worked, value = outcome
        if worked:
            self.future.set_result(value)
        else:
            self.future.set_exception(value)


class Writer:
    """`commit` runs a group of units and settles each, success only when it is on disk."""

    def __init__(self, commit: Callable[[list[Unit]], None]) -> None:
        self._commit = commit
        self._queue: queue.SimpleQueue[Unit | list[Unit] | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"{DATABASE_THREAD}-writer", daemon=True)
        self._thread.start()

    async def write(self, work: Work[T]) -> T:
        unit = self._unit(work)
        self._queue.put(unit)
        result: T = await asyncio.wrap_future(unit.future)
        return result

    async def write_all(self, works: Sequence[Work[Any]]) -> list[Any]:
        units = [self._unit(work) for work in works]
        self._queue.put(units)
        return await asyncio.gather(*(asyncio.wrap_future(unit.future) for unit in units), return_exceptions=True)

    def close(self) -> None:
        """Finish what waits, then stop. Further writes are refused."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()

    def _unit(self, work: Work[Any]) -> Unit:
        if self._closed:
            raise Unavailable("The server is shutting down; nothing was stored.")
        return Unit(work, Future(), time.monotonic())

    def _run(self) -> None:
        while units := self._take():
            live = [unit for unit in units if unit.future.set_running_or_notify_cancel()]
            try:
                if live:
                    self._commit(live)
            except BaseException as error:  # the thread must live: whatever it was, the waiting callers hear of it
                for unit in live:
                    if not unit.future.done():
                        unit.settle((False, error))

    def _take(self) -> list[Unit]:
        """Wait for work, then take what else is waiting. Empty: the writer was closed, and nothing is left."""
        units: list[Unit] = []
        while len(units) < GROUP_MAX:
            try:
                item = self._queue.get(block=not units)
            except queue.Empty:
                break
            if item is None:
                if units:
                    self._queue.put(None)
                break
            if isinstance(item, list):
                units.extend(item)
            else:
                units.append(item)
        return units
