"""What accounts are to each other, and lists of people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, bindparam, or_, select

from node import accounts, db
from node.accounts.lookup import me
from node.paging import Page
from node.runtime import Tx
from node.schema import account, account_note, block, featured_person, follow, mute
from node.social.rights import blocks
from node.viewer import Kind

_PRESENT = select(account.c.id).where(db.among(account.c.id, "ids"), account.c.gone_at.is_(None))
_IN_GOOD_STANDING = _PRESENT.where(account.c.suspended_at.is_(None))
_FOLLOWS = select(follow).where(
    or_(
        (follow.c.follower_id == bindparam("viewer")) & db.among(follow.c.target_id, "ids"),
        (follow.c.target_id == bindparam("viewer")) & db.among(follow.c.follower_id, "ids"),
    )
)
_BLOCKS = select(block.c.account_id, block.c.target_id).where(
    or_(
        (block.c.account_id == bindparam("viewer")) & db.among(block.c.target_id, "ids"),
        (block.c.target_id == bindparam("viewer")) & db.among(block.c.account_id, "ids"),
    )
)
_MUTES = select(mute.c.target_id, mute.c.notifications, mute.c.expires_at).where(
    mute.c.account_id == bindparam("viewer"),
    db.among(mute.c.target_id, "ids"),
    or_(mute.c.expires_at.is_(None), mute.c.expires_at > bindparam("now")),
)
_NOTES = select(account_note.c.target_id, account_note.c.note).where(
    account_note.c.account_id == bindparam("viewer"), db.among(account_note.c.target_id, "ids")
)


_ENDORSED = select(featured_person.c.target_id).where(
    featured_person.c.account_id == bindparam("viewer"), db.among(featured_person.c.target_id, "ids")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relationship:
    """What the viewer and the account `id` are to each other. `muting_expires_at` in ms UTC."""

    id: int
    following: bool = False
    showing_reblogs: bool = False
    notifying: bool = False
    followed_by: bool = False
    blocking: bool = False
    blocked_by: bool = False
    muting: bool = False
    muting_notifications: bool = False
    muting_expires_at: int | None = None
    requested: bool = False
    requested_by: bool = False
    endorsed: bool = False
    note: str = ""
    """The viewer's own, for nobody else."""


def relationships(tx: Tx, ids: Sequence[int], *, suspended: bool = True) -> list[Relationship]:
    """In the order of `ids`; those that do not exist are left out, without `suspended` also who is suspended.

    Six statements, however many.
    """
    viewer = me(tx)
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return []
    values = {"viewer": viewer, "ids": wanted}
    present = _PRESENT if suspended else _IN_GOOD_STANDING
    found: dict[int, dict[str, Any]] = {id_: {} for id_ in tx.scalars(present, {"ids": wanted})}
    for row in tx.rows(_FOLLOWS, values):
        if row.follower_id == viewer:
            _merge(found, row.target_id, _own_follow(row))
        else:
            _merge(found, row.follower_id, {"followed_by" if row.state == "accepted" else "requested_by": True})
    for row in tx.rows(_BLOCKS, values):
        if row.account_id == viewer:
            _merge(found, row.target_id, {"blocking": True})
        else:
            _merge(found, row.account_id, {"blocked_by": True})
    for row in tx.rows(_MUTES, values | {"now": tx.now}):
        flags = {"muting": True, "muting_notifications": row.notifications, "muting_expires_at": row.expires_at}
        _merge(found, row.target_id, flags)
    for row in tx.rows(_NOTES, values):
        _merge(found, row.target_id, {"note": row.note})
    for target_id in tx.scalars(_ENDORSED, values):
        _merge(found, target_id, {"endorsed": True})
    return [Relationship(id=id_, **found[id_]) for id_ in wanted if id_ in found]


def followers(tx: Tx, account_id: int, page: Page) -> list[tuple[int, int]]:
    """(cursor, account id) of those who follow an account, newest first. Nobody, to whom that account blocks."""
    if _kept_out(tx, account_id):
        return []
    accepted = (follow.c.target_id == account_id) & (follow.c.state == "accepted")
    return _people(tx, follow, follow.c.follower_id, accepted, page)


def following(tx: Tx, account_id: int, page: Page) -> list[tuple[int, int]]:
    """(cursor, account id) of those whom an account follows, newest first. Nobody, to whom that account blocks."""
    if _kept_out(tx, account_id):
        return []
    accepted = (follow.c.follower_id == account_id) & (follow.c.state == "accepted")
    return _people(tx, follow, follow.c.target_id, accepted, page)


def endorsed(tx: Tx, account_id: int, page: Page) -> list[tuple[int, int]]:
    """(cursor, account id) of those whom an account recommends, newest first. Nobody, to whom that account blocks.

    NotFound for whom there is not.
    """
    if _kept_out(tx, accounts.get(tx, account_id).id):
        return []
    return _people(tx, featured_person, featured_person.c.target_id, featured_person.c.account_id == account_id, page)


def follow_requests(tx: Tx, page: Page) -> list[tuple[int, int]]:
    """(cursor, account id) of those who wait for the viewer's answer."""
    pending = (follow.c.target_id == me(tx)) & (follow.c.state == "pending")
    return _people(tx, follow, follow.c.follower_id, pending, page)


def blocked(tx: Tx, page: Page) -> list[tuple[int, int]]:
    """(cursor, account id) of those whom the viewer blocks."""
    return _people(tx, block, block.c.target_id, block.c.account_id == me(tx), page)


def muted(tx: Tx, page: Page) -> list[tuple[int, int]]:
    """(cursor, account id) of those whom the viewer mutes at present."""
    running = or_(mute.c.expires_at.is_(None), mute.c.expires_at > tx.now)
    return _people(tx, mute, mute.c.target_id, (mute.c.account_id == me(tx)) & running, page)


def mutes_end(tx: Tx, ids: Sequence[int]) -> dict[int, int | None]:
    """When the viewer's running mutes of these accounts end, in ms UTC; None: when they are taken back."""
    values = {"viewer": me(tx), "ids": ids, "now": tx.now}
    return {row.target_id: row.expires_at for row in tx.rows(_MUTES, values)} if ids else {}


def _people(
    tx: Tx, table: Table, who: ColumnElement[int], condition: ColumnElement[bool], page: Page
) -> list[tuple[int, int]]:
    statement: Select[Any] = (
        select(table.c.id.label("cursor"), who.label("person"))
        .join(account, account.c.id == who)
        .where(condition, account.c.gone_at.is_(None), account.c.suspended_at.is_(None))
    )
    rows: list[Any] = page.newest_first(tx.rows(page.apply(statement, table.c.id)))
    return [(row.cursor, row.person) for row in rows]


def _kept_out(tx: Tx, account_id: int) -> bool:
    viewer = tx.viewer
    return viewer.kind in (Kind.PERSON, Kind.REMOTE) and blocks(tx, account_id, viewer.account_id or 0)


def _own_follow(row: Any) -> dict[str, bool]:
    if row.state != "accepted":
        return {"requested": True, "showing_reblogs": row.show_boosts, "notifying": row.notify}
    return {"following": True, "showing_reblogs": row.show_boosts, "notifying": row.notify}


def _merge(found: dict[int, dict[str, Any]], id_: int, flags: dict[str, Any]) -> None:
    if id_ in found:
        found[id_].update(flags)
