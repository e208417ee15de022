"""Leases: which worker sends what to which peer, and what became of it.

A worker leases a *peer*, not a delivery (design, decision 4). `lease` hands out a window of what is due there and marks it
as tried, in one write, before anything is sent: after a crash one knows what a peer may have got. `record` takes the
outcome of the window, if the lease is still the newest one of that peer, and hands out the next window in the same write.

Failures are of two kinds. A peer that cannot be reached, or answers nothing but 5xx, fails as a whole: its breaker
counts, nothing of it is sent before `peer.next_attempt_at`, and the deliveries themselves stay due. An activity that
fails while others pass has its own back-off, and is set aside when it keeps failing.

A peer that comes back after a minute or more (`peers.RAMP_AFTER_MS`) gets a few a second first, and twice as many every
ten seconds, until it is left to its own speed (`release_rate`). One that was merely started anew is sent what waits at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    Boolean,
    Integer,
    Row,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from node import db, presence
from node.bell import DELIVERY
from node.federation import peers
from node.federation.delivery import TOO_LATE
from node.runtime import Tx
from node.schema import account, activity, delivery, peer

WINDOW = 20
LEASE_MS = 120_000
"""Longer than any window takes: within it, nobody else sends to that peer."""
PROBE_SCAN = 200
"""How far a probe looks for an activity that has not failed yet."""
RAMP_RATE, RAMP_DOUBLES_MS = 5, 10_000
"""After an outage: so many deliveries in the first second, and twice as many after so long, until `peers.RAMP_MS`. Adds up
to some 9,000 deliveries: what a day has held back is through in minutes, and fifty peers at once do not flatten it."""
RAMP_PAUSE_MS = 900
"""A little less than the second in which the worker looks again."""

_D, _P = delivery.c, peer.c
_WAITS = _D.set_aside_at.is_(None)

_DUE = exists().where(_D.peer_id == peer.c.id, _WAITS, _D.next_at <= bindparam("now"))
_SENDABLE = and_(
    or_(peer.c.state == peers.ACTIVE, peer.c.state == peers.DRAINING),
    peer.c.paused_at.is_(None),
    or_(peer.c.next_attempt_at.is_(None), peer.c.next_attempt_at <= bindparam("now")),
    or_(peer.c.lease_until.is_(None), peer.c.lease_until <= bindparam("now")),
)
_CANDIDATES = (
    select(peer.c.id, peer.c.domain)
    .where(_SENDABLE, _DUE)
    .order_by(peer.c.last_sent_at.asc().nulls_first())
    .limit(bindparam("limit"))
)
_TAKE = (
    update(peer)
    .where(peer.c.id == bindparam("of_peer"), _SENDABLE)
    .values(lease_token=peer.c.lease_token + 1, lease_until=bindparam("until"), lease_holder=bindparam("holder"))
    .returning(peer.c.lease_token, peer.c.failures, peer.c.ramp_from)
)
# A key waits as a whole: what comes behind a failed activity about the same object may not overtake it.
_HELD_KEYS = select(_D.ordering_key).where(_D.peer_id == bindparam("of_peer"), _WAITS, _D.next_at > bindparam("now"))
_NEXT = (
    select(
        _D.id,
        _D.inbox,
        _D.ordering_key,
        _D.attempts,
        _D.expires_at,
        activity.c.id.label("activity_id"),
        activity.c.actor_id,
        activity.c.body,
        account.c.followers_iri,
        account.c.followers_count,
    )
    .join(activity, activity.c.id == _D.activity_id)
    .join(account, account.c.id == activity.c.actor_id)
    .where(
        _D.peer_id == bindparam("of_peer"),
        _WAITS,
        _D.next_at <= bindparam("now"),
        _D.ordering_key.not_in(_HELD_KEYS),
    )
    .order_by(_D.id)
    .limit(bindparam("limit"))
)
_HOLDER = delivery.alias("holder")
# What came to a held key later is due by itself: it takes over the time, or its peer would look due all the while.
_POSTPONE_HELD = (
    update(delivery)
    .where(_D.peer_id == bindparam("of_peer"), _WAITS, _D.next_at <= bindparam("now"), _D.ordering_key.in_(_HELD_KEYS))
    .values(
        next_at=select(func.max(_HOLDER.c.next_at))
        .where(
            _HOLDER.c.peer_id == bindparam("of_peer"),
            _HOLDER.c.ordering_key == _D.ordering_key,
            _HOLDER.c.set_aside_at.is_(None),
        )
        .scalar_subquery()
    )
)
_HEADS = (
    select(_D.id, _D.ordering_key, _D.attempts)
    .where(
        _D.peer_id == bindparam("of_peer"), _WAITS, _D.next_at <= bindparam("now"), _D.ordering_key.not_in(_HELD_KEYS)
    )
    .order_by(_D.id)
    .limit(PROBE_SCAN)
)
_PROBE = (
    select(
        _D.id,
        _D.inbox,
        _D.ordering_key,
        _D.attempts,
        _D.expires_at,
        activity.c.id.label("activity_id"),
        activity.c.actor_id,
        activity.c.body,
        account.c.followers_iri,
        account.c.followers_count,
    )
    .join(activity, activity.c.id == _D.activity_id)
    .join(account, account.c.id == activity.c.actor_id)
    .where(db.among(_D.id, "ids"))
    .order_by(_D.id)
)
_MARK_TRIED = update(delivery).where(db.among(_D.id, "ids")).values(attempts=_D.attempts + 1)
_UNMARK = update(delivery).where(db.among(_D.id, "ids"), _D.attempts > 0).values(attempts=_D.attempts - 1)
_REMOVE = delete(delivery).where(db.among(_D.id, "ids"))
_LATER = update(delivery).where(_D.id == bindparam("of")).values(next_at=bindparam("at"), last_error=bindparam("error"))
_ASIDE = (
    update(delivery).where(_D.id == bindparam("of")).values(set_aside_at=bindparam("at"), last_error=bindparam("error"))
)
# The breaker was open for long, and now something was taken.
_IS_BACK = and_(peers.WAS_AWAY, bindparam("failed", type_=Integer) == 0)
_SETTLE = (
    update(peer)
    .where(peer.c.id == bindparam("of"), peer.c.lease_token == bindparam("token"))
    .values(
        lease_until=bindparam("until"),
        failures=bindparam("failed"),
        failing_since=case(
            (bindparam("failed", type_=Integer) == 0, None), else_=func.coalesce(_P.failing_since, bindparam("now"))
        ),
        ramp_from=case((_IS_BACK, bindparam("now")), else_=_P.ramp_from),
        next_attempt_at=bindparam("at"),
        last_error=func.coalesce(bindparam("error"), _P.last_error),
        last_status=case(
            (bindparam("reached", type_=Boolean), bindparam("status", type_=Integer)), else_=_P.last_status
        ),
        last_sent_at=func.coalesce(bindparam("sent"), _P.last_sent_at),
    )
    .returning(_P.paused_at, _P.ramp_from)
)
_VOID = (
    update(peer)
    .where(_P.lease_until > bindparam("now"), presence.is_dead(_P.lease_holder))
    .values(lease_until=None, lease_token=_P.lease_token + 1)
)
_RELEASE = update(peer).where(_P.id == bindparam("of"), _P.lease_token == bindparam("token")).values(lease_until=None)


@dataclass(frozen=True, slots=True)
class Item:
    """One delivery of a window. `attempts` counts this try as well; `followers_…` are its actor's."""

    id: int
    activity_id: int
    actor_id: int
    inbox: str
    key: str
    attempts: int
    body: bytes
    followers_iri: str | None = None
    followers_count: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send to one peer, as long as no newer token exists. `failures` are those in a row before it.

    `allowance` is how many may be sent now, these included; None if the peer is left to its own speed. `more`: something
    may be due beyond these.
    """

    peer_id: int
    domain: str
    token: int
    failures: int
    items: tuple[Item, ...]
    allowance: int | None = None
    more: bool = True


@dataclass(slots=True)
class Outcome:
    """What became of a window. Times are ms since 1970.

    `later` and `aside` are {delivery id: (when, error)} and {delivery id: error}; `untried` were not sent after all.
    `failures`, `paused_until` and `error` are the peer's as a whole; `status` is what it answered last, None if nothing
    that was `tried` reached it.
    """

    done: list[int] = field(default_factory=list)
    later: dict[int, tuple[int, str]] = field(default_factory=dict)
    aside: dict[int, str] = field(default_factory=dict)
    untried: list[int] = field(default_factory=list)
    failures: int = 0
    paused_until: int | None = None
    error: str | None = None
    tried: bool = False
    status: int | None = None


def release_rate(since_ms: int | None) -> int | None:
    """Deliveries that a peer gets in this second which came back so long ago; None: as many as it takes."""
    if since_ms is None or not 0 <= since_ms < peers.RAMP_MS:
        return None
    return int(RAMP_RATE * 2 ** (since_ms / RAMP_DOUBLES_MS))


def is_due(tx: Tx) -> bool:
    """True if `lease` would find a peer."""
    return tx.first(_CANDIDATES, {"now": tx.now, "limit": 1}) is not None


def lease(tx: Tx, limit: int) -> list[Lease]:
    """Lease up to `limit` peers for which something is due, those first that were sent to longest ago."""
    leases, held_by = [], {"holder": tx.node.presence}
    for candidate in tx.rows(_CANDIDATES, {"now": tx.now, "limit": limit}):
        taken = tx.first(_TAKE, {"of_peer": candidate.id, "now": tx.now, "until": tx.now + LEASE_MS, **held_by})
        if taken is None:
            continue
        allowed = _allowance(tx, taken.ramp_from)
        size = WINDOW if allowed is None else min(WINDOW, allowed)
        items = _probe(tx, candidate.id) if taken.failures else _window(tx, candidate.id, size)
        more = taken.failures > 0 or len(items) == size
        leases.append(Lease(candidate.id, candidate.domain, taken.lease_token, taken.failures, items, allowed, more))
    return leases


def record(tx: Tx, held: Lease, outcome: Outcome, next_window: int) -> Lease | None:
    """Store what became of a window, and hand out the next one of up to `next_window` deliveries (0: give the lease back).

    None when there is nothing more to do, or when somebody else has leased the peer meanwhile: then nothing is stored,
    and what this worker sent will be sent again, which peers recognise by the activity's id. After a window that was not
    full the lease is given back without a further look: what came since then finds the peer free.
    """
    allowed = None if held.allowance is None else held.allowance - len(held.items)
    spent = allowed is not None and allowed <= 0
    goes_on = held.more and next_window > 0 and outcome.paused_until is None and not spent
    rests_until = tx.now + RAMP_PAUSE_MS if spent and outcome.paused_until is None else outcome.paused_until
    settled = tx.first(
        _SETTLE,
        {
            "of": held.peer_id,
            "token": held.token,
            "until": tx.now + LEASE_MS if goes_on else None,
            "failed": outcome.failures,
            "now": tx.now,
            "away_since": tx.now - peers.RAMP_AFTER_MS,
            "at": rests_until,
            "error": outcome.error,
            "reached": outcome.tried,
            "status": outcome.status,
            "sent": tx.now if outcome.done else None,
        },
    )
    if settled is None:
        return None
    _store(tx, outcome)
    if not goes_on:
        return None
    if allowed is None and held.failures:  # it may have come back with this very window
        allowed = _allowance(tx, settled.ramp_from)
    size = next_window if allowed is None else min(next_window, allowed)
    items = _window(tx, held.peer_id, size) if settled.paused_at is None else ()
    if items:
        more = len(items) == size
        return Lease(held.peer_id, held.domain, held.token, outcome.failures, items, allowed, more)
    tx.execute(_RELEASE, {"of": held.peer_id, "token": held.token})
    return None


def release_all(tx: Tx) -> None:
    """Void every lease. For a process that knows it is the only one: what a killed predecessor held is due at once."""
    tx.execute(
        update(peer).where(peer.c.lease_until.is_not(None)).values(lease_until=None, lease_token=peer.c.lease_token + 1)
    )


def void_of_the_dead(tx: Tx) -> None:
    """PostgreSQL: void the leases of processes that are no more, while others work on."""
    if tx.execute(_VOID, {"now": tx.now}).rowcount:
        tx.ring(DELIVERY)


def _allowance(tx: Tx, ramp_from: int | None) -> int | None:
    return release_rate(None if ramp_from is None else tx.now - ramp_from)


def _store(tx: Tx, outcome: Outcome) -> None:
    if outcome.done:
        tx.execute(_REMOVE, {"ids": outcome.done})
    if outcome.untried:
        tx.execute(_UNMARK, {"ids": outcome.untried})
    if outcome.later:
        tx.execute(_LATER, [{"of": id_, "at": at, "error": error} for id_, (at, error) in outcome.later.items()])
    if outcome.aside:
        tx.execute(_ASIDE, [{"of": id_, "at": tx.now, "error": error} for id_, error in outcome.aside.items()])


def _window(tx: Tx, peer_id: int, limit: int) -> tuple[Item, ...]:
    rows = tx.rows(_NEXT, {"of_peer": peer_id, "now": tx.now, "limit": limit})
    if not rows:  # what is due, if anything, waits behind something that failed
        tx.execute(_POSTPONE_HELD, {"of_peer": peer_id, "now": tx.now})
    return _tried(tx, rows)


def _probe(tx: Tx, peer_id: int) -> tuple[Item, ...]:
    """Two deliveries to see whether the peer is back: the oldest, and one that has failed the fewest times.

    So that an activity which the peer cannot digest does not pass for a peer that is down when it is the oldest.
    """
    heads: dict[str, Row[Any]] = {}
    for row in tx.rows(_HEADS, {"of_peer": peer_id, "now": tx.now}):
        heads.setdefault(row.ordering_key, row)
    if not heads:
        tx.execute(_POSTPONE_HELD, {"of_peer": peer_id, "now": tx.now})
        return ()
    oldest, freshest = next(iter(heads.values())), min(heads.values(), key=lambda row: row.attempts)
    return _tried(tx, tx.rows(_PROBE, {"ids": list({oldest.id, freshest.id})}))


def _tried(tx: Tx, rows: Sequence[Row[Any]]) -> tuple[Item, ...]:
    """Mark what is about to be sent; set aside what has waited too long."""
    expired = {row.id: TOO_LATE for row in rows if row.expires_at <= tx.now}
    if expired:
        _store(tx, Outcome(aside=expired))
    fresh = [row for row in rows if row.id not in expired]
    if fresh:
        tx.execute(_MARK_TRIED, {"ids": [row.id for row in fresh]})
    return tuple(
        Item(
            row.id,
            row.activity_id,
            row.actor_id,
            row.inbox,
            row.ordering_key,
            row.attempts + 1,
            row.body,
            row.followers_iri,
            row.followers_count,
        )
        for row in fresh
    )
