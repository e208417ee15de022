"""SQLite: one writer thread with group commit, a few reader threads (design, decision 2).

Units that wait together share one BEGIN IMMEDIATE … COMMIT, each in a savepoint of its own; nobody hears of success
before that COMMIT, which is an fsync (`synchronous=FULL`). SQLite may end the whole transaction inside a savepoint (a full
disk does); then every unit of the group is run again alone, so that one bad unit does not take the others with it.
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from node.db.common import (
    DATABASE_THREAD,
    Figures,
    T,
    Work,
    in_transaction,
    is_passing,
    refuse_sockets_on_database_threads,
    roll_back,
)
from node.errors import Unavailable

GROUP_MAX = 64
"""Units that share one commit at the most."""
BUSY_SECONDS = 5.0
"""How long a write waits for another process that holds the SQLite file (a command run beside the server)."""


def sqlite_path(url: str) -> Path:
    """The file that a `sqlite:///…` URL names."""
    return Path(url.removeprefix("sqlite:///"))


def _prepare_sqlite(connection: sqlite3.Connection, _record: object = None) -> None:
    connection.isolation_level = None  # BEGIN and COMMIT are ours: the driver's own would come at the wrong moments
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={int(BUSY_SECONDS * 1000)}",
        "cache_size=-16000",
        "temp_store=MEMORY",
        "mmap_size=134217728",
        "wal_autocheckpoint=1000",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchone()


def sqlite_engine(url: str, *, pool_size: int = 2) -> Engine:
    """An engine whose connections are in autocommit: whoever uses one says BEGIN and COMMIT."""
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_reset_on_return=None,
        connect_args={"check_same_thread": False, "cached_statements": 512},
        query_cache_size=1500,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


@dataclass(slots=True, eq=False)
class _Unit:
    work: Work[Any]
    future: "Future[Any]"
    since: float


class SqliteStorage:
    def __init__(self, url: str, *, readers: int = 4) -> None:
        refuse_sockets_on_database_threads()
        self.figures = Figures()
        self.engine = sqlite_engine(url, pool_size=readers + 2)  # the writer's, and the event loop's for quick reads
        self._queue: queue.SimpleQueue[_Unit | list[_Unit] | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix=DATABASE_THREAD)
        self._local = threading.local()
        self._open: list[Connection] = []
        self._closed = False
        self._writer = threading.Thread(target=self._run, name=f"{DATABASE_THREAD}-writer", daemon=True)
        self._writer.start()

    async def read(self, work: Work[T], *, quick: bool = False) -> T:
        if quick:
            return self._read(work)  # here, on the event loop's thread: threads that want the interpreter cost more
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

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
        """Finish what waits, then close. Further writes are refused."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._writer.join()
        self._readers.shutdown()
        for connection in self._open:
            connection.close()
        self.engine.dispose()

    def _unit(self, work: Work[Any]) -> _Unit:
        if self._closed:
            raise Unavailable("The server is shutting down; nothing was stored.")
        return _Unit(work, Future(), time.monotonic())

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self.engine.connect()
            self._open.append(connection)
        return connection

    def _read(self, work: Work[T]) -> T:
        try:
            connection = self._connection()
            connection.exec_driver_sql("BEGIN")
            try:
                return work(connection)
            finally:
                connection.exec_driver_sql("ROLLBACK")
        except DBAPIError as error:
            raise self._explained(error) from error

    def _run(self) -> None:
        connection: Connection | None = None
        while True:
            units = self._take()
            if not units:
                break
            try:
                connection = connection or self.engine.connect()
                self._group(connection, units)
            except BaseException as error:  # the thread must live: whatever it was, the waiting callers hear of it
                for unit in units:
                    _fail(unit, self._explained(error))
        if connection is not None:
            connection.close()

    def _take(self) -> list[_Unit]:
        """Wait for work, then take what else is waiting. Empty: the storage was closed."""
        units: list[_Unit] = []
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
        return [unit for unit in units if unit.future.set_running_or_notify_cancel()]

    def _group(self, connection: Connection, units: list[_Unit]) -> None:
        now = time.monotonic()
        self.figures.writes += len(units)
        self.figures.groups += 1
        self.figures.waited += sum(now - unit.since for unit in units)
        if len(units) == 1:
            return self._alone(connection, units[0])
        outcomes = self._together(connection, units)
        if outcomes is None:  # the transaction died under one of them, and nothing of it is stored
            self.figures.reruns += 1
            for unit in units:
                self._alone(connection, unit)
            return None
        for unit, (ok, value) in zip(units, outcomes, strict=True):
            _settle(unit, ok, value)
        return None

    def _together(self, connection: Connection, units: list[_Unit]) -> list[tuple[bool, Any]] | None:
        """All units in one transaction: (worked, result or error) of each after COMMIT, or None if it could not be kept."""
        outcomes: list[tuple[bool, Any]] = []
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            for unit in units:
                connection.exec_driver_sql("SAVEPOINT unit")
                try:
                    outcomes.append((True, unit.work(connection)))
                except Exception as error:
                    if is_passing(error) or not in_transaction(connection):
                        roll_back(connection)
                        return None
                    connection.exec_driver_sql("ROLLBACK TO unit")
                    outcomes.append((False, error))
                connection.exec_driver_sql("RELEASE unit")
            connection.exec_driver_sql("COMMIT")
        except DBAPIError:
            roll_back(connection)
            return None
        return outcomes

    def _alone(self, connection: Connection, unit: _Unit) -> None:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            result = unit.work(connection)
            connection.exec_driver_sql("COMMIT")
        except BaseException as error:
            roll_back(connection)
            _fail(unit, self._explained(error))
        else:
            self.figures.failed_at = None
            _settle(unit, True, result)

    def _explained(self, error: BaseException) -> BaseException:
        if not is_passing(error):
            return error
        self.figures.failed_at = time.monotonic()
        self.figures.failure = str(getattr(error, "orig", error))
        return Unavailable()


def _settle(unit: _Unit, ok: bool, value: Any) -> None:
    if ok:
        unit.future.set_result(value)
    else:
        _fail(unit, value)


def _fail(unit: _Unit, error: BaseException) -> None:
    if not unit.future.done():
        unit.future.set_exception(error)
