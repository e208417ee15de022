"""Notifications in groups: what belongs together, how they are paged, and whose they are."""

from collections.abc import Sequence
from typing import Any

import pytest

from node import grouping, notifications, reactions, social
from node.errors import NotFound
from node.grouping import SAMPLE, Group
from node.notifications import GROUP_MS
from node.paging import Page
from node.runtime import Node
from node.schema import account, notification
from node.viewer import Viewer
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.posting import say
from tests.support.rows import count_of, id_of
from tests.support.statements import counted


@pytest.fixture
async def anna(node: Node) -> Viewer:
    return await make_person(node, "anna")


@pytest.fixture
async def fans(node: Node) -> list[Viewer]:
    return [await make_person(node, f"fan{number}") for number in range(SAMPLE + 2)]


async def like(node: Node, clock: Clock, post_id: int, *people: Viewer) -> None:
    for who in people:
        clock.advance(1)
        await node.write_as(who, reactions.favourite, post_id)


async def groups(node: Node, who: Viewer, page: Page | None = None, **asked: Any) -> list[Group]:
    return await node.read_as(who, lambda tx: grouping.page(tx, page or Page(40), **asked))


def told(found: Sequence[Group]) -> list[tuple[str, int]]:
    return [(group.row.kind, group.count) for group in found]


async def test_what_is_of_one_kind_about_one_post_is_one_group(
    node: Node, clock: Clock, anna: Viewer, fans: list[Viewer]
) -> None:
    one, two = await say(node, anna, "one"), await say(node, anna, "two")
    await like(node, clock, one, *fans)
    await node.write_as(fans[0], reactions.boost, one)
    await like(node, clock, two, fans[3])
    await say(node, fans[0], "@anna hello")
    await say(node, fans[1], "@anna hello")
    for fan in fans[:3]:
        await node.write_as(fan, social.follow, id_of(anna))
    found = await groups(node, anna)
    assert sorted(told(found)) == [
        ("favourite", 1),
        ("favourite", SAMPLE + 2),
        ("follow", 3),
        ("mention", 1),
        ("mention", 1),
        ("reblog", 1),
    ]
    many = next(group for group in found if group.count == SAMPLE + 2)
    assert many.sample == tuple(id_of(fan) for fan in reversed(fans))[:SAMPLE]
    assert (many.row.post_id, many.newest_id, many.row.id) == (one, many.row.id, many.row.id)
    assert await node.read_as(anna, grouping.count) == len(found) == 6


async def test_a_group_ends_with_its_half_day(node: Node, clock: Clock, anna: Viewer, fans: list[Viewer]) -> None:
    post_id = await say(node, anna, "one")
    clock.advance((GROUP_MS - node.now() % GROUP_MS) / 1000 - 2)
    await like(node, clock, post_id, fans[0])
    await like(node, clock, post_id, fans[1], fans[2])
    assert told(await groups(node, anna)) == [("favourite", 2), ("favourite", 1)]


async def test_pages_go_by_notifications_and_give_every_one_of_them(
    node: Node, clock: Clock, anna: Viewer, fans: list[Viewer]
) -> None:
    one, two, three = [await say(node, anna, text) for text in ("one", "two", "three")]
    await like(node, clock, one, *fans[:3])
    await like(node, clock, two, *fans[:2])
    await like(node, clock, one, fans[3])
    await like(node, clock, three, fans[0])
    first = await groups(node, anna, Page(2))
    assert [(group.row.post_id, group.count) for group in first] == [(three, 1), (one, 4)]
    second = await groups(node, anna, Page(2, max_id=first[-1].row.id))
    # The first page reached no further than the newest favourite of `one`: its others show here, under the same key.
    assert [(group.row.post_id, group.count) for group in second] == [(two, 2), (one, 3)]
    assert second[1].key == first[1].key
    assert first[1].page is not None
    assert first[1].page[:2] == (first[1].row.id, first[1].row.id)
    everything = await node.read_as(anna, notifications.page, Page(40))
    oldest = everything[-1].id
    up = await groups(node, anna, Page(2, min_id=oldest))
    assert [group.row.post_id for group in up] == [two, one]
    whole = await groups(node, anna)
    assert [group.count for group in whole] == [1, 4, 2]
    assert whole[1].page is not None
    assert whole[1].page[:2] == (oldest, whole[1].newest_id)  # there is no further page
    assert [group.row.post_id for group in await groups(node, anna, Page(40, since_id=first[-1].row.id))] == [three]


async def test_a_page_of_many_groups_costs_what_one_of_few_costs(
    node: Node, clock: Clock, anna: Viewer, fans: list[Viewer]
) -> None:
    for number in range(5):
        await like(node, clock, await say(node, anna, str(number)), fans[number], fans[number + 1])
    with counted() as few:
        await groups(node, anna, Page(1))
    with counted() as many:
        assert len(await groups(node, anna)) == 5
    assert len(few) == len(many) == 2


async def test_kinds_that_a_client_does_not_group_stand_alone(
    node: Node, clock: Clock, anna: Viewer, fans: list[Viewer]
) -> None:
    post_id = await say(node, anna, "one")
    await like(node, clock, post_id, *fans[:2])
    for fan in fans[:2]:
        await node.write_as(fan, social.follow, id_of(anna))
    asked = ["follow"]
    assert sorted(told(await groups(node, anna, grouped=asked))) == [("favourite", 1), ("favourite", 1), ("follow", 2)]
    assert len(await groups(node, anna, grouped=[])) == 4
    alone = (await groups(node, anna, grouped=[]))[0]
    assert alone.key == f"ungrouped-{alone.row.id}"
    assert (await node.read_as(anna, grouping.get, alone.key)).row.id == alone.row.id
    assert told(await groups(node, anna, exclude=["follow"])) == [("favourite", 2)]
    assert told(await groups(node, anna, kinds=["follow"])) == [("follow", 2)]
    assert told(await groups(node, anna, from_account=id_of(fans[0]), kinds=["favourite"])) == [("favourite", 1)]
    assert await groups(node, anna, kinds=["nothing"]) == []
    count = await node.read_as(anna, lambda tx: grouping.count(tx, grouped=asked))
    assert (count, await node.read_as(anna, lambda tx: grouping.count(tx, kinds=["nothing"]))) == (3, 0)


async def test_who_is_suspended_counts_no_more(node: Node, clock: Clock, anna: Viewer, fans: list[Viewer]) -> None:
    post_id = await say(node, anna, "one")
    await like(node, clock, post_id, *fans[:3])
    gone = account.update().where(account.c.id == id_of(fans[2])).values(suspended_at=node.now())
    await node.write(lambda tx: tx.execute(gone))
    (group,) = await groups(node, anna)
    assert (group.count, group.sample) == (2, (id_of(fans[1]), id_of(fans[0])))


async def test_a_group_is_its_receivers_alone(node: Node, clock: Clock, anna: Viewer, fans: list[Viewer]) -> None:
    bert = fans[5]
    mine, other = await say(node, anna, "one"), await say(node, bert, "two")
    await like(node, clock, mine, *fans[:3])
    await like(node, clock, other, *fans[:2])
    await say(node, fans[0], "@anna hello")
    found = {group.row.kind: group for group in await groups(node, anna)}
    for group in found.values():
        with pytest.raises(NotFound):
            await node.read_as(bert, grouping.get, group.key)
        with pytest.raises(NotFound):
            await node.read_as(bert, grouping.senders, group.key, Page(10))
        await node.write_as(bert, grouping.dismiss, group.key)
    assert sum(group.count for group in await groups(node, anna)) == 4
    key = found["favourite"].key
    pages = [await node.read_as(anna, grouping.senders, key, Page(2))]
    pages.append(await node.read_as(anna, grouping.senders, key, Page(2, max_id=pages[0][-1][0])))
    assert [who for page in pages for _, who in page] == [id_of(fan) for fan in reversed(fans[:3])]
    for gone in (key, key, "ungrouped-x", "ungrouped-99999999999999999999"):
        await node.write_as(anna, grouping.dismiss, gone)
    assert told(await groups(node, anna)) == [("mention", 1)]
    await node.write_as(anna, grouping.dismiss, found["mention"].key)
    assert await groups(node, anna) == []
    assert await count_of(node, notification) == 2


@pytest.mark.parametrize("key", ["", "nothing", "ungrouped-", "ungrouped-x", "ungrouped-²", "ungrouped-" + "9" * 40])
async def test_what_is_no_key_is_not_found(node: Node, anna: Viewer, key: str) -> None:
    with pytest.raises(NotFound):
        await node.read_as(anna, grouping.get, key)
