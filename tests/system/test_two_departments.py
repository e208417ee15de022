"""Two departments' nodes as processes: everything a person does reaches the other side."""

import asyncio
import json
import time
from typing import Any

import pytest
import websockets

from tests.support.running import Person, RunningNode, until

Pair = tuple[RunningNode, RunningNode]
pytestmark = pytest.mark.timeout(180)


async def test_a_working_day_between_two_departments(two_nodes: Pair) -> None:
    engineering, field = two_nodes
    anna, tom = engineering.person("anna", title="Pump engineer"), field.person("tom")
    await tom.follow(anna)
    await anna.follow(tom)

    posted = await anna.status("The seal of #pump leaks above 80 °C. @" + tom.handle, language="en")
    copy = await tom.sees(posted["uri"])
    assert copy["account"]["acct"] == anna.handle
    assert copy["account"]["corridor"]["title"] == "Pump engineer"
    assert [tag["name"] for tag in copy["tags"]] == ["pump"]
    assert copy["language"] == "en"
    assert [n["type"] for n in await tom.get("/api/v1/notifications")].count("mention") == 1

    reply = await tom.status(f"@{anna.handle} seen at three customers", in_reply_to_id=copy["id"])
    await tom.post(f"/api/v1/statuses/{copy['id']}/favourite")
    await tom.post(f"/api/v1/statuses/{copy['id']}/reblog")
    await tom.post(f"/api/v1/statuses/{copy['id']}/bookmark")

    async def counted() -> bool:
        seen = await anna.get(f"/api/v1/statuses/{posted['id']}")
        return [seen["replies_count"], seen["favourites_count"], seen["reblogs_count"]] == [1, 1, 1]

    await until(counted, "reply, favourite and boost arrive")
    kinds = sorted(n["type"] for n in await anna.get("/api/v1/notifications"))
    assert kinds == ["favourite", "follow", "mention", "reblog"]
    context = await anna.get(f"/api/v1/statuses/{posted['id']}/context")
    assert [s["uri"] for s in context["descendants"]] == [reply["uri"]]

    await anna.call("PUT", f"/api/v1/statuses/{posted['id']}", json={"status": "It leaks above 75 °C. #pump"})

    async def edited() -> bool:
        seen = await tom.get(f"/api/v1/statuses/{copy['id']}")
        return "75" in seen["content"] and seen["edited_at"] is not None

    await until(edited, "the edit arrives")

    await tom.post(f"/api/v1/statuses/{copy['id']}/unfavourite")
    await tom.post(f"/api/v1/statuses/{copy['id']}/unreblog")

    async def undone() -> bool:
        seen = await anna.get(f"/api/v1/statuses/{posted['id']}")
        return [seen["favourites_count"], seen["reblogs_count"]] == [0, 0]

    await until(undone, "the undoing arrives")

    await anna.call("DELETE", f"/api/v1/statuses/{posted['id']}")

    async def gone() -> bool:
        async with tom.client() as client:
            return (await client.get(f"/api/v1/statuses/{copy['id']}")).status_code == 404

    await until(gone, "the deletion arrives")


async def test_department_posts_stay_and_followers_posts_reach_followers_only(two_nodes: Pair) -> None:
    engineering, field = two_nodes
    anna, tom, eve = engineering.person("anna"), field.person("tom"), field.person("eve")
    await tom.follow(anna)
    own = await anna.status("for us here", local_only=True)
    followers = await anna.status("for followers", visibility="private")
    last = await anna.status("for all")
    copy = await tom.sees(last["uri"])
    assert copy["visibility"] == "public"
    uris = [s["uri"] for s in await tom.home()]
    assert followers["uri"] in uris
    assert own["uri"] not in uris
    private = next(s for s in await tom.home() if s["uri"] == followers["uri"])
    async with eve.client() as client:
        assert (await client.get(f"/api/v1/statuses/{private['id']}")).status_code == 404
        found = await client.get("/api/v2/search", params={"q": own["uri"], "resolve": "true", "type": "statuses"})
        assert found.json()["statuses"] == []
        found = await client.get("/api/v2/search", params={"q": followers["uri"], "resolve": "true"})
        assert found.json()["statuses"] == []


async def test_a_post_is_on_the_followers_socket_within_a_second(two_nodes: Pair) -> None:
    engineering, field = two_nodes
    anna, tom = engineering.person("anna"), field.person("tom")
    await tom.follow(anna)
    took: list[float] = []
    async with websockets.connect(
        f"{field.base.replace('http', 'ws')}/api/v1/streaming?stream=user", additional_headers=tom.headers
    ) as socket:
        for number in range(5):
            start = time.monotonic()
            posted = await anna.status(f"number {number}")
            took.append(await _arrives(socket, posted["uri"], start))
    assert sorted(took)[2] < 1.0


async def _arrives(socket: Any, uri: str, start: float) -> float:
    while True:
        frame = json.loads(await socket.recv())
        if frame["event"] == "update" and json.loads(frame["payload"])["uri"] == uri:
            return time.monotonic() - start


async def test_a_direct_message_is_seen_by_the_two_alone(two_nodes: Pair) -> None:
    engineering, field = two_nodes
    anna, tom, eve = engineering.person("anna"), field.person("tom"), field.person("eve")
    await eve.follow(anna)
    await anna.find(tom.handle)
    posted = await anna.status(f"@{tom.handle} between us", visibility="direct")

    async def arrived() -> bool:
        return any(n["type"] == "mention" for n in await tom.get("/api/v1/notifications"))

    await until(arrived, "the direct message arrives")
    mention = next(n for n in await tom.get("/api/v1/notifications") if n["type"] == "mention")
    assert mention["status"]["uri"] == posted["uri"]
    await _cannot_see(eve, mention["status"]["id"])
    assert posted["uri"] not in [s["uri"] for s in await eve.home()]


async def _cannot_see(person: Person, post_id: str) -> None:
    async with person.client() as client:
        assert (await client.get(f"/api/v1/statuses/{post_id}")).status_code == 404
        assert (await client.get(f"/api/v1/statuses/{post_id}/context")).status_code == 404


async def test_two_nodes_that_read_each_others_people_at_once_do_not_wait_for_each_other(two_nodes: Pair) -> None:
    """At first contact each has to fetch the other's key to check the signature of the other's fetch."""
    engineering, field = two_nodes
    ours = [engineering.person(f"anna{number}") for number in range(8)]
    theirs = [field.person(f"tom{number}") for number in range(8)]
    start = time.monotonic()
    await asyncio.gather(
        *(one.find(other.handle) for one, other in zip(ours, theirs, strict=True)),
        *(other.find(one.handle) for one, other in zip(ours, theirs, strict=True)),
    )
    assert time.monotonic() - start < 10  # the deadline of one fetch is 15 s
