"""Who has blocked whom."""

from sqlalchemy import bindparam, or_, select

from node.runtime import Tx
from node.schema import block

_BLOCKS = select(block.c.id).where(block.c.account_id == bindparam("one"), block.c.target_id == bindparam("other"))
_BETWEEN = (
    select(block.c.id)
    .where(
        or_(
            (block.c.account_id == bindparam("one")) & (block.c.target_id == bindparam("other")),
            (block.c.account_id == bindparam("other")) & (block.c.target_id == bindparam("one")),
        )
    )
    .limit(1)
)


def blocks(tx: Tx, one: int, other: int) -> bool:
    """True if `one` has blocked `other`."""
    return tx.first(_BLOCKS, {"one": one, "other": other}) is not None


def block_between(tx: Tx, one: int, other: int) -> bool:
    """True if either has blocked the other."""
    return tx.first(_BETWEEN, {"one": one, "other": other}) is not None
