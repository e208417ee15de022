"""Filters: words and posts that somebody does not want to stumble over. What they do to posts is in node.filtering.

A filter is its owner's alone: to everybody else it is NotFound. Every change raises `login.filters_rev`, by which readers
notice that the filters they keep are old; 0 means that there never was one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, insert, select, update

from node import db, threads
from node.accounts.finding import acct
from node.accounts.lookup import me
from node.errors import Conflict, Invalid, NotFound
from node.runtime import Tx
from node.schema import account, filter_keyword, filter_post, login, post, word_filter
from node.schema.meta import Id

CONTEXTS = {"home": 1, "notifications": 2, "public": 4, "thread": 8, "account": 16}
ACTIONS = ("warn", "hide", "blur")
MAX_TITLE = 256
MAX_KEYWORD = 512
"""Characters, both as in Mastodon."""
MAX_FILTERS = 200
MAX_KEYWORDS = 500
MAX_POSTS = 1000
"""Of one person; of one filter."""

_OF, _FILTER = bindparam("of", type_=Id), bindparam("filter", type_=Id)
_MINE = select(word_filter).where(word_filter.c.account_id == _OF).order_by(word_filter.c.id)
_ONE = select(word_filter).where(word_filter.c.id == _FILTER, word_filter.c.account_id == _OF)
_COUNT = select(func.count()).select_from(word_filter).where(word_filter.c.account_id == _OF)
_KEYWORDS = select(filter_keyword).where(db.among(filter_keyword.c.filter_id, "ids")).order_by(filter_keyword.c.id)
_POSTS = select(filter_post).where(db.among(filter_post.c.filter_id, "ids")).order_by(filter_post.c.id)
_KEYWORD = (
    select(filter_keyword)
    .join(word_filter, word_filter.c.id == filter_keyword.c.filter_id)
    .where(filter_keyword.c.id == bindparam("part", type_=Id), word_filter.c.account_id == _OF)
)
_POST = (
    select(filter_post)
    .join(word_filter, word_filter.c.id == filter_post.c.filter_id)
    .where(filter_post.c.id == bindparam("part", type_=Id), word_filter.c.account_id == _OF)
)
_RAISE = update(login).where(login.c.account_id == _OF).values(filters_rev=login.c.filters_rev + 1)
_REV = select(login.c.filters_rev).where(login.c.account_id == _OF)
_OWNER = account.alias()
_LINES = (
    select(word_filter, _OWNER.c.username, _OWNER.c.domain)
    .join(_OWNER, _OWNER.c.id == word_filter.c.account_id)
    .where(word_filter.c.id > bindparam("after", type_=Id))
    .order_by(word_filter.c.id)
    .limit(500)
)
_IRIS = (
    select(filter_post.c.filter_id, post.c.iri)
    .join(post, post.c.id == filter_post.c.post_id)
    .where(db.among(filter_post.c.filter_id, "ids"))
    .order_by(filter_post.c.id)
)


@dataclass(frozen=True, slots=True)
class Whole:
    """A filter with what hangs on it: rows of `word_filter`, `filter_keyword`, `filter_post`."""

    row: Row[Any]
    keywords: Sequence[Row[Any]]
    posts: Sequence[Row[Any]]


@dataclass(frozen=True, slots=True)
class Word:
    """A keyword to be: a new one, a change of `id`, or its end. What is None stays as it is."""

    keyword: str | None = None
    whole_word: bool | None = None
    id: int | None = None
    destroy: bool = False


# --- filters


def own(tx: Tx) -> list[Whole]:
    """The viewer's, the oldest first, those that expired too. Three statements."""
    return _whole(tx, tx.rows(_MINE, {"of": me(tx)}))


def get(tx: Tx, filter_id: int) -> Whole:
    return _whole(tx, [_one(tx, filter_id)])[0]


def create(
    tx: Tx,
    title: str,
    contexts: Collection[str],
    *,
    action: str = "warn",
    expires_at: int | None = None,
    words: Sequence[Word] = (),
) -> int:
    """Raises Invalid for what cannot be, Conflict above MAX_FILTERS, NotFound for a word that is to be changed."""
    owner = me(tx)
    _check(title, contexts, action)
    if tx.scalar(_COUNT, {"of": owner}) >= MAX_FILTERS:
        raise Conflict("You have reached the maximum number of filters")
    filter_id = tx.new_id()
    row = {
        "id": filter_id,
        "account_id": owner,
        "title": title,
        "contexts": _bits(contexts),
        "action": action,
        "expires_at": expires_at,
        "created_at": tx.now,
    }
    tx.execute(insert(word_filter), row)
    _apply(tx, filter_id, words)
    _changed(tx)
    return filter_id


def change(
    tx: Tx,
    filter_id: int,
    *,
    title: str | None = None,
    contexts: Collection[str] | None = None,
    action: str | None = None,
    more: Mapping[str, Any] | None = None,
    words: Sequence[Word] = (),
) -> int:
    """What is None stays as it is. `more` may hold `expires_at`, of which None means never."""
    row = _one(tx, filter_id)
    named = names(row.contexts) if contexts is None else contexts
    values: dict[str, Any] = {
        "title": row.title if title is None else title,
        "contexts": named,
        "action": row.action if action is None else action,
    }
    _check(values["title"], named, values["action"])
    values["contexts"] = _bits(named)
    tx.execute(update(word_filter).where(word_filter.c.id == row.id).values(**values, **(more or {})))
    _apply(tx, row.id, words)
    _changed(tx)
    return int(row.id)


def remove(tx: Tx, filter_id: int) -> None:
    tx.execute(delete(word_filter).where(word_filter.c.id == _one(tx, filter_id).id))
    _changed(tx)


# --- keywords


def keyword(tx: Tx, keyword_id: int) -> Row[Any]:
    row = tx.first(_KEYWORD, {"part": keyword_id, "of": me(tx)})
    if row is None:
        raise NotFound
    return row


def add_keyword(tx: Tx, filter_id: int, text: str, *, whole_word: bool = True) -> int:
    made = _apply(tx, _one(tx, filter_id).id, [Word(text, whole_word)])
    _changed(tx)
    return made[0]


def change_keyword(tx: Tx, keyword_id: int, text: str | None, whole_word: bool | None) -> int:
    row = keyword(tx, keyword_id)
    _apply(tx, row.filter_id, [Word(text, whole_word, row.id)])
    _changed(tx)
    return int(row.id)


def remove_keyword(tx: Tx, keyword_id: int) -> None:
    tx.execute(delete(filter_keyword).where(filter_keyword.c.id == keyword(tx, keyword_id).id))
    _changed(tx)


# --- posts


def filtered_post(tx: Tx, id_: int) -> Row[Any]:
    row = tx.first(_POST, {"part": id_, "of": me(tx)})
    if row is None:
        raise NotFound
    return row


def add_post(tx: Tx, filter_id: int, post_id: int) -> int:
    """Filter one post (of a boost: what it boosts). NotFound if the viewer may not see it, Conflict if it is there."""
    one = get(tx, filter_id)
    wanted = threads.parent(tx, post_id).id
    if any(there.post_id == wanted for there in one.posts):
        raise Conflict("Status has already been taken")
    if len(one.posts) >= MAX_POSTS:
        raise Conflict(f"A filter holds {MAX_POSTS} posts at the most")
    made = tx.new_id()
    tx.execute(insert(filter_post), {"id": made, "filter_id": one.row.id, "post_id": wanted})
    _changed(tx)
    return made


def remove_post(tx: Tx, id_: int) -> None:
    tx.execute(delete(filter_post).where(filter_post.c.id == filtered_post(tx, id_).id))
    _changed(tx)


# --- words and bits


def names(contexts: int) -> list[str]:
    return [name for name, bit in CONTEXTS.items() if contexts & bit]


def lines(tx: Tx, after: int) -> tuple[list[dict[str, Any]], int, set[str]]:
    """A page of `filters.jsonl` (see node.exporting)."""
    rows = tx.rows(_LINES, {"after": after})
    iris: dict[int, list[str]] = {row.id: [] for row in rows}
    for found in tx.rows(_IRIS, {"ids": list(iris)}) if rows else ():
        iris[found.filter_id].append(found.iri)
    made = [
        {
            "owner": acct(one.row),
            "title": one.row.title,
            "context": names(one.row.contexts),
            "action": one.row.action,
            "expires_at": one.row.expires_at,
            "keywords": [{"keyword": word.keyword, "whole_word": word.whole_word} for word in one.keywords],
            "posts": iris[one.row.id],
        }
        for one in _whole(tx, rows)
    ]
    return made, rows[-1].id if rows else after, set()


def _one(tx: Tx, filter_id: int) -> Row[Any]:
    row = tx.first(_ONE, {"filter": filter_id, "of": me(tx)})
    if row is None:
        raise NotFound
    return row


def _whole(tx: Tx, rows: Sequence[Row[Any]]) -> list[Whole]:
    asked = {"ids": [row.id for row in rows]}
    words = tx.rows(_KEYWORDS, asked) if rows else ()
    posts = tx.rows(_POSTS, asked) if rows else ()
    return [
        Whole(row, [one for one in words if one.filter_id == row.id], [one for one in posts if one.filter_id == row.id])
        for row in rows
    ]


def _check(title: str, contexts: Collection[str], action: str) -> None:
    if action not in ACTIONS:
        raise Invalid(f"'{action}' is not a valid filter_action", "filter_action")
    wrong = [] if title.strip() else ["Title can't be blank"]
    if len(title) > MAX_TITLE:
        wrong.append(f"Title is too long (maximum is {MAX_TITLE} characters)")
    if not contexts:
        wrong.append("Context can't be blank")
    if not contexts or set(contexts) - CONTEXTS.keys():
        wrong.append("Context None or invalid context supplied")
    if wrong:
        raise Invalid(", ".join(wrong), "context" if wrong[0].startswith("Context") else "title")


def _bits(contexts: Collection[str]) -> int:
    return sum({CONTEXTS[name] for name in contexts})


def _apply(tx: Tx, filter_id: int, words: Sequence[Word]) -> list[int]:
    """Add, change and remove keywords of one filter; ids of those that stay, in this order."""
    there = {row.id: row for row in tx.rows(_KEYWORDS, {"ids": [filter_id]})} if words else {}
    made: list[int] = []
    for word in words:
        if word.id is not None and word.id not in there:
            raise NotFound
        if word.destroy:
            if word.id is not None:
                del there[word.id]
                tx.execute(delete(filter_keyword).where(filter_keyword.c.id == word.id))
            continue
        known = there[word.id] if word.id is not None else None
        text = word.keyword if word.keyword is not None else "" if known is None else known.keyword
        if not text.strip():
            raise Invalid("Keyword can't be blank", "keyword")
        if len(text) > MAX_KEYWORD:
            raise Invalid(f"Keyword is too long (maximum is {MAX_KEYWORD} characters)", "keyword")
        default = True if known is None else known.whole_word
        row = {"keyword": text, "whole_word": default if word.whole_word is None else word.whole_word}
        if known is not None:
            tx.execute(update(filter_keyword).where(filter_keyword.c.id == known.id).values(**row))
            made.append(known.id)
        elif len(there) + len(made) >= MAX_KEYWORDS:
            raise Conflict(f"A filter holds {MAX_KEYWORDS} keywords at the most")
        else:
            made.append(tx.new_id())
            tx.execute(insert(filter_keyword), row | {"id": made[-1], "filter_id": filter_id})
    return made


def _changed(tx: Tx) -> None:
    """Whoever keeps the viewer's filters is to read them anew; their streams are told."""
    owner = me(tx)
    tx.execute(_RAISE, {"of": owner})
    tx.emit("filters_changed", account_id=owner, data={"rev": tx.scalar(_REV, {"of": owner})})
