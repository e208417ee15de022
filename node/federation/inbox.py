"""What peers send: stored durably before they hear 202, worked off by the worker (design, section 4).

`receive` is the web's half; `Processor` is the worker's. Activities of one signer are worked off in the order in which they
came: while something that the first of them needs is being fetched, the others wait.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import bindparam, delete, select, update

from activitypub import authority, parse
from activitypub.documents import Activity
from activitypub.errors import FetchFailed, ProtocolError, Refused
from activitypub.vocabulary import ACTIVITY_TYPES, ACTOR_TYPES, Iri, host
from node import db
from node.bell import INBOX
from node.errors import NodeError, Unavailable, Unknown
from node.federation import (
    actors,
    collections,
    follows,
    forwarding,
    gatherings,
    groups,
    peers,
    posts,
    quoting,
    reacting,
    reports,
    subscriptions,
)
from node.federation.inbound import Handler, Inbound
from node.runtime import Node, Tx
from node.schema import inbox_item

if TYPE_CHECKING:
    from node.federation.network import Network

log = structlog.get_logger(__name__)

BATCH = 64
GROUP = 16
"""Activities that share one commit: about 20 ms at the writer."""
FETCHES = 16
"""Activities that may wait at the same time for something to be fetched."""
ROUNDS = 5
"""Things that may be fetched for one activity, one after the other."""
ATTEMPTS = 6
BACKOFF_MS = (30_000, 300_000, 1_800_000, 7_200_000, 21_600_000)

HANDLERS: Final[Mapping[tuple[str, str], Handler]] = {
    ("Follow", "Actor"): follows.on_follow,
    ("Accept", "Follow"): follows.on_accept,
    ("Reject", "Follow"): follows.on_reject,
    ("Create", "Post"): posts.on_create,
    ("Update", "Post"): posts.on_update,
    ("Delete", "Post"): posts.on_delete,
    ("Announce", "Post"): posts.on_announce,
    ("Announce", "Activity"): groups.on_announce,
    ("Like", "Post"): reacting.on_like,
    ("EmojiReact", "Post"): reacting.on_react,
    ("Update", "Actor"): actors.on_update,
    ("Delete", "Actor"): actors.on_delete,
    ("Move", "Actor"): actors.on_move,
    ("Block", "Actor"): follows.on_block,
    ("Flag", "Actor"): reports.on_flag,
    ("Undo", "Follow"): follows.on_undo_follow,
    ("Undo", "Block"): follows.on_undo_block,
    ("Undo", "Announce"): posts.on_undo_announce,
    ("Undo", "Like"): reacting.on_undo_reaction,
    ("Undo", "EmojiReact"): reacting.on_undo_reaction,
    ("Undo", "Activity"): reacting.on_undo,
    ("Follow", "Tag"): subscriptions.on_follow,
    ("Accept", "Tag"): subscriptions.on_accept,
    ("Reject", "Tag"): subscriptions.on_reject,
    ("Undo", "Tag"): subscriptions.on_undo_follow,
    ("QuoteRequest", "Post"): quoting.on_request,
    ("Accept", "QuoteRequest"): quoting.on_accept,
    ("Reject", "QuoteRequest"): quoting.on_reject,
    ("Delete", "QuoteAuthorization"): quoting.on_revoke,
    ("Add", "Post"): collections.on_add_post,
    ("Remove", "Post"): collections.on_remove_post,
    ("Add", "Hashtag"): collections.on_add_tag,
    ("Remove", "Hashtag"): collections.on_remove_tag,
    ("Join", "Post"): gatherings.on_join,
    ("Leave", "Post"): gatherings.on_leave,
    ("Accept", "Join"): gatherings.on_accept,
    ("Reject", "Join"): gatherings.on_reject,
}

_ABOUT_ACTORS = frozenset({"Follow", "Block", "Flag", "Move"})
_ABOUT_POSTS = frozenset({"Create", "Announce", "Like", "EmojiReact"})
_UNDOABLE = frozenset({"Follow", "Block", "Announce", "Like", "EmojiReact"})

_I = inbox_item.c
_WAITING_OF_PEER = (
    select(_I.id)
    .where(_I.peer == bindparam("peer"), _I.next_at.is_not(None))
    .order_by(_I.id)
    .limit(1)
    .offset(bindparam("limit"))
)
_DUE = (
    select(_I.id, _I.signer_iri, _I.activity_iri, _I.peer, _I.body, _I.attempts)
    .where(_I.next_at.is_not(None), _I.next_at <= bindparam("now"))
    .where(~db.among(_I.signer_iri, "held"))
    .order_by(_I.next_at, _I.id)
    .limit(BATCH)
)
_TAKE = (
    update(inbox_item)
    .where(_I.id == bindparam("of"), _I.next_at.is_not(None))
    .values(next_at=None, body=None, outcome=bindparam("as"))
)
_POSTPONE = (
    update(inbox_item)
    .where(_I.id == bindparam("of"), _I.next_at.is_not(None))
    .values(next_at=bindparam("at"), attempts=_I.attempts + 1, outcome=bindparam("as"))
)


# --- Receiving ----------------------------------------------------------------------------------------------------


def receive(tx: Tx, signer_iri: str, peer: str, activity_iri: str | None, body: bytes) -> bool:
    """Store an activity whose signature was verified. False if it is here already: peers send again what they must.

    `peer` is host[:port] of the signer. Raises Unavailable when too much of that peer is waiting. Ids are unique per
    signer, so that nobody can use up the ids of others (protocol R44).
    """
    waiting = {"peer": peer, "limit": tx.settings.federation.inbox_limit_per_peer - 1}
    if tx.first(_WAITING_OF_PEER, waiting) is not None:
        raise Unavailable("Too many of your activities are waiting here. Try again later.")
    row = {
        "signer_iri": signer_iri,
        "activity_iri": activity_iri or f"sha256:{hashlib.sha256(body).hexdigest()}",
        "peer": peer,
        "body": body,
        "received_at": tx.now,
        "next_at": tx.now,
    }
    is_new = tx.execute(db.insert_or_ignore(tx.dialect, inbox_item, ["signer_iri", "activity_iri"]), row).rowcount > 0
    peers.heard_from(tx, peer)
    if is_new:
        tx.ring(INBOX)
    return is_new


# --- Processing ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arrived:
    """A row of the inbox, read."""

    id: int
    signer_iri: str
    peer: str
    attempts: int
    activity: Activity
    body: bytes


def handler_for(activity: Activity) -> Handler | None:
    """Who handles it; None for what we do not know, which is dropped without an error (protocol R15)."""
    return HANDLERS.get((activity.type, kind_of(activity)))


def kind_of(activity: Activity) -> str:
    """What the activity is about, as HANDLERS names it."""
    match activity.type:
        case "Follow" | "Accept" | "Reject" | "Undo" if subscriptions.concerns(activity):
            return "Tag"
        case "Accept" | "Reject" if quoting.concerns(activity):
            return "QuoteRequest"
        case "Accept" | "Reject" if gatherings.concerns(activity):
            return "Join"
        case "Delete" if activity.object_type == "QuoteAuthorization":
            return "QuoteAuthorization"
        case "QuoteRequest":
            return "Post"
        case "Accept" | "Reject":
            return "Follow"
        case "Undo":
            return activity.object_type if activity.object_type in _UNDOABLE else "Activity"
        case "Update" | "Delete":
            about_actor = activity.object == activity.actor or activity.object_type in ACTOR_TYPES
            return "Actor" if about_actor else "Post"
        case "Announce" if activity.object_type in ACTIVITY_TYPES:
            return "Activity"
        case "Join" | "Leave":
            return "Post"
        case "Add" | "Remove":
            return "Hashtag" if activity.object_type == "Hashtag" else "Post"
        case kind:
            return "Actor" if kind in _ABOUT_ACTORS else "Post" if kind in _ABOUT_POSTS else ""


def process(tx: Tx, arrived: Arrived) -> None:
    """Run the handler of one activity and mark it as done, in one transaction. Nothing if somebody else has."""
    handler = handler_for(arrived.activity)
    outcome = "done" if handler is not None else f"ignored: {arrived.activity.type[:50]}"
    if not tx.execute(_TAKE, {"of": arrived.id, "as": outcome}).rowcount or handler is None:
        return
    authority.check(arrived.activity, signer=Iri(arrived.signer_iri), own_origin=tx.settings.base)
    onward = forwarding.concerned(tx, arrived.activity)
    handler(tx, Inbound(arrived.activity, arrived.peer))
    if onward is not None:
        forwarding.pass_on(tx, onward, arrived.activity, arrived.body, sender=arrived.peer)


def is_due(tx: Tx) -> bool:
    return tx.first(select(_I.id).where(_I.next_at.is_not(None), _I.next_at <= tx.now).limit(1)) is not None


def prune(tx: Tx, *, before: int, limit: int = 500) -> int:
    """Forget activities that were dealt with before `before` (ms); answers how many."""
    old = select(_I.id).where(_I.received_at < before, _I.next_at.is_(None)).limit(limit)
    return tx.execute(delete(inbox_item).where(_I.id.in_(old))).rowcount


class Held(Exception):
    """An earlier activity of the same signer is not done yet."""


class Processor:
    """Works off the inbox. One per database does it at a time, see `worker`."""

    def __init__(self, node: Node, network: "Network") -> None:
        self._node = node
        self._network = network
        self._held: dict[str, int] = {}  # signer -> id of its activity that everything later waits for
        self._fetching: set[asyncio.Task[None]] = set()

    async def step(self) -> bool:
        """Work off one batch. True if there was something to do."""
        if len(self._fetching) >= FETCHES:
            await asyncio.wait(self._fetching, return_when=asyncio.FIRST_COMPLETED)
        values = {"held": list(self._held)}
        rows = await self._node.glance(lambda tx: tx.rows(_DUE, {**values, "now": tx.now}))
        if not rows:
            return False
        blocked = await self._network.blocked()
        arrived, settled = [], []
        for row in sorted(rows, key=lambda row: row.id):
            try:
                arrived.append(_read(self._node, row, blocked))
            except ProtocolError as error:
                settled.append((row.id, _refused(error)))
        await self._settle(settled)
        for first in range(0, len(arrived), GROUP):
            await self._group(arrived[first : first + GROUP])
        return True

    async def drain(self) -> None:
        """Wait for the fetches under way."""
        while self._fetching:
            await asyncio.wait(self._fetching)

    def cancel(self) -> None:
        for task in self._fetching:
            task.cancel()

    async def _group(self, group: Sequence[Arrived]) -> None:
        own = [one for one in group if one.activity.actor == one.signer_iri]
        for one in group:
            if one.activity.actor != one.signer_iri and one.signer_iri not in self._held:
                self._hold(one, self._refetch(one))
        outcomes = await self._node.write_each(self._in_order, own)
        settled: list[tuple[int, str]] = []
        for one, outcome in zip(own, outcomes, strict=True):
            if isinstance(outcome, Unknown):
                self._hold(one, self._fetch_and_run(one, outcome.iri))
                continue
            if (
                self._held.get(one.signer_iri) == one.id
            ):  # it was run again, with the group or alone, and needs nothing now
                del self._held[one.signer_iri]
            if one.activity.type == "Update" and one.activity.object == one.activity.actor:
                self._network.forget_keys(one.activity.actor)
            if isinstance(outcome, BaseException) and not isinstance(outcome, Held):
                await self._failed(one, outcome, settled)
        await self._settle(settled)

    def _in_order(self, tx: Tx, arrived: Arrived) -> None:
        """`process`, unless an earlier activity of the signer waits; remembers when this one has to."""
        if self._held.get(arrived.signer_iri, arrived.id) < arrived.id:
            raise Held
        try:
            process(tx, arrived)
        except Unknown:
            self._held.setdefault(arrived.signer_iri, arrived.id)
            raise

    def _hold(self, arrived: Arrived, work: Any) -> None:
        self._held[arrived.signer_iri] = arrived.id

        async def run() -> None:
            try:
                await work
            except Exception as error:
                settled: list[tuple[int, str]] = []
                await self._failed(arrived, error, settled)
                await self._settle(settled)
            finally:
                if self._held.get(arrived.signer_iri) == arrived.id:
                    del self._held[arrived.signer_iri]
                self._node.bell.ring([INBOX])

        task = asyncio.create_task(run())
        self._fetching.add(task)
        task.add_done_callback(self._fetching.discard)

    async def _fetch_and_run(self, arrived: Arrived, iri: str) -> None:
        """Fetch what the handler asked for and run it again, a few times over."""
        for _ in range(ROUNDS):
            await self._network.learn(iri)
            try:
                await self._node.write(process, arrived)
            except Unknown as unknown:
                if unknown.iri == iri:
                    raise Refused(f"{iri} was fetched, and is not what was needed") from unknown
                iri = unknown.iri
            else:
                return
        raise Refused("too much would have to be fetched for it")

    async def _refetch(self, arrived: Arrived) -> None:
        """Something that one passes on for another is a hint to look at the origin, no more (protocol R35, R40)."""
        kind, object_iri = arrived.activity.type, arrived.activity.object
        if kind in ("Create", "Update", "Delete") and object_iri is not None and object_iri != arrived.activity.actor:
            await self._network.refresh_post(object_iri)
        await self._settle([(arrived.id, f"done: looked up at {host(arrived.activity.actor)}")])

    async def _failed(self, arrived: Arrived, error: BaseException, settled: list[tuple[int, str]]) -> None:
        """Refusals are final; what may pass, and what we did not foresee, is tried again a few times."""
        passing = isinstance(error, Unavailable) or (isinstance(error, FetchFailed) and error.retry)
        if isinstance(error, NodeError | ProtocolError) and not passing:
            settled.append((arrived.id, _refused(error)))
            return
        if not passing:
            log.error("activity failed", item=arrived.id, kind=arrived.activity.type, peer=arrived.peer, exc_info=error)
        reason = f"failed: {type(error).__name__}: {error}"[:500]
        if arrived.attempts + 1 >= ATTEMPTS:
            settled.append((arrived.id, f"given up: {reason}"))
            return
        delay = BACKOFF_MS[min(arrived.attempts, len(BACKOFF_MS) - 1)]
        await self._node.write(_postpone, arrived.id, delay, reason)

    async def _settle(self, settled: Iterable[tuple[int, str]]) -> None:
        if rows := [{"of": id_, "as": outcome} for id_, outcome in settled]:
            await self._node.write(lambda tx: tx.execute(_TAKE, rows))


def _read(node: Node, row: Any, blocked: frozenset[str]) -> Arrived:
    peers.admit(node, row.peer)
    if row.peer in blocked:
        raise Refused("the peer is blocked")
    activity = parse.activity(parse.load(row.body))
    if (origin := host(activity.actor)) != row.peer:  # passed on by another
        peers.admit(node, origin)
        if origin in blocked:
            raise Refused("the actor's server is blocked")
    return Arrived(row.id, row.signer_iri, row.peer, row.attempts, activity, row.body)


def _refused(error: Exception) -> str:
    return f"refused: {error}"[:500]


def _postpone(tx: Tx, item_id: int, delay: int, reason: str) -> None:
    tx.execute(_POSTPONE, {"of": item_id, "at": tx.now + delay, "as": reason})
