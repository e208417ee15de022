"""Followers synchronisation (FEP-8fcf, protocol R69): two nodes that disagree about who follows whom find out, and agree.

A delivery to followers carries a digest of those followers that are of the receiving host. A node whose own list has
another digest fetches the list and mends its side: follows that the other does not know end, and of those that only the
other knows an Undo is sent. So a lost Undo or Reject, or a backup brought back, does not leave people reading on, or
believing that they do.

Nothing of this may fail a delivery: what is wrong with a header is no reason to lose the post that it came with.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import bindparam, select

from activitypub import build, parse, values
from activitypub import synchronisation as protocol
from activitypub.errors import Malformed, Refused
from activitypub.synchronisation import Claim
from activitypub.vocabulary import Iri, host, same_origin
from node import db, social
from node.errors import NodeError, NotFound
from node.federation import delivery, published, recipients
from node.ids import AccountId
from node.runtime import Node, Tx
from node.schema import account, follow
from node.schema.meta import Id

if TYPE_CHECKING:
    from node.federation.leases import Item
    from node.federation.network import Network

log = structlog.get_logger(__name__)

SYNC_JOB = "followers.synchronise"
HELD, HELD_SECONDS = 1000, 60.0
"""Actors whose digests are kept, and for how long unless the number of their followers changes before."""
AGAIN_SECONDS = 600.0
"""A host is asked for the followers of one actor at most so often."""
PATIENCE_MS = 10_000
"""What the peer sent before, such as an Accept, may still wait in our inbox."""

_REMOTE_FOLLOWERS = (
    select(account.c.iri)
    .join(follow, follow.c.follower_id == account.c.id)
    .where(
        follow.c.target_id == bindparam("of", type_=Id),
        follow.c.state == "accepted",
        account.c.domain.is_not(None),
        account.c.gone_at.is_(None),
    )
)
_OUR_FOLLOWERS = (
    select(account.c.id, account.c.iri, follow.c.state)
    .join(follow, follow.c.follower_id == account.c.id)
    .where(follow.c.target_id == bindparam("of", type_=Id), account.c.domain.is_(None))
)
_FOLLOWED = select(
    account.c.id, account.c.iri, account.c.followers_iri, recipients.inbox_of(account).label("inbox")
).where(account.c.id == bindparam("of", type_=Id), account.c.domain.is_not(None))
_OURS = select(account.c.id, account.c.iri).where(
    db.among(account.c.iri, "iris"),
    account.c.domain.is_(None),
    account.c.gone_at.is_(None),
    account.c.actor_type != "Application",
)

Doc = dict[str, Any]


# --- What we say --------------------------------------------------------------------------------------------------


def followers_by_host(tx: Tx, account_id: int) -> dict[str, list[str]]:
    """host[:port] -> ids of the followers that a local account has there."""
    found: dict[str, list[str]] = {}
    for iri in tx.scalars(_REMOTE_FOLLOWERS, {"of": account_id}):
        found.setdefault(host(iri), []).append(iri)
    return found


def partial_collection(tx: Tx, username: str) -> Doc:
    """The followers of a local account that are of the signer's host. NotFound without a signer, Gone."""
    row = published.local(tx, username)
    if tx.viewer.domain is None:
        raise NotFound
    items = [Iri(iri) for iri in sorted(followers_by_host(tx, row.id).get(tx.viewer.domain, []))]
    iri = Iri(tx.urls.followers_synchronisation(tx.urls.followers(row.username)))
    return build.ordered_collection(iri, total=len(items), items=items)


class Digests:
    """The headers of what one process sends. One statement an actor and minute, however many peers are sent to."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._held: OrderedDict[int, tuple[int, float, asyncio.Task[dict[str, str]]]] = OrderedDict()

    async def headers(self, item: "Item", domain: str) -> dict[str, str]:
        """For a delivery to `domain`: the header if it is addressed to the followers of its actor, else nothing."""
        collection = item.followers_iri
        # Looked for in the bytes: to decode them costs more, and whoever merely mentions the address does no harm.
        if collection is None or collection.encode() not in item.body or not self._node.urls.is_ours(collection):
            return {}
        try:
            digests = await self._digests(item.actor_id, item.followers_count)
        except NodeError as error:
            log.info("no digest of followers", error=str(error))
            return {}
        url = Iri(self._node.urls.followers_synchronisation(collection))
        claim = Claim(Iri(collection), url, digests.get(domain) or protocol.digest(()))
        return {protocol.HEADER: claim.header()}

    async def _digests(self, account_id: int, followers_count: int) -> dict[str, str]:
        now = asyncio.get_running_loop().time()
        counted, until, task = self._held.get(account_id, (-1, 0.0, None))
        if task is None or counted != followers_count or now >= until or _failed(task):
            task = asyncio.create_task(self._node.read(_digests_of, account_id))
            self._held[account_id] = (followers_count, now + HELD_SECONDS, task)
            self._held.move_to_end(account_id)
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        return await asyncio.shield(task)


def _digests_of(tx: Tx, account_id: int) -> dict[str, str]:
    return {domain: protocol.digest(iris) for domain, iris in followers_by_host(tx, account_id).items()}


def _failed(task: "asyncio.Task[dict[str, str]]") -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


# --- What we hear -------------------------------------------------------------------------------------------------


class Listener:
    """Looks at the headers of what arrives, and has the lists compared that differ."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._agreed: OrderedDict[str, tuple[str, float]] = OrderedDict()  # signer -> the header that was right
        self._asked: OrderedDict[str, float] = OrderedDict()  # signer -> until when it is not asked again

    async def heard(self, signer: Iri, account_id: AccountId, headers: Sequence[tuple[str, str]]) -> None:
        """The headers of an activity that `signer` signed itself. Never fails."""
        name = protocol.HEADER.lower()
        said = [value for key, value in headers if key == name]
        if len(said) != 1:
            return
        now = asyncio.get_running_loop().time()
        agreed, until = self._agreed.get(signer, ("", 0.0))
        if (agreed == said[0] and now < until) or now < self._asked.get(signer, 0.0):
            return
        try:
            claim = protocol.parse(said[0])
            if not same_origin(claim.url, signer) or not same_origin(claim.collection, signer):
                return
            differs = await self._node.glance(_differs, account_id, claim)
            if differs:
                _keep(self._asked, signer, now + AGAIN_SECONDS)
                await self._node.write(_have_compared, account_id, claim)
            elif differs is not None:
                _keep(self._agreed, signer, (said[0], now + HELD_SECONDS))
        except (Malformed, NodeError) as error:
            log.info("a digest of followers was not looked at", signer=signer, error=str(error))


def _keep(held: "OrderedDict[str, Any]", key: str, value: Any) -> None:
    held[key] = value
    held.move_to_end(key)
    while len(held) > HELD:
        held.popitem(last=False)


def _differs(tx: Tx, account_id: int, claim: Claim) -> bool | None:
    """None if the claim is about another collection than that of the account's own followers."""
    followed = tx.first(_FOLLOWED, {"of": account_id})
    if followed is None or followed.followers_iri != claim.collection:
        return None
    ours = [row.iri for row in tx.rows(_OUR_FOLLOWERS, {"of": account_id}) if row.state == "accepted"]
    return protocol.digest(ours) != claim.digest


def _have_compared(tx: Tx, account_id: int, claim: Claim) -> None:
    payload = {"account_id": account_id, "url": claim.url}
    tx.enqueue(SYNC_JOB, payload, at=tx.now + PATIENCE_MS, dedupe=f"{SYNC_JOB} {account_id}")


# --- Comparing ----------------------------------------------------------------------------------------------------


async def synchronise(node: Node, network: "Network", payload: Any) -> None:
    """Read which of our people a remote account believes to follow it, and agree with that. Raises as a fetch does."""
    account_id = int(payload["account_id"])
    before = await node.read(_followers_here, account_id)
    listed = listed_in(await network.document(payload["url"]))
    await node.write(agree, account_id, before, listed)


def _followers_here(tx: Tx, account_id: int) -> list[int]:
    return [row.id for row in tx.rows(_OUR_FOLLOWERS, {"of": account_id}) if row.state == "accepted"]


def listed_in(doc: Doc) -> list[str]:
    """The members of a partial collection. Refused unless it is there as a whole: what is cut short ends no follow."""
    if parse.type_of(doc) not in ("Collection", "OrderedCollection"):
        raise Refused("the list of followers is no collection")
    items = doc.get("orderedItems", doc.get("items"))
    if items is None and doc.get("totalItems") == 0 and "first" not in doc:
        items = []  # some leave out what is empty
    if isinstance(items, str):
        items = [items]  # JSON-LD writes a list of one so
    if not isinstance(items, list) or "first" in doc or "next" in doc:
        raise Refused("the list of followers is not there as a whole")
    found = [values.iri(item) for item in items]
    if doc.get("totalItems", len(found)) != len(found):
        raise Refused("the list of followers is shorter or longer than it says")
    return [iri for iri in found if iri is not None]


def agree(tx: Tx, account_id: int, before: Collection[int], listed: Iterable[str]) -> None:
    """Make our side of who follows a remote account what that account's host says it is.

    `before` are our followers before the list was asked for: a follow that was accepted meanwhile is not in it yet.
    Of people of other hosts nothing is believed. Idempotent.
    """
    followed = tx.first(_FOLLOWED, {"of": account_id})
    if followed is None:
        return
    expected = {iri for iri in listed if tx.urls.is_ours(iri)}
    here = {row.iri: row for row in tx.rows(_OUR_FOLLOWERS, {"of": account_id})}
    ended = [row for iri, row in here.items() if iri not in expected and row.state == "accepted" and row.id in before]
    for row in ended:
        social.record_unfollow(tx, row.id, account_id)
    accepted = [row for iri, row in here.items() if iri in expected and row.state != "accepted"]
    for row in accepted:  # the Accept was lost
        social.record_accept(tx, row.id, account_id)
    unknown = tx.rows(_OURS, {"iris": sorted(expected - here.keys())}) if expected - here.keys() else []
    for row in unknown:
        _disown(tx, row.id, row.iri, followed.iri, followed.inbox)
    if ended or accepted or unknown:
        found = {"ended": len(ended), "accepted": len(accepted), "undone": len(unknown)}
        tx.audit("followers.synchronise", followed.iri, found)


def _disown(tx: Tx, follower_id: int, follower: str, followed: str, inbox: str | None) -> None:
    """Undo a follow of which we know nothing, hence not its id: the Undo names its parties."""
    number = tx.new_id()
    asked = build.follow(Iri(followed), iri=Iri(tx.urls.activity(follower, "Follow", number)), actor=Iri(follower))
    iri = Iri(tx.urls.activity(follower, "Undo", number))
    doc = build.undo(asked, iri=iri, actor=Iri(follower), to=[Iri(followed)])
    to = recipients.at(inbox)
    delivery.enqueue(tx, doc, actor_id=follower_id, about=followed, key=f"{follower} {followed}", to=to)
