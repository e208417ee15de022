"""Events: what is stored and shown of them, and who may come."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from activitypub.audience import Visibility
from activitypub.documents import Event
from node import accounts, diagnosis, gatherings, plans, posts, removal, search, social
from node.attending import ACCEPTED, ASKED
from node.errors import Forbidden, Invalid, NotFound
from node.ids import PostId
from node.paging import Page
from node.plans import Plan
from node.posts import Draft
from node.runtime import Node
from node.schema import attendance, post_edit
from node.viewer import NOBODY, Viewer
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.posting import following, heard
from tests.support.rows import count_of, id_of, sent

HOUR = 3_600_000
START = 1_790_100_000_000  # 2026-09-22 18:00 UTC, 28 hours from now


def plan(title: str = "Seal workshop", **fields: Any) -> Plan:
    return Plan(title, Event(**{"starts_at": START, "ends_at": START + 2 * HOUR, "place": "Hall 3", **fields}))


async def invite(node: Node, who: Viewer, what: Plan | None = None, text: str = "Bring #pump", **draft: Any) -> PostId:
    return await node.write_as(who, gatherings.create, what or plan(), Draft(text, **draft))


async def guests(node: Node, post_id: int) -> int:
    return (await node.read(gatherings.get, post_id)).plan.event.guests


async def test_every_client_shows_title_time_place_and_link(node: Node) -> None:
    anna = await make_person(node, "anna")
    online = plan("<b>Tips</b> & tricks", timezone="Europe/Berlin", link="https://meet.example/a?b=1&c=2")
    row = await node.read_as(anna, posts.get, await invite(node, anna, online))
    assert row.object_type == "Event"
    assert row.text == "Bring #pump"
    assert row.content.startswith(
        '<p class="gathering"><strong>Tips &amp; tricks</strong><br>2026-09-22 20:00–22:00 (Europe/Berlin)<br>Hall 3<br>'
        '<a href="https://meet.example/a?b=1&amp;c=2"'
    )
    assert plans.undressed(row.content).startswith("<p>Bring ")
    found = await node.read_as(anna, search.posts, "tricks")
    assert list(found) == [row.id]


async def test_a_description_may_be_empty_and_a_title_may_not(node: Node) -> None:
    anna = await make_person(node, "anna")
    await invite(node, anna, text="")
    with pytest.raises(Invalid, match="Title"):
        await invite(node, anna, plan(" "))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"ends_at": START - 1}, "ends_at"),
        ({"ends_at": START + 367 * 24 * HOUR}, "ends_at"),
        ({"starts_at": 0, "ends_at": 1}, "starts_at"),
        ({"starts_at": START * 2, "ends_at": None}, "starts_at"),
        ({"timezone": "Middle/Earth"}, "timezone"),
        ({"timezone": "Europe"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"link": "javascript:alert(1)"}, "link"),
        ({"join_mode": "external"}, "link"),
        ({"join_mode": "invite"}, "join_mode"),
        ({"status": "maybe"}, "state"),
        ({"capacity": 0}, "capacity"),
        ({"place": "x" * 501}, "place"),
        ({"place": "a\x00b"}, "place"),
    ],
)
async def test_what_nobody_could_come_to_is_refused(node: Node, wrong: dict[str, Any], field: str) -> None:
    anna = await make_person(node, "anna")
    with pytest.raises(Invalid) as refused:
        await invite(node, anna, plan(**wrong))
    assert refused.value.field == field


async def test_whoever_may_see_it_comes_once_and_may_leave(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await invite(node, anna)
    for _ in range(2):
        assert await node.write_as(bea, gatherings.join, post_id) == ACCEPTED
    assert await guests(node, post_id) == 1
    assert [who for _, who in await node.read_as(anna, gatherings.guests, post_id, Page())] == [id_of(bea)]
    assert (await node.read_as(bea, gatherings.get, post_id)).state == ACCEPTED
    for _ in range(2):
        await node.write_as(bea, gatherings.leave, post_id)
    assert await guests(node, post_id) == await count_of(node, attendance) == 0


async def test_nobody_joins_what_they_may_not_see(node: Node) -> None:
    anna, bea, carl = await make_person(node, "anna"), await make_person(node, "bea"), await make_person(node, "carl")
    await node.write_as(bea, social.follow, id_of(anna))
    few = await invite(node, anna, visibility=Visibility.FOLLOWERS)
    assert await node.write_as(bea, gatherings.join, few) == ACCEPTED
    for rule in (gatherings.join, gatherings.leave, gatherings.get):
        with pytest.raises(NotFound):
            await node.write_as(carl, rule, few)
    with pytest.raises(NotFound):
        await node.read_as(carl, gatherings.guests, few, Page())
    with pytest.raises(Forbidden):
        await node.write_as(replace(NOBODY, anonymous_read=True), gatherings.join, await invite(node, anna))
    assert [one.id for one in await node.read_as(carl, gatherings.coming, limit=9)] != []
    assert few not in [one.id for one in await node.read_as(carl, gatherings.coming, limit=9)]


async def test_a_post_that_is_no_event_cannot_be_joined(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    note = await node.write_as(anna, posts.publish, Draft("hello"))
    with pytest.raises(NotFound):
        await node.write_as(bea, gatherings.join, note)
    with pytest.raises(NotFound):
        await node.write_as(anna, gatherings.edit, note, plan())


async def test_there_are_as_many_guests_as_places(node: Node) -> None:
    anna, bea, carl = await make_person(node, "anna"), await make_person(node, "bea"), await make_person(node, "carl")
    post_id = await invite(node, anna, plan(capacity=1))
    await node.write_as(bea, gatherings.join, post_id)
    with pytest.raises(Invalid, match="no place left"):
        await node.write_as(carl, gatherings.join, post_id)
    await node.write_as(bea, gatherings.leave, post_id)
    await node.write_as(carl, gatherings.join, post_id)
    assert await guests(node, post_id) == 1


async def test_two_who_want_the_last_place_at_once_do_not_both_get_it(node: Node) -> None:
    anna = await make_person(node, "anna")
    people = [await make_person(node, f"p{number}") for number in range(4)]
    post_id = await invite(node, anna, plan(capacity=2))
    outcomes = await asyncio.gather(
        *(node.write_as(one, gatherings.join, post_id) for one in people), return_exceptions=True
    )
    assert outcomes.count(ACCEPTED) == 2
    assert sum(isinstance(one, Invalid) for one in outcomes) == 2
    assert await guests(node, post_id) == 2


async def test_of_a_restricted_event_its_author_decides(node: Node) -> None:
    anna, bea, carl = await make_person(node, "anna"), await make_person(node, "bea"), await make_person(node, "carl")
    post_id = await invite(node, anna, plan(join_mode="restricted", capacity=1))
    for one in (bea, carl):
        assert await node.write_as(one, gatherings.join, post_id) == ASKED
    assert await guests(node, post_id) == 0
    with pytest.raises(NotFound):
        await node.read_as(bea, gatherings.guests, post_id, Page(), ASKED)
    with pytest.raises(NotFound):
        await node.write_as(bea, gatherings.decide, post_id, id_of(bea), accept=True)
    asked = [who for _, who in await node.read_as(anna, gatherings.guests, post_id, Page(), ASKED)]
    assert asked == [id_of(carl), id_of(bea)]
    await node.write_as(anna, gatherings.decide, post_id, id_of(bea), accept=True)
    assert await guests(node, post_id) == 1
    with pytest.raises(Invalid, match="no place left"):
        await node.write_as(anna, gatherings.decide, post_id, id_of(carl), accept=True)
    await node.write_as(anna, gatherings.decide, post_id, id_of(bea), accept=False)
    assert await guests(node, post_id) == 0
    assert await count_of(node, attendance) == 1


async def test_what_is_over_called_off_or_elsewhere_is_not_joined(node: Node, clock: Clock) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    off, gone = await invite(node, anna), await invite(node, anna)
    elsewhere = await invite(node, anna, plan(join_mode="external", link="https://tickets.example/1"))
    await node.write_as(anna, gatherings.cancel, off)
    assert "<strong>Cancelled: Seal workshop" in (await node.read(posts.get, off)).content
    for post_id in (off, elsewhere):
        with pytest.raises(Invalid):
            await node.write_as(bea, gatherings.join, post_id)
    clock.now = START / 1000 + 3 * 3600
    with pytest.raises(Invalid, match="over"):
        await node.write_as(bea, gatherings.join, gone)
    assert await node.read_as(bea, gatherings.coming, limit=9) == []
    assert await count_of(node, attendance) == 0


async def test_an_edit_keeps_the_guests_and_the_old_state(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await invite(node, anna)
    await node.write_as(bea, gatherings.join, post_id)
    await node.write_as(anna, gatherings.edit, post_id, plan("Pump workshop", place="Hall 4"))
    row = await node.read(posts.get, post_id)
    assert all(word in row.content for word in ("Pump workshop", "Hall 4", "Bring"))
    assert (row.rev, row.text) == (1, "Bring #pump")
    assert await count_of(node, post_edit) == 1
    assert await guests(node, post_id) == 1
    with pytest.raises(NotFound):
        await node.write_as(bea, gatherings.edit, post_id, plan("Mine"))
    # What a client edits is the description.
    await node.write_as(anna, posts.edit, post_id, posts.Changes(text="Bring nothing"))
    row = await node.read(posts.get, post_id)
    assert row.content.startswith('<p class="gathering"><strong>Pump workshop')
    assert row.content.endswith("<p>Bring nothing</p>")
    # The number of places is not in the content.
    await node.write_as(anna, gatherings.edit, post_id, plan("Pump workshop", place="Hall 4", capacity=7))
    assert (await node.read(posts.get, post_id)).rev == 3
    await node.write_as(anna, gatherings.edit, post_id, plan("Pump workshop", place="Hall 4", capacity=7))
    assert (await node.read(posts.get, post_id)).rev == 3


async def test_the_next_event_comes_first_and_those_of_muted_people_do_not_come(node: Node) -> None:
    anna, bea, far = await make_person(node, "anna"), await make_person(node, "bea"), await make_remote(node)
    later = await invite(node, anna, plan(starts_at=START + 9 * HOUR, ends_at=None))
    sooner = await invite(node, anna)
    theirs = await heard(node, far, name="e", object_type="Event", plan=plan(starts_at=START + HOUR))
    found = await node.read_as(bea, gatherings.coming, limit=9)
    assert [one.id for one in found] == [sooner, theirs, later]
    assert [one.is_local for one in found] == [True, False, True]
    assert [one.id for one in await node.read_as(bea, gatherings.coming, limit=1, offset=1)] == [theirs]
    await node.write_as(bea, social.mute, id_of(far))
    assert [one.id for one in await node.read_as(bea, gatherings.coming, limit=9)] == [sooner, later]


async def test_a_department_event_stays_here(node: Node) -> None:
    anna, bea, far = await make_person(node, "anna"), await make_person(node, "bea"), await make_remote(node)
    await following(node, far, anna)
    post_id = await invite(node, anna, local_only=True)
    assert await node.write_as(bea, gatherings.join, post_id) == ACCEPTED
    await node.write_as(anna, gatherings.edit, post_id, plan("Other"))
    await node.write_as(anna, gatherings.cancel, post_id)
    assert await sent(node) == []
    with pytest.raises(NotFound):
        await node.write(gatherings.record_join, id_of(far), "field.example", post_id, "https://field.example/joins/1")


async def test_joining_a_peers_event_asks_and_leaving_tells(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    post_id = await heard(node, far, object_type="Event", plan=plan(guests=7))
    for _ in range(2):
        assert await node.write_as(anna, gatherings.join, post_id) == ASKED
    assert await guests(node, post_id) == 7
    await node.write_as(anna, gatherings.leave, post_id)
    assert await sent(node) == ["Join", "Leave"]


async def test_who_is_deleted_comes_nowhere(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await invite(node, anna, plan(capacity=1))
    await node.write_as(bea, gatherings.join, post_id)
    await node.write_as(bea, accounts.delete_account, id_of(bea))
    while await node.write(removal.purge, id_of(bea)):
        pass
    assert await guests(node, post_id) == await count_of(node, attendance) == 0


async def test_search_finds_an_event_again_after_a_repair(node: Node) -> None:
    anna = await make_person(node, "anna")
    post_id = await invite(node, anna)
    await node.write(search.remove, [post_id])
    assert list(await node.read_as(anna, search.posts, "workshop")) == []
    assert await diagnosis.repair(node) == 1
    assert list(await node.read_as(anna, search.posts, "workshop")) == [post_id]
