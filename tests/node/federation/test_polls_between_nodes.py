"""A poll between two departments: real nodes, real deliveries, real signatures."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from node import notifications, polls
from node.paging import Page
from node.polls import Asked
from node.schema import job, poll
from node.viewer import Viewer
from tests.support.live_company import LiveNode, NewDatabase, founded, quiet, running


async def until(check: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < end, "did not happen in time"
        await asyncio.sleep(0.05)


async def numbers(node: LiveNode, iri: str) -> tuple[list[int], int]:
    poll_id = await node.id_of(iri)
    row: Any = await node.node.read(lambda tx: tx.first(select(poll).where(poll.c.id == poll_id)))
    return [option["votes"] for option in row.options], row.voters_count


async def vote(node: LiveNode, who: Viewer, iri: str, *choices: int) -> None:
    await node.node.write_as(who, polls.vote, await node.id_of(iri), choices)


async def kinds(node: LiveNode, who: Viewer) -> list[str]:
    return [row.kind for row in await node.node.read_as(who, notifications.page, Page())]


async def test_a_poll_is_voted_on_across_departments_and_its_end_told_on_both(
    tmp_path: Path, new_database_url: NewDatabase
) -> None:
    ours, theirs = nodes = founded(tmp_path, new_database_url, 2)
    async with running(nodes):
        anna, bert = await ours.person("anna"), await ours.person("bert")
        tom, eve = await theirs.person("tom"), await theirs.person("eve")
        asked = Asked(("Monday", "Tuesday", "Friday"), 600, multiple=True)
        iri = await ours.say(anna, "When do we meet?", poll=asked)
        await quiet(nodes)
        await asyncio.gather(
            vote(ours, bert, iri, 0), vote(theirs, tom, iri, 0, 2), vote(theirs, eve, iri, 2), vote(theirs, eve, iri, 1)
        )

        async def counted() -> bool:
            return [await numbers(one, iri) for one in nodes] == [([2, 1, 2], 3)] * 2

        await until(counted)
        # The last day comes early: on both nodes the poll is over, and what waits for that is due.
        for one in nodes:
            await one.node.write(_over, await one.id_of(iri))

        async def told() -> bool:
            everybody = [(ours, anna), (ours, bert), (theirs, tom), (theirs, eve)]
            return [await kinds(*one) for one in everybody] == [["poll"]] * 4

        await until(told)
        await quiet(nodes)
        assert [await numbers(one, iri) for one in nodes] == [([2, 1, 2], 3)] * 2


def _over(tx: Any, poll_id: int) -> None:
    tx.execute(update(poll).where(poll.c.id == poll_id).values(expires_at=tx.now - 1))
    tx.execute(update(job).where(job.c.kind == polls.END_JOB).values(run_at=tx.now))
    tx.ring("job")
