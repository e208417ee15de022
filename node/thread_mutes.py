"""Threads of which somebody wants no more notifications. Their posts are still shown everywhere; nobody else is told."""

from functools import cache

from sqlalchemy import Executable, bindparam, delete

from node import db, threads
from node.accounts.lookup import me
from node.runtime import Tx
from node.schema import conversation_mute
from node.schema.meta import Id

_REMOVE = delete(conversation_mute).where(
    conversation_mute.c.account_id == bindparam("of", type_=Id),
    conversation_mute.c.conversation_id == bindparam("thread", type_=Id),
)


def mute(tx: Tx, post_id: int) -> int:
    """Mute the thread of a post (of a boost: of what it boosts). NotFound for what the viewer may not see. Idempotent."""
    row = {"account_id": me(tx), "conversation_id": threads.parent(tx, post_id).conversation_id, "created_at": tx.now}
    tx.execute(_insert(tx.dialect), row)
    return post_id


def unmute(tx: Tx, post_id: int) -> int:
    tx.execute(_REMOVE, {"of": me(tx), "thread": threads.parent(tx, post_id).conversation_id})
    return post_id


@cache
def _insert(dialect: str) -> Executable:
    return db.insert_or_ignore(dialect, conversation_mute, ["account_id", "conversation_id"])
