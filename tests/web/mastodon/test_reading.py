"""Timelines, notifications, search, tags and what the node says of itself, over HTTP."""

from typing import Any

import msgspec
import pytest
from starlette.routing import Route

from node import accounts, config
from node.config import Settings
from tests.support.clocks import Clock
from tests.web.conftest import Served
from tests.web.mastodon.conftest import MakeUser, User
from web.mastodon.routes import routes

OPEN = ("/api/v1/instance", "/api/v2/instance", "/api/v1/custom_emojis", "/api/v1/streaming/health", "/health")
SOUND = {"url": "x", "q": "x", "acct": "x", "account_id": "1", "tag": "x", "id": "1"}
CLOSED_ALL_THE_SAME = "/api/v1/instance/peers"


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in found]


async def test_without_a_token_there_is_nothing_to_read_but_what_the_node_is(served: Served) -> None:
    for route in routes():
        if not isinstance(route, Route):
            continue
        path = route.path.replace("{name}", "pump").replace("{hashtag}", "pump")
        path = "/".join("1" if part.startswith("{") else part for part in path.split("/"))
        for method in (route.methods or set()) - {"HEAD"}:
            answer = await served.http.request(method, path, params=SOUND)
            is_open = path.startswith(OPEN) and path != CLOSED_ALL_THE_SAME
            there = 404 if "terms_of_service" in path else 200
            assert answer.status_code == (there if is_open else 401), f"{method} {path} gave {answer.status_code}"
            if not path.endswith("health"):
                assert answer.headers["content-type"].startswith("application/json")


async def test_a_token_that_does_not_work_is_refused_even_where_none_is_needed(served: Served) -> None:
    headers = {"Authorization": "Bearer wrong"}
    assert (await served.http.get("/api/v2/instance", headers=headers)).status_code == 401


class TestWithAnonymousReading:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, access=config.AccessSection(anonymous="read"))

    async def test_visitors_see_the_companys_posts_and_no_others(self, served: Served, anna: User) -> None:
        public = await anna.status("for the company #pump")
        hidden = [
            await anna.status("for the department #pump", local_only=True),
            await anna.status("for followers #pump", visibility="private"),
        ]
        for path in ("timelines/public", "timelines/tag/pump", f"accounts/{anna.id}/statuses"):
            assert ids((await served.http.get(f"/api/v1/{path}")).json()) == [public["id"]]
        assert (await served.http.get(f"/api/v1/statuses/{public['id']}")).json()["id"] == public["id"]
        assert "favourited" not in (await served.http.get(f"/api/v1/statuses/{public['id']}")).json()
        for one in hidden:
            assert (await served.http.get(f"/api/v1/statuses/{one['id']}")).status_code == 404
        for path in ("timelines/home", "notifications", "bookmarks", "accounts/verify_credentials"):
            assert (await served.http.get(f"/api/v1/{path}")).status_code == 401


async def test_timelines_show_what_belongs_there(anna: User, bert: User, carl: User) -> None:
    await bert.follow(anna)
    one = await anna.status("one #Pump #seal")
    own = await anna.status("among us #pump", local_only=True)
    quiet = await anna.status("quiet #pump", visibility="unlisted")
    assert ids(await bert.get("/api/v1/timelines/home")) == [quiet["id"], own["id"], one["id"]]
    assert await carl.get("/api/v1/timelines/home") == []
    assert ids(await carl.get("/api/v1/timelines/public")) == [own["id"], one["id"]]
    assert ids(await carl.get("/api/v1/timelines/public", local="true")) == [own["id"], one["id"]]
    assert await carl.get("/api/v1/timelines/public", remote="true") == []
    assert ids(await carl.get("/api/v1/timelines/tag/PUMP")) == [own["id"], one["id"]]
    assert ids(await carl.get("/api/v1/timelines/tag/pump", **{"all[]": "seal"})) == [one["id"]]
    assert ids(await carl.get("/api/v1/timelines/tag/pump", **{"none[]": "seal"})) == [own["id"]]


async def test_paging_goes_by_link_and_keeps_the_other_parameters(served: Served, anna: User) -> None:
    posted = [await anna.status(f"number {n}") for n in range(5)]
    newest = list(reversed(ids(posted)))
    answer = await anna.send("GET", "/api/v1/timelines/public?local=true&limit=2")
    assert ids(answer.json()) == newest[:2]
    following, before = answer.links["next"]["url"], answer.links["prev"]["url"]
    assert following == f"https://eng.example/api/v1/timelines/public?local=true&limit=2&max_id={newest[1]}"
    assert before.endswith(f"min_id={newest[0]}")
    path = following.removeprefix("https://eng.example")
    assert ids(await anna.get(path)) == newest[2:4]
    assert ids(await anna.get(f"/api/v1/timelines/home?limit=2&min_id={newest[4]}")) == newest[2:4]
    assert ids(await anna.get(f"/api/v1/timelines/home?limit=2&since_id={newest[4]}")) == newest[:2]
    assert len(await anna.get("/api/v1/timelines/home?limit=0")) == 1
    beyond = await anna.send("GET", f"/api/v1/timelines/home?max_id={newest[4]}")
    assert "link" not in beyond.headers
    assert "Link" in answer.headers["access-control-expose-headers"]


async def test_notifications_are_told_filtered_dismissed_and_cleared(anna: User, bert: User, carl: User) -> None:
    posted = await anna.status("look")
    await bert.follow(anna)
    await bert.post(f"/api/v1/statuses/{posted['id']}/favourite")
    await carl.status("@anna hello")
    told = await anna.get("/api/v1/notifications")
    assert [one["type"] for one in told] == ["mention", "favourite", "follow"]
    assert [one["account"]["acct"] for one in told] == ["carl", "bert", "bert"]
    assert told[1]["status"]["id"] == posted["id"]
    assert told[1]["status"]["pinned"] is False
    assert "status" not in told[2]
    path = "/api/v1/notifications"
    assert [one["type"] for one in await anna.get(path, **{"types[]": ["mention", "follow"]})] == ["mention", "follow"]
    assert [one["type"] for one in await anna.get(path, **{"exclude_types[]": "mention"})] == ["favourite", "follow"]
    assert [one["type"] for one in await anna.get(path, account_id=str(carl.id))] == ["mention"]
    assert (await anna.get(f"{path}/unread_count"))["count"] == 3
    assert await anna.get(f"{path}/{told[0]['id']}") == told[0]
    assert (await bert.send("GET", f"{path}/{told[0]['id']}")).status_code == 404
    assert await anna.post(f"{path}/{told[0]['id']}/dismiss") == {}
    assert await anna.post(f"{path}/dismiss", id=told[1]["id"]) == {}
    assert [one["type"] for one in await anna.get(path)] == ["follow"]
    assert await anna.post(f"{path}/clear") == {}
    assert await anna.get(path) == []


async def test_search_finds_people_posts_and_tags(anna: User, bert: User, carl: User) -> None:
    await bert.follow(anna)
    one = await anna.status("The bearing of the #pumpstation is worn")
    hidden = await anna.status("the bearing for followers", visibility="private")
    found = await bert.get("/api/v2/search", q="bearing")
    assert ids(found["statuses"]) == [hidden["id"], one["id"]]
    assert ids((await carl.get("/api/v2/search", q="bearing"))["statuses"]) == [one["id"]]
    tags = (await bert.get("/api/v2/search", q="#pump", type="hashtags"))["hashtags"]
    assert [(tag["name"], tag["following"], len(tag["history"])) for tag in tags] == [("pumpstation", False, 7)]
    people = await bert.get("/api/v2/search", q="anna", type="accounts")
    assert [person["acct"] for person in people["accounts"]] == ["anna"]
    assert (people["statuses"], people["hashtags"]) == ([], [])
    by_address = await bert.get("/api/v2/search", q=one["uri"], resolve="true")
    assert ids(by_address["statuses"]) == [one["id"]]
    assert (await carl.get("/api/v2/search", q=hidden["uri"], resolve="true"))["statuses"] == []
    assert (await carl.get("/api/v2/search", q=hidden["uri"]))["statuses"] == []
    by_profile = await bert.get("/api/v2/search", q=one["account"]["url"], resolve="true")
    assert [person["acct"] for person in by_profile["accounts"]] == ["anna"]
    nobody = await bert.get("/api/v2/search", q="@nobody@eng.example", resolve="true")
    assert nobody["accounts"] == []
    only = await bert.get("/api/v2/search", q="bearing", account_id=str(carl.id))
    assert only["statuses"] == []
    assert (await bert.send("GET", "/api/v2/search")).status_code == 422


async def test_tags_can_be_followed(anna: User, bert: User) -> None:
    assert (await anna.get("/api/v1/tags/Pump"))["following"] is False
    assert (await anna.post("/api/v1/tags/Pump/follow"))["following"] is True
    posted = await bert.status("about #pump")
    assert ids(await anna.get("/api/v1/timelines/home")) == [posted["id"]]
    tag = await anna.get("/api/v1/tags/pump")
    assert (tag["following"], tag["history"][0]["uses"]) == (True, "1")
    assert [one["name"] for one in await anna.get("/api/v1/followed_tags")] == ["Pump"]
    assert (await anna.post("/api/v1/tags/pump/unfollow"))["following"] is False
    assert await anna.get("/api/v1/followed_tags") == []
    assert (await anna.send("GET", "/api/v1/tags/%23%23")).status_code == 404
    assert (await anna.send("POST", "/api/v1/tags/a%20b/follow")).status_code == 404


async def test_the_node_describes_itself_in_both_versions(served: Served, anna: User, clock: Clock) -> None:
    await anna.status("lively")
    second = (await served.http.get("/api/v2/instance")).json()
    assert second["domain"] == "eng.example"
    assert second["version"].startswith("4.5.0 (compatible; Corridor ")
    assert second["configuration"]["urls"]["streaming"] == "wss://eng.example"
    assert second["configuration"]["statuses"]["max_characters"] == 5000
    assert second["usage"]["users"]["active_month"] == 1
    assert second["registrations"]["enabled"] is False
    assert second["api_versions"] == {"mastodon": 2}
    first = (await served.http.get("/api/v1/instance")).json()
    assert first["uri"] == "eng.example"
    assert first["urls"]["streaming_api"] == "wss://eng.example"
    assert first["stats"] == {"user_count": 1, "status_count": 1, "domain_count": 0}
    assert (await served.http.get("/api/v1/instance/rules")).json() == []
    assert (await served.http.get("/api/v1/instance/extended_description")).json()["updated_at"].endswith("Z")
    clock.advance(40 * 86_400)
    assert (await served.http.get("/api/v2/instance")).json()["usage"]["users"]["active_month"] == 0


@pytest.mark.parametrize(
    "path",
    [
        "v1/lists", "v2/filters", "v1/filters", "v1/announcements", "v1/conversations", "v1/trends/tags",
        "v1/featured_tags", "v1/domain_blocks", "v1/notifications/requests",
    ],
)  # fmt: skip
async def test_what_is_not_here_yet_is_empty(anna: User, path: str) -> None:
    assert await anna.get(f"/api/{path}") == []


async def test_unknown_calls_are_json_too(anna: User) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = await anna.send(method, "/api/v1/no/such/thing", headers={"Accept": "text/html"})
        assert (answer.status_code, answer.json()) == (404, {"error": "Record not found"})
    assert (await anna.send("DELETE", "/api/v1/timelines/home")).status_code == 405
    policy = await anna.get("/api/v2/notifications/policy")
    assert policy["summary"] == {"pending_requests_count": 0, "pending_notifications_count": 0}


async def test_an_account_that_is_suspended_is_gone_for_everybody(
    make_user: MakeUser, served: Served, anna: User, bert: User
) -> None:
    posted = await anna.status("soon gone #pump")
    await served.node.write(accounts.suspend, anna.id)
    assert (await bert.send("GET", f"/api/v1/accounts/{anna.id}")).status_code == 404
    assert (await bert.send("GET", f"/api/v1/statuses/{posted['id']}")).status_code == 404
    assert await bert.get("/api/v1/timelines/public") == []
    assert await bert.get("/api/v1/accounts", **{"id[]": anna.id}) == []
    assert (await anna.send("GET", "/api/v1/timelines/home")).status_code == 401


async def test_a_muted_thread_is_marked_for_who_muted_it(anna: User, bert: User) -> None:
    root = await anna.status("one")
    answer = await bert.status("@anna two", in_reply_to_id=root["id"])
    before = await anna.get("/api/v1/notifications/unread_count")
    muted = await anna.post(f"/api/v1/statuses/{answer['id']}/mute")
    assert (muted["id"], muted["muted"]) == (answer["id"], True)
    assert [one["muted"] for one in await anna.get("/api/v1/timelines/public")] == [True]
    assert (await bert.get(f"/api/v1/statuses/{root['id']}"))["muted"] is False
    await bert.status("@anna three", in_reply_to_id=root["id"])
    assert await anna.get("/api/v1/notifications/unread_count") == before
    assert (await anna.post(f"/api/v1/statuses/{root['id']}/unmute"))["muted"] is False
    assert (await anna.get(f"/api/v1/statuses/{answer['id']}"))["muted"] is False
    hidden = await bert.status("for me", visibility="direct")
    for name in ("mute", "unmute"):
        assert (await anna.send("POST", f"/api/v1/statuses/{hidden['id']}/{name}")).status_code == 404


async def test_local_and_remote_together_are_everything(anna: User, bert: User) -> None:
    posted = await anna.status("about the #pump")
    for path in ("public", "tag/pump"):
        assert ids(await bert.get(f"/api/v1/timelines/{path}?local=true&remote=true")) == [posted["id"]]
        assert await bert.get(f"/api/v1/timelines/{path}?remote=true") == []
