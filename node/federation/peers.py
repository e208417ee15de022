"""Other nodes: who may talk to us, and what we know of each.

A peer is an exact `host[:port]`. Admission is asked before anything of a peer is verified, fetched or delivered
(protocol R34, R37): first the settings, then the block list in the database.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, and_, bindparam, case, func, or_, select, true, update

from activitypub.errors import Malformed, Refused
from activitypub.vocabulary import normal_authority
from node import db
from node.bell import DELIVERY
from node.company import Company
from node.config import Settings
from node.errors import Conflict, NotFound
from node.runtime import Node, Tx
from node.schema import activity, delivery, peer

ACTIVE = "active"
DRAINING = "draining"
"""What waits is sent, and of what is new only what takes something back (a Delete, an Undo)."""
BLOCKED = "blocked"
GONE = "gone"
BREAKER_OPENS = 5
"""Failures of a peer in a row."""
RAMP_MS = 70_000
"""How long after an outage what waits is released slowly, see `leases.release_rate`."""
RAMP_AFTER_MS = 60_000
"""After an absence shorter than this little waits, and a peer that was only started anew takes it at full speed."""

WAS_AWAY = and_(peer.c.failures >= BREAKER_OPENS, peer.c.failing_since <= bindparam("away_since", type_=BigInteger))
"""For an UPDATE that ends an outage: it was long enough that what waits is released slowly."""

_BY_DOMAIN = select(peer.c.id, peer.c.domain, peer.c.state).where(db.among(peer.c.domain, "domains"))
_ONE = select(peer.c.id, peer.c.domain, peer.c.state, peer.c.failures, peer.c.paused_at).where(
    peer.c.domain == bindparam("of")
)
_BLOCKED = select(peer.c.domain).where(peer.c.state == BLOCKED)
_FLAVOURS = select(peer.c.domain, peer.c.flavour).where(peer.c.flavour.is_not(None))
_SET_FLAVOUR = update(peer).where(peer.c.domain == bindparam("of")).values(flavour=bindparam("to"))
_HEARD_FROM = (
    update(peer)
    .where(
        peer.c.domain == bindparam("of"),
        peer.c.state != BLOCKED,
        or_(peer.c.failures > 0, peer.c.state == GONE, peer.c.last_received_at.is_(None)),
    )
    .values(
        failures=0,
        failing_since=None,
        ramp_from=case((WAS_AWAY, bindparam("at")), else_=peer.c.ramp_from),
        # A peer that lives, but asked for time (Retry-After), still gets it.
        next_attempt_at=case((peer.c.failures > 0, None), else_=peer.c.next_attempt_at),
        state=case((peer.c.state == GONE, ACTIVE), else_=peer.c.state),
        last_received_at=bindparam("at"),
    )
)


class Breaker(StrEnum):
    """Whether a peer is sent to. A breaker opens after BREAKER_OPENS failures in a row."""

    CLOSED = "closed"
    FAILING = "failing"
    """Some failures in a row: it is tried again within seconds."""
    OPEN = "open"
    """Nothing is sent before `next_attempt_at`, or before the peer itself sends something."""
    PROBING = "probing"
    """That time has come: one or two activities are tried."""
    RAMP = "ramp"
    """It was open until lately: what waits is released slowly first."""


@dataclass(frozen=True, slots=True)
class PeerState:
    """One line of `corridor peers list`. Times are ms since 1970.

    `lag_seconds` is the age of the oldest activity that waits, `failing_since` the first failure of those in a row,
    `last_status` what the peer answered last to a delivery (None if that did not reach it).
    """

    domain: str
    state: str
    paused_at: int | None
    waiting: int
    lag_seconds: float | None
    set_aside: int
    breaker: Breaker
    failures: int
    failing_since: int | None
    next_attempt_at: int | None
    last_status: int | None
    last_error: str | None
    last_sent_at: int | None
    last_received_at: int | None


# --- Admission ----------------------------------------------------------------------------------------------------


def admit(node: Node, domain: str) -> None:
    """Raise Refused unless settings and roster let us deal with `domain` (normalised host[:port]).

    Costs no statement: the roster is the one that this process holds (`node.company`).
    """
    judge(node.settings, node.company, domain)


def judge(settings: Settings, company: Company, domain: str) -> None:
    """As `admit`."""
    if settings.federation.mode == "off":
        raise Refused("this node does not federate")
    if domain == settings.node.domain:
        raise Refused("that is this node itself")
    if settings.federation.mode == "allowlist" and domain not in listed(settings):
        raise Refused(f"{domain} is not on the list of peers")
    if settings.federation.mode == "roster" and not company.admits(domain):
        raise Refused(_not_on_roster(company, domain))


def _not_on_roster(company: Company, domain: str) -> str:
    if company.roster is None:
        return "this node has not joined a company: it holds no roster"
    if company.expired:
        return f"the roster (version {company.version}) has expired"
    if not company.includes_us:
        return f"this node is not on the roster (version {company.version})"
    return f"{domain} is not on the roster (version {company.version})"


def admits(node: Node, domain: str) -> bool:
    try:
        admit(node, domain)
    except Refused:
        return False
    return True


def takes_everything(settings: Settings) -> bool:
    """Among chosen peers every public post is taken, unless one asks for tags; else only what concerns somebody here."""
    return settings.federation.mode != "open" and settings.federation.spread == "company"


def listed(settings: Settings) -> frozenset[str]:
    """The peers of `federation.allowlist`, normalised; what is no host is left out, and named by the doctor."""
    return _listed(settings.federation.allowlist, settings.node.scheme)


@lru_cache(maxsize=64)
def _listed(allowlist: tuple[str, ...], scheme: str) -> frozenset[str]:
    found = set()
    for entry in allowlist:
        try:
            found.add(normal_authority(entry, scheme))
        except Malformed:
            continue
    return frozenset(found)


def blocked(tx: Tx) -> frozenset[str]:
    return frozenset(tx.scalars(_BLOCKED))


def is_blocked(tx: Tx, domain: str) -> bool:
    return any(row.state == BLOCKED for row in tx.rows(_BY_DOMAIN, {"domains": [domain]}))


# --- What we know -------------------------------------------------------------------------------------------------


def ids(tx: Tx, domains: Iterable[str], *, draining: bool = False) -> dict[str, int]:
    """domain -> id of the peers that may be sent to; those not known yet are stored. `draining`: those that drain, too."""
    wanted = sorted(set(domains))
    if not wanted:
        return {}
    rows = {row.domain: row for row in tx.rows(_BY_DOMAIN, {"domains": wanted})}
    if new := [{"domain": domain, "created_at": tx.now} for domain in wanted if domain not in rows]:
        tx.execute(db.insert_or_ignore(tx.dialect, peer, ["domain"]), new)
        rows = {row.domain: row for row in tx.rows(_BY_DOMAIN, {"domains": wanted})}
    states = (ACTIVE, DRAINING) if draining else (ACTIVE,)
    return {domain: row.id for domain, row in rows.items() if row.state in states}


def heard_from(tx: Tx, domain: str) -> None:
    """The peer sent something valid: it lives, so whatever breaker is open closes at once (design, decision 4).

    Writes only when there is something to change, since this runs for every activity that arrives.
    """
    if tx.execute(_HEARD_FROM, {"of": domain, "at": tx.now, "away_since": tx.now - RAMP_AFTER_MS}).rowcount:
        tx.ring(DELIVERY)


def flavours(tx: Tx) -> dict[str, str]:
    """Which signatures each peer was seen to take."""
    return {row.domain: row.flavour for row in tx.rows(_FLAVOURS)}


def remember_flavours(tx: Tx, seen: dict[str, str]) -> None:
    if seen:
        tx.execute(_SET_FLAVOUR, [{"of": domain, "to": flavour} for domain, flavour in seen.items()])


# --- For the administrator ----------------------------------------------------------------------------------------


def block(tx: Tx, domain: str) -> None:
    """Take nothing from this peer and send it nothing. What waited for it is dropped."""
    domain = normal_authority(domain)
    tx.execute(
        db.insert_or_ignore(tx.dialect, peer, ["domain"]),
        {"domain": domain, "created_at": tx.now},
    )
    tx.execute(update(peer).where(peer.c.domain == domain).values(state=BLOCKED, lease_token=peer.c.lease_token + 1))
    tx.execute(delivery.delete().where(delivery.c.peer_id.in_(select(peer.c.id).where(peer.c.domain == domain))))
    tx.audit("peer.block", domain)


def unblock(tx: Tx, domain: str) -> None:
    """Raises NotFound if the peer is not blocked."""
    changed = tx.execute(
        update(peer)
        .where(peer.c.domain == normal_authority(domain), peer.c.state == BLOCKED)
        .values(state=ACTIVE, failures=0, failing_since=None, next_attempt_at=None)
    )
    if not changed.rowcount:
        raise NotFound(f"{domain} is not blocked")
    tx.audit("peer.unblock", domain)


def pause(tx: Tx, domain: str) -> None:
    """Send this peer nothing until `resume`; what is for it waits, for `federation.delivery_days`. It may go on sending.

    Of what is on its way just now, at most one window of activities still arrives. Raises NotFound.
    """
    found = _one(tx, domain)
    tx.execute(update(peer).where(peer.c.id == found.id).values(paused_at=tx.now))
    tx.audit("peer.pause", found.domain)


def drain(tx: Tx, domain: str) -> None:
    """Send what waits, but take nothing new for this peer until `resume`, save what takes something back (see DRAINING).

    For a peer that is to be moved or closed. Raises NotFound; Conflict if it is blocked.
    """
    found = _unblocked(tx, domain)
    tx.execute(update(peer).where(peer.c.id == found.id).values(state=DRAINING))
    tx.audit("peer.drain", found.domain)


def resume(tx: Tx, domain: str) -> None:
    """End `pause` and `drain`, and try a peer whose breaker is open at once. Raises NotFound; Conflict if it is blocked."""
    found = _unblocked(tx, domain)
    was_away = found.failures >= BREAKER_OPENS or found.paused_at is not None
    values: dict[str, Any] = {"ramp_from": tx.now} if was_away else {}
    tx.execute(
        update(peer)
        .where(peer.c.id == found.id)
        .values(state=ACTIVE, paused_at=None, failures=0, failing_since=None, next_attempt_at=None, **values)
    )
    tx.audit("peer.resume", found.domain)
    tx.ring(DELIVERY)


def purge(tx: Tx, domain: str, limit: int = 5000) -> int:
    """Drop what waits for a peer or was set aside, oldest first, up to `limit` activities; answers how many.

    The peer never hears of them, deletions too: what it has copies of, it keeps. Raises NotFound.
    """
    found = _one(tx, domain)
    doomed = tx.scalars(
        select(delivery.c.id).where(delivery.c.peer_id == found.id).order_by(delivery.c.id).limit(limit)
    )
    if doomed:
        tx.execute(delivery.delete().where(db.among(delivery.c.id, "ids")), {"ids": doomed})
        tx.audit("peer.purge", found.domain, {"activities": len(doomed)})
    return len(doomed)


def state_of(tx: Tx, domain: str) -> PeerState:
    """One of `listing`. Raises NotFound."""
    found = _one(tx, domain)
    return _states(tx, peer.c.id == found.id, delivery.c.peer_id == found.id)[0]


def listing(tx: Tx) -> list[PeerState]:
    """All known peers, by name."""
    return _states(tx, true(), true())


def _one(tx: Tx, domain: str) -> Row[Any]:
    try:
        found = tx.first(_ONE, {"of": normal_authority(domain, tx.settings.node.scheme)})
    except Malformed as error:
        raise NotFound(f"{domain}: {error}") from error
    if found is None:
        raise NotFound(f"{domain} is no peer that this node has dealt with")
    return found


def _unblocked(tx: Tx, domain: str) -> Row[Any]:
    found = _one(tx, domain)
    if found.state == BLOCKED:
        raise Conflict(f"{found.domain} is blocked")
    return found


def _states(tx: Tx, which: ColumnElement[bool], theirs: ColumnElement[bool]) -> list[PeerState]:
    waits = delivery.c.set_aside_at.is_(None)
    waiting = select(delivery.c.peer_id, func.count().label("waiting"), func.min(delivery.c.id).label("oldest"))
    oldest = waiting.where(waits, theirs).group_by(delivery.c.peer_id).subquery()
    waiting_of = {
        row.peer_id: row
        for row in tx.rows(
            select(oldest.c.peer_id, oldest.c.waiting, activity.c.created_at)
            .join(delivery, delivery.c.id == oldest.c.oldest)
            .join(activity, activity.c.id == delivery.c.activity_id)
        )
    }
    aside_of = {
        row.peer_id: row.number
        for row in tx.rows(
            select(delivery.c.peer_id, func.count().label("number")).where(~waits, theirs).group_by(delivery.c.peer_id)
        )
    }
    rows = tx.rows(select(peer).where(which).order_by(peer.c.domain))
    return [_state(tx.now, row, waiting_of.get(row.id), aside_of.get(row.id, 0)) for row in rows]


def _state(now: int, row: Row[Any], waiting: Row[Any] | None, set_aside: int) -> PeerState:
    return PeerState(
        domain=row.domain,
        state=row.state,
        paused_at=row.paused_at,
        waiting=waiting.waiting if waiting is not None else 0,
        lag_seconds=max(0, now - waiting.created_at) / 1000 if waiting is not None else None,
        set_aside=set_aside,
        breaker=_breaker(now, row),
        failures=row.failures,
        failing_since=row.failing_since,
        next_attempt_at=row.next_attempt_at,
        last_status=row.last_status,
        last_error=row.last_error,
        last_sent_at=row.last_sent_at,
        last_received_at=row.last_received_at,
    )


def _breaker(now: int, row: Row[Any]) -> Breaker:
    if row.failures >= BREAKER_OPENS:
        return Breaker.OPEN if row.next_attempt_at is not None and row.next_attempt_at > now else Breaker.PROBING
    if row.failures:
        return Breaker.FAILING
    return Breaker.RAMP if row.ramp_from is not None and 0 <= now - row.ramp_from < RAMP_MS else Breaker.CLOSED
