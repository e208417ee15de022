"""Direct conversations over HTTP, and the stream `direct`."""

import json

from tests.web.mastodon.conftest import User
from tests.web.mastodon.test_streaming import listening, received, silent

PATH = "/api/v1/conversations"


async def test_conversations_are_listed_paged_read_and_removed(anna: User, bert: User, carl: User) -> None:
    one = await anna.status("@bert hello", visibility="direct")
    two = await carl.status("@bert hello", visibility="direct")
    page = await bert.send("GET", f"{PATH}?limit=1")
    (found,) = page.json()
    assert set(found) == {"id", "unread", "accounts", "last_status"}
    assert (found["unread"], found["last_status"]["id"]) == (True, two["id"])
    assert [person["acct"] for person in found["accounts"]] == ["carl"]
    (older,) = await bert.get(page.links["next"]["url"].removeprefix("https://eng.example"))
    assert older["last_status"]["id"] == one["id"]
    read = await bert.post(f"{PATH}/{found['id']}/read")
    assert read == found | {"unread": False}
    assert [talk["unread"] for talk in await bert.get(PATH)] == [False, True]
    for method, path in (("POST", f"{PATH}/{found['id']}/read"), ("DELETE", f"{PATH}/{found['id']}")):
        assert (await anna.send(method, path)).status_code == 404
    assert [status["id"] for status in await bert.get("/api/v1/timelines/direct")] == [two["id"], one["id"]]
    assert await bert.call("DELETE", f"{PATH}/{found['id']}") == {}
    assert [talk["id"] for talk in await bert.get(PATH)] == [older["id"]]
    assert [talk["last_status"]["id"] for talk in await carl.get(PATH)] == [two["id"]]


async def test_a_note_to_oneself_shows_oneself(anna: User) -> None:
    await anna.status("remember the seal", visibility="direct")
    (found,) = await anna.get(PATH)
    assert (found["unread"], [one["acct"] for one in found["accounts"]]) == (False, ["anna"])


async def test_the_direct_stream_brings_conversations_and_nothing_else(anna: User, bert: User, carl: User) -> None:
    async with listening(bert, "direct") as socket, listening(carl, "direct") as carls:
        await anna.status("@bert for all")
        posted = await anna.status("@bert hello", visibility="direct")
        frame = await received(socket)
        assert (frame["stream"], frame["event"]) == (["direct"], "conversation")
        payload = json.loads(frame["payload"])
        assert (payload["unread"], payload["last_status"]["id"]) == (True, posted["id"])
        assert payload == (await bert.get(PATH))[0]
        await silent(carls, 0.1)
        await silent(socket, 0.1)
