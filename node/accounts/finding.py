"""Finding people: the directory, and whom a text mentions. For search see searching.py."""

from collections.abc import Iterable
from typing import Any, Literal

from sqlalchemy import Row, Select, and_, select

from node import db
from node.runtime import Tx
from node.schema import account
from node.text import MentionRef

_BY_HANDLES = select(account).where(
    db.among(account.c.handle, "handles"),
    account.c.gone_at.is_(None),
    account.c.suspended_at.is_(None),
)
PRESENT = and_(
    account.c.gone_at.is_(None), account.c.suspended_at.is_(None), account.c.actor_type.not_in(("Application",))
)
"""Of accounts that people may find."""


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


def directory(
    tx: Tx, *, limit: int, offset: int = 0, order: Literal["active", "new"] = "active", local: bool = False
) -> list[int]:
    """Ids of people who want to be found, those who posted last (or joined last) first."""
    statement: Select[Any] = select(account.c.id).where(PRESENT, account.c.discoverable.is_(True))
    if local:
        statement = statement.where(account.c.domain.is_(None))
    by = [account.c.created_at.desc()] if order == "new" else [account.c.last_post_at.desc().nulls_last()]
    return tx.scalars(statement.order_by(*by, account.c.id.desc()).limit(limit).offset(offset))


def acct(row: Row[Any]) -> str:
    """`name`, or `name@domain` for people of peers, with the capitals of the name."""
    return f"{row.username}@{row.domain}" if row.domain else str(row.username)


def _handle(ref: MentionRef) -> str:
    return f"{ref.username}@{ref.domain}".casefold() if ref.domain else ref.username.casefold()
