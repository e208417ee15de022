"""Publishing, editing, deleting and reading posts over HTTP."""

import asyncio
from typing import Any

import msgspec
import pytest

from node.config import Settings
from tests.support.clocks import Clock
from tests.web.conftest import Served
from tests.web.mastodon.conftest import MakeUser, User
from web.mastodon import lookups


async def test_a_post_is_answered_as_it_is_stored(anna: User) -> None:
    posted = await anna.status("The #pump leaks", spoiler_text="technical", language="en", visibility="unlisted")
    assert posted["spoiler_text"] == "technical"
    assert posted["sensitive"]
    assert posted["visibility"] == "unlisted"
    assert posted["account"]["statuses_count"] == 1
    assert await anna.get(f"/api/v1/statuses/{posted['id']}") == posted
    assert await anna.get("/api/v1/timelines/home") == [posted]


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"status": "x", "sensitive": "1", "media_ids[]": []}},
        {"json": {"status": "x", "sensitive": "1"}},
        {"files": {"status": (None, "x"), "sensitive": (None, "true")}},
        {"data": {"status": "x", "sensitive": "on", "visibility": ""}},
    ],
)
async def test_every_spelling_of_a_post_is_taken(anna: User, body: dict[str, Any]) -> None:
    posted = await anna.call("POST", "/api/v1/statuses", **body)
    assert posted["sensitive"] is True


async def test_the_same_idempotency_key_answers_the_first_post(anna: User) -> None:
    one = await anna.call("POST", "/api/v1/statuses", json={"status": "once"}, headers={"Idempotency-Key": "k"})
    again = await anna.call("POST", "/api/v1/statuses", json={"status": "once"}, headers={"Idempotency-Key": "k"})
    other = await anna.call("POST", "/api/v1/statuses", json={"status": "once"}, headers={"Idempotency-Key": "l"})
    assert one["id"] == again["id"] != other["id"]


async def test_a_department_post_says_so_and_its_answers_stay_within(anna: User, bert: User) -> None:
    posted = await anna.status("among us", local_only=True)
    assert posted["local_only"] is True
    reply = await bert.status("me too", in_reply_to_id=posted["id"], local_only=False)
    assert reply["local_only"] is True
    marked = await anna.status("also among us \N{EYE}")
    assert marked["local_only"] is True
    refused = await anna.send("POST", "/api/v1/statuses", json={"status": "@eve@else.example look", "local_only": True})
    assert refused.status_code == 422
    assert "eve@else.example" in refused.json()["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"status": ""}, 422),
        ({"status": "x" * 5001}, 422),
        ({"status": "x", "visibility": "everyone"}, 422),
        ({"status": "x", "in_reply_to_id": "123"}, 404),
        ({"status": "x", "media_ids": ["123"]}, 422),
        ({"status": "x", "poll": {"options": ["a", "b"]}}, 422),
        ({"status": "x", "scheduled_at": "2020-01-01T00:00:00Z"}, 422),
    ],
)
async def test_a_post_that_cannot_be_is_refused(anna: User, body: dict[str, Any], status: int) -> None:
    answer = await anna.send("POST", "/api/v1/statuses", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert await anna.get("/api/v1/timelines/home") == []


async def test_an_edit_keeps_what_was(anna: User, bert: User, clock: Clock) -> None:
    posted = await anna.status("first")
    clock.advance(10)
    edited = await anna.call("PUT", f"/api/v1/statuses/{posted['id']}", json={"status": "second", "spoiler_text": "s"})
    assert edited["edited_at"] is not None
    assert "second" in edited["content"]
    states = await bert.get(f"/api/v1/statuses/{posted['id']}/history")
    assert [state["spoiler_text"] for state in states] == ["", "s"]
    assert states[0]["account"]["acct"] == "anna"
    assert "first" in states[0]["content"]
    source = await anna.get(f"/api/v1/statuses/{posted['id']}/source")
    assert source == {"id": posted["id"], "text": "second", "spoiler_text": "s"}
    for method, path in (("PUT", ""), ("GET", "/source"), ("DELETE", "")):
        answer = await bert.send(method, f"/api/v1/statuses/{posted['id']}{path}", json={"status": "mine"})
        assert answer.status_code == 404


async def test_a_deleted_post_comes_back_as_its_author_wrote_it(anna: User) -> None:
    posted = await anna.status("Hello  #pump & @anna")
    deleted = await anna.call("DELETE", f"/api/v1/statuses/{posted['id']}")
    assert deleted["text"] == "Hello  #pump & @anna"
    assert deleted["id"] == posted["id"]
    gone = await anna.send("GET", f"/api/v1/statuses/{posted['id']}")
    assert (gone.status_code, gone.json()) == (404, {"error": "Record not found"})


async def test_who_may_not_see_a_post_gets_404_everywhere(anna: User, bert: User, carl: User) -> None:
    await bert.follow(anna)
    posted = await anna.status("for followers", visibility="private")
    path = f"/api/v1/statuses/{posted['id']}"
    reads = ["", "/context", "/history", "/card", "/favourited_by", "/reblogged_by", "/quotes"]
    writes = ["/favourite", "/bookmark", "/reblog", "/unfavourite", "/unbookmark", "/unreblog"]
    for end in reads:
        assert (await bert.send("GET", path + end)).status_code == 200, end
        assert (await carl.send("GET", path + end)).status_code == 404, end
    for end in writes:
        assert (await carl.send("POST", path + end)).status_code == 404, end
    several = {"id[]": [posted["id"], "1"]}
    assert [one["id"] for one in await bert.get("/api/v1/statuses", **several)] == [posted["id"]]
    assert await carl.get("/api/v1/statuses", **several) == []


async def test_a_thread_is_read_from_anywhere_in_it(anna: User, bert: User) -> None:
    top = await anna.status("top")
    middle = await bert.status("middle", in_reply_to_id=top["id"])
    low = await anna.status("low", in_reply_to_id=middle["id"])
    found = await anna.get(f"/api/v1/statuses/{middle['id']}/context")
    assert [one["id"] for one in found["ancestors"]] == [top["id"]]
    assert [one["id"] for one in found["descendants"]] == [low["id"]]


async def test_reactions_answer_the_post_and_a_boost_answers_itself(anna: User, bert: User) -> None:
    posted = await anna.status("react")
    path = f"/api/v1/statuses/{posted['id']}"
    liked = await bert.post(f"{path}/favourite")
    assert (liked["id"], liked["favourited"], liked["favourites_count"]) == (posted["id"], True, 1)
    boost = await bert.post(f"{path}/reblog")
    assert (boost["reblog"]["id"], boost["reblog"]["reblogged"]) == (posted["id"], True)
    marked = await bert.post(f"/api/v1/statuses/{boost['id']}/bookmark")
    assert (marked["id"], marked["bookmarked"]) == (posted["id"], True)
    assert [one["id"] for one in await bert.get("/api/v1/favourites")] == [posted["id"]]
    assert [one["id"] for one in await bert.get("/api/v1/bookmarks")] == [posted["id"]]
    assert [one["acct"] for one in await anna.get(f"{path}/favourited_by")] == ["bert"]
    assert [one["acct"] for one in await anna.get(f"{path}/reblogged_by")] == ["bert"]
    undone = await bert.post(f"{path}/unreblog")
    assert (undone["id"], undone["reblogged"], undone["reblogs_count"]) == (posted["id"], False, 0)
    assert not (await bert.post(f"{path}/unfavourite"))["favourited"]
    assert not (await bert.post(f"{path}/unbookmark"))["bookmarked"]
    assert (await anna.post(f"{path}/pin"))["pinned"]
    assert (await bert.send("POST", f"{path}/pin")).status_code == 422
    assert not (await anna.post(f"{path}/unpin"))["pinned"]


async def test_taking_a_favourite_back_shows_nothing_that_may_not_be_seen_any_more(anna: User, bert: User) -> None:
    await bert.follow(anna)
    posted = await anna.status("for followers", visibility="private")
    await bert.post(f"/api/v1/statuses/{posted['id']}/favourite")
    await bert.post(f"/api/v1/accounts/{anna.id}/unfollow")
    answer = await bert.send("POST", f"/api/v1/statuses/{posted['id']}/unfavourite")
    assert answer.status_code == 404
    assert (await anna.get(f"/api/v1/statuses/{posted['id']}"))["favourites_count"] == 0


class TestWithPeersOnLoopback:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        node = msgspec.structs.replace(settings.node, scheme="http")
        federation = msgspec.structs.replace(settings.federation, allow_loopback=True)
        return msgspec.structs.replace(settings, node=node, federation=federation)

    async def test_a_peer_that_does_not_answer_holds_a_post_up_for_a_moment_only(
        self, anna: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lookups, "MENTION_SECONDS", 1.0)
        asked: list[bytes] = []

        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readline())
            await reader.read()
            writer.close()

        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        async with server:
            peer = f"localhost:{server.sockets[0].getsockname()[1]}"
            posted = await anna.status(f"Hello @eve@{peer}, @mallory@{peer} and again @eve@{peer}")
            assert posted["mentions"] == []
            assert sorted(b"mallory" in line for line in asked) == [False, True]
            asked.clear()
            body = {"status": f"@eve@{peer} among us", "local_only": True}
            assert (await anna.send("POST", "/api/v1/statuses", json=body)).status_code == 422
            assert asked == []


async def test_posting_has_a_limit_of_its_own(served: Served, make_user: MakeUser) -> None:
    anna = await make_user("anna")
    limit = served.node.settings.limits.posts_per_account
    for _ in range(limit):
        served.app.parts.limiter.take("posts", anna.id, limit)
    answer = await anna.send("POST", "/api/v1/statuses", json={"status": "one too many"})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
