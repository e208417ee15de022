"""Finding people: search, directory, and whom a text mentions."""

from collections.abc import Iterable
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, case, or_, select

from node.accounts.lookup import me, normal_handle, storable
from node.runtime import Tx
from node.schema import account, follow
from node.text import MentionRef

MAX_QUERY = 200
_MAX_WORDS = 8

_BY_HANDLES = select(account).where(
    account.c.handle.in_(bindparam("handles", expanding=True)),
    account.c.gone_at.is_(None),
    account.c.suspended_at.is_(None),
)
_PRESENT = and_(
    account.c.gone_at.is_(None), account.c.suspended_at.is_(None), account.c.actor_type.not_in(("Application",))
)


def resolve(tx: Tx, refs: Iterable[MentionRef]) -> dict[tuple[str, str | None], Row[Any]]:
    """The accounts among `refs` that are stored here, keyed by (username, domain) as in the mention."""
    handles = {(ref.username, ref.domain): _handle(ref) for ref in refs}
    if not handles:
        return {}
    rows = {row.handle: row for row in tx.rows(_BY_HANDLES, {"handles": sorted(set(handles.values()))})}
    return {key: rows[handle] for key, handle in handles.items() if handle in rows}


def unknown_handles(tx: Tx, refs: Iterable[MentionRef]) -> list[tuple[str, str]]:
    """(username, domain) of people of peers who are mentioned and not stored here, each once, in order.

    Deleted and suspended ones count as known: there is nothing to fetch.
    """
    remote = {_handle(ref): (ref.username, ref.domain) for ref in refs if ref.domain is not None}
    if not remote:
        return []
    known = set(tx.scalars(select(account.c.handle).where(account.c.handle.in_(sorted(remote)))))
    return [(username, domain) for handle, (username, domain) in remote.items() if handle not in known and domain]


def search(tx: Tx, q: str, *, limit: int, offset: int = 0, following: bool = False) -> list[int]:
    """Ids of people whose handle or name contains every word of `q`, the best first.

    An exact handle comes first, then handles that begin so, then people the viewer follows, then those with most followers.
    """
    words = q.strip()[:MAX_QUERY].removeprefix("@").split()[:_MAX_WORDS]
    if not words or not storable(q):
        return []
    handle = normal_handle(tx, words[0])
    statement = select(account.c.id).where(_PRESENT, *[_matches(tx, word) for word in words])
    rank = case((account.c.handle == handle, 0), (account.c.handle.startswith(handle, autoescape=True), 1), else_=2)
    order: list[ColumnElement[Any]] = [rank]
    if tx.viewer.account_id is not None:
        followed = select(follow.c.target_id).where(
            follow.c.follower_id == tx.viewer.account_id, follow.c.state == "accepted"
        )
        order.append(case((account.c.id.in_(followed), 0), else_=1))
        if following:
            statement = statement.where(account.c.id.in_(followed))
    elif following:
        me(tx)
    return tx.scalars(
        statement.order_by(*order, account.c.followers_count.desc(), account.c.id).limit(limit).offset(offset)
    )


def directory(
    tx: Tx, *, limit: int, offset: int = 0, order: Literal["active", "new"] = "active", local: bool = False
) -> list[int]:
    """Ids of people who want to be found, those who posted last (or joined last) first."""
    statement: Select[Any] = select(account.c.id).where(_PRESENT, account.c.discoverable.is_(True))
    if local:
        statement = statement.where(account.c.domain.is_(None))
    by = [account.c.created_at.desc()] if order == "new" else [account.c.last_post_at.desc().nulls_last()]
    return tx.scalars(statement.order_by(*by, account.c.id.desc()).limit(limit).offset(offset))


def acct(row: Row[Any]) -> str:
    """`name`, or `name@domain` for people of peers, with the capitals of the name."""
    return f"{row.username}@{row.domain}" if row.domain else str(row.username)


def _handle(ref: MentionRef) -> str:
    return f"{ref.username}@{ref.domain}".casefold() if ref.domain else ref.username.casefold()


def _matches(tx: Tx, word: str) -> ColumnElement[bool]:
    # SQLite folds the case of ASCII alone: the ways in which names are mostly written make up for it.
    shapes = dict.fromkeys((word, word.lower(), word.title(), word.upper()))
    handle = normal_handle(tx, word)
    in_handle = [account.c.handle.contains(handle, autoescape=True)] if handle else []
    return or_(*in_handle, *[account.c.display_name.icontains(shape, autoescape=True) for shape in shapes])
