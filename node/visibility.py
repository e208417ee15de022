"""The one predicate that every query for posts passes through (design, decision 7).

`visible(viewer)` is a SQL condition on `post` (or an alias of it): timelines, threads, search, collections, streams,
notifications, counters and pages all use it, so that a rule about who may see what is written once.

    audience / visibility      author   follower   mentioned   anyone here   peer's people   peer itself
    department (local_only)    yes      local      local       if public     never           never
    public, unlisted           yes      yes        yes         yes           yes             yes
    followers                  yes      yes        yes         no            as on the left  if one of its people may
    direct                     yes      no         yes         no            as on the left  if one of its people may

Whoever the author blocks sees nothing of theirs; posts of suspended accounts are seen by nobody; a boost is seen by those
who may see both it and the post it boosts. `unwanted` is about taste, not rights: what a viewer has muted or blocked.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, exists, false, literal, not_, or_, select, true

from activitypub.audience import Visibility
from node.ids import Millis
from node.schema import account, block, follow, mention, mute, post
from node.viewer import Kind, Viewer

AccountRef = ColumnElement[int]
"""An account's id: a bound value, or a column when many viewers are asked about at once (streams)."""

# Made once: an alias copies every column of its table, and a dozen of them cost 13 ms for each query. They may be shared,
# since none of these is ever nested inside itself.
_BOOSTED, _AUTHOR, _AT_DOMAIN = post.alias("boosted_"), account.alias("author_"), account.alias("at_domain_")
_MENTION, _FOLLOW, _BLOCK, _MUTE = (table.alias(f"{table.name}_") for table in (mention, follow, block, mute))


def visible(viewer: Viewer, posts: FromClause = post) -> ColumnElement[bool]:
    """True for the rows of `posts` (post or an alias of it) that `viewer` may see."""
    if viewer.kind is Kind.SYSTEM:
        return true()
    return _with_boosted(posts, lambda rows: _own(viewer, rows))


def visible_to(who: AccountRef, posts: FromClause = post) -> ColumnElement[bool]:
    """The same for local people given as a column: joins accounts with the posts that each may see."""
    return _with_boosted(posts, lambda rows: _person(who, rows))


def _with_boosted(posts: FromClause, own: Callable[[FromClause], ColumnElement[bool]]) -> ColumnElement[bool]:
    through = _some(_BOOSTED, _BOOSTED.c.id == posts.c.boost_of_id, own(_BOOSTED))
    return and_(own(posts), or_(posts.c.boost_of_id.is_(None), through))


def _own(viewer: Viewer, posts: FromClause) -> ColumnElement[bool]:
    """The predicate for a row by itself, whatever it boosts."""
    p = posts.c
    if viewer.kind is Kind.PERSON:
        return _person(literal(viewer.account_id), posts)
    if viewer.kind is Kind.REMOTE:
        return and_(p.local_only.is_(False), _person(literal(viewer.account_id), posts))
    if viewer.kind is Kind.PEER:
        audience = or_(p.visibility <= Visibility.UNLISTED, _somebody_at(viewer.domain or "", posts))
        return and_(p.local_only.is_(False), audience, not_suspended(posts))
    if viewer.anonymous_read:
        open_to_all = and_(p.visibility <= Visibility.UNLISTED, p.local_only.is_(False), p.local.is_(True))
        return and_(open_to_all, not_suspended(posts))
    return false()


def _person(who: AccountRef, posts: FromClause) -> ColumnElement[bool]:
    p, m, f, b = posts.c, _MENTION, _FOLLOW, _BLOCK
    mentioned = _some(m, m.c.post_id == p.id, m.c.account_id == who)
    following = _some(f, f.c.follower_id == who, f.c.target_id == p.author_id, f.c.state == "accepted")
    blocked = _some(b, b.c.account_id == p.author_id, b.c.target_id == who)
    audience = or_(
        p.visibility <= Visibility.UNLISTED, and_(p.visibility == Visibility.FOLLOWERS, following), mentioned
    )
    return and_(or_(p.author_id == who, and_(audience, not_(blocked))), not_suspended(posts))


def _somebody_at(domain: str, posts: FromClause) -> ColumnElement[bool]:
    """Somebody of that peer is of the audience: the peer's own actor fetches for its people."""
    p, m, f, at_domain = posts.c, _MENTION, _FOLLOW, _AT_DOMAIN
    people = at_domain.c.domain == domain
    follower = _some(
        f,
        f.c.target_id == p.author_id,
        f.c.state == "accepted",
        _some(at_domain, at_domain.c.id == f.c.follower_id, people),
    )
    mentioned = _some(m, m.c.post_id == p.id, _some(at_domain, at_domain.c.id == m.c.account_id, people))
    return or_(and_(p.visibility == Visibility.FOLLOWERS, follower), mentioned)


def not_suspended(posts: FromClause) -> ColumnElement[bool]:
    """The author is not suspended."""
    return not_(_some(_AUTHOR, _AUTHOR.c.id == posts.c.author_id, _AUTHOR.c.suspended_at.is_not(None)))


def unwanted(viewer: Viewer, now: Millis, author: ColumnElement[Any]) -> ColumnElement[bool]:
    """True where the viewer has blocked or muted `author` (an account id column)."""
    if viewer.kind is not Kind.PERSON:
        return false()
    return unwanted_by(literal(viewer.account_id), now, author)


def unwanted_by(who: AccountRef, now: Millis, author: ColumnElement[Any]) -> ColumnElement[bool]:
    b, m = _BLOCK, _MUTE
    running = or_(m.c.expires_at.is_(None), m.c.expires_at > now)
    return or_(
        _some(b, b.c.account_id == who, b.c.target_id == author),
        _some(m, m.c.account_id == who, m.c.target_id == author, running),
    )


def _some(rows: FromClause, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """EXISTS over `rows`, correlated with everything around it.

    Explicitly: SQLAlchemy by itself correlates with the nearest SELECT only, and a table of an outer one would silently
    join the inner FROM, where the condition then holds for anybody.
    """
    return exists(select(literal(1)).select_from(rows).where(*conditions).correlate_except(rows))
