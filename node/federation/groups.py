"""Groups on the wire (FEP-1b12): what a group of ours passes on, and what peers' groups pass on to us.

A group of ours announces a post that it takes twice: the Note, which Mastodon and the like know as a boost, and the Create,
which Lemmy, PieFed, NodeBB and Friendica read. Lemmy does the same; those that know the one leave the other, and here both
end in the one boost that a group has of a post. Answers in a group's thread, edits and deletions are announced as activities
only: as boosts they would flood the home of everybody who follows a group from Mastodon.

What a peer's group passes on is a hint, whoever wrote it: a post is fetched from its own origin, a deletion is looked up
there, a favourite counts if its own server gives the Like under its id. Only what is the group's to say is believed of
the group: that a post belongs to it, or no longer does.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Row, bindparam, literal, select

from activitypub import authority, build, parse, values
from activitypub.audience import Visibility, addressing
from activitypub.documents import Activity, Post
from activitypub.errors import Refused
from activitypub.vocabulary import PUBLIC, Iri, host, same_origin
from node import accounts, db, groups, posts
from node.errors import NotFound, Unknown
from node.federation import delivery, peers, published, reacting, recipients, render
from node.federation.inbound import Inbound
from node.groups import standing
from node.ids import PostId
from node.runtime import Node, Tx
from node.schema import account, follow, post
from node.schema.meta import Id

LOOK_JOB = "group.look"
"""What a peer's group passed on: {"post": iri} to look at again, or {"activity": iri} to fetch and take."""

CARRIED = frozenset({"Create", "Update", "Delete", "Remove", "Like", "Undo"})
"""What is read of a peer's group."""
MAX_EMBEDDED = 256 * 1024
"""Bytes of an activity that is passed on whole; of a larger one only the id is sent."""

_OURS = select(account).where(
    account.c.id == bindparam("id", type_=Id),
    account.c.domain.is_(None),
    account.c.actor_type == "Group",
    account.c.gone_at.is_(None),
    account.c.suspended_at.is_(None),
)
_NAMED = select(account.c.id, account.c.iri).where(
    db.among(account.c.iri, "iris"), account.c.domain.is_(None), account.c.actor_type == "Group"
)
_MEMBER_HERE = (
    select(literal(1))
    .join(account, account.c.id == follow.c.follower_id)
    .where(follow.c.target_id == bindparam("of", type_=Id), follow.c.state == "accepted", account.c.domain.is_(None))
    .limit(1)
)
_POST = (
    select(
        post.c.id,
        post.c.iri,
        post.c.local,
        post.c.author_id,
        post.c.visibility,
        post.c.in_reply_to_iri,
        post.c.boost_of_id,
        post.c.group_id,
        account.c.iri.label("author_iri"),
    )
    .join(account, account.c.id == post.c.author_id)
    .where(post.c.iri == bindparam("iri"))
)
_IRI_OF = select(account.c.iri).where(account.c.id == bindparam("id", type_=Id))


# --- A group of ours passes on ------------------------------------------------------------------------------------


def pass_on(tx: Tx, group_id: int, post_id: int, what: str) -> None:
    """The Create, Update or Delete of a local person's post, to the members of a group of ours elsewhere."""
    group, row = _ours(tx, group_id), render.stored(tx, post_id)
    if group is None or row is None or row.author_gone_at is not None or row.visibility > Visibility.UNLISTED:
        return
    if not (to := recipients.followers(tx, group.id)):
        return
    note = render.note_of(tx, row)
    match what:
        case "Create":
            doc = build.create(note, iri=render.activity_iri(row.iri))
        case "Update":
            iri = Iri(tx.urls.activity(row.author_iri, "Update", tx.new_id()))
            doc = build.update(note, iri=iri, actor=row.author_iri, to=note["to"], cc=note["cc"])
        case _:
            stone = build.tombstone(row.iri, former_type=row.object_type, deleted=tx.now)
            doc = build.delete(stone, iri=Iri(f"{row.iri}#delete"), actor=row.author_iri, to=[PUBLIC])
    carried = {name: value for name, value in doc.items() if name != "@context"}
    _announce(tx, group, carried, about=row.iri, visibility=Visibility(row.visibility), to=to)


def removed(tx: Tx, group_id: int, post_id: int, moderator_id: int | None) -> None:
    """A moderator takes a post out: passed on as their Delete, as Lemmy does. The post's own server keeps it."""
    group = _ours(tx, group_id)
    row = tx.first(select(post.c.iri, post.c.visibility).where(post.c.id == post_id))
    if group is None or row is None or row.visibility > Visibility.UNLISTED:
        return
    if not (to := recipients.followers(tx, group.id)):
        return
    by = (tx.scalar(_IRI_OF, {"id": moderator_id}) if moderator_id is not None else None) or tx.urls.node_actor
    iri = Iri(tx.urls.activity(by, "Delete", tx.new_id()))
    doc = build.delete(Iri(row.iri), iri=iri, actor=Iri(by), to=[PUBLIC], cc=[group.iri])
    carried = {name: value for name, value in doc.items() if name != "@context"}
    carried |= {"audience": group.iri, "summary": "Removed by a moderator"}
    _announce(tx, group, carried, about=row.iri, visibility=Visibility(row.visibility), to=to)


def came(tx: Tx, post_id: PostId, said: Post, brought: Activity, visibility: int, *, thread_id: int | None) -> None:
    """A peer's person sent a new post. `thread_id`: the group of what it answers."""
    if visibility > Visibility.UNLISTED:
        return
    if said.in_reply_to is not None:
        group = None if thread_id is None else _ours(tx, thread_id)
        if group is not None and not _is_banned(tx, group, said):
            _announce_brought(tx, group, said, brought, visibility)
        return
    named = [iri for iri in said.audience or [one.href for one in said.mentions] if tx.urls.is_ours(iri)]
    if not named:
        return
    known = {row.iri: row.id for row in tx.rows(_NAMED, {"iris": named})}
    ours = [known[iri] for iri in dict.fromkeys(named) if iri in known]
    taker = groups.arrived(tx, post_id, ours) if ours else None
    if taker is not None and (group := _ours(tx, taker)) is not None:
        _announce_brought(tx, group, said, brought, visibility)


def came_again(
    tx: Tx, post_id: PostId, said: Post, brought: Activity, visibility: int, *, group_id: int | None, changed: bool
) -> None:
    """They sent one that is here: an edit, which is passed on; or it was fetched before it was delivered.

    An edit may also be what names the group first.
    """
    if group_id is None:
        if said.in_reply_to is None and (changed or brought.type == "Create"):
            came(tx, post_id, said, brought, visibility, thread_id=None)
        return
    if changed and visibility <= Visibility.UNLISTED and (group := _ours(tx, group_id)) is not None:
        _announce_brought(tx, group, said, brought, visibility)


def goes(tx: Tx, inbound: Inbound) -> None:
    """They delete one. Before it is removed."""
    row = tx.first(_POST, {"iri": inbound.object_iri})
    if row is None or row.group_id is None or row.author_iri != inbound.actor_iri or row.boost_of_id is not None:
        return
    group = _ours(tx, row.group_id)
    if group is None or row.visibility > Visibility.UNLISTED:
        return
    if to := recipients.followers(tx, group.id):
        _announce(tx, group, inbound.activity.raw, about=row.iri, visibility=Visibility(row.visibility), to=to)


def _ours(tx: Tx, group_id: int) -> Row[Any] | None:
    return tx.first(_OURS, {"id": group_id})


def _is_banned(tx: Tx, group: Row[Any], said: Post) -> bool:
    return standing.is_banned(tx, group.id, accounts.known(tx, said.author).id)


def _announce_brought(tx: Tx, group: Row[Any], said: Post, brought: Activity, visibility: int) -> None:
    if to := recipients.followers(tx, group.id):
        _announce(tx, group, brought.raw, about=said.iri, visibility=Visibility(visibility), to=to)


def _announce(
    tx: Tx,
    group: Row[Any],
    carried: Mapping[str, Any],
    *,
    about: str,
    visibility: Visibility,
    to: list[delivery.Target],
) -> None:
    """As it came, with its proof: who gets it may believe that, or look it up."""
    whole = len(msgspec.json.encode(carried)) <= MAX_EMBEDDED
    first, second = addressing(visibility, Iri(group.followers_iri), [])
    doc = build.announce(
        carried if whole else Iri(carried["id"]),
        iri=Iri(tx.urls.activity(group.iri, "Announce", tx.new_id())),
        actor=Iri(group.iri),
        to=first,
        cc=second,
        published=tx.now,
    )
    delivery.enqueue(tx, doc, actor_id=group.id, about=about, key=about, to=to)


# --- A group of a peer's passes on --------------------------------------------------------------------------------


def on_announce(tx: Tx, inbound: Inbound) -> None:
    """An activity that a peer's group passes on to its members. One level deep: announced announcements are refused."""
    group = accounts.acting(tx, inbound.actor_iri)
    if group.actor_type != "Group":
        raise Refused("an activity passed on by somebody who is no group")
    if tx.first(_MEMBER_HERE, {"of": group.id}) is None:
        raise Refused("passed on by a group without members here")
    carried = parse.activity(inbound.activity.embedded)
    if carried.type not in CARRIED:
        raise Refused(f"passed on by a group: {carried.type[:50]}")
    authority.may_carry(carried, group=inbound.actor_iri, own_origin=tx.settings.base)
    row = tx.first(_POST, {"iri": carried.object})
    match carried.type:
        case "Create":
            _post_of_group(tx, inbound, group, carried, row)
        case "Update" if row is not None and row.group_id == group.id:
            _look(tx, "post", row.iri)
        case "Delete" | "Remove" if row is not None and row.group_id == group.id:
            if row.author_iri == carried.actor and not row.local:
                _look(tx, "post", row.iri)
            else:  # a moderator's: the group may say what is in it
                groups.leave(tx, group.id, row.id)
        case "Like" if row is not None and row.group_id == group.id:
            _look_at_activity(tx, carried)
        case "Undo" if carried.object_type == "Like":
            liked = values.iri((carried.embedded or {}).get("object"))
            row = tx.first(_POST, {"iri": liked}) if liked is not None else None
            if row is not None and row.group_id == group.id:
                _look_at_activity(tx, carried)


def _post_of_group(tx: Tx, inbound: Inbound, group: Row[Any], carried: Activity, row: Row[Any] | None) -> None:
    """What begins a thread is boosted by the group, answers are not. Fetched from its own origin if it is not here."""
    if row is None:
        iri = carried.object
        if iri is None or tx.urls.is_ours(iri):
            raise NotFound
        raise Unknown(iri)
    if row.boost_of_id is not None:
        raise Refused("passed on by a group: a boost")
    authority.may_announce(Iri(row.author_iri), inbound.actor_iri, Visibility(row.visibility))
    boost_id: PostId | None = None
    if row.in_reply_to_iri is None:
        boost_id = posts.store_remote(
            tx,
            posts.RemotePost(
                iri=inbound.iri,
                author_id=group.id,
                visibility=Visibility.PUBLIC,  # no further than the post, see store_remote
                created_at=min(inbound.activity.published or tx.now, tx.now),
                object_type="Announce",
                boost_of_id=row.id,
            ),
        )
    groups.announced(tx, group.id, row.id, boost_id)


def belongs(tx: Tx, group_id: int, post_id: int, boost_id: PostId) -> None:
    """A peer's group boosts a post, the other way of passing it on."""
    groups.announced(tx, group_id, post_id, boost_id)


def _look_at_activity(tx: Tx, carried: Activity) -> None:
    if carried.iri is not None and not same_origin(carried.iri, tx.settings.base):
        _look(tx, "activity", carried.iri)


def _look(tx: Tx, what: str, iri: str) -> None:
    digest = hashlib.sha256(iri.encode()).hexdigest()
    tx.enqueue(LOOK_JOB, {what: iri}, dedupe=f"{LOOK_JOB}:{digest}")


async def look(node: Node, network: Any, payload: Any) -> None:
    """The job: look at a post again at its origin, or take a Like or its Undo as its own server gives it."""
    if (iri := payload.get("post")) is not None:
        await network.refresh_post(iri)
        return
    said = parse.activity(await network.document(payload["activity"]))
    if said.type not in ("Like", "Undo"):
        raise Refused("it is another activity than the group said")
    peers.admit(node, host(said.actor))
    authority.check(said, signer=said.actor, own_origin=node.settings.base)
    await network.actor(said.actor)
    await node.write(_take, said)


def _take(tx: Tx, said: Activity) -> None:
    handle = reacting.on_like if said.type == "Like" else reacting.on_undo_reaction
    handle(tx, Inbound(said, host(said.actor)))


# --- What peers may read of a group of ours ----------------------------------------------------------------------


def moderators(tx: Tx, username: str) -> dict[str, Any]:
    """The collection of a group's moderators. NotFound for who is no group, Gone for one that was deleted."""
    row = published.local(tx, username)
    if row.actor_type != "Group":
        raise NotFound
    items = [Iri(accounts.get(tx, one).iri) for one in groups.moderators(tx, row.id)]
    return build.ordered_collection(Iri(tx.urls.moderators(row.username)), total=len(items), items=items)
