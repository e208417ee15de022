"""Pages of things that are ordered by an id, as the Mastodon API asks for them.

`max_id`: older than that; `since_id`: the newest that are newer than that; `min_id`: those right above that.
Results are always newest first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    limit: int = 20
    max_id: int | None = None
    since_id: int | None = None
    min_id: int | None = None

    def apply(self, statement: Select[Any], column: ColumnElement[int]) -> Select[Any]:
        """The statement with the page's bounds, order and limit on `column`. Give its rows to `newest_first`."""
        if self.max_id is not None:
            statement = statement.where(column < self.max_id)
        if self.since_id is not None:
            statement = statement.where(column > self.since_id)
        if self.min_id is not None:
            statement = statement.where(column > self.min_id)
        order = column.asc() if self.min_id is not None else column.desc()
        return statement.order_by(order).limit(self.limit)

    def newest_first(self, rows: Sequence[T]) -> list[T]:
        return list(reversed(rows)) if self.min_id is not None else list(rows)
