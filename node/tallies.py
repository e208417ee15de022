"""Polls of peers' people: as the author's node says they stand. What may be asked, votes and the end are in polls.py."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, bindparam, delete, insert, select, update

from activitypub.documents import Poll
from node import polls
from node.runtime import Tx
from node.schema import media, poll, post
from node.schema.meta import Id

if TYPE_CHECKING:
    from node.copies import RemotePost

_OF = bindparam("of", type_=Id)
_INSERT = insert(poll)
_STORED = select(poll).where(poll.c.post_id == _OF)
_NUMBERS = ("options", "voters_count", "expires_at", "hide_totals")
_TALLY = update(poll).where(poll.c.post_id == _OF).values({name: bindparam(name) for name in _NUMBERS})
_DROP = delete(poll).where(poll.c.post_id == _OF)
_TOUCH = update(post).where(post.c.id == _OF).values(rev=post.c.rev + 1)
_FILES = select(media.c.remote_url).where(media.c.post_id == _OF).order_by(media.c.position)
_WORDS = ("content", "spoiler", "sensitive", "language", "visibility", "url", "object_type")
_MAY_TURN = frozenset({"Note", "Question"})


def store(tx: Tx, post_id: int, said: Poll, created_at: int) -> None:
    """The poll of a copy that has none yet."""
    tx.execute(_INSERT, {"id": post_id, "post_id": post_id} | _values(said, created_at))


def take(tx: Tx, row: Row[Any], said: Poll | None) -> bool:
    """Take over numbers, without an edit, if the options are still the same; `row` is the post. False if none is new."""
    stored = tx.first(_STORED, {"of": row.id})
    if said is None or stored is None or not _is_same_question(stored, said):
        return False
    values = _values(said, row.created_at)
    if all(getattr(stored, name) == values[name] for name in _NUMBERS):
        return False
    _update(tx, stored, values)
    tx.execute(_TOUCH, {"of": row.id})
    tx.emit("status.update", post_id=row.id, account_id=row.author_id)
    return True


def edit(tx: Tx, row: Row[Any], new: "RemotePost") -> None:
    """The poll after an edit. Options that it left alone keep the votes that were cast here; others are another poll."""
    if kind(row, new) == row.object_type != "Question":
        return
    stored = tx.first(_STORED, {"of": row.id})
    if stored is not None and new.poll is not None and _is_same_question(stored, new.poll):
        _update(tx, stored, _values(new.poll, row.created_at))
        return
    tx.execute(_DROP, {"of": row.id})
    if new.poll is not None:
        store(tx, row.id, new.poll, row.created_at)


def kind(row: Row[Any], new: "RemotePost") -> str:
    """The type of a post after an edit: a poll may come or go, anything else stays what it is."""
    return new.object_type if {row.object_type, new.object_type} <= _MAY_TURN else str(row.object_type)


def are_all_that_is_new(tx: Tx, row: Row[Any], new: "RemotePost") -> bool:
    """Whether an Update that says it is an edit changes no more than the numbers of the poll (FEP-9967 asks for that)."""
    if new.poll is None or any(getattr(row, name) != getattr(new, name) for name in _WORDS):
        return False
    stored = tx.first(_STORED, {"of": row.id})
    if stored is None or not _is_same_question(stored, new.poll):
        return False
    return [one.url for one in new.attachments] == tx.scalars(_FILES, {"of": row.id})


def _is_same_question(stored: Row[Any], said: Poll) -> bool:
    return said.multiple == stored.multiple and [one.name for one in said.options] == polls.titles(stored.options)


def _update(tx: Tx, stored: Row[Any], values: dict[str, Any]) -> None:
    tx.execute(_TALLY, {"of": stored.post_id} | {name: values[name] for name in _NUMBERS})
    if values["expires_at"] != stored.expires_at:
        polls.expect_new_end(tx, stored.id, values["expires_at"])


def _values(said: Poll, created_at: int) -> dict[str, Any]:
    closed_at = said.closed_at if said.closed_at != 0 else created_at
    return {
        "multiple": said.multiple,
        "expires_at": said.ends_at if closed_at is None else closed_at,
        "options": [{"title": option.name, "votes": option.votes} for option in said.options],
        "voters_count": said.voters,
        "hide_totals": any(option.votes is None for option in said.options),
    }
