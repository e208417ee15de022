"""What is on its way to peers: rows of `delivery`, stored in the transaction that caused them.

How they are sent is in `leases` (which worker, what next) and `dispatcher` (the network).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, bindparam, delete, exists, or_, select, update

from node import db
from node.bell import DELIVERY
from node.federation import company, peers
from node.runtime import Tx
from node.schema import account, activity, delivery, peer

DAY_MS = 86_400_000
TOO_LATE = "gave up: not delivered within federation.delivery_days"
TAKES_BACK = frozenset({"Delete", "Undo"})
"""Activities that a peer gets even while it is drained: it has copies."""

_D = delivery.c
_WAITS = _D.set_aside_at.is_(None)

_UNSENT = (
    select(_D.id, _D.inbox, activity.c.kind)
    .join(activity, activity.c.id == _D.activity_id)
    .where(
        db.among(_D.peer_id, "peer_ids"),
        _WAITS,
        _D.attempts == 0,
        activity.c.object_iri == bindparam("object_iri"),
        activity.c.actor_id == bindparam("actor_id"),
        db.among(activity.c.kind, "kinds"),
    )
)
_UNDERWAY = (
    select(_D.inbox, _D.peer_id)
    .distinct()
    .join(activity, activity.c.id == _D.activity_id)
    .where(activity.c.actor_id == bindparam("actor_id"), activity.c.object_iri == bindparam("object_iri"))
)


@dataclass(frozen=True, slots=True)
class Target:
    """One inbox, and whose it is."""

    inbox: str
    domain: str


# --- Storing ------------------------------------------------------------------------------------------------------


def enqueue(
    tx: Tx,
    doc: Mapping[str, Any],
    *,
    actor_id: int,
    about: str,
    key: str,
    to: Iterable[Target],
    body: bytes | None = None,
) -> None:
    """Store an activity and one delivery for each distinct inbox of `to`, in the caller's transaction.

    `about` is the IRI of its object, by which a later Delete finds it; `key` orders deliveries to one peer. The document
    is serialised once, unless `body` are its bytes as somebody else wrote them. Blocked and gone peers, and such as the
    settings do not admit, are left out.
    """
    company.ready(tx)
    inboxes = {one.inbox: one.domain for one in to if peers.admits(tx.node, one.domain)}
    known = peers.ids(tx, inboxes.values(), draining=doc["type"] in TAKES_BACK)
    reached = [(inbox, known[domain]) for inbox, domain in inboxes.items() if domain in known]
    if not reached:
        return
    row = {
        "iri": doc["id"],
        "actor_id": actor_id,
        "kind": doc["type"],
        "object_iri": about,
        "body": msgspec.json.encode(doc) if body is None else body,
    }
    activity_id = _store_activity(tx, row)
    expires_at = tx.now + int(tx.settings.federation.delivery_days * DAY_MS)
    tx.execute(
        db.insert_or_ignore(tx.dialect, delivery, ["activity_id", "inbox"]),
        [
            {
                "activity_id": activity_id,
                "peer_id": peer_id,
                "inbox": inbox,
                "ordering_key": key,
                "next_at": tx.now,
                "expires_at": expires_at,
            }
            for inbox, peer_id in reached
        ],
    )
    tx.ring(DELIVERY)


def _store_activity(tx: Tx, row: Mapping[str, Any]) -> int:
    """Its id. One that is repeated word for word (a follow that is asked again) is stored once."""
    activity_id: int = tx.new_id()
    values = {**row, "id": activity_id, "created_at": tx.now}
    if not tx.execute(db.insert_or_ignore(tx.dialect, activity, ["iri"]), values).rowcount:
        activity_id = tx.scalar(select(activity.c.id).where(activity.c.iri == row["iri"]))
    return activity_id


def withdraw(tx: Tx, *, actor_id: int, about: str, kinds: Sequence[str], to: Iterable[Target]) -> set[str]:
    """Drop deliveries of earlier activities about the same object that no peer can have seen yet (protocol R89).

    Answers with the inboxes whose Create was among them: they never heard of the object.
    """
    known = peers.ids(tx, {one.domain for one in to}, draining=True)
    if not known:
        return set()
    values = {"peer_ids": list(known.values()), "object_iri": about, "actor_id": actor_id, "kinds": list(kinds)}
    rows = tx.rows(_UNSENT, values)
    if rows:
        tx.execute(delete(delivery).where(_D.id.in_([row.id for row in rows])))
    return {row.inbox for row in rows if row.kind == "Create"}


def underway(tx: Tx, *, actor_id: int, about: str) -> list[Target]:
    """The inboxes that something about this object is still on its way to, or was set aside for."""
    rows = tx.rows(_UNDERWAY, {"actor_id": actor_id, "object_iri": about})
    if not rows:
        return []
    domains = {
        row.id: row.domain
        for row in tx.rows(select(peer.c.id, peer.c.domain).where(peer.c.id.in_({row.peer_id for row in rows})))
    }
    return [Target(row.inbox, domains[row.peer_id]) for row in rows]


# --- Inboxes that are no more -------------------------------------------------------------------------------------


def owners(tx: Tx, inbox: str, limit: int) -> list[Row[Any]]:
    """Some of the remote accounts (id, iri, fetched_at) that are reached through this inbox, and whether it is shared."""
    shared = (account.c.shared_inbox == inbox).label("shared")
    return list(
        tx.rows(
            select(account.c.id, account.c.iri, account.c.fetched_at, shared)
            .where(
                or_(account.c.inbox == inbox, account.c.shared_inbox == inbox),
                account.c.domain.is_not(None),
                account.c.gone_at.is_(None),
            )
            .order_by(account.c.fetched_at.desc().nulls_last())
            .limit(limit)
        )
    )


def retire(tx: Tx, domain: str) -> None:
    """The whole peer is gone. It is active again as soon as it sends something valid."""
    row = tx.first(select(peer.c.id).where(peer.c.domain == domain, peer.c.state == peers.ACTIVE))
    if row is None:
        return
    tx.execute(update(peer).where(peer.c.id == row.id).values(state=peers.GONE))
    tx.execute(delete(delivery).where(_D.peer_id == row.id))
    tx.audit("peer.gone", domain)


# --- Housekeeping -------------------------------------------------------------------------------------------------


def expire(tx: Tx, limit: int = 500) -> int:
    """Set aside what has waited too long; answers how many."""
    ids = tx.scalars(select(_D.id).where(_WAITS, _D.expires_at <= tx.now).limit(limit))
    if ids:
        tx.execute(update(delivery).where(_D.id.in_(ids)).values(set_aside_at=tx.now, last_error=TOO_LATE))
    return len(ids)


def prune(tx: Tx, *, before: int, limit: int = 500) -> int:
    """Remove activities that nobody waits for any more, and what was set aside before `before`; answers how many."""
    old = select(_D.id).where(_D.set_aside_at < before).limit(limit)
    removed = tx.execute(delete(delivery).where(_D.id.in_(old))).rowcount
    empty = (
        select(activity.c.id)
        .where(~exists().where(_D.activity_id == activity.c.id), activity.c.created_at < tx.now - 60_000)
        .limit(limit)
    )
    return removed + tx.execute(delete(activity).where(activity.c.id.in_(empty))).rowcount


def requeue(tx: Tx, domain: str) -> int:
    """Try again what was set aside for a peer (administrator); answers how many."""
    again = select(peer.c.id).where(peer.c.domain == domain).scalar_subquery()
    changed = tx.execute(
        update(delivery)
        .where(_D.peer_id == again, _D.set_aside_at.is_not(None))
        .values(
            set_aside_at=None,
            attempts=0,
            next_at=tx.now,
            expires_at=tx.now + int(tx.settings.federation.delivery_days * DAY_MS),
        )
    ).rowcount
    tx.ring(DELIVERY)
    return changed
