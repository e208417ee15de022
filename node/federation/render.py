"""From rows to the documents that peers get: what delivery sends and what the web answers are made here, both.

Nothing in here asks who may see it: callers have passed `visibility.visible` or have picked the recipients. Posts of the
department are refused all the same, so that no mistake elsewhere can turn one into a document.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, case, select

from activitypub import build, certificates
from activitypub.audience import Visibility, addressing
from activitypub.documents import Actor, Attachment, Field, Mention, Option, Poll, Post, QuotePolicy
from activitypub.vocabulary import RFC_9421, RFC_9421_ED25519, Iri
from node import db, keyring, plans, polls, quotes
from node.contents import NewPost
from node.errors import NotFound
from node.federation import emoji
from node.outgoing import Published
from node.runtime import Tx
from node.schema import account, media, mention, poll, post, post_tag, quote, tag

Doc = dict[str, Any]

_PARENT = post.alias("parent")
_BOOSTED = post.alias("boosted")
_BOOSTED_AUTHOR = account.alias("boosted_author")

_POSTS = (
    select(
        post,
        account.c.iri.label("author_iri"),
        account.c.followers_iri,
        account.c.gone_at.label("author_gone_at"),
        _PARENT.c.iri.label("parent_iri"),
        _BOOSTED.c.iri.label("boosted_iri"),
        _BOOSTED_AUTHOR.c.iri.label("boosted_author_iri"),
        quote.c.quoted_iri,
        case((quote.c.state == quotes.State.ACCEPTED, quote.c.stamp_iri)).label("stamp_iri"),
    )
    .select_from(
        post.join(account, account.c.id == post.c.author_id)
        .outerjoin(_PARENT, _PARENT.c.id == post.c.in_reply_to_id)
        .outerjoin(_BOOSTED, _BOOSTED.c.id == post.c.boost_of_id)
        .outerjoin(_BOOSTED_AUTHOR, _BOOSTED_AUTHOR.c.id == _BOOSTED.c.author_id)
        .outerjoin(quote, quote.c.post_id == post.c.id)
    )
    .where(db.among(post.c.id, "ids"), post.c.local_only.is_(False), post.c.local.is_(True))
)
_MENTIONS = (
    select(mention.c.post_id, account.c.iri, account.c.username, account.c.domain, account.c.handle)
    .join(account, account.c.id == mention.c.account_id)
    .where(db.among(mention.c.post_id, "ids"))
)
_TAGS = (
    select(post_tag.c.post_id, tag.c.name, tag.c.display)
    .join(tag, tag.c.id == post_tag.c.tag_id)
    .where(db.among(post_tag.c.post_id, "ids"))
)
_MEDIA = select(media).where(db.among(media.c.post_id, "ids")).order_by(media.c.post_id, media.c.position)
_POLLS = select(poll).where(db.among(poll.c.post_id, "ids"))
_ACCOUNT = select(account).where(account.c.id == bindparam("account_id"))
_IRIS = select(account.c.id, account.c.iri).where(db.among(account.c.id, "ids"))


# --- Posts --------------------------------------------------------------------------------------------------------


def note(tx: Tx, post_id: int) -> Doc:
    """A local post as its Note. Raises NotFound for remote posts, boosts and posts of the department."""
    return _one(notes(tx, [post_id]), post_id)


def notes(tx: Tx, post_ids: Sequence[int]) -> dict[int, Doc]:
    """post id -> Note, for those of the given posts that have one."""
    return {row.id: doc for row, doc in _rendered(tx, post_ids) if row.boost_of_id is None}


def activity(tx: Tx, post_id: int) -> Doc:
    """The Create of a local post, or the Announce of a local boost. Raises NotFound as `note` does."""
    return _one(activities(tx, [post_id]), post_id)


def activities(tx: Tx, post_ids: Sequence[int]) -> dict[int, Doc]:
    """post id -> Create or Announce: what an outbox holds."""
    return {row.id: _activity(row, doc) for row, doc in _rendered(tx, post_ids)}


def stored(tx: Tx, post_id: int) -> Row[Any] | None:
    """The row that `note_of` and `activity_of` take; None for what has no document (see the module) and remote posts."""
    return tx.first(_POSTS, {"ids": [post_id]})


def note_of(tx: Tx, row: Row[Any]) -> Doc:
    """The Note of a row that `stored` gave."""
    return _documents(tx, [row])[0]


def activity_of(tx: Tx, row: Row[Any]) -> Doc:
    """The Create or Announce of a row that `stored` gave."""
    return _activity(row, note_of(tx, row))


def activity_of_new(tx: Tx, new: Published) -> Doc:
    """What `activity` would say of a post that was just stored, without reading it again."""
    if new.post.local_only or not new.post.local or new.post.boost_of_id is not None:
        raise NotFound
    files = tx.rows(_MEDIA, {"ids": [new.post.id]}) if new.has_media else []
    quoted_iri, stamp_iri = (new.quote.iri, new.quote.stamp_iri) if new.quote is not None else (None, None)
    question = tx.first(_POLLS, {"ids": [new.post.id]}) if new.post.object_type == "Question" else None
    beside = new.post.in_reply_to_iri, new.mentioned, new.tags, files, question, quoted_iri, stamp_iri
    group_iri = _groups(tx, [new.post]).get(new.post.group_id or 0)
    around = _Around(new.author_iri, new.followers_iri, *beside, group_iri=group_iri)
    return _activity(new.post, _note(tx, new.post, around))


def activity_iri(post_iri: str) -> Iri:
    """Id of the Create or Announce that brought a local post into the world."""
    return Iri(f"{post_iri}/activity")


def _one(found: dict[int, Doc], post_id: int) -> Doc:
    if post_id not in found:
        raise NotFound
    return found[post_id]


def _rendered(tx: Tx, post_ids: Sequence[int]) -> list[tuple[Row[Any], Doc]]:
    """(row, its Note or Announce), in the order of the ids."""
    by_id = {row.id: row for row in tx.rows(_POSTS, {"ids": list(post_ids)})}
    rows = [by_id[post_id] for post_id in post_ids if post_id in by_id]
    return list(zip(rows, _documents(tx, rows), strict=True))


def _documents(tx: Tx, rows: Sequence[Row[Any]]) -> list[Doc]:
    """The Note of each post, the Announce of each boost."""
    ids = {"ids": [row.id for row in rows if row.boost_of_id is None]}
    if not ids["ids"]:
        return [_announce(row) for row in rows]
    mentions, tags, files = _grouped(tx, _MENTIONS, ids), _grouped(tx, _TAGS, ids), _grouped(tx, _MEDIA, ids)
    asked = any(row.object_type == "Question" for row in rows)
    polls = {row.post_id: row for row in tx.rows(_POLLS, ids)} if asked else {}

    group_iris = _groups(tx, rows)

    def around(row: Row[Any]) -> _Around:
        parent_iri = row.parent_iri or row.in_reply_to_iri
        beside = mentions[row.id], tags[row.id], files[row.id], polls.get(row.id), row.quoted_iri, row.stamp_iri
        group_iri = group_iris.get(row.group_id)
        return _Around(row.author_iri, row.followers_iri, parent_iri, *beside, group_iri=group_iri)

    return [_announce(row) if row.boost_of_id is not None else _note(tx, row, around(row)) for row in rows]


def _activity(row: Row[Any] | NewPost, doc: Doc) -> Doc:
    return doc if row.boost_of_id is not None else build.create(doc, iri=activity_iri(row.iri))


def _grouped(tx: Tx, statement: Any, ids: dict[str, Any]) -> defaultdict[int, list[Row[Any]]]:
    grouped: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row in tx.rows(statement, ids):
        grouped[row.post_id].append(row)
    return grouped


def _announce(row: Row[Any]) -> Doc:
    to, cc = addressing(Visibility(row.visibility), Iri(row.followers_iri), [Iri(row.boosted_author_iri)])
    return build.announce(
        Iri(row.boosted_iri),
        iri=activity_iri(row.iri),
        actor=Iri(row.author_iri),
        to=to,
        cc=cc,
        published=row.created_at,
    )


@dataclass(frozen=True, slots=True)
class _Around:
    """What a Note says besides the columns of its post: rows of media in order, of people and tags in any."""

    author_iri: str
    followers_iri: str
    parent_iri: str | None
    mentions: Sequence[Row[Any]]
    tags: Sequence[Row[Any]]
    files: Sequence[Row[Any]]
    question: Row[Any] | None = None
    quoted_iri: str | None = None
    stamp_iri: str | None = None
    group_iri: str | None = None


def _note(tx: Tx, row: Row[Any] | NewPost, around: _Around) -> Doc:
    # By code point, as no database is asked to: each sorts by a rule of its own.
    mentions = sorted(around.mentions, key=lambda one: str(one.handle))
    tags = sorted(around.tags, key=lambda one: str(one.name))
    to, cc = addressing(Visibility(row.visibility), Iri(around.followers_iri), [Iri(one.iri) for one in mentions])
    plan = plans.of_posts(tx, [row.id]).get(row.id) if row.object_type == plans.KIND else None
    shown = Post(
        iri=Iri(row.iri),
        type=row.object_type,
        author=Iri(around.author_iri),
        content=row.content if plan is None else plans.undressed(row.content),
        name=None if plan is None else plan.title,
        event=None if plan is None else plan.event,
        summary=row.spoiler or None,
        sensitive=row.sensitive,
        language=row.language,
        published=row.created_at,
        updated=row.edited_at,
        in_reply_to=None if around.parent_iri is None else Iri(around.parent_iri),
        url=row.url,
        to=to,
        cc=cc,
        mentions=tuple(
            Mention(Iri(one.iri), f"@{one.username}@{one.domain or tx.settings.node.domain}") for one in mentions
        ),
        hashtags=tuple(one.display for one in tags),
        emojis=emoji.tags(tx, row.content, row.spoiler),
        attachments=tuple(_attachment(tx, one) for one in around.files),
        poll=_poll(around.question, tx.now),
        context=_context(tx, row),
        audience=() if around.group_iri is None else (Iri(around.group_iri),),
        quote=None if around.quoted_iri is None else Iri(around.quoted_iri),
        quote_authorization=None if around.stamp_iri is None else Iri(around.stamp_iri),
        can_quote=_can_quote(row, around),
    )
    return build.note(shown, replies=Iri(tx.urls.replies(row.iri)), tag_base=tx.urls.tag_collection(""))


def _can_quote(row: Row[Any] | NewPost, around: _Around) -> QuotePolicy:
    policy = quotes.effective(row.quote_policy, local=True, visibility=row.visibility)
    return quotes.to_wire(policy, author=around.author_iri, followers=around.followers_iri)


def _groups(tx: Tx, rows: Sequence[Row[Any] | NewPost]) -> dict[int, str]:
    """IRIs of the groups that the posts were written to; no statement if there are none."""
    ids = {row.group_id for row in rows if row.group_id is not None and row.boost_of_id is None}
    return {row.id: row.iri for row in tx.rows(_IRIS, {"ids": sorted(ids)})} if ids else {}


def _context(tx: Tx, row: Row[Any] | NewPost) -> Iri | None:
    """The collection of the conversation (FEP-7888): that of the post which began it, if that is known."""
    if row.context_iri is not None:
        return Iri(row.context_iri)
    return Iri(tx.urls.context(row.iri)) if row.in_reply_to_iri is None else None


def _attachment(tx: Tx, file: Row[Any]) -> Attachment:
    focused = file.focus_x or file.focus_y
    return Attachment(
        url=tx.urls.media(file.file) if file.file else file.remote_url or "",
        media_type=file.content_type,
        description=file.description or None,
        blurhash=file.blurhash,
        width=file.width,
        height=file.height,
        focus=(file.focus_x, file.focus_y) if focused else None,
    )


def _poll(row: Row[Any] | None, now: int) -> Poll | None:
    if row is None:
        return None
    hidden = polls.totals_hidden(row, now)
    return Poll(
        options=tuple(Option(option["title"], None if hidden else option.get("votes") or 0) for option in row.options),
        multiple=row.multiple,
        ends_at=row.expires_at,
        closed_at=row.expires_at if polls.has_ended(row, now) else None,
        voters=row.voters_count,
    )


# --- Actors -------------------------------------------------------------------------------------------------------


def actor(tx: Tx, account_id: int) -> Doc:
    """The actor document of a local account. Lists the keys that there are: call `Network.ensure_keys` before.

    Raises NotFound for remote accounts and for those that are gone or suspended.
    """
    row = tx.first(_ACCOUNT, {"account_id": account_id})
    if row is None or row.domain is not None or row.gone_at is not None or row.suspended_at is not None:
        raise NotFound
    doc = build.actor(_actor(tx, row), generator=Iri(tx.urls.node_actor))
    if row.iri == tx.urls.node_actor and (certificate := keyring.certificate(tx)) is not None:
        doc[certificates.PROPERTY] = certificate
    return doc


def _actor(tx: Tx, row: Row[Any]) -> Actor:
    return Actor(
        iri=row.iri,
        type=row.actor_type,
        username=row.username,
        name=row.display_name or row.username,
        summary=row.note or None,
        url=row.url,
        inbox=row.inbox,
        shared_inbox=row.shared_inbox or Iri(tx.urls.shared_inbox),
        outbox=row.outbox,
        followers=row.followers_iri,
        following=row.following_iri,
        featured=row.featured_iri,
        featured_tags=Iri(tx.urls.featured_tags(row.username)) if row.featured_iri else None,
        icon=tx.urls.media(row.avatar) if row.avatar else None,
        image=tx.urls.media(row.header) if row.header else None,
        fields=tuple(Field(one["name"], one["value"]) for one in row.fields),
        emojis=emoji.tags(
            tx, row.display_name, row.note, *(one[part] for one in row.fields for part in ("name", "value"))
        ),
        keys=keyring.public_keys(tx, row.id, row.iri),
        locked=row.locked,
        discoverable=row.discoverable,
        indexable=row.indexable,
        published=row.created_at,
        also_known_as=tuple(row.also_known_as),
        moved_to=row.moved_to_iri,
        title=row.title,
        department=row.department,
        manager=row.manager_iri,
        executive=row.executive,
        away_until=row.away_until,
        implements=(RFC_9421, RFC_9421_ED25519),
        history=Iri(tx.urls.history) if row.iri == tx.urls.node_actor else None,
        moderators=Iri(tx.urls.moderators(row.username)) if row.actor_type == "Group" else None,
    )
