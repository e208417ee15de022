"""SQLite: a file, one writer (design, decision 2). What was answered with success survives a power cut."""

import sqlite3
from pathlib import Path

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from node.db.common import BUSY_SECONDS
from node.db.storage import Database


def sqlite_database(url: str, *, readers: int) -> Database:
    engine = sqlite_engine(url, pool_size=readers + 2)  # the writer's, and the event loop's for quick reads
    return Database(engine, begin_read="BEGIN", begin_write="BEGIN IMMEDIATE", local=True)


def sqlite_path(url: str) -> Path:
    """The file that a `sqlite:///…` URL names."""
    return Path(url.removeprefix("sqlite:///"))


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
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, _record: object = None) -> None:
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
