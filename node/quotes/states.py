"""What becomes of a quote. Whether somebody may say so is judged before (activitypub.authority, node.federation.quoting).

Every change is decided and written in one serialised transaction, from what is stored at that moment: a post that was
deleted, a policy that was changed or a block that was made meanwhile counts, whichever came first (CVE-2026-33869).
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, and_, bindparam, case, exists, insert, literal, or_, select, update

from activitypub.errors import Refused
from activitypub.vocabulary import same_origin
from node import notifications
from node.db import among
from node.errors import Invalid, NotFound
from node.quotes.policy import Policy
from node.runtime import Tx
from node.schema import account, block, post, tombstone
from node.schema import quote as quote_table
from node.schema.meta import Id

VERIFY_JOB = "quote.verify"
TOLD = 100
"""Quotes of one post whose readers hear at once that it is gone; who reads later sees it anyway."""


class State(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REVOKED = "revoked"
    DELETED = "deleted"


class Quoted(NamedTuple):
    """What the new quote of one of ours says of itself; `asked` is the account of a peer whose consent it needs."""

    iri: str
    stamp_iri: str | None
    asked: int | None


_OF = bindparam("of", type_=Id)
_Q = quote_table.c
_AUTHOR, _QUOTED, _QUOTED_AUTHOR = account.alias("author"), post.alias("quoted"), account.alias("quoted_author")


def _stamped_away(iri: ColumnElement[Any]) -> ColumnElement[bool]:
    """Its author has deleted what has this id, before it came here or after."""
    return exists(
        select(literal(1))
        .select_from(tombstone)
        .where(tombstone.c.iri == iri, tombstone.c.author_iri == _QUOTED_AUTHOR.c.iri)
        .correlate(_QUOTED_AUTHOR)
    )


_BLOCKED = exists(
    select(literal(1))
    .select_from(block)
    .where(block.c.account_id == _QUOTED_AUTHOR.c.id, block.c.target_id == _AUTHOR.c.id)
    .correlate(_QUOTED_AUTHOR, _AUTHOR)
)
_SITUATION = (
    select(
        _Q.post_id,
        _Q.state,
        _Q.quoted_id,
        _Q.quoted_iri,
        _Q.stamp_iri,
        post.c.iri,
        post.c.author_id,
        post.c.local,
        _AUTHOR.c.iri.label("author_iri"),
        _AUTHOR.c.domain.label("author_domain"),
        _QUOTED.c.id.label("found_id"),
        _QUOTED.c.local.label("quoted_local"),
        _QUOTED.c.visibility.label("quoted_visibility"),
        _QUOTED_AUTHOR.c.id.label("quoted_author_id"),
        _QUOTED_AUTHOR.c.iri.label("quoted_author_iri"),
        _QUOTED_AUTHOR.c.username.label("quoted_author"),
        case((_BLOCKED, 1), else_=0).label("is_blocked"),
        case((_stamped_away(bindparam("stamp")), 1), else_=0).label("is_withdrawn"),
    )
    .select_from(
        quote_table.join(post, post.c.id == _Q.post_id)
        .join(_AUTHOR, _AUTHOR.c.id == post.c.author_id)
        .outerjoin(_QUOTED, and_(_QUOTED.c.iri == _Q.quoted_iri, _QUOTED.c.boost_of_id.is_(None)))
        .outerjoin(_QUOTED_AUTHOR, _QUOTED_AUTHOR.c.id == _QUOTED.c.author_id)
    )
    .where(_Q.post_id == _OF)
)
_BY_IRI = select(post.c.id).where(post.c.iri == bindparam("iri"), post.c.boost_of_id.is_(None))
_INSERT = insert(quote_table)
_SET = (
    update(quote_table)
    .where(_Q.post_id == _OF)
    .values(state=bindparam("to"), stamp_iri=bindparam("stamp"), quoted_id=bindparam("quoted", type_=Id))
)
_BY_STAMP = select(_Q.post_id).where(_Q.stamp_iri == bindparam("iri"))
_STAMP_OF_OTHER = select(_Q.post_id).where(_Q.stamp_iri == bindparam("stamp"), _Q.post_id != _OF)
_COUNT = (
    update(post)
    .where(post.c.id == _OF)
    .values(
        quotes_count=case(
            (post.c.quotes_count + bindparam("delta", type_=Id) < 0, 0),
            else_=post.c.quotes_count + bindparam("delta", type_=Id),
        )
    )
)
_TOUCH = update(post).where(among(post.c.id, "ids")).values(rev=post.c.rev + 1)
_AROUND = (
    select(_Q.post_id, _Q.quoted_id, _Q.state, post.c.author_id, _QUOTED.c.author_id.label("quoted_author_id"))
    .join(post, post.c.id == _Q.post_id)
    .outerjoin(_QUOTED, _QUOTED.c.id == _Q.quoted_id)
    .where(or_(_Q.post_id == _OF, _Q.quoted_id == _OF))
    .order_by(_Q.post_id.desc())
)
_DELETED = (
    update(quote_table)
    .where(_Q.quoted_id == _OF, _Q.state.in_((State.PENDING, State.ACCEPTED)))
    .values(state=State.DELETED)
)
_QUOTERS = (
    select(_Q.post_id, post.c.author_id)
    .join(post, post.c.id == _Q.post_id)
    .where(_Q.quoted_id == _OF, _Q.state == State.ACCEPTED, post.c.local)
)
_BETWEEN = (
    select(_Q.post_id)
    .join(post, post.c.id == _Q.post_id)
    .join(_QUOTED, _QUOTED.c.id == _Q.quoted_id)
    .where(
        _QUOTED.c.author_id == bindparam("blocker", type_=Id),
        post.c.author_id == bindparam("blocked", type_=Id),
        _Q.state.in_((State.PENDING, State.ACCEPTED)),
    )
    .order_by(_Q.post_id)
)
_OWN = select(post.c.id, post.c.author_id, post.c.boost_of_id).where(post.c.id == _OF)
_POLICY = update(post).where(post.c.id == _OF).values(quote_policy=bindparam("policy"))


def situation(tx: Tx, post_id: int, *, stamp: str = "") -> Row[Any] | None:
    """All that decides about the quote in a post, as it is now; None if there is none.

    `found_id` and the columns of the quoted post and its author are NULL while it is not here; `is_withdrawn` says that
    the author has deleted `stamp`.
    """
    return tx.first(_SITUATION, {"of": post_id, "stamp": stamp})


def store(tx: Tx, post_id: int, quoted_iri: str, **columns: Any) -> None:
    """A new row, for a post that has none."""
    row = {"post_id": post_id, "quoted_iri": quoted_iri, "created_at": tx.now, "state": State.PENDING}
    tx.execute(_INSERT, row | columns)


def count(tx: Tx, quoted_id: int, delta: int) -> None:
    tx.execute(_COUNT, {"of": quoted_id, "delta": delta})


def heard(tx: Tx, post_id: int, quoted_iri: str, stamp_iri: str | None) -> None:
    """A peer's post says that it quotes something, and perhaps where the consent to that is (R57).

    It is pending until the stamp was fetched from the quoted author's origin; a quote of one's own needs none. Of posts of
    ours we know by ourselves what was agreed to. What a post quotes never changes.
    """
    row = situation(tx, post_id)
    if row is None:
        store(tx, post_id, quoted_iri, quoted_id=tx.scalar(_BY_IRI, {"iri": quoted_iri}))
        row = situation(tx, post_id)
    if row is None or row.quoted_iri != quoted_iri or row.iri == quoted_iri or tx.urls.is_ours(quoted_iri):
        return
    if row.state == State.ACCEPTED and stamp_iri is None and row.stamp_iri is not None:
        ask_to_verify(tx, post_id, row.stamp_iri, again=True)
    if row.state in (State.ACCEPTED, State.DELETED) or (stamp_iri is not None and stamp_iri == row.stamp_iri):
        return
    if row.found_id is not None and row.quoted_author_id == row.author_id:
        move(tx, row, State.ACCEPTED)
        return
    near = stamp_iri if stamp_iri is not None and same_origin(stamp_iri, quoted_iri) else None
    own = row.found_id is None and same_origin(quoted_iri, row.iri)
    if near is not None or own:
        ask_to_verify(tx, post_id, near)


def heard_again(tx: Tx, row: Row[Any], new: Any) -> None:
    """A copy of a post came once more: what it says now of its quote, and of who may quote it, which are no edits.

    `row` is the stored one, `new` a `copies.RemotePost`. An older state than the stored one says nothing.
    """
    if (new.edited_at or new.created_at) < (row.edited_at or row.created_at):
        return
    if new.quoted_iri is not None:
        heard(tx, row.id, new.quoted_iri, new.stamp_iri)
    if new.quote_policy is not None and new.quote_policy != row.quote_policy:
        tx.execute(_POLICY, {"of": row.id, "policy": new.quote_policy})


def ask_to_verify(tx: Tx, post_id: int, stamp_iri: str | None, *, again: bool = False) -> None:
    """Have the quoted post and the stamp fetched; without a stamp to see whether both are by the same author.

    `again`: a stamp that was believed, and that the quoting post no longer names. It may only be older than the stamp:
    whether that is gone, its origin knows.
    """
    digest = hashlib.sha256((stamp_iri or "").encode()).hexdigest()[:32]
    payload = {"post_id": str(post_id), "stamp": stamp_iri, "again": again}
    tx.enqueue(VERIFY_JOB, payload, dedupe=f"{VERIFY_JOB}:{post_id}:{digest}")


def move(tx: Tx, row: Row[Any], state: State, *, stamp: str | None = None) -> bool:
    """Change the state of a quote, `row` as `situation` gave it; tells readers, and who was quoted. False if it is so.

    The id of a stamp stays after it was revoked: whoever sends it again brings nothing back. Raises Refused for a stamp
    that another quote has.
    """
    if row.state == state and stamp in (None, row.stamp_iri):
        return False
    if stamp is not None and tx.first(_STAMP_OF_OTHER, {"stamp": stamp, "of": row.post_id}) is not None:
        raise Refused("the consent to another quote")
    values = {"of": row.post_id, "to": state, "stamp": stamp or row.stamp_iri, "quoted": row.found_id}
    tx.execute(_SET, values)
    delta = (state == State.ACCEPTED) - (row.state == State.ACCEPTED)
    if delta and row.found_id is not None:
        count(tx, row.found_id, delta)
    if delta > 0:
        tell_quoted(tx, row.quoted_author_id, row.author_id, row.post_id)
    elif delta < 0 and row.quoted_author_id is not None:
        notifications.withdraw(tx, row.quoted_author_id, "quote", row.author_id, post_id=row.post_id)
    tx.execute(_TOUCH, {"ids": [row.post_id]})
    tx.emit("status.update", post_id=row.post_id, account_id=row.author_id)
    if state == State.REVOKED and row.local:  # who has the quoting post need not be told by the quoted author
        tx.outgoing.post_updated(tx, row.post_id)
    return True


def tell_quoted(tx: Tx, quoted_author_id: int, author_id: int, post_id: int) -> None:
    """The one who is quoted hears of it."""
    notifications.notify(tx, quoted_author_id, "quote", author_id, post_id=post_id)


def tell_quoters(tx: Tx, post_id: int, author_id: int) -> None:
    """People of this node who quote what was edited."""
    for row in tx.rows(_QUOTERS, {"of": post_id}):
        notifications.notify(tx, row.author_id, "quoted_update", author_id, post_id=row.post_id)


def revoke(tx: Tx, quoted_id: int, post_id: int) -> None:
    """The viewer takes back the consent to a quote of their own post. NotFound if it is not theirs, or no such quote.

    Idempotent; for good: the same post cannot quote it again.
    """
    row = situation(tx, post_id)
    if row is None or row.found_id != quoted_id or row.quoted_author_id != tx.viewer.account_id:
        raise NotFound
    if row.author_id == row.quoted_author_id:
        raise Invalid("This is a quote by yourself: delete it instead.")
    if row.state == State.ACCEPTED:
        _withdraw(tx, row)


def revoke_by_iri(tx: Tx, stamp_iri: str, actor_iri: str) -> None:
    """Their author has deleted a stamp. Nothing for what is none, or is somebody else's."""
    post_id = tx.scalar(_BY_STAMP, {"iri": stamp_iri})
    row = situation(tx, post_id) if post_id is not None else None
    if row is not None and row.quoted_author_iri == actor_iri and row.state == State.ACCEPTED:
        move(tx, row, State.REVOKED)


def stamp_gone(tx: Tx, stamp_iri: str) -> None:
    """The origin of a stamp has it no more."""
    post_id = tx.scalar(_BY_STAMP, {"iri": stamp_iri})
    row = situation(tx, post_id) if post_id is not None else None
    if row is not None and row.state == State.ACCEPTED:
        move(tx, row, State.REVOKED)


def end_between(tx: Tx, blocker_id: int, blocked_id: int) -> None:
    """After a block: the blocker no longer agrees to quotes by the blocked."""
    for post_id in tx.scalars(_BETWEEN, {"blocker": blocker_id, "blocked": blocked_id}):
        row = situation(tx, post_id)
        if row is not None and row.state == State.PENDING:
            move(tx, row, State.REJECTED)
        elif row is not None:
            _withdraw(tx, row)


def _withdraw(tx: Tx, row: Row[Any]) -> None:
    move(tx, row, State.REVOKED)
    if row.quoted_local and row.stamp_iri is not None:
        tx.outgoing.quote_revoked(tx, row.post_id)


def ended(tx: Tx, post_id: int) -> None:
    """A post is about to be removed: those that quote it say so, what it quotes is quoted once less."""
    rows: Sequence[Row[Any]] = tx.rows(_AROUND, {"of": post_id})
    quoting = [row.post_id for row in rows if row.quoted_id == post_id]
    for row in rows:
        if row.post_id == post_id and row.state == State.ACCEPTED and row.quoted_id is not None:
            count(tx, row.quoted_id, -1)
    if not quoting:
        return
    tx.execute(_DELETED, {"of": post_id})
    tx.execute(_TOUCH, {"ids": quoting})
    for row in [row for row in rows if row.quoted_id == post_id][:TOLD]:
        tx.emit("status.update", post_id=row.post_id, account_id=row.author_id)


def set_policy(tx: Tx, post_id: int, policy: Policy) -> None:
    """Who may quote the viewer's own post from now on; quotes that are there stay. NotFound for posts of others."""
    row = tx.first(_OWN, {"of": post_id})
    if row is None or row.boost_of_id is not None or row.author_id != tx.viewer.account_id:
        raise NotFound
    tx.execute(_POLICY, {"of": post_id, "policy": int(policy)})
    tx.emit("status.update", post_id=post_id, account_id=row.author_id)
    tx.outgoing.post_updated(tx, post_id)
