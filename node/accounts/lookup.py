"""One account by id, handle or IRI.

A deleted account is NotFound everywhere. A suspended one is NotFound for people and peers too; the node itself and those
who moderate still find it.
"""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, bindparam, case, or_, select, update

from node.errors import Forbidden, Invalid, NotFound, Unknown
from node.runtime import Tx
from node.schema import account, login
from node.viewer import Kind, Viewer

MODERATION_ROLES = frozenset({"moderator", "admin", "auditor"})

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

_BY_ID = select(account).where(account.c.id == bindparam("id"))
_BY_HANDLE = select(account).where(account.c.handle == bindparam("handle"))
_BY_IRI = select(account).where(account.c.iri == bindparam("iri"))
_LOGIN = select(login).where(login.c.account_id == bindparam("id"))
_COUNT_POSTS = (
    update(account)
    .where(account.c.id == bindparam("of"))
    .values(
        posts_count=case(
            (account.c.posts_count + bindparam("delta") < 0, 0), else_=account.c.posts_count + bindparam("delta")
        ),
        last_post_at=case(
            (
                or_(account.c.last_post_at.is_(None), account.c.last_post_at < bindparam("at")),
                bindparam("at"),
            ),
            else_=account.c.last_post_at,
        ),
        rev=account.c.rev + 1,
    )
)
_UNCOUNT_POSTS = (
    update(account)
    .where(account.c.id == bindparam("of"))
    .values(
        posts_count=case(
            (account.c.posts_count + bindparam("delta") < 0, 0), else_=account.c.posts_count + bindparam("delta")
        ),
        rev=account.c.rev + 1,
    )
)


def get(tx: Tx, account_id: int) -> Row[Any]:
    """The account's row. NotFound also for what `tx.viewer` may not see."""
    return _seen(tx, tx.first(_BY_ID, {"id": account_id}))


def by_handle(tx: Tx, handle: str) -> Row[Any]:
    """`anna`, `@anna`, `anna@field.example`, in any case. NotFound if no such account is stored here."""
    name = normal_handle(tx, handle)
    return _seen(tx, tx.first(_BY_HANDLE, {"handle": name}) if name else None)


def local_by_iri(tx: Tx, iri: str) -> Row[Any]:
    """An account of this node, neither deleted nor suspended, the node's own actor included."""
    row = tx.first(_BY_IRI, {"iri": iri}) if storable(iri) else None
    if row is None or row.domain is not None or row.gone_at is not None or row.suspended_at is not None:
        raise NotFound
    return row


def known(tx: Tx, iri: str) -> Row[Any]:
    """Any stored account, a suspended one too. Raises Unknown if it isn't stored, NotFound if it was deleted.

    For whoever acts there is `acting`.
    """
    row = tx.first(_BY_IRI, {"iri": iri}) if storable(iri) else None
    if row is None:
        raise Unknown(iri)
    if row.gone_at is not None:
        raise NotFound
    return row


def acting(tx: Tx, iri: str) -> Row[Any]:
    """`known`, for the actor of an activity: what a suspended account says is refused (CVE-2026-23961)."""
    row = known(tx, iri)
    if row.suspended_at is not None:
        raise Forbidden("This account is suspended here")
    return row


def node_actor(tx: Tx) -> Row[Any]:
    """The actor that this node itself acts as. NotFound on a database that `init` has not finished."""
    row = tx.first(_BY_IRI, {"iri": tx.urls.node_actor})
    if row is None:
        raise NotFound("this node has no actor yet")
    return row


def login_of(tx: Tx, account_id: int) -> Row[Any]:
    """Sign-in data and posting defaults of a local person; NotFound for everybody else."""
    row = tx.first(_LOGIN, {"id": account_id})
    if row is None:
        raise NotFound
    return row


def local_people(tx: Tx, *, limit: int = 100, after_id: int = 0) -> Sequence[Row[Any]]:
    """People of this node in the order of their ids, for its administration: account joined with its login.

    Columns of the login are `email`, `roles`, `disabled_at`, `last_sign_in_at`. Suspended people are listed, deleted not.
    """
    statement: Select[Any] = (
        select(account, login.c.email, login.c.roles, login.c.disabled_at, login.c.last_sign_in_at)
        .join(login, login.c.account_id == account.c.id)
        .where(account.c.id > after_id, account.c.gone_at.is_(None))
        .order_by(account.c.id)
        .limit(limit)
    )
    return tx.rows(statement)


def count_posts(tx: Tx, account_id: int, delta: int, at: int | None = None) -> None:
    """Add `delta` to the number of posts; `at` (ms) is when the new one was published."""
    if at is None:
        tx.execute(_UNCOUNT_POSTS, {"of": account_id, "delta": delta})
    else:
        tx.execute(_COUNT_POSTS, {"of": account_id, "delta": delta, "at": at})


def normal_handle(tx: Tx, handle: str) -> str:
    """A handle as it is stored: casefolded, without a leading '@', without our own domain. "" if it can't be one."""
    name = handle.strip().removeprefix("@").casefold()
    if not storable(name) or len(name) > 520 or any(map(str.isspace, name)):
        return ""
    return name.removesuffix(f"@{tx.settings.node.domain}")


def storable(text: str) -> bool:
    """False for text that no database takes: NUL, lone surrogates."""
    return not _UNSTORABLE.search(text)


def checked(text: str, field: str, limit: int) -> str:
    """The text as it is, or Invalid: unstorable characters, more than `limit` of them."""
    if not storable(text):
        raise Invalid("contains characters that cannot be stored", field)
    if len(text) > limit:
        raise Invalid(f"is too long (maximum is {limit} characters)", field)
    return text


def me(tx: Tx) -> int:
    """The account that acts. Forbidden for a viewer that is nobody's account."""
    if tx.viewer.account_id is None:
        raise Forbidden("This method requires an authenticated user")
    return tx.viewer.account_id


def sees_suspended(viewer: Viewer) -> bool:
    return viewer.kind is Kind.SYSTEM or bool(viewer.roles & MODERATION_ROLES)


def _seen(tx: Tx, row: Row[Any] | None) -> Row[Any]:
    if row is None or row.gone_at is not None:
        raise NotFound
    if row.suspended_at is not None and not sees_suspended(tx.viewer):
        raise NotFound
    return row
