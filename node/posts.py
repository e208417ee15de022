"""Posts of this node's people: publishing, editing, reading. Copies of others' posts are in copies.py.

drafts     what somebody writes, before it is a post; read before the transaction where that is possible
posts      publish, edit, get, source, history
copies     posts and boosts of peers' people
polls      what is asked with a post, votes and the end; tallies: polls of peers' people
deletion   the end of a post, ours or theirs
threads    who answers whom
revisions  what a post was before it was edited
contents   the row of a post and what hangs on it: mentions, tags, links, the search index, and who is told of it
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Executable, Row, Select, bindparam, select, update

from activitypub.audience import Visibility
from node import accounts, contents, db, directs, drafts, groups, media, plans, polls, quotes, revisions, sight, threads
from node.contents import NewPost
from node.copies import RemotePost, delete_remote, store_remote, update_remote
from node.deletion import delete
from node.drafts import Audience, Changes, Composed, Draft, Reading, read
from node.errors import NotFound
from node.ids import PostId
from node.outgoing import Published
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
    "Reading",
    "RemotePost",
    "Revision",
    "by_iri",
    "check",
    "context",
    "delete",
    "delete_remote",
    "edit",
    "get",
    "history",
    "publish",
    "read",
    "source",
    "store_remote",
    "update_remote",
]

_MY_KEY = (idempotency.c.account_id == bindparam("author", type_=Id), idempotency.c.key == bindparam("of_key"))
_PUBLISHED = select(post.c.id).join(idempotency, post.c.id == idempotency.c.post_id).where(*_MY_KEY)
_PASS_ON_KEY = (
    update(idempotency).where(*_MY_KEY).values(post_id=bindparam("to", type_=Id), created_at=bindparam("at", type_=Id))
)
_CHANGE = contents.changing("text")


def publish(tx: Tx, draft: Draft, reading: Reading | None = None) -> PostId:
    """Publish a post by the acting person, with all it causes: notifications, counts, index, events, deliveries.

    `reading` is what `read` made of the draft's text and spoiler, by callers who did so before the transaction.

    Raises Forbidden for anybody but a local person, NotFound for a parent that they may not see, Invalid for a text
    that is empty, too long, or calls somebody whom it cannot reach. A repeated idempotency key answers the first post.
    """
    author = drafts.author(tx)
    post_id = PostId(tx.new_id())
    if draft.idempotency_key is not None:
        known = _published(tx, author.id, draft.idempotency_key, post_id)
        if known is not None:
            return known
    settled = _settled(tx, draft, author, reading)
    parent, audience, composed = settled.parent, settled.audience, settled.composed
    group_id = groups.claimed(tx, author.id, composed.mentioned, audience.visibility, parent)
    new = _new(tx, post_id, draft, composed, author, audience, parent, group_id)
    contents.store(tx, [new])
    mentioned = composed.mentioned
    tagged = contents.lay(
        tx,
        new.id,
        mention_ids=[row.id for row in mentioned],
        tag_names=composed.tags,
        links=composed.links,
        entry=composed.entry,
    )
    _enclose(tx, new.id, draft, settled.asked)
    quote = quotes.attach(tx, new, author.iri, settled.quoted)
    if threads.is_counted(audience.visibility):
        accounts.count_posts(tx, author.id, 1, tx.now)
    if parent is not None and threads.is_counted_as_reply(audience.visibility):
        threads.answered(tx, parent.id, 1)
    contents.tell_new(
        tx,
        new.id,
        author.id,
        called=[row.id for row in mentioned if row.domain is None],
        visibility=audience.visibility,
        answers=parent and parent.author_id,
        watched=author.watched,
    )
    if audience.visibility == Visibility.DIRECT:
        called = [row.id for row in mentioned]
        directs.heard(tx, new.id, new.conversation_id, author.id, called, told=called)
    tx.outgoing.post_created(
        tx,
        new.id,
        Published(
            post=new,
            author_iri=author.iri,
            followers_iri=author.followers_iri,
            mentioned=mentioned,
            answered_id=None if parent is None or parent.local else parent.author_id,
            tags=tagged,
            has_media=bool(draft.media_ids),
            quote=quote,
        ),
    )
    if group_id is not None:
        groups.published(tx, new.id)
    return new.id


def check(tx: Tx, draft: Draft, reading: Reading | None = None) -> None:
    """Raises what `publish` would, but for attachments that cannot be (`media.reserve` and `media.attach` see to them)."""
    _settled(tx, draft, drafts.author(tx), reading)


def edit(tx: Tx, post_id: int, changes: Changes) -> None:
    """Change the acting person's own post and keep what it was. NotFound for posts of others; Invalid as in `publish`.

    Who may see it stays as it is, with one exception: people whom the new text mentions may see it from now on.
    """
    row = _own(tx, post_id)
    attached = revisions.media_ids(tx, row.id)
    media_ids = attached if changes.media_ids is None else list(changes.media_ids)
    text = row.text if changes.text is None else changes.text
    spoiler = row.spoiler if changes.spoiler is None else changes.spoiler
    asked = changes.poll and polls.checked(changes.poll, has_media=bool(media_ids))
    reading = read(text, spoiler, tx.settings)
    drafts.refuse_new_audience(reading, local_only=row.local_only)
    link = quotes.link_of(tx, row.id)
    has_more = bool(media_ids) or row.object_type == plans.KIND or link is not None
    composed = drafts.compose(tx, reading, local_only=row.local_only, has_media=has_more)
    composed = plans.redressed(tx, row, quotes.relinked(composed, link))
    sensitive = row.sensitive if changes.sensitive is None else changes.sensitive
    new = {
        "content": composed.content,
        "text": composed.text,
        "spoiler": composed.spoiler,
        "sensitive": bool(sensitive or composed.spoiler),
        "language": drafts.language(changes.language, row.language),
    }
    asks_anew = polls.changes(row, asked, has_media=bool(media_ids))
    if attached == media_ids and not asks_anew and all(getattr(row, name) == value for name, value in new.items()):
        return
    revisions.keep(tx, row, attached)
    tx.execute(_CHANGE, {"of": row.id, "edited_at": tx.now, **new})
    if attached != media_ids:
        media.attach(tx, row.id, media_ids)
    if asks_anew:
        polls.ask_anew(tx, row.id, asked or False)
    added = contents.relay(
        tx,
        PostId(row.id),
        mention_ids=[person.id for person in composed.mentioned],
        tag_names=composed.tags,
        links=composed.links,
        entry=composed.entry,
    )
    contents.tell_changed(tx, PostId(row.id), row.author_id, called=added)
    if row.visibility == Visibility.DIRECT and added:
        directs.heard(tx, row.id, row.conversation_id, row.author_id, added, told=added)
    quotes.tell_quoters(tx, row.id, row.author_id)
    tx.outgoing.post_updated(tx, row.id)
    if row.group_id is not None:
        tx.outgoing.group_passes_on(tx, row.group_id, row.id, "Update")


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


@dataclass(frozen=True, slots=True)
class _Settled:
    """What of a draft is found out and checked before anything is stored. `parent` is a row of `post`."""

    parent: Row[Any] | None
    asked: polls.Asked | None
    audience: Audience
    quoted: quotes.Chosen | None
    composed: Composed


def _settled(tx: Tx, draft: Draft, author: Row[Any], reading: Reading | None) -> _Settled:
    parent = None if draft.in_reply_to_id is None else threads.parent(tx, draft.in_reply_to_id)
    asked = draft.poll and polls.checked(draft.poll, has_media=bool(draft.media_ids))
    reading = reading or read(draft.text, draft.spoiler, tx.settings)
    audience = drafts.audience(draft, reading, author, None if parent is None else drafts.audience_of(parent))
    quoted = quotes.chosen(tx, draft.quoted_id, author.id, local_only=audience.local_only)
    audience = quotes.narrowed(audience, quoted)
    has_more = bool(draft.media_ids or quoted or draft.plan)
    composed = quotes.linked(drafts.compose(tx, reading, local_only=audience.local_only, has_media=has_more), quoted)
    composed = plans.dressed(tx, draft.plan, composed)
    drafts.refuse_departed(tx, composed.mentioned)
    drafts.language(draft.language)
    return _Settled(parent, asked, audience, quoted, composed)


def _new(
    tx: Tx,
    post_id: PostId,
    draft: Draft,
    composed: Composed,
    author: Row[Any],
    audience: Audience,
    parent: Row[Any] | None,
    group_id: int | None,
) -> NewPost:
    sensitive = bool(draft.media_ids and author.default_sensitive) if draft.sensitive is None else draft.sensitive
    return NewPost(
        id=post_id,
        iri=tx.urls.post(author.username, post_id),
        url=tx.urls.post_page(author.username, post_id),
        author_id=author.id,
        local=True,
        object_type=drafts.kind(draft),
        content=composed.content,
        text=composed.text,
        spoiler=composed.spoiler,
        sensitive=sensitive or bool(composed.spoiler),
        language=drafts.language(draft.language, author.default_language),
        visibility=audience.visibility,
        local_only=audience.local_only,
        in_reply_to_id=parent and parent.id,
        in_reply_to_iri=parent and parent.iri,
        in_reply_to_account_id=parent and parent.author_id,
        conversation_id=parent.conversation_id if parent else post_id,
        context_iri=threads.context_of_answers(tx, parent) if parent else None,
        app_id=draft.app_id,
        group_id=group_id,
        created_at=tx.now,
        quote_policy=author.default_quote_policy if draft.quote_policy is None else draft.quote_policy,
    )


def _enclose(tx: Tx, post_id: PostId, draft: Draft, asked: polls.Asked | None) -> None:
    """What comes with the text: pictures, a poll, or what makes it an event."""
    if draft.media_ids:
        media.attach(tx, post_id, draft.media_ids)
    if asked is not None:
        polls.ask(tx, post_id, asked)
    plans.lay(tx, post_id, draft.plan)


def _published(tx: Tx, author_id: int, key: str, post_id: PostId) -> PostId | None:
    """The post that was made with this key; if there is none, or it was deleted since, the key is now that of `post_id`."""
    key = _hashed(key)
    row = {"account_id": author_id, "key": key, "post_id": post_id, "created_at": tx.now}
    if tx.execute(_insert_key(tx.dialect), row).rowcount:
        return None
    mine = {"author": author_id, "of_key": key}
    known = tx.scalar(_PUBLISHED, mine)
    if known is None:
        tx.execute(_PASS_ON_KEY, mine | {"to": post_id, "at": tx.now})
    return None if known is None else PostId(known)


@cache
def _insert_key(dialect: str) -> Executable:
    return db.insert_or_ignore(dialect, idempotency, ["account_id", "key"])


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
