"""Joining and leaving events across nodes (FEP-8a8e): asked by a Join, answered by its author with Accept or Reject.

A Join counts for who may see the event; an answer only by the event's author, for a Join that we sent, matched by its id
and by both parties (R43).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, bindparam, select, update

from activitypub import authority, build, values
from activitypub.documents import Activity
from activitypub.errors import Refused
from activitypub.vocabulary import Iri
from node import accounts, attending, gatherings
from node.errors import NotFound
from node.federation import delivery, recipients
from node.federation.delivery import Target
from node.federation.inbound import Inbound
from node.runtime import Node, Tx
from node.schema import account, attendance, gathering, post
from node.schema.meta import Id

if TYPE_CHECKING:
    from node.federation.network import Network

_OURS_LOOK = "/activities/join/"

_GUEST, _AUTHOR = account.alias("guest"), account.alias("author")
_ATTENDANCE = select(
    attendance,
    post.c.iri.label("event_iri"),
    _GUEST.c.iri.label("guest_iri"),
    _GUEST.c.domain.label("guest_domain"),
    recipients.inbox_of(_GUEST).label("guest_inbox"),
    _AUTHOR.c.id.label("author_id"),
    _AUTHOR.c.iri.label("author_iri"),
    _AUTHOR.c.domain.label("author_domain"),
    recipients.inbox_of(_AUTHOR).label("author_inbox"),
).select_from(
    attendance.join(post, post.c.id == attendance.c.post_id)
    .join(_GUEST, _GUEST.c.id == attendance.c.account_id)
    .join(_AUTHOR, _AUTHOR.c.id == post.c.author_id)
)
_BY_ID = _ATTENDANCE.where(attendance.c.id == bindparam("of", type_=Id))
_BY_IRI = _ATTENDANCE.where(attendance.c.iri == bindparam("iri"))
_NAMED = update(attendance).where(attendance.c.id == bindparam("of", type_=Id)).values(iri=bindparam("to"))
_EVENT = (
    select(post.c.id, post.c.author_id, _AUTHOR.c.iri.label("author_iri"))
    .select_from(post.join(gathering, gathering.c.post_id == post.c.id).join(_AUTHOR, _AUTHOR.c.id == post.c.author_id))
    .where(post.c.iri == bindparam("iri"), post.c.local.is_(True), post.c.local_only.is_(False))
)


def concerns(activity: Activity) -> bool:
    """Whether an Accept or Reject is of a Join: it says so, or names one by an id of ours."""
    if activity.embedded is not None and activity.object_type is not None:
        return activity.object_type == "Join"
    return activity.object is not None and _OURS_LOOK in activity.object


# --- heard ----------------------------------------------------------------------------------------------------------


def on_join(tx: Tx, inbound: Inbound) -> None:
    """Somebody elsewhere wants to come to an event of ours. Idempotent: a repeated Join is answered again.

    Of one that they may not see it is dropped, as if there were no such event (R46).
    """
    guest = accounts.acting(tx, inbound.actor_iri)
    event = tx.first(_EVENT, {"iri": inbound.object_iri})
    if event is None or guest.domain is None:
        raise NotFound
    state = gatherings.record_join(tx, guest.id, guest.domain, event.id, inbound.iri)
    if state == attending.ASKED:
        return
    asked = _join(inbound.iri, guest.iri, inbound.object_iri)
    to = recipients.one(tx, guest.id)
    _answer(tx, asked, event.author_id, event.author_iri, to, accepted=state == attending.ACCEPTED)


def on_leave(tx: Tx, inbound: Inbound) -> None:
    guest = accounts.acting(tx, inbound.actor_iri)
    event = tx.first(_EVENT, {"iri": inbound.object_iri})
    if event is None:
        raise NotFound
    gatherings.record_leave(tx, guest.id, event.id)


def on_accept(tx: Tx, inbound: Inbound) -> None:
    gatherings.record_answer(tx, _asked(tx, inbound).id, accepted=True)


def on_reject(tx: Tx, inbound: Inbound) -> None:
    """No, or no longer."""
    gatherings.record_answer(tx, _asked(tx, inbound).id, accepted=False)


def _asked(tx: Tx, inbound: Inbound) -> Row[Any]:
    stored = tx.first(_BY_IRI, {"iri": inbound.object_iri})
    if stored is None or stored.guest_domain is not None:
        raise NotFound("no such join of ours")
    authority.may_answer(stored.author_iri, inbound.actor_iri)
    embedded = inbound.activity.embedded or {}
    for name, expected in (("actor", stored.guest_iri), ("object", stored.event_iri)):
        if embedded.get(name) is not None and values.iri(embedded[name]) != expected:
            raise Refused("an answer that names other parties than the join has")
    return stored


# --- told -----------------------------------------------------------------------------------------------------------


def tell_joined(tx: Tx, attendance_id: int) -> None:
    row = tx.first(_BY_ID, {"of": attendance_id})
    if row is None or row.author_domain is None:
        return
    iri = tx.urls.activity(row.guest_iri, "Join", row.id)
    tx.execute(_NAMED, {"of": row.id, "to": iri})  # the answer names it
    doc = build.join(Iri(row.event_iri), iri=Iri(iri), actor=Iri(row.guest_iri), to=[Iri(row.author_iri)])
    _send(tx, doc, row.account_id, row, to=recipients.at(row.author_inbox))


def tell_left(tx: Tx, attendance_id: int) -> None:
    row = tx.first(_BY_ID, {"of": attendance_id})
    if row is None or row.author_domain is None:
        return
    iri = tx.urls.activity(row.guest_iri, "Leave", tx.new_id())
    doc = build.leave(Iri(row.event_iri), iri=Iri(iri), actor=Iri(row.guest_iri), to=[Iri(row.author_iri)])
    _send(tx, doc, row.account_id, row, to=recipients.at(row.author_inbox))


def tell_answer(tx: Tx, attendance_id: int, *, accepted: bool) -> None:
    """The author of an event of ours lets somebody in or turns them away; people here hear of it by looking."""
    row = tx.first(_BY_ID, {"of": attendance_id})
    if row is None or row.guest_domain is None or row.iri is None:
        return
    asked = _join(row.iri, row.guest_iri, row.event_iri)
    _answer(tx, asked, row.author_id, row.author_iri, recipients.at(row.guest_inbox), accepted=accepted)


async def tell_guests(node: Node, _network: "Network", payload: Mapping[str, Any]) -> None:
    """The job: how many come, by an Update of the event."""
    await node.write(_updated, int(payload["post"]))


def _updated(tx: Tx, post_id: int) -> None:
    tx.outgoing.post_updated(tx, post_id)


def _join(iri: str, guest_iri: str, event_iri: str) -> dict[str, Any]:
    return {"id": iri, "type": "Join", "actor": guest_iri, "object": event_iri}


def _answer(
    tx: Tx, asked: dict[str, Any], author_id: int, author_iri: str, to: Sequence[Target], *, accepted: bool
) -> None:
    if not to:
        return
    make, kind = (build.accept, "Accept") if accepted else (build.reject, "Reject")
    iri = Iri(tx.urls.activity(author_iri, kind, tx.new_id()))
    doc = make(asked, iri=iri, actor=Iri(author_iri), to=[Iri(asked["actor"])])
    key = f"{asked['actor']} {asked['object']}"
    delivery.enqueue(tx, doc, actor_id=author_id, about=asked["id"], key=key, to=to)


def _send(tx: Tx, doc: dict[str, Any], actor_id: int, row: Row[Any], *, to: Sequence[Target]) -> None:
    if to:
        key = f"{row.guest_iri} {row.event_iri}"
        delivery.enqueue(tx, doc, actor_id=actor_id, about=row.event_iri, key=key, to=to)
