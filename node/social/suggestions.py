"""Whom somebody might want to follow: their manager, whom those follow that they follow, and who is read by many.

Bounded by constants, whatever the size of the company: the newest follows of the viewer's, and who wrote the newest posts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, exists, func, or_, select

from activitypub.audience import Visibility
from node import db
from node.accounts.finding import PRESENT
from node.accounts.lookup import me
from node.runtime import Tx
from node.schema import account, block, follow, mute, post, suggestion_dismissal
from node.schema.meta import Id

MANAGER, FRIENDS, READ = "featured", "friends_of_friends", "most_followed"
"""Why, in the words of the client API (entities/Suggestion, sources)."""
FOLLOWS = 50
"""Of the viewer, the newest: each may follow hundreds."""
POSTS = 1000
CANDIDATES = 200

_VIEWER = bindparam("viewer", type_=Id)
_ME = account.alias("viewer")
_MANAGER = select(account.c.id).join(_ME, _ME.c.manager_iri == account.c.iri).where(_ME.c.id == _VIEWER)
_MINE = (
    select(follow.c.target_id)
    .where(follow.c.follower_id == _VIEWER, follow.c.state == "accepted")
    .order_by(follow.c.id.desc())
    .limit(FOLLOWS)
    .subquery("mine")
)
_THEIRS = follow.alias("theirs")
_NUMBER = func.count()
_FRIENDS = (
    select(_THEIRS.c.target_id)
    .join(_MINE, _MINE.c.target_id == _THEIRS.c.follower_id)
    .where(_THEIRS.c.state == "accepted")
    .group_by(_THEIRS.c.target_id)
    .order_by(_NUMBER.desc(), _THEIRS.c.target_id)
    .limit(CANDIDATES)
)
_NEWEST = (
    select(post.c.author_id)
    .where(post.c.visibility == int(Visibility.PUBLIC), post.c.boost_of_id.is_(None))
    .order_by(post.c.id.desc())
    .limit(POSTS)
    .subquery("newest")
)
_READ = (
    select(account.c.id)
    .where(account.c.id.in_(select(_NEWEST.c.author_id)), account.c.followers_count > 0)
    .order_by(account.c.followers_count.desc(), account.c.id)
    .limit(CANDIDATES)
)
_FIT = select(account.c.id).where(
    db.among(account.c.id, "ids"),
    PRESENT,
    account.c.id != _VIEWER,
    account.c.moved_to_iri.is_(None),
    or_(account.c.discoverable.is_(True), account.c.id == bindparam("manager", type_=Id)),
    ~exists().where(follow.c.follower_id == _VIEWER, follow.c.target_id == account.c.id),
    ~exists().where(block.c.account_id == _VIEWER, block.c.target_id == account.c.id),
    ~exists().where(block.c.account_id == account.c.id, block.c.target_id == _VIEWER),
    ~exists().where(mute.c.account_id == _VIEWER, mute.c.target_id == account.c.id),
    ~exists().where(suggestion_dismissal.c.account_id == _VIEWER, suggestion_dismissal.c.target_id == account.c.id),
)
_THERE = select(account.c.id).where(account.c.id == bindparam("target", type_=Id))


@dataclass(frozen=True, slots=True)
class Suggestion:
    account_id: int
    sources: tuple[str, ...]


def suggest(tx: Tx, limit: int) -> list[Suggestion]:
    """For the viewer, the best first. Four statements."""
    viewer = {"viewer": me(tx)}
    manager = tx.scalar(_MANAGER, viewer)
    reasons: dict[int, list[str]] = {}
    for source, ids in (
        (MANAGER, [] if manager is None else [manager]),
        (FRIENDS, tx.scalars(_FRIENDS, viewer)),
        (READ, tx.scalars(_READ)),
    ):
        for id_ in ids:
            reasons.setdefault(id_, []).append(source)
    fit = _fit(tx, list(reasons), manager)
    return [Suggestion(id_, tuple(reasons[id_])) for id_ in reasons if id_ in fit][:limit]


def dismiss(tx: Tx, target_id: int) -> None:
    """Suggest somebody no more. Nothing, for whom there is not."""
    if tx.scalar(_THERE, {"target": target_id}) is None:
        return
    row = {"account_id": me(tx), "target_id": target_id, "created_at": tx.now}
    tx.execute(db.insert_or_ignore(tx.dialect, suggestion_dismissal, ["account_id", "target_id"]), row)


def _fit(tx: Tx, ids: Sequence[int], manager: int | None) -> set[int]:
    return set(tx.scalars(_FIT, {"viewer": me(tx), "ids": ids, "manager": manager or 0})) if ids else set()
