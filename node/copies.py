"""Copies of what peers' people post and boost. Whether a peer may say so is judged before (activitypub.authority)."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Row, Select, bindparam, literal, select, update

from activitypub.audience import Visibility
from activitypub.documents import Attachment, Poll
from activitypub.vocabulary import same_origin
from node import (
    accounts,
    contents,
    deletion,
    directs,
    media,
    narrowing,
    notifications,
    plans,
    quotes,
    revisions,
    search,
    sight,
    tallies,
    threads,
)
from node.contents import NewPost
from node.errors import Forbidden, Unknown
from node.html import to_text
from node.ids import PostId
from node.runtime import Tx
from node.schema import account, post, tombstone
from node.schema.meta import Id
from node.sight import Sight
from node.viewer import Viewer, remote

DAY = 86_400_000

_OF = bindparam("of", type_=Id)
_IRI: BindParameter[str] = bindparam("iri")
# What decides about a new post, in one statement: its author, and whether it is here or was deleted.
_SITUATION = select(
    account.c.domain,
    account.c.suspended_at,
    account.c.gone_at,
    select(post.c.id).where(post.c.iri == _IRI).scalar_subquery().label("known"),
    # By its author: another account of the same server may say that it deleted what it never wrote.
    select(literal(1))
    .select_from(tombstone)
    .where(tombstone.c.iri == _IRI, tombstone.c.author_iri == account.c.iri)
    .correlate(account)
    .scalar_subquery()
    .label("buried"),
).where(account.c.id == bindparam("author", type_=Id))
_PARENT = select(
    post.c.id,
    post.c.iri,
    post.c.author_id,
    post.c.local,
    post.c.conversation_id,
    post.c.boost_of_id,
    post.c.context_iri,
    post.c.in_reply_to_iri,
    post.c.group_id,
).where(post.c.iri == _IRI)
_STORED = select(post).where(post.c.id == _OF)
_BOOSTED_BY = select(post.c.id).where(post.c.boost_of_id == _OF, post.c.author_id == bindparam("author", type_=Id))
_BOOST = update(post).where(post.c.id == _OF).values(boosts_count=post.c.boosts_count + 1)
_CHANGE = contents.changing("visibility", "url", "object_type")
_ANCHOR = re.compile(r"<a\s([^>]*)>", re.IGNORECASE)
_HREF = re.compile(r'href="(https?://[^"]*)"', re.IGNORECASE)
_NO_LINK = re.compile(r'class="[^"]*\b(?:mention|hashtag)\b', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemotePost:
    """A post of a peer's, or a boost when `boost_of_id` is set. `content` is sanitised already; times are ms UTC."""

    iri: str
    author_id: int
    visibility: Visibility
    created_at: int
    url: str | None = None
    object_type: str = "Note"
    content: str = ""
    spoiler: str = ""
    sensitive: bool = False
    language: str | None = None
    in_reply_to_iri: str | None = None
    edited_at: int | None = None
    mention_ids: Sequence[int] = ()
    tags: Sequence[str] = ()
    attachments: Sequence[Attachment] = ()
    poll: Poll | None = None
    plan: plans.Plan | None = None
    boost_of_id: int | None = None
    context_iri: str | None = None
    quoted_iri: str | None = None
    stamp_iri: str | None = None
    quote_policy: int | None = None
    is_news: bool = True
    """False for what is read of the past: then nobody is told."""

    @property
    def plain(self) -> str:
        """What search finds it by."""
        text = to_text(self.content)
        return f"{self.spoiler}\n{text}" if self.spoiler else text


def store_remote(tx: Tx, new: RemotePost) -> PostId | None:
    """Store a post or boost of a peer's. The same IRI, or the same boost, yields the row that is there.

    None for what is not kept: deleted before (R50), by somebody who is suspended or gone, or a boost of something that
    its author may not see or pass on (R46). Raises Unknown for an author who is not stored.
    """
    situation = tx.first(_SITUATION, {"iri": new.iri, "author": new.author_id})
    if situation is None:
        raise Unknown(new.iri)
    if situation.known is not None:
        return PostId(situation.known)
    if situation.buried or situation.domain is None or situation.suspended_at or situation.gone_at:
        return None
    author = remote(new.author_id, situation.domain)
    if new.boost_of_id is not None:
        return _store_boost(tx, new, author, new.boost_of_id)
    parent = _parent(tx, new, author)
    post_id = _insert(tx, new, parent)
    contents.lay(
        tx,
        post_id,
        mention_ids=new.mention_ids,
        tag_names=new.tags,
        links=links(new.content),
        entry=search.entry(new.plain, tx.dialect),
    )
    if new.attachments:
        media.store_remote(tx, post_id, new.author_id, new.attachments)
    if new.poll is not None:
        tallies.store(tx, post_id, new.poll, new.created_at)
    plans.lay(tx, post_id, new.plan)
    if parent is not None and threads.is_counted_as_reply(new.visibility):
        threads.answered(tx, parent.id, 1)
    if new.quoted_iri is not None:
        quotes.heard(tx, post_id, new.quoted_iri, new.stamp_iri)
    thread = parent.conversation_id if parent else post_id
    threads.adopt(tx, post_id, new.iri, new.author_id, thread)
    if new.visibility == Visibility.DIRECT:
        told, quiet = (new.mention_ids if _is_recent(tx, new) else ()), not new.is_news
        directs.heard(tx, post_id, thread, new.author_id, new.mention_ids, told=told, quiet=quiet)
    _tell(tx, post_id, new, parent)
    return post_id


def update_remote(tx: Tx, post_id: int, new: RemotePost) -> bool:
    """Take over an edit; False if it is not newer than what is stored (R51).

    Author and id never change, the audience only to a narrower one (R47). Tallies of a poll are taken over without an
    edit: peers send them with the old `updated` (Mastodon), or a new one although no word is other (FEP-9967).
    """
    row = tx.first(_STORED, {"of": post_id})
    if row is None or row.local or row.boost_of_id is not None or row.author_id != new.author_id or row.iri != new.iri:
        return False
    quotes.heard_again(tx, row, new)
    edited_at = None if new.edited_at is None else min(new.edited_at, tx.now)
    plans.count_guests(tx, row, new.plan, edited_at)
    if edited_at is None or edited_at <= (row.edited_at or row.created_at):
        return edited_at in (None, row.edited_at, row.created_at) and tallies.take(tx, row, new.poll)
    if tallies.are_all_that_is_new(tx, row, new):
        return tallies.take(tx, row, new.poll)
    revisions.keep(tx, row, revisions.media_ids(tx, row.id))
    visibility = max(Visibility(row.visibility), new.visibility)
    tx.execute(
        _CHANGE,
        {
            "of": row.id,
            "content": new.content,
            "spoiler": new.spoiler,
            "sensitive": new.sensitive,
            "language": new.language,
            "visibility": visibility,
            "edited_at": edited_at,
            "url": new.url,
            "object_type": tallies.kind(row, new),
        },
    )
    _recount(tx, row, visibility)
    added = contents.relay(
        tx,
        PostId(row.id),
        mention_ids=new.mention_ids,
        tag_names=new.tags,
        links=links(new.content),
        entry=search.entry(new.plain, tx.dialect),
    )
    media.store_remote(tx, row.id, row.author_id, new.attachments)
    tallies.edit(tx, row, new)
    plans.lay(tx, row.id, new.plan if row.object_type == plans.KIND else None)
    if narrowing.is_narrower(row, visibility) and not narrowing.took_effect(tx, row, list(new.mention_ids)):
        return True
    called = added if row.visibility == Visibility.DIRECT else new.mention_ids
    if visibility == Visibility.DIRECT and called:
        told = added if new.is_news else ()
        directs.heard(tx, row.id, row.conversation_id, row.author_id, called, told=told, quiet=not new.is_news)
    if new.is_news:
        contents.tell_changed(tx, PostId(row.id), row.author_id, called=added)
        quotes.tell_quoters(tx, row.id, row.author_id)
    else:
        tx.emit("status.update", post_id=row.id, account_id=row.author_id)
    return True


def delete_remote(tx: Tx, iri: str, author_iri: str) -> bool:
    """Remove a peer's post, or boost, by its author; True if it was here. What is not here yet stays dead when it comes.

    Raises Forbidden when somebody else is the author, and for an id of another origin than the one who deletes it.
    """
    row = deletion.found(tx, iri)
    if row is None:
        if not same_origin(iri, author_iri):
            raise Forbidden("the deleted object is of another origin than the one who deletes it")
        deletion.bury(tx, iri, author_iri, "Note")
        return False
    if row.local or row.author_iri != author_iri:
        raise Forbidden("only its author can delete a post")
    deletion.remove(tx, row)
    return True


def links(content: str) -> list[str]:
    """Addresses that sanitised HTML links to, but for mentions and tags."""
    found: list[str] = []
    for anchor in _ANCHOR.finditer(content):
        href = _HREF.search(anchor[1])
        if href is not None and not _NO_LINK.search(anchor[1]):
            found.append(html.unescape(href[1]))
    return found


def _insert(tx: Tx, new: RemotePost, parent: Row[Any] | None, boosted: Row[Any] | None = None) -> PostId:
    created_at = min(new.created_at, tx.now)
    post_id = PostId(tx.new_id(created_at))
    row = NewPost(
        id=post_id,
        iri=new.iri,
        url=new.url,
        author_id=new.author_id,
        local=False,
        boost_of_id=boosted and boosted.id,
        object_type=new.object_type,
        content="" if boosted else new.content,
        spoiler="" if boosted else new.spoiler,
        sensitive=new.sensitive,
        language=new.language,
        visibility=max(new.visibility, boosted.visibility) if boosted else new.visibility,
        in_reply_to_id=parent and parent.id,
        in_reply_to_iri=None if new.in_reply_to_iri == new.iri else new.in_reply_to_iri,
        in_reply_to_account_id=parent and parent.author_id,
        conversation_id=parent.conversation_id if parent else post_id,
        context_iri=(threads.context_of_answers(tx, parent) if parent else None) or new.context_iri,
        group_id=parent.group_id if parent and new.visibility <= Visibility.UNLISTED else None,
        created_at=created_at,
        edited_at=None if new.edited_at is None else min(new.edited_at, tx.now),
        quote_policy=new.quote_policy,
    )
    contents.store(tx, [row])
    if threads.is_counted(new.visibility):
        accounts.count_posts(tx, new.author_id, 1, created_at)
    return post_id


def _parent(tx: Tx, new: RemotePost, author: Viewer) -> Row[Any] | None:
    """The parent if it is here. One of ours that the author may not see is none: nobody writes into a thread unseen."""
    if new.in_reply_to_iri is None:
        return None
    row = tx.first(_PARENT, {"iri": new.in_reply_to_iri})
    if row is None or row.boost_of_id is not None:
        return None
    if row.local and seen_by(tx, author, row.id) is None:
        return None
    return row


def seen_by(tx: Tx, viewer: Viewer, post_id: int) -> Row[Any] | None:
    """(id, author_id, visibility, boost_of_id) of a post if that account, which is not the one that acts, may see it."""
    values = {"id": post_id, "viewer": viewer.account_id, "now": tx.now}
    return tx.first(sight.statement(viewer, _seen), values)


def _seen(eyes: Sight) -> Select[Any]:
    return select(post.c.id, post.c.author_id, post.c.visibility, post.c.boost_of_id).where(
        post.c.id == bindparam("id", type_=Id), eyes.visible(post)
    )


def _store_boost(tx: Tx, new: RemotePost, author: Viewer, boosted_id: int) -> PostId | None:
    boosted = seen_by(tx, author, boosted_id)
    if boosted is None or boosted.boost_of_id is not None or not may_boost(boosted, new.author_id):
        return None
    known = tx.scalar(_BOOSTED_BY, {"of": boosted_id, "author": new.author_id})
    if known is not None:
        return PostId(known)
    post_id = _insert(tx, new, None, boosted)
    tx.execute(_BOOST, {"of": boosted_id})
    if _is_recent(tx, new):
        notifications.notify(tx, boosted.author_id, "reblog", new.author_id, post_id=PostId(boosted_id))
    if new.is_news:
        tx.emit("update", post_id=post_id, account_id=new.author_id)
    return post_id


def may_boost(row: Row[Any], account_id: int) -> bool:
    """Whether somebody who sees a post (id, author_id, visibility) may pass it on (R46)."""
    if row.visibility == Visibility.FOLLOWERS:
        return bool(row.author_id == account_id)
    return bool(row.visibility <= Visibility.UNLISTED)


def _is_recent(tx: Tx, new: RemotePost) -> bool:
    """Older than what a peer would still deliver is history that somebody fetched: no news for anybody."""
    return new.is_news and new.created_at >= tx.now - tx.settings.federation.delivery_days * DAY


def _tell(tx: Tx, post_id: PostId, new: RemotePost, parent: Row[Any] | None) -> None:
    if not new.is_news:
        return
    if not _is_recent(tx, new):
        tx.emit("update", post_id=post_id, account_id=new.author_id)
        return
    # An answer to something that is not here answers nobody we know, and so it is none to the author themselves.
    answers = parent.author_id if parent is not None else (0 if new.in_reply_to_iri else None)
    contents.tell_new(tx, post_id, new.author_id, called=new.mention_ids, visibility=new.visibility, answers=answers)


def _recount(tx: Tx, row: Row[Any], visibility: Visibility) -> None:
    """What became narrower is no longer among the numbers."""
    if threads.is_counted(row.visibility) and not threads.is_counted(visibility):
        accounts.count_posts(tx, row.author_id, -1)
    lost = threads.is_counted_as_reply(row.visibility) and not threads.is_counted_as_reply(visibility)
    if lost and row.in_reply_to_id is not None:
        threads.answered(tx, row.in_reply_to_id, -1)
