"""Posts for later, as clients see them."""

import pytest

from node import scheduling
from tests.support.clocks import Clock
from tests.support.pictures import png
from tests.web.mastodon.conftest import MakeUser, User

PATH = "/api/v1/scheduled_statuses"
LATER = "2026-12-01T08:00:00Z"


async def test_a_post_with_a_time_is_listed_and_not_published(anna: User, bert: User) -> None:
    picture = await anna.call("POST", "/api/v2/media", files={"file": ("a.png", png(), "image/png")})
    parent = await bert.status("a question")
    made = await anna.post(
        "/api/v1/statuses",
        status="@bert tomorrow",
        scheduled_at=LATER,
        media_ids=[picture["id"]],
        visibility="unlisted",
        in_reply_to_id=parent["id"],
        spoiler_text="s",
        local_only=True,
        language="de",
        quote_approval_policy="nobody",
    )
    assert made["scheduled_at"] == "2026-12-01T08:00:00.000Z"
    assert made["params"] == {
        "text": "@bert tomorrow",
        "poll": None,
        "media_ids": [picture["id"]],
        "sensitive": None,
        "spoiler_text": "s",
        "visibility": "unlisted",
        "local_only": True,
        "language": "de",
        "in_reply_to_id": parent["id"],
        "quoted_status_id": None,
        "quote_approval_policy": "nobody",
        "application_id": made["params"]["application_id"],
        "scheduled_at": None,
        "idempotency": None,
        "with_rate_limit": False,
    }
    assert [one["id"] for one in made["media_attachments"]] == [picture["id"]]
    assert made["error"] is None
    assert await anna.get(PATH) == [made]
    assert await anna.get(f"{PATH}/{made['id']}") == made
    assert (await anna.get(f"/api/v1/accounts/{anna.id}/statuses"), await bert.get("/api/v1/notifications")) == ([], [])


async def test_a_poll_is_shown_as_it_was_sent(anna: User) -> None:
    asked = {"options": ["a", "b"], "expires_in": 600, "multiple": True, "hide_totals": False}
    made = await anna.status("which?", scheduled_at="9999-12-31", poll=asked)
    assert (made["params"]["poll"], made["scheduled_at"]) == (asked, "9999-12-31T00:00:00.000Z")


async def test_it_is_moved_cancelled_and_nobody_elses(anna: User, bert: User) -> None:
    made = await anna.status("later", scheduled_at=LATER)
    path = f"{PATH}/{made['id']}"
    for method in ("GET", "PUT", "DELETE"):
        answer = await bert.send(method, path, json={"scheduled_at": LATER})
        assert (answer.status_code, answer.json()) == (404, {"error": "Record not found"})
    moved = await anna.call("PUT", path, data={"scheduled_at": "2026-12-24T18:00:00+01:00"})
    assert moved == made | {"scheduled_at": "2026-12-24T17:00:00.000Z"}
    assert await anna.call("PUT", path, json={}) == moved
    assert await anna.call("DELETE", path) == {}
    assert await anna.get(PATH) == []
    assert (await anna.send("DELETE", path)).status_code == 404


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2020-01-01T00:00:00Z", "Validation failed: Scheduled at The scheduled date must be in the future"),
        ("1969-01-01", "Validation failed: Scheduled at The scheduled date must be in the future"),
        ("tomorrow", "Validation failed: scheduled_at must be a date or a time"),
        ("9999-12-31T23:59:59-12:00", "Validation failed: scheduled_at must be a date or a time"),
    ],
)
async def test_a_time_that_cannot_be_is_refused(anna: User, at: str, said: str) -> None:
    made = await anna.status("later", scheduled_at=LATER)
    for method, path in (("POST", "/api/v1/statuses"), ("PUT", f"{PATH}/{made['id']}")):
        answer = await anna.send(method, path, json={"status": "x", "scheduled_at": at})
        assert (answer.status_code, answer.json()["error"]) == (422, said)
    assert await anna.get(PATH) == [made]
    assert await anna.get(f"/api/v1/accounts/{anna.id}/statuses") == []


async def test_it_is_paged(anna: User) -> None:
    made = [(await anna.status(str(number), scheduled_at=LATER))["id"] for number in range(3)]
    page = await anna.send("GET", f"{PATH}?limit=2")
    assert [one["id"] for one in page.json()] == made[:0:-1]
    following = page.links["next"]["url"].removeprefix("https://eng.example")
    assert [one["id"] for one in await anna.get(following)] == made[:1]
    assert [one["id"] for one in await anna.get(f"{PATH}?min_id={made[0]}&limit=1")] == made[1:2]


async def test_the_same_key_schedules_once_and_what_failed_says_why(anna: User, bert: User, clock: Clock) -> None:
    parent = await bert.status("a question")
    body = {"status": "later", "scheduled_at": LATER, "in_reply_to_id": parent["id"]}
    made = [await anna.call("POST", "/api/v1/statuses", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert made[0] == made[1]
    await bert.call("DELETE", f"/api/v1/statuses/{parent['id']}")
    clock.advance(365 * 86_400)
    await scheduling.publish(anna.node, int(made[0]["id"]))
    (shown,) = await anna.get(PATH)
    assert shown["error"]
    assert shown | {"error": None} == made[0]


async def test_it_needs_a_person_and_the_scope(anna: User, make_user: MakeUser) -> None:
    made = await anna.status("later", scheduled_at=LATER)
    path = f"{PATH}/{made['id']}"
    reader = await make_user("rita", scopes="read:statuses")
    assert await reader.get(PATH) == []
    assert (await reader.send("DELETE", path)).status_code == 403
    for method, where in (("GET", PATH), ("GET", path), ("DELETE", path)):
        assert (await anna.served.http.request(method, where)).status_code == 401
