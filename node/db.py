"""The two databases, behind one interface: units of work go in, results come out after COMMIT.

A unit is a plain function of a SQLAlchemy Connection. Reads run in a transaction that is rolled back; writes are committed.

* SQLite: one writer thread with group commit, a few reader threads (design, decision 2). Units that wait together share
  one BEGIN IMMEDIATE … COMMIT, each in a savepoint of its own; nobody hears of success before that COMMIT, which is an
  fsync (`synchronous=FULL`). SQLite may end the whole transaction inside a savepoint (a full disk does); then every unit
  of the group is run again alone, so that one bad unit does not take the others with it.
* PostgreSQL: the same functions on a pool, writes SERIALIZABLE with bounded re-runs, so that check-then-insert means the
  same on both engines.
"""

import asyncio
import contextlib
import functools
import queue
import random
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, Executable, Table, create_engine, event
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.pool import QueuePool

from node.errors import Unavailable

T = TypeVar("T")
Work = Callable[[Connection], T]

GROUP_MAX = 64
"""Units that share one commit at the most."""
BUSY_SECONDS = 5.0
"""How long a write waits for another process that holds the SQLite file (a command run beside the server)."""
PG_TRIES = 12
"""Runs of one PostgreSQL write before serialisation failures become `Unavailable`."""

_DATABASE_THREAD = "corridor-db"
_SQLITE_PASSING = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PROTOCOL,
}


@dataclass(slots=True)
class Figures:
    """What `/metrics` and `/healthz` say of the database. Seconds; times are of `time.monotonic`."""

    writes: int = 0
    groups: int = 0
    reruns: int = 0
    waited: float = 0.0
    failed_at: float | None = None
    failure: str = ""


class Storage(Protocol):
    """What `Node` needs of a database."""

    engine: Engine
    figures: Figures

    async def read(self, work: Work[T], *, quick: bool = False) -> T:
        """`quick` promises that the work takes about as long as a hop to a thread and back; see ADR 0010."""
        ...

    async def write(self, work: Work[T]) -> T: ...

    async def write_all(self, works: Sequence[Work[Any]]) -> list[Any]:
        """Run the units in order, each on its own: a result, or the exception it raised, for each."""
        ...

    def close(self) -> None: ...


def connect(url: str, *, readers: int = 4, pool: int = 8) -> Storage:
    """Open the database at `url` (`sqlite:///path` or `postgresql+psycopg://…`)."""
    if url.startswith("sqlite"):
        return SqliteStorage(url, readers=readers)
    return PostgresStorage(url, pool=pool)


def is_passing(error: BaseException) -> bool:
    """True for failures of the machine (full disk, lock, lost connection), as opposed to mistakes of ours."""
    if not isinstance(error, DBAPIError):
        return False
    original = error.orig
    if isinstance(original, sqlite3.Error):
        code = getattr(original, "sqlite_errorcode", None)
        return code is not None and (code & 0xFF) in _SQLITE_PASSING
    if error.connection_invalidated:
        return True
    state = getattr(original, "sqlstate", None)
    # 08 connection, 53 resources (53100 disk full), 57 operator intervention, 58 system error
    return (state is None and isinstance(error, OperationalError)) or str(state)[:2] in {"08", "53", "57", "58"}


# --- SQLite ------------------------------------------------------------------


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
        _refuse_sockets_on_database_threads()
        self.figures = Figures()
        self.engine = sqlite_engine(url, pool_size=readers + 2)  # the writer's, and the event loop's for quick reads
        self._queue: queue.SimpleQueue[_Unit | list[_Unit] | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix=_DATABASE_THREAD)
        self._local = threading.local()
        self._open: list[Connection] = []
        self._closed = False
        self._writer = threading.Thread(target=self._run, name=f"{_DATABASE_THREAD}-writer", daemon=True)
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
                    if is_passing(error) or not _in_transaction(connection):
                        _roll_back(connection)
                        return None
                    connection.exec_driver_sql("ROLLBACK TO unit")
                    outcomes.append((False, error))
                connection.exec_driver_sql("RELEASE unit")
            connection.exec_driver_sql("COMMIT")
        except DBAPIError:
            _roll_back(connection)
            return None
        return outcomes

    def _alone(self, connection: Connection, unit: _Unit) -> None:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            result = unit.work(connection)
            connection.exec_driver_sql("COMMIT")
        except BaseException as error:
            _roll_back(connection)
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


def _in_transaction(connection: Connection) -> bool:
    driver = connection.connection.driver_connection
    return bool(driver is not None and driver.in_transaction)


def _roll_back(connection: Connection) -> None:
    if _in_transaction(connection):
        with contextlib.suppress(DBAPIError):
            connection.exec_driver_sql("ROLLBACK")


# --- PostgreSQL --------------------------------------------------------------


class PostgresStorage:
    def __init__(self, url: str, *, pool: int = 8) -> None:
        _refuse_sockets_on_database_threads()
        self.figures = Figures()
        options = {"pool_size": pool, "max_overflow": 0, "pool_pre_ping": False, "query_cache_size": 1500}
        self.engine = create_engine(url, isolation_level="SERIALIZABLE", **options)
        self._reading = create_engine(
            url, isolation_level="REPEATABLE READ", execution_options={"postgresql_readonly": True}, **options
        )
        self._again = threading.Lock()
        self._writers = ThreadPoolExecutor(pool, thread_name_prefix=f"{_DATABASE_THREAD}-w")
        self._readers = ThreadPoolExecutor(pool, thread_name_prefix=f"{_DATABASE_THREAD}-r")

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


# --- both --------------------------------------------------------------------


@functools.cache
def _refuse_sockets_on_database_threads() -> None:
    """A transaction must not wait for the network: refuse `connect` on the threads that run units of work.

    libpq opens its own sockets outside Python, so the audit hook sees only ours.
    """

    def hook(name: str, _args: tuple[Any, ...]) -> None:
        if name in ("socket.connect", "socket.getaddrinfo") and threading.current_thread().name.startswith(
            _DATABASE_THREAD
        ):
            raise RuntimeError("network access inside a database transaction")

    sys.addaudithook(hook)


@contextlib.contextmanager
def exclusive(engine: Engine) -> Iterator[Connection]:
    """One write transaction for a command that runs beside the server (migrations, restore)."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                _roll_back(connection)
                raise
            connection.exec_driver_sql("COMMIT")
        else:
            yield connection
            connection.commit()


def insert_or_ignore(dialect: str, table: Table, unique: Sequence[str]) -> Executable:
    """INSERT … ON CONFLICT (unique) DO NOTHING on either engine. `rowcount` tells whether a row was written."""
    make = sqlite_insert if dialect == "sqlite" else postgres_insert
    statement = make(table).on_conflict_do_nothing(index_elements=list(unique)).inline()
    # For an INSERT, SQLAlchemy asks the driver for the rowcount only when told to: on PostgreSQL it would be -1.
    return statement.execution_options(preserve_rowcount=True)
