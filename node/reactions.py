"""Favourites, boosts, bookmarks and pins.

Whatever one reacts to must be visible; a reaction to a boost is one to what it boosts. All are idempotent: doing a thing
twice is doing it once. Every rule that changes something returns the id of the post itself.
"""

from collections.abc import Hashable
from typing import Any

from sqlalchemy import Row, Select, Table, bindparam, delete, func, insert, select, update

from activitypub.audience import Visibility
from node import accounts, db, deletion, drafts, notifications, schema, sight, takebacks
from node.accounts.lookup import me
from node.copies import may_boost, seen_by
from node.drafts import Audience
from node.errors import Invalid, NotFound
from node.ids import AccountId, PostId
from node.paging import Page
from node.runtime import Tx
from node.schema import account, post
from node.schema.meta import Id
from node.sight import Sight
from node.viewer import remote

MAX_PINS = 5

_OF = bindparam("of", type_=Id)
_WHO = bindparam("who", type_=Id)
_FAVOURITES, _BOOKMARKS, _PINS = schema.favourite, schema.bookmark, schema.pin
_COUNT_FAVOURITE = (
    update(post).where(post.c.id == _OF).values(favourites_count=post.c.favourites_count + bindparam("delta", type_=Id))
)
_COUNT_BOOST = update(post).where(post.c.id == _OF).values(boosts_count=post.c.boosts_count + 1)
_FAVOURITE = select(_FAVOURITES.c.id).where(_FAVOURITES.c.account_id == _WHO, _FAVOURITES.c.post_id == _OF)
_UNFAVOURITE = delete(_FAVOURITES).where(_FAVOURITES.c.id == _OF)
_UNBOOKMARK = delete(_BOOKMARKS).where(_BOOKMARKS.c.account_id == _WHO, _BOOKMARKS.c.post_id == _OF)
_UNPIN = delete(_PINS).where(_PINS.c.account_id == _WHO, _PINS.c.post_id == _OF)
_OTHER_PINS = select(func.count()).select_from(_PINS).where(_PINS.c.account_id == _WHO, _PINS.c.post_id != _OF)
_INSERT_BOOST = insert(post)
_MY_BOOST = select(post.c.id, post.c.iri).where(post.c.boost_of_id == _OF, post.c.author_id == _WHO)
_DOMAIN = select(account.c.domain).where(account.c.id == _WHO)


# --- favourites


def favourite(tx: Tx, post_id: int) -> PostId:
    """Favourite a post. NotFound if it may not be seen."""
    row = _target(tx, post_id)
    favourite_id = _add_favourite(tx, me(tx), row, None)
    if favourite_id is not None:
        tx.outgoing.favourited(tx, favourite_id)
    return PostId(row.id)


def unfavourite(tx: Tx, post_id: int) -> PostId:
    """Take a favourite back, also of a post that may not be seen any more."""
    original = _original(tx, post_id)
    favourite_id = tx.scalar(_FAVOURITE, {"who": me(tx), "of": original})
    if favourite_id is None:
        return PostId(_target(tx, post_id).id)
    tx.outgoing.unfavourited(tx, favourite_id)
    remove_favourite(tx, me(tx), original)
    return original


def record_favourite(tx: Tx, account_id: int, post_id: int, iri: str | None) -> bool:
    """A peer's person favourites a post. False if it was recorded before, or they may not see the post (R46)."""
    domain = tx.scalar(_DOMAIN, {"who": account_id})
    if domain is None:
        return False
    row = seen_by(tx, remote(account_id, domain), post_id)
    if row is None or row.boost_of_id is not None:
        return False
    return _add_favourite(tx, account_id, row, iri) is not None


def remove_favourite(tx: Tx, account_id: int, post_id: int) -> bool:
    """Forget a favourite, whosever it is; False if there is none. Peers are not told."""
    favourite_id = tx.scalar(_FAVOURITE, {"who": account_id, "of": post_id})
    if favourite_id is None:
        return False
    tx.execute(_UNFAVOURITE, {"of": favourite_id})
    takebacks.remember(tx, takebacks.FAVOURITE, post_id, account_id)
    tx.execute(_COUNT_FAVOURITE, {"of": post_id, "delta": -1})
    author = tx.scalar(select(post.c.author_id).where(post.c.id == _OF), {"of": post_id})
    notifications.withdraw(tx, author, "favourite", account_id, post_id=post_id)
    return True


# --- boosts


def boost(tx: Tx, post_id: int, visibility: Visibility | None = None) -> PostId:
    """Boost a post; returns the id of the boost, also of one that was there.

    The boost reaches no further than the post. NotFound for what may not be seen or passed on: direct posts, and
    followers-only posts of others. Invalid for a boost that is direct itself.
    """
    row = _target(tx, post_id)
    author = drafts.author(tx)
    if not may_boost(row, author.id):
        raise NotFound
    if visibility is Visibility.DIRECT:
        raise Invalid("A boost cannot be direct.", field="visibility")
    known = tx.first(_MY_BOOST, {"of": row.id, "who": author.id})
    if known is not None:
        return PostId(known.id)
    usual = min(Visibility(author.default_visibility or 0), Visibility.FOLLOWERS)
    asked = Audience(usual if visibility is None else visibility, local_only=False)
    audience = asked.within(drafts.audience_of(row))
    boost_id = PostId(tx.new_id())
    tx.execute(
        _INSERT_BOOST,
        {
            "id": boost_id,
            "iri": tx.urls.post(author.username, boost_id),
            "url": tx.urls.post_page(author.username, boost_id),
            "author_id": author.id,
            "local": True,
            "boost_of_id": row.id,
            "visibility": audience.visibility,
            "local_only": audience.local_only,
            "conversation_id": boost_id,
            "created_at": tx.now,
        },
    )
    tx.execute(_COUNT_BOOST, {"of": row.id})
    accounts.count_posts(tx, author.id, 1, tx.now)
    notifications.notify(tx, row.author_id, "reblog", author.id, post_id=row.id)
    tx.emit("update", post_id=boost_id, account_id=author.id)
    tx.outgoing.post_created(tx, boost_id)
    return boost_id


def unboost(tx: Tx, post_id: int) -> PostId:
    """Take one's boost of a post back."""
    original = _original(tx, post_id)
    mine = tx.first(_MY_BOOST, {"of": original, "who": me(tx)})
    if mine is None:
        return PostId(_target(tx, post_id).id)
    row = deletion.found(tx, mine.iri)
    if row is not None:
        deletion.remove(tx, row)
    return original


# --- bookmarks, which nobody is told of, and pins


def bookmark(tx: Tx, post_id: int) -> PostId:
    row = _target(tx, post_id)
    values = {"id": tx.new_id(), "account_id": me(tx), "post_id": row.id}
    tx.execute(db.insert_or_ignore(tx.dialect, _BOOKMARKS, ["account_id", "post_id"]), values)
    return PostId(row.id)


def unbookmark(tx: Tx, post_id: int) -> PostId:
    """Remove a bookmark, also of a post that may not be seen any more."""
    original = _original(tx, post_id)
    if not tx.execute(_UNBOOKMARK, {"who": me(tx), "of": original}).rowcount:
        _target(tx, post_id)
    return original


def pin(tx: Tx, post_id: int) -> PostId:
    """Show a post of one's own on top of the profile. Invalid for others' posts, boosts, direct posts, one too many."""
    row = sight.first(tx, _one, {"id": post_id})
    if row is None:
        raise NotFound
    if row.author_id != me(tx):
        raise Invalid("Validation failed: Someone else's post cannot be pinned")
    if row.boost_of_id is not None:
        raise Invalid("Validation failed: A boost cannot be pinned")
    if row.visibility == Visibility.DIRECT:
        raise Invalid("Validation failed: Posts that are only visible to mentioned users cannot be pinned")
    if tx.scalar(_OTHER_PINS, {"who": row.author_id, "of": row.id}) >= MAX_PINS:
        raise Invalid("Validation failed: You have already pinned the maximum number of posts")
    values = {"account_id": row.author_id, "post_id": row.id, "created_at": tx.now}
    if tx.execute(db.insert_or_ignore(tx.dialect, _PINS, ["account_id", "post_id"]), values).rowcount:
        tx.outgoing.post_pinned(tx, row.id, added=True)
    return PostId(row.id)


def unpin(tx: Tx, post_id: int) -> PostId:
    row = _target(tx, post_id)
    if tx.execute(_UNPIN, {"who": me(tx), "of": row.id}).rowcount:
        tx.outgoing.post_pinned(tx, row.id, added=False)
    return PostId(row.id)


# --- lists; each entry is (cursor, id), newest first


def favourites(tx: Tx, page: Page) -> list[tuple[int, PostId]]:
    """The viewer's favourites, as far as they may still be seen."""
    return _listed(tx, page, _own, _FAVOURITES)


def bookmarks(tx: Tx, page: Page) -> list[tuple[int, PostId]]:
    """The viewer's bookmarks, as far as they may still be seen."""
    return _listed(tx, page, _own, _BOOKMARKS)


def favourited_by(tx: Tx, post_id: int, page: Page) -> list[tuple[int, AccountId]]:
    """Who favourited a post. NotFound if it may not be seen."""
    found = _listed(tx, page, _favouriters, of=_seen(tx, post_id).id)
    return [(cursor, AccountId(id_)) for cursor, id_ in found]


def boosted_by(tx: Tx, post_id: int, page: Page) -> list[tuple[int, AccountId]]:
    """Who boosted a post, as far as the viewer may see the boost. NotFound if the post may not be seen."""
    found = _listed(tx, page, _boosters, of=_seen(tx, post_id).id)
    return [(cursor, AccountId(id_)) for cursor, id_ in found]


def _add_favourite(tx: Tx, account_id: int, row: Row[Any], iri: str | None) -> int | None:
    """Id of the new favourite; None if there is one already."""
    favourite_id = tx.new_id()
    values = {"id": favourite_id, "account_id": account_id, "post_id": row.id, "iri": iri, "created_at": tx.now}
    if tx.scalar(_FAVOURITE, {"who": account_id, "of": row.id}) is not None:
        return None
    if not tx.execute(_insert_favourite(tx), values).rowcount:
        return None
    tx.execute(_COUNT_FAVOURITE, {"of": row.id, "delta": 1})
    notifications.notify(tx, row.author_id, "favourite", account_id, post_id=row.id)
    return favourite_id


def _insert_favourite(tx: Tx) -> Any:
    """Ignores also an IRI that another favourite has: a peer that uses one twice gets the first."""
    return db.insert_or_ignore(tx.dialect, _FAVOURITES, ["iri"])


def _target(tx: Tx, post_id: int) -> Row[Any]:
    """`_seen` for somebody who acts. Forbidden for a viewer that is nobody's account."""
    me(tx)
    return _seen(tx, post_id)


def _seen(tx: Tx, post_id: int) -> Row[Any]:
    """The post, or what the boost boosts, if the viewer may see it: (id, author_id, visibility, local_only)."""
    row = sight.first(tx, _one, {"id": post_id})
    if row is not None and row.boost_of_id is not None:
        row = sight.first(tx, _one, {"id": row.boost_of_id})
    if row is None:
        raise NotFound
    return row


def _original(tx: Tx, post_id: int) -> PostId:
    boosted = tx.scalar(select(post.c.boost_of_id).where(post.c.id == _OF), {"of": post_id})
    return PostId(post_id if boosted is None else boosted)


def _one(eyes: Sight) -> Select[Any]:
    return select(post.c.id, post.c.author_id, post.c.boost_of_id, post.c.visibility, post.c.local_only).where(
        post.c.id == bindparam("id", type_=Id), eyes.visible(post)
    )


def _listed(tx: Tx, page: Page, build: sight.Build, *flags: Hashable, **values: Any) -> list[tuple[int, PostId]]:
    ascending = page.min_id is not None
    rows = sight.rows(tx, build, sight.page_values(page) | values, ascending, *flags)
    return page.newest_first([(row.cursor, PostId(row.found)) for row in rows])


def _own(eyes: Sight, ascending: bool, table: Table) -> Select[Any]:
    statement = select(table.c.id.label("cursor"), table.c.post_id.label("found")).join(
        post, post.c.id == table.c.post_id
    )
    statement = statement.where(table.c.account_id == sight.VIEWER, eyes.visible(post))
    return sight.paged(statement, table.c.id, ascending)


def _favouriters(eyes: Sight, ascending: bool) -> Select[Any]:
    table = _FAVOURITES
    statement = select(table.c.id.label("cursor"), table.c.account_id.label("found")).join(
        account, account.c.id == table.c.account_id
    )
    statement = statement.where(table.c.post_id == _OF, account.c.suspended_at.is_(None))
    return sight.paged(statement, table.c.id, ascending)


def _boosters(eyes: Sight, ascending: bool) -> Select[Any]:
    statement = select(post.c.id.label("cursor"), post.c.author_id.label("found"))
    statement = statement.where(post.c.boost_of_id == _OF, eyes.visible(post))
    return sight.paged(statement, post.c.id, ascending)
