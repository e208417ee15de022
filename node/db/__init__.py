"""The two databases, behind one interface: units of work go in, results come out after COMMIT.

A unit is a plain function of a SQLAlchemy Connection. Reads run in a transaction that is rolled back; writes are committed.
"""

from node.db.common import Work, exclusive, insert_or_ignore
from node.db.lists import among
from node.db.postgres import postgres_database
from node.db.sqlite import sqlite_database, sqlite_engine, sqlite_path
from node.db.statements import Changed
from node.db.storage import Figures, Storage

__all__ = [
    "Changed",
    "Figures",
    "Storage",
    "Work",
    "among",
    "connect",
    "exclusive",
    "insert_or_ignore",
    "sqlite_engine",
    "sqlite_path",
]


def connect(url: str, *, readers: int = 4, pool: int = 8) -> Storage:
    """Open the database at `url` (`sqlite:///path`, with `readers` threads, or `postgresql+psycopg://…`, with `pool`)."""
    if url.startswith("sqlite"):
        return Storage(sqlite_database(url, readers=readers), readers=readers)
    return Storage(postgres_database(url, readers=pool), readers=pool)
