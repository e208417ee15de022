"""Other nodes: who may talk to us, and what we know of each.

A peer is an exact `host[:port]`. Admission is asked before anything of a peer is verified, fetched or delivered
(protocol R34, R37): first the settings, then the block list in the database.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Row, bindparam, case, func, or_, select, update

from activitypub.errors import Malformed, Refused
from activitypub.vocabulary import normal_authority
from node import db
from node.bell import DELIVERY
from node.config import Settings
from node.errors import NotFound
from node.runtime import Tx
from node.schema import delivery, peer

ACTIVE = "active"
BLOCKED = "blocked"
GONE = "gone"

_BY_DOMAIN = select(peer.c.id, peer.c.domain, peer.c.state).where(
    peer.c.domain.in_(bindparam("domains", expanding=True))
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
        # A peer that lives, but asked for time (Retry-After), still gets it.
        next_attempt_at=case((peer.c.failures > 0, None), else_=peer.c.next_attempt_at),
        state=ACTIVE,
        last_received_at=bindparam("at"),
    )
)


@dataclass(frozen=True, slots=True)
class PeerState:
    """One line of `corridor peers list`. Times are ms since 1970."""

    domain: str
    state: str
    failures: int
    next_attempt_at: int | None
    last_error: str | None
    last_sent_at: int | None
    last_received_at: int | None
    waiting: int
    set_aside: int


# --- Admission ----------------------------------------------------------------------------------------------------


def admit(settings: Settings, domain: str) -> None:
    """Raise Refused unless the settings let us deal with `domain` (normalised host[:port])."""
    if settings.federation.mode == "off":
        raise Refused("this node does not federate")
    if domain == settings.node.domain:
        raise Refused("that is this node itself")
    if settings.federation.mode == "allowlist" and domain not in listed(settings):
        raise Refused(f"{domain} is not on the list of peers")


def admits(settings: Settings, domain: str) -> bool:
    try:
        admit(settings, domain)
    except Refused:
        return False
    return True


def takes_everything(settings: Settings) -> bool:
    """Among chosen peers every public post is taken; from the open internet only what concerns somebody here."""
    return settings.federation.mode != "open"


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


def ids(tx: Tx, domains: Iterable[str]) -> dict[str, int]:
    """domain -> id of the peers that may be sent to; those not known yet are stored."""
    wanted = sorted(set(domains))
    if not wanted:
        return {}
    rows = {row.domain: row for row in tx.rows(_BY_DOMAIN, {"domains": wanted})}
    if new := [{"domain": domain, "created_at": tx.now} for domain in wanted if domain not in rows]:
        tx.execute(db.insert_or_ignore(tx.dialect, peer, ["domain"]), new)
        rows = {row.domain: row for row in tx.rows(_BY_DOMAIN, {"domains": wanted})}
    return {domain: row.id for domain, row in rows.items() if row.state == ACTIVE}


def heard_from(tx: Tx, domain: str) -> None:
    """The peer sent something valid: it lives, so whatever breaker is open closes at once (design, decision 4).

    Writes only when there is something to change, since this runs for every activity that arrives.
    """
    if tx.execute(_HEARD_FROM, {"of": domain, "at": tx.now}).rowcount:
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
        .values(state=ACTIVE, failures=0, next_attempt_at=None)
    )
    if not changed.rowcount:
        raise NotFound(f"{domain} is not blocked")
    tx.audit("peer.unblock", domain)


def listing(tx: Tx) -> list[PeerState]:
    """All known peers, by name."""
    counts = {
        row.peer_id: row
        for row in tx.rows(
            select(
                delivery.c.peer_id,
                func.count().filter(delivery.c.set_aside_at.is_(None)).label("waiting"),
                func.count().filter(delivery.c.set_aside_at.is_not(None)).label("set_aside"),
            ).group_by(delivery.c.peer_id)
        )
    }
    return [_state(row, counts.get(row.id)) for row in tx.rows(select(peer).order_by(peer.c.domain))]


def _state(row: Row[tuple[object, ...]], counted: Row[tuple[object, ...]] | None) -> PeerState:
    return PeerState(
        domain=row.domain,
        state=row.state,
        failures=row.failures,
        next_attempt_at=row.next_attempt_at,
        last_error=row.last_error,
        last_sent_at=row.last_sent_at,
        last_received_at=row.last_received_at,
        waiting=counted.waiting if counted else 0,
        set_aside=counted.set_aside if counted else 0,
    )
