"""Quotes between two departments' nodes as processes, with real signatures: asked for, granted, shown, taken back."""

from typing import Any

import pytest

from tests.support.running import Person, RunningNode, until
from tests.system.conftest import Maker

Pair = tuple[RunningNode, RunningNode]
pytestmark = pytest.mark.timeout(180)


async def reaches(who: Person, status_id: str, state: str) -> Any:
    """Wait until the quote in a status is in this state for somebody; the quoted status."""
    found: dict[str, Any] = {}

    async def check() -> bool:
        found.update((await who.get(f"/api/v1/statuses/{status_id}"))["quote"])
        return bool(found["state"] == state)

    await until(check, f"the quote is {state}")
    return found["quoted_status"]


async def test_a_quote_is_granted_shown_on_both_sides_and_taken_back(two_nodes: Pair) -> None:
    engineering, field = two_nodes
    anna, tom, eve = engineering.person("anna"), field.person("tom"), field.person("eve")
    await tom.follow(anna)
    await anna.follow(tom)
    posted = await anna.status("The seal of #pump leaks above 80 °C")
    closed = await anna.status("Between us", quote_approval_policy="nobody")
    copy, closed_copy = await tom.sees(posted["uri"]), await tom.sees(closed["uri"])
    assert copy["quote_approval"] == {"automatic": ["public"], "manual": [], "current_user": "automatic"}
    assert closed_copy["quote_approval"]["current_user"] == "denied"

    async with tom.client() as client:
        asked = {"status": "Look", "quoted_status_id": closed_copy["id"]}
        assert (await client.post("/api/v1/statuses", json=asked)).status_code == 422

    quoting = await tom.status("Seen at three customers", quoted_status_id=copy["id"])
    assert (await reaches(tom, quoting["id"], "accepted"))["uri"] == posted["uri"]
    there = await anna.sees(quoting["uri"])
    assert (await reaches(anna, there["id"], "accepted"))["id"] == posted["id"]
    assert [n["status"]["uri"] for n in await anna.get("/api/v1/notifications") if n["type"] == "quote"] == [
        quoting["uri"]
    ]
    assert [one["id"] for one in await anna.get(f"/api/v1/statuses/{posted['id']}/quotes")] == [there["id"]]

    # A quote between two of one node is proved to others by its stamp too.
    second = await eve.status("So have we")
    third = await tom.status("Everybody has", quoted_status_id=second["id"])
    seen = await anna.sees(third["uri"])
    assert (await reaches(anna, seen["id"], "accepted"))["uri"] == second["uri"]

    await anna.post(f"/api/v1/statuses/{posted['id']}/quotes/{there['id']}/revoke")
    assert await reaches(tom, quoting["id"], "revoked") is None
    await eve.call("DELETE", f"/api/v1/statuses/{second['id']}")
    assert await reaches(anna, seen["id"], "deleted") is None


async def test_the_end_of_a_consent_reaches_those_who_only_follow_the_quoting_author(make_running_node: Maker) -> None:
    """The quoted author does not know them: the quoting author's node tells them, and they see for themselves."""
    engineering, field, sales = (make_running_node(name) for name in ("Engineering", "Field Service", "Sales"))
    for node in (engineering, field, sales):
        node.launch()
    for node in (engineering, field, sales):
        node.wait_until_up()
    anna, tom, vera = engineering.person("anna"), field.person("tom"), sales.person("vera")
    await tom.follow(anna)
    await anna.follow(tom)
    await vera.follow(tom)
    posted = await anna.status("The seal of #pump leaks above 80 °C")
    copy = await tom.sees(posted["uri"])
    first = await tom.status("Seen at three customers", quoted_status_id=copy["id"])
    second = await tom.status("And at a fourth", quoted_status_id=copy["id"])
    far = [await vera.sees(one["uri"]) for one in (first, second)]
    for one in far:
        assert (await reaches(vera, one["id"], "accepted"))["uri"] == posted["uri"]

    there = await anna.sees(first["uri"])
    await anna.post(f"/api/v1/statuses/{posted['id']}/quotes/{there['id']}/revoke")
    assert await reaches(tom, first["id"], "revoked") is None
    assert await reaches(vera, far[0]["id"], "revoked") is None
    assert (await reaches(vera, far[1]["id"], "accepted"))["uri"] == posted["uri"]
