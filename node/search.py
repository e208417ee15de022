"""Search in posts, on both engines over the same tokens (design, decision 14; see tokens.py).

Newest first: in a company one looks for the latest state of a thing. Every hit passes `visible`, and the posts of people
whom the viewer has blocked or muted are left out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Executable,
    MetaData,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from node import accounts, sight
from node.errors import Invalid, NotFound
from node.ids import AccountId, PostId, floor_id
from node.runtime import Tx
from node.schema import post
from node.schema.meta import Id
from node.sight import LAST, Sight
from node.tokens import FTS5_TOKENIZE, fts5_match, index_tokens, query, tsquery, tsvector_literal

MAX_RESULTS = 40

_OPERATOR = re.compile(r'(?:(?<=\s)|^)(from|before|after):("[^"]*"|\S+)', re.IGNORECASE)

# Not among the tables of schema/: SQLite's is virtual, PostgreSQL's has a type of its own. `ddl` makes them.
_post_search = Table("post_search", MetaData(), Column("post_id", Id, primary_key=True), Column("tsv", Text))
_REMOVE: dict[str, Executable] = {
    "sqlite": text("DELETE FROM post_search WHERE rowid = :of").bindparams(bindparam("of", type_=Id)),
    "postgresql": delete(_post_search).where(_post_search.c.post_id == bindparam("of", type_=Id)),
}
_INSERT: dict[str, Executable] = {
    "sqlite": text("INSERT INTO post_search (rowid, tokens) VALUES (:of, :tokens)"),
    "postgresql": text("INSERT INTO post_search (post_id, tsv) VALUES (:of, CAST(:tokens AS tsvector))"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed, read: the words as the engine wants them, and the operators."""

    match: str | None
    handle: str | None = None
    """Of `from:`; "me" is the viewer."""
    after: int = 0
    before: int = LAST
    """Post ids: later than the former, earlier than the latter."""


def ddl(dialect: str) -> list[str]:
    """Statements that make the index; they do nothing where it is there already."""
    if dialect == "sqlite":
        return [f"CREATE VIRTUAL TABLE IF NOT EXISTS post_search USING fts5(tokens, tokenize={FTS5_TOKENIZE})"]
    return [
        "CREATE TABLE IF NOT EXISTS post_search ("
        "post_id BIGINT PRIMARY KEY REFERENCES post (id) ON DELETE CASCADE, tsv TSVECTOR NOT NULL)",
        "CREATE INDEX IF NOT EXISTS ix_post_search_tsv ON post_search USING gin (tsv)",
    ]


def entry(plain: str, dialect: str) -> str:
    """What the index holds for a plain text; "" if there is nothing to find in it.

    Pure, and the dear half of indexing: 0.1 ms for a usual post, 3 ms for a long one. So it is worked out before the
    transaction wherever the text is known there.
    """
    tokens = index_tokens(plain)
    return " ".join(tokens) if dialect == "sqlite" else tsvector_literal(tokens)


def index(tx: Tx, entries: Sequence[tuple[PostId, str]]) -> None:
    """Make posts findable by their entries. They must not be indexed yet, see `replace`."""
    found = [{"of": post_id, "tokens": tokens} for post_id, tokens in entries if tokens]
    if found:
        tx.execute(_INSERT[tx.dialect], found)


def index_all(tx: Tx, posts: Sequence[tuple[PostId, str]]) -> None:
    """The same by their plain texts."""
    index(tx, [(post_id, entry(plain, tx.dialect)) for post_id, plain in posts])


def remove(tx: Tx, post_ids: Sequence[int]) -> None:
    """Forget posts. On SQLite no foreign key does it: call it whenever posts are deleted, on either engine."""
    if post_ids:
        tx.execute(_REMOVE[tx.dialect], [{"of": post_id} for post_id in post_ids])


def replace(tx: Tx, post_id: PostId, found_by: str) -> None:
    """Index an edited post by its new entry."""
    remove(tx, [post_id])
    index(tx, [(post_id, found_by)])


def posts(
    tx: Tx,
    q: str,
    *,
    limit: int = 20,
    offset: int = 0,
    account_id: AccountId | None = None,
    max_id: int | None = None,
    min_id: int | None = None,
) -> list[PostId]:
    """Posts in which everything that was typed occurs, newest first; `account_id` and the ids narrow it down.

    Operators: `from:name[@domain]`, `from:me`, `before:2026-01-31`, `after:2026-01-31` (UTC, the day itself excluded).
    Nothing but spaces finds nothing. Raises Invalid for a date that is none, and see `tokens.query`.
    """
    asked = read(q, tx.dialect)
    author: int | None = account_id
    if asked.handle is not None:
        named = _author(tx, asked.handle)
        if named is None or (account_id is not None and named != account_id):
            return []
        author = named
    if asked.match is None and author is None and asked == Asked(None):
        return []
    bounds = {
        "match": asked.match,
        "author": author,
        "above": max(asked.after, min_id or 0),
        "below": min(asked.before, max_id or LAST),
        "k": max(0, min(limit, MAX_RESULTS)),
        "skip": max(0, offset),
    }
    found = sight.rows(tx, _hits, bounds, tx.dialect, asked.match is not None, author is not None)
    return [PostId(row.id) for row in found]


def read(q: str, dialect: str) -> Asked:
    """Operators and words of what was typed. Raises Invalid."""
    handle: str | None = None
    after, before = 0, LAST
    for name, value in _OPERATOR.findall(q):
        value = value.strip('"')
        match name.lower():
            case "from":
                handle = value.casefold()
            case "after":
                after = max(after, floor_id(_day(value) + 86_400_000) - 1)
            case "before":
                before = min(before, floor_id(_day(value)))
    asked = query(_OPERATOR.sub(" ", q))
    return Asked(fts5_match(asked) if dialect == "sqlite" else tsquery(asked), handle, after, before)


def _day(written: str) -> int:
    """Start of a day, ms."""
    try:
        return int(datetime.strptime(written, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError as error:
        raise Invalid("A date is written as 2026-01-31.", field="q") from error


def _author(tx: Tx, handle: str) -> int | None:
    if handle == "me":
        return tx.viewer.account_id
    try:
        return AccountId(accounts.by_handle(tx, handle).id)
    except NotFound:
        return None


def _hits(eyes: Sight, dialect: str, matching: bool, by_author: bool) -> Select[Any]:
    above, below = bindparam("above", type_=Id), bindparam("below", type_=Id)
    conditions: list[ColumnElement[bool]] = [eyes.visible(post), post.c.boost_of_id.is_(None)]
    if by_author:
        conditions.append(post.c.author_id == bindparam("author", type_=Id))
    else:
        conditions.append(~eyes.unwanted(post.c.author_id))
    if not matching:
        statement = select(post.c.id).where(post.c.id > above, post.c.id < below, *conditions)
        order: ColumnElement[int] = post.c.id
    else:
        table, key, found = _index(dialect)
        # Bounds and order are put on the index's own key: FTS5 then walks its rows newest first and stops at the limit.
        statement = select(post.c.id).select_from(table.join(post, post.c.id == key))
        statement = statement.where(and_(found, key > above, key < below), *conditions)
        order = key
    return statement.order_by(order.desc()).limit(bindparam("k", type_=Id)).offset(bindparam("skip", type_=Id))


@cache
def _index(dialect: str) -> tuple[Table, ColumnElement[int], ColumnElement[bool]]:
    """(table, its column of post ids, the condition that a row matches :match) of the index."""
    match = bindparam("match", type_=Text())
    if dialect == "postgresql":
        matches = _post_search.c.tsv.op("@@", is_comparison=True)(cast(match, TSQUERY))
        return _post_search, _post_search.c.post_id, matches
    fts = Table("post_search", MetaData(), Column("rowid", Id))
    # The table's own name as a column is how FTS5 says "in any column".
    return fts, fts.c.rowid, literal_column("post_search").op("MATCH", is_comparison=True)(match)
