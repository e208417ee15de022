"""Server-sent events go on where a client left off (Last-Event-ID)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from node import eventlog
from node.eventlog import Cursor
from node.schema import event
from tests.support.rows import rows_of
from tests.web.mastodon.conftest import User
from web.mastodon import hub


@dataclass
class Heard:
    """What came on one stream."""

    events: list[tuple[str, Any]] = field(default_factory=list)
    last_id: str = ""

    @property
    def posts(self) -> list[str]:
        return [data["id"] for name, data in self.events if name == "update"]

    async def until(self, number: int) -> None:
        for _ in range(500):
            if len(self.events) >= number:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"heard {len(self.events)} events instead of {number}")


@asynccontextmanager
async def listening(user: User, stream: str, last_id: str = "") -> AsyncIterator[Heard]:
    heard, begun = Heard(last_id=last_id), asyncio.Event()
    headers = user.headers | ({"Last-Event-ID": last_id} if last_id else {})

    async def read() -> None:
        async with (
            httpx.AsyncClient(base_url=user.served.base, headers=headers, timeout=10) as client,
            client.stream("GET", f"/api/v1/streaming/{stream}") as answer,
        ):
            name = ""
            async for line in answer.aiter_lines():
                key, _, value = line.partition(": ")
                if line == ":)":
                    begun.set()
                elif key == "event":
                    name = value
                elif key == "id":
                    heard.last_id = value
                elif key == "data":
                    heard.events.append((name, json.loads(value) if value.startswith("{") else value))

    task = asyncio.create_task(read())
    try:
        await asyncio.wait_for(begun.wait(), 5)
        yield heard
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_who_comes_back_gets_what_happened_meanwhile_once_and_in_order(anna: User, bert: User) -> None:
    await anna.follow(bert)
    async with listening(anna, "user") as before:
        first = await bert.status("first")
        await before.until(1)
    missed = [(await bert.status(f"missed {number}"))["id"] for number in range(3)]
    await bert.status("@carl not hers", visibility="direct")
    await bert.status("hello @anna")
    await bert.call("DELETE", f"/api/v1/statuses/{first['id']}")
    async with listening(anna, "user", before.last_id) as after:
        await after.until(6)
        late = await bert.status("late")
        await after.until(7)
    assert after.posts[:3] == missed
    assert after.posts[-1] == late["id"]
    assert sorted(name for name, _ in after.events) == ["delete", "notification", *["update"] * 5]
    assert ("delete", first["id"]) in after.events
    async with listening(anna, "user", after.last_id) as nothing:
        await bert.status("new")
        await nothing.until(1)
        assert [data["content"] for _, data in nothing.events] == ["<p>new</p>"]


async def test_what_goes_on_while_somebody_comes_back_is_neither_lost_nor_told_twice(anna: User, bert: User) -> None:
    async with listening(anna, "public") as before:
        await bert.status("first")
        await before.until(1)
    meanwhile = [(await bert.status(f"missed {number}"))["id"] for number in range(30)]

    async def go_on() -> list[str]:
        return [(await bert.status(f"live {number}"))["id"] for number in range(30)]

    writing = asyncio.create_task(go_on())
    async with listening(anna, "public", before.last_id) as after:
        live = await writing
        await after.until(60)
        await asyncio.sleep(0.1)
    assert after.posts == [*meanwhile, *live]


@pytest.mark.parametrize("last_id", ["nonsense", "-1", "1.5", "9" * 30, "1-", "١", "1" + "-1" * 60])
async def test_an_id_that_is_none_of_ours_begins_anew(anna: User, last_id: str) -> None:
    await anna.status("before")
    sent = anna.headers | {"Last-Event-ID": last_id}
    headers = {name.encode(): value.encode() for name, value in sent.items()}
    async with anna.served.http.stream("GET", "/api/v1/streaming/public", headers=headers) as answer:
        assert answer.status_code == 200
        lines = answer.aiter_lines()
        assert await anext(lines) == ":)"
        posted = await anna.status("after")
        async for line in lines:
            if line.startswith("data: "):
                assert json.loads(line[6:])["id"] == posted["id"]
                break


async def test_an_id_of_the_future_misses_nothing_that_comes(anna: User) -> None:
    async with listening(anna, "public", "999999999") as heard:
        await anna.status("hello")
        await heard.until(1)


async def test_the_past_that_is_looked_through_is_bounded(
    anna: User, bert: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MAX_MISSED", 2)
    posted = [(await bert.status(str(number)))["id"] for number in range(5)]
    async with listening(anna, "public", "0") as heard:
        await heard.until(2)
        await asyncio.sleep(0.1)
    assert heard.posts == posted[-2:]


async def test_a_long_absence_is_read_in_batches(anna: User, bert: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventlog, "_AFTER", eventlog._AFTER.limit(3))
    monkeypatch.setattr(eventlog, "BATCH", 3)
    posted = [(await bert.status(str(number)))["id"] for number in range(10)]
    async with listening(anna, "public", "0") as heard:
        await heard.until(10)
    assert heard.posts == posted


async def test_what_became_visible_late_is_in_what_is_missed(anna: User, bert: User) -> None:
    """Ids that a reader skipped are part of the id that a client keeps."""
    posted = [(await bert.status(str(number)))["id"] for number in range(3)]
    ids = [row.id for row in await rows_of(anna.node, event, event.c.kind == "update")]
    left_off = eventlog.written(Cursor(ids[2], ((ids[1], 0),)))
    async with listening(anna, "public", left_off) as heard:
        await heard.until(1)
        await asyncio.sleep(0.1)
    assert heard.posts == [posted[1]]


def test_a_cursor_is_read_as_it_was_written() -> None:
    cursor = Cursor(30, ((12, 5), (20, 5)))
    assert eventlog.parsed(eventlog.written(cursor), 5) == cursor
    many = Cursor(3000, tuple((id_, 5) for id_ in range(1000)))
    kept = eventlog.parsed(eventlog.written(many), 5)
    assert kept == Cursor(3000, many.gaps[-eventlog.MAX_WRITTEN :])
