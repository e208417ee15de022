"""Who answers whom: the thread around a post, and late parents that join what waited for them."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, case, delete, literal, select, update

from activitypub.audience import Visibility
from node import directs, sight
from node.errors import NotFound
from node.ids import PostId
from node.runtime import Tx
from node.schema import conversation_mute, post
from node.schema.meta import Id
from node.sight import Sight

MAX_ANCESTORS = 100
MAX_DESCENDANTS = 1000
MAX_DEPTH = 40

_THREADED = (
    post.c.id,
    post.c.iri,
    post.c.author_id,
    post.c.local,
    post.c.boost_of_id,
    post.c.visibility,
    post.c.local_only,
    post.c.conversation_id,
    post.c.context_iri,
    post.c.in_reply_to_iri,
    post.c.group_id,
)
_ORPHANS = select(post.c.id, post.c.conversation_id, post.c.visibility).where(
    post.c.in_reply_to_iri == bindparam("parent_iri"),
    post.c.in_reply_to_id.is_(None),
    post.c.id != bindparam("parent", type_=Id),
)
_JOIN = (
    update(post)
    .where(post.c.id == bindparam("orphan", type_=Id))
    .values(in_reply_to_id=bindparam("parent", type_=Id), in_reply_to_account_id=bindparam("author", type_=Id))
)
_MOVE = (
    update(post)
    .where(post.c.conversation_id == bindparam("old", type_=Id))
    .values(conversation_id=bindparam("new", type_=Id))
)
# Whoever muted the part has muted the whole.
_MUTED = conversation_mute.alias("muted")
_MUTED_TWICE = delete(conversation_mute).where(
    conversation_mute.c.conversation_id == bindparam("old", type_=Id),
    conversation_mute.c.account_id.in_(
        select(_MUTED.c.account_id).where(_MUTED.c.conversation_id == bindparam("new", type_=Id))
    ),
)
_MOVE_MUTES = (
    update(conversation_mute)
    .where(conversation_mute.c.conversation_id == bindparam("old", type_=Id))
    .values(conversation_id=bindparam("new", type_=Id))
)
_ANSWERED = (
    update(post)
    .where(post.c.id == bindparam("parent", type_=Id))
    .values(replies_count=post.c.replies_count + bindparam("replies", type_=Id))
)


@dataclass(frozen=True, slots=True)
class Context:
    """Posts that the viewer may see: those above, the oldest first, and those below, each followed by its answers."""

    ancestors: list[PostId]
    descendants: list[PostId]
    conversation_id: int
    is_local: bool
    """Whether all of it was written here."""


def parent(tx: Tx, post_id: int) -> Row[Any]:
    """The post that an answer to `post_id` answers (of a boost: what it boosts), for the viewer. Raises NotFound."""
    row = sight.first(tx, _visible_parent, {"id": post_id})
    if row is not None and row.boost_of_id is not None:
        row = sight.first(tx, _visible_parent, {"id": row.boost_of_id})
    if row is None:
        raise NotFound
    return row


def context_of_answers(tx: Tx, parent: Row[Any]) -> str | None:
    """The collection that the answers to a post belong to, if it is known: that of whoever began the thread (FEP-7888).

    `parent` has iri, local, context_iri and in_reply_to_iri.
    """
    if parent.context_iri is not None:
        found: str = parent.context_iri
        return found
    return tx.urls.context(parent.iri) if parent.local and parent.in_reply_to_iri is None else None


def is_counted(visibility: int) -> bool:
    """Whether a post is among the number of its author's posts."""
    return visibility != Visibility.DIRECT


def is_counted_as_reply(visibility: int) -> bool:
    """Whether a reply is counted at its parent: what few may see would be given away by a number."""
    return visibility <= Visibility.UNLISTED


def answered(tx: Tx, parent_id: int, replies: int) -> None:
    """Count replies that came or, below zero, went."""
    tx.execute(_ANSWERED, {"parent": parent_id, "replies": replies})


def adopt(tx: Tx, post_id: PostId, iri: str, author_id: int, conversation_id: int) -> None:
    """Join posts that named `iri` as their parent before it was here, and the threads below them.

    An orphan is the root of its thread: one whose thread the new post belongs to is above it, and joining the two
    would close a circle (which a peer can ask for).
    """
    orphans = [
        row
        for row in tx.rows(_ORPHANS, {"parent_iri": iri, "parent": post_id})
        if row.conversation_id != conversation_id
    ]
    if not orphans:
        return
    tx.execute(_JOIN, [{"orphan": row.id, "parent": post_id, "author": author_id} for row in orphans])
    old = {row.conversation_id for row in orphans}
    moved = [{"old": conversation, "new": conversation_id} for conversation in old]
    for statement in (_MOVE, _MUTED_TWICE, _MOVE_MUTES):
        tx.execute(statement, moved)
    directs.joined(tx, old, conversation_id)
    replies = sum(is_counted_as_reply(row.visibility) for row in orphans)
    if replies:
        answered(tx, post_id, replies)


def context(tx: Tx, post_id: int) -> Context:
    """The thread around a post, as far as the viewer may see it and wants to. Raises NotFound for the post itself."""
    start = parent(tx, post_id)
    above = sight.rows(tx, _ancestors, {"start": start.id})
    below = sight.rows(tx, _descendants, {"start": start.id})
    ancestors = [PostId(row.id) for row in sorted(above, key=lambda row: -row.depth) if row.seen]
    is_local = all(row.local for row in (start, *above, *below))
    return Context(ancestors, _in_reading_order(start, below), start.conversation_id, is_local)


def _in_reading_order(start: Row[Any], below: Any) -> list[PostId]:
    """Depth first, by time; what an author added to their own post comes before what others answered."""
    answers: dict[int, list[Row[Any]]] = defaultdict(list)
    authors = {start.id: start.author_id} | {row.id: row.author_id for row in below}
    for row in below:
        answers[row.parent].append(row)
    for above, rows in answers.items():
        rows.sort(key=lambda row: (row.author_id != authors[above], row.id), reverse=True)
    ordered: list[PostId] = []
    waiting = list(answers.pop(start.id, []))
    while waiting:
        row = waiting.pop()
        if row.seen:
            ordered.append(PostId(row.id))
        waiting.extend(answers.pop(row.id, []))
    return ordered


def _visible_parent(eyes: Sight) -> Select[Any]:
    return select(*_THREADED).where(post.c.id == bindparam("id", type_=Id), eyes.visible(post))


def _seen(eyes: Sight) -> ColumnElement[Any]:
    """1 for what is shown. The walk goes through hidden posts too, so that they do not hide the answers below."""
    shown = and_(eyes.visible(post), ~eyes.unwanted(post.c.author_id))
    return case((shown, 1), else_=0).label("seen")


def _ancestors(eyes: Sight) -> Select[Any]:
    walk = (
        select(post.c.in_reply_to_id.label("id"), literal(1).label("depth"))
        .where(post.c.id == bindparam("start", type_=Id), post.c.in_reply_to_id.is_not(None))
        .cte("above", recursive=True)
    )
    higher = post.alias("higher")
    step = select(higher.c.in_reply_to_id, walk.c.depth + 1).where(
        higher.c.id == walk.c.id, higher.c.in_reply_to_id.is_not(None), walk.c.depth < MAX_ANCESTORS
    )
    walk = walk.union_all(step)
    return select(post.c.id, walk.c.depth, post.c.local, _seen(eyes)).join_from(walk, post, post.c.id == walk.c.id)


def _descendants(eyes: Sight) -> Select[Any]:
    walk = (
        select(post.c.id, post.c.in_reply_to_id.label("parent"), literal(1).label("depth"))
        .where(post.c.in_reply_to_id == bindparam("start", type_=Id))
        .cte("below", recursive=True)
    )
    lower = post.alias("lower")
    step = select(lower.c.id, lower.c.in_reply_to_id, walk.c.depth + 1).where(
        lower.c.in_reply_to_id == walk.c.id, walk.c.depth < MAX_DEPTH
    )
    walk = walk.union_all(step)
    return (
        select(post.c.id, post.c.author_id, walk.c.parent, post.c.local, _seen(eyes))
        .join_from(walk, post, post.c.id == walk.c.id)
        .limit(MAX_DESCENDANTS)
    )
