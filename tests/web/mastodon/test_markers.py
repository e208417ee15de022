"""Markers as clients send and read them."""

import pytest

from tests.web.mastodon.conftest import User

PATH = "/api/v1/markers"
UNREAD = "/api/v1/notifications/unread_count"


async def test_what_was_read_is_known_to_every_device(anna: User, bert: User) -> None:
    assert await anna.get(PATH) == {}
    assert await anna.get(PATH, **{"timeline[]": ["home", "notifications"]}) == {}
    saved = await anna.post(PATH, home={"last_read_id": "103206604258487607"})
    assert saved == await anna.get(PATH, **{"timeline[]": ["home", "notifications"]})
    assert saved["home"] | {"updated_at": ""} == {"last_read_id": "103206604258487607", "version": 1, "updated_at": ""}
    assert saved["home"]["updated_at"].endswith("Z")
    form = {"home[last_read_id]": "5", "notifications[last_read_id]": "7"}
    both = await anna.call("POST", PATH, data=form)
    assert {name: (one["last_read_id"], one["version"]) for name, one in both.items()} == {
        "home": ("5", 2),
        "notifications": ("7", 1),
    }
    assert await anna.get(PATH, timeline="home") == {"home": both["home"]}
    assert await bert.get(PATH, **{"timeline[]": ["home", "notifications"]}) == {}


async def test_what_is_unread_comes_after_the_marker(anna: User, bert: User) -> None:
    await bert.follow(anna)
    mention = await bert.status("@anna one")
    await bert.post(f"/api/v1/statuses/{mention['id']}/favourite")
    assert (await anna.get(UNREAD))["count"] == 2
    newest, oldest = await anna.get("/api/v1/notifications")
    await anna.post(PATH, notifications={"last_read_id": oldest["id"]})
    assert (await anna.get(UNREAD))["count"] == 1
    assert (await anna.get(UNREAD, **{"types[]": ["follow"]}))["count"] == 0
    assert (await anna.get(UNREAD, **{"exclude_types[]": ["follow"]}))["count"] == 1
    assert (await anna.get(UNREAD, account_id=str(anna.id)))["count"] == 0
    await anna.post(PATH, notifications={"last_read_id": newest["id"]})
    assert (await anna.get(UNREAD))["count"] == 0
    await bert.status("@anna two")
    await bert.status("@anna three")
    assert (await anna.get(UNREAD, limit=1))["count"] == 1


@pytest.mark.parametrize(
    "sent",
    [
        {"home": {"last_read_id": "x"}},
        {"home": {"last_read_id": ""}},
        {"home": {}},
        {"home": "7"},
        {"home": {"last_read_id": "7"}, "notifications": {"last_read_id": [1]}},
        {"home": {"last_read_id": "9" * 30}},
    ],
)
async def test_what_is_no_position_is_refused_and_nothing_is_stored(anna: User, sent: object) -> None:
    answer = await anna.send("POST", PATH, json=sent)
    assert (answer.status_code, "error" in answer.json()) == (422, True)
    assert await anna.get(PATH, **{"timeline[]": ["home", "notifications"]}) == {}


async def test_an_unknown_timeline_is_refused_and_none_is_nothing(anna: User) -> None:
    assert (await anna.send("GET", PATH, params={"timeline[]": "public"})).status_code == 422
    assert await anna.post(PATH) == {}
