"""Posts of this node's people: publishing, editing, reading. Copies of others' posts are in copies.py.

drafts     what somebody writes, before it is a post
posts      publish, edit, get, source, history
copies     posts and boosts of peers' people
deletion   the end of a post, ours or theirs
threads    who answers whom
revisions  what a post was before it was edited
contents   what hangs on a post: mentions, tags, links, the search index, and who is told of it
"""

import hashlib
from typing import Any

from sqlalchemy import Row, Select, bindparam, insert, select, update
from sqlalchemy import delete as sql_delete

from node import accounts, contents, drafts, media, revisions, sight, threads
from node.copies import RemotePost, delete_remote, store_remote, update_remote
from node.deletion import delete
from node.drafts import Changes, Draft
from node.errors import NotFound
from node.ids import PostId
from node.revisions import Revision
from node.runtime import Tx
from node.schema import idempotency, post
from node.schema.meta import Id
from node.sight import Sight
from node.threads import Context, context
from node.viewer import Kind

__all__ = [
    "Changes",
    "Context",
    "Draft",
    "RemotePost",
    "Revision",
    "by_iri",
    "context",
    "delete",
    "delete_remote",
    "edit",
    "get",
    "history",
    "publish",
    "source",
    "store_remote",
    "update_remote",
]

_OF = bindparam("of", type_=Id)
_INSERT = insert(post)
_INSERT_KEY = insert(idempotency)
_PUBLISHED = (
    select(idempotency.c.post_id, post.c.id)
    .join_from(idempotency, post, post.c.id == idempotency.c.post_id, isouter=True)
    .where(idempotency.c.account_id == bindparam("author", type_=Id), idempotency.c.key == bindparam("key"))
)
_FORGET_KEY = sql_delete(idempotency).where(
    idempotency.c.account_id == bindparam("author", type_=Id), idempotency.c.key == bindparam("key")
)
_CHANGE = (
    update(post)
    .where(post.c.id == _OF)
    .values(
        content=bindparam("content"),
        text=bindparam("text"),
        spoiler=bindparam("spoiler"),
        sensitive=bindparam("sensitive"),
        language=bindparam("language"),
        edited_at=bindparam("edited_at"),
        rev=post.c.rev + 1,
    )
)


def publish(tx: Tx, draft: Draft) -> PostId:
    """Publish a post by the acting person, with all it causes: notifications, counts, index, events, deliveries.

    Raises Forbidden for anybody but a local person, NotFound for a parent that they may not see, Invalid for a text
    that is empty, too long, or calls somebody whom it cannot reach. A repeated idempotency key answers the first post.
    """
    author = drafts.author(tx)
    if draft.idempotency_key is not None:
        known = _published(tx, author.id, draft.idempotency_key)
        if known is not None:
            return known
    parent = None if draft.in_reply_to_id is None else threads.parent(tx, draft.in_reply_to_id)
    audience = drafts.audience(draft, author, None if parent is None else drafts.audience_of(parent))
    composed = drafts.compose(
        tx, draft.text, draft.spoiler, local_only=audience.local_only, has_media=bool(draft.media_ids)
    )
    post_id = PostId(tx.new_id())
    sensitive = bool(draft.media_ids and author.default_sensitive) if draft.sensitive is None else draft.sensitive
    tx.execute(
        _INSERT,
        {
            "id": post_id,
            "iri": tx.urls.post(author.username, post_id),
            "url": tx.urls.post_page(author.username, post_id),
            "author_id": author.id,
            "local": True,
            "content": composed.content,
            "text": composed.text,
            "spoiler": composed.spoiler,
            "sensitive": sensitive or bool(composed.spoiler),
            "language": drafts.language(draft.language, author.default_language),
            "visibility": audience.visibility,
            "local_only": audience.local_only,
            "in_reply_to_id": parent and parent.id,
            "in_reply_to_iri": parent and parent.iri,
            "in_reply_to_account_id": parent and parent.author_id,
            "conversation_id": parent.conversation_id if parent else post_id,
            "app_id": draft.app_id,
            "created_at": tx.now,
        },
    )
    mentioned = composed.mentioned
    contents.lay(
        tx,
        post_id,
        mention_ids=[row.id for row in mentioned],
        tag_names=composed.tags,
        links=composed.links,
        plain=composed.plain,
    )
    if draft.media_ids:
        media.attach(tx, post_id, draft.media_ids)
    if draft.idempotency_key is not None:
        key = _hashed(draft.idempotency_key)
        tx.execute(_INSERT_KEY, {"account_id": author.id, "key": key, "post_id": post_id, "created_at": tx.now})
    if threads.is_counted(audience.visibility):
        accounts.count_posts(tx, author.id, 1, tx.now)
    if parent is not None and threads.is_counted_as_reply(audience.visibility):
        threads.answered(tx, parent.id, 1)
    contents.tell_new(
        tx,
        post_id,
        author.id,
        called=[row.id for row in mentioned if row.domain is None],
        visibility=audience.visibility,
        answers=parent and parent.author_id,
    )
    tx.outgoing.post_created(tx, post_id)
    return post_id


def edit(tx: Tx, post_id: int, changes: Changes) -> None:
    """Change the acting person's own post and keep what it was. NotFound for posts of others; Invalid as in `publish`.

    Who may see it stays as it is, with one exception: people whom the new text mentions may see it from now on.
    """
    row = _own(tx, post_id)
    attached = revisions.media_ids(tx, row.id)
    media_ids = attached if changes.media_ids is None else list(changes.media_ids)
    text = row.text if changes.text is None else changes.text
    spoiler = row.spoiler if changes.spoiler is None else changes.spoiler
    drafts.refuse_new_audience(text, local_only=row.local_only)
    composed = drafts.compose(tx, text, spoiler, local_only=row.local_only, has_media=bool(media_ids))
    sensitive = row.sensitive if changes.sensitive is None else changes.sensitive
    new = {
        "content": composed.content,
        "text": composed.text,
        "spoiler": composed.spoiler,
        "sensitive": bool(sensitive or composed.spoiler),
        "language": drafts.language(changes.language, row.language),
    }
    if attached == media_ids and all(getattr(row, name) == value for name, value in new.items()):
        return
    revisions.keep(tx, row, attached)
    tx.execute(_CHANGE, {"of": row.id, "edited_at": tx.now, **new})
    if attached != media_ids:
        media.attach(tx, row.id, media_ids)
    added = contents.relay(
        tx,
        PostId(row.id),
        mention_ids=[person.id for person in composed.mentioned],
        tag_names=composed.tags,
        links=composed.links,
        plain=composed.plain,
    )
    contents.tell_changed(tx, PostId(row.id), row.author_id, called=added)
    tx.outgoing.post_updated(tx, row.id)


def get(tx: Tx, post_id: int) -> Row[Any]:
    """The whole row of a post or boost. NotFound if the viewer may not see it."""
    row = sight.first(tx, _by_id, {"id": post_id})
    if row is None:
        raise NotFound
    return row


def by_iri(tx: Tx, iri: str) -> Row[Any] | None:
    """The whole row of the post or boost with this ActivityPub id (or page), None if the viewer may not see it."""
    return sight.first(tx, _by_iri, {"iri": iri})


def source(tx: Tx, post_id: int) -> Row[Any]:
    """The row of one's own post, of which `text` and `spoiler` are as written. NotFound for posts of others."""
    return _own(tx, post_id)


def history(tx: Tx, post_id: int) -> list[Revision]:
    """All states of a post that are kept, the present one last."""
    return revisions.of(tx, get(tx, post_id))


def _published(tx: Tx, author_id: int, key: str) -> PostId | None:
    """The post that was made with this key. A key whose post was deleted since is free again."""
    asked = {"author": author_id, "key": _hashed(key)}
    row = tx.first(_PUBLISHED, asked)
    if row is not None and row.id is None:
        tx.execute(_FORGET_KEY, asked)
    return None if row is None or row.id is None else PostId(row.id)


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _own(tx: Tx, post_id: int) -> Row[Any]:
    row = get(tx, post_id)
    if row.author_id != tx.viewer.account_id or tx.viewer.kind is not Kind.PERSON or row.boost_of_id is not None:
        raise NotFound
    return row


def _by_id(eyes: Sight) -> Select[Any]:
    return select(post).where(post.c.id == bindparam("id", type_=Id), eyes.visible(post))


def _by_iri(eyes: Sight) -> Select[Any]:
    return select(post).where(post.c.iri == bindparam("iri"), eyes.visible(post))
