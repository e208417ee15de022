"""Polls on pages: written in the compose form, voted on and shown under their post."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup
from sqlalchemy import Row, bindparam, select
from starlette.requests import Request
from starlette.responses import Response

from node import polls
from node.db import among
from node.polls import MAX_OPTION_LENGTH, MAX_OPTIONS, Asked
from node.runtime import Tx
from node.schema import poll, poll_vote
from node.schema.meta import Id
from web.pages import answers, moments, pictured, visit
from web.pages.moments import Moment
from web.pages.pictured import Known
from web.params import Params, path_id, read
from web.parts import parts_of

_HOUR, _DAY = 3600, 86_400
_DURATIONS = (
    (_HOUR, "an hour"),
    (6 * _HOUR, "six hours"),
    (_DAY, "a day"),
    (3 * _DAY, "three days"),
    (7 * _DAY, "a week"),
    (30 * _DAY, "30 days"),
)

_POLLS = select(poll).where(among(poll.c.post_id, "ids"))
_VOTES = (
    select(poll_vote.c.poll_id, poll_vote.c.choice)
    .where(poll_vote.c.account_id == bindparam("who", type_=Id), among(poll_vote.c.poll_id, "ids"))
    .order_by(poll_vote.c.choice)
)


# --- shown


@dataclass(frozen=True, slots=True)
class Option:
    """An answer of a poll, with its share of the votes in percent; None if the numbers are not known."""

    title: str | Markup
    share: int | None
    is_mine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    options: Sequence[Option]
    multiple: bool
    ends: Moment | None
    has_ended: bool
    is_hidden: bool
    """The numbers are not shown before the end."""
    is_open: bool
    """The viewer has not voted and may, unless it is their own."""
    voters: int | None

    @property
    def titles(self) -> list[str]:
        return [one.title for one in self.options]


def of_posts(tx: Tx, ids: Sequence[int]) -> dict[int, Question]:
    """By post id, for posts that the viewer may see."""
    rows = tx.rows(_POLLS, {"ids": ids}) if ids else ()
    mine: dict[int, list[int]] = defaultdict(list)
    if rows and tx.viewer.account_id is not None:
        for vote_ in tx.rows(_VOTES, {"who": tx.viewer.account_id, "ids": [row.id for row in rows]}):
            mine[vote_.poll_id].append(vote_.choice)
    return {row.post_id: _question(row, mine[row.id], tx.now) for row in rows}


def _question(row: Row[Any], mine: Sequence[int], now: int) -> Question:
    hidden, ended = polls.totals_hidden(row, now), polls.has_ended(row, now)
    votes = [None if hidden else option.get("votes") for option in row.options]
    total = sum(number or 0 for number in votes)
    return Question(
        options=[
            Option(option["title"], None if number is None else _percent(number, total), place in mine)
            for place, (option, number) in enumerate(zip(row.options, votes, strict=True))
        ],
        multiple=row.multiple,
        ends=None if row.expires_at is None else moments.moment(row.expires_at, now),
        has_ended=ended,
        is_hidden=hidden,
        is_open=not ended and not mine,
        voters=row.voters_count,
    )


def drawn(question: Question | None, known: Known) -> Question | None:
    """With pictures for the emoji that its answers name."""
    if question is None or not known:
        return question
    return replace(question, options=[replace(one, title=pictured.name(one.title, known)) for one in question.options])


def _percent(number: int, total: int) -> int:
    return round(100 * number / total) if total else 0


# --- written


@dataclass(frozen=True, slots=True)
class Written:
    """The poll in a compose form, as somebody wrote it so far."""

    options: Sequence[str] = ()
    chosen: int = _DAY
    multiple: bool = False
    hide_totals: bool = False

    numbers = range(1, MAX_OPTIONS + 1)
    longest = MAX_OPTION_LENGTH
    durations = _DURATIONS

    def option(self, number: int) -> str:
        return self.options[number - 1] if number <= len(self.options) else ""


UNWRITTEN = Written()


def written(form: Params) -> Written:
    sent = form.group("poll")
    options = [one for one in sent.texts("options", max_len=1000) if one.strip()]
    chosen = sent.integer("expires_in") or _DAY
    return Written(options, chosen, sent.flag("multiple"), sent.flag("hide_totals"))


def asked(form: Params) -> Asked | None:
    """The poll of a form; None where no choice is written: browsers send empty fields too."""
    found = written(form)
    return Asked(found.options, found.chosen, found.multiple, found.hide_totals) if found.options else None


# --- voted on


async def vote(request: Request) -> Response:
    form = await read(request)
    person = await visit.signed_in(request, form)
    choices = [choice for choice in (_place(one) for one in form.texts("choices", max_len=20)) if choice is not None]
    await parts_of(request).node.write_as(person.viewer, polls.vote, path_id(request), choices)
    return answers.back(form)


def _place(sent: str) -> int | None:
    return int(sent) if sent.isascii() and sent.isdigit() else None
