"""Lists over HTTP, and their stream."""

import json
from typing import Any

import httpx
import pytest
import websockets

from tests.web.mastodon.conftest import MakeUser, User
from tests.web.mastodon.test_streaming import address, listening, received, settled, silent

PATH = "/api/v1/lists"


@pytest.fixture
async def pumps(anna: User, bert: User) -> dict[str, Any]:
    """A list of anna's with bert in it."""
    await anna.follow(bert)
    made: dict[str, Any] = await anna.post(PATH, title="Pumps")
    assert await anna.post(f"{PATH}/{made['id']}/accounts", account_ids=[str(bert.id)]) == {}
    return made


async def test_lists_are_made_changed_shown_and_deleted(anna: User) -> None:
    made = await anna.post(PATH, title="Pumps", replies_policy="followed", exclusive="true")
    assert made == {"id": made["id"], "title": "Pumps", "replies_policy": "followed", "exclusive": True}
    other = await anna.post(PATH, title="Seals")
    assert (other["replies_policy"], other["exclusive"]) == ("list", False)
    assert await anna.get(PATH) == [made, other]
    changed = await anna.call("PUT", f"{PATH}/{made['id']}", data={"title": "Valves", "exclusive": "false"})
    assert changed == made | {"title": "Valves", "exclusive": False}
    assert await anna.get(f"{PATH}/{made['id']}") == changed
    assert await anna.call("DELETE", f"{PATH}/{made['id']}") == {}
    assert await anna.get(PATH) == [other]
    assert (await anna.send("GET", f"{PATH}/{made['id']}")).json() == {"error": "Record not found"}


async def test_wrong_values_are_refused_in_mastodons_words(anna: User, pumps: dict[str, Any], carl: User) -> None:
    members = f"{PATH}/{pumps['id']}/accounts"
    said = [
        ("POST", PATH, {}, 422, "Validation failed: Title can't be blank"),
        ("PUT", f"{PATH}/{pumps['id']}", {"title": " "}, 422, "Validation failed: Title can't be blank"),
        ("POST", PATH, {"title": "x", "replies_policy": "some"}, 422, "'some' is not a valid replies_policy"),
        ("POST", PATH, {"title": "x" * 257}, 422, "Validation failed: Title is too long (maximum is 256 characters)"),
        ("POST", members, {"account_ids": [str(carl.id)]}, 404, "Record not found"),
        ("POST", members, {"account_ids": ["99"]}, 404, "Record not found"),
    ]
    for method, path, body, status, words in said:
        answer = await anna.send(method, path, json=body)
        assert (answer.status_code, answer.json()["error"]) == (status, words)
    for body in ({"title": {"x": 1}}, {"title": "x", "exclusive": "maybe"}):
        assert (await anna.send("POST", PATH, json=body)).status_code == 422
    assert (await anna.send("POST", members, json={"account_ids": ["x"]})).status_code == 422
    assert (await anna.send("POST", PATH, data={"title": "a\x00b"})).status_code == 422
    assert await anna.get(PATH) == [pumps]


async def test_members_are_paged_or_all_at_once(anna: User, pumps: dict[str, Any], bert: User, carl: User) -> None:
    members = f"{PATH}/{pumps['id']}/accounts"
    twice = await anna.send("POST", members, json={"account_ids": [str(bert.id)]})
    assert (twice.status_code, twice.json()["error"]) == (422, "Validation failed: Account has already been taken")
    await anna.follow(carl)
    await anna.post(members, account_ids=[str(carl.id)])
    page = await anna.send("GET", f"{members}?limit=1")
    assert [one["acct"] for one in page.json()] == ["carl"]
    following = page.links["next"]["url"].removeprefix("https://eng.example")
    assert [one["acct"] for one in await anna.get(following)] == ["bert"]
    everybody = await anna.send("GET", f"{members}?limit=0")
    assert [one["acct"] for one in everybody.json()] == ["carl", "bert"]
    assert "link" not in everybody.headers
    assert [one["id"] for one in await anna.get(f"/api/v1/accounts/{bert.id}/lists")] == [pumps["id"]]
    assert (await anna.send("GET", "/api/v1/accounts/99/lists")).status_code == 404
    await anna.call("DELETE", members, json={"account_ids": [str(bert.id), "99"]})
    assert [one["acct"] for one in await anna.get(members)] == ["carl"]


async def test_the_timeline_is_paged_and_nobody_elses(anna: User, pumps: dict[str, Any], bert: User) -> None:
    posted = [await bert.status(f"number {number}") for number in range(3)]
    path = f"/api/v1/timelines/list/{pumps['id']}"
    first = await anna.send("GET", f"{path}?limit=2")
    assert [one["id"] for one in first.json()] == [posted[2]["id"], posted[1]["id"]]
    rest = await anna.get(first.links["next"]["url"].removeprefix("https://eng.example"))
    assert [one["id"] for one in rest] == [posted[0]["id"]]
    assert (await bert.send("GET", path)).status_code == 404
    assert (await bert.send("GET", f"{PATH}/{pumps['id']}")).status_code == 404
    assert (await bert.send("PUT", f"{PATH}/{pumps['id']}", json={"title": "x"})).status_code == 404
    assert (await bert.send("DELETE", f"{PATH}/{pumps['id']}")).status_code == 404


async def test_the_stream_of_a_list_is_heard_by_its_owner_alone(
    make_user: MakeUser, anna: User, pumps: dict[str, Any], bert: User, carl: User
) -> None:
    async with listening(anna) as socket, listening(carl) as carls:
        await socket.send(json.dumps({"type": "subscribe", "stream": "list", "list": pumps["id"]}))
        await settled(anna, socket, 1)
        for wrong in (pumps["id"], "x", ""):
            await carls.send(json.dumps({"type": "subscribe", "stream": "list", "list": wrong}))
            assert (await received(carls))["status"] == (404 if wrong else 422)
        posted = await bert.status("for the list")
        frame = await received(socket)
        assert (frame["stream"], frame["event"]) == (["list", pumps["id"]], "update")
        assert json.loads(frame["payload"])["id"] == posted["id"]
        await carl.status("of somebody else")
        await bert.call("DELETE", f"/api/v1/statuses/{posted['id']}")
        assert await received(socket) == {"stream": ["list", pumps["id"]], "event": "delete", "payload": posted["id"]}
        await silent(socket, 0.1)
    query = f"?stream=list&list={pumps['id']}"
    async with websockets.connect(address(anna.served, query), additional_headers=anna.headers) as socket:
        await bert.status("by the address")
        assert (await received(socket))["stream"] == ["list", pumps["id"]]
    assert (await carl.send("GET", f"/api/v1/streaming/list?list={pumps['id']}")).status_code == 404
    assert (await anna.send("GET", "/api/v1/streaming/list")).status_code == 422
    blind = await make_user("bea", scopes="read:statuses")
    assert (await blind.send("GET", f"/api/v1/streaming/list?list={pumps['id']}")).status_code == 403


async def test_server_sent_events_of_a_list(anna: User, pumps: dict[str, Any], bert: User) -> None:
    url = f"/api/v1/streaming/list?list={pumps['id']}"
    async with (
        httpx.AsyncClient(base_url=anna.served.base, headers=anna.headers, timeout=10) as client,
        client.stream("GET", url) as answer,
    ):
        lines = answer.aiter_lines()
        assert await anext(lines) == ":)"
        posted = await bert.status("hello")
        async for line in lines:
            if line.startswith("data:"):
                assert json.loads(line.removeprefix("data: "))["id"] == posted["id"]
                break
