"""What both engines share: the interface, the figures, which failures pass, and a guard for the threads."""

import contextlib
import functools
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, Executable, Table
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError, OperationalError

T = TypeVar("T")
Work = Callable[[Connection], T]

DATABASE_THREAD = "corridor-db"
"""How the names of threads begin that run units of work."""
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


@contextlib.contextmanager
def exclusive(engine: Engine) -> Iterator[Connection]:
    """One write transaction for a command that runs beside the server (migrations, restore)."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                roll_back(connection)
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


def in_transaction(connection: Connection) -> bool:
    driver = connection.connection.driver_connection
    return bool(driver is not None and driver.in_transaction)


def roll_back(connection: Connection) -> None:
    if in_transaction(connection):
        with contextlib.suppress(DBAPIError):
            connection.exec_driver_sql("ROLLBACK")


@functools.cache
def refuse_sockets_on_database_threads() -> None:
    """A transaction must not wait for the network: refuse `connect` on the threads that run units of work.

    libpq opens its own sockets outside Python, so the audit hook sees only ours.
    """

    def hook(name: str, _args: tuple[Any, ...]) -> None:
        if name in ("socket.connect", "socket.getaddrinfo") and threading.current_thread().name.startswith(
            DATABASE_THREAD
        ):
            raise RuntimeError("network access inside a database transaction")

    sys.addaudithook(hook)
