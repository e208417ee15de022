"""The end of a post, ours or theirs: rows, counts, boosts of it; a tombstone stays (R50)."""

from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy import delete as sql_delete

from activitypub.audience import Visibility
from node import accounts, contents, db, directs, notifications, quotes, search, sight, tags, takebacks, threads
from node.bell import EVENT
from node.errors import NotFound
from node.ids import PostId
from node.runtime import Tx
from node.schema import account, event, media, post, tombstone
from node.schema.meta import Id
from node.sight import Sight
from node.viewer import Kind

_OF = bindparam("of", type_=Id)
_ENDING = (
    post.c.id,
    post.c.iri,
    post.c.author_id,
    post.c.local,
    post.c.boost_of_id,
    post.c.object_type,
    post.c.visibility,
    post.c.local_only,
    post.c.in_reply_to_id,
    post.c.group_id,
    account.c.iri.label("author_iri"),
)
_FOUND = select(*_ENDING).join(account, account.c.id == post.c.author_id).where(post.c.iri == bindparam("iri"))
_BOOSTS = select(post.c.id, post.c.author_id, post.c.visibility, post.c.local_only).where(post.c.boost_of_id == _OF)
_AUTHOR = select(post.c.author_id).where(post.c.id == _OF)
_UNBOOST = update(post).where(post.c.id == _OF, post.c.boosts_count > 0).values(boosts_count=post.c.boosts_count - 1)
_KEEP_MEDIA = (
    update(media)
    .where(media.c.post_id == _OF)
    .values(post_id=None, position=0, created_at=bindparam("since", type_=Id))
)
_UNCOUNT_BOOSTERS = (
    update(account)
    .where(account.c.id.in_(select(post.c.author_id).where(post.c.boost_of_id == _OF)))
    .values(posts_count=account.c.posts_count - 1, rev=account.c.rev + 1)
)
_DELETE = sql_delete(post).where(post.c.id == _OF)
_EVENT = insert(event)


def delete(tx: Tx, post_id: int) -> None:
    """Delete one's own post, or as a moderator anybody's. NotFound for everybody else, and for what is not there."""
    row = sight.first(tx, _visible, {"id": post_id})
    if row is None:
        raise NotFound
    if tx.viewer.kind is not Kind.SYSTEM and tx.viewer.account_id != row.author_id:
        if not tx.viewer.roles & {"moderator", "admin"}:
            raise NotFound
        tx.audit("post.delete", row.iri)
    remove(tx, row)


def found(tx: Tx, iri: str) -> Row[Any] | None:
    """What `remove` needs of the post or boost with this IRI, whoever may see it."""
    return tx.first(_FOUND, {"iri": iri})


def remove(tx: Tx, row: Row[Any]) -> None:
    """Remove a post or boost, a row as `found` gives it. Peers are told if it is ours. The caller judges who may."""
    post_id = PostId(row.id)
    if row.local:
        tx.outgoing.post_deleted(tx, post_id)
        if row.group_id is not None and row.boost_of_id is None:
            tx.outgoing.group_passes_on(tx, row.group_id, post_id, "Delete")
    if row.boost_of_id is None:
        quotes.ended(tx, post_id)
        _remove_boosts(tx, post_id)
        _announce_end(tx, [row], tags.names_of(tx, post_id), contents.mentioned(tx, post_id))
        if row.visibility == Visibility.DIRECT:
            directs.ended(tx, post_id, row.author_id)
    else:
        _announce_end(tx, [row], [], [])
        tx.execute(_UNBOOST, {"of": row.boost_of_id})
        takebacks.remember(tx, takebacks.BOOST, row.boost_of_id, row.author_id)
        boosted_author = tx.scalar(_AUTHOR, {"of": row.boost_of_id})
        notifications.withdraw(tx, boosted_author, "reblog", row.author_id, post_id=row.boost_of_id)
    if not row.local or (row.boost_of_id is None and _known_to_all(row)):
        bury(tx, row.iri, row.author_iri, row.object_type, post_id if row.local else None)
    if threads.is_counted(row.visibility):
        accounts.count_posts(tx, row.author_id, -1)
    if row.in_reply_to_id is not None and threads.is_counted_as_reply(row.visibility):
        threads.answered(tx, row.in_reply_to_id, -1)
    if row.local and row.boost_of_id is None:
        # Kept for a while without a post: clients offer to write the post again with the same images, and housekeeping
        # finds the files by these rows.
        tx.execute(_KEEP_MEDIA, {"of": post_id, "since": tx.now})
    search.remove(tx, [post_id])
    tx.execute(_DELETE, {"of": post_id})


def _known_to_all(row: Row[Any]) -> bool:
    """A tombstone says to any peer that something was here; of narrower posts of ours nobody may know even that.

    Nothing can revive these: ids of ours never arrive from outside.
    """
    return row.visibility <= Visibility.UNLISTED and not row.local_only


def bury(tx: Tx, iri: str, author_iri: str, former_type: str, post_id: PostId | None = None) -> None:
    """Leave a tombstone: whatever comes late under this IRI stays dead."""
    grave = {
        "iri": iri,
        "author_iri": author_iri,
        "former_type": former_type,
        "post_id": post_id,
        "deleted_at": tx.now,
    }
    tx.execute(db.insert_or_ignore(tx.dialect, tombstone, ["iri"]), grave)


def _remove_boosts(tx: Tx, post_id: PostId) -> None:
    """The rows go with the post (ON DELETE CASCADE); counts and streams do not know by themselves."""
    boosts = tx.rows(_BOOSTS, {"of": post_id})
    if boosts:
        _announce_end(tx, boosts, [], [])
        tx.execute(_UNCOUNT_BOOSTERS, {"of": post_id})


def _announce_end(tx: Tx, rows: Any, tag_names: list[str], mention_ids: list[int]) -> None:
    """Events hold all that streams need to know whom to tell: the rows are gone when they read them."""
    events = [
        {
            "kind": "delete",
            "post_id": row.id,
            "account_id": row.author_id,
            "at": tx.now,
            "data": {
                "id": row.id,
                "author_id": row.author_id,
                "visibility": row.visibility,
                "local_only": bool(row.local_only),
                "tags": tag_names,
                "mentions": mention_ids,
            },
        }
        for row in rows
    ]
    tx.execute(_EVENT, events)
    tx.ring(EVENT)


def _visible(eyes: Sight) -> Any:
    return (
        select(*_ENDING)
        .join(account, account.c.id == post.c.author_id)
        .where(post.c.id == bindparam("id", type_=Id), eyes.visible(post))
    )
