import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from activitypub import collections
from activitypub.collections import Cursor
from activitypub.errors import FetchFailed, Malformed
from activitypub.vocabulary import Iri

OWNER = Iri("https://a.example/users/alice")
OUTBOX = Iri("https://a.example/users/alice/outbox")


class Remote:
    """A server whose documents are those of a dict; notes what was asked for."""

    def __init__(self, documents: dict[str, dict[str, Any]]) -> None:
        self.documents = documents
        self.asked: list[str] = []

    async def fetch(self, iri: Iri) -> dict[str, Any]:
        self.asked.append(iri)
        if iri not in self.documents:
            raise FetchFailed("no such document", url=iri, status=404, gone=True)
        return self.documents[iri]


def page(name: str, items: list[Any], *, next: str | None = None) -> dict[str, Any]:
    return {
        "id": f"{OUTBOX}?{name}",
        "type": "OrderedCollectionPage",
        "partOf": OUTBOX,
        "first": f"{OUTBOX}?1",
        "orderedItems": items,
        "next": next,
    }


def note(number: int) -> str:
    return f"https://a.example/notes/{number}"


def paged(*pages: dict[str, Any]) -> Remote:
    root = {"id": OUTBOX, "type": "OrderedCollection", "totalItems": 9, "first": pages[0]["id"]}
    return Remote({one["id"]: one for one in (root, *pages)})


def everything(
    fetch: Callable[[Iri], Awaitable[dict[str, Any]]], start: Any = OUTBOX, **bounds: int
) -> list[Iri | dict[str, Any]]:
    async def gather() -> list[Iri | dict[str, Any]]:
        return [item async for item in collections.read(start, fetch, origin_of=OWNER, **bounds)]

    return asyncio.run(gather())


def test_pages_are_read_in_order_to_the_end() -> None:
    remote = paged(page("1", [note(1), note(2)], next=f"{OUTBOX}?2"), page("2", [{"id": note(3), "type": "Note"}]))
    assert everything(remote.fetch) == [note(1), note(2), {"id": note(3), "type": "Note"}]
    assert remote.asked == [OUTBOX, f"{OUTBOX}?1", f"{OUTBOX}?2"]


def test_a_small_collection_has_its_items_itself() -> None:
    remote = Remote({OUTBOX: {"id": OUTBOX, "type": "Collection", "items": note(1), "first": f"{OUTBOX}?1"}})
    assert everything(remote.fetch) == [note(1)]


def test_an_embedded_collection_and_its_embedded_first_page_cost_no_request() -> None:
    remote = paged(page("2", [note(2)]))
    first = {"type": "CollectionPage", "partOf": OUTBOX, "items": [note(1)], "next": f"{OUTBOX}?2"}
    embedded = {"id": OUTBOX, "type": "Collection", "first": first}
    assert everything(remote.fetch, embedded) == [note(1), note(2)]
    assert remote.asked == [f"{OUTBOX}?2"]


def test_a_ring_of_pages_ends() -> None:
    remote = paged(page("1", [note(1)], next=f"{OUTBOX}?2"), page("2", [note(2)], next=f"{OUTBOX}?1"))
    assert everything(remote.fetch) == [note(1), note(2)]
    assert len(remote.asked) == 3


@pytest.mark.parametrize(
    "foreign", ["https://b.example/outbox?2", "http://a.example/outbox?2", "https://a.example:1/x"]
)
def test_a_page_of_another_origin_is_not_fetched(foreign: str) -> None:
    remote = paged(page("1", [note(1)], next=foreign))
    remote.documents[foreign] = page("2", [note(2)])
    assert everything(remote.fetch) == [note(1)]
    assert foreign not in remote.asked


def test_no_more_documents_are_fetched_than_allowed() -> None:
    remote = paged(*(page(str(n), [note(n)], next=f"{OUTBOX}?{n + 1}") for n in range(1, 50)))
    assert len(everything(remote.fetch)) == 9
    assert len(remote.asked) == 10
    assert everything(remote.fetch, pages=3) == [note(1), note(2)]


def test_no_more_items_are_yielded_than_allowed_and_none_is_fetched_in_vain() -> None:
    remote = paged(page("1", [note(n) for n in range(1500)], next=f"{OUTBOX}?2"), page("2", [note(9999)]))
    assert len(everything(remote.fetch)) == 1000
    assert f"{OUTBOX}?2" not in remote.asked
    assert everything(remote.fetch, items=2) == [note(0), note(1)]


def test_what_was_read_before_a_failure_stands() -> None:
    remote = paged(page("1", [note(1)], next=f"{OUTBOX}?gone"))
    seen: list[Iri | dict[str, Any]] = []

    async def gather() -> None:
        async for item in collections.read(OUTBOX, remote.fetch, origin_of=OWNER):
            seen.append(item)

    with pytest.raises(FetchFailed):
        asyncio.run(gather())
    assert seen == [note(1)]


def test_a_document_that_is_no_collection_is_malformed() -> None:
    with pytest.raises(Malformed):
        everything(Remote({OUTBOX: {"id": OUTBOX, "type": "Note"}}).fetch)


def select(ids: list[int], cursor: Cursor, limit: int) -> list[tuple[int, Iri]]:
    """What the database answers: one row more than the limit, nearest to the cursor, newest first."""
    if cursor.after is not None:
        found = sorted(one for one in ids if one > cursor.after)[: limit + 1]
    else:
        below = [one for one in ids if cursor.before is None or one < cursor.before]
        found = sorted(below, reverse=True)[: limit + 1]
    return [(one, Iri(note(one))) for one in sorted(found, reverse=True)]


def turn(ids: list[int], iri: str, limit: int) -> dict[str, Any]:
    query = dict(part.split("=") for part in iri.partition("?")[2].split("&"))
    cursor = collections.parse_cursor(query)
    assert cursor is not None
    return collections.keyset_page(OUTBOX, select(ids, cursor, limit), cursor=cursor, limit=limit)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 7])
def test_our_pages_lead_to_every_row_once_and_back(size: int) -> None:
    ids = [10 * n for n in range(1, size + 1)]
    at: str | None = collections.paged(OUTBOX, total=size)["first"]
    down: list[str] = []
    last = ""
    while at:
        page = turn(ids, at, 2)
        assert page["id"] == at
        down += page["orderedItems"]
        last, at = at, page.get("next")
    assert down == [note(one) for one in reversed(ids)]
    up: list[str] = []
    at = last
    while at:
        page = turn(ids, at, 2)
        up = page["orderedItems"] + up
        at = page.get("prev")
    assert up == down


def test_our_collection_is_read_by_our_own_reader() -> None:
    ids = list(range(1, 8))

    async def fetch(iri: Iri) -> dict[str, Any]:
        return collections.paged(OUTBOX, total=None) if iri == OUTBOX else turn(ids, iri, 3)

    assert everything(fetch) == [note(one) for one in reversed(ids)]


def test_a_hidden_total_is_absent() -> None:
    assert "totalItems" not in collections.paged(OUTBOX, total=None)
    assert collections.paged(OUTBOX, total=0)["totalItems"] == 0


def test_without_page_the_collection_itself_is_asked_for() -> None:
    assert collections.parse_cursor({}) is None
    assert collections.parse_cursor({"page": "true", "max_id": "5"}) == Cursor(before=5)


@pytest.mark.parametrize("text", ["", "-1", "x", "１", "9" * 19, "9" * 5000, "1.0"])
def test_a_row_id_that_is_none_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        collections.parse_cursor({"page": "true", "max_id": text})
