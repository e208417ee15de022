"""Tags: one name however written, found and counted."""

import pytest

from activitypub.audience import Visibility
from node import social, tags
from node.errors import NotFound
from node.runtime import Node
from node.tags import DAY, Day
from node.viewer import NOBODY
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.posting import say


async def test_a_tag_has_one_name_and_is_shown_as_first_written(node: Node) -> None:
    first = await node.write(tags.ensure, ["#Straße", "ＫＡＦＫＡ", "", "#"])
    assert set(first) == {"strasse", "kafka"}
    again = await node.write(tags.ensure, ["STRASSE", "kafka", "new"])
    assert {name: again[name] for name in first} == first
    assert (await node.read(tags.get, "#STRASSE")).display == "Straße"
    with pytest.raises(NotFound):
        await node.read(tags.get, "never")


async def test_tags_are_found_by_their_beginning_the_exact_one_first(node: Node) -> None:
    anna = await make_person(node, "anna")
    for name in ("kafkaesque", "Kafka", "kafka_ops", "nats"):
        await say(node, anna, f"about #{name}")
    assert [row.display for row in await node.read(tags.search, "#KAFKA")] == ["Kafka", "kafka_ops", "kafkaesque"]
    assert [row.display for row in await node.read(tags.search, "kafka", limit=1, offset=1)] == ["kafka_ops"]
    assert [row.name for row in await node.read(tags.search, "kafka_")] == ["kafka_ops"]
    assert await node.read(tags.search, "  ") == []


async def test_history_counts_seven_days_of_what_the_viewer_may_see(node: Node, clock: Clock) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await say(node, anna, "#t too long ago")
    clock.advance(6 * 86_400 + 86_400)
    for who, options in ((anna, {}), (anna, {}), (bea, {"local_only": True})):
        await say(node, who, "#t", **options)
    await say(node, bea, "#t", visibility=Visibility.UNLISTED)
    clock.advance(86_400)
    await say(node, bea, "#t")
    (tag_id,) = (await node.read(tags.ensure, ["t"])).values()
    today = node.now() - node.now() % DAY
    seen = (await node.read_as(anna, tags.history, [tag_id]))[tag_id]
    assert seen[:3] == [Day(today, 1, 1), Day(today - DAY, 3, 2), Day(today - 2 * DAY, 0, 0)]
    assert len(seen) == 7
    assert sum(day.uses for day in seen) == 4
    hidden = (await node.read_as(NOBODY, tags.history, [tag_id]))[tag_id]
    assert sum(day.uses for day in hidden) == 0
    assert await node.read(tags.history, []) == {}


async def test_the_viewer_knows_which_tags_they_follow(node: Node) -> None:
    anna = await make_person(node, "anna")
    ids = await node.write(tags.ensure, ["a", "b"])
    await node.write_as(anna, social.follow_tag, "A")
    assert await node.read_as(anna, tags.followed, list(ids.values())) == {ids["a"]}
    assert await node.read_as(NOBODY, tags.followed, list(ids.values())) == set()
