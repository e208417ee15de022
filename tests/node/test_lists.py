"""`column = one of a bound list`, on both engines."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from node.db import among
from node.runtime import Node, Tx
from node.schema import account, meta, post
from tests.support.people import make_person
from tests.support.rows import id_of

_BY_ID = select(account.c.id).where(among(account.c.id, "ids")).order_by(account.c.id)
_BY_KEY = select(meta.c.key).where(among(meta.c.key, "names")).order_by(meta.c.key)
ODD = ["a", "it's", '"quoted"', "{1,2}", "back\\slash", "%s", "ポンプ", "", "two\nlines"]


async def test_numbers(node: Node) -> None:
    ids = sorted([id_of(await make_person(node, name)) for name in ("anna", "ben", "cleo")])

    def found(tx: Tx, wanted: Any) -> list[int]:
        return tx.scalars(_BY_ID, {"ids": wanted})

    assert await node.read(found, ids[:2]) == ids[:2]
    assert await node.read(found, {ids[2], 5, 2**63 - 1}) == [ids[2]]
    assert await node.read(found, []) == []
    assert await node.read(found, [ids[0]] * 300) == [ids[0]]


@pytest.mark.parametrize("name", ODD)
async def test_texts_are_taken_as_they_are(node: Node, name: str) -> None:
    def store(tx: Tx) -> None:
        for odd in ODD:
            tx.execute(meta.insert(), {"key": odd, "value": ""})

    def found(tx: Tx, wanted: Any) -> list[str]:
        return tx.scalars(_BY_KEY, {"names": wanted})

    await node.write(store)
    assert await node.read(found, [name, "not there"]) == [name]
    assert await node.read(found, []) == []
    assert sorted(await node.read(found, ODD)) == sorted(ODD)


def test_the_statement_is_the_same_for_every_length() -> None:
    for dialect in (sqlite.dialect(), postgresql.dialect()):  # type: ignore[no-untyped-call]
        assert "POSTCOMPILE" not in str(_BY_ID.compile(dialect=dialect))


async def test_sqlite_answers_by_the_index(node: Node) -> None:
    if node.storage.engine.dialect.name != "sqlite":
        return
    statement = select(post.c.id).where(among(post.c.id, "ids")).compile(dialect=node.storage.engine.dialect)

    def plan(tx: Tx) -> str:
        rows = tx.conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", ("[1, 2]",))
        return " ".join(row[3] for row in rows)

    assert "SEARCH post USING" in await node.read(plan)
    assert "SCAN post" not in await node.read(plan)
