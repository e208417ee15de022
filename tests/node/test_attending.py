"""Who comes to an event: its author is told, and a block ends it."""

from typing import Any

import pytest

from activitypub.documents import Event
from node import gatherings, notifications, social
from node.attending import ACCEPTED, ASKED
from node.errors import NotFound
from node.ids import PostId
from node.paging import Page
from node.plans import Plan
from node.posts import Draft
from node.runtime import Node
from node.schema import attendance, event
from node.viewer import Viewer
from tests.support.people import make_person
from tests.support.rows import count_of, id_of

START = 1_790_100_000_000


async def invite(node: Node, who: Viewer, **fields: Any) -> PostId:
    plan = Plan("Seal workshop", Event(**{"starts_at": START, **fields}))
    return await node.write_as(who, gatherings.create, plan, Draft("Bring tools"))


async def told(node: Node, who: Viewer) -> list[tuple[str, int]]:
    return [(row.kind, row.from_id) for row in await node.read_as(who, notifications.page, Page())]


async def guests(node: Node, post_id: int) -> int:
    return (await node.read(gatherings.get, post_id)).plan.event.guests


async def test_an_author_is_told_who_comes_and_no_more_once_they_do_not(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await invite(node, anna)
    streamed = await count_of(node, event, event.c.kind == "notification")
    for _ in range(2):
        await node.write_as(bea, gatherings.join, post_id)
    assert await told(node, anna) == [("join", id_of(bea))]
    assert await told(node, bea) == []
    assert await count_of(node, event, event.c.kind == "notification") == streamed
    await node.write_as(bea, gatherings.leave, post_id)
    assert await told(node, anna) == []


async def test_an_author_is_told_who_asks_until_they_answer(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await invite(node, anna, join_mode="restricted")
    assert await node.write_as(bea, gatherings.join, post_id) == ASKED
    assert await told(node, anna) == [("join_request", id_of(bea))]
    await node.write_as(anna, gatherings.decide, post_id, id_of(bea), accept=True)
    assert await told(node, anna) == []


async def test_joins_count_as_news_but_for_those_who_leave_them_out(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await node.write_as(bea, gatherings.join, await invite(node, anna))
    assert await node.read_as(anna, notifications.count) == 1

    def few(tx: Any) -> int:
        return notifications.count(tx, exclude=notifications.OWN)

    assert await node.read_as(anna, few) == 0
    await node.write_as(bea, social.follow, id_of(anna))
    assert await node.read_as(anna, few) == 1


@pytest.mark.parametrize("author_blocks", [True, False])
async def test_a_block_ends_that_either_comes_to_the_other(node: Node, author_blocks: bool) -> None:
    anna, bea, carl = await make_person(node, "anna"), await make_person(node, "bea"), await make_person(node, "carl")
    post_id, hers = await invite(node, anna), await invite(node, bea)
    for who, what in ((bea, post_id), (carl, post_id), (anna, hers)):
        await node.write_as(who, gatherings.join, what)
    blocker, blocked = (anna, bea) if author_blocks else (bea, anna)
    await node.write_as(blocker, social.block, id_of(blocked))
    assert (await guests(node, post_id), await guests(node, hers)) == (1, 0)
    assert await count_of(node, attendance) == 1  # carl's, whom nobody has blocked
    assert await told(node, anna) == [("join", id_of(carl))]
    with pytest.raises(NotFound):
        await node.write_as(blocked, gatherings.join, post_id if author_blocks else hers)
    await node.write_as(blocker, social.unblock, id_of(blocked))
    assert await node.write_as(bea, gatherings.join, post_id) == ACCEPTED
