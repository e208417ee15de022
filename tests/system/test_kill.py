"""SIGKILL in the middle of work: what was answered is kept, each thing happens once.

Issue: of 1,000 posts every acknowledged one arrives at the other node, each once; beyond these at most one per connection
in flight at the kill, also once, which the same Idempotency-Key returns.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from tests.conftest import missing
from tests.support.running import Person, RunningNode, until

Maker = Callable[..., RunningNode]
Pair = tuple[RunningNode, RunningNode]
POSTS = 1000
CONNECTIONS = 8
pytestmark = pytest.mark.timeout(300)


async def test_the_sender_is_killed_in_the_middle_of_a_thousand_posts(two_nodes: Pair) -> None:
    engineering, field = two_nodes
    anna, tom = engineering.person("anna"), field.person("tom")
    await tom.follow(anna)
    acknowledged: dict[str, str] = {}

    writing = asyncio.ensure_future(_write(anna, acknowledged, [f"key{n}" for n in range(POSTS)]))
    await until(_at_least(acknowledged, POSTS // 3), "a third is written", 60, 0.005)
    engineering.kill()
    in_flight = await writing
    assert len(acknowledged) < POSTS
    assert len(in_flight) <= CONNECTIONS

    engineering.start()
    kept = dict(acknowledged)
    again = await _write(anna, acknowledged, [*in_flight, *_rest(acknowledged, in_flight)])
    assert not again
    assert len(acknowledged) == POSTS
    repeated: dict[str, str] = {}
    assert not await _write(anna, repeated, list(kept)[-50:])
    assert repeated == {key: kept[key] for key in repeated}

    await _arrived(tom, POSTS)
    assert Counter(s["uri"] for s in await tom.whole_home()) == Counter(set(acknowledged.values()))
    assert Counter(s["uri"] for s in await anna.whole_home()) == Counter(set(acknowledged.values()))


async def test_the_receiver_is_killed_in_the_middle_of_a_thousand_posts(two_nodes: Pair) -> None:
    engineering, field = two_nodes
    anna, tom = engineering.person("anna"), field.person("tom")
    await tom.follow(anna)
    acknowledged: dict[str, str] = {}
    writing = asyncio.ensure_future(_write(anna, acknowledged, [f"key{n}" for n in range(POSTS)]))
    await until(_at_least(acknowledged, POSTS // 3), "a third is written", 60, 0.005)
    field.kill()
    assert not await writing
    field.start()
    await _arrived(tom, POSTS)
    assert Counter(s["uri"] for s in await tom.whole_home()) == Counter(set(acknowledged.values()))


async def test_an_fsync_happens_before_the_answer(make_running_node: Maker, tmp_path: Path) -> None:
    """SQLite, seen with strace: between the request and the 200 lies an fdatasync of the write-ahead log."""
    if shutil.which("strace") is None:
        missing("no strace here (Debian: apt-get install strace)")
    engineering = make_running_node("Engineering")
    anna = engineering.person("anna")
    trace = tmp_path / "trace"
    engineering.start(
        "strace", "-f", "-e", "trace=fsync,fdatasync,write,writev,sendto,sendmsg", "-s", "40", "-o", str(trace)
    )
    async with anna.client() as client:
        await client.get("/api/v1/timelines/home")
        before = len(trace.read_bytes())
        answer = await client.post("/api/v1/statuses", json={"status": "on disk"})
        assert answer.status_code == 200
    engineering.stop()
    lines = trace.read_bytes()[before:].decode(errors="replace").splitlines()
    synced = [n for n, line in enumerate(lines) if "sync(" in line or "sync resumed" in line]
    answered = [n for n, line in enumerate(lines) if "HTTP/1.1 200" in line]
    assert synced, "no fsync at all"
    assert answered, "no answer in the trace"
    assert synced[0] < answered[0]


def _at_least(acknowledged: dict[str, str], number: int) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return len(acknowledged) >= number

    return check


def _rest(acknowledged: dict[str, str], in_flight: list[str]) -> list[str]:
    return [k for k in (f"key{n}" for n in range(POSTS)) if k not in acknowledged and k not in in_flight]


async def _write(person: Person, acknowledged: dict[str, str], keys: list[str]) -> list[str]:
    """Post once per key over several connections until done or the server is gone; keys whose answer never came."""
    todo, lost = iter(keys), []

    async def connection() -> None:
        async with person.client() as client:
            for key in todo:
                try:
                    answer = await client.post(
                        "/api/v1/statuses", json={"status": f"post {key}"}, headers={"Idempotency-Key": key}
                    )
                except httpx.HTTPError:
                    lost.append(key)
                    return
                assert answer.status_code == 200, answer.text
                acknowledged[key] = answer.json()["uri"]

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return lost


async def _arrived(person: Person, number: int) -> None:
    async def all_there() -> bool:
        return len(await person.whole_home()) >= number

    await until(all_there, f"{number} posts arrive", 180, 1.0)
