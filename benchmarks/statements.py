"""`python -m benchmarks.statements [--engine postgresql]`: a short statement by SQLAlchemy, prepared, and by the driver.

CPU of this process for one run, in µs, in turns; the figures behind ADR 0015.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, Update, bindparam, insert, select, update

import migrations
from node import config, db
from node.db.statements import Statements
from node.schema import account, meta
from node.schema.meta import Id
from node.secrets import create_secret
from tests.support import postgres

Short = Select[Any] | Update

TURNS, AT_A_TURN = 15, 400
ACCOUNT = {"username": "a", "url": "u", "created_at": 1, "updated_at": 1}
BY_KEY = bindparam("of", type_=Id)
SHORT: dict[str, tuple[Short, dict[str, Any]]] = {
    "SELECT of 2 columns by key": (select(account.c.id, account.c.iri).where(account.c.id == BY_KEY), {"of": 7}),
    "SELECT of all columns by key": (select(account).where(account.c.id == BY_KEY), {"of": 7}),
    "UPDATE by key": (update(account).where(account.c.id == BY_KEY).values(rev=account.c.rev + 1), {"of": 7}),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statements", description=__doc__)
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], default="sqlite")
    options = parser.parse_args()
    cluster = postgres.start(durable=False) if options.engine == "postgresql" else None
    try:
        with tempfile.TemporaryDirectory(prefix="corridor-bench-") as name:
            _measure(Path(name), cluster.url() if cluster else f"sqlite:///{name}/corridor.db")
    finally:
        if cluster is not None:
            cluster.stop()


def _measure(folder: Path, url: str) -> None:
    create_secret(folder)
    raw = {"node": {"domain": "bench.example", "department": "Bench"}, "database": {"url": url}}
    settings = config.parse(raw, home=folder)
    migrations.upgrade(settings)
    storage, statements = db.connect(settings.database.url), Statements()
    with storage.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        people = [ACCOUNT | {"id": number, "handle": str(number), "iri": str(number)} for number in range(1000)]
        connection.execute(insert(account), people)
        connection.execute(insert(meta), [{"key": f"k{number}", "value": ""} for number in range(1000)])
        for label, (statement, values) in SHORT.items():
            run = statements.rows if "SELECT" in label else statements.execute
            _compare(label, connection, partial(run, connection, statement, values), statement, values)
        connection.exec_driver_sql("ROLLBACK")
    storage.close()


def _compare(
    label: str, connection: Connection, prepared: Callable[[], Any], statement: Short, values: dict[str, Any]
) -> None:
    returns_rows = "SELECT" in label

    def sqlalchemy() -> None:
        result = connection.execute(statement, values)
        if returns_rows:
            result.fetchall()

    text = str(statement.compile(connection, column_keys=[]))
    driver: Any = connection.connection.driver_connection
    own: Any = _own_values(connection, statement, values)

    def bare() -> None:
        cursor = driver.execute(text, own)
        if returns_rows:
            cursor.fetchall()

    roads = {"SQLAlchemy": sqlalchemy, "prepared": prepared, "the driver alone": bare}
    took: dict[str, list[float]] = {name: [] for name in roads}
    for _ in range(TURNS):
        for name, road in roads.items():
            took[name].append(_cpu(road))
    floor = statistics.median(took["the driver alone"])
    for name, each in took.items():
        middle = statistics.median(each)
        print(
            f"{label}, {name}: {middle:.1f} µs ({min(each):.1f} to {max(each):.1f}), {middle / floor:.1f} x the driver"
        )


def _own_values(connection: Connection, statement: Short, values: dict[str, Any]) -> Any:
    compiled: Any = statement.compile(connection, column_keys=[])
    bound = compiled.construct_params(values)
    return [bound[name] for name in compiled.positiontup] if compiled.positional else bound


def _cpu(road: Callable[[], Any]) -> float:
    begun = time.process_time()
    for _ in range(AT_A_TURN):
        road()
    return (time.process_time() - begun) / AT_A_TURN * 1e6


if __name__ == "__main__":
    main()
