"""What peers wrote before this node knew them, or lost with a backup: read back from them, a page at a time.

Every node offers its public posts as a collection (`history` of its node's actor, see `published.history`), newest first,
and to each peer what was delivered to it since a time (`missed`). A job reads as far as is wanted; where it is, is kept in
`peer_history`, so that a restart goes on. What is read passes the same rules as what is delivered. Of what was before this
node came nobody is notified; what it missed is taken by the handlers of what is delivered.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Collect
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Row, bindparam, delete, or_, select, update

from activitypub import authority, parse
from activitypub.documents import Activity, Collection
from activitypub.errors import FetchFailed, ProtocolError
from activitypub.vocabulary import Iri, host, same_origin
from node.errors import NodeError, Unknown
from node.federation import inbox, peers, posts, spread
from node.federation.inbound import Inbound
from node.runtime import Node, Tx
from node.schema import peer, peer_history
from node.schema.meta import Id

if TYPE_CHECKING:
    from node.federation.network import Network

log = structlog.get_logger(__name__)

READ_JOB = "history.read"
"""{"peer": host[:port], "since": ms} begins to read, {"peer": host[:port]} goes on."""
PAST = frozenset({"Create", "Announce"})
MISSED = PAST | {"Like", "Delete", "Undo"}
"""Activities that are taken from a history, and from what was missed."""

DAY_MS = 86_400_000
PAGES = 10
"""Pages that one job reads, SECONDS that it may take."""
SECONDS = 120.0
PAUSE_SECONDS, PAUSE_MS = 0.2, 1000
"""Between pages, and between jobs."""
ITEMS = 1_000_000
"""Activities of one peer at the most: half a year of a department that posts 5,000 times a day."""
GROUP = 16
FETCHES = 3
"""Things that are fetched for one activity: its author, what it boosts, the author of that."""
AGAIN_MS = 600_000
"""After that time, reading that came to a halt is begun again where it was."""

Take = Callable[[Tx, Activity, str], None]

_H = peer_history.c
_PLACE = (
    select(_H.peer_id, _H.next_iri, _H.until, _H.missed, _H.taken)
    .join(peer, peer.c.id == _H.peer_id)
    .where(peer.c.domain == bindparam("domain"), _H.done.is_(False), peer.c.state == peers.ACTIVE)
)
_ROW = select(_H.until, _H.done).where(_H.peer_id == bindparam("peer_id", type_=Id))
_FORGET = delete(peer_history).where(_H.peer_id == bindparam("of", type_=Id))
_READ_OR_READING = (
    select(peer.c.domain)
    .join(peer_history, _H.peer_id == peer.c.id)
    .where(or_(_H.done, _H.updated_at > bindparam("halted", type_=Id)))
)
_TOUCH = (
    update(peer_history)
    .where(_H.peer_id.in_(select(peer.c.id).where(peer.c.domain == bindparam("of"))))
    .values(updated_at=bindparam("at", type_=Id))
)
_HALTED = (
    select(peer.c.domain, _H.missed)
    .join(peer_history, _H.peer_id == peer.c.id)
    .where(_H.done.is_(False), _H.updated_at <= bindparam("halted", type_=Id))
)


# --- What is wanted -----------------------------------------------------------------------------------------------


def want(tx: Tx, domain: str, since: int, *, missed: bool = False) -> None:
    """Have the public posts of a peer (host[:port]) read back to `since` (ms); further, if that is wanted already.

    `missed`: all that it delivered to this node since then.
    """
    peer_id = peers.ids(tx, [domain]).get(domain)
    if peer_id is None:
        return
    row = tx.first(_ROW, {"peer_id": peer_id})
    until = since if row is None or row.done or row.until is None else min(since, row.until)
    tx.execute(_FORGET, {"of": peer_id})
    tx.execute(peer_history.insert(), {"peer_id": peer_id, "until": until, "missed": missed, "updated_at": tx.now})
    _enqueue(tx, domain)


def begin(tx: Tx) -> None:
    """Have every chosen peer's history read that was not yet, and go on where it came to a halt. Runs now and then."""
    days = tx.settings.federation.history_days
    reads = days > 0 and peers.takes_everything(tx.settings)
    halted = {"halted": tx.now - AGAIN_MS}
    waiting = {row.domain: row.missed for row in tx.rows(_HALTED, halted)}
    for domain, missed in sorted(waiting.items()):
        if peers.admits(tx.node, domain) if missed else reads and domain in spread.members(tx):
            tx.execute(_TOUCH, {"of": domain, "at": tx.now})
            _enqueue(tx, domain)
    if not reads:
        return
    known = set(tx.scalars(_READ_OR_READING, halted))
    for domain in sorted(spread.members(tx) - known - waiting.keys()):
        want(tx, domain, tx.now - int(days * DAY_MS))


def _enqueue(tx: Tx, domain: str) -> None:
    """Two that read the same are harmless: `_turn` lets one of them go on."""
    tx.enqueue(READ_JOB, {"peer": domain}, at=tx.now + PAUSE_MS)


# --- Reading ------------------------------------------------------------------------------------------------------


async def read(node: Node, network: "Network", payload: Mapping[str, Any]) -> None:
    """The job. Raises FetchFailed and the like for the first page it cannot get; what was read before stands."""
    domain = str(payload["peer"])
    if "since" in payload:
        await node.write(want, domain, int(payload["since"]))
        return
    ends = time.monotonic() + SECONDS
    for _ in range(PAGES):
        place = await node.read(_place, domain)
        if place is None:
            return
        page = await _page(node, network, domain, place)
        oldest = await _take_all(node, network, domain, page, missed=place.missed) if page is not None else None
        following = _following(page, place, oldest)
        taken = _counted(page, place)
        if not await node.write(_turn, place, following, taken):
            return
        if following is None:
            log.info("history of a peer was read", peer=domain, items=taken, missed=place.missed)
            return
        if time.monotonic() > ends:
            break
        await asyncio.sleep(PAUSE_SECONDS)
    await node.write(_enqueue, domain)


def _place(tx: Tx, domain: str) -> Row[Any] | None:
    return tx.first(_PLACE, {"domain": domain})


async def _page(node: Node, network: "Network", domain: str, place: Row[Any]) -> Collection | None:
    """A page, the first if none was read yet; None for a peer that has no such collection."""
    if place.next_iri is not None:
        return parse.collection(await network.document(place.next_iri))
    actor = parse.actor(await network.document(spread.node_actor(node.settings, domain)))
    if actor.history is None:
        return None
    start = Iri(f"{actor.history}?since={place.until}") if place.missed else actor.history
    whole = parse.collection(await network.document(start))
    if place.missed and whole.iri != start:
        return None  # it knows nothing of `since`
    if not isinstance(whole.first, str):
        return whole
    return parse.collection(await network.document(whole.first)) if host(whole.first) == domain else None


def _following(page: Collection | None, place: Row[Any], oldest: int | None) -> Iri | None:
    """Where to read on; None at the end, where it is old enough, and where the pages lead astray.

    What was missed ends by itself: it may be about something old, and a page of it may be empty.
    """
    if page is None or page.next is None:
        return None
    if not place.missed and (oldest is None or oldest < (place.until or 0)):
        return None
    if page.iri is None or not same_origin(page.next, page.iri) or page.next in (page.iri, place.next_iri):
        return None
    return page.next if _counted(page, place) < ITEMS else None


def _counted(page: Collection | None, place: Row[Any]) -> int:
    """Items that were read by now. An empty page counts as one: nobody may lead us on for ever."""
    return int(place.taken) + (0 if page is None else max(1, len(page.items)))


def _turn(tx: Tx, place: Row[Any], following: str | None, taken: int) -> bool:
    """Note how far it was read. False if somebody has begun anew meanwhile."""
    here = _H.next_iri.is_(None) if place.next_iri is None else _H.next_iri == place.next_iri
    values = {
        "next_iri": following,
        "done": following is None,
        "taken": taken,
        "updated_at": tx.now,
    }
    same = (_H.peer_id == place.peer_id, here, _H.until == place.until, _H.done.is_(False))
    return tx.execute(update(peer_history).where(*same).values(values)).rowcount > 0


# --- Taking -------------------------------------------------------------------------------------------------------


async def _take_all(
    node: Node, network: "Network", domain: str, page: Collection, *, missed: bool = False
) -> int | None:
    """Store what the peer's own people did; when the oldest of it was (ms), None if there is nothing of use."""
    kinds = MISSED if missed else PAST
    found = [one for item in page.items if (one := _own(node, domain, item, kinds)) is not None]
    take = _take_missed if missed else _take
    for first in range(0, len(found), GROUP):
        await _take_group(node, network, domain, found[first : first + GROUP], take)
    return min((one.published for one in found if one.published is not None), default=None)


def _own(node: Node, domain: str, item: Any, kinds: Collect[str]) -> Activity | None:
    """The activity, if an actor of that very peer may say so (protocol R40-R45)."""
    try:
        activity = parse.activity(item)
        if host(activity.actor) != domain or activity.type not in kinds:
            return None
        authority.check(activity, signer=activity.actor, own_origin=node.settings.base)
    except ProtocolError:
        return None
    return activity


async def _take_group(node: Node, network: "Network", domain: str, group: Sequence[Activity], take: Take) -> None:
    def store(tx: Tx, activity: Activity) -> None:
        take(tx, activity, domain)

    outcomes = await node.write_each(store, group)
    for activity, outcome in zip(group, outcomes, strict=True):
        if isinstance(outcome, Unknown):
            await _fetch_and_take(node, network, domain, activity, outcome.iri, take)
        elif isinstance(outcome, BaseException) and not isinstance(outcome, NodeError | ProtocolError):
            raise outcome


def _take(tx: Tx, activity: Activity, domain: str) -> None:
    if activity.type == "Announce":
        posts.announce(tx, Inbound(activity, domain), is_news=False)
        return
    doc = authority.vouched(activity)
    if doc is not None:
        said = parse.post(doc, actor=activity.actor)
        posts.take(tx, said, unsolicited=True, upwards=False, is_news=False)


def _take_missed(tx: Tx, activity: Activity, domain: str) -> None:
    """As if it were delivered now: what was lost is lost with its notifications."""
    handler = inbox.handler_for(activity)
    if handler is not None:
        handler(tx, Inbound(activity, domain))


async def _fetch_and_take(
    node: Node, network: "Network", domain: str, activity: Activity, iri: str, take: Take
) -> None:
    """Something is not here: fetch it and try again. What cannot be had is left out."""
    for _ in range(FETCHES):
        try:
            await _learn(network, iri, is_news=take is _take_missed)
            await node.write(take, activity, domain)
        except Unknown as unknown:
            if unknown.iri == iri:
                return
            iri = unknown.iri
        except (NodeError, ProtocolError) as error:
            log.debug("not taken from history", peer=domain, activity=activity.iri, reason=str(error))
            return
        else:
            return


async def _learn(network: "Network", iri: str, *, is_news: bool) -> None:
    """What is boosted in the past is of the past, wherever it comes from."""
    try:
        await network.learn(iri, is_news=is_news)
    except FetchFailed as error:
        if not error.retry:
            raise
        await asyncio.sleep(1.0)  # too much was fetched from there just now
        await network.learn(iri, is_news=is_news)
