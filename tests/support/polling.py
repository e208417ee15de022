"""Polls as they are stored."""

from node.runtime import Node
from node.schema import poll
from tests.support.rows import rows_of


async def numbers(node: Node) -> tuple[list[int | None], int | None]:
    """(votes for each option, voters) of the only poll that is here."""
    (row,) = await rows_of(node, poll)
    return [option["votes"] for option in row.options], row.voters_count
