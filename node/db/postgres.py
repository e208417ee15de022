"""PostgreSQL: writes are SERIALIZABLE, so that check-then-insert means the same as with SQLite's one writer."""

from sqlalchemy import create_engine

from node.db.storage import Database


def postgres_database(url: str, *, readers: int) -> Database:
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=readers + 1,  # and the writer's
        max_overflow=0,
        pool_reset_on_return=None,
        query_cache_size=1500,
    )
    return Database(
        engine,
        begin_read="BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        begin_write="BEGIN ISOLATION LEVEL SERIALIZABLE",
        local=False,
    )
