"""A post as it is stored, ours or a copy: its row, what hangs on it (mentions, tags, links, the search index), and who is
told when one appears or changes."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Row, Update, and_, bindparam, delete, insert, select, text, update

from activitypub.audience import Visibility
from node import notifications, search, tags
from node.ids import PostId
from node.runtime import Tx
from node.schema import account, follow, mention, post, post_link
from node.schema.meta import Id
from node.sight import some

MAX_LINKS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPost:
    """A row of `post` to be: the one list of the columns that a new post has. A boost if `boost_of_id` is set."""

    id: PostId
    iri: str
    url: str | None
    author_id: int
    local: bool
    boost_of_id: int | None = None
    object_type: str = "Note"
    content: str = ""
    text: str = ""
    spoiler: str = ""
    sensitive: bool = False
    language: str | None = None
    visibility: int
    local_only: bool = False
    in_reply_to_id: int | None = None
    in_reply_to_iri: str | None = None
    in_reply_to_account_id: int | None = None
    conversation_id: int
    context_iri: str | None = None
    app_id: int | None = None
    group_id: int | None = None
    created_at: int
    edited_at: int | None = None
    quote_policy: int | None = None


_COLUMNS = tuple(one.name for one in fields(NewPost))
_WORDS = ("content", "spoiler", "sensitive", "language", "edited_at")
"""What an edit changes, whosever the post is."""
_OF = bindparam("of", type_=Id)
_INSERT = insert(post)
_MENTION = insert(mention)
_LINK = insert(post_link)
_UNLINK = delete(post_link).where(post_link.c.post_id == _OF)
_MENTIONED = select(mention.c.account_id).where(mention.c.post_id == _OF)
# `notify` as the partial index has it: SQLite compares the words of the condition.
_WATCHING = and_(follow.c.state == "accepted", text("follow.notify"))
_WATCHERS = select(follow.c.follower_id).where(follow.c.target_id == _OF, _WATCHING)
_BOOSTERS = (
    select(post.c.author_id)
    .join(account, account.c.id == post.c.author_id)
    .where(post.c.boost_of_id == _OF, account.c.domain.is_(None))
)


def store(tx: Tx, posts: Sequence[NewPost]) -> None:
    """Insert the rows themselves."""
    tx.execute(_INSERT, [{name: getattr(one, name) for name in _COLUMNS} for one in posts])


def changing(*more: str) -> Update:
    """An UPDATE of the post `of` by an edit: its words, and the columns `more` besides."""
    values: dict[str, Any] = {name: bindparam(name) for name in (*_WORDS, *more)}
    return update(post).where(post.c.id == _OF).values(rev=post.c.rev + 1, **values)


def lay(
    tx: Tx, post_id: PostId, *, mention_ids: Iterable[int], tag_names: Iterable[str], links: Iterable[str], entry: str
) -> list[Row[Any]]:
    """Store what a new post names, and make it findable; `entry` as of `search.entry`. Answers its tags as `tags.attach`."""
    mentions = [{"post_id": post_id, "account_id": account_id} for account_id in dict.fromkeys(mention_ids)]
    if mentions:
        tx.execute(_MENTION, mentions)
    tagged = tags.attach(tx, post_id, tag_names)
    _link(tx, post_id, links)
    search.index(tx, [(post_id, entry)])
    return tagged


def relay(
    tx: Tx, post_id: PostId, *, mention_ids: Iterable[int], tag_names: Iterable[str], links: Iterable[str], entry: str
) -> list[int]:
    """The same after an edit; returns who is newly mentioned.

    Nobody stops being mentioned: they have the post, and an edit does not change who may see it.
    """
    known = set(mentioned(tx, post_id))
    new = [account_id for account_id in dict.fromkeys(mention_ids) if account_id not in known]
    if new:
        tx.execute(_MENTION, [{"post_id": post_id, "account_id": account_id} for account_id in new])
    tags.replace(tx, post_id, tag_names)
    tx.execute(_UNLINK, {"of": post_id})
    _link(tx, post_id, links)
    search.replace(tx, post_id, entry)
    return new


def mentioned(tx: Tx, post_id: PostId) -> list[int]:
    return tx.scalars(_MENTIONED, {"of": post_id})


def watched(author: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether somebody asked to hear of every post of `author`."""
    return some(follow, follow.c.target_id == author, _WATCHING)


def tell_new(
    tx: Tx,
    post_id: PostId,
    author_id: int,
    *,
    called: Collection[int],
    visibility: int,
    answers: int | None,
    watched: bool = True,
) -> None:
    """Tell of a new post: the people it mentions, followers who asked to hear of every post, streams.

    `answers` is the author who is answered. Followers hear of answers by the author to themselves, not of those to others.
    `watched` is False where it is known that nobody asked.
    """
    notifications.notify_each(tx, called, "mention", author_id, post_id=post_id)
    if watched and visibility != Visibility.DIRECT and answers in (None, author_id):
        watchers = set(tx.scalars(_WATCHERS, {"of": author_id})) - set(called)
        notifications.notify_each(tx, sorted(watchers), "status", author_id, post_id=post_id)
    tx.emit("update", post_id=post_id, account_id=author_id)


def tell_changed(tx: Tx, post_id: PostId, author_id: int, *, called: Collection[int]) -> None:
    """Tell of an edit: whom it newly mentions, people of this node who boosted what is now something else, streams."""
    notifications.notify_each(tx, called, "mention", author_id, post_id=post_id)
    notifications.notify_each(tx, tx.scalars(_BOOSTERS, {"of": post_id}), "update", author_id, post_id=post_id)
    tx.emit("status.update", post_id=post_id, account_id=author_id)


def _link(tx: Tx, post_id: PostId, links: Iterable[str]) -> None:
    rows = [
        {"post_id": post_id, "position": position, "url": url}
        for position, url in enumerate(dict.fromkeys(links))
        if position < MAX_LINKS
    ]
    if rows:
        tx.execute(_LINK, rows)
