"""Grouped notifications as clients get them."""

from typing import Any

from tests.web.mastodon.conftest import User

PATH = "/api/v2/notifications"


async def _liked(author: User, *fans: User) -> dict[str, Any]:
    posted = await author.status("look")
    for fan in fans:
        await fan.post(f"/api/v1/statuses/{posted['id']}/favourite")
    return posted


async def test_groups_name_people_and_posts_that_stand_beside_them_once(anna: User, bert: User, carl: User) -> None:
    posted = await _liked(anna, bert, carl)
    await bert.post(f"/api/v1/statuses/{posted['id']}/reblog")
    mention = await carl.status("@anna hello")
    found = await anna.get(PATH)
    assert set(found) == {"accounts", "statuses", "notification_groups"}
    assert sorted(one["acct"] for one in found["accounts"]) == ["bert", "carl"]
    assert [one["id"] for one in found["statuses"]] == [mention["id"], posted["id"]]
    single, boost, likes = found["notification_groups"]
    assert (single["type"], boost["type"], likes["type"]) == ("mention", "reblog", "favourite")
    told = await anna.get("/api/v1/notifications")
    newest = told[2]
    assert likes == {
        "group_key": newest["group_key"],
        "notifications_count": 2,
        "type": "favourite",
        "most_recent_notification_id": newest["id"],
        "page_min_id": told[3]["id"],
        "page_max_id": newest["id"],
        "latest_page_notification_at": newest["created_at"],
        "sample_account_ids": [str(carl.id), str(bert.id)],
        "status_id": posted["id"],
    }
    assert single["group_key"] == told[0]["group_key"] == f"ungrouped-{told[0]['id']}"
    one = await anna.get(f"{PATH}/{likes['group_key']}")
    paged = {"page_min_id", "page_max_id", "latest_page_notification_at"}
    assert one["notification_groups"] == [{name: value for name, value in likes.items() if name not in paged}]
    assert one["statuses"][0]["id"] == posted["id"]
    senders = await anna.get(f"{PATH}/{likes['group_key']}/accounts")
    assert [one["acct"] for one in senders] == ["carl", "bert"]
    assert [one["acct"] for one in await anna.get(f"{PATH}/{single['group_key']}/accounts")] == ["carl"]


async def test_few_people_are_told_whole_if_a_client_wants_that(anna: User, bert: User, carl: User) -> None:
    await _liked(anna, bert, carl)
    found = await anna.get(PATH, expand_accounts="partial_avatars")
    assert [one["acct"] for one in found["accounts"]] == ["carl"]
    (partial,) = found["partial_accounts"]
    whole = await anna.get(f"/api/v1/accounts/{bert.id}")
    names = ("id", "acct", "url", "avatar", "avatar_static", "locked", "bot")
    assert partial == {name: whole[name] for name in names}
    answer = await anna.send("GET", PATH, params={"expand_accounts": "all"})
    assert answer.status_code == 422
    assert "expand_accounts" in answer.json()["error"]


async def test_pages_filters_counts_and_dismissal(anna: User, bert: User, carl: User) -> None:
    await _liked(anna, bert, carl)
    await bert.follow(anna)
    await carl.follow(anna)
    answer = await anna.send("GET", PATH, params={"limit": 1, "types[]": ["follow", "favourite"]})
    (follows,) = answer.json()["notification_groups"]
    assert (follows["type"], follows["notifications_count"], "status_id" in follows) == ("follow", 2, False)
    older = answer.links["next"]["url"].removeprefix("https://eng.example")
    assert "types" in older
    rest = (await anna.get(older))["notification_groups"]
    assert rest[0]["group_key"] == follows["group_key"]  # its older follow, to be merged
    alone = await anna.get(PATH, **{"grouped_types[]": "favourite"})
    assert [one["notifications_count"] for one in alone["notification_groups"]] == [1, 1, 2]
    count = f"{PATH}/unread_count"
    assert (await anna.get(count))["count"] == 2
    assert (await anna.get(count, **{"grouped_types[]": "favourite"}))["count"] == 3
    assert (await anna.get(count, **{"types[]": "favourite", "account_id": str(bert.id)}))["count"] == 1
    newest = alone["notification_groups"][0]["most_recent_notification_id"]
    await anna.post("/api/v1/markers", notifications={"last_read_id": newest})
    assert (await anna.get(count))["count"] == 0
    assert await anna.post(f"{PATH}/{follows['group_key']}/dismiss") == {}
    assert [one["type"] for one in (await anna.get(PATH))["notification_groups"]] == ["favourite"]


async def test_a_reaction_is_a_favourite_to_who_does_not_know_reactions(anna: User, bert: User) -> None:
    posted = await anna.status("look")
    await bert.call("PUT", f"/api/v1/pleroma/statuses/{posted['id']}/reactions/🔧")
    (group,) = (await anna.get(PATH))["notification_groups"]
    assert (group["type"], group["emoji"]) == ("favourite", "🔧")
    (group,) = (await anna.get(PATH, **{"types[]": "pleroma:emoji_reaction"}))["notification_groups"]
    assert group["type"] == "pleroma:emoji_reaction"


async def test_somebody_elses_group_and_what_is_none_are_not_found(anna: User, bert: User, carl: User) -> None:
    await _liked(anna, bert, carl)
    key = (await anna.get(PATH))["notification_groups"][0]["group_key"]
    for who, path in ((bert, key), (anna, "nothing"), (anna, "ungrouped-1"), (anna, "%00"), (anna, "x" * 600)):
        for more in ("", "/accounts"):
            answer = await who.send("GET", f"{PATH}/{path}{more}")
            assert (answer.status_code, answer.json()) == (404, {"error": "Record not found"})
    assert await bert.post(f"{PATH}/{key}/dismiss") == {}
    assert len((await anna.get(PATH))["notification_groups"]) == 1
    assert "pending_requests_count" in (await anna.get(f"{PATH}/policy"))["summary"]
