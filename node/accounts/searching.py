"""Finding people by their names, by their work, and by what they say about themselves (indexing.py).

Every word that was typed must be found, and who has them all in a better place comes first:

    the exact handle · the user name · the display name · title and department · the profile's text and fields

Of the names a word may be the beginning. In each place those whom the viewer follows come first, then those with most
followers: among CANDIDATES of them, so that a word that half the company has costs no more than a rare one.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    MetaData,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from node import tokens
from node.accounts.finding import PRESENT
from node.accounts.indexing import ABOUT, DISPLAY, NAME, WORK, handle_token, marked
from node.accounts.lookup import me, normal_handle, storable
from node.errors import Invalid
from node.runtime import Tx
from node.schema import account, follow
from node.schema.meta import Id
from node.tokens import Phrase, Term, fts5_phrase, ts_phrase

MAX_QUERY = 200
MAX_WORDS = 8
CANDIDATES = 200

_HANDLE = re.compile(r'(?<!\S)@?([^\s"@]+@[^\s"@]*)(?!\S)')
_AT = re.compile(r"(?<!\S)@(?=[^\s@])")

_NAMES = (NAME, DISPLAY)
_PLACES = ((NAME,), _NAMES, (*_NAMES, WORK), (*_NAMES, WORK, ABOUT))
"""Marks of the places where all words must stand, the best first."""

# Not among the tables of schema/, like `post_search`.
_FTS5 = Table("account_search", MetaData(), Column("rowid", Id))
_POSTGRES = Table("account_search", MetaData(), Column("account_id", Id), Column("tsv", Text))

Spell = Callable[[Phrase, bool], str]
_SPELLINGS: dict[str, tuple[Spell, str, str, str]] = {
    "sqlite": (fts5_phrase, " AND ", " OR ", "NOT"),
    "postgresql": (ts_phrase, " & ", " | ", "& !"),
}
_VIEWER = bindparam("viewer", type_=Id)
_FOLLOWED = select(follow.c.target_id).where(follow.c.follower_id == _VIEWER, follow.c.state == "accepted")


def search(tx: Tx, q: str, *, limit: int, offset: int = 0, following: bool = False) -> list[int]:
    """Ids of the people found, the best first. `following`: only whom the viewer follows, who must be somebody then."""
    if following:
        me(tx)
    wanted = " ".join(q[:MAX_QUERY].split()[:MAX_WORDS])
    if not wanted or not storable(q):
        return []
    last = offset + limit
    values = {"viewer": tx.viewer.account_id or 0, "k": last, "candidates": max(CANDIDATES, last)}
    found = tx.scalars(_exact(following), values | {"handle": normal_handle(tx, wanted)})
    for match in _matches(wanted, tx.dialect):
        if len(found) >= last:
            break
        # Who is found in a better place is found again: fewer than `last`, so that there is room for the others.
        people = tx.scalars(_matching(tx.dialect, following), values | {"match": match})
        found += [id_ for id_ in people if id_ not in found]
    return found[offset:last]


@cache
def _exact(following: bool) -> Select[Any]:
    statement = select(account.c.id).where(account.c.handle == bindparam("handle"), PRESENT)
    return statement.where(account.c.id.in_(_FOLLOWED)) if following else statement


@cache
def _matching(dialect: str, following: bool) -> Select[Any]:
    table, key, found = _index(dialect)
    # "+ 0": FTS5 offers to look up rows one by one, and would match anew for each person that is followed.
    near = (key + 0).in_(_FOLLOWED)
    hits = select(key.label("id"), near.label("near")).select_from(table).where(found)
    if following:
        hits = hits.where(near)
    some = hits.order_by(near.desc(), key).limit(bindparam("candidates", type_=Id)).subquery()
    return (
        select(account.c.id)
        .join(some, some.c.id == account.c.id)
        .where(PRESENT)
        .order_by(some.c.near.desc(), account.c.followers_count.desc(), account.c.id)
        .limit(bindparam("k", type_=Id))
    )


def _index(dialect: str) -> tuple[Table, ColumnElement[int], ColumnElement[bool]]:
    """(table, its column of account ids, the condition that a row matches :match) of the index."""
    match = bindparam("match", type_=Text())
    if dialect == "postgresql":
        found = _POSTGRES.c.tsv.op("@@", is_comparison=True)(cast(match, TSQUERY))
        return _POSTGRES, _POSTGRES.c.account_id, found
    # The table's own name as a column is how FTS5 says "in any column".
    return _FTS5, _FTS5.c.rowid, literal_column("account_search").op("MATCH", is_comparison=True)(match)


# --- what was typed, as the engines want it ----------------------------------


def _matches(wanted: str, dialect: str) -> Iterator[str]:
    """For each place in turn: who has all words there or in a better place."""
    handles = [handle_token(found) for found in _HANDLE.findall(wanted)]
    try:
        asked = tokens.query(_AT.sub("", _HANDLE.sub(" ", wanted)))
    except Invalid:  # more words than anybody has
        return
    words = [*((term, True) for term in asked.terms), *((phrase, False) for phrase in asked.phrases)]
    if not words and not handles:
        return
    phrase, and_, or_, but = _SPELLINGS[dialect]
    without = "".join(f" {but} {_either(or_, phrase, term, False, _PLACES[-1])}" for term in asked.exclusions)
    for place in _PLACES:
        parts = [phrase((handle,), True) for handle in handles]
        parts += [_either(or_, phrase, term, begins, place) for term, begins in words]
        yield f"({and_.join(parts)}){without}"


def _either(or_: str, phrase: Spell, term: Term, begins: bool, place: Sequence[str]) -> str:
    """One of a term's phrases in one of the places; of names it may be the beginning."""
    parts = [
        phrase(tuple(marked(mark, found)), begins and mark in _NAMES) for mark in place for found in term.alternatives
    ]
    return f"({or_.join(parts)})"
