"""Filters over HTTP: version 2 and 1, `filtered` of posts and notifications, and in streams."""

import json
from typing import Any

from tests.support.clocks import Clock
from tests.support.statements import counted
from tests.web.mastodon.conftest import User
from tests.web.mastodon.test_streaming import listening, received, silent

PATH = "/api/v2/filters"


async def make(user: User, *words: str, **more: Any) -> dict[str, Any]:
    body = {"title": "Noise", "context": ["home", "public"], **more}
    attributes = [{"keyword": word, "whole_word": True} for word in words]
    made: dict[str, Any] = await user.post(PATH, **body, keywords_attributes=attributes)
    return made


async def test_filters_are_made_changed_and_deleted(anna: User, bert: User, clock: Clock) -> None:
    made = await make(anna, "seal", expires_in=3600, filter_action="blur")
    (word,) = made["keywords"]
    assert made == {
        "id": made["id"],
        "title": "Noise",
        "context": ["home", "public"],
        "expires_at": made["expires_at"],
        "filter_action": "blur",
        "keywords": [{"id": word["id"], "keyword": "seal", "whole_word": True}],
        "statuses": [],
    }
    assert made["expires_at"].endswith("Z")
    words = [{"id": word["id"], "_destroy": True}, {"keyword": "pump", "whole_word": False}]
    changed = await anna.call("PUT", f"{PATH}/{made['id']}", json={"keywords_attributes": words, "expires_in": ""})
    assert [one["keyword"] for one in changed["keywords"]] == ["pump"]
    assert (changed["expires_at"], changed["title"], changed["filter_action"]) == (None, "Noise", "blur")
    form = {"title": "Louder", "context[]": "thread", "keywords_attributes[0][keyword]": "valve"}
    louder = await anna.call("PUT", f"{PATH}/{made['id']}", data=form)
    assert (louder["context"], len(louder["keywords"])) == (["thread"], 2)
    assert await anna.get(PATH) == [louder] == [await anna.get(f"{PATH}/{made['id']}")]
    assert await anna.get(f"{PATH}/{made['id']}/keywords") == louder["keywords"]
    assert (await bert.send("GET", f"{PATH}/{made['id']}")).json() == {"error": "Record not found"}
    assert await anna.call("DELETE", f"{PATH}/{made['id']}") == {}
    assert await anna.get(PATH) == []


async def test_keywords_and_posts_are_kept_one_by_one(anna: User, bert: User) -> None:
    made, posted = await make(anna), await bert.status("hello")
    word = await anna.post(f"{PATH}/{made['id']}/keywords", keyword="seal", whole_word="false")
    assert word == {"id": word["id"], "keyword": "seal", "whole_word": False}
    path = f"{PATH}/keywords/{word['id']}"
    assert await anna.get(path) == word
    assert await anna.call("PUT", path, json={"keyword": "pump"}) == word | {"keyword": "pump"}
    one = await anna.post(f"{PATH}/{made['id']}/statuses", status_id=posted["id"])
    assert one == {"id": one["id"], "status_id": posted["id"]}
    assert await anna.get(f"{PATH}/{made['id']}/statuses") == [one]
    assert await anna.get(f"{PATH}/statuses/{one['id']}") == one
    (found,) = (await anna.get(f"/api/v1/statuses/{posted['id']}"))["filtered"]
    assert (found["keyword_matches"], found["status_matches"]) == ([], [posted["id"]])
    for place in (path, f"{PATH}/statuses/{one['id']}"):
        assert (await bert.send("GET", place)).status_code == 404
        assert (await bert.send("DELETE", place)).status_code == 404
        assert await anna.call("DELETE", place) == {}
        assert (await anna.send("GET", place)).status_code == 404
    said = [
        (
            "POST",
            PATH,
            {},
            422,
            "Title can't be blank, Context can't be blank, Context None or invalid context supplied",
        ),
        ("POST", f"{PATH}/{made['id']}/keywords", {}, 422, "Keyword can't be blank"),
        ("POST", f"{PATH}/{made['id']}/statuses", {"status_id": "99"}, 404, ""),
        ("POST", f"{PATH}/{made['id']}/statuses", {"status_id": "x"}, 422, ""),
        ("PUT", f"{PATH}/{made['id']}", {"expires_in": -1}, 422, ""),
        ("PUT", f"{PATH}/{made['id']}", {"keywords_attributes": [{"id": "99", "keyword": "x"}]}, 404, ""),
    ]
    for method, where, body, status, words in said:
        answer = await anna.send(method, where, json=body)
        assert answer.status_code == status
        assert not words or answer.json()["error"] == f"Validation failed: {words}"


async def test_posts_say_what_was_found_in_them_to_its_owner_alone(anna: User, bert: User, clock: Clock) -> None:
    await anna.follow(bert)
    plain = await bert.status("nothing here")
    poll = {"options": ["the SEAL", "the valve"], "expires_in": 3600}
    hits = [
        await bert.status("the <b>seal</b> leaks"),
        await bert.status("x", spoiler_text="about a seal"),
        await bert.status("which?", poll=poll),
    ]
    boost = await bert.post(f"/api/v1/statuses/{hits[0]['id']}/reblog")
    made = await make(anna, "seal", expires_in=60)
    shown = {one["id"]: one for one in await anna.get("/api/v1/timelines/home")}
    assert shown[plain["id"]]["filtered"] == []
    for hit in hits:
        (found,) = shown[hit["id"]]["filtered"]
        assert found["keyword_matches"] == ["seal"]
        keys = ("id", "title", "context", "expires_at", "filter_action")
        assert found["filter"] == {key: made[key] for key in keys}
    assert shown[boost["id"]]["reblog"]["filtered"] == shown[hits[0]["id"]]["filtered"]
    assert (await bert.get(f"/api/v1/statuses/{hits[0]['id']}"))["filtered"] == []
    await bert.call("PUT", f"/api/v1/statuses/{hits[0]['id']}", json={"status": "mended"})
    assert (await anna.get(f"/api/v1/statuses/{hits[0]['id']}"))["filtered"] == []
    clock.advance(61)
    assert (await anna.get(f"/api/v1/statuses/{hits[1]['id']}"))["filtered"] == []


async def test_filters_cost_no_statement_once_they_are_kept(anna: User, bert: User) -> None:
    for number in range(5):
        await bert.status(f"the seal {number}")
    path = "/api/v1/timelines/public"
    await anna.get(path)
    with counted() as without:
        await anna.get(path)
    await make(anna, "seal")
    with counted() as first:
        assert all(one["filtered"] for one in await anna.get(path))
    with counted() as kept:
        await anna.get(path)
    assert (len(first), len(kept)) == (len(without) + 1, len(without))


async def test_version_one_has_a_filter_for_each_word(anna: User, bert: User) -> None:
    old = "/api/v1/filters"
    made = await anna.post(old, phrase="seal", context=["home"], irreversible=True, whole_word=True, expires_in=60)
    assert made == {
        "id": made["id"],
        "phrase": "seal",
        "context": ["home"],
        "whole_word": True,
        "expires_at": made["expires_at"],
        "irreversible": True,
    }
    assert await anna.get(old) == [made] == [await anna.get(f"{old}/{made['id']}")]
    (new,) = await anna.get(PATH)
    assert (new["title"], new["filter_action"]) == ("seal", "hide")
    body = {"phrase": "pump", "context": ["public"], "irreversible": False}
    changed = await anna.call("PUT", f"{old}/{made['id']}", json=body)
    assert changed == made | {"phrase": "pump", "context": ["public"], "irreversible": False}
    await anna.post(f"{PATH}/{new['id']}/keywords", keyword="valve")
    refused = await anna.send("PUT", f"{old}/{made['id']}", json={"phrase": "x", "context": ["home"]})
    assert refused.status_code == 422
    assert refused.json()["error"].startswith("Validation failed: These parameters cannot be changed")
    await anna.call("PUT", f"{old}/{made['id']}", json={"phrase": "x", "context": ["public"]})
    for method, data, words in [
        ("POST", {"context": ["home"]}, "Phrase can't be blank"),
        ("POST", {"phrase": "x"}, "Context can't be blank, Context None or invalid context supplied"),
    ]:
        answer = await anna.send(method, old, json=data)
        assert (answer.status_code, answer.json()["error"]) == (422, f"Validation failed: {words}")
    assert (await bert.send("DELETE", f"{old}/{made['id']}")).status_code == 404
    for one in await anna.get(old):
        assert await anna.call("DELETE", f"{old}/{one['id']}") == {}
    assert await anna.get(PATH) == []


async def test_streams_tell_of_changes_and_heed_them(anna: User, bert: User) -> None:
    await anna.follow(bert)
    async with listening(anna, "user") as socket:
        await bert.status("@anna the seal leaks")
        both = [await received(socket), await received(socket)]
        assert {one["event"] for one in both} == {"update", "notification"}
        await make(anna, "seal", context=["home", "notifications"], filter_action="hide")
        assert await received(socket) == {"stream": ["user"], "event": "filters_changed"}
        posted = await bert.status("@anna the seal leaks again")
        frame = await received(socket)
        assert (frame["event"], json.loads(frame["payload"])["id"]) == ("update", posted["id"])
        assert json.loads(frame["payload"])["filtered"][0]["keyword_matches"] == ["seal"]
        await silent(socket, 0.2)
        await bert.status("@anna the valve leaks")
        assert {(await received(socket))["event"] for _ in range(2)} == {"update", "notification"}
    told = await anna.get("/api/v1/notifications")
    assert [bool(one["status"]["filtered"]) for one in told if one["type"] == "mention"] == [False, True, True]
