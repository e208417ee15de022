"""The event log, and how far a reader has read it.

Readers go by its arrival sequence. On PostgreSQL a smaller id can become visible after a larger one, so a reader remembers
the ids that it skipped and asks for them again for a while (design, decision 10).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, func, select

from node import db
from node.runtime import Tx
from node.schema import event
from node.schema.meta import Id

BATCH = 200
"""Events that are taken at once."""
GAP_MILLIS = 60_000
"""How long a skipped id is looked for: longer than any transaction lasts."""
MAX_GAPS = 1000
MAX_WRITTEN = 50
"""Gaps that a client is given to keep: each is a transaction that took its number and had not ended."""

_LAST = select(func.coalesce(func.max(event.c.id), 0))
_RECENT = select(event.c.id).where(event.c.id > bindparam("after", type_=Id))
_AFTER = select(event).where(event.c.id > bindparam("after", type_=Id)).order_by(event.c.id).limit(BATCH)
_LATE = select(event).where(db.among(event.c.id, "ids")).order_by(event.c.id)


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a reader has read. `gaps` are ids that it skipped, with the time (ms) at which it noticed."""

    last: int
    gaps: tuple[tuple[int, int], ...] = ()


def begin(tx: Tx) -> Cursor:
    """The cursor of somebody who wants to hear what happens from now on."""
    last = int(tx.scalar(_LAST))
    start = max(0, last - MAX_GAPS // 10)
    seen = set(tx.scalars(_RECENT, {"after": start}))
    return Cursor(last, tuple((id_, tx.now) for id_ in range(start + 1, last) if id_ not in seen))


def read(tx: Tx, cursor: Cursor, until: Cursor | None = None) -> tuple[Sequence[Row[Any]], Cursor, bool]:
    """Rows of `event` after `cursor`, the cursor behind them, and whether there are more: BATCH at the most, and what became
    visible late. Nothing that a reader at `until` has yet to read."""
    late = tx.rows(_LATE, {"ids": [id_ for id_, _ in cursor.gaps]}) if cursor.gaps else []
    new = tx.rows(_AFTER, {"after": cursor.last})
    following = _moved(cursor, [row.id for row in late], [row.id for row in new], tx.now)
    rows, more = [*late, *new], len(new) == BATCH
    if until is not None:
        ahead = {id_ for id_, _ in until.gaps}
        rows = [row for row in rows if row.id <= until.last and row.id not in ahead]
        more = more and new[-1].id < until.last
    return rows, following, more


def written(cursor: Cursor) -> str:
    """A cursor as text that a client keeps: the last id, and what was skipped of late."""
    return "-".join(str(id_) for id_ in (cursor.last, *(id_ for id_, _ in cursor.gaps[-MAX_WRITTEN:])))


def parsed(text: str, now: int) -> Cursor | None:
    """The cursor that `written` wrote; None for anything else."""
    words = text.split("-")
    if len(words) > MAX_WRITTEN + 1 or not all(word.isascii() and word.isdigit() and len(word) < 19 for word in words):
        return None
    last, *gaps = map(int, words)
    return Cursor(last, tuple((id_, now) for id_ in gaps if id_ < last))


def _moved(cursor: Cursor, late: Sequence[int], new: Sequence[int], now: int) -> Cursor:
    found = set(late)
    gaps = [(id_, since) for id_, since in cursor.gaps if id_ not in found and since > now - GAP_MILLIS]
    last = cursor.last
    for id_ in new:
        gaps += [(skipped, now) for skipped in range(max(last + 1, id_ - MAX_GAPS), id_)]
        last = id_
    return Cursor(last, tuple(gaps[-MAX_GAPS:]))
