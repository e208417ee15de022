"""Two departments' nodes as processes: pinned posts, featured tags, and an event that people of both come to."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.running import Person, RunningNode, until

pytestmark = pytest.mark.timeout(180)
EVENTS = "/api/corridor/v1/events"


async def test_a_profile_and_an_event_are_the_same_on_both_nodes(two_nodes: tuple[RunningNode, RunningNode]) -> None:
    engineering, field = two_nodes
    anna, tom = engineering.person("anna"), field.person("tom")
    early = await anna.status("Read this first. #pump")
    await anna.post(f"/api/v1/statuses/{early['id']}/pin")
    await anna.post("/api/v1/featured_tags", name="pump")
    # Nobody of the other department has heard of her: what she shows is read from her node.
    found = await tom.find(anna.handle)

    async def pinned() -> list[str]:
        return [one["uri"] for one in await tom.get(f"/api/v1/accounts/{found['id']}/statuses", pinned="true")]

    async def tags() -> list[str]:
        return [one["name"] for one in await tom.get(f"/api/v1/accounts/{found['id']}/featured_tags")]

    async def shown() -> bool:
        return await pinned() == [early["uri"]] and await tags() == ["pump"]

    await until(shown, "the pinned post and the tag are read")

    # From now on her node tells his.
    await tom.follow(anna)
    late = await anna.status("And then this. #seal")
    await tom.sees(late["uri"])
    await anna.post(f"/api/v1/statuses/{late['id']}/pin")
    await anna.post("/api/v1/tags/seal/feature")
    await anna.post("/api/v1/tags/pump/unfeature")

    async def told() -> bool:
        return await pinned() == [late["uri"], early["uri"]] and await tags() == ["seal"]

    await until(told, "the changes arrive")

    day = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}"
    event = await anna.post(
        EVENTS,
        title="Seal workshop",
        starts_at=f"{day}T18:00:00Z",
        place="Hall 3",
        capacity=1,
        join_mode="restricted",
        status="Bring tools",
    )
    copy = await tom.sees(event["post"]["uri"])
    assert copy["content"].startswith(f'<p class="gathering"><strong>Seal workshop</strong><br>{day} 18:00 (UTC)')
    assert copy["content"].endswith("<p>Bring tools</p>")
    there = f"{EVENTS}/{copy['id']}"
    assert (await tom.post(f"{there}/join"))["joined"] == "asked"

    async def asks() -> bool:
        return len(await _guests(anna, event["id"], "asked")) == 1

    await until(asks, "the join arrives")
    (guest,) = await _guests(anna, event["id"], "asked")
    assert guest["acct"] == tom.handle
    await anna.post(f"{EVENTS}/{event['id']}/guests/{guest['id']}/accept")

    async def comes() -> bool:
        mine = await tom.get(there)
        return (mine["joined"], mine["guests_count"]) == ("accepted", 1)

    await until(comes, "the answer arrives, and then the number of guests", 30)
    await tom.post(f"{there}/leave")

    async def left() -> bool:
        return bool((await anna.get(f"{EVENTS}/{event['id']}"))["guests_count"] == 0)

    await until(left, "the leave arrives")


async def _guests(person: Person, event_id: str, state: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = await person.get(f"{EVENTS}/{event_id}/guests", state=state)
    return found
