"""Operators of the search in posts: `has:media -from:ann after:2026-01-31`, read and as conditions.

    from:name[@domain] · from:me           who wrote it
    has:media image video audio poll link quote · is:reply sensitive quote bot
    in:library · in:public · in:all        what the viewer wrote or had to do with · what is for all · everything
    language:de                            with its regions (de-AT)
    before:2026-01-31 · after: · during:   days in UTC; before and after leave the day itself out

Each may have a minus sign before it. All must hold, as in Mastodon: `from:ann from:bea` finds nothing. What is quoted is
no operator. `has:embed` is known and finds nothing: no post shows an embedded page here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    String,
    Table,
    bindparam,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy import union as union_of

from node.errors import Invalid
from node.ids import floor_id
from node.schema import account, bookmark, favourite, media, mention, poll, poll_vote, post, post_link, quote, reaction
from node.sight import LAST, Sight, some

MAX_OPERATORS = 20
DAY_MS = 86_400_000

# Phones write quotation marks of their own, and keyboards for Chinese and Japanese wide signs.
_SIGNS = str.maketrans({"\u201c": '"', "\u201d": '"', "\u201e": '"', "\uff02": '"', "\uff1a": ":", "\uff0d": "-"})
_PART = re.compile(
    r'(?P<minus>-)?(?P<name>from|has|is|in|language|before|after|during):(?P<value>"[^"]*"|[^\s"]+)(?=\s|$)'
    r'|-?"[^"]*"?|[^\s"]+',
    re.IGNORECASE,
)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{1,8}){0,4}")

Fact = Callable[[Sight], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Operators:
    """What was asked for besides words; with each whether it is wanted (or excluded)."""

    facts: frozenset[tuple[str, bool]] = frozenset()
    handles: frozenset[tuple[str, bool]] = frozenset()
    """Of `from:`, casefolded; "me" is the viewer."""
    languages: tuple[tuple[str, bool], ...] = ()
    after: int = 0
    before: int = LAST
    """Post ids: later than the former, earlier than the latter."""
    gaps: tuple[tuple[int, int], ...] = ()
    """Post ids from the first up to the second are excluded."""

    @property
    def shape(self) -> tuple[Any, ...]:
        """What of it makes a statement of its own; the rest are values."""
        return tuple(sorted(self.facts)), tuple(wanted for _, wanted in self.languages), len(self.gaps)

    @property
    def values(self) -> dict[str, Any]:
        """Of `conditions`."""
        bound: dict[str, Any] = {}
        for number, (code, _) in enumerate(self.languages):
            bound |= {f"language_{number}": code, f"region_{number}": f"{code}-%"}
        for number, (first, end) in enumerate(self.gaps):
            bound |= {f"first_{number}": first, f"end_{number}": end}
        return bound


@dataclass
class _Reading:
    facts: set[tuple[str, bool]] = field(default_factory=set)
    handles: set[tuple[str, bool]] = field(default_factory=set)
    languages: dict[tuple[str, bool], None] = field(default_factory=dict)
    gaps: dict[tuple[int, int], None] = field(default_factory=dict)
    after: int = 0
    before: int = LAST

    def take(self, name: str, value: str, wanted: bool) -> None:
        match name:
            case "from":
                self.handles.add((value, wanted))
            case "language":
                if not _LANGUAGE.fullmatch(value):
                    raise Invalid("A language is written as its code: language:de", field="q")
                self.languages[value, wanted] = None
            case "has" | "is" | "in":
                self.facts.add((_fact(name, value), wanted))
            case _:
                self._time(name, _day(value), wanted)

    def _time(self, name: str, day: int, wanted: bool) -> None:
        first, end = floor_id(day), floor_id(day + DAY_MS)
        if name == "during":
            if wanted:
                self._between(first - 1, end)
            else:
                self.gaps[first, end] = None
        elif name == "before":
            self._between(0, first) if wanted else self._between(first - 1, LAST)
        else:
            self._between(end - 1, LAST) if wanted else self._between(0, end)

    def _between(self, after: int, before: int) -> None:
        self.after, self.before = max(self.after, after), min(self.before, before)


def read(q: str) -> tuple[str, Operators]:
    """The words of what was typed, and the operators. Raises Invalid for values that no operator has."""
    words: list[str] = []
    found = _Reading()
    count = 0
    for part in _PART.finditer(q.translate(_SIGNS)):
        if part["name"] is None:
            words.append(part.group())
            continue
        count += 1
        if count > MAX_OPERATORS:
            raise Invalid(f"The search has more than {MAX_OPERATORS} operators.", field="q")
        found.take(part["name"].lower(), part["value"].strip('"').casefold(), not part["minus"])
    asked = Operators(
        frozenset(found.facts),
        frozenset(found.handles),
        tuple(sorted(found.languages)),
        found.after,
        found.before,
        tuple(sorted(found.gaps)),
    )
    return " ".join(words), asked


def _fact(name: str, value: str) -> str:
    known = _SCOPES if name == "in" else _PROPERTIES
    if value not in known:
        raise Invalid(f"{name}: knows {', '.join(known)}.", field="q")
    return value


def _day(written: str) -> int:
    """Start of a day, ms."""
    try:
        return int(datetime.strptime(written, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError as error:
        raise Invalid("A date is written as 2026-01-31.", field="q") from error


# --- As conditions on `post`


def conditions(eyes: Sight, shape: tuple[Any, ...], *, led_by: str = "") -> list[ColumnElement[bool]]:
    """Those of a `shape`, but for the one fact that the statement is led by. Bounds of time are the statement's own."""
    facts, languages, gaps = shape
    made = [
        _FACTS[name](eyes) if wanted else ~_FACTS[name](eyes)
        for name, wanted in facts
        if not (wanted and name == led_by)
    ]
    for number, wanted in enumerate(languages):
        spoken = func.lower(func.coalesce(post.c.language, ""))
        same = or_(
            spoken == bindparam(f"language_{number}", type_=String),
            spoken.like(bindparam(f"region_{number}", type_=String)),
        )
        made.append(same if wanted else ~same)
    for number in range(gaps):
        made.append(or_(post.c.id < bindparam(f"first_{number}"), post.c.id >= bindparam(f"end_{number}")))
    return made


def lead(shape: tuple[Any, ...]) -> str:
    """The fact by whose rows the posts are best found where there are no words; "" if they must be walked."""
    wanted = {name for name, is_wanted in shape[0] if is_wanted}
    return next((name for name in ("library", *_HANGING) if name in wanted), "")


def led(
    name: str, eyes: Sight, above: ColumnElement[int], below: ColumnElement[int]
) -> tuple[Select[Any], ColumnElement[int]]:
    """(statement, its key) of the posts that a fact of `lead` names, each once."""
    if name == "library":
        keys = _library(eyes, above, below).subquery("mine")
        return select(keys.c.post_id).select_from(keys.join(post, post.c.id == keys.c.post_id)), keys.c.post_id
    table, kinds = _HANGING[name]
    key = table.c.post_id
    # Bounds are put on the table's own key, so that it is walked newest first along its index, up to the limit.
    statement = select(key).distinct().select_from(table.join(post, post.c.id == key))
    return statement.where(*_of_kind(table, kinds), key > above, key < below), key


_HANGING: dict[str, tuple[Table, tuple[str, ...]]] = {
    "poll": (poll, ()),
    "audio": (media, ("audio",)),
    "video": (media, ("video", "gifv")),
    "quote": (quote, ()),
    "image": (media, ("image",)),
    "media": (media, ()),
    "link": (post_link, ()),
}
"""Facts that are rows of another table (of these kinds, if any), the rarest first."""


def _of_kind(rows: FromClause, kinds: tuple[str, ...]) -> list[ColumnElement[bool]]:
    # Written out, not bound: they are constants of the rule.
    return [rows.c.kind.in_([literal_column(f"'{kind}'") for kind in kinds])] if kinds else []


def _hangs(name: str) -> Fact:
    table, kinds = _HANGING[name]
    rows = table.alias(f"has_{name}")

    def holds(_eyes: Sight) -> ColumnElement[bool]:
        return some(rows, rows.c.post_id == post.c.id, *_of_kind(rows, kinds))

    return holds


def _is_reply(_eyes: Sight) -> ColumnElement[bool]:
    return or_(post.c.in_reply_to_id.is_not(None), post.c.in_reply_to_iri.is_not(None))


def _by_bot(_eyes: Sight) -> ColumnElement[bool]:
    author = account.alias("writer")
    automatic = or_(
        author.c.bot.is_(True), author.c.actor_type.in_([literal_column("'Service'"), literal_column("'Application'")])
    )
    return some(author, author.c.id == post.c.author_id, automatic)


_TOUCHED = (favourite, bookmark, reaction, mention)
_BOOST = post.alias("own_boost")


def _in_library(eyes: Sight) -> ColumnElement[bool]:
    """The viewer wrote it, boosted, favourited, bookmarked or reacted to it, voted in it, or is mentioned in it."""
    touched = [some(t, t.c.post_id == post.c.id, t.c.account_id == eyes.who) for t in map(_aliased, _TOUCHED)]
    voted = some(poll_vote, poll_vote.c.poll_id == post.c.id, poll_vote.c.account_id == eyes.who)
    boosted = some(_BOOST, _BOOST.c.boost_of_id == post.c.id, _BOOST.c.author_id == eyes.who)
    return or_(post.c.author_id == eyes.who, *touched, voted, boosted)


def _aliased(table: Any) -> FromClause:
    alias: FromClause = table.alias(f"own_{table.name}")
    return alias


def _library(eyes: Sight, above: ColumnElement[int], below: ColumnElement[int]) -> Any:
    """The same as keys (`post_id`), found from the viewer's own rows alone."""
    mine = post.alias("mine_")

    def within(key: ColumnElement[Any], *more: ColumnElement[bool]) -> Select[Any]:
        return select(key.label("post_id")).where(key > above, key < below, *more)

    return union_of(
        within(mine.c.id, mine.c.author_id == eyes.who, mine.c.boost_of_id.is_(None)),
        within(_BOOST.c.boost_of_id, _BOOST.c.author_id == eyes.who),
        within(poll_vote.c.poll_id, poll_vote.c.account_id == eyes.who),
        *(within(t.c.post_id, t.c.account_id == eyes.who) for t in map(_aliased, _TOUCHED)),
    )


_FACTS: dict[str, Fact] = {
    **{name: _hangs(name) for name in _HANGING},
    "embed": lambda _eyes: false(),
    "reply": _is_reply,
    "sensitive": lambda _eyes: post.c.sensitive.is_(True),
    "bot": _by_bot,
    "library": _in_library,
    "public": lambda _eyes: post.c.visibility == literal_column("0"),
    "all": lambda _eyes: true(),
}
_SCOPES = ("library", "public", "all")
_PROPERTIES = ("media", "image", "video", "audio", "poll", "link", "quote", "embed", "reply", "sensitive", "bot")
