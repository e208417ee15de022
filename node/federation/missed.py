"""What a peer missed: what this node would have delivered to it since some time, and no more (ADR 0016).

A peer that was brought back from a backup asks for `history?since=MILLIS`, signed by its node's own actor. It gets, in
this order and each the oldest first: posts and boosts that were for it, earlier posts that were edited, favourites and
reactions to posts of its people, and what was taken back. `visibility.visible` holds for every post besides, as it is now.

One page looks through a day at the most, so that a node which has much, and little of it for that peer, answers quickly.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from sqlalchemy import ColumnElement, FromClause, Select, and_, bindparam, false, or_, select, text

from activitypub import build
from activitypub.audience import Visibility
from activitypub.errors import Malformed
from activitypub.vocabulary import Iri
from node import sight
from node.errors import NotFound
from node.federation import outgoing, reacting, render, retractions, spread
from node.ids import floor_id
from node.runtime import Tx
from node.schema import (
    account,
    favourite,
    follow,
    mention,
    peer,
    post,
    post_tag,
    reaction,
    retraction,
    tag_subscriber,
)
from node.schema.meta import Id
from node.sight import Sight, some
from node.viewer import Kind

Doc = dict[str, Any]

PAGE = 40
DAY_MS = 86_400_000
DAYS = retractions.KEPT_DAYS
"""Nothing older is told."""

_AFTER, _BEFORE, _SINCE = (bindparam(name, type_=Id) for name in ("after", "before", "since"))
_DOMAIN: ColumnElement[str] = bindparam("domain")
_K = bindparam("k", type_=Id)


# --- What is asked for --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """`part` None asks for the collection itself. A page begins above the id `after`, or where its part begins."""

    since: int
    part: str | None = None
    after: int | None = None


def asked(query: Mapping[str, str]) -> Asked | None:
    """None for a request of the plain history. Malformed for what is no page of this collection."""
    if "since" not in query:
        return None
    part, after = query.get("part"), query.get("after")
    if (part is None and after is not None) or (part is not None and part not in _PARTS):
        raise Malformed("no such part of what was missed")
    return Asked(_number(query["since"]), part, None if after is None else _number(after))


def _number(said: str) -> int:
    if not (said.isascii() and said.isdigit() and len(said) < 19):
        raise Malformed("neither a time nor a page")
    return int(said)


def collection(tx: Tx, wanted: Asked) -> Doc:
    """What was for the peer that asks. NotFound for all but a peer's own actor, which stands for all of its people."""
    domain = tx.viewer.domain
    if tx.viewer.kind is not Kind.PEER or domain is None:
        raise NotFound
    whole = _iri(tx, Asked(wanted.since))
    if wanted.part is None:
        return build.ordered_collection(whole, first=_iri(tx, Asked(wanted.since, next(iter(_PARTS)))))
    part, since = _PARTS[wanted.part], max(wanted.since, tx.now - DAYS * DAY_MS)
    start = floor_id(since) - 1 if part.by_time else 0
    after = max(start, wanted.after or 0)
    before = after + floor_id(DAY_MS) - floor_id(0) if part.by_time else sight.LAST
    place = {"domain": domain, "since": since, "after": after, "before": before, "k": PAGE + 1}
    found = part.find(tx, place)
    return build.collection_page(
        _iri(tx, wanted),
        part_of=whole,
        items=[doc for _, doc in found[:PAGE] if doc is not None],
        next=_next(tx, wanted, found, before),
    )


def _next(tx: Tx, here: Asked, found: "Found", before: int) -> Iri | None:
    """On in this part, else the next part."""
    if len(found) > PAGE:
        return _iri(tx, Asked(here.since, here.part, found[PAGE - 1][0]))
    if before <= floor_id(tx.now):
        return _iri(tx, Asked(here.since, here.part, before - 1))
    parts = list(_PARTS)
    later = parts[parts.index(here.part or "") + 1 :]
    return _iri(tx, Asked(here.since, later[0])) if later else None


def _iri(tx: Tx, wanted: Asked) -> Iri:
    """As `asked` reads it."""
    query = {"since": wanted.since, "part": wanted.part, "after": wanted.after}
    return Iri(f"{tx.urls.history}?{urlencode({name: value for name, value in query.items() if value is not None})}")


# --- What was delivered to whom -----------------------------------------------------------------------------------

_THERE, _FOLLOWS, _CALLED = account.alias("there"), follow.alias("follows"), mention.alias("called")
_ABOVE, _DEED, _LIKED = post.alias("above"), post.alias("deed"), favourite.alias("liked")
# `local` as the partial index has it: SQLite compares the words of the condition.
_OURS = and_(text("post.local"), post.c.local_only.is_(False))
_LISTED, _OPEN = post.c.visibility == Visibility.PUBLIC, post.c.visibility <= Visibility.UNLISTED


def _there(account_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """The account lives on the peer that asks."""
    return some(_THERE, _THERE.c.id == account_id, _THERE.c.domain == _DOMAIN)


def _by_somebody_there(rows: FromClause, doer: ColumnElement[Any], *conditions: ColumnElement[bool]) -> Any:
    return some(rows, *conditions, _there(doer))


def _audience() -> ColumnElement[bool]:
    """Somebody there is of the audience of the post, as `recipients.audience` has it."""
    f, m, above = _FOLLOWS.c, _CALLED.c, _ABOVE.c
    followed = _by_somebody_there(_FOLLOWS, f.follower_id, f.target_id == post.c.author_id, f.state == "accepted")
    called = _by_somebody_there(_CALLED, m.account_id, m.post_id == post.c.id)
    concerned = or_(above.id == post.c.in_reply_to_id, above.id == post.c.boost_of_id)
    answered = _by_somebody_there(_ABOVE, above.author_id, concerned)
    return or_(
        called,
        and_(post.c.visibility <= Visibility.FOLLOWERS, followed),
        and_(_OPEN, or_(answered, and_(post.c.group_id.is_not(None), _there(post.c.group_id)))),
    )


def _subscribed() -> ColumnElement[bool]:
    tagged = post_tag.join(tag_subscriber, tag_subscriber.c.tag_id == post_tag.c.tag_id).join(
        peer, peer.c.id == tag_subscriber.c.peer_id
    )
    wanted = select(post_tag.c.post_id).select_from(tagged).where(peer.c.domain == _DOMAIN)
    return and_(_LISTED, post.c.id.in_(wanted.where(post_tag.c.post_id == post.c.id).correlate(post)))


def _has_copy() -> ColumnElement[bool]:
    """Somebody there did something with it, see `recipients.involved`."""
    d, liked = _DEED.c, _LIKED.c
    did = or_(d.boost_of_id == post.c.id, d.in_reply_to_id == post.c.id)
    return and_(
        _OPEN,
        or_(
            _by_somebody_there(_DEED, d.author_id, did),
            _by_somebody_there(_LIKED, liked.account_id, liked.post_id == post.c.id),
        ),
    )


def _written(eyes: Sight, everything: bool, by_tag: bool) -> Select[Any]:
    """`everything`: what is public goes there in any case."""
    told = or_(_audience(), _LISTED if everything else false(), _subscribed() if by_tag else false())
    window = (post.c.id > _AFTER, post.c.id < _BEFORE)
    return select(post.c.id).where(_OURS, *window, told, eyes.visible(post)).order_by(post.c.id).limit(_K)


def _edited(eyes: Sight, chosen: bool) -> Select[Any]:
    """Edits go to every chosen peer that may have a copy, whatever the spread is."""
    told = or_(_OPEN if chosen else false(), _audience(), _has_copy())
    changed = (post.c.edited_at >= _SINCE, post.c.created_at < _SINCE, post.c.boost_of_id.is_(None))
    page = (post.c.id > _AFTER, post.c.id < _BEFORE)
    return select(post.c.id).where(_OURS, *changed, *page, told, eyes.visible(post)).order_by(post.c.id).limit(_K)


def _for_the_peer(rows: Select[Any], table: FromClause, actor: FromClause, target: FromClause) -> Select[Any]:
    """A page of what our people gave to posts of people there."""
    page = (table.c.id > _AFTER, table.c.id < _BEFORE)
    told = (actor.c.domain.is_(None), target.c.domain == _DOMAIN, post.c.local_only.is_(False))
    return rows.where(*page, *told).order_by(table.c.id).limit(_K)


_PAGE_OF_FAVOURITES = _for_the_peer(outgoing.FAVOURITES, favourite, outgoing.ACTOR, outgoing.TARGET)
_PAGE_OF_REACTIONS = _for_the_peer(reacting.REACTIONS, reaction, reacting.ACTOR, reacting.TARGET)


def _retracted_of(chosen: bool) -> Select[Any]:
    of_peer = select(peer.c.id).where(peer.c.domain == _DOMAIN).scalar_subquery()
    told = or_(retraction.c.peer_id == of_peer, retraction.c.peer_id.is_(None) if chosen else false())
    page = (retraction.c.id > _AFTER, retraction.c.id < _BEFORE)
    return select(retraction.c.id, retraction.c.body).where(*page, told).order_by(retraction.c.id).limit(_K)


_RETRACTED: Final = {chosen: _retracted_of(chosen) for chosen in (False, True)}


# --- The parts ----------------------------------------------------------------------------------------------------

Found = Sequence[tuple[int, Doc | None]]
"""(id, document) in order; None for what cannot be shown."""


@dataclass(frozen=True, slots=True)
class _Part:
    find: Callable[[Tx, Mapping[str, Any]], Found]
    by_time: bool = True
    """Ids tell the time, so that a page looks through a day; else all of it is found by an index."""


def _is_chosen(tx: Tx, place: Mapping[str, Any]) -> bool:
    return place["domain"] in spread.members(tx)


def _posts(tx: Tx, place: Mapping[str, Any]) -> Found:
    by_tag = spread.is_by_subscription(tx.settings)
    everything = not by_tag and _is_chosen(tx, place)
    return _rendered(tx, [row.id for row in sight.rows(tx, _written, place, everything, by_tag)])


def _edits(tx: Tx, place: Mapping[str, Any]) -> Found:
    return _rendered(tx, [row.id for row in sight.rows(tx, _edited, place, _is_chosen(tx, place))])


def _rendered(tx: Tx, ids: Sequence[int]) -> Found:
    docs = render.activities(tx, ids[:PAGE])
    return [(id_, docs.get(id_)) for id_ in ids]


def _favourites(tx: Tx, place: Mapping[str, Any]) -> Found:
    return [(row.id, outgoing.like(tx, row)) for row in tx.rows(_PAGE_OF_FAVOURITES, place)]


def _reactions(tx: Tx, place: Mapping[str, Any]) -> Found:
    return [(row.id, reacting.like(tx, row)) for row in tx.rows(_PAGE_OF_REACTIONS, place)]


def _retractions(tx: Tx, place: Mapping[str, Any]) -> Found:
    rows = tx.rows(_RETRACTED[_is_chosen(tx, place)], place)
    return [(row.id, msgspec.json.decode(row.body)) for row in rows]


_PARTS: Final[Mapping[str, _Part]] = {
    "posts": _Part(_posts),
    "edits": _Part(_edits, by_time=False),
    "favourites": _Part(_favourites),
    "reactions": _Part(_reactions),
    "retractions": _Part(_retractions),
}
