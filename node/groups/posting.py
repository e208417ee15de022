"""Which posts a group takes, and what it passes on to its members.

A public or unlisted post that begins a thread, by a member who mentions the group, is taken: it bears the id of the
group, which boosts it, so that members see it at home. What is answered in such a thread belongs to the group too, and is
passed on without a boost (`Outgoing.group_passes_on`). A department post stays in the department, with its boost.

Never taken: boosts, what groups write themselves, what is in a group already, what moderators took out of this one.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, exists, insert, literal, select, update

from activitypub.audience import Visibility
from node import accounts, db, deletion
from node.errors import NotFound
from node.groups import standing
from node.ids import PostId
from node.runtime import Tx
from node.schema import account, follow, group_ban, group_moderator, group_profile, mention, post, tombstone
from node.schema.meta import Id

_OF, _WHO = bindparam("of", type_=Id), bindparam("who", type_=Id)
_G = group_profile.c
_IS_MEMBER = exists().where(
    follow.c.target_id == _G.account_id, follow.c.follower_id == _WHO, follow.c.state == "accepted"
)
_MODERATES = exists().where(group_moderator.c.group_id == _G.account_id, group_moderator.c.account_id == _WHO)
_KEPT_OUT = exists().where(group_ban.c.group_id == _G.account_id, group_ban.c.account_id == _WHO)
_GROUPS = (
    select(
        account.c.id,
        account.c.iri,
        account.c.username,
        _G.posting,
        _IS_MEMBER.label("member"),
        _MODERATES.label("moderator"),
        _KEPT_OUT.label("banned"),
    )
    .join(group_profile, _G.account_id == account.c.id)
    .where(
        db.among(account.c.id, "ids"),
        account.c.domain.is_(None),
        account.c.actor_type == "Group",
        account.c.gone_at.is_(None),
        account.c.suspended_at.is_(None),
    )
)
_WRITTEN = (
    select(
        post.c.id,
        post.c.iri,
        post.c.author_id,
        post.c.local,
        post.c.boost_of_id,
        post.c.visibility,
        post.c.local_only,
        post.c.in_reply_to_iri,
        post.c.group_id,
        account.c.actor_type.label("author_type"),
    )
    .join(account, account.c.id == post.c.author_id)
    .where(post.c.id == _OF)
)
_MARK = update(post).where(post.c.id == _OF).values(group_id=bindparam("group", type_=Id))
_MENTIONS = select(literal(1)).where(mention.c.post_id == _OF, mention.c.account_id == _WHO)
_BOOSTED = select(post.c.id, post.c.iri).where(post.c.boost_of_id == _OF, post.c.author_id == _WHO)
_COUNT_BOOST = update(post).where(post.c.id == _OF).values(boosts_count=post.c.boosts_count + 1)
_OUT = select(tombstone.c.iri).where(tombstone.c.iri == bindparam("iri"))


# --- what is written here


def claimed(
    tx: Tx, author_id: int, mentioned: Sequence[Row[Any]], visibility: int, parent: Row[Any] | None
) -> int | None:
    """The group that a new post of ours is written to: the first of those it mentions that takes it, of a reply its
    thread's. A peer's group decides itself. No statement unless a group is mentioned.

    `mentioned` are rows of `account` in the order of the text, `parent` has `group_id`.
    """
    if visibility > Visibility.UNLISTED:
        return None
    if parent is not None:
        return None if parent.group_id is None else int(parent.group_id)
    named = [row for row in mentioned if row.actor_type == "Group"]
    if not named:
        return None
    ours = [row.id for row in named if row.domain is None]
    willing = {row.id for row in _willing(tx, author_id, ours)} if ours else set()
    return next((row.id for row in named if row.domain is not None or row.id in willing), None)


def published(tx: Tx, post_id: int) -> None:
    """A post of ours was stored with the group that `claimed` found: if that is of this node, it passes the post on."""
    row = tx.first(_WRITTEN, {"of": post_id})
    if row is None or row.group_id is None:
        return
    if row.in_reply_to_iri is None:
        group = _group(tx, row.group_id, row.author_id)
        if group is None:
            return
        _boost(tx, group, row)
    elif standing.is_banned(tx, row.group_id, row.author_id):
        return
    tx.outgoing.group_passes_on(tx, row.group_id, PostId(row.id), "Create")


# --- what comes from peers


def arrived(tx: Tx, post_id: int, group_ids: Sequence[int]) -> int | None:
    """A post of a peer's person names groups of this node: the one that takes it, and has boosted it now; None if none does.

    A thing that is taken already is not taken again, however often it comes.
    """
    row = tx.first(_WRITTEN, {"of": post_id})
    if row is None or not _may_be_taken(row):
        return None
    by_id = {one.id: one for one in _willing(tx, row.author_id, group_ids)}
    group = next((by_id[id_] for id_ in group_ids if id_ in by_id and not _was_removed(tx, by_id[id_], row)), None)
    if group is None:
        return None
    tx.execute(_MARK, {"of": row.id, "group": group.id})
    _boost(tx, group, row)
    return int(group.id)


def announced(tx: Tx, group_id: int, post_id: int, boost_id: int | None = None) -> None:
    """A peer's group passes a post on, with a boost if `boost_id`: it belongs to that group.

    One of ours only if its author wrote to the group: a group may not lay hands on what was not meant for it.
    """
    row = tx.first(_WRITTEN, {"of": post_id})
    if boost_id is not None:
        tx.execute(_MARK, {"of": boost_id, "group": group_id})
    if row is None or row.group_id is not None or row.visibility > Visibility.UNLISTED:
        return
    if row.local and tx.first(_MENTIONS, {"of": post_id, "who": group_id}) is None:
        return
    tx.execute(_MARK, {"of": row.id, "group": group_id})


# --- taking out


def remove_post(tx: Tx, group_id: int, post_id: int) -> None:
    """A moderator takes a post out of the group, for good; it stays with its author. NotFound for what is not in it."""
    group = standing.require_moderator(tx, group_id)
    row = tx.first(_WRITTEN, {"of": post_id})
    if row is not None and row.boost_of_id is not None and row.author_id == group_id:
        row = tx.first(_WRITTEN, {"of": row.boost_of_id})  # clients show the group's boost
    if row is None or row.group_id != group_id or row.boost_of_id is not None:
        raise NotFound
    if not row.local_only:
        tx.outgoing.group_removes(tx, group_id, PostId(row.id), tx.viewer.account_id)
    deletion.bury(tx, _memory(group, row), group.iri, "Announce")
    leave(tx, group_id, row.id)
    tx.audit("group.remove", row.iri, {"group": group.handle})


def leave(tx: Tx, group_id: int, post_id: int) -> None:
    """The post is no longer of the group, and the group's boost of it is gone."""
    tx.execute(_MARK, {"of": post_id, "group": None})
    boost = tx.first(_BOOSTED, {"of": post_id, "who": group_id})
    found = None if boost is None else deletion.found(tx, boost.iri)
    if found is not None:
        deletion.remove(tx, found)


# --- parts


def _group(tx: Tx, group_id: int, author_id: int) -> Row[Any] | None:
    """The group, if it is one of this node's."""
    return tx.first(_GROUPS, {"ids": [group_id], "who": author_id})


def _willing(tx: Tx, author_id: int, group_ids: Sequence[int]) -> list[Row[Any]]:
    """Those of the groups that let somebody write to them."""
    rows = tx.rows(_GROUPS, {"ids": list(group_ids), "who": author_id})
    return [row for row in rows if not row.banned and (row.moderator or (row.posting == "members" and row.member))]


def _may_be_taken(row: Row[Any]) -> bool:
    if row.boost_of_id is not None or row.in_reply_to_iri is not None or row.group_id is not None:
        return False
    return bool(row.visibility <= Visibility.UNLISTED and row.author_type != "Group")


def _was_removed(tx: Tx, group: Row[Any], row: Row[Any]) -> bool:
    return tx.first(_OUT, {"iri": _memory(group, row)}) is not None


def _memory(group: Row[Any], row: Row[Any]) -> str:
    """Under which a tombstone remembers that the post was taken out: its author may send it once more."""
    return f"{group.iri}/removed/{row.id}"


def _boost(tx: Tx, group: Row[Any], row: Row[Any]) -> None:
    """The group's boost: as far as the post, and not further. Told to peers as any boost is."""
    boost_id = PostId(tx.new_id())
    tx.execute(
        insert(post),
        {
            "id": boost_id,
            "iri": tx.urls.post(group.username, boost_id),
            "url": tx.urls.post_page(group.username, boost_id),
            "author_id": group.id,
            "local": True,
            "boost_of_id": row.id,
            "visibility": row.visibility,
            "local_only": row.local_only,
            "conversation_id": boost_id,
            "created_at": tx.now,
            "group_id": group.id,
        },
    )
    tx.execute(_COUNT_BOOST, {"of": row.id})
    accounts.count_posts(tx, group.id, 1, tx.now)
    tx.emit("update", post_id=boost_id, account_id=group.id)
    tx.outgoing.post_created(tx, boost_id)
