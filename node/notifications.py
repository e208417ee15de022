"""What a person is told: somebody mentioned, followed, boosted … them.

A notification is stored once for each (receiver, kind, from whom, about what). It is shown only while its post may be
seen: the same predicate as everywhere (visibility.py).
"""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, delete, exists, func, insert, literal, or_, select

from node import db, sight
from node.bell import EVENT
from node.errors import Forbidden, NotFound
from node.ids import AccountId
from node.paging import Page
from node.runtime import Tx
from node.schema import account, block, conversation_mute, event, login, mute, notification, post
from node.schema.meta import Id
from node.sight import Sight

KINDS = (
    *("mention", "status", "reblog", "follow", "follow_request", "favourite", "reaction", "poll", "update"),
    *("quote", "quoted_update", "admin.report"),
    *("join", "join_request"),
)
OWN = frozenset(("join", "join_request"))
"""Kinds that the Mastodon client API has no name for: on our own pages, and for clients that ask for them by name."""
GROUPED = frozenset(("favourite", "follow", "reblog"))
"""Kinds of which clients know that they come in groups."""
GROUP_MS = 12 * 3_600_000

_LAST = 2**63 - 1
_SENDER = account.alias()
_RECEIVERS = (
    select(login.c.account_id)
    .join(account, account.c.id == login.c.account_id)
    .where(
        db.among(login.c.account_id, "ids"),
        account.c.suspended_at.is_(None),
        account.c.gone_at.is_(None),
        exists().where(_SENDER.c.id == bindparam("sender"), _SENDER.c.suspended_at.is_(None)),
        ~exists().where(block.c.account_id == login.c.account_id, block.c.target_id == bindparam("sender")),
        ~exists().where(
            mute.c.account_id == login.c.account_id,
            mute.c.target_id == bindparam("sender"),
            mute.c.notifications.is_(True),
            or_(mute.c.expires_at.is_(None), mute.c.expires_at > bindparam("now")),
        ),
        # Of a thread that they muted, whatever the kind.
        ~exists().where(
            post.c.id == bindparam("about", type_=Id),
            conversation_mute.c.conversation_id == post.c.conversation_id,
            conversation_mute.c.account_id == login.c.account_id,
        ),
        ~exists().where(notification.c.account_id == login.c.account_id, notification.c.dedupe == bindparam("what")),
    )
    .order_by(login.c.account_id)
)
_INSERT_EVENTS = insert(event)
_WITHDRAW = delete(notification).where(
    notification.c.account_id == bindparam("of"), notification.c.dedupe == bindparam("what")
)
_BETWEEN = delete(notification).where(
    or_(
        and_(notification.c.account_id == bindparam("one"), notification.c.from_id == bindparam("other")),
        and_(notification.c.account_id == bindparam("other"), notification.c.from_id == bindparam("one")),
    )
)


def notify(
    tx: Tx, account_id: int, kind: str, from_id: int, *, post_id: int | None = None, report_id: int | None = None
) -> None:
    """Tell a local person, unless it is about themselves, or they blocked or muted `from_id` or
    muted the thread, or it was told before."""
    notify_each(tx, [account_id], kind, from_id, post_id=post_id, report_id=report_id)


def notify_each(
    tx: Tx,
    account_ids: Iterable[int],
    kind: str,
    from_id: int,
    *,
    post_id: int | None = None,
    report_id: int | None = None,
) -> None:
    """`notify` for many with three statements. Remote accounts among them are passed over."""
    # A poll that ended is told to its author as well; everything else one does oneself is no news.
    ids = [one for one in dict.fromkeys(account_ids) if one != from_id or kind == "poll"]
    if not ids:
        return
    dedupe = _dedupe(kind, from_id, post_id, report_id)
    receivers = tx.scalars(_RECEIVERS, {"ids": ids, "sender": from_id, "now": tx.now, "what": dedupe, "about": post_id})
    if not receivers:
        return
    about = {"kind": kind, "from_id": from_id, "post_id": post_id, "report_id": report_id, "dedupe": dedupe}
    about["group_key"] = group_key(kind, post_id, tx.now)
    rows = [about | {"id": tx.new_id(), "account_id": one, "created_at": tx.now} for one in receivers]
    tx.execute(db.insert_or_ignore(tx.dialect, notification, ["account_id", "dedupe"]), rows)
    if kind in OWN:  # streams speak that API
        return
    tx.execute(
        _INSERT_EVENTS,
        [
            {"kind": "notification", "account_id": row["account_id"], "data": {"id": row["id"]}, "at": tx.now}
            for row in rows
        ],
    )
    tx.ring(EVENT)


def group_key(kind: str, post_id: int | None, now: int) -> str | None:
    """What a notification that comes now is grouped by (see node.grouping); None: it stands alone."""
    if kind not in GROUPED:
        return None
    about = "" if post_id is None else f"-{post_id}"
    return f"{kind}{about}-{now // GROUP_MS}"


def withdraw(
    tx: Tx, account_id: int, kind: str, from_id: int, *, post_id: int | None = None, report_id: int | None = None
) -> None:
    """Take a notification back because its cause is undone: an unfavourite, an unfollow."""
    tx.execute(_WITHDRAW, {"of": account_id, "what": _dedupe(kind, from_id, post_id, report_id)})


def remove_between(tx: Tx, one: int, other: int) -> None:
    """Take back everything that two accounts were told of each other (a block)."""
    tx.execute(_BETWEEN, {"one": one, "other": other})


def page(
    tx: Tx,
    page: Page,
    *,
    kinds: Collection[str] | None = None,
    exclude: Collection[str] = (),
    from_account: int | None = None,
) -> list[Row[Any]]:
    """The viewer's notifications, newest first: rows of `notification`. `kinds` None means all."""
    chosen = wanted(kinds, exclude)
    if not chosen:
        return []
    bounds = {
        "of": _me(tx),
        "kinds": chosen,
        "below": _LAST if page.max_id is None else page.max_id,
        "above": max(page.since_id or 0, page.min_id or 0),
        "limit": page.limit,
        "sender": from_account,
    }
    upwards = page.min_id is not None
    return page.newest_first(sight.rows(tx, _page, bounds, upwards, from_account is not None))


def get(tx: Tx, notification_id: int) -> Row[Any]:
    row = sight.first(tx, _one, {"of": _me(tx), "id": notification_id})
    if row is None:
        raise NotFound
    return row


def count(
    tx: Tx,
    *,
    after_id: int = 0,
    limit: int = 100,
    kinds: Collection[str] | None = None,
    exclude: Collection[str] = (),
    from_account: int | None = None,
) -> int:
    """How many of those that `page` would show are newer than `after_id`, counted up to `limit`."""
    chosen = wanted(kinds, exclude)
    if not chosen:
        return 0
    values = {"of": _me(tx), "kinds": chosen, "above": after_id, "limit": limit, "sender": from_account}
    row = sight.first(tx, _count, values, from_account is not None)
    return 0 if row is None else int(row[0])


def dismiss(tx: Tx, notification_id: int) -> None:
    """Remove one of the viewer's own. NotFound if there is none."""
    statement = delete(notification).where(notification.c.account_id == _me(tx), notification.c.id == notification_id)
    if not tx.execute(statement).rowcount:
        raise NotFound


def clear(tx: Tx) -> None:
    tx.execute(delete(notification).where(notification.c.account_id == _me(tx)))


# Built once for many viewers: see `sight`.


def _page(eyes: Sight, upwards: bool, from_one: bool) -> Select[Any]:
    statement = shown(eyes, select(notification)).where(
        db.among(notification.c.kind, "kinds"),
        notification.c.id < bindparam("below", type_=Id),
        notification.c.id > bindparam("above", type_=Id),
    )
    if from_one:
        statement = statement.where(notification.c.from_id == bindparam("sender", type_=Id))
    order = notification.c.id.asc() if upwards else notification.c.id.desc()
    return statement.order_by(order).limit(bindparam("limit", type_=Id))


def _one(eyes: Sight) -> Select[Any]:
    return shown(eyes, select(notification)).where(notification.c.id == bindparam("id", type_=Id))


def _count(eyes: Sight, from_one: bool) -> Select[Any]:
    newer = shown(eyes, select(notification.c.id)).where(
        db.among(notification.c.kind, "kinds"), notification.c.id > bindparam("above", type_=Id)
    )
    if from_one:
        newer = newer.where(notification.c.from_id == bindparam("sender", type_=Id))
    return select(func.count()).select_from(newer.limit(bindparam("limit", type_=Id)).subquery())


def wanted(kinds: Collection[str] | None, exclude: Collection[str]) -> list[str]:
    """The kinds to look for; `kinds` None means all."""
    return [kind for kind in KINDS if (kinds is None or kind in kinds) and kind not in exclude]


def shown(eyes: Sight, statement: Select[Any]) -> Select[Any]:
    """Own notifications from people in good standing, about nothing or about a post that the viewer may see."""
    seen = exists(
        select(literal(1))
        .select_from(post)
        .where(post.c.id == notification.c.post_id, eyes.visible(post))
        .correlate_except(post)
    )
    return statement.join(_SENDER, _SENDER.c.id == notification.c.from_id).where(
        notification.c.account_id == bindparam("of", type_=Id),
        _SENDER.c.suspended_at.is_(None),
        or_(notification.c.post_id.is_(None), seen),
    )


def _me(tx: Tx) -> AccountId:
    if tx.viewer.account_id is None:
        raise Forbidden("This method requires an authenticated user")
    return tx.viewer.account_id


def _dedupe(kind: str, from_id: int, post_id: int | None, report_id: int | None) -> str:
    return f"{kind}:{from_id}:{post_id or report_id or ''}"
