"""Polls: what is asked with a post, votes, and the end (R56, FEP-9967).

The numbers stand in the row of the poll, votes beside it. Those of our people's polls are counted here; those of peers'
polls are what the author's node last said, and what people here have voted since.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Row, Select, bindparam, delete, insert, select, update

from node import notifications, sight
from node.accounts.lookup import me
from node.errors import Forbidden, Invalid, NotFound
from node.runtime import Tx
from node.schema import account, block, job, poll, poll_vote, post
from node.schema.meta import Id
from node.sight import Sight, some

MAX_OPTIONS = 4
MAX_OPTION_LENGTH = 50
MIN_SECONDS, MAX_SECONDS = 300, 2_629_746
"""As Mastodon has them: clients take them from the instance, but some count on these."""
END_JOB, TALLY_JOB = "poll.end", "poll.tally"
TALLY_MS = 3000
"""Peers and open clients hear of new votes in one poll no more often."""
GRACE_MS = 60_000
"""After the end of a peer's poll, for its last numbers to come before people are told."""
CHUNK = 200

_OF = bindparam("of", type_=Id)
_WHO = bindparam("who", type_=Id)
_INSERT = insert(poll)
_DELETE = delete(poll).where(poll.c.id == _OF)
_STORED = select(poll).where(poll.c.id == _OF)
_ASK_ANEW = (
    update(poll)
    .where(poll.c.id == _OF)
    .values(
        options=bindparam("options"),
        multiple=bindparam("multiple"),
        expires_at=bindparam("expires_at"),
        hide_totals=bindparam("hide_totals"),
        voters_count=bindparam("voters_count"),
        told_at=None,
    )
)
_KIND = update(post).where(post.c.id == _OF).values(object_type=bindparam("kind"))
_COUNT = update(poll).where(poll.c.id == _OF).values(options=bindparam("options"), voters_count=bindparam("voters"))
_CAST = select(poll_vote.c.choice, poll_vote.c.iri).where(poll_vote.c.poll_id == _OF, poll_vote.c.account_id == _WHO)
_VOTE = insert(poll_vote)
_FORGET_VOTES = delete(poll_vote).where(poll_vote.c.poll_id == _OF)
_OPEN = (
    select(poll, post.c.author_id, post.c.local)
    .join(post, post.c.id == poll.c.post_id)
    .where(poll.c.id == bindparam("id", type_=Id))
)
_VOTERS_HERE = (
    select(poll_vote.c.account_id)
    .distinct()
    .join(account, account.c.id == poll_vote.c.account_id)
    .where(poll_vote.c.poll_id == _OF, account.c.domain.is_(None), account.c.id > bindparam("after", type_=Id))
    .order_by(poll_vote.c.account_id)
    .limit(bindparam("most", type_=Id))
)
_TOLD = update(poll).where(poll.c.id == _OF).values(told_at=bindparam("at", type_=Id))
_RELEASE = update(job).where(job.c.dedupe == bindparam("key")).values(dedupe=None)
_CLAIM = update(poll).where(poll.c.id == _OF).values(voters_count=poll.c.voters_count)


@dataclass(frozen=True, slots=True)
class Asked:
    """A poll to be; see `checked`. It ends `expires_in` seconds from now."""

    options: Sequence[str]
    expires_in: int | None
    multiple: bool = False
    hide_totals: bool = False
    """Nobody sees the numbers before the end."""


# --- Asking -------------------------------------------------------------------------------------------------------


def checked(asked: Asked, *, has_media: bool) -> Asked:
    """The poll as it is stored. Raises Invalid, in the words of Mastodon where it has some."""
    if has_media:
        raise _with_media()
    options = [one for one in (option.strip() for option in asked.options) if one]
    if len(options) < 2:
        raise _wrong("Choices must have more than one item", "options")
    if len(options) > MAX_OPTIONS:
        raise _wrong(f"Choices can't contain more than {MAX_OPTIONS} items", "options")
    if any(len(option) > MAX_OPTION_LENGTH for option in options):
        raise _wrong(f"Choices cannot be longer than {MAX_OPTION_LENGTH} characters each", "options")
    if len(set(options)) < len(options):
        raise _wrong("Choices contain duplicate items", "options")
    if asked.expires_in is None:
        raise _wrong("Deadline can't be blank", "expires_in")
    if asked.expires_in < MIN_SECONDS:
        raise _wrong("Deadline is too soon", "expires_in")
    if asked.expires_in > MAX_SECONDS:
        raise _wrong("Deadline is too far into the future", "expires_in")
    return replace(asked, options=tuple(options))


def ask(tx: Tx, post_id: int, asked: Asked) -> None:
    """Store the poll of a new post of ours; `asked` as of `checked`."""
    values = _values(tx, asked)
    tx.execute(_INSERT, {"id": post_id, "post_id": post_id, **values, **_unvoted(asked)})
    expect_end(tx, post_id, values["expires_at"])


def changes(row: Row[Any], asked: Asked | Literal[False] | None, *, has_media: bool) -> bool:
    """Whether an edit changes the poll of a post of ours: None leaves it, False takes it away, a poll ends anew.

    `row` is that of the post. Raises Invalid if pictures are put beside a poll that stays.
    """
    has_poll = row.object_type == "Question"
    if has_poll and has_media and asked is None:
        raise _with_media()
    return bool(asked) or (has_poll and asked is False)


def ask_anew(tx: Tx, post_id: int, asked: Asked | Literal[False]) -> None:
    """Change, add or take away the poll of a post of ours. Other options, or another way to choose, are voted on anew."""
    stored = tx.first(_STORED, {"of": post_id})
    if not asked:
        tx.execute(_DELETE, {"of": post_id})
        tx.execute(_KIND, {"of": post_id, "kind": "Note"})
        return
    if stored is None:
        ask(tx, post_id, asked)
        tx.execute(_KIND, {"of": post_id, "kind": "Question"})
        return
    values = _values(tx, asked)
    numbers = {"options": stored.options, "voters_count": stored.voters_count}
    if titles(stored.options) != list(asked.options) or asked.multiple != stored.multiple:
        tx.execute(_FORGET_VOTES, {"of": post_id})
        numbers = _unvoted(asked)
    tx.execute(_ASK_ANEW, {"of": post_id, **values, **numbers})
    expect_end(tx, post_id, values["expires_at"])


def titles(options: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of the column `options`."""
    return [option["title"] for option in options]


def totals_hidden(row: Row[Any], now: int) -> bool:
    """Whether the numbers of a row of `poll` are nobody's to know yet."""
    return bool(row.hide_totals) and not has_ended(row, now)


def has_ended(row: Row[Any], now: int) -> bool:
    return row.expires_at is not None and row.expires_at <= now


def _values(tx: Tx, asked: Asked) -> dict[str, Any]:
    return {
        "multiple": asked.multiple,
        "hide_totals": asked.hide_totals,
        "expires_at": tx.now + 1000 * (asked.expires_in or 0),
    }


def _unvoted(asked: Asked) -> dict[str, Any]:
    return {"options": [{"title": title, "votes": 0} for title in asked.options], "voters_count": 0}


def _with_media() -> Invalid:
    return Invalid("A post has either pictures or a poll, not both", "poll")


def _wrong(message: str, field: str | None = None) -> Invalid:
    return Invalid(f"Validation failed: {message}", field and f"poll[{field}]")


# --- Voting -------------------------------------------------------------------------------------------------------


def vote(tx: Tx, poll_id: int, choices: Sequence[int]) -> int:
    """Vote as the acting person; `choices` are places in the list of options. Answers the poll's id.

    NotFound for a poll that they may not see, Forbidden if they block its author, Invalid for what cannot be chosen.
    """
    voter = me(tx)
    row = sight.first(tx, _seen, {"id": poll_id})
    if row is None:
        raise NotFound
    if row.blocking:
        raise Forbidden
    wanted = list(dict.fromkeys(choices))
    if not wanted:
        raise _wrong("choices can't be blank", "choices")
    if has_ended(row, tx.now):
        raise _wrong("The poll has already ended")
    if not all(0 <= choice < len(row.options) for choice in wanted):
        raise _wrong("The chosen vote option does not exist")
    if row.author_id == voter:
        raise _wrong("You cannot vote in your own polls")
    if len(wanted) > 1 and not row.multiple:
        raise _wrong("You have already voted on this poll")
    if record(tx, row, voter, dict.fromkeys(wanted)) != wanted:
        raise _wrong("You have already voted on this poll")
    if not row.local:
        tx.outgoing.voted(tx, row.id, voter, wanted)
        expect_end(tx, row.id, row.expires_at, grace=GRACE_MS)
    return int(row.id)


def record(tx: Tx, row: Row[Any], voter_id: int, votes: Mapping[int, str | None]) -> list[int]:
    """Count votes, {choice: id of the vote or None}; answers the choices that are new. The caller judges who may vote.

    Of a poll for one choice the first vote counts, of others one for each option. `row` is as `opened` gives it, read in
    this transaction: two votes at once then follow each other on both databases.
    """
    cast = tx.rows(_CAST, {"of": row.id, "who": voter_id})
    if cast and not row.multiple:
        return []
    known = {one.choice for one in cast}
    used = {one.iri for one in cast if one.iri is not None}
    new = [choice for choice, iri in votes.items() if choice not in known and iri not in used]
    new = new if row.multiple else new[:1]
    if not new:
        return []
    tx.execute(_VOTE, [{"poll_id": row.id, "account_id": voter_id, "choice": one, "iri": votes[one]} for one in new])
    options = [
        option | {"votes": option["votes"] + 1} if place in new and option["votes"] is not None else option
        for place, option in enumerate(row.options)
    ]
    voters = row.voters_count if cast or row.voters_count is None else row.voters_count + 1
    tx.execute(_COUNT, {"of": row.id, "options": options, "voters": voters})
    if row.local and not totals_hidden(row, tx.now):
        tx.enqueue(TALLY_JOB, {"poll_id": row.id}, at=tx.now + TALLY_MS, dedupe=_tally_key(row.id))
    return new


def opened(tx: Tx, poll_id: int) -> Row[Any] | None:
    """The row of `poll` with `author_id` and `local` of its post, whoever may see that."""
    return tx.first(_OPEN, {"id": poll_id})


def tally(tx: Tx, poll_id: int) -> None:
    """Tell peers and open clients how the votes stand.

    A vote that comes from now on finds no such job waiting and asks for the next one. That the poll's row is written makes
    a vote that is being counted at this moment come before all this or after it, on PostgreSQL too.
    """
    tx.execute(_RELEASE, {"key": _tally_key(poll_id)})
    tx.execute(_CLAIM, {"of": poll_id})
    row = opened(tx, poll_id)
    if row is not None and row.local:
        tx.emit("status.update", post_id=row.post_id, account_id=row.author_id)
        tx.outgoing.poll_tallied(tx, row.post_id)


def _tally_key(poll_id: int) -> str:
    return f"{TALLY_JOB}:{poll_id}"


def _seen(eyes: Sight) -> Select[Any]:
    blocking = some(block, block.c.account_id == eyes.who, block.c.target_id == post.c.author_id)
    return _OPEN.add_columns(blocking.label("blocking")).where(eyes.visible(post))


# --- The end ------------------------------------------------------------------------------------------------------


def expect_end(tx: Tx, poll_id: int, ends_at: int | None, *, grace: int = 0) -> None:
    """Have the end of a poll told; `grace` ms later."""
    if ends_at is not None:
        payload = {"poll_id": poll_id}
        tx.enqueue(END_JOB, payload, at=max(ends_at + grace, tx.now), dedupe=f"{END_JOB}:{poll_id}:{ends_at}")


def expect_new_end(tx: Tx, poll_id: int, ends_at: int | None) -> None:
    """The same when a peer says that its poll ends at another time; nobody waits for the end of one without votes."""
    if tx.first(_VOTERS_HERE, {"of": poll_id, "after": 0, "most": 1}) is not None:
        expect_end(tx, poll_id, ends_at, grace=GRACE_MS)


def end(tx: Tx, poll_id: int, after: int = 0, most: int = CHUNK) -> int | None:
    """Tell the author and the voters here that a poll is over, and peers its numbers: once, and not before it is.

    In parts, each for at most so many voters with ids above `after`; answers where to go on, None at the end.
    """
    row = opened(tx, poll_id)
    if row is None or row.told_at is not None or not has_ended(row, tx.now):
        return None
    voters = tx.scalars(_VOTERS_HERE, {"of": poll_id, "after": after, "most": most})
    told = voters if after else [row.author_id, *voters]
    notifications.notify_each(tx, told, "poll", row.author_id, post_id=row.post_id)
    if len(voters) == most:
        return int(voters[-1])
    tx.execute(_TOLD, {"of": poll_id, "at": tx.now})
    tx.emit("status.update", post_id=row.post_id, account_id=row.author_id)
    if row.local:
        tx.outgoing.poll_tallied(tx, row.post_id)
    return None
