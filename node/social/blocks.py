"""Blocks, which sever, and mutes, which only hide."""

from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update

from node import accounts, attending, notifications, quotes
from node.accounts.lookup import me
from node.errors import Forbidden, Invalid
from node.runtime import Tx
from node.schema import block as block_table
from node.schema import mute as mute_table
from node.social import follows
from node.social.rights import blocks

__all__ = ["block", "blocks", "mute", "record_block", "record_unblock", "unblock", "unmute"]

MAX_MUTE_SECONDS = 10 * 365 * 86_400

_BLOCK = select(block_table).where(
    block_table.c.account_id == bindparam("by"), block_table.c.target_id == bindparam("target")
)
_MUTE = select(mute_table.c.id).where(
    mute_table.c.account_id == bindparam("by"), mute_table.c.target_id == bindparam("target")
)
_UNBLOCK = delete(block_table).where(block_table.c.id == bindparam("of"))


def block(tx: Tx, target_id: int) -> None:
    """Block somebody: ends follows both ways, takes back notifications, tells their node."""
    blocker = accounts.get(tx, me(tx))
    if target_id == blocker.id:
        raise Forbidden
    target = accounts.get(tx, target_id)
    if blocks(tx, blocker.id, target_id):
        return
    remote = target.domain is not None
    for row in follows.sever(tx, blocker.id, target_id):
        end = follows.withdraw_own if row.follower_id == blocker.id else follows.refuse
        end(tx, row, remote=remote)
    notifications.remove_between(tx, blocker.id, target_id)
    quotes.end_between(tx, blocker.id, target_id)
    attending.end_between(tx, blocker.id, target_id, tell=True)
    block_id = tx.new_id()
    iri = tx.urls.activity(blocker.iri, "block", block_id) if remote else None
    _insert(tx, block_id, blocker.id, target_id, iri)
    if remote:
        tx.outgoing.blocked(tx, block_id)


def unblock(tx: Tx, target_id: int) -> None:
    row = tx.first(_BLOCK, {"by": me(tx), "target": target_id})
    if row is None:
        accounts.get(tx, target_id)
        return
    if row.iri is not None:
        tx.outgoing.unblocked(tx, row.id)
    tx.execute(_UNBLOCK, {"of": row.id})


def record_block(tx: Tx, blocker_id: int, target_id: int, *, iri: str | None = None) -> None:
    """A remote account blocked a local one. Ends follows both ways and tells nobody; repeated, it changes nothing."""
    if blocker_id == target_id:
        raise Forbidden
    if blocks(tx, blocker_id, target_id):
        return
    for row in follows.sever(tx, blocker_id, target_id):
        follows.record_unfollow(tx, row.follower_id, row.target_id)
    notifications.remove_between(tx, blocker_id, target_id)
    quotes.end_between(tx, blocker_id, target_id)
    attending.end_between(tx, blocker_id, target_id, tell=False)
    if iri is not None and tx.first(select(block_table.c.id).where(block_table.c.iri == iri)) is not None:
        iri = None  # the id of another block: this one goes without
    _insert(tx, tx.new_id(), blocker_id, target_id, iri)


def record_unblock(tx: Tx, blocker_id: int, target_id: int) -> bool:
    """False if there was no such block."""
    row: Row[Any] | None = tx.first(_BLOCK, {"by": blocker_id, "target": target_id})
    if row is not None:
        tx.execute(_UNBLOCK, {"of": row.id})
    return row is not None


def mute(tx: Tx, target_id: int, *, hide_notifications: bool = True, seconds: int = 0) -> None:
    """Hide what somebody writes from the viewer; `seconds` 0 is for good. Nobody is told. Repeated, it changes the terms."""
    muter = me(tx)
    if target_id == muter:
        raise Forbidden
    if not 0 <= seconds <= MAX_MUTE_SECONDS:
        raise Invalid(f"must be between 0 and {MAX_MUTE_SECONDS} seconds", "duration")
    accounts.get(tx, target_id)
    terms = {"notifications": hide_notifications, "expires_at": tx.now + seconds * 1000 if seconds else None}
    existing = tx.scalar(_MUTE, {"by": muter, "target": target_id})
    if existing is not None:
        tx.execute(update(mute_table).where(mute_table.c.id == existing).values(**terms))
        return
    row = {"id": tx.new_id(), "account_id": muter, "target_id": target_id, "created_at": tx.now}
    tx.execute(insert(mute_table), row | terms)


def unmute(tx: Tx, target_id: int) -> None:
    statement = delete(mute_table).where(mute_table.c.account_id == me(tx), mute_table.c.target_id == target_id)
    if not tx.execute(statement).rowcount:
        accounts.get(tx, target_id)


def _insert(tx: Tx, block_id: int, blocker_id: int, target_id: int, iri: str | None) -> None:
    row = {"id": block_id, "account_id": blocker_id, "target_id": target_id, "iri": iri, "created_at": tx.now}
    tx.execute(insert(block_table), row)
