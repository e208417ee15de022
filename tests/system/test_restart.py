"""A node is restarted while people listen: their clients come back and have missed nothing."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
import websockets

from tests.support.running import Person, RunningNode, until
from tests.system.conftest import Maker

SOCKETS, PEOPLE = 200, 8
PAGE = 20
pytestmark = pytest.mark.timeout(240)


@dataclass
class Client:
    """What every client does: listens, and asks for what is newer than what it has whenever it connects."""

    person: Person
    http: httpx.AsyncClient
    seen: set[int] = field(default_factory=set)
    connections: int = 0

    async def run(self) -> None:
        address = self.person.node.base.replace("http", "ws") + "/api/v1/streaming?stream=user"
        while True:
            with contextlib.suppress(OSError, httpx.HTTPError, websockets.WebSocketException):
                async with websockets.connect(address, additional_headers=self.person.headers) as socket:
                    await self.catch_up()
                    self.connections += 1
                    async for frame in socket:
                        event = json.loads(frame)
                        if event["event"] == "update":
                            self.seen.add(int(json.loads(event["payload"])["id"]))
            await asyncio.sleep(0.1)

    async def catch_up(self) -> None:
        newest, below = max(self.seen, default=0), None
        while True:
            bounds = {"since_id": newest} | ({} if below is None else {"max_id": below})
            answer = await self.http.get("/api/v1/timelines/home", params={"limit": PAGE, **bounds})
            answer.raise_for_status()
            page = [int(one["id"]) for one in answer.json()]
            self.seen.update(page)
            if len(page) < PAGE:
                return
            below = page[-1]


@contextlib.asynccontextmanager
async def listening(people: list[Person], node: RunningNode) -> AsyncIterator[list[Client]]:
    async with contextlib.AsyncExitStack() as stack:
        clients = []
        for person in people:
            options = {"base_url": node.base, "headers": person.headers, "timeout": 30}
            http = await stack.enter_async_context(httpx.AsyncClient(**options))  # type: ignore[arg-type]
            clients += [Client(person, http) for _ in range(SOCKETS // len(people))]
        tasks = [asyncio.create_task(one.run()) for one in clients]
        try:
            yield clients
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_two_hundred_sockets_over_a_restart_miss_nothing(make_running_node: Maker, engine_name: str) -> None:
    unlimited = {"CORRIDOR_LIMITS__STREAMS_PER_ACCOUNT": "0"}
    engineering = make_running_node("Engineering", engine=engine_name, **unlimited)
    service = make_running_node("Field Service", engine=engine_name)
    engineering.launch()
    service.launch()
    engineering.wait_until_up()
    service.wait_until_up()
    anna, tom = engineering.person("anna"), service.person("tom")
    people = [engineering.person(f"listener{number}") for number in range(PEOPLE)]
    for one in people:
        await one.follow(anna)
        await one.follow(tom)

    async with listening(people, engineering) as clients:

        async def all_back(times: int) -> None:
            async def connected() -> bool:
                return all(one.connections >= times for one in clients)

            await until(connected, f"everybody has connected {times} times", 60)

        await all_back(1)
        expected = {(await anna.status(f"before {number}"))["uri"] for number in range(5)}
        expected |= {(await tom.status(f"before {number}"))["uri"] for number in range(5)}
        stopped = asyncio.to_thread(engineering.stop)
        expected.add((await anna.status("while it is asked to stop"))["uri"])
        assert await stopped == 0
        # What a peer writes now is delivered when the node is back, with ids older than what is written there first.
        expected |= {(await tom.status(f"meanwhile {number}"))["uri"] for number in range(10)}
        await asyncio.to_thread(engineering.start)
        expected |= {(await anna.status(f"after {number}"))["uri"] for number in range(5)}
        await all_back(2)
        expected.add((await tom.status("last"))["uri"])

        async def complete() -> bool:
            return {one["uri"] for one in await people[0].whole_home()} == expected

        await until(complete, "everything has arrived", 60)
        wanted = {one.name: {int(post["id"]) for post in await one.whole_home()} for one in people}

        async def nothing_missed() -> bool:
            return all(one.seen == wanted[one.person.name] for one in clients)

        await until(nothing_missed, "every client has every post", 30)
        assert len(clients) == SOCKETS
        assert len(expected) == 27
