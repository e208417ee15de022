"""From the event log to the people who are listening: who is to hear of what happened.

Everything a listener hears of has passed `visibility.visible_to` for them. What is in somebody's home here is what
`timelines.home` would show them: the rule is `timelines.at_home`, asked of one post and many people.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from sqlalchemy import (
    Row,
    Select,
    case,
    or_,
    select,
)

from activitypub.audience import Visibility
from node import db, directs, eventlog, sight, timelines
from node.eventlog import Cursor
from node.narrowing import NARROWED
from node.runtime import Tx
from node.schema import (
    account,
    block,
    follow,
    login,
    media,
    notification,
    oauth_token,
    people_list,
    people_list_member,
    post,
    post_tag,
    tag,
    tag_follow,
)
from node.sight import NOW, some
from node.visibility import visible_to

_TAGS = (
    select(post_tag.c.post_id, tag.c.name)
    .join(tag, tag.c.id == post_tag.c.tag_id)
    .where(db.among(post_tag.c.post_id, "ids"))
)
_FOLLOWERS = select(follow.c.target_id, follow.c.follower_id).where(
    db.among(follow.c.target_id, "ids"), db.among(follow.c.follower_id, "listeners"), follow.c.state == "accepted"
)
_TAG_FOLLOWERS = (
    select(tag.c.name, tag_follow.c.account_id)
    .join(tag_follow, tag_follow.c.tag_id == tag.c.id)
    .where(db.among(tag.c.name, "names"), db.among(tag_follow.c.account_id, "listeners"))
)
_LISTS_OF = select(people_list_member.c.account_id, people_list_member.c.list_id).where(
    db.among(people_list_member.c.account_id, "ids"), db.among(people_list_member.c.list_id, "lists")
)
_BLOCKED = select(block.c.account_id, block.c.target_id).where(
    db.among(block.c.account_id, "ids"), db.among(block.c.target_id, "listeners")
)
_ALIVE = (
    select(oauth_token.c.id)
    .join(account, account.c.id == oauth_token.c.account_id)
    .join(login, login.c.account_id == oauth_token.c.account_id)
    .where(
        db.among(oauth_token.c.id, "ids"),
        oauth_token.c.revoked_at.is_(None),
        or_(oauth_token.c.expires_at.is_(None), oauth_token.c.expires_at > NOW),
        account.c.suspended_at.is_(None),
        account.c.gone_at.is_(None),
        login.c.disabled_at.is_(None),
    )
)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Accounts that are connected: to their home, their notifications, the open streams (public, tags), and which of
    their lists (list id -> its owner) they hear."""

    home: Collection[int] = ()
    notified: Collection[int] = ()
    open: Collection[int] = ()
    lists: Mapping[int, int] = field(default_factory=dict)
    direct: Collection[int] = ()
    """To their direct conversations."""

    def of_posts(self) -> list[int]:
        return sorted({*self.home, *self.open, *self.lists.values()})


@dataclass(frozen=True, slots=True)
class PostNews:
    """A post appeared, changed or went (`kind`: update, status.update, delete).

    `home` are the accounts in whose home it is, `open` those that may find it in open streams, `lists` the lists that it
    is in, with their owners. It is in the streams of `tags`; in the public ones if `is_public`. `local` None means that
    this is no longer known.
    """

    kind: str
    post_id: int
    home: frozenset[int]
    open: frozenset[int]
    is_public: bool
    local: bool | None
    has_media: bool | None = None
    tags: frozenset[str] = frozenset()
    lists: Mapping[int, int] = field(default_factory=dict)

    @property
    def readers(self) -> set[int]:
        """Everybody for whom it is to be rendered."""
        return {*self.home, *self.open, *self.lists.values()}


@dataclass(frozen=True, slots=True)
class Ended:
    """A token, or all tokens of an account, may no longer be used."""

    token_id: int | None
    account_id: int | None


@dataclass(frozen=True, slots=True)
class Batch:
    """What happened since a cursor. `notifications` and `conversations` are rows that their owners may see."""

    cursor: Cursor
    more: bool
    news: list[PostNews] = field(default_factory=list)
    notifications: Sequence[Row[Any]] = ()
    conversations: Sequence[Row[Any]] = ()
    filters: Mapping[int, int] = field(default_factory=dict)
    """Whose filters changed, and which revision they have now."""
    ended: list[Ended] = field(default_factory=list)


def take(tx: Tx, cursor: Cursor, listeners: Listeners, until: Cursor | None = None) -> Batch:
    """What happened since `cursor` and whom of the listeners it concerns; nothing that a reader at `until` has yet to read.
    Eleven statements at the most."""
    events, following, more = eventlog.read(tx, cursor, until)
    if not events:
        return Batch(following, more)
    return Batch(
        following,
        more,
        news=_news(tx, events, listeners),
        notifications=_notifications(tx, events, listeners),
        conversations=_conversations(tx, events, listeners),
        filters={row.account_id: row.data["rev"] for row in events if row.kind == "filters_changed"},
        ended=[_ended(row) for row in events if row.kind == "kill"],
    )


def alive(tx: Tx, token_ids: Collection[int]) -> set[int]:
    """Those of the tokens that may still be used."""
    return set(tx.scalars(_ALIVE, {"ids": list(token_ids), "now": tx.now})) if token_ids else set()


def _ended(row: Row[Any]) -> Ended:
    """`kill` names a token, or without one the account all of whose tokens end."""
    token_id = (row.data or {}).get("token_id")
    return Ended(token_id, None if token_id is not None else row.account_id)


# --- posts


def _news(tx: Tx, events: Sequence[Row[Any]], listeners: Listeners) -> list[PostNews]:
    people = listeners.of_posts()
    if not people:
        return []
    # What became narrower is gone for some, and still there for others.
    shown = [row for row in events if row.kind in ("update", "status.update") or _is_narrowed(row)]
    found = _seen(tx, [row.post_id for row in shown], people, listeners)
    gone = _gone(tx, [row for row in events if row.kind == "delete"], people, listeners.lists)
    news: list[PostNews] = []
    for row in events:
        if row.kind == "delete":
            kept = found.get(row.post_id) if _is_narrowed(row) else None
            news.append(gone[row.id] if kept is None else kept.spared(gone[row.id]))
        elif row.kind in ("update", "status.update") and row.post_id in found:
            news.append(found[row.post_id](row.kind))
    return news


def _is_narrowed(row: Row[Any]) -> bool:
    return row.kind == "delete" and bool(row.data.get(NARROWED))


class _Found:
    """A post that somebody hears of, before it is said what happened to it."""

    def __init__(self, row: Row[Any], tags: Iterable[str]) -> None:
        self._row = row
        self._tags = frozenset(tags)
        self.home: set[int] = set()
        self.open: set[int] = set()
        self.lists: dict[int, int] = {}
        self.seen_by: set[int] = set()

    def spared(self, gone: PostNews) -> PostNews:
        """Told to those alone who do not see it any more."""
        lists = {list_id: owner for list_id, owner in gone.lists.items() if owner not in self.seen_by}
        return replace(gone, home=gone.home - self.seen_by, open=gone.open - self.seen_by, lists=lists)

    def __call__(self, kind: str) -> PostNews:
        row = self._row
        original = row.boost_of_id is None and row.visibility == Visibility.PUBLIC
        answers_others = row.in_reply_to_iri is not None and row.in_reply_to_account_id != row.author_id
        return PostNews(
            kind,
            row.id,
            frozenset(self.home),
            frozenset(self.open),
            is_public=original and not answers_others,
            local=row.local,
            has_media=bool(row.has_media),
            tags=self._tags if original else frozenset(),
            lists=self.lists,
        )


def _seen(tx: Tx, ids: Sequence[int], people: Sequence[int], listeners: Listeners) -> dict[int, _Found]:
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    rows = tx.rows(_pairs(), {"ids": wanted, "listeners": people, "now": tx.now})
    tags = _tags_of(tx, sorted({row.id for row in rows})) if listeners.open else {}
    home, open_ = set(listeners.home), set(listeners.open)
    found: dict[int, _Found] = {}
    for row in rows:
        one = found.get(row.id) or found.setdefault(row.id, _Found(row, tags.get(row.id, ())))
        one.seen_by.add(row.who)
        if row.at_home and row.who in home:
            one.home.add(row.who)
        if row.who in open_:
            one.open.add(row.who)
    if found and listeners.lists:
        for row in tx.rows(_in_lists(), {"ids": list(found), "lists": list(listeners.lists), "now": tx.now}):
            found[row.id].lists[row.list_id] = row.who
    return found


def _tags_of(tx: Tx, ids: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for row in tx.rows(_TAGS, {"ids": ids}) if ids else ():
        found.setdefault(row.post_id, []).append(row.name)
    return found


def _gone(tx: Tx, events: Sequence[Row[Any]], people: Sequence[int], lists: Mapping[int, int]) -> dict[int, PostNews]:
    """Who may have had what is gone now, by event: the row is not there any more, the event says whose it was.

    Whoever the author blocks had nothing of it.
    """
    if not events:
        return {}
    authors = sorted({row.data["author_id"] for row in events})
    names = sorted({name for row in events for name in row.data["tags"]})
    followers: dict[int, set[int]] = {}
    for row in tx.rows(_FOLLOWERS, {"ids": authors, "listeners": people}):
        followers.setdefault(row.target_id, set()).add(row.follower_id)
    by_tag: dict[str, set[int]] = {}
    for row in tx.rows(_TAG_FOLLOWERS, {"names": names, "listeners": people}) if names else ():
        by_tag.setdefault(row.name, set()).add(row.account_id)
    held: dict[int, dict[int, int]] = {}
    for row in tx.rows(_LISTS_OF, {"ids": authors, "lists": list(lists)}) if lists else ():
        held.setdefault(row.account_id, {})[row.list_id] = lists[row.list_id]
    blocked: dict[int, set[int]] = {}
    for row in tx.rows(_BLOCKED, {"ids": authors, "listeners": people}):
        blocked.setdefault(row.account_id, set()).add(row.target_id)
    return {
        row.id: replace(
            _goodbye(row, set(people) - blocked.get(row.data["author_id"], set()), followers, by_tag),
            lists={} if row.data["visibility"] == Visibility.DIRECT else held.get(row.data["author_id"], {}),
        )
        for row in events
    }


def _goodbye(row: Row[Any], people: set[int], followers: dict[int, set[int]], by_tag: dict[str, set[int]]) -> PostNews:
    data = row.data
    is_public = data["visibility"] == Visibility.PUBLIC
    home = {data["author_id"], *data["mentions"]}
    if data["visibility"] != Visibility.DIRECT:
        home |= followers.get(data["author_id"], set())
    if is_public:
        home = home.union(*(by_tag.get(name, set()) for name in data["tags"]))
    return PostNews(
        "delete",
        data["id"],
        frozenset(home & people),
        frozenset(people) if is_public else frozenset(),
        is_public=is_public,
        local=None,
        tags=frozenset(data["tags"]) if is_public else frozenset(),
    )


@cache
def _pairs() -> Select[Any]:
    """Every (post, listener) of whom the listener may and wants to see the post. Built once: it is a large expression."""
    listener = account.alias("listener")
    who, p = listener.c.id, post.c
    shown, at_home = timelines.at_home(sight.of_person(who))
    has_media = some(media, media.c.post_id == p.id)
    return (
        select(
            p.id,
            p.author_id,
            p.local,
            p.visibility,
            p.boost_of_id,
            p.in_reply_to_iri,
            p.in_reply_to_account_id,
            case((has_media, 1), else_=0).label("has_media"),
            who.label("who"),
            case((at_home, 1), else_=0).label("at_home"),
        )
        .join_from(post, listener, db.among(who, "listeners"))
        .where(db.among(p.id, "ids"), listener.c.suspended_at.is_(None), shown)
    )


@cache
def _in_lists() -> Select[Any]:
    """Every (post, list, its owner) of the lists that are listened to and show the post."""
    owner = account.alias("owner")
    who = people_list.c.account_id
    eyes = sight.of_person(who)
    return (
        select(post.c.id, people_list.c.id.label("list_id"), who.label("who"))
        .join_from(post, people_list, db.among(people_list.c.id, "lists"))
        .join(owner, owner.c.id == who)
        .where(
            db.among(post.c.id, "ids"),
            owner.c.suspended_at.is_(None),
            *timelines.in_list(eyes, people_list.c.id, people_list.c.replies_policy),
        )
    )


# --- notifications


def _notifications(tx: Tx, events: Sequence[Row[Any]], listeners: Listeners) -> Sequence[Row[Any]]:
    wanted = set(listeners.notified)
    ids = [row.data["id"] for row in events if row.kind == "notification" and row.account_id in wanted]
    return tx.rows(_shown(), {"ids": ids}) if ids else []


def _conversations(tx: Tx, events: Sequence[Row[Any]], listeners: Listeners) -> Sequence[Row[Any]]:
    ids = {id_ for row in events if row.kind == "conversation" for id_ in row.data["ids"]}
    return directs.shown_to_owners(tx, sorted(ids), listeners.direct) if ids and listeners.direct else []


@cache
def _shown() -> Select[Any]:
    """Notifications that their receivers may see, oldest first."""
    sender = account.alias("sender")
    seen = some(post, post.c.id == notification.c.post_id, visible_to(notification.c.account_id, post))
    return (
        select(notification)
        .join(sender, sender.c.id == notification.c.from_id)
        .where(
            db.among(notification.c.id, "ids"),
            sender.c.suspended_at.is_(None),
            or_(notification.c.post_id.is_(None), seen),
        )
        .order_by(notification.c.id)
    )
