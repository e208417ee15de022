"""What belongs to neither engine alone: failures and what they mean, statements that differ by dialect, a guard."""

import contextlib
import functools
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from sqlalchemy import Connection, Engine, Executable, Table
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

T = TypeVar("T")
Work = Callable[[Connection], T]

DATABASE_THREAD = "corridor-db"
"""How the names of threads begin that run units of work."""
BUSY_SECONDS = 5.0
"""How long a write gives way to other processes that write to the same database."""

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
    state = _sqlstate(error)
    # 08 connection, 53 resources (53100 disk full), 57 operator intervention, 58 system error
    return (not state and isinstance(error, OperationalError)) or state[:2] in {"08", "53", "57", "58"}


def is_conflict(error: DBAPIError) -> bool:
    """PostgreSQL: another transaction came first (serialisation failure, deadlock); the same again may well work."""
    return _sqlstate(error) in {"40001", "40P01"}


def is_race(error: DBAPIError) -> bool:
    """PostgreSQL: perhaps a conflict in disguise.

    Two transactions that insert the same key at once end in a unique violation, also under SERIALIZABLE. The next run sees
    the other's row. A violation that comes again and again is a mistake of ours.
    """
    return isinstance(error, IntegrityError) and _sqlstate(error) in {"23505", "23503"}


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


@contextlib.contextmanager
def exclusive(engine: Engine) -> Iterator[Connection]:
    """One write transaction for a command that runs beside the server (migrations, restore).

    `engine` is from `sqlite_engine`, or on PostgreSQL one that SQLAlchemy begins by itself.
    """
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            yield connection
            connection.commit()
            return
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            with contextlib.suppress(DBAPIError):
                connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


def insert_or_ignore(dialect: str, table: Table, unique: Sequence[str]) -> Executable:
    """INSERT … ON CONFLICT (unique) DO NOTHING on either engine. `rowcount` tells whether a row was written."""
    return _insert_or_ignore(dialect, table, tuple(unique))


@functools.cache
def _insert_or_ignore(dialect: str, table: Table, unique: tuple[str, ...]) -> Executable:
    make = sqlite_insert if dialect == "sqlite" else postgres_insert
    statement = make(table).on_conflict_do_nothing(index_elements=unique).inline()
    # For an INSERT, SQLAlchemy asks the driver for the rowcount only when told to: on PostgreSQL it would be -1.
    return statement.execution_options(preserve_rowcount=True)


@functools.cache
def refuse_sockets_on_database_threads() -> None:
    """A transaction must not wait for the network: refuse `connect` on the threads that run units of work.

    libpq opens its own sockets outside Python, so the audit hook sees only ours.
    """

    def hook(name: str, _args: tuple[object, ...]) -> None:
        if name in ("socket.connect", "socket.getaddrinfo") and threading.current_thread().name.startswith(
            DATABASE_THREAD
        ):
            raise RuntimeError("network access inside a database transaction")

    sys.addaudithook(hook)
