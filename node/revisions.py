"""What a post was before it was edited (R51)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, insert, select
from sqlalchemy import delete as sql_delete

from node.ids import Millis
from node.runtime import Tx
from node.schema import media, poll, post_edit
from node.schema.meta import Id

_OF = bindparam("of", type_=Id)
_INSERT = insert(post_edit)
_MEDIA_IDS = select(media.c.id).where(media.c.post_id == _OF).order_by(media.c.position)
_EDITS = select(post_edit).where(post_edit.c.post_id == _OF).order_by(post_edit.c.id)
_PRUNE = sql_delete(post_edit).where(
    post_edit.c.id.in_(
        select(post_edit.c.id)
        .where(post_edit.c.post_id == _OF)
        .order_by(post_edit.c.id.desc())
        .offset(bindparam("kept", type_=Id))
    )
)
_POLL = select(poll.c.options).where(poll.c.post_id == _OF)


@dataclass(frozen=True, slots=True)
class Revision:
    """One state of a post; `created_at` (ms) is when it was made so."""

    created_at: Millis
    content: str
    spoiler: str
    sensitive: bool
    media_ids: tuple[int, ...]
    poll_options: Sequence[str] | None


def keep(tx: Tx, row: Row[Any], attached: Sequence[int]) -> None:
    """Store the present state of a post, which is about to change; `row` is its whole row. The oldest are forgotten."""
    state = {
        "post_id": row.id,
        "created_at": row.edited_at or row.created_at,
        "content": row.content,
        "spoiler": row.spoiler,
        "sensitive": row.sensitive,
        "media": list(attached),
        "poll_options": _options(tx, row),
    }
    tx.execute(_INSERT, state)
    tx.execute(_PRUNE, {"of": row.id, "kept": tx.settings.posts.edits_kept})


def of(tx: Tx, row: Row[Any]) -> list[Revision]:
    """All states of a post that are kept, the present one last; `row` is its whole row."""
    past = [
        Revision(one.created_at, one.content, one.spoiler, one.sensitive, tuple(one.media), one.poll_options)
        for one in tx.rows(_EDITS, {"of": row.id})
    ]
    made = Millis(row.edited_at or row.created_at)
    attached = tuple(media_ids(tx, row.id))
    return [*past, Revision(made, row.content, row.spoiler, row.sensitive, attached, _options(tx, row))]


def media_ids(tx: Tx, post_id: int) -> list[int]:
    """What is attached to a post, in order."""
    return tx.scalars(_MEDIA_IDS, {"of": post_id})


def _options(tx: Tx, row: Row[Any]) -> list[str] | None:
    if row.object_type != "Question":
        return None
    options = tx.scalar(_POLL, {"of": row.id})
    return [option["title"] for option in options] if options else None
