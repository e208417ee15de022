"""Tags: found by one normalised name (NFKC, casefold; R59), shown as they were first written."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Executable, Row, Select, bindparam, delete, func, insert, or_, select

from activitypub.audience import Visibility
from node import db, sight
from node.errors import NotFound
from node.ids import PostId, floor_id
from node.runtime import Tx
from node.schema import featured_tag, post, post_tag, tag, tag_follow
from node.schema.meta import Id
from node.sight import Sight, some
from node.text import normalise_tag

NAME_LENGTH = 255
DAY = 86_400_000
DAYS = 7

_NAMED = select(tag.c.id, tag.c.name, tag.c.display).where(db.among(tag.c.name, "names"))
_ATTACH = insert(post_tag)
_DETACH = delete(post_tag).where(post_tag.c.post_id == bindparam("of", type_=Id))
_OF_POST = (
    select(tag.c.name)
    .join(post_tag, post_tag.c.tag_id == tag.c.id)
    .where(post_tag.c.post_id == bindparam("of", type_=Id))
    .order_by(tag.c.name)
)
_FOLLOWED = select(tag_follow.c.tag_id).where(
    tag_follow.c.account_id == sight.VIEWER, db.among(tag_follow.c.tag_id, "tags")
)


@dataclass(frozen=True, slots=True)
class Day:
    """Use of a tag on one day (UTC), in posts for everybody; `start` is in ms."""

    start: int
    uses: int
    accounts: int


def ensure(tx: Tx, names: Iterable[str]) -> dict[str, int]:
    """Ids of the tags with these names, as written, by normalised name; new ones are made. What is no name is left out."""
    return {name: row.id for name, row in _ensured(tx, names).items()}


def _ensured(tx: Tx, names: Iterable[str]) -> dict[str, Row[Any]]:
    written: dict[str, str] = {}
    for name in names:
        normal = normalise_tag(name)
        if normal and len(normal) <= NAME_LENGTH:
            written.setdefault(normal, name.strip().lstrip("#＃")[:NAME_LENGTH])
    if not written:
        return {}
    found = _rows(tx, written)
    missing = [name for name in written if name not in found]
    if missing:
        new = [{"name": name, "display": written[name], "created_at": tx.now} for name in missing]
        tx.execute(_insert_new(tx.dialect), new)
        found |= _rows(tx, missing)
    return found


def attach(tx: Tx, post_id: PostId, names: Iterable[str]) -> list[Row[Any]]:
    """Give a post its tags, and answer them: rows (id, name, display). It must have none yet, see `replace`."""
    rows = list(_ensured(tx, names).values())
    if rows:
        tx.execute(_ATTACH, [{"tag_id": row.id, "post_id": post_id} for row in rows])
    return rows


def replace(tx: Tx, post_id: PostId, names: Iterable[str]) -> None:
    tx.execute(_DETACH, {"of": post_id})
    attach(tx, post_id, names)


def names_of(tx: Tx, post_id: PostId) -> list[str]:
    """Normalised names of a post's tags."""
    return tx.scalars(_OF_POST, {"of": post_id})


def named(tx: Tx, names: Iterable[str]) -> dict[str, Row[Any]]:
    """Rows (id, name, display) of those tags that exist, by normalised name."""
    wanted = {normalise_tag(name) for name in names} - {""}
    return {row.name: row for row in tx.rows(_NAMED, {"names": sorted(wanted)})} if wanted else {}


def seen(tx: Tx, name: str) -> Row[Any] | None:
    """The tag (id, name, display) if the viewer follows it, features it or may see a post with it.

    Of hidden ones nothing is told.
    """
    return sight.first(tx, _seen_named, {"name": normalise_tag(name)})


def get(tx: Tx, name: str) -> Row[Any]:
    """The tag (id, name, display). NotFound if nobody ever used or followed it."""
    found = named(tx, [name])
    if not found:
        raise NotFound
    return next(iter(found.values()))


def search(tx: Tx, q: str, *, limit: int = 20, offset: int = 0) -> Sequence[Row[Any]]:
    """Tags (see `seen`) that begin with what was typed, the shortest and so the exact one first."""
    begin = normalise_tag(q)
    if not begin or len(begin) > NAME_LENGTH:
        return []
    pattern = re.sub(r"([%_/])", r"/\1", begin) + "%"
    return sight.rows(tx, _beginning, {"pattern": pattern, "k": limit, "skip": offset})


def _beginning(eyes: Sight) -> Select[Any]:
    return (
        _known(eyes)
        .where(tag.c.name.like(bindparam("pattern"), escape="/"))
        .order_by(func.length(tag.c.name), tag.c.name)
        .limit(bindparam("k", type_=Id))
        .offset(bindparam("skip", type_=Id))
    )


def _seen_named(eyes: Sight) -> Select[Any]:
    return _known(eyes).where(tag.c.name == bindparam("name"))


def _known(eyes: Sight) -> Select[Any]:
    borne = some(
        post_tag, post_tag.c.tag_id == tag.c.id, some(post, post.c.id == post_tag.c.post_id, eyes.visible(post))
    )
    mine = some(tag_follow, tag_follow.c.tag_id == tag.c.id, tag_follow.c.account_id == eyes.who)
    on_profile = some(featured_tag, featured_tag.c.tag_id == tag.c.id, featured_tag.c.account_id == eyes.who)
    return select(tag.c.id, tag.c.name, tag.c.display).where(or_(mine, on_profile, borne))


def followed(tx: Tx, tag_ids: Sequence[int]) -> set[int]:
    """Those of the tags that the viewer follows."""
    if not tag_ids or tx.viewer.account_id is None:
        return set()
    return set(tx.scalars(_FOLLOWED, {"viewer": tx.viewer.account_id, "tags": list(tag_ids)}))


def history(tx: Tx, tag_ids: Sequence[int]) -> dict[int, list[Day]]:
    """The last seven days of each tag, today first, as far as the viewer may see them."""
    today = tx.now - tx.now % DAY
    starts = [today - DAY * ago for ago in range(DAYS)]
    counted: dict[int, dict[int, Day]] = defaultdict(dict)
    if tag_ids:
        since = {"since": floor_id(starts[-1]), "tags": list(tag_ids)}
        for row in sight.rows(tx, _history, since):
            counted[row.tag_id][row.day] = Day(row.day * DAY, row.uses, row.accounts)
    return {id_: [counted[id_].get(start // DAY, Day(start, 0, 0)) for start in starts] for id_ in tag_ids}


def _history(eyes: Sight) -> Select[Any]:
    day = (post.c.created_at // DAY).label("day")
    accounts = func.count(post.c.author_id.distinct())
    return (
        select(post_tag.c.tag_id, day, func.count().label("uses"), accounts.label("accounts"))
        .join(post, post.c.id == post_tag.c.post_id)
        .where(
            db.among(post_tag.c.tag_id, "tags"),
            post_tag.c.post_id >= bindparam("since", type_=Id),
            post.c.visibility == Visibility.PUBLIC,
            eyes.visible(post),
        )
        .group_by(post_tag.c.tag_id, day)
    )


def _rows(tx: Tx, names: Iterable[str] | Mapping[str, str]) -> dict[str, Row[Any]]:
    return {row.name: row for row in tx.rows(_NAMED, {"names": list(names)})}


@cache
def _insert_new(dialect: str) -> Executable:
    return db.insert_or_ignore(dialect, tag, ["name"])
