"""Collections: reading another server's within bounds, and paging our own by keyset (R20)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from activitypub import build, parse
from activitypub.documents import Collection
from activitypub.errors import Malformed
from activitypub.vocabulary import Iri, origin

Fetch = Callable[[Iri], Awaitable[dict[str, Any]]]
Item = Iri | dict[str, Any]

PAGES = 10
ITEMS = 1000

_LARGEST_ID = 2**63


# --- Reading ------------------------------------------------------------------------------------------------------


async def read(
    start: Iri | dict[str, Any], fetch: Fetch, *, origin_of: Iri, pages: int = PAGES, items: int = ITEMS
) -> AsyncIterator[Item]:
    """The items of a remote collection, page after page; at most `items`, from at most `pages` fetched documents.

    `start` is the collection's IRI, or the collection as it was embedded in another document. `origin_of` is whose
    collection it is, an actor or a post: pages of another origin are not followed, nor is a page seen before. What
    `fetch` raises is passed on; what was yielded before stands. Embedded items are claims, as everywhere.
    """
    home, left = origin(origin_of), items
    async for page in _documents(start, fetch, home, pages):
        for item in islice(page.items, left):
            yield item
        left -= len(page.items)
        if left <= 0:
            return


async def _documents(start: Iri | dict[str, Any], fetch: Fetch, home: str, pages: int) -> AsyncIterator[Collection]:
    waiting: Iri | dict[str, Any] | None = start
    seen: set[Iri] = set()
    budget = pages
    while waiting is not None:
        if isinstance(waiting, str):
            if budget <= 0 or waiting in seen or origin(waiting) != home:
                return
            budget -= 1
            seen.add(waiting)
            page = parse.collection(await fetch(waiting))
        else:
            page = parse.collection(waiting)
        yield page
        waiting = _following(page)


def _following(page: Collection) -> Iri | dict[str, Any] | None:
    """Where to read on. A page may name the collection's `first` as well; a collection with items of its own is whole."""
    if page.type.endswith("Page"):
        return page.next
    return None if page.items else page.first


# --- Ours ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cursor:
    """Which page: rows with ids below `before`, or those next above `after`, or the newest."""

    before: int | None = None
    after: int | None = None


def parse_cursor(query: Mapping[str, str]) -> Cursor | None:
    """The page a request asks for, None if it asks for the collection itself; Malformed for ids that are none."""
    if "page" not in query:
        return None
    return Cursor(before=_row_id(query.get("max_id")), after=_row_id(query.get("min_id")))


def page_iri(collection: Iri, cursor: Cursor) -> Iri:
    """The IRI of a page, as `parse_cursor` reads it."""
    asked = {"page": "true", "max_id": cursor.before, "min_id": cursor.after}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    return Iri(f"{collection}{'&' if '?' in collection else '?'}{query}")


def paged(collection: Iri, *, total: int | None) -> dict[str, Any]:
    """One of our collections, which has pages; `total` is None where it is hidden."""
    return build.ordered_collection(collection, total=total, first=page_iri(collection, Cursor()))


def keyset_page(collection: Iri, rows: Sequence[tuple[int, Item]], *, cursor: Cursor, limit: int) -> dict[str, Any]:
    """A page of at most `limit` of `rows`, which are (row id, item), newest first.

    The caller selects one row more than `limit`, nearest to the cursor, so that it is known whether there are others.
    """
    more = len(rows) > limit
    upwards = cursor.after is not None
    shown = rows[-limit:] if upwards else rows[:limit]
    older = bool(shown) and (more or upwards)
    newer = bool(shown) and (more if upwards else cursor.before is not None)
    return build.collection_page(
        page_iri(collection, cursor),
        part_of=collection,
        items=[item for _, item in shown],
        next=page_iri(collection, Cursor(before=shown[-1][0])) if older else None,
        prev=page_iri(collection, Cursor(after=shown[0][0])) if newer else None,
    )


def _row_id(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) < _LARGEST_ID):
        raise Malformed("not a page of this collection")
    return int(text)
