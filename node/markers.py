"""Markers: how far somebody has read their home timeline and their notifications, on whatever device.

The last word counts, also when it names something older: people mark as unread what they want to see again. Mastodon answers
409 to the loser of two writers at once; here each write of a marker is whole in itself, so that there is no loser.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from node import db
from node.accounts.lookup import me
from node.errors import Invalid
from node.runtime import Tx
from node.schema import marker
from node.schema.meta import Id

TIMELINES = ("home", "notifications")

_MINE = select(marker).where(marker.c.account_id == bindparam("of", type_=Id), db.among(marker.c.timeline, "timelines"))
_SET = (
    update(marker)
    .where(marker.c.account_id == bindparam("of", type_=Id), marker.c.timeline == bindparam("which"))
    .values(last_read_id=bindparam("to"), updated_at=bindparam("at"), version=marker.c.version + 1)
)
_LAST_READ = select(marker.c.last_read_id).where(
    marker.c.account_id == bindparam("of", type_=Id), marker.c.timeline == bindparam("timeline")
)


def own(tx: Tx, timelines: Collection[str]) -> dict[str, Row[Any]]:
    """{timeline: row of `marker`} of the viewer; those never set are left out. Raises Invalid for a name there is not."""
    _check(timelines)
    found = {row.timeline: row for row in tx.rows(_MINE, {"of": me(tx), "timelines": sorted(timelines)})}
    return {name: found[name] for name in TIMELINES if name in found}


def save(tx: Tx, positions: Mapping[str, int]) -> list[str]:
    """Set {timeline: id of the newest that was read}, of a post or a notification; the timelines that were set."""
    _check(positions)
    account_id = me(tx)
    for timeline, last_read_id in positions.items():
        row = {"account_id": account_id, "timeline": timeline, "last_read_id": last_read_id, "updated_at": tx.now}
        first = tx.execute(db.insert_or_ignore(tx.dialect, marker, ["account_id", "timeline"]), row).rowcount
        if not first:
            tx.execute(_SET, {"of": account_id, "which": timeline, "to": last_read_id, "at": tx.now})
    return list(positions)


def last_read(tx: Tx, timeline: str) -> int:
    """0 if the viewer never set it."""
    found = tx.scalar(_LAST_READ, {"of": me(tx), "timeline": timeline})
    return 0 if found is None else int(found)


def _check(timelines: Collection[str]) -> None:
    for name in timelines:
        if name not in TIMELINES:
            raise Invalid(f"'{name}' is not a valid timeline", "timeline")
