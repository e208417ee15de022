"""Tags that nodes follow of each other (`federation.spread = "subscribed"`): a Follow of the tag's collection.

What our people follow is asked for at every chosen peer, by this node's own actor; a peer's node actor may ask for any tag
of ours. One row is kept for each peer and tag, on either side. Tags are told from people by the form of their IRI:
/tags/NAME.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote, unquote

from sqlalchemy import Row, bindparam, delete, func, literal, select, update

from activitypub import build, values
from activitypub.documents import Activity
from activitypub.errors import Malformed, Refused
from activitypub.vocabulary import Iri, host, split
from node import accounts, db, tags
from node.errors import NotFound
from node.federation import delivery, peers, spread, tagged
from node.federation.delivery import Target
from node.federation.inbound import Inbound
from node.runtime import Tx
from node.schema import peer, tag, tag_follow, tag_subscriber, tag_subscription
from node.schema.meta import Id
from node.text import normalise_tag

ASKED, ACCEPTED, REJECTED = "asked", "accepted", "rejected"
ASK_AGAIN_MS = 86_400_000
"""After a day without an answer, or with a no."""
TAGS = 10_000
"""Tags that one peer may follow here."""

_S = tag_subscription.c
_WANTED = select(tag.c.id, tag.c.name).where(tag.c.id.in_(select(tag_follow.c.tag_id)))
_HAVE = select(_S.id, _S.tag_id, _S.state, _S.iri, _S.created_at, peer.c.domain, tag.c.name).select_from(
    tag_subscription.join(peer, peer.c.id == _S.peer_id).join(tag, tag.c.id == _S.tag_id)
)
_BY_IRI = _HAVE.where(_S.iri == bindparam("iri"))
_ANSWER = update(tag_subscription).where(_S.id == bindparam("of", type_=Id)).values(state=bindparam("to"))
_DROP = delete(tag_subscription).where(_S.id == bindparam("of", type_=Id))
_FOLLOWED_HERE = (
    select(literal(1))
    .select_from(tag_follow.join(tag, tag.c.id == tag_follow.c.tag_id))
    .where(db.among(tag.c.name, "names"))
    .limit(1)
)
_SUBSCRIBED = select(func.count()).where(tag_subscriber.c.peer_id == bindparam("peer_id", type_=Id))
_UNSUBSCRIBE = delete(tag_subscriber).where(
    tag_subscriber.c.peer_id == bindparam("of_peer", type_=Id), tag_subscriber.c.tag_id == bindparam("of_tag", type_=Id)
)
_FORGET_IRI = delete(tag_subscriber).where(tag_subscriber.c.iri == bindparam("of_iri"))


# --- Ours ---------------------------------------------------------------------------------------------------------


def settle(tx: Tx, tag_id: int | None = None) -> None:
    """Ask the chosen peers for what people here follow by now, and no longer for what nobody follows; of one tag, or all.

    Idempotent: runs when somebody follows a tag or ceases to, and now and then for peers and settings that changed.
    """
    narrow = tag_id is not None
    have = tx.rows(_HAVE.where(_S.tag_id == tag_id) if narrow else _HAVE)
    subscribed = spread.is_by_subscription(tx.settings)
    if not have and not subscribed:
        return
    inboxes = spread.everyone(tx).inboxes
    wanted = tx.rows(_WANTED.where(tag.c.id == tag_id) if narrow else _WANTED) if subscribed else []
    followed = {row.id for row in wanted}
    known = set()
    for row in have:
        if row.tag_id not in followed or row.domain not in spread.members(tx):
            _cease(tx, row, inboxes.get(row.domain))
        elif row.state == ACCEPTED or row.created_at > tx.now - ASK_AGAIN_MS:
            known.add((row.domain, row.tag_id))
    for domain, inbox in inboxes.items():
        if missing := [row for row in wanted if (domain, row.id) not in known]:
            _ask(tx, domain, inbox, missing)


def is_asked_for(tx: Tx, names: Sequence[str]) -> bool:
    """Whether this node asks for tags, and somebody here follows one of these (as written)."""
    if not names or not spread.is_by_subscription(tx.settings):
        return False
    normal = {normalise_tag(name) for name in names} - {""}
    return tx.first(_FOLLOWED_HERE, {"names": sorted(normal)}) is not None


def _ask(tx: Tx, domain: str, inbox: str, followed: Iterable[Row[Any]]) -> None:
    peer_id = peers.ids(tx, [domain]).get(domain)
    if peer_id is None:
        return
    own = accounts.node_actor(tx)
    keep = db.insert_or_ignore(tx.dialect, tag_subscription, ["peer_id", "tag_id"])
    for row in followed:
        iri = Iri(tx.urls.activity(own.iri, "Follow", tx.new_id()))
        asked = {"state": ASKED, "iri": iri, "created_at": tx.now}
        key = {"peer_id": peer_id, "tag_id": row.id}
        if not tx.execute(keep, key | asked).rowcount:
            of = (_S.peer_id == peer_id, _S.tag_id == row.id)
            tx.execute(update(tag_subscription).where(*of).values(asked))
        _send(tx, _follow(tx, own.iri, iri, domain, row.name), own.id, _collection(tx, domain, row.name), inbox)


def _cease(tx: Tx, row: Row[Any], inbox: str | None) -> None:
    tx.execute(_DROP, {"of": row.id})
    if inbox is None or row.iri is None:
        return
    own = accounts.node_actor(tx)
    asked = _follow(tx, own.iri, row.iri, row.domain, row.name)
    doc = build.undo(asked, iri=Iri(f"{row.iri}/undo"), actor=own.iri, to=asked["to"])
    _send(tx, doc, own.id, _collection(tx, row.domain, row.name), inbox)


def _follow(tx: Tx, own: Iri, iri: Iri, domain: str, name: str) -> dict[str, Any]:
    doc = build.follow(_collection(tx, domain, name), iri=iri, actor=own)
    return doc | {"to": [spread.node_actor(tx.settings, domain)]}


def _collection(tx: Tx, domain: str, name: str) -> Iri:
    return Iri(f"{tx.settings.node.scheme}://{domain}/tags/{quote(name, safe='')}")


def _send(tx: Tx, doc: dict[str, Any], actor_id: int, about: str, inbox: str) -> None:
    """`about` keeps a Follow, its Undo and the next Follow of one tag in order."""
    to = [Target(inbox, host(inbox))]
    delivery.enqueue(tx, doc, actor_id=actor_id, about=about, key=about, to=to)


# --- Handlers -----------------------------------------------------------------------------------------------------


def concerns(activity: Activity) -> bool:
    """Whether a Follow is of a tag, or an answer or Undo is about such a Follow."""
    if activity.type == "Follow":
        return _is_tag(activity.object)
    return activity.object_type == "Follow" and _is_tag(values.iri((activity.embedded or {}).get("object")))


def on_follow(tx: Tx, inbound: Inbound) -> None:
    """A peer's node wants our public posts with a tag. Answered at once; a repeated Follow is answered again."""
    who, peer_id = _node_of(tx, inbound)
    name = _name_of_ours(tx, inbound.object_iri)
    if int(tx.scalar(_SUBSCRIBED, {"peer_id": peer_id}) or 0) >= TAGS:
        raise Refused("too many tags are followed from there")
    found = tags.ensure(tx, [name])
    if not found:
        raise NotFound("no such tag")
    values_ = {"peer_id": peer_id, "tag_id": next(iter(found.values())), "created_at": tx.now}
    named = {"iri": inbound.iri, "inbox": who.shared_inbox or who.inbox}
    tx.execute(_FORGET_IRI, {"of_iri": inbound.iri})
    tx.execute(_UNSUBSCRIBE, {"of_peer": peer_id, "of_tag": values_["tag_id"]})
    tx.execute(tag_subscriber.insert(), values_ | named)
    own = accounts.node_actor(tx)
    asked = {"id": inbound.iri, "type": "Follow", "actor": inbound.actor_iri, "object": inbound.object_iri}
    iri = Iri(tx.urls.activity(own.iri, "Accept", tx.new_id()))
    doc = build.accept(asked, iri=iri, actor=own.iri, to=[inbound.actor_iri])
    _send(tx, doc, own.id, inbound.object_iri, named["inbox"])


def on_undo_follow(tx: Tx, inbound: Inbound) -> None:
    """The peer's node no longer wants the tag; by what it followed, whichever id it gives that."""
    _, peer_id = _node_of(tx, inbound)
    followed = values.iri((inbound.activity.embedded or {}).get("object"))
    row = tags.named(tx, [_name_of_ours(tx, followed)]) if followed is not None else {}
    for found in row.values():
        tx.execute(_UNSUBSCRIBE, {"of_peer": peer_id, "of_tag": found.id})


def on_accept(tx: Tx, inbound: Inbound) -> None:
    """A peer's node will send what we asked for. Only of a Follow that we sent, by the node that it went to.

    What it has of before is read once, not at each repeated answer.
    """
    row = _asked(tx, inbound)
    tx.execute(_ANSWER, {"of": row.id, "to": ACCEPTED})
    if row.state != ACCEPTED:
        tagged.want(tx, _collection(tx, row.domain, row.name))


def on_reject(tx: Tx, inbound: Inbound) -> None:
    """Not now; asked again a day later."""
    tx.execute(_ANSWER, {"of": _asked(tx, inbound).id, "to": REJECTED})


def _asked(tx: Tx, inbound: Inbound) -> Row[Any]:
    row = tx.first(_BY_IRI, {"iri": inbound.object_iri})
    if row is None:
        raise NotFound("no such follow of ours")
    if inbound.actor_iri != spread.node_actor(tx.settings, row.domain):
        raise Refused("an answer by somebody else than the node that was asked")
    return row


def _node_of(tx: Tx, inbound: Inbound) -> tuple[Row[Any], int]:
    """(account of the peer's node actor, id of the peer); Refused for everybody else."""
    domain = host(inbound.actor_iri)
    if inbound.actor_iri != spread.node_actor(tx.settings, domain):
        raise Refused("tags are followed by a node's own actor")
    who = accounts.acting(tx, inbound.actor_iri)
    peer_id = peers.ids(tx, [domain]).get(domain)
    if peer_id is None or not who.inbox:
        raise Refused("nothing is sent there")
    return who, peer_id


def _is_tag(iri: str | None) -> bool:
    try:
        return iri is not None and split(iri).path.startswith("/tags/")
    except Malformed:
        return False


def _name_of_ours(tx: Tx, iri: str) -> str:
    """The name of a tag by the id of our collection, which is spelled in one way only."""
    name = normalise_tag(unquote(iri.removeprefix(tx.urls.tag_collection(""))))
    if not name or tx.urls.tag_collection(name) != iri:
        raise NotFound("no such tag")
    return name
