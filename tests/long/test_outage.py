"""A peer is away for a day: everything it missed arrives, in order for each object, once, within minutes, slowly at first.

Two nodes in this process, over loopback, whose clock runs with the real one and is set forward by hours. How many activities
wait is OUTAGE_ACTIVITIES (20,000).
"""

import asyncio
import contextlib
import os
import socket
import sys
import time
from bisect import bisect
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from starlette.types import ASGIApp, Receive, Scope, Send

from node import accounts, posts, social
from node.assembly import open_network, open_node
from node.federation import peers
from node.federation.network import Network
from node.posts import Changes, Draft
from node.runtime import Node
from node.schema import delivery, follow, inbox_item, post
from node.secrets import create_secret
from node.viewer import Viewer
from node.worker import Worker
from tests.conftest import make_settings
from tests.support.people import make_person
from tests.support.rows import count_of, id_of
from tests.support.serving import serving
from web.app import create_app

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

ACTIVITIES = int(os.environ.get("OUTAGE_ACTIVITIES", "20000"))
HOURS = 24
AT_ONCE = 32
MINUTES = 10


@dataclass
class Shifted:
    """The real clock, set forward."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Counting:
    """An application that notes when something was posted to its inbox, and what it answered."""

    app: ASGIApp
    at: list[float] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self.app(scope, receive, send)

        async def watched(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.at.append(time.monotonic())
                self.answers[message["status"]] += 1
            await send(message)

        return await self.app(scope, receive, watched)


@dataclass
class Department:
    """A node with its network; `online` serves it and lets it work."""

    node: Node
    network: Network
    port: int

    @contextlib.asynccontextmanager
    async def online(self) -> AsyncIterator[Counting]:
        worker = Worker(self.node, self.network)
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        counting = Counting(create_app(self.node, self.network, worker=worker))
        async with serving(counting, listener):
            yield counting


@pytest.fixture
async def departments(
    tmp_path: Path, engine_name: str, new_database_url: Callable[[str, Path], str]
) -> AsyncIterator[tuple[Department, Department, Shifted]]:
    clock, made = Shifted(), []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        create_secret(folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = make_settings(
            folder,
            database_url=new_database_url(engine_name, folder),
            node={"domain": f"localhost:{port}", "scheme": "http", "department": name.upper()},
            federation={"mode": "open", "allow_loopback": True},
        )
        node = open_node(settings, clock=clock)
        await node.write(accounts.create_node_actor)
        made.append(Department(node, await open_network(node), port))
    yield made[0], made[1], clock
    for one in made:
        await one.network.aclose()
        one.node.close()


async def until(check: Callable[[], Any], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.2)


async def waiting(node: Node) -> int:
    return await count_of(node, delivery, delivery.c.set_aside_at.is_(None))


async def write_for_a_day(node: Node, alice: Viewer, clock: Shifted) -> dict[str, str]:
    """Post and edit, an hour's worth at a time; the last text of each post by its IRI."""
    expected: dict[str, str] = {}
    written = 0
    for hour in range(HOURS):
        goal = ACTIVITIES * (hour + 1) // HOURS
        while written < goal:
            texts = [f"Post {written + number} #day" for number in range(min(AT_ONCE, goal - written))]
            made = await asyncio.gather(*(node.write_as(alice, posts.publish, Draft(text)) for text in texts))
            expected |= {node.urls.post("alice", id_): text for id_, text in zip(made, texts, strict=True)}
            written += len(made)
            if goal - written > 2:
                clock.ahead += 1
                await node.write_as(alice, posts.edit, made[0], Changes(f"Edited {written} #day"))
                expected[node.urls.post("alice", made[0])] = f"Edited {written} #day"
                written += 1
        clock.ahead += 3600
        await asyncio.sleep(1.2)  # the worker looks, and finds the peer away
    return expected


async def test_what_a_peer_missed_in_a_day_arrives_in_order_once_and_within_minutes(
    departments: tuple[Department, Department, Shifted], engine_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b, clock = departments
    alice, bert = await make_person(a.node, "alice"), await make_person(b.node, "bert")
    async with a.online():
        async with b.online():
            target = await b.network.actor(a.node.urls.actor("alice"))
            await b.node.write_as(bert, social.follow, target)
            await until(lambda: count_of(b.node, follow, follow.c.state == "accepted"), 20, "the follow is accepted")
            await a.network.ensure_keys(id_of(alice))
            await until(lambda: _none(waiting(a.node)), 20, "nothing waits before")

        begun = time.monotonic()
        expected = await write_for_a_day(a.node, alice, clock)
        wrote = time.monotonic() - begun
        state = await a.node.read(peers.state_of, b.node.urls.domain)
        held = state.waiting
        assert state.breaker in ("open", "probing")
        assert (state.lag_seconds or 0) > 23 * 3600
        assert held >= ACTIVITIES

        back = time.monotonic()
        async with b.online() as inbox:
            await until(lambda: _none(waiting(a.node)), MINUTES * 60, "everything is sent within ten minutes")
            sent = time.monotonic() - back
            await until(lambda: _none(_unread(b.node)), 300, "everything is taken")
            done = time.monotonic() - back
            in_each = [bisect(inbox.at, back + second + 1) - bisect(inbox.at, back + second) for second in range(90)]
            answers = dict(inbox.answers)

    with capsys.disabled():
        sys.stdout.write(
            f"\n{engine_name}: {held} held activities, written in {wrote:.0f} s; sent in {sent:.0f} s "
            f"({held / sent:.0f}/s), taken after {done:.0f} s; first seconds {in_each[:10]}, busiest {max(in_each)}\n"
        )
    assert sum(in_each[:5]) <= 60, "slowly at first"
    assert set(answers) == {202}
    assert sum(answers.values()) <= held + 10, "once"
    assert await _texts(b.node) == expected
    await _arrived_in_order(b.node)


async def _none(number: Any) -> bool:
    return not await number


async def _unread(node: Node) -> int:
    return await count_of(node, inbox_item, inbox_item.c.next_at.is_not(None))


async def _texts(node: Node) -> dict[str, str]:
    rows = await node.read(lambda tx: tx.rows(select(post.c.iri, post.c.content).where(post.c.local.is_(False))))
    return {row.iri: _plain(row.content) for row in rows}


def _plain(content: str) -> str:
    text, inside = "", False
    for letter in content:
        inside = letter == "<" or (inside and letter != ">")
        text += "" if inside or letter == ">" else letter
    return text


async def _arrived_in_order(node: Node) -> None:
    """The Create of each post came before its Update; both were taken, not refused."""
    statement = select(inbox_item.c.activity_iri, inbox_item.c.outcome).order_by(inbox_item.c.id)
    rows = await node.read(lambda tx: tx.rows(statement))
    assert {row.outcome for row in rows} == {"done"}
    created = await node.read(lambda tx: tx.scalar(select(func.count()).select_from(post).where(~post.c.local)))
    assert sum(row.activity_iri.endswith("/activity") for row in rows) == created
