"""Search in posts, on both engines over the same tokens (design, decision 14; see tokens.py).

Newest first: in a company one looks for the latest state of a thing. Every hit passes `visible`, and the posts of people
whom the viewer has blocked or muted are left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from node import accounts, db, operators, sight
from node.errors import Invalid, NotFound
from node.ids import AccountId, PostId
from node.operators import Operators
from node.runtime import Tx
from node.schema import post
from node.schema.meta import Id
from node.sight import LAST, Sight
from node.tokens import (
    FTS5_TOKENIZE,
    MAX_QUERY,
    fts5_any,
    fts5_match,
    index_tokens,
    query,
    ts_any,
    tsquery,
    tsvector_literal,
)

MAX_RESULTS = 40
WALKED = 20_000
"""Posts, the newest ones, that are looked at one by one where nothing leads to those asked for (`is:sensitive`)."""

_MATCH, _AUTHOR = "match", "author"
"""What may lead to posts besides the facts of operators.py; "" for nothing."""
_NOBODY = -1
_NEWEST = post.alias("newest")

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
    without: str | None
    """Words that must not occur, where there is nothing to match; else they are in `match`."""
    operators: Operators


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

    Operators: see operators.py. Where neither words nor an operator lead to the posts, the newest WALKED are looked
    through, so that `before:` leads further back. Nothing but spaces finds nothing, nor do excluded words alone.
    Raises Invalid, see `operators.read` and `tokens.query`.
    """
    asked = read(q, tx.dialect)
    also = asked.operators
    if asked.match is None and also == Operators():
        return []
    author, others = _authors(tx, also.handles, account_id)
    if author == _NOBODY:
        return []
    values = {
        "match": asked.match,
        "without": asked.without,
        "author": author,
        "others": others,
        "walked": WALKED,
        "above": max(also.after, min_id or 0),
        "below": min(also.before, max_id or LAST),
        "k": max(0, min(limit, MAX_RESULTS)),
        "skip": max(0, offset),
    }
    lead = _MATCH if asked.match is not None else _AUTHOR if author is not None else operators.lead(also.shape)
    flags = (tx.dialect, lead, author is not None, bool(others), asked.without is not None, also.shape)
    found = sight.seldom(tx, _hits, values | also.values, *flags)
    return [PostId(row[0]) for row in found]


def read(q: str, dialect: str) -> Asked:
    """Operators and words of what was typed. Raises Invalid."""
    if len(q) > MAX_QUERY:
        raise Invalid(f"The search is longer than {MAX_QUERY} characters.", field="q")
    words, also = operators.read(q)
    asked = query(words)
    is_sqlite = dialect == "sqlite"
    match = fts5_match(asked) if is_sqlite else tsquery(asked)
    without = None
    if match is None:
        without = fts5_any(asked.exclusions) if is_sqlite else ts_any(asked.exclusions)
    return Asked(match, without, also)


def _authors(tx: Tx, handles: Iterable[tuple[str, bool]], account_id: AccountId | None) -> tuple[int | None, list[int]]:
    """(who wrote it, who did not): the first is None for anybody, _NOBODY for two people at once or an unknown one."""
    author: int | None = account_id
    others = []
    for handle, wanted in sorted(handles):
        named = _author(tx, handle)
        if not wanted:
            others += [named] if named is not None else []
        elif named is None or (author is not None and author != named):
            return _NOBODY, []
        else:
            author = named
    return author, others


def _author(tx: Tx, handle: str) -> int | None:
    if handle == "me":
        return tx.viewer.account_id
    try:
        return AccountId(accounts.by_handle(tx, handle).id)
    except NotFound:
        return None


def _hits(
    eyes: Sight, dialect: str, lead: str, by_author: bool, excluding: bool, without: bool, shape: tuple[Any, ...]
) -> Select[Any]:
    above, below = bindparam("above", type_=Id), bindparam("below", type_=Id)
    statement, key = _led(eyes, dialect, lead, above, below)
    conditions = [eyes.visible(post), post.c.boost_of_id.is_(None), *operators.conditions(eyes, shape, led_by=lead)]
    if by_author:
        conditions.append(post.c.author_id == bindparam("author", type_=Id))
    else:
        conditions.append(~eyes.unwanted(post.c.author_id))
    if excluding:
        conditions.append(~db.among(post.c.author_id, "others"))
    if without:
        table, indexed, found = _index(dialect, "without")
        conditions.append(~sight.some(table, indexed == post.c.id, found))
    statement = statement.where(*conditions).order_by(key.desc())
    return statement.limit(bindparam("k", type_=Id)).offset(bindparam("skip", type_=Id))


def _led(
    eyes: Sight, dialect: str, lead: str, above: ColumnElement[int], below: ColumnElement[int]
) -> tuple[Select[Any], ColumnElement[int]]:
    """(statement, its key): the posts between two ids by what leads to them. Bounds and order are put on the leading
    table's own key, which both engines then walk newest first and stop at the limit."""
    if lead == _MATCH:
        table, key, found = _index(dialect, "match")
        statement = select(post.c.id).select_from(table.join(post, post.c.id == key))
        return statement.where(and_(found, key > above, key < below)), key
    if lead not in (_AUTHOR, ""):
        return operators.led(lead, eyes, above, below)
    statement = select(post.c.id).where(post.c.id > above, post.c.id < below)
    if not lead:
        last = _NEWEST.c.id
        edge = select(last).where(last < below).order_by(last.desc()).limit(1).offset(bindparam("walked", type_=Id))
        statement = statement.where(post.c.id >= func.coalesce(edge.scalar_subquery(), 0))
    return statement, post.c.id


@cache
def _index(dialect: str, name: str) -> tuple[Table, ColumnElement[int], ColumnElement[bool]]:
    """(table, its column of post ids, the condition that a row matches the bound `name`) of the index."""
    match = bindparam(name, type_=Text())
    if dialect == "postgresql":
        matches = _post_search.c.tsv.op("@@", is_comparison=True)(cast(match, TSQUERY))
        return _post_search, _post_search.c.post_id, matches
    fts = Table("post_search", MetaData(), Column("rowid", Id))
    # The table's own name as a column is how FTS5 says "in any column".
    return fts, fts.c.rowid, literal_column("post_search").op("MATCH", is_comparison=True)(match)
