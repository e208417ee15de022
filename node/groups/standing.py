"""Who moderates a group, who is kept out of it, who asks to come in.

A moderator's power ends at the group: it takes posts out of the group and people out of it, and leaves both what they are.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, Table, bindparam, delete, select

from node import accounts, db, social
from node.errors import Forbidden, Invalid, NotFound
from node.paging import Page
from node.runtime import Tx
from node.schema import account, follow, group_ban, group_moderator, login
from node.schema.meta import Id
from node.viewer import Kind, person

OFFICERS = frozenset({"admin", "moderator"})
"""Roles of this node whose people may do in its groups what moderators may: somebody has to when these are gone."""

_OF, _WHO = bindparam("of", type_=Id), bindparam("who", type_=Id)
_IS_MODERATOR = select(group_moderator.c.account_id).where(
    group_moderator.c.group_id == _OF, group_moderator.c.account_id == _WHO
)
_MODERATED = select(group_moderator.c.group_id).where(
    db.among(group_moderator.c.group_id, "ids"), group_moderator.c.account_id == _WHO
)
_IS_BANNED = select(group_ban.c.account_id).where(group_ban.c.group_id == _OF, group_ban.c.account_id == _WHO)
_MODERATORS = (
    select(group_moderator.c.account_id)
    .join(account, account.c.id == group_moderator.c.account_id)
    .where(group_moderator.c.group_id == _OF, account.c.gone_at.is_(None), account.c.suspended_at.is_(None))
    .order_by(group_moderator.c.created_at, group_moderator.c.account_id)
)
_BANNED = (
    select(group_ban.c.account_id)
    .join(account, account.c.id == group_ban.c.account_id)
    .where(group_ban.c.group_id == _OF, account.c.gone_at.is_(None))
    .order_by(group_ban.c.created_at.desc(), group_ban.c.account_id.desc())
)
_PENDING = select(follow.c.id).where(
    follow.c.target_id == _OF, follow.c.follower_id == _WHO, follow.c.state == "pending"
)
_SIGNS_IN = select(login.c.account_id).where(login.c.account_id == _WHO)


@contextlib.contextmanager
def acting_as(tx: Tx, group_id: int) -> Iterator[None]:
    """What is done within is done by the group: nobody can sign in as one."""
    before, tx.viewer = tx.viewer, person(group_id)
    try:
        yield
    finally:
        tx.viewer = before


def local(tx: Tx, group_id: int) -> Row[Any]:
    """The account of a group of this node. NotFound for everything else."""
    row = accounts.get(tx, group_id)
    if row.actor_type != "Group" or row.domain is not None:
        raise NotFound
    return row


def is_moderator(tx: Tx, group_id: int, account_id: int | None) -> bool:
    return account_id is not None and tx.first(_IS_MODERATOR, {"of": group_id, "who": account_id}) is not None


def require_moderator(tx: Tx, group_id: int) -> Row[Any]:
    """The account of the group. NotFound unless it is one of this node's, Forbidden for who does not moderate it."""
    row = local(tx, group_id)
    viewer = tx.viewer
    if viewer.kind is Kind.SYSTEM:
        return row
    if viewer.kind is not Kind.PERSON:
        raise Forbidden
    if not viewer.roles & OFFICERS and not is_moderator(tx, group_id, viewer.account_id):
        raise Forbidden("Only its moderators may do this")
    return row


def looked_after(tx: Tx, group_ids: Sequence[int]) -> set[int]:
    """Those of the groups that the viewer may moderate. Which of them are of this node is the caller's business."""
    if tx.viewer.roles & OFFICERS:
        return set(group_ids)
    return set(tx.scalars(_MODERATED, {"ids": list(group_ids), "who": tx.viewer.account_id}))


def moderators(tx: Tx, group_id: int) -> list[int]:
    """Account ids, in the order in which they became moderators."""
    return tx.scalars(_MODERATORS, {"of": group_id})


def add_moderator(tx: Tx, group_id: int, account_id: int) -> None:
    """Make somebody of this node a moderator, and a member. Invalid for people of peers: they could do nothing here."""
    row = require_moderator(tx, group_id)
    accounts.get(tx, account_id)
    if tx.first(_SIGNS_IN, {"who": account_id}) is None:
        raise Invalid("Only people of this department can moderate a group here", "account_id")
    if is_banned(tx, group_id, account_id):
        raise Invalid("Somebody who is banned cannot moderate the group", "account_id")
    enrol(tx, group_id, account_id)
    tx.audit("group.moderator", f"account:{row.id}", {"added": account_id})


def enrol(tx: Tx, group_id: int, account_id: int) -> None:
    """Store a moderator and let them in, whoever acts."""
    values = {"group_id": group_id, "account_id": account_id, "created_at": tx.now}
    tx.execute(db.insert_or_ignore(tx.dialect, group_moderator, ["group_id", "account_id"]), values)
    with acting_as(tx, account_id):
        social.follow(tx, group_id)
    _let_in(tx, group_id, account_id)


def remove_moderator(tx: Tx, group_id: int, account_id: int) -> None:
    """They stay a member. Invalid for the last one: a group that nobody looks after is to be deleted instead."""
    row = require_moderator(tx, group_id)
    known = moderators(tx, group_id)
    if account_id not in known:
        raise NotFound
    if len(known) == 1:
        raise Invalid("A group needs a moderator: name another one first", "account_id")
    _drop(tx, group_moderator, group_id, account_id)
    tx.audit("group.moderator", f"account:{row.id}", {"removed": account_id})


# --- coming in and going out


def requests(tx: Tx, group_id: int, page: Page) -> list[tuple[int, int]]:
    """(cursor, account id) of those who wait to be let into a locked group."""
    require_moderator(tx, group_id)
    with acting_as(tx, group_id):
        return social.follow_requests(tx, page)


def answer_request(tx: Tx, group_id: int, account_id: int, *, accepted: bool) -> None:
    require_moderator(tx, group_id)
    with acting_as(tx, group_id):
        if accepted:
            social.accept_request(tx, account_id)
        else:
            social.reject_request(tx, account_id)


def remove_member(tx: Tx, group_id: int, account_id: int) -> None:
    """They may ask to come back; who must not is to be banned."""
    require_moderator(tx, group_id)
    with acting_as(tx, group_id):
        social.remove_follower(tx, account_id)


def ban(tx: Tx, group_id: int, account_id: int) -> None:
    """Keep somebody out: the group blocks them, so they are no member and see nothing that it passes on.

    Invalid for moderators. What they wrote stays, in the group too.
    """
    row = require_moderator(tx, group_id)
    if account_id == group_id or is_moderator(tx, group_id, account_id):
        raise Invalid("A moderator cannot be banned", "account_id")
    with acting_as(tx, group_id):
        social.block(tx, account_id)
    values = {"group_id": group_id, "account_id": account_id, "created_at": tx.now}
    tx.execute(db.insert_or_ignore(tx.dialect, group_ban, ["group_id", "account_id"]), values)
    tx.audit("group.ban", f"account:{row.id}", {"banned": account_id})


def unban(tx: Tx, group_id: int, account_id: int) -> None:
    row = require_moderator(tx, group_id)
    with acting_as(tx, group_id):
        social.unblock(tx, account_id)
    if _drop(tx, group_ban, group_id, account_id):
        tx.audit("group.ban", f"account:{row.id}", {"unbanned": account_id})


def banned(tx: Tx, group_id: int) -> list[int]:
    """Account ids, the last ban first; for its moderators."""
    require_moderator(tx, group_id)
    return tx.scalars(_BANNED, {"of": group_id})


def is_banned(tx: Tx, group_id: int, account_id: int) -> bool:
    return tx.first(_IS_BANNED, {"of": group_id, "who": account_id}) is not None


def _let_in(tx: Tx, group_id: int, account_id: int) -> None:
    if tx.first(_PENDING, {"of": group_id, "who": account_id}) is not None:
        with acting_as(tx, group_id):
            social.accept_request(tx, account_id)


def _drop(tx: Tx, table: Table, group_id: int, account_id: int) -> bool:
    statement = delete(table).where(table.c.group_id == group_id, table.c.account_id == account_id)
    return tx.execute(statement).rowcount > 0
