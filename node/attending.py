"""Who comes to an event: the list of its guests, and how many they are. The rules of who may are in gatherings.py."""

from typing import Any

from sqlalchemy import Row, and_, bindparam, delete, func, or_, select, update

from node import notifications
from node.runtime import Tx
from node.schema import attendance, gathering, post
from node.schema.meta import Id

ASKED, ACCEPTED = "asked", "accepted"
COUNT_JOB = "gathering.count"
"""Tell peers how many come: {"post": id}. Late, so that many guests are one Update."""
COUNT_AFTER_MS = 2_000
NOTICES = {ASKED: "join_request", ACCEPTED: "join"}
"""What the author of an event is told when somebody wants to come."""

_G, _A = gathering.c, attendance.c
_OF = bindparam("of", type_=Id)
_WHO = bindparam("who", type_=Id)
_ONE, _OTHER = bindparam("one", type_=Id), bindparam("other", type_=Id)
_DROP = delete(attendance).where(_A.id == _OF)
_FORGET = delete(attendance).where(_A.account_id == _WHO)
_GUESTS = select(
    _A.id, _A.post_id, _A.account_id, _A.state, post.c.author_id, post.c.local, post.c.local_only
).join_from(attendance, post, post.c.id == _A.post_id)
_OF_GUEST = _GUESTS.where(_A.account_id == _WHO)
_BETWEEN = _GUESTS.where(
    or_(
        and_(_A.account_id == _ONE, post.c.author_id == _OTHER),
        and_(_A.account_id == _OTHER, post.c.author_id == _ONE),
    )
)
_COUNT = (
    update(gathering)
    .where(_G.post_id == _OF)
    .values(
        guests_count=select(func.count())
        .select_from(attendance)
        .where(_A.post_id == _G.post_id, _A.state == ACCEPTED)
        .scalar_subquery()
    )
)


def add(tx: Tx, event: Row[Any], account_id: int, state: str, iri: str | None) -> int:
    """Put somebody on the list, and tell the event's author if that is somebody here; the new row's id.

    `event` here and below: a row with `post_id`, `author_id`, `local` and `local_only`.
    """
    attendance_id = tx.new_id()
    values = {"id": attendance_id, "post_id": event.post_id, "account_id": account_id, "state": state, "iri": iri}
    tx.execute(attendance.insert(), values | {"created_at": tx.now})
    if event.local:
        notifications.notify(tx, event.author_id, NOTICES[state], account_id, post_id=event.post_id)
    recount(tx, event)
    return attendance_id


def drop(tx: Tx, event: Row[Any], mine: Row[Any]) -> None:
    """Take somebody off the list; `mine` is their row."""
    tx.execute(_DROP, {"of": mine.id})
    if event.local:
        for kind in NOTICES.values():
            notifications.withdraw(tx, event.author_id, kind, mine.account_id, post_id=event.post_id)
    recount(tx, event)


def recount(tx: Tx, event: Row[Any]) -> None:
    """Counted anew, so that nothing can make the number wrong. Of a peer's event its author says how many come."""
    if not event.local:
        return
    tx.execute(_COUNT, {"of": event.post_id})
    if not event.local_only:
        dedupe = f"{COUNT_JOB}:{event.post_id}"
        tx.enqueue(COUNT_JOB, {"post": event.post_id}, at=tx.now + COUNT_AFTER_MS, dedupe=dedupe)


def forget(tx: Tx, account_id: int) -> None:
    """Somebody is no more, and comes nowhere."""
    rows = tx.rows(_OF_GUEST, {"who": account_id})
    tx.execute(_FORGET, {"who": account_id})
    for row in rows:
        recount(tx, row)


def end_between(tx: Tx, blocker_id: int, blocked_id: int, *, tell: bool) -> None:
    """After a block neither comes to the other's events. `tell`: the block is ours, and their node is to hear of it."""
    for row in tx.rows(_BETWEEN, {"one": blocker_id, "other": blocked_id}):
        if tell and row.author_id == blocker_id:
            tx.outgoing.guest_answered(tx, row.id, accepted=False)
        elif tell:
            tx.outgoing.left(tx, row.id)
        drop(tx, row, row)
