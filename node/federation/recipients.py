"""Whose inboxes an activity goes to: each one a single SELECT of distinct inboxes, or none where the people are known.

What is for many goes to a shared inbox where there is one; what is for few goes to their own (protocol R71). Suspended and
gone accounts get nothing. Which peers are blocked or not admitted is `delivery.enqueue`'s business.

What is public goes to every chosen peer besides (`spread`). Where that reaches all of them, nobody is looked up.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Row,
    Select,
    and_,
    bindparam,
    case,
    func,
    select,
    union,
)

from activitypub.audience import Visibility
from activitypub.vocabulary import host
from node import db
from node.federation import spread
from node.federation.delivery import Target
from node.federation.spread import Reach
from node.outgoing import Published
from node.runtime import Tx
from node.schema import account, favourite, follow, mention, poll_vote, post, post_tag, quote, tag_subscriber
from node.schema.meta import Id

_A = account.c


def _reached(people: FromClause) -> ColumnElement[bool]:
    p = people.c
    return and_(p.domain.is_not(None), p.inbox != "", p.suspended_at.is_(None), p.gone_at.is_(None))


_REMOTE = _reached(account)

_AUTHOR, _POST = bindparam("author_id", type_=Id), bindparam("post_id", type_=Id)
_PARENT = post.alias("parent")
_FOLLOWERS = select(follow.c.follower_id).where(follow.c.target_id == _AUTHOR, follow.c.state == "accepted")
_MENTIONED = select(mention.c.account_id).where(mention.c.post_id == _POST)
_ANSWERED = select(_PARENT.c.author_id).join(post, post.c.in_reply_to_id == _PARENT.c.id).where(post.c.id == _POST)
_BOOSTED = select(_PARENT.c.author_id).join(post, post.c.boost_of_id == _PARENT.c.id).where(post.c.id == _POST)
_BOOSTERS = select(post.c.author_id).where(post.c.boost_of_id == _POST)
_REPLIERS = select(post.c.author_id).where(post.c.in_reply_to_id == _POST)
_FAVOURITERS = select(favourite.c.account_id).where(favourite.c.post_id == _POST)
_QUOTED_POST = post.alias("quoted_post")
_QUOTED = (
    select(_QUOTED_POST.c.author_id).join(quote, quote.c.quoted_id == _QUOTED_POST.c.id).where(quote.c.post_id == _POST)
)
_QUOTERS = select(post.c.author_id).join(quote, quote.c.post_id == post.c.id).where(quote.c.quoted_id == _POST)
# Who reads a quote by one of ours has fetched what it quotes.
_QUOTERS_FOLLOWERS = (
    select(follow.c.follower_id)
    .join(post, post.c.author_id == follow.c.target_id)
    .join(quote, quote.c.post_id == post.c.id)
    .where(quote.c.quoted_id == _POST, follow.c.state == "accepted")
)
_VOTERS = select(poll_vote.c.account_id).where(poll_vote.c.poll_id == _POST)
_GROUP = select(post.c.group_id).where(post.c.id == _POST, post.c.group_id.is_not(None))


def _shared(people: CompoundSelect[Any] | Select[Any]) -> Select[Any]:
    inbox = func.coalesce(_A.shared_inbox, _A.inbox).label("inbox")
    return select(inbox).distinct().where(_A.id.in_(people), _REMOTE)


def _personal(people: CompoundSelect[Any] | Select[Any]) -> Select[Any]:
    return select(_A.inbox).distinct().where(_A.id.in_(people), _REMOTE)


_TO_AUDIENCE = _shared(union(_FOLLOWERS, _MENTIONED, _ANSWERED, _BOOSTED, _GROUP))
_TO_NARROW = _shared(union(_FOLLOWERS, _MENTIONED))
_TO_INVOLVED = _shared(
    union(
        *(_FOLLOWERS, _MENTIONED, _ANSWERED, _BOOSTED, _BOOSTERS, _REPLIERS, _FAVOURITERS, _VOTERS, _GROUP),
        *(_QUOTED, _QUOTERS, _QUOTERS_FOLLOWERS),
    )
)
_TO_MENTIONED = _personal(_MENTIONED)
_TO_FOLLOWERS = _shared(_FOLLOWERS)
_ONE = select(bindparam("account_id", type_=Id))
_TO_ONE = _personal(_ONE)
_TO_FOLLOWERS_AND_ONE = _shared(union(_FOLLOWERS, _ONE))
_SUBSCRIBED = select(tag_subscriber.c.inbox).distinct()
_TO_SUBSCRIBERS = _SUBSCRIBED.where(db.among(tag_subscriber.c.tag_id, "tags"))
_TO_SUBSCRIBERS_OF = _SUBSCRIBED.join(post_tag, post_tag.c.tag_id == tag_subscriber.c.tag_id).where(
    post_tag.c.post_id == _POST
)
_TO_PEERS = select(_A.shared_inbox.label("inbox")).distinct().where(_A.shared_inbox.is_not(None), _REMOTE)


def audience(tx: Tx, author_id: int, post_id: int, visibility: int) -> list[Target]:
    """Who is to read a post or boost: followers and mentioned, of public ones the author of what it answers or boosts too.

    Of a direct post the personal inboxes of those mentioned, and no others.
    """
    if visibility == Visibility.DIRECT:
        return _targets(tx, _TO_MENTIONED, {"post_id": post_id})
    values = {"author_id": author_id, "post_id": post_id}
    if visibility != Visibility.PUBLIC:
        return _targets(tx, _TO_NARROW if visibility == Visibility.FOLLOWERS else _TO_AUDIENCE, values)
    reach = spread.of_public(tx)
    found = [] if reach.whole else tx.scalars(_TO_AUDIENCE, values)
    if spread.is_by_subscription(tx.settings):
        found += tx.scalars(_TO_SUBSCRIBERS_OF, {"post_id": post_id})
    return _besides(reach, found)


def audience_of_new(tx: Tx, new: Published) -> list[Target]:
    """`audience` of a post that was just stored: the followers are looked up, whom it mentions is known."""
    visibility = new.post.visibility
    mentioned = [row for row in new.mentioned if _is_reached(row)]
    if visibility == Visibility.DIRECT:
        return _to(row.inbox for row in mentioned)
    reach = spread.of_public(tx) if visibility == Visibility.PUBLIC else Reach()
    if reach.whole:
        return _besides(reach, [])
    if new.answered_id is None or visibility == Visibility.FOLLOWERS:
        found = tx.scalars(_TO_FOLLOWERS, {"author_id": new.post.author_id})
    else:
        found = tx.scalars(_TO_FOLLOWERS_AND_ONE, {"author_id": new.post.author_id, "account_id": new.answered_id})
    found += [row.inbox if row.shared_inbox is None else row.shared_inbox for row in mentioned]
    if new.post.group_id is not None and new.post.in_reply_to_iri is not None:  # else it is mentioned
        found += tx.scalars(_TO_ONE, {"account_id": new.post.group_id})
    if new.tags and visibility == Visibility.PUBLIC and spread.is_by_subscription(tx.settings):
        found += tx.scalars(_TO_SUBSCRIBERS, {"tags": [row.id for row in new.tags]})
    return _besides(reach, found)


def involved(tx: Tx, author_id: int, post_id: int, visibility: int) -> list[Target]:
    """The audience and everybody who boosted, favourited, answered it or voted in it, and so has a copy.

    Of what is for all, copies may be at any of the chosen peers, whoever it was sent to.
    """
    if visibility == Visibility.DIRECT:
        return audience(tx, author_id, post_id, visibility)
    reach = spread.everyone(tx) if visibility <= Visibility.UNLISTED else Reach()
    if reach.whole:
        return _besides(reach, [])
    return _besides(reach, tx.scalars(_TO_INVOLVED, {"author_id": author_id, "post_id": post_id}))


def followers(tx: Tx, author_id: int) -> list[Target]:
    return _targets(tx, _TO_FOLLOWERS, {"author_id": author_id})


def acquainted(tx: Tx, account_id: int) -> list[Target]:
    """Who is told of a changed profile: followers, and every chosen peer, since posts with the old one may be there."""
    reach = spread.everyone(tx)
    return _besides(reach, [] if reach.whole else tx.scalars(_TO_FOLLOWERS, {"author_id": account_id}))


def one(tx: Tx, account_id: int) -> list[Target]:
    """The personal inbox of a remote account; none if it is local, suspended or gone."""
    return _targets(tx, _TO_ONE, {"account_id": account_id})


def inbox_of(people: FromClause) -> ColumnElement[Any]:
    """A column with the inbox of `one`, for statements that look at the account anyway; NULL for none. See `at`."""
    return case((_reached(people), people.c.inbox))


def at(inbox: str | None) -> list[Target]:
    return [] if inbox is None else _to([inbox])


def all_peers(tx: Tx) -> list[Target]:
    """The shared inboxes of every chosen peer, and of every other whose people are known here."""
    reach = spread.everyone(tx)
    return _besides(reach, [] if reach.whole else tx.scalars(_TO_PEERS))


def _targets(tx: Tx, statement: Select[Any], values: dict[str, Any]) -> list[Target]:
    return _to(tx.scalars(statement, values))


def _besides(reach: Reach, inboxes: Iterable[str]) -> list[Target]:
    """The peers of `reach`, each once, and those others that the inboxes are of."""
    known = [Target(inbox, host(inbox)) for inbox in reach.inboxes.values()]
    covered = {one.domain for one in known}
    return [*known, *(one for one in _to(inboxes) if one.domain not in covered)]


def _to(inboxes: Iterable[str]) -> list[Target]:
    # The peer is the host of the inbox, which may be another than that of its people's handles.
    return [Target(inbox, host(inbox)) for inbox in dict.fromkeys(inboxes)]


def _is_reached(row: Row[Any]) -> bool:
    """`_reached` for a row that is here already."""
    return row.domain is not None and row.inbox != "" and row.suspended_at is None and row.gone_at is None
