"""Looking at what is stored."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, func, select

from node.runtime import Node
from node.viewer import Viewer


def id_of(viewer: Viewer) -> int:
    assert viewer.account_id is not None
    return viewer.account_id


async def rows_of(node: Node, table: Table, *conditions: ColumnElement[bool]) -> Sequence[Row[Any]]:
    first = next(iter(table.primary_key))
    return await node.read(lambda tx: tx.rows(select(table).where(*conditions).order_by(first)))


async def count_of(node: Node, table: Table, *conditions: ColumnElement[bool]) -> int:
    number = await node.read(lambda tx: tx.scalar(select(func.count()).select_from(table).where(*conditions)))
    return int(number)


async def sent(node: Node) -> list[str]:
    """Kinds of the activities that wait for delivery, in the order they came about."""
    from node.schema import activity

    return [row.kind for row in await rows_of(node, activity)]
