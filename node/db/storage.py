"""Units of work in, results out after COMMIT: the same on both engines.

Units that wait together share one transaction, each in a savepoint of its own. The whole transaction may end under one of
them (a full disk on SQLite, a serialisation failure on PostgreSQL); then nothing of it is stored, and each unit is run again
alone, so that one bad unit does not take the others with it. Rules must therefore bear to be run again from the start.
"""

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from node.db.common import (
    BUSY_SECONDS,
    DATABASE_THREAD,
    T,
    Work,
    is_conflict,
    is_passing,
    is_race,
    refuse_sockets_on_database_threads,
)
from node.db.statements import Statements, run_text
from node.db.writer import Outcome, Unit, Writer
from node.errors import Unavailable

GROUP_TRIES = 3
"""Runs of a group that loses against another process, before its units go alone."""
RACE_TRIES = 3
PAUSE = 0.004
LONGEST_PAUSE = 0.1
"""Seconds between runs: up to PAUSE, doubled each time, up to LONGEST_PAUSE."""


@dataclass(slots=True)
class Figures:
    """What `/metrics` and `/healthz` say of the database. Seconds; times are of `time.monotonic`."""

    writes: int = 0
    groups: int = 0
    reruns: int = 0
    waited: float = 0.0
    failed_at: float | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Database:
    """An engine whose connections are in autocommit, and how to begin: whoever uses one says BEGIN and COMMIT."""

    engine: Engine
    begin_read: str
    begin_write: str
    local: bool
    """The data lie in this process's reach, so that a short read costs less than a hop to a thread and back (ADR 0010)."""


class Storage:
    """One writer thread and `readers` reader threads on `database`."""

    def __init__(self, database: Database, *, readers: int) -> None:
        refuse_sockets_on_database_threads()
        self.figures = Figures()
        self.engine = database.engine
        self.statements = Statements()
        self._database = database
        self._here = threading.local()
        self._open: set[Connection] = set()
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix=DATABASE_THREAD)
        self._writer = Writer(self._commit)

    async def read(self, work: Work[T], *, quick: bool = False) -> T:
        """`quick` promises that the work takes about as long as a hop to a thread and back; see ADR 0010."""
        if quick and self._database.local:
            return self._read(work)  # here, on the event loop's thread: threads that want the interpreter cost more
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def write(self, work: Work[T]) -> T:
        return await self._writer.write(work)

    async def write_all(self, works: Sequence[Work[Any]]) -> list[Any]:
        """Run the units in order, each on its own: a result, or the exception it raised, for each."""
        return await self._writer.write_all(works)

    def close(self) -> None:
        """Finish what waits, then close. Further writes are refused."""
        self._writer.close()
        self._readers.shutdown()
        for connection in self._open:
            connection.close()
        self._open.clear()
        self.engine.dispose()

    # --- on the threads ------------------------------------------------------

    def _connection(self) -> Connection:
        """This thread's."""
        connection: Connection | None = getattr(self._here, "connection", None)
        if connection is None:
            connection = self._here.connection = self.engine.connect()
            self._open.add(connection)
        return connection

    def _read(self, work: Work[T]) -> T:
        for last in (False, True):
            try:
                connection = self._connection()
                run_text(connection, self._database.begin_read)
                try:
                    return work(connection)
                finally:
                    self._roll_back(connection)
            except DBAPIError as error:
                # A connection that died while idle is not the caller's trouble: once more on a new one.
                if last or not error.connection_invalidated:
                    raise self._explained(error) from error
        raise AssertionError("unreachable")

    def _commit(self, units: list[Unit]) -> None:
        now = time.monotonic()
        self.figures.writes += len(units)
        self.figures.groups += 1
        self.figures.waited += sum(now - unit.since for unit in units)
        outcomes = self._together(units) if len(units) > 1 else None
        for index, unit in enumerate(units):
            unit.settle(self._alone(unit.work) if outcomes is None else outcomes[index])

    def _together(self, units: list[Unit]) -> list[Outcome] | None:
        """All units in one transaction. None: it could not be kept, and nothing of it is stored."""
        for attempt in range(GROUP_TRIES):
            try:
                return self._transact(lambda connection: [_in_savepoint(connection, unit.work) for unit in units])
            except Unavailable as error:
                return [(False, error)] * len(units)
            except DBAPIError as error:
                self.figures.reruns += 1
                if not is_conflict(error):
                    return None
                _pause(attempt)
        return None

    def _alone(self, work: Work[Any]) -> Outcome:
        begun, attempt = time.monotonic(), 0
        while True:
            try:
                return True, self._transact(work)
            except DBAPIError as error:
                if not _worth_another_run(error, attempt, time.monotonic() - begun):
                    return False, self._explained(error)
            except Exception as error:
                return False, error
            self.figures.reruns += 1
            _pause(attempt)
            attempt += 1

    def _transact(self, body: Callable[[Connection], T]) -> T:
        """BEGIN, `body`, COMMIT; rolled back if anything raises. Unavailable: nobody knows whether COMMIT came through."""
        connection = self._connection()
        committing = False
        try:
            run_text(connection, self._database.begin_write)
            result = body(connection)
            committing = True
            run_text(connection, "COMMIT")
        except BaseException as error:
            self._roll_back(connection)
            if committing and isinstance(error, DBAPIError) and error.connection_invalidated:
                # Run again, what is stored already would be stored twice; its caller has an Idempotency-Key for that.
                raise self._explained(error) from error
            raise
        self.figures.failed_at = None
        return result

    def _roll_back(self, connection: Connection) -> None:
        """Whatever state it is in. A connection that cannot even do that is thrown away."""
        try:
            if not connection.invalidated:
                if _in_transaction(connection):
                    run_text(connection, "ROLLBACK")
                return
        except DBAPIError:
            connection.invalidate()
        self._here.connection = None
        self._open.discard(connection)
        with contextlib.suppress(DBAPIError):
            connection.close()

    def _explained(self, error: DBAPIError) -> Exception:
        if is_conflict(error):
            return Unavailable("The database is busy; nothing was stored. Try again.")
        if not is_passing(error):
            return error
        self.figures.failed_at = time.monotonic()
        self.figures.failure = str(error.orig)
        return Unavailable()


def _in_savepoint(connection: Connection, work: Work[Any]) -> Outcome:
    """What the unit made, or the error that it raised. Errors of the database end the whole group."""
    run_text(connection, "SAVEPOINT unit")
    try:
        outcome = True, work(connection)
    except DBAPIError:
        raise
    except Exception as error:
        run_text(connection, "ROLLBACK TO SAVEPOINT unit")
        outcome = False, error
    run_text(connection, "RELEASE SAVEPOINT unit")
    return outcome


def _in_transaction(connection: Connection) -> bool:
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        return bool(driver.in_transaction)
    return bool(driver.info.transaction_status)  # 0 is IDLE


def _worth_another_run(error: DBAPIError, attempt: int, waited: float) -> bool:
    if is_conflict(error):
        return waited < BUSY_SECONDS
    if error.connection_invalidated:
        return attempt == 0  # it may have died while idle
    return is_race(error) and attempt < RACE_TRIES


def _pause(attempt: int) -> None:
    time.sleep(random.uniform(0, min(PAUSE * 2**attempt, LONGEST_PAUSE)))
