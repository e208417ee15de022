"""What filters find in a post. Compiled once for each person and revision of their filters, kept by whoever renders."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, literal, select, union_all

from node import db, filters
from node.runtime import Tx
from node.schema import filter_keyword, filter_post, word_filter
from node.schema.meta import Id

_COLUMNS = tuple(word_filter.c[name] for name in ("id", "account_id", "title", "contexts", "action", "expires_at"))
_NOTHING = (literal(None, filter_keyword.c.keyword.type), literal(None, filter_keyword.c.whole_word.type))
_OF = union_all(
    select(*_COLUMNS, filter_keyword.c.keyword, filter_keyword.c.whole_word, literal(None, Id).label("post_id"))
    .join(filter_keyword, filter_keyword.c.filter_id == word_filter.c.id)
    .where(db.among(word_filter.c.account_id, "who")),
    select(*_COLUMNS, *_NOTHING, filter_post.c.post_id)
    .join(filter_post, filter_post.c.filter_id == word_filter.c.id)
    .where(db.among(word_filter.c.account_id, "who")),
)
# Scripts that put no spaces between words: Thai, kana, Han, hangul.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter, ready to be applied."""

    id: int
    title: str
    contexts: int
    action: str
    expires_at: int | None
    words: tuple[tuple[str, re.Pattern[str]], ...]
    """Each keyword as it was written, and what finds it in a casefolded text."""
    posts: frozenset[int]

    @property
    def hides_notifications(self) -> bool:
        return self.action == "hide" and bool(self.contexts & filters.CONTEXTS["notifications"])


@dataclass(frozen=True, slots=True)
class Match:
    """What one filter found in one post."""

    filter: Filter
    keywords: tuple[str, ...]
    by_post: bool


def of(tx: Tx, who: Collection[int]) -> dict[int, tuple[Filter, ...]]:
    """Filters of these people that have anything to look for. One statement."""
    rows: dict[tuple[int, int], list[Row[Any]]] = {}
    for row in tx.rows(_OF, {"who": list(who)}):
        rows.setdefault((row.account_id, row.id), []).append(row)
    found: dict[int, tuple[Filter, ...]] = {}
    for account_id, filter_id in sorted(rows):
        found[account_id] = (*found.get(account_id, ()), _compiled(rows[account_id, filter_id]))
    return found


def matches(found: Iterable[Filter], post_id: int, text: str, now: int) -> list[Match]:
    """Those of the filters, unless they expired, that match a post; `text` is casefolded."""
    matched = []
    for one in found:
        if one.expires_at is not None and one.expires_at <= now:
            continue
        words = tuple(word for word, pattern in one.words if pattern.search(text))
        if words or post_id in one.posts:
            matched.append(Match(one, words, post_id in one.posts))
    return matched


def pattern(keyword: str, *, whole_word: bool) -> re.Pattern[str]:
    """What finds a keyword in a casefolded text. A literal between two looks aside: it takes no time to speak of.

    A whole word has no letter or digit beside it, where the keyword itself begins or ends with one ("#seal" has only an
    end), and where the script has words with spaces between them.
    """
    text = keyword.strip().casefold()
    if not whole_word:
        return re.compile(re.escape(text))
    before = r"(?<!\w)" if _bounded(text[:1]) else ""
    after = r"(?!\w)" if _bounded(text[-1:]) else ""
    return re.compile(before + re.escape(text) + after)


def _bounded(letter: str) -> bool:
    return re.match(r"\w", letter) is not None and _UNSPACED.match(letter) is None


def _compiled(rows: Sequence[Row[Any]]) -> Filter:
    first = rows[0]
    words = [(row.keyword, pattern(row.keyword, whole_word=row.whole_word)) for row in rows if row.keyword is not None]
    posts = frozenset(row.post_id for row in rows if row.post_id is not None)
    return Filter(first.id, first.title, first.contexts, first.action, first.expires_at, tuple(words), posts)
