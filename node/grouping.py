"""Notifications of one kind, about one thing and of one half-day, shown as one group.

The group of a notification is settled when it is stored (`notifications.group_key`), so that all clients see the same
groups. A page of groups goes by notifications: each group stands where its newest notification within the bounds stands
(asked upwards: its oldest), and members further down show again on the next page, to be merged there by their key. That is
how Mastodon does it (methods/grouped_notifications).
"""

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, case, delete, exists, func, literal, or_, select

from node import db, notifications, sight
from node.accounts.lookup import me
from node.errors import NotFound
from node.notifications import GROUPED
from node.paging import Page
from node.runtime import Tx
from node.schema import account, notification
from node.schema.meta import Id
from node.sight import LAST, Sight, page_values

SAMPLE = 8
"""How many people stand for a group, as in Mastodon."""
_ALONE = "ungrouped-"

_ABOVE, _BELOW = bindparam("above", type_=Id), bindparam("below", type_=Id)
_SENDER = bindparam("sender", type_=Id)
_DISMISS = delete(notification).where(
    notification.c.account_id == bindparam("of", type_=Id), notification.c.group_key == bindparam("key")
)


@dataclass(frozen=True, slots=True)
class Group:
    """`row` is of `notification`: the one that stands for the group on its page. `sample` are the accounts of the newest.

    `page` are (id, id, when) of the oldest and the newest within the page and the time of the latter; None outside pages.
    """

    key: str
    row: Row[Any]
    count: int
    newest_id: int
    sample: tuple[int, ...]
    page: tuple[int, int, int] | None = None


def shown_key(row: Row[Any]) -> str:
    return row.group_key or f"{_ALONE}{row.id}"


def page(
    tx: Tx,
    page: Page,
    *,
    kinds: Collection[str] | None = None,
    exclude: Collection[str] = (),
    from_account: int | None = None,
    grouped: Collection[str] = GROUPED,
) -> list[Group]:
    """The viewer's groups, newest first. Of kinds that are not in `grouped`, each notification is a group."""
    upwards = page.min_id is not None
    values = _values(tx, kinds, exclude, from_account, grouped) | page_values(page)
    if not values["kinds"]:
        return []
    rows = page.newest_first(sight.rows(tx, _heads, values, upwards, from_account is not None, bool(values["grouped"])))
    if not rows:
        return []
    ids = [row.id for row in rows]
    low, high = min(ids), max(ids)
    if len(rows) < page.limit:  # nothing of the groups is left for another page
        low, high = (low, values["below"] - 1) if upwards else (values["above"] + 1, high)
    keys = [row.group_key for row in rows if row.group_key and row.kind in values["grouped"]]
    members = _members_of(tx, keys, values | {"low": low, "high": high})
    return [_group(row, members.get(row.group_key) if row.kind in values["grouped"] else None) for row in rows]


def get(tx: Tx, key: str) -> Group:
    """One group, whole. NotFound unless it is the viewer's."""
    alone = _alone(key)
    if alone is not None:
        row = notifications.get(tx, alone)
        return Group(key, row, 1, row.id, (row.from_id,))
    members = _members_of(tx, [key], {"of": me(tx), "sender": None, "low": 0, "high": LAST}).get(key)
    if members is None:
        raise NotFound
    return Group(key, members[0], members[0].total, members[0].id, tuple(one.from_id for one in members))


def senders(tx: Tx, key: str, page: Page) -> list[tuple[int, int]]:
    """(cursor, account id) of everybody in a group, the newest first. NotFound unless it is the viewer's."""
    found = get(tx, key)
    if _alone(key) is not None:
        return [(found.row.id, found.row.from_id)]
    values = {"of": me(tx), "key": key, **page_values(page)}
    rows = page.newest_first(sight.rows(tx, _senders, values, page.min_id is not None))
    return [(row.id, row.from_id) for row in rows]


def dismiss(tx: Tx, key: str) -> None:
    """Remove a group of the viewer's. What is gone already, or was never there, is gone: as in Mastodon, no error."""
    with contextlib.suppress(NotFound):
        alone = _alone(key)
        if alone is None:
            tx.execute(_DISMISS, {"of": me(tx), "key": key})
        else:
            notifications.dismiss(tx, alone)


def count(
    tx: Tx,
    *,
    after_id: int = 0,
    limit: int = 100,
    kinds: Collection[str] | None = None,
    exclude: Collection[str] = (),
    from_account: int | None = None,
    grouped: Collection[str] = GROUPED,
) -> int:
    """How many groups have something newer than `after_id`, counted up to `limit`."""
    values = _values(tx, kinds, exclude, from_account, grouped) | {"above": after_id, "below": LAST, "k": limit}
    if not values["kinds"]:
        return 0
    row = sight.first(tx, _count, values, from_account is not None, bool(values["grouped"]))
    return 0 if row is None else int(row[0])


def _values(
    tx: Tx, kinds: Collection[str] | None, exclude: Collection[str], from_account: int | None, grouped: Collection[str]
) -> dict[str, Any]:
    wanted = notifications.wanted(kinds, exclude)
    return {
        "of": me(tx),
        "kinds": wanted,
        "sender": from_account,
        "grouped": sorted(GROUPED.intersection(grouped, wanted)),
    }


def _alone(key: str) -> int | None:
    """The id in the key of a notification that stands alone; None for other keys. NotFound for what can be no key."""
    if not key.startswith(_ALONE):
        return None
    digits = key.removeprefix(_ALONE)
    if not (digits.isascii() and digits.isdigit() and int(digits) <= LAST):
        raise NotFound
    return int(digits)


def _group(row: Row[Any], members: Sequence[Row[Any]] | None) -> Group:
    if not members:
        return Group(f"{_ALONE}{row.id}", row, 1, row.id, (row.from_id,), (row.id, row.id, row.created_at))
    newest = members[0]
    bounds = (newest.page_min_id, newest.id, newest.created_at)
    return Group(row.group_key, row, newest.total, newest.id, tuple(one.from_id for one in members), bounds)


def _members_of(tx: Tx, keys: Sequence[str], values: dict[str, Any]) -> dict[str, list[Row[Any]]]:
    """The newest SAMPLE of each group, newest first."""
    found: dict[str, list[Row[Any]]] = {}
    if keys:
        values = {**values, "keys": sorted(set(keys)), "sample": SAMPLE}
        for row in sight.rows(tx, _members, values, values["sender"] is not None):
            found.setdefault(row.group_key, []).append(row)
    return found


# Built once for many viewers: see `sight`.


def _heads(eyes: Sight, upwards: bool, from_one: bool, grouped: bool) -> Select[Any]:
    """The notifications that stand for their groups."""
    heads = notifications.shown(eyes, select(notification)).where(
        db.among(notification.c.kind, "kinds"), notification.c.id > _ABOVE, notification.c.id < _BELOW
    )
    if from_one:
        heads = heads.where(notification.c.from_id == _SENDER)
    if grouped:
        alone = or_(notification.c.group_key.is_(None), ~db.among(notification.c.kind, "grouped"))
        heads = heads.where(or_(alone, ~_has_another(upwards, from_one)))
    order = notification.c.id.asc() if upwards else notification.c.id.desc()
    return heads.order_by(order).limit(bindparam("k", type_=Id))


def _has_another(upwards: bool, from_one: bool) -> ColumnElement[bool]:
    """Another of the group is nearer to where the page begins. It is about the same post, so that is seen as well."""
    other, sender = notification.alias("other"), account.alias("other_sender")
    nearer = (
        and_(other.c.id < notification.c.id, other.c.id > _ABOVE)
        if upwards
        else and_(other.c.id > notification.c.id, other.c.id < _BELOW)
    )
    conditions = [
        other.c.account_id == notification.c.account_id,
        other.c.group_key == notification.c.group_key,
        nearer,
        sender.c.suspended_at.is_(None),
    ]
    if from_one:
        conditions.append(other.c.from_id == _SENDER)
    rows = select(literal(1)).select_from(other).join(sender, sender.c.id == other.c.from_id).where(*conditions)
    return exists(rows.correlate(notification))


def _members(eyes: Sight, from_one: bool) -> Select[Any]:
    key, id_ = notification.c.group_key, notification.c.id
    inside = case((id_ >= bindparam("low", type_=Id), id_))
    each = notifications.shown(
        eyes,
        select(
            notification,
            func.count().over(partition_by=key).label("total"),
            func.min(inside).over(partition_by=key).label("page_min_id"),
            func.row_number().over(partition_by=key, order_by=id_.desc()).label("place"),
        ),
    ).where(db.among(key, "keys"), id_ <= bindparam("high", type_=Id))
    if from_one:
        each = each.where(notification.c.from_id == _SENDER)
    found = each.subquery()
    return select(found).where(found.c.place <= bindparam("sample", type_=Id)).order_by(found.c.id.desc())


def _senders(eyes: Sight, upwards: bool) -> Select[Any]:
    rows = notifications.shown(eyes, select(notification.c.id, notification.c.from_id))
    return sight.paged(rows.where(notification.c.group_key == bindparam("key")), notification.c.id, upwards)


def _count(eyes: Sight, from_one: bool, grouped: bool) -> Select[Any]:
    return select(func.count()).select_from(_heads(eyes, False, from_one, grouped).subquery())
