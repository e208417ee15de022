"""The two databases, behind one interface: units of work go in, results come out after COMMIT.

A unit is a plain function of a SQLAlchemy Connection. Reads run in a transaction that is rolled back; writes are committed.
`sqlite` and `postgres` hold one engine each; what both need is in `common`.
"""

from node.db.common import Figures, Storage, Work, exclusive, insert_or_ignore, is_passing
from node.db.postgres import PostgresStorage
from node.db.sqlite import SqliteStorage, sqlite_engine, sqlite_path

__all__ = [
    "Figures",
    "PostgresStorage",
    "SqliteStorage",
    "Storage",
    "Work",
    "connect",
    "exclusive",
    "insert_or_ignore",
    "is_passing",
    "sqlite_engine",
    "sqlite_path",
]


def connect(url: str, *, readers: int = 4, pool: int = 8) -> Storage:
    """Open the database at `url` (`sqlite:///path` or `postgresql+psycopg://…`)."""
    if url.startswith("sqlite"):
        return SqliteStorage(url, readers=readers)
    return PostgresStorage(url, pool=pool)
