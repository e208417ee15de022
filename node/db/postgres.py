"""PostgreSQL: the same functions on a pool, writes SERIALIZABLE with bounded re-runs.

So check-then-insert means the same as on SQLite, where there is one writer.
"""

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from node.db.common import DATABASE_THREAD, Figures, T, Work, is_passing, refuse_sockets_on_database_threads
from node.errors import Unavailable

PG_TRIES = 12
"""Runs of one PostgreSQL write before serialisation failures become `Unavailable`."""


class PostgresStorage:
    def __init__(self, url: str, *, pool: int = 8) -> None:
        refuse_sockets_on_database_threads()
        self.figures = Figures()
        options = {"pool_size": pool, "max_overflow": 0, "pool_pre_ping": False, "query_cache_size": 1500}
        self.engine = create_engine(url, isolation_level="SERIALIZABLE", **options)
        self._reading = create_engine(
            url, isolation_level="REPEATABLE READ", execution_options={"postgresql_readonly": True}, **options
        )
        self._again = threading.Lock()
        self._writers = ThreadPoolExecutor(pool, thread_name_prefix=f"{DATABASE_THREAD}-w")
        self._readers = ThreadPoolExecutor(pool, thread_name_prefix=f"{DATABASE_THREAD}-r")

    async def read(self, work: Work[T], *, quick: bool = False) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def write(self, work: Work[T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writers, self._write, work, time.monotonic())

    async def write_all(self, works: Sequence[Work[Any]]) -> list[Any]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writers, self._write_all, list(works))

    def close(self) -> None:
        self._writers.shutdown()
        self._readers.shutdown()
        self.engine.dispose()
        self._reading.dispose()

    def _read(self, work: Work[T]) -> T:
        for last in (False, True):
            try:
                with self._reading.connect() as connection:
                    return work(connection)
            except DBAPIError as error:
                # A connection that died while idle in the pool is not the caller's trouble: once more on a new one.
                if last or not error.connection_invalidated:
                    raise self._explained(error) from error
        raise AssertionError("unreachable")

    def _write(self, work: Work[T], since: float) -> T:
        self.figures.writes += 1
        self.figures.waited += time.monotonic() - since
        for attempt in range(PG_TRIES):
            try:
                with self._turn(attempt), self.engine.connect() as connection:
                    result = work(connection)
                    connection.commit()
                self.figures.failed_at = None
                return result
            except DBAPIError as error:
                if not _worth_another_run(error, attempt):
                    raise self._explained(error) from error
                self.figures.reruns += 1
                time.sleep(random.uniform(0, min(0.004 * 2**attempt, 0.1)))
        raise Unavailable("The database is busy; nothing was stored. Try again.")

    def _turn(self, attempt: int) -> contextlib.AbstractContextManager[Any]:
        """Who failed runs again alone, and while somebody does, new writes wait.

        Otherwise people who write at the same time on many connections (all of which count at the same account) overtake
        each other's repetitions until somebody has no tries left.
        """
        return self._again if attempt or self._again.locked() else contextlib.nullcontext()

    def _write_all(self, works: list[Work[Any]]) -> list[Any]:
        """One commit for all while that works, else each alone."""
        try:
            with self.engine.connect() as connection:
                outcomes: list[Any] = []
                for work in works:
                    outcomes.append(_in_savepoint(connection, work))
                connection.commit()
            self.figures.writes += len(works)
            self.figures.groups += 1
            return outcomes
        except DBAPIError:
            self.figures.reruns += 1
        return [self._outcome(work) for work in works]

    def _outcome(self, work: Work[Any]) -> Any:
        try:
            return self._write(work, time.monotonic())
        except Exception as error:
            return error

    def _explained(self, error: DBAPIError) -> BaseException:
        if not is_passing(error):
            return error
        self.figures.failed_at = time.monotonic()
        self.figures.failure = str(error.orig)
        return Unavailable()


def _in_savepoint(connection: Connection, work: Work[Any]) -> Any:
    """The result of the unit or the error it raised; database errors end the whole group."""
    savepoint = connection.begin_nested()
    try:
        result = work(connection)
    except DBAPIError:
        raise
    except Exception as error:
        savepoint.rollback()
        return error
    savepoint.commit()
    return result


def _worth_another_run(error: DBAPIError, attempt: int) -> bool:
    """Serialisation failures, deadlocks, and two transactions that inserted the same key at once.

    A unique violation is raised by SERIALIZABLE too when a concurrent transaction won: the second run then sees its row.
    A violation that stays is a mistake of ours, and is raised after the third run.
    """
    state = getattr(error.orig, "sqlstate", None)
    if isinstance(error, IntegrityError):
        return state in {"23505", "23503"} and attempt < 3
    if error.connection_invalidated:
        return attempt < 2
    return state in {"40001", "40P01"}
