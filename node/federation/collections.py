"""What people show on their profiles: pinned posts (`featured`) and tags (`featuredTags`), told and heard (R43, R59).

A change is an Add or a Remove by the owner of the collection, about a post of their own or a Hashtag. What a peer's
person pinned before anybody here knew them is read from the two collections when somebody looks at the profile, in the
background and at most once an hour. Whatever a collection holds is a pointer: posts are fetched from their own address.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, bindparam, delete, exists, func, literal, select, update

from activitypub import authority, build, collections, values
from activitypub.audience import Visibility
from activitypub.errors import ProtocolError, Refused
from activitypub.vocabulary import PUBLIC, Iri, same_origin
from node import accounts, db, featured
from node.errors import NodeError, Unavailable, Unknown
from node.federation import delivery, peers, published, recipients
from node.federation.conversations import Recent
from node.federation.inbound import Inbound
from node.runtime import Node, Tx
from node.schema import account, follow, pin, post, tag
from node.schema.meta import Id

if TYPE_CHECKING:
    from node.federation.network import Network

READ_JOB = "account.featured"
"""{"account": id}"""

MOST_PINS = 20
"""Of a peer's person; ours may have `reactions.MAX_PINS`."""
HOUR_MS = 3_600_000
SECONDS = 60.0
_PAGES = 3

_OF = bindparam("of", type_=Id)
_OWN = (account.c.id, account.c.followers_iri, account.c.featured_iri)
_PINNED_POST = (
    select(post.c.iri, post.c.visibility, account.c.iri.label("author_iri"), *_OWN)
    .join(account, account.c.id == post.c.author_id)
    .where(post.c.id == _OF, post.c.local.is_(True), post.c.local_only.is_(False), account.c.gone_at.is_(None))
)
_OWNER = select(account.c.iri, account.c.username, account.c.followers_iri).where(
    account.c.id == _OF, account.c.domain.is_(None), account.c.gone_at.is_(None)
)
_TAG = select(tag.c.name, tag.c.display).where(tag.c.id == bindparam("tag", type_=Id))
_POST = (
    select(post.c.id, post.c.visibility, post.c.boost_of_id, account.c.iri.label("author_iri"))
    .join(account, account.c.id == post.c.author_id)
    .where(post.c.iri == bindparam("iri"))
)
_POSTS = select(post.c.id, post.c.iri).where(
    db.among(post.c.iri, "iris"),
    post.c.author_id == _OF,
    post.c.boost_of_id.is_(None),
    post.c.visibility < Visibility.DIRECT,
)
_PINS = select(func.count()).select_from(pin).where(pin.c.account_id == _OF)
_PINNED = select(pin.c.post_id).where(pin.c.account_id == _OF).order_by(pin.c.created_at.desc(), pin.c.post_id.desc())
_UNPIN = delete(pin).where(pin.c.account_id == _OF, pin.c.post_id == bindparam("post", type_=Id))
_UNPIN_ALL = delete(pin).where(pin.c.account_id == _OF)
_REMOTE = select(
    account.c.id, account.c.iri, account.c.featured_iri, account.c.featured_tags_iri, account.c.featured_at
).where(
    account.c.id == _OF, account.c.domain.is_not(None), account.c.gone_at.is_(None), account.c.suspended_at.is_(None)
)
_LOOKED = update(account).where(account.c.id == _OF).values(featured_at=bindparam("at", type_=Id))
_FOLLOWER = account.alias("follower")
_FOLLOWED_HERE = select(
    exists(
        select(literal(1))
        .select_from(follow.join(_FOLLOWER, _FOLLOWER.c.id == follow.c.follower_id))
        .where(follow.c.target_id == _OF, follow.c.state == "accepted", _FOLLOWER.c.domain.is_(None))
    )
)


# --- ours, told -----------------------------------------------------------------------------------------------------


def featured_tags(tx: Tx, username: str) -> dict[str, Any]:
    """The `featuredTags` collection of a local person: few, so in one piece."""
    owner = published.local(tx, username)
    items = [build.hashtag(row.display, tx.urls.tag_collection(row.name)) for row in featured.names(tx, owner.id)]
    return build.ordered_collection(Iri(tx.urls.featured_tags(owner.username)), total=len(items), items=items)


def tell_pinned(tx: Tx, post_id: int, *, added: bool) -> None:
    """Add or Remove of a pinned post. Of one for followers only followers hear; of one of the department nobody."""
    row = tx.first(_PINNED_POST, {"of": post_id})
    if row is None or row.visibility == Visibility.DIRECT:
        return
    if row.visibility <= Visibility.UNLISTED:
        to, addressed = recipients.acquainted(tx, row.id), ([PUBLIC], [row.followers_iri])
    else:
        to, addressed = recipients.followers(tx, row.id), ([row.followers_iri], [])
    _tell(tx, row.id, row.author_iri, row.iri, row.featured_iri, about=row.iri, to=to, addressed=addressed, added=added)


def tell_tag(tx: Tx, account_id: int, tag_id: int, *, added: bool) -> None:
    """Add or Remove of a tag, to everybody who may show the profile."""
    owner, named = tx.first(_OWNER, {"of": account_id}), tx.first(_TAG, {"tag": tag_id})
    if owner is None or named is None:
        return
    shown = build.hashtag(named.display, tx.urls.tag_collection(named.name))
    target = tx.urls.featured_tags(owner.username)
    to, addressed = recipients.acquainted(tx, account_id), ([PUBLIC], [owner.followers_iri])
    _tell(tx, account_id, owner.iri, shown, target, about=shown["href"], to=to, addressed=addressed, added=added)


def _tell(
    tx: Tx,
    account_id: int,
    actor_iri: str,
    shown: Any,
    target: str,
    *,
    about: str,
    to: Sequence[delivery.Target],
    addressed: tuple[list[Any], list[Any]],
    added: bool,
) -> None:
    if not to:
        return
    make, kind = (build.add, "Add") if added else (build.remove, "Remove")
    iri = Iri(tx.urls.activity(actor_iri, kind, tx.new_id()))
    doc = make(shown, Iri(target), iri=iri, actor=Iri(actor_iri), to=addressed[0], cc=addressed[1])
    delivery.enqueue(tx, doc, actor_id=account_id, about=about, key=about, to=to)


# --- theirs, heard --------------------------------------------------------------------------------------------------


def on_add_post(tx: Tx, inbound: Inbound) -> None:
    """A post is pinned by its author. One that is not here is fetched from its origin, if its author matters here.

    Idempotent. Refused are others' collections, others' posts, boosts and direct posts; more than MOST_PINS are left out.
    """
    owner = _owner(tx, inbound, "featured_iri")
    row = tx.first(_POST, {"iri": inbound.object_iri})
    if row is None:
        if not same_origin(inbound.object_iri, inbound.actor_iri):
            raise Refused("a post of another origin on a profile")
        if not (peers.takes_everything(tx.settings) or tx.scalar(_FOLLOWED_HERE, {"of": owner.id})):
            raise Refused("an unknown post pinned by nobody who is followed here")
        raise Unknown(inbound.object_iri)
    authority.may_feature(row.author_iri, inbound.actor_iri)
    if row.boost_of_id is not None or row.visibility == Visibility.DIRECT:
        raise Refused("a post that is not for showing")
    if tx.scalar(_PINS, {"of": owner.id}) < MOST_PINS:
        _pin(tx, owner.id, [row.id])


def on_remove_post(tx: Tx, inbound: Inbound) -> None:
    owner = _owner(tx, inbound, "featured_iri")
    row = tx.first(_POST, {"iri": inbound.object_iri})
    if row is not None:
        tx.execute(_UNPIN, {"of": owner.id, "post": row.id})


def on_add_tag(tx: Tx, inbound: Inbound) -> None:
    owner = _owner(tx, inbound, "featured_tags_iri")
    featured.record(tx, owner.id, _tag_name(inbound.activity.embedded or {}))


def on_remove_tag(tx: Tx, inbound: Inbound) -> None:
    owner = _owner(tx, inbound, "featured_tags_iri")
    featured.record_removed(tx, owner.id, _tag_name(inbound.activity.embedded or {}))


def _owner(tx: Tx, inbound: Inbound, collection: str) -> Row[Any]:
    """Whose collection it is, as their own document says (R43). Refused unless that is who speaks."""
    owner = accounts.acting(tx, inbound.actor_iri)
    target = inbound.activity.target
    named = Iri(owner.iri) if target is not None and target == getattr(owner, collection) else Iri(str(target))
    authority.may_collect(named, inbound.actor_iri)
    return owner


def _tag_name(doc: Mapping[str, Any]) -> str:
    name = (values.text(doc.get("name"), 300) or "").strip().lstrip("#＃")
    if not name:
        raise Refused("a tag without a name")
    return name


def _pin(tx: Tx, account_id: int, post_ids: Sequence[int]) -> None:
    """The first of them on top."""
    rows = [
        {"account_id": account_id, "post_id": post_id, "created_at": tx.now - place}
        for place, post_id in enumerate(post_ids)
    ]
    if rows:
        tx.execute(db.insert_or_ignore(tx.dialect, pin, ["account_id", "post_id"]), rows)


# --- theirs, read ---------------------------------------------------------------------------------------------------


async def looked_at(node: Node, account_id: int) -> None:
    """Somebody looks at a profile: have what it shows read anew, if it is a peer's and was not read for an hour.

    Costs nothing if somebody looked within ten minutes. Whoever reads is not told that nothing can be stored just now.
    """
    recent = node.part(Recent)
    if recent.holds(READ_JOB, account_id):
        return
    recent.add(READ_JOB, account_id)
    row = await node.glance(_remote, account_id)
    if row is not None and _is_due(row, node.now()):
        with contextlib.suppress(Unavailable):
            await node.write(want, account_id)


def want(tx: Tx, account_id: int) -> None:
    tx.enqueue(READ_JOB, {"account": account_id}, dedupe=f"{READ_JOB}:{account_id}")


async def read(node: Node, network: "Network", payload: Mapping[str, Any]) -> None:
    """The job: both collections, bounded in pages, items and time. What cannot be had leaves things as they are."""
    row = await node.read(_remote, int(payload["account"]))
    if row is None or not _is_due(row, node.now()):
        return
    await node.write(lambda tx: tx.execute(_LOOKED, {"of": row.id, "at": tx.now}))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            await _read_pins(node, network, row)
            await _read_tags(node, network, row)


def _remote(tx: Tx, account_id: int) -> Row[Any] | None:
    return tx.first(_REMOTE, {"of": account_id})


def _is_due(row: Row[Any], now: int) -> bool:
    return bool(row.featured_iri or row.featured_tags_iri) and (
        row.featured_at is None or row.featured_at <= now - HOUR_MS
    )


async def _items(network: "Network", row: Row[Any], collection: str, most: int) -> list[collections.Item] | None:
    found = []
    try:
        async for item in collections.read(
            Iri(collection), network.document, origin_of=row.iri, pages=_PAGES, items=most
        ):
            found.append(item)
    except ProtocolError:
        return None
    return found


async def _read_pins(node: Node, network: "Network", row: Row[Any]) -> None:
    items = await _items(network, row, row.featured_iri, MOST_PINS) if row.featured_iri else None
    if items is None:
        return
    iris = [iri for one in items if (iri := values.iri_of(one)) is not None and same_origin(iri, row.iri)]
    for iri in iris:
        with contextlib.suppress(ProtocolError, NodeError):
            await network.fetch_post(iri, upwards=False)
    await node.write(_keep_pins, row.id, iris)


def _keep_pins(tx: Tx, account_id: int, iris: Sequence[str]) -> None:
    """Those of the posts that are the account's own, and no others, in this order."""
    found = {row.iri: row.id for row in tx.rows(_POSTS, {"iris": list(iris), "of": account_id})} if iris else {}
    wanted = [found[iri] for iri in dict.fromkeys(iris) if iri in found]
    if tx.scalars(_PINNED, {"of": account_id}) != wanted:
        tx.execute(_UNPIN_ALL, {"of": account_id})
        _pin(tx, account_id, wanted)


async def _read_tags(node: Node, network: "Network", row: Row[Any]) -> None:
    most = featured.MOST_OF_PEERS
    items = await _items(network, row, row.featured_tags_iri, most) if row.featured_tags_iri else None
    if items is None:
        return
    shown = [one for one in items if isinstance(one, dict) and "Hashtag" in values.types(one)]
    names = [values.text(one.get("name"), 300) or "" for one in shown]
    await node.write(featured.record_all, row.id, names)
