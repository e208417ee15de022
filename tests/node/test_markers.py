"""How far people have read: each of their own, and what is unread after it."""

import pytest

from node import accounts, markers, notifications
from node.errors import Forbidden, Invalid
from node.paging import Page
from node.runtime import Node
from node.schema import marker
from node.viewer import Viewer
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.posting import say
from tests.support.rows import count_of, id_of


@pytest.fixture
async def anna(node: Node) -> Viewer:
    return await make_person(node, "anna")


@pytest.fixture
async def bert(node: Node) -> Viewer:
    return await make_person(node, "bert")


async def test_a_position_is_kept_for_each_timeline_and_counts_its_changes(
    node: Node, anna: Viewer, clock: Clock
) -> None:
    assert await node.write_as(anna, markers.save, {"home": 17}) == ["home"]
    begun = node.now()
    clock.advance(60)
    await node.write_as(anna, markers.save, {"home": 12, "notifications": 5})
    rows = await node.read_as(anna, markers.own, ["notifications", "home"])
    assert [(name, row.last_read_id, row.version) for name, row in rows.items()] == [
        ("home", 12, 2),
        ("notifications", 5, 1),
    ]
    assert rows["home"].updated_at == begun + 60_000
    assert list(await node.read_as(anna, markers.own, ["home"])) == ["home"]
    assert await node.read_as(anna, markers.own, []) == {}


async def test_positions_are_each_persons_own_and_go_with_them(node: Node, anna: Viewer, bert: Viewer) -> None:
    await node.write_as(anna, markers.save, {"home": 17})
    await node.write_as(bert, markers.save, {"home": 4})
    assert (await node.read_as(bert, markers.own, ["home"]))["home"].last_read_id == 4
    assert await node.read_as(bert, markers.last_read, "notifications") == 0
    await node.write_as(anna, accounts.delete_account, id_of(anna))
    assert await count_of(node, marker) == 1


async def test_no_other_timeline_has_a_position_and_nobody_else_sets_one(node: Node, anna: Viewer) -> None:
    for rule in (lambda: node.write_as(anna, markers.save, {"home": 1, "public": 1}),
                 lambda: node.read_as(anna, markers.own, ["public"])):  # fmt: skip
        with pytest.raises(Invalid, match="'public' is not a valid timeline"):
            await rule()
    with pytest.raises(Forbidden):
        await node.write(markers.save, {"home": 1})
    assert await count_of(node, marker) == 0


async def test_what_is_counted_is_newer_of_the_kinds_and_of_whom_one_asks(
    node: Node, anna: Viewer, bert: Viewer
) -> None:
    carl = await make_person(node, "carl")
    await say(node, bert, "@anna one")
    seen = await node.read_as(anna, notifications.count)
    (first,) = [row.id for row in await node.read_as(anna, notifications.page, Page(10))]
    await say(node, bert, "@anna two")
    await say(node, carl, "@anna three")
    assert (seen, await node.read_as(anna, notifications.count)) == (1, 3)

    async def newer(**asked: object) -> int:
        return await node.read_as(anna, lambda tx: notifications.count(tx, after_id=first, **asked))  # type: ignore[arg-type]

    assert await newer() == 2
    assert await newer(from_account=id_of(carl)) == 1
    assert await newer(kinds=["follow"]) == 0
    assert await newer(kinds=["mention"]) == 2
    assert await newer(exclude=["mention"]) == 0
    assert await newer(limit=1) == 1
