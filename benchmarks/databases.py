"""Databases to measure on: SQLite files, or a PostgreSQL server of our own that writes durably."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import postgres


def add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], default="sqlite")


@contextmanager
def server(engine: str) -> Iterator[postgres.Cluster | None]:
    """None for SQLite."""
    if engine == "sqlite":
        yield None
        return
    cluster = postgres.start(durable=True)
    try:
        yield cluster
    finally:
        cluster.stop()


def make(cluster: postgres.Cluster | None, home: Path) -> str:
    """The URL of an empty database for the node whose folder this is; the folder is made."""
    home.mkdir(exist_ok=True)
    if cluster is None:
        return f"sqlite:///{home}/corridor.db"
    cluster.administer("CREATE DATABASE {}", f"bench_{home.name}")
    return cluster.url(f"bench_{home.name}")
