"""Tags that people show on their profiles, which say what they can be asked about. Peers hear of them (R59)."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, delete, func, select

from activitypub.audience import Visibility
from node import db, sight, tags
from node.accounts.lookup import me
from node.errors import Invalid, NotFound
from node.runtime import Tx
from node.schema import featured_tag, post, post_tag, tag
from node.schema.meta import Id
from node.sight import Sight, some
from node.text import find_tags

MOST = 10
MOST_OF_PEERS = 20
SUGGESTED = 10
_RECENT = 1000
"""Posts that suggestions are made from."""

_F = featured_tag.c
_OF = bindparam("of", type_=Id)
_TAG = bindparam("tag", type_=Id)
_COUNT = select(func.count()).select_from(featured_tag).where(_F.account_id == _OF)
_ONE = select(featured_tag).where(_F.account_id == _OF, _F.tag_id == _TAG)
_BY_ID = select(featured_tag).where(_F.id == bindparam("id", type_=Id), _F.account_id == _OF)
_DROP = delete(featured_tag).where(_F.account_id == _OF, _F.tag_id == _TAG)
_NAMES = (
    select(tag.c.name, tag.c.display)
    .join(featured_tag, featured_tag.c.tag_id == tag.c.id)
    .where(_F.account_id == _OF)
    .order_by(_F.id)
)
_STORED = select(_F.tag_id).where(_F.account_id == _OF)
_AMONG = select(_F.tag_id).where(_F.account_id == _OF, db.among(_F.tag_id, "ids"))


# --- what people do


def feature(tx: Tx, name: str) -> int:
    """Show a tag on the viewer's profile; the id of the entry. Invalid for what is no tag, is there, or is one too many."""
    entry = _tag_id(tx, name)
    if tx.first(_ONE, {"of": me(tx), "tag": entry}) is not None:
        raise Invalid("Validation failed: Tag has already been taken", "name")
    return _add(tx, entry)


def feature_tag(tx: Tx, name: str) -> None:
    """The same of a tag that may be there already."""
    entry = _tag_id(tx, name)
    if tx.first(_ONE, {"of": me(tx), "tag": entry}) is None:
        _add(tx, entry)


def unfeature(tx: Tx, featured_id: int) -> None:
    """Take an entry off the viewer's profile. NotFound if there is none of theirs."""
    row = tx.first(_BY_ID, {"id": featured_id, "of": me(tx)})
    if row is None:
        raise NotFound
    _remove(tx, row.tag_id)


def unfeature_tag(tx: Tx, name: str) -> None:
    """The same by name; nothing if it is not there."""
    found = next(iter(tags.named(tx, [name]).values()), None)
    if found is not None and tx.first(_ONE, {"of": me(tx), "tag": found.id}) is not None:
        _remove(tx, found.id)


def _tag_id(tx: Tx, name: str) -> int:
    found = tags.ensure(tx, filter(_is_tag, [name]))
    if not found:
        raise Invalid("Validation failed: Tag is invalid", "name")
    return next(iter(found.values()))


def _is_tag(name: str) -> bool:
    """Whether a text could hold it as one tag, which can then be asked for."""
    bare = name.strip().lstrip("#＃")
    return [one.display for one in find_tags(f"#{bare}")] == [bare]


def _add(tx: Tx, tag_id: int) -> int:
    own = me(tx)
    if tx.scalar(_COUNT, {"of": own}) >= MOST:
        raise Invalid("Validation failed: You have already featured the maximum number of hashtags", "name")
    entry_id = tx.new_id()
    _insert(tx, [{"id": entry_id, "account_id": own, "tag_id": tag_id, "created_at": tx.now}])
    tx.outgoing.tag_featured(tx, own, tag_id, added=True)
    return entry_id


def _remove(tx: Tx, tag_id: int) -> None:
    tx.execute(_DROP, {"of": me(tx), "tag": tag_id})
    tx.outgoing.tag_featured(tx, me(tx), tag_id, added=False)


def _insert(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    tx.execute(db.insert_or_ignore(tx.dialect, featured_tag, ["account_id", "tag_id"]), rows)


# --- what is shown


def of_account(tx: Tx, account_id: int) -> Sequence[Row[Any]]:
    """(id, name, display, uses, last_at) in the order of featuring: how often the account used each tag, and when last.

    Counted are posts for everybody, as far as the viewer may see them.
    """
    return sight.rows(tx, _listed, {"of": account_id})


def _listed(eyes: Sight) -> Select[Any]:
    used = (
        select(post_tag.c.tag_id, func.count().label("uses"), func.max(post.c.created_at).label("last_at"))
        .join(post, post.c.id == post_tag.c.post_id)
        .where(
            post_tag.c.tag_id.in_(_STORED),
            post.c.author_id == _OF,
            post.c.visibility <= Visibility.UNLISTED,
            eyes.visible(post),
        )
        .group_by(post_tag.c.tag_id)
        .subquery()
    )
    uses = func.coalesce(used.c.uses, 0).label("uses")
    return (
        select(_F.id, tag.c.name, tag.c.display, uses, used.c.last_at)
        .join_from(featured_tag, tag, tag.c.id == _F.tag_id)
        .join(used, used.c.tag_id == _F.tag_id, isouter=True)
        .where(_F.account_id == _OF)
        .order_by(_F.id)
    )


def names(tx: Tx, account_id: int) -> Sequence[Row[Any]]:
    """(name, display) of what an account features."""
    return tx.rows(_NAMES, {"of": account_id})


def among(tx: Tx, tag_ids: Sequence[int]) -> set[int]:
    """Those of the tags that the viewer features."""
    if not tag_ids or tx.viewer.account_id is None:
        return set()
    return set(tx.scalars(_AMONG, {"of": tx.viewer.account_id, "ids": tag_ids}))


def suggestions(tx: Tx) -> Sequence[Row[Any]]:
    """Tags (id, name, display) that the viewer used most in their newest posts, and does not feature."""
    return sight.rows(tx, _suggested, {"of": me(tx)})


def _suggested(eyes: Sight) -> Select[Any]:
    mine = and_(post.c.author_id == _OF, post.c.boost_of_id.is_(None), post.c.visibility <= Visibility.UNLISTED)
    recent = select(post.c.id).where(mine).order_by(post.c.id.desc()).limit(_RECENT).subquery()
    featured = some(featured_tag, _F.account_id == _OF, _F.tag_id == tag.c.id)
    return (
        select(tag.c.id, tag.c.name, tag.c.display)
        .join_from(recent, post_tag, post_tag.c.post_id == recent.c.id)
        .join(tag, tag.c.id == post_tag.c.tag_id)
        .where(~featured)
        .group_by(tag.c.id, tag.c.name, tag.c.display)
        .order_by(func.count().desc(), tag.c.name)
        .limit(SUGGESTED)
    )


# --- what peers say of their people; the caller knows that they may


def record(tx: Tx, account_id: int, name: str) -> bool:
    """A peer's person features a tag. False for what is no tag, is here, or is one too many."""
    found = tags.ensure(tx, filter(_is_tag, [name]))
    if not found or tx.scalar(_COUNT, {"of": account_id}) >= MOST_OF_PEERS:
        return False
    tag_id = next(iter(found.values()))
    if tx.first(_ONE, {"of": account_id, "tag": tag_id}) is not None:
        return False
    _insert(tx, [{"id": tx.new_id(), "account_id": account_id, "tag_id": tag_id, "created_at": tx.now}])
    return True


def record_removed(tx: Tx, account_id: int, name: str) -> None:
    for row in tags.named(tx, [name]).values():
        tx.execute(_DROP, {"of": account_id, "tag": row.id})


def record_all(tx: Tx, account_id: int, names: Iterable[str]) -> None:
    """What a peer's person features, as a whole: the first MOST_OF_PEERS of it."""
    wanted = list(tags.ensure(tx, list(filter(_is_tag, names))[:MOST_OF_PEERS]).values())
    known = set(tx.scalars(_STORED, {"of": account_id}))
    for tag_id in known.difference(wanted):
        tx.execute(_DROP, {"of": account_id, "tag": tag_id})
    new = [tag_id for tag_id in wanted if tag_id not in known]
    if new:
        _insert(tx, [{"id": tx.new_id(), "account_id": account_id, "tag_id": one, "created_at": tx.now} for one in new])
