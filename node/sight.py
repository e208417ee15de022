"""Statements over posts, built once and run for many viewers.

`visibility.visible(viewer)` is a large expression: building it costs SQLAlchemy some 13 ms, running a statement that was
built before 0.2 ms. So a query for posts is written as a function of a `Sight` (and of flags), which `statement` calls
once for all local people, whose id and time are bound when it runs, and once for each other viewer it remembers.

    def _one(sight: Sight) -> Select[Any]:
        return select(post).where(post.c.id == bindparam("id"), sight.visible(post))

    row = sight.first(tx, _one, {"id": post_id})
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, cast

from sqlalchemy import ColumnElement, FromClause, Row, Select, bindparam, exists, false, literal, select

from node import visibility
from node.ids import Millis
from node.paging import Page
from node.runtime import Tx
from node.schema.meta import Id
from node.viewer import Kind, Viewer

VIEWER = bindparam("viewer", type_=Id)
NOW = bindparam("now", type_=Id)

LAST = 2**63 - 1
"""Above every id."""
_OTHERS = 256
"""Statements kept for viewers who are no local people: peers mostly, few of them, asking the same few things."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One viewer's eyes: who it is, what they may see, and what they do not want to. `who` of nobody is NULL."""

    who: ColumnElement[Any]
    visible: Callable[[FromClause], ColumnElement[bool]]
    unwanted: Callable[[ColumnElement[Any]], ColumnElement[bool]]


Build = Callable[..., Select[Any]]


def statement(viewer: Viewer, build: Build, *flags: Hashable) -> Select[Any]:
    """`build(sight, *flags)` for this viewer. Run it with `values`."""
    if viewer.kind is Kind.PERSON:
        return _for_people(build, flags)
    eyes = Viewer(viewer.kind, viewer.account_id, viewer.domain, anonymous_read=viewer.anonymous_read)
    return _for_other(build, eyes, flags)


def values(tx: Tx, more: Mapping[str, Any]) -> dict[str, Any]:
    return {"viewer": tx.viewer.account_id, "now": tx.now, **more}


def rows(tx: Tx, build: Build, more: Mapping[str, Any], *flags: Hashable) -> Sequence[Row[Any]]:
    return tx.rows(statement(tx.viewer, build, *flags), values(tx, more))


def first(tx: Tx, build: Build, more: Mapping[str, Any], *flags: Hashable) -> Row[Any] | None:
    return tx.first(statement(tx.viewer, build, *flags), values(tx, more))


def seldom(tx: Tx, build: Build, more: Mapping[str, Any], *flags: Hashable) -> Sequence[Row[Any]]:
    """`rows` for a statement of so many forms that only those in use are kept."""
    if tx.viewer.kind is not Kind.PERSON:
        return rows(tx, build, more, *flags)
    return tx.rows(_seldom_for_people(build, flags), values(tx, more))


@lru_cache(maxsize=_OTHERS)
def _seldom_for_people(build: Build, flags: tuple[Hashable, ...]) -> Select[Any]:
    return build(_person(), *flags)


@cache
def _for_people(build: Build, flags: tuple[Hashable, ...]) -> Select[Any]:
    return build(_person(), *flags)


@cache
def _person() -> Sight:
    return of_person(VIEWER)


def of_person(who: ColumnElement[int]) -> Sight:
    """The eyes of local people given as a column, for statements that ask for many of them at once; `now` is bound."""
    now = cast("Millis", NOW)  # a bound time is as good as a time

    def visible(posts: FromClause) -> ColumnElement[bool]:
        return visibility.visible_to(who, posts)

    def unwanted(author: ColumnElement[Any]) -> ColumnElement[bool]:
        return visibility.unwanted_by(who, now, author)

    return Sight(who, visible, unwanted)


@lru_cache(maxsize=_OTHERS)
def _for_other(build: Build, viewer: Viewer, flags: tuple[Hashable, ...]) -> Select[Any]:
    def visible(posts: FromClause) -> ColumnElement[bool]:
        return visibility.visible(viewer, posts)

    return build(Sight(literal(viewer.account_id, Id), visible, lambda _author: false()), *flags)


def paged(wanted: Select[Any], key: ColumnElement[int], ascending: bool) -> Select[Any]:
    """The rows of a page, see `page_values`. Ascending they come oldest first: give them to `Page.newest_first`."""
    below, above, k = (bindparam(name, type_=Id) for name in ("below", "above", "k"))
    return wanted.where(key < below, key > above).order_by(key.asc() if ascending else key.desc()).limit(k)


def page_values(page: Page) -> dict[str, int]:
    above = max(page.since_id or 0, page.min_id or 0)
    return {"above": above, "below": LAST if page.max_id is None else page.max_id, "k": page.limit}


def some(rows: FromClause, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """EXISTS over `rows`, correlated with everything around it (see visibility._some)."""
    return exists(select(literal(1)).select_from(rows).where(*conditions).correlate_except(rows))
