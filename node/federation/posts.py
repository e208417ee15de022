"""Posts and boosts of peers' people: what is taken, how it is read, and how it changes and ends."""

import hashlib
from dataclasses import replace
from html import escape
from typing import Any

from sqlalchemy import bindparam, exists, literal, select

from activitypub import audience, authority, parse, values
from activitypub.audience import Visibility
from activitypub.documents import Activity, Post
from activitypub.errors import Refused
from activitypub.vocabulary import PUBLIC, Iri
from node import accounts, db, html, plans, posts, quotes
from node.errors import Forbidden, NotFound, Unknown
from node.federation import emoji, groups, peers, subscriptions, votes
from node.federation.inbound import Inbound
from node.ids import PostId
from node.runtime import Tx
from node.schema import account, follow, post
from node.schema.meta import Id

THREAD_JOB = "thread"
NOTE_LIKE = frozenset({"Note", "Question", "ChatMessage"})

_PEOPLE = select(account.c.id, account.c.iri, account.c.domain).where(
    db.among(account.c.iri, "iris"), account.c.gone_at.is_(None)
)
_FOLLOWED_HERE = (
    select(literal(1))
    .join(account, account.c.id == follow.c.follower_id)
    .where(
        follow.c.target_id == bindparam("author", type_=Id), follow.c.state == "accepted", account.c.domain.is_(None)
    )
    .limit(1)
)
_KNOWN = select(post.c.id).where(post.c.iri == bindparam("iri"))
_ROW = (
    select(post.c.id, post.c.local, post.c.author_id, post.c.visibility, account.c.iri.label("author_iri"))
    .join(account, account.c.id == post.c.author_id)
    .where(post.c.iri == bindparam("iri"))
)
_LOCAL, _STORED, _WRITER = account.alias("local"), post.alias("stored"), account.alias("writer")
# All that decides about a post that arrives, in one statement: its author, whether somebody here follows them, whether the
# post is here, and whose it is.
_ANSWERED = post.alias("answered")
_THREAD_GROUP = (
    select(_ANSWERED.c.group_id).where(_ANSWERED.c.iri == bindparam("answered_iri")).scalar_subquery()
).label("thread_group_id")
_AUTHOR = (
    select(
        account.c.id,
        account.c.domain,
        account.c.followers_iri,
        account.c.following_iri,
        account.c.suspended_at,
        account.c.gone_at,
        _STORED.c.id.label("stored_id"),
        _STORED.c.group_id.label("stored_group_id"),
        _THREAD_GROUP,
        _WRITER.c.iri.label("stored_by"),
        exists(
            select(literal(1))
            .select_from(follow.join(_LOCAL, _LOCAL.c.id == follow.c.follower_id))
            .where(follow.c.target_id == account.c.id, follow.c.state == "accepted", _LOCAL.c.domain.is_(None))
            .correlate(account)
        ).label("followed_here"),
    )
    .select_from(
        account.outerjoin(_STORED, _STORED.c.iri == bindparam("post_iri")).outerjoin(
            _WRITER, _WRITER.c.id == _STORED.c.author_id
        )
    )
    .where(account.c.iri == bindparam("iri"))
)
_BOOST_BY = select(post.c.iri).where(
    post.c.boost_of_id == bindparam("of", type_=Id), post.c.author_id == bindparam("author", type_=Id)
)


# --- Handlers -----------------------------------------------------------------------------------------------------


def on_create(tx: Tx, inbound: Inbound) -> None:
    """A new post, or a vote. A post is taken if it concerns somebody here; among chosen peers, every public one is.

    A post that is only named is fetched first, if its author is followed here. Idempotent by the post's id.
    """
    doc = authority.vouched(inbound.activity)
    if doc is None:
        author = accounts.acting(tx, inbound.actor_iri)
        if tx.first(_KNOWN, {"iri": inbound.object_iri}) is not None:
            return
        if not (peers.takes_everything(tx.settings) or _followed_here(tx, author.id)):
            raise Refused("a post that is not sent along, by nobody who is followed here")
        raise Unknown(inbound.object_iri)
    said = parse.post(doc, actor=inbound.actor_iri)
    if said.is_vote:
        votes.take(tx, said)
        return
    take(tx, said, unsolicited=True, brought=inbound.activity)


def on_update(tx: Tx, inbound: Inbound) -> None:
    """An edit, or new tallies of a poll; of a post that is not here, its first appearance."""
    doc = authority.vouched(inbound.activity)
    if doc is None:
        raise Refused("an update of a post that is not sent along")
    take(tx, parse.post(doc, actor=inbound.actor_iri), unsolicited=True, brought=inbound.activity)


def on_delete(tx: Tx, inbound: Inbound) -> None:
    """By its author. What is not here yet stays dead when it comes (R50)."""
    if tx.first(_PEOPLE, {"iris": [inbound.object_iri]}) is not None:
        raise Refused("a delete of another actor")
    groups.goes(tx, inbound)
    if not posts.delete_remote(tx, inbound.object_iri, inbound.actor_iri):
        quotes.revoke_by_iri(tx, inbound.object_iri, inbound.actor_iri)


def on_announce(tx: Tx, inbound: Inbound) -> None:
    """A boost. The boosted post is fetched from its own origin if it is not here, never believed as it is sent along."""
    announce(tx, inbound)


def announce(tx: Tx, inbound: Inbound, *, is_news: bool = True) -> None:
    """The same of what is news, or was: then nobody is told."""
    booster = accounts.acting(tx, inbound.actor_iri)
    boosted = tx.first(_ROW, {"iri": inbound.object_iri})
    if boosted is None:
        if tx.urls.is_ours(inbound.object_iri):
            raise NotFound
        if not (peers.takes_everything(tx.settings) or _followed_here(tx, booster.id)):
            raise Refused("a boost of an unknown post, by nobody who is followed here")
        raise Unknown(inbound.object_iri)
    authority.may_announce(boosted.author_iri, inbound.actor_iri, Visibility(boosted.visibility))
    said = inbound.activity
    followers = Iri(booster.followers_iri) if booster.followers_iri else None
    stored = posts.store_remote(
        tx,
        posts.RemotePost(
            iri=inbound.iri,
            author_id=booster.id,
            visibility=audience.visibility(said.to, said.cc, followers),
            created_at=_clamped(tx, said.published),
            object_type="Announce",
            boost_of_id=boosted.id,
            is_news=is_news,
        ),
    )
    if stored is not None and booster.actor_type == "Group":
        groups.belongs(tx, booster.id, boosted.id, stored)


def on_undo_announce(tx: Tx, inbound: Inbound) -> None:
    """By the boost's id, or by what was boosted: some servers give the id anew."""
    booster = accounts.acting(tx, inbound.actor_iri)
    iri = inbound.activity.object
    if iri is not None and tx.first(_KNOWN, {"iri": iri}) is not None:
        posts.delete_remote(tx, iri, inbound.actor_iri)
        return
    boosted = tx.scalar(_KNOWN, {"iri": values.iri((inbound.activity.embedded or {}).get("object"))})
    stored = tx.scalar(_BOOST_BY, {"of": boosted, "author": booster.id}) if boosted is not None else None
    if stored is not None:
        posts.delete_remote(tx, stored, inbound.actor_iri)
    elif iri is not None:
        posts.delete_remote(tx, iri, inbound.actor_iri)


def undo_by_iri(tx: Tx, actor_iri: str, iri: str) -> bool:
    """Undo a boost that is named by its id alone. False if there is none."""
    stored = tx.first(select(post.c.boost_of_id).where(post.c.iri == iri))
    return stored is not None and stored.boost_of_id is not None and posts.delete_remote(tx, iri, actor_iri)


# --- Taking posts -------------------------------------------------------------------------------------------------


def take(
    tx: Tx,
    said: Post,
    *,
    unsolicited: bool,
    upwards: bool = True,
    is_news: bool = True,
    brought: Activity | None = None,
) -> PostId | None:
    """Store a post, or an edit of one that is here; None if it is not kept. Its author vouched for it, or its origin did.

    `unsolicited` posts are kept only if they concern us; `upwards` has what it answers fetched later. Nobody is told of what
    `is_news` no more. What its author sent in the activity `brought`, groups of ours may pass on.
    Raises Unknown for an author who is not stored.
    """
    if tx.urls.is_ours(said.iri):
        raise Refused("a post of ours, from outside")
    if said.is_vote:
        return None  # counted when its author sends it, and never shown as a reply (FEP-9967)
    author = tx.first(_AUTHOR, {"iri": said.author, "post_iri": said.iri, "answered_iri": said.in_reply_to})
    if author is None:
        raise Unknown(said.author)
    if author.gone_at is not None or author.suspended_at is not None:
        raise Forbidden("the author is suspended here, or gone")
    remote, mentioned_here = read(tx, said, author)
    remote = remote if is_news else replace(remote, is_news=False)
    if author.stored_id is not None:
        authority.may_update(author.stored_by, said.author)
        if said.emojis:
            emoji.learn(tx, author.domain, said.author, said.emojis)
        changed = posts.update_remote(tx, author.stored_id, remote)
        if brought is not None:
            in_group = author.stored_group_id
            groups.came_again(
                tx, author.stored_id, said, brought, remote.visibility, group_id=in_group, changed=changed
            )
        return PostId(author.stored_id)
    mentioned_here = mentioned_here or any(map(tx.urls.is_ours, said.audience))
    if unsolicited and not (mentioned_here or _concerns_us(tx, remote, followed_here=author.followed_here)):
        return None
    post_id = posts.store_remote(tx, remote)
    if post_id is not None and said.emojis:
        emoji.learn(tx, author.domain, said.author, said.emojis)
    if post_id is not None and upwards:
        _ask_for_thread(tx, remote)
    if post_id is not None and brought is not None:
        groups.came(tx, post_id, said, brought, remote.visibility, thread_id=author.thread_group_id)
    return post_id


def read(tx: Tx, said: Post, author: Any) -> tuple[posts.RemotePost, bool]:
    """(the post as it is stored, whether it calls somebody here). People who are not known here are left out."""
    followers = Iri(author.followers_iri) if author.followers_iri else None
    visibility = audience.visibility(said.to, said.cc, followers)
    called = {href for href, _ in said.mentions}
    if visibility >= Visibility.FOLLOWERS:
        # Who is addressed without being mentioned is meant all the same, and must be able to read it.
        called |= {iri for iri in (*said.to, *said.cc) if iri not in (PUBLIC, followers)}
    people = tx.rows(_PEOPLE, {"iris": sorted(called)}) if called else []
    content, spoiler = _words(said)
    remote = posts.RemotePost(
        iri=said.iri,
        url=said.url,
        author_id=author.id,
        object_type=said.type[:32],
        content=content,
        spoiler=spoiler,
        sensitive=said.sensitive,
        language=said.language,
        visibility=visibility,
        in_reply_to_iri=said.in_reply_to,
        created_at=_clamped(tx, said.published),
        edited_at=said.updated,
        mention_ids=[row.id for row in people if row.id != author.id],
        tags=said.hashtags,
        attachments=said.attachments,
        poll=said.poll,
        plan=plans.told(said),
        context_iri=said.context,
        quoted_iri=None if said.quote == said.iri else said.quote,
        stamp_iri=said.quote_authorization,
        quote_policy=quotes.from_wire(
            said.can_quote, author=said.author, followers=author.followers_iri, following=author.following_iri
        ),
    )
    return remote, any(row.domain is None for row in people)


def _words(said: Post) -> tuple[str, str]:
    """(content, content warning). Of articles, videos and the like: the title, the text, and a link to the whole."""
    content = html.sanitise(said.content.replace("\x00", ""))
    summary = html.plain(said.summary or "")
    if said.type in NOTE_LIKE:
        return content, summary
    if (plan := plans.told(said)) is not None:
        return plans.heading(plan, page=said.url) + content, summary if said.sensitive else ""
    title = escape(html.plain(said.name or ""))
    parts = [f"<p><strong>{title}</strong></p>" if title else "", content]
    if said.url:
        link = escape(said.url)
        parts.append(f'<p><a href="{link}">{link}</a></p>')
    return html.sanitise("".join(parts)), summary if said.sensitive else ""


def _clamped(tx: Tx, moment: int | None) -> int:
    return tx.now if moment is None else min(moment, tx.now)


def _concerns_us(tx: Tx, remote: posts.RemotePost, *, followed_here: bool) -> bool:
    if remote.visibility == Visibility.DIRECT:
        return False
    # Of what is not listed, edits come too, to wherever a copy may be: they must not be what makes one.
    if remote.visibility == Visibility.PUBLIC and peers.takes_everything(tx.settings):
        return True
    if followed_here:
        return True
    if remote.visibility == Visibility.PUBLIC and subscriptions.is_asked_for(tx, remote.tags):
        return True
    answers = remote.in_reply_to_iri
    public = remote.visibility <= Visibility.UNLISTED
    return public and answers is not None and tx.first(_KNOWN, {"iri": answers}) is not None


def _followed_here(tx: Tx, author_id: int) -> bool:
    return tx.first(_FOLLOWED_HERE, {"author": author_id}) is not None


def _ask_for_thread(tx: Tx, remote: posts.RemotePost) -> None:
    """What it answers is fetched later, if it is not here: the answer itself is shown at once."""
    parent = remote.in_reply_to_iri
    if parent is None or tx.urls.is_ours(parent) or tx.first(_KNOWN, {"iri": parent}) is not None:
        return
    digest = hashlib.sha256(parent.encode()).hexdigest()
    tx.enqueue(THREAD_JOB, {"iri": parent}, dedupe=f"{THREAD_JOB}:{digest}")
