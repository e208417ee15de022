"""Which quoted posts a viewer may see, and who quotes a post. A quote never shows more than the one predicate does."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, case, or_, select

from node import sight
from node.db import among
from node.errors import NotFound
from node.ids import PostId
from node.paging import Page
from node.quotes.states import State
from node.runtime import Tx
from node.schema import account, block, follow, mute, post
from node.schema import quote as quote_table
from node.schema.meta import Id
from node.sight import NOW, Sight, some

_ID, _OF = bindparam("id", type_=Id), bindparam("of", type_=Id)


class Seen(NamedTuple):
    """How somebody who may see a quoted post stands to its author."""

    blocked: bool = False
    muted: bool = False


def seen(tx: Tx, ids: Sequence[int], who: Sequence[int]) -> dict[tuple[int | None, int], Seen]:
    """(viewer, post) of those posts that each of `who` may see; without `who`, None stands for `tx.viewer`."""
    if not ids:
        return {}
    if not who:
        return {(None, row.id): Seen() for row in sight.rows(tx, _visible, {"ids": ids})}
    rows = tx.rows(_of_people(), {"ids": ids, "who": who, "now": tx.now})
    return {(row.who, row.id): Seen(bool(row.blocked), bool(row.muted)) for row in rows}


def relations(tx: Tx, who: Sequence[int], authors: Iterable[int]) -> frozenset[tuple[int, int]]:
    """(follower, followed) of these viewers and authors, both ways."""
    others = sorted(set(authors))
    if not who or not others:
        return frozenset()
    return frozenset((row.follower_id, row.target_id) for row in tx.rows(_FOLLOWS, {"who": who, "authors": others}))


_FOLLOWS = select(follow.c.follower_id, follow.c.target_id).where(
    follow.c.state == "accepted",
    or_(
        among(follow.c.follower_id, "who") & among(follow.c.target_id, "authors"),
        among(follow.c.follower_id, "authors") & among(follow.c.target_id, "who"),
    ),
)


def quoting(tx: Tx, post_id: int, page: Page) -> list[PostId]:
    """Posts that quote a post and may, newest first, as far as the viewer sees them. NotFound if they do not see it."""
    original = sight.first(tx, _original, {"id": post_id})
    if original is None:
        raise NotFound
    ascending = page.min_id is not None
    values = sight.page_values(page) | {"of": original.boost_of_id or original.id}
    rows = sight.rows(tx, _quoting, values, ascending)
    return page.newest_first([PostId(row.id) for row in rows])


def _visible(eyes: Sight) -> Select[Any]:
    return select(post.c.id).where(among(post.c.id, "ids"), eyes.visible(post))


@cache
def _of_people() -> Select[Any]:
    """Built once: it is a large expression."""
    viewer = account.alias("viewer")
    who = viewer.c.id
    running = or_(mute.c.expires_at.is_(None), mute.c.expires_at > NOW)
    blocked = some(block, block.c.account_id == who, block.c.target_id == post.c.author_id)
    muted = some(mute, mute.c.account_id == who, mute.c.target_id == post.c.author_id, running)
    return (
        select(
            post.c.id,
            who.label("who"),
            case((blocked, 1), else_=0).label("blocked"),
            case((muted, 1), else_=0).label("muted"),
        )
        .join_from(post, viewer, among(who, "who"))
        .where(among(post.c.id, "ids"), sight.of_person(who).visible(post))
    )


def _original(eyes: Sight) -> Select[Any]:
    return select(post.c.id, post.c.boost_of_id).where(post.c.id == _ID, eyes.visible(post))


def _quoting(eyes: Sight, ascending: bool) -> Select[Any]:
    statement = (
        select(post.c.id)
        .join(quote_table, quote_table.c.post_id == post.c.id)
        .where(
            quote_table.c.quoted_id == _OF,
            quote_table.c.state == State.ACCEPTED,
            eyes.visible(post),
            ~eyes.unwanted(post.c.author_id),
        )
    )
    return sight.paged(statement, post.c.id, ascending)
