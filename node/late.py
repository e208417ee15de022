"""Posts of peers that arrive late: their ids go by when they were published (ADR 0003), so they lie below what a client has.

Who asks for what is newer than S would never get them. Whoever holds S got it when it was published or later, so all that
they cannot have is among what arrived since then. That may give again what they have; clients merge by id.
"""

from collections.abc import Hashable

from sqlalchemy import ColumnElement, Select, bindparam, literal_column, select

from node import sight
from node.ids import PostId, millis_of
from node.paging import Page
from node.runtime import Tx
from node.schema import event, post
from node.schema.meta import Id

MOST = 200
SLACK_MILLIS = 10_000
"""On PostgreSQL what is written first may be seen after what is written later: as long as a transaction takes."""


def added(
    tx: Tx, page: Page, found: list[PostId], build: sight.Build, more: dict[str, object], *flags: Hashable
) -> list[PostId]:
    """The page `found`, the newest first, with what came late below it. One statement, and none unless `since_id` is asked
    and the page is not full; `build` gives a `within` the same rule; `flags` are its own."""
    if page.since_id is None or page.max_id is not None or page.min_id is not None or len(found) >= page.limit:
        return found
    slack = SLACK_MILLIS if tx.dialect == "postgresql" else 0
    values = {"since": page.since_id, "arrived": millis_of(page.since_id) - slack, **more}
    return [*found, *(PostId(row.id) for row in sight.rows(tx, build, values, *flags))]


def within(condition: ColumnElement[bool]) -> Select[tuple[int]]:
    """Posts of peers below :since that arrived since then, as far as `condition` shows them."""
    since = bindparam("since", type_=Id)
    arrived = select(event.c.post_id).where(
        event.c.kind == literal_column("'update'"),
        event.c.at >= bindparam("arrived", type_=Id),
        event.c.post_id < since,
    )
    return (
        select(post.c.id)
        .where(post.c.id.in_(arrived), post.c.local.is_(False), condition)
        .order_by(post.c.id.desc())
        .limit(MOST)
    )
