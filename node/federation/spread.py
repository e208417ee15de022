"""How far public posts go: to every chosen peer, or to those that asked (design, section 5; `federation.spread`).

Chosen peers are those of the roster or of the allow-list. Their shared inboxes are kept in memory, looked at once a second
at the most, so that publishing costs no statement more than looking up the followers did.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, select

from activitypub.vocabulary import Iri
from node import db
from node.config import Settings
from node.federation import peers
from node.runtime import Tx
from node.schema import account

MEET_JOB = "peer.meet"
"""Fetch a peer's node actor, since nobody of that peer is known: {"peer": host[:port]}."""

HOUR_MS = 3_600_000
LOOK_SECONDS = 1.0
SAMPLE = 50
"""People of a peer who are asked for its shared inbox, when its node's own actor is not known."""

_A = account.c
_NODE_ACTORS = select(_A.iri, _A.shared_inbox).where(
    db.among(_A.iri, "iris"), _A.shared_inbox.is_not(None), _A.gone_at.is_(None)
)
_SOMEBODY = (
    select(_A.shared_inbox)
    .where(_A.domain == bindparam("domain"), _A.gone_at.is_(None), _A.shared_inbox.is_not(None))
    .limit(SAMPLE)
)


@dataclass(frozen=True, slots=True)
class Reach:
    """The shared inboxes of the chosen peers, by domain."""

    inboxes: Mapping[str, str] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    """Chosen peers whose inbox is not known yet; what is for them goes by the people who follow, as without spread."""

    @property
    def whole(self) -> bool:
        """Whether the inboxes reach everybody whom this node may send to."""
        return bool(self.inboxes) and not self.unknown


class Directory:
    """What is known of the chosen peers' inboxes; one per node (`Node.part`)."""

    def __init__(self) -> None:
        self._members: frozenset[str] = frozenset()
        self._reach = Reach()
        self._until = 0.0

    def reach(self, tx: Tx) -> Reach:
        chosen = members(tx)
        if not chosen:
            return Reach()
        now = time.monotonic()
        if chosen != self._members or now >= self._until:
            self._reach = _look(tx, chosen)
            self._members, self._until = chosen, now + LOOK_SECONDS
        return self._reach

    def forget(self) -> None:
        """Somebody was met just now: look again."""
        self._until = 0.0


def members(tx: Tx) -> frozenset[str]:
    """The peers (host[:port]) that this node was told to deal with; none in mode "open", where anybody may come."""
    settings = tx.settings
    if settings.federation.mode == "roster":
        return frozenset(one.domain for one in tx.node.company.peers())
    if settings.federation.mode == "allowlist":
        return peers.listed(settings) - {settings.node.domain}
    return frozenset()


def everyone(tx: Tx) -> Reach:
    """Every chosen peer, for what has to be heard wherever a copy may be: an edit, a deletion, a profile."""
    return tx.node.part(Directory).reach(tx)


def of_public(tx: Tx) -> Reach:
    """Whom a new public post goes to, whether or not they asked."""
    return everyone(tx) if tx.settings.federation.spread == "company" else Reach()


def is_by_subscription(settings: Settings) -> bool:
    return settings.federation.spread == "subscribed"


def node_actor(settings: Settings, domain: str) -> Iri:
    """The id of the actor that a peer's node itself acts as: the same path on every node."""
    return Iri(f"{settings.node.scheme}://{domain}/actor")


def introduce(tx: Tx) -> None:
    """Have the chosen peers looked up whose inbox is not known. Runs now and then."""
    for domain in sorted(everyone(tx).unknown):
        digest = hashlib.sha256(domain.encode()).hexdigest()
        tx.enqueue(MEET_JOB, {"peer": domain}, dedupe=f"{MEET_JOB}:{tx.now // HOUR_MS}:{digest}")


def _look(tx: Tx, chosen: frozenset[str]) -> Reach:
    actors = {node_actor(tx.settings, domain): domain for domain in chosen}
    rows = tx.rows(_NODE_ACTORS, {"iris": sorted(actors)})
    inboxes = {actors[row.iri]: row.shared_inbox for row in rows}
    for domain in chosen - inboxes.keys():
        if tx.settings.federation.mode == "roster":  # a node of ours, whose paths are the same everywhere
            inboxes[domain] = f"{tx.settings.node.scheme}://{domain}/inbox"
        elif (inbox := _told_by_people(tx, domain)) is not None:
            inboxes[domain] = inbox
    return Reach(dict(sorted(inboxes.items())), chosen - inboxes.keys())


def _told_by_people(tx: Tx, domain: str) -> Any:
    """Other software has its own actor elsewhere; what most people of the peer call their shared inbox is it."""
    named = tx.scalars(_SOMEBODY, {"domain": domain})
    return max(set(named), key=named.count) if named else None
