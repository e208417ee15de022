"""Posts of peers that arrive late are found by who asks for what is newer."""

from typing import Any

import pytest

from node import lists, timelines
from node.ids import PostId
from node.paging import Page
from node.runtime import Node
from node.viewer import Viewer
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.posting import following, heard, say
from tests.support.rows import id_of
from tests.support.statements import counted

HOUR = 3_600_000


@pytest.fixture
async def anna(node: Node) -> Viewer:
    return await make_person(node, "anna")


@pytest.fixture
async def tom(node: Node, anna: Viewer) -> Viewer:
    made = await make_remote(node)
    await following(node, anna, made)
    return made


async def test_a_late_post_is_in_home_public_and_list_and_an_early_one_is_not_given_again(
    node: Node, anna: Viewer, tom: Viewer, clock: Clock
) -> None:
    list_id = await node.write_as(anna, lists.create, "field")
    await node.write_as(anna, lists.add, list_id, [id_of(tom)])
    early = await heard(node, tom, "<p>early</p>", created_at=node.now() - HOUR)
    clock.advance(60)
    held = await say(node, anna, "the last one that a client has")
    clock.advance(1)
    late = await heard(node, tom, "<p>late</p>", created_at=node.now() - 2 * HOUR)
    new = await say(node, anna, "new")
    since = Page(since_id=held)
    assert late < early < held < new
    assert await node.read_as(anna, timelines.home, since) == [new, late]
    assert await node.read_as(anna, timelines.public, since) == [new, late]
    assert await node.read_as(anna, timelines.people_list, list_id, since) == [late]
    assert await node.read_as(anna, timelines.home, Page(1, since_id=held)) == [new]
    assert await node.read_as(anna, timelines.home, Page(since_id=held, max_id=new)) == []
    assert await node.read_as(anna, timelines.home, Page(min_id=held)) == [new]


async def test_a_late_post_is_in_the_timelines_of_its_tags(node: Node, anna: Viewer, tom: Viewer) -> None:
    held = await say(node, anna, "held #pump")
    tags = {"both": ("pump", "seal"), "one": ("pump",), "other": ("valve",)}
    ids = {
        name: await heard(node, tom, f"<p>{name}</p>", created_at=node.now() - HOUR * number, tags=names)
        for number, (name, names) in enumerate(tags.items(), start=1)
    }
    since = Page(since_id=held)

    async def found(**more: Any) -> list[PostId]:
        return await node.read_as(anna, lambda tx: timelines.tag(tx, "Pump", since, **more))

    assert await found() == [ids["both"], ids["one"]]
    assert await found(any=["valve"]) == [ids["both"], ids["one"], ids["other"]]
    assert await found(all=["seal"]) == [ids["both"]]
    assert await found(none=["seal"]) == [ids["one"]]
    assert await found(remote=True) == [ids["both"], ids["one"]]
    assert await found(local=True) == await found(only_media=True) == []


async def test_what_is_not_shown_does_not_come_late(node: Node, anna: Viewer, tom: Viewer) -> None:
    bert = await make_person(node, "bert")
    held = await say(node, anna, "held")
    ids: list[PostId] = [await heard(node, tom, "<p>late</p>", created_at=node.now() - HOUR)]
    assert await node.read_as(bert, timelines.home, Page(since_id=held)) == []
    assert await node.read_as(bert, timelines.public, Page(since_id=held)) == ids
    assert await node.read_as(bert, lambda tx: timelines.public(tx, Page(since_id=held), local=True)) == []


async def test_it_costs_one_statement_and_none_without_since_id(node: Node, anna: Viewer, tom: Viewer) -> None:
    held = await say(node, anna, "held")
    await say(node, anna, "new")
    with counted() as plain:
        await node.read_as(anna, timelines.public, Page())
    with counted() as since:
        await node.read_as(anna, timelines.public, Page(since_id=held))
    assert (len(plain), len(since)) == (1, 2)
