"""Profiles, relations and lists of people over HTTP."""

import io
import json
from typing import Any

from PIL import Image

from node import accounts, auth
from tests.web.conftest import Served
from tests.web.mastodon.conftest import MakeUser, User


def picture(size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (10, 120, 200)).save(out, "PNG")
    return out.getvalue()


async def test_the_own_account_has_its_source_and_defaults(anna: User) -> None:
    own = await anna.get("/api/v1/accounts/verify_credentials")
    assert own["acct"] == "anna"
    assert own["source"]["privacy"] == "public"
    assert own["corridor"]["title"] == "Pump engineer"
    assert own["role"]["name"] == ""
    changed = await anna.call(
        "PATCH",
        "/api/v1/accounts/update_credentials",
        data={
            "display_name": "Anna of the pumps",
            "note": "Seals and #bearings",
            "locked": "1",
            "fields_attributes[0][name]": "Room",
            "fields_attributes[0][value]": "4.12",
            "source[privacy]": "private",
            "source[local_only]": "true",
            "source[language]": "de",
        },
    )
    assert changed["display_name"] == "Anna of the pumps"
    assert changed["locked"]
    assert changed["fields"] == [{"name": "Room", "value": "4.12", "verified_at": None}]
    assert changed["source"]["note"] == "Seals and #bearings"
    assert "/tags/bearings" in changed["note"]
    assert await anna.get("/api/v1/preferences") | {"reading:expand:media": "default"} == {
        "posting:default:visibility": "private",
        "posting:default:sensitive": False,
        "posting:default:language": "de",
        "posting:default:local_only": True,
        "posting:default:quote_policy": "public",
        "reading:expand:media": "default",
        "reading:expand:spoilers": False,
        "reading:autoplay:gifs": False,
    }
    posted = await anna.status("as usual")
    assert (posted["visibility"], posted["local_only"]) == ("private", True)


async def test_pictures_are_uploaded_shown_and_taken_away(served: Served, anna: User) -> None:
    files = {"avatar": ("me.png", picture(), "image/png"), "header": ("wide.png", picture((90, 30)), "image/png")}
    changed = await anna.call("PATCH", "/api/v1/accounts/update_credentials", files=files)
    base = served.node.settings.base
    for name in ("avatar", "header"):
        assert changed[name].startswith(f"{base}/media/")
        fetched = await served.http.get(changed[name].removeprefix(base))
        assert fetched.headers["content-type"].startswith("image/")
    left = await anna.call("DELETE", "/api/v1/profile/avatar")
    assert "/static/" in left["avatar"]
    assert left["header"] == changed["header"]


async def test_a_file_that_is_no_picture_changes_nothing_and_leaves_nothing(served: Served, anna: User) -> None:
    files = {"avatar": ("me.png", picture(), "image/png"), "header": ("x.png", b"<svg/>", "image/png")}
    answer = await anna.send("PATCH", "/api/v1/accounts/update_credentials", files=files, data={"display_name": "X"})
    assert answer.status_code == 422
    own = await anna.get("/api/v1/accounts/verify_credentials")
    assert own["display_name"] == "Anna"
    assert not served.node.settings.media_dir.exists() or not list(served.node.settings.media_dir.iterdir())


async def test_people_are_found_by_id_handle_and_name(anna: User, bert: User) -> None:
    assert (await bert.get(f"/api/v1/accounts/{anna.id}"))["acct"] == "anna"
    assert (await bert.get("/api/v1/accounts/lookup", acct="anna@eng.example"))["id"] == str(anna.id)
    assert (await bert.send("GET", "/api/v1/accounts/lookup?acct=nobody")).status_code == 404
    several = await bert.get("/api/v1/accounts", **{"id[]": [anna.id, 1, bert.id]})
    assert [one["acct"] for one in several] == ["anna", "bert"]
    assert [one["acct"] for one in await bert.get("/api/v1/accounts/search", q="ann")] == ["anna"]
    assert {one["acct"] for one in await bert.get("/api/v1/directory")} == {"anna", "bert"}


async def test_following_blocking_and_muting_answer_the_relation(anna: User, bert: User) -> None:
    relation = await bert.call("POST", f"/api/v1/accounts/{anna.id}/follow", data={"reblogs": "false", "notify": "1"})
    assert (relation["following"], relation["showing_reblogs"], relation["notifying"]) == (True, False, True)
    assert all(isinstance(relation[name], bool) for name in ("followed_by", "requested", "domain_blocking"))
    assert [one["acct"] for one in await anna.get(f"/api/v1/accounts/{anna.id}/followers")] == ["bert"]
    assert [one["acct"] for one in await anna.get(f"/api/v1/accounts/{bert.id}/following")] == ["anna"]
    (seen,) = await anna.get("/api/v1/accounts/relationships", **{"id[]": bert.id})
    assert (seen["followed_by"], seen["following"]) == (True, False)
    removed = await anna.post(f"/api/v1/accounts/{bert.id}/remove_from_followers")
    assert not removed["followed_by"]
    muted = await anna.call("POST", f"/api/v1/accounts/{bert.id}/mute", json={"notifications": False, "duration": 60})
    assert (muted["muting"], muted["muting_notifications"]) == (True, False)
    assert [one["acct"] for one in await anna.get("/api/v1/mutes")] == ["bert"]
    assert not (await anna.post(f"/api/v1/accounts/{bert.id}/unmute"))["muting"]
    assert (await anna.post(f"/api/v1/accounts/{bert.id}/block"))["blocking"]
    assert [one["acct"] for one in await anna.get("/api/v1/blocks")] == ["bert"]
    assert (await bert.send("POST", f"/api/v1/accounts/{anna.id}/follow")).status_code == 403
    assert not (await anna.post(f"/api/v1/accounts/{bert.id}/unblock"))["blocking"]
    assert not (await bert.post(f"/api/v1/accounts/{anna.id}/unfollow"))["following"]


async def test_a_note_is_shown_to_its_writer_alone(anna: User, bert: User) -> None:
    path = f"/api/v1/accounts/{bert.id}/note"
    assert (await anna.call("POST", path, data={"comment": "knows pumps"}))["note"] == "knows pumps"
    (own,) = await anna.get(f"/api/v1/accounts/relationships?id[]={bert.id}")
    (other,) = await bert.get(f"/api/v1/accounts/relationships?id[]={anna.id}")
    assert (own["note"], other["note"]) == ("knows pumps", "")
    assert (await anna.call("POST", path))["note"] == ""


async def test_the_muted_are_listed_with_the_end_of_each_mute(anna: User, bert: User, carl: User) -> None:
    await anna.post(f"/api/v1/accounts/{bert.id}/mute", duration=60)
    await anna.post(f"/api/v1/accounts/{carl.id}/mute")
    listed = {one["acct"]: one["mute_expires_at"] for one in await anna.get("/api/v1/mutes")}
    (relation,) = await anna.get("/api/v1/accounts/relationships", **{"id[]": bert.id})
    assert relation["muting_expires_at"] is not None
    assert listed == {"bert": relation["muting_expires_at"], "carl": None}
    assert "mute_expires_at" not in await anna.get(f"/api/v1/accounts/{bert.id}")
    assert await bert.get("/api/v1/mutes") == []


async def test_relations_to_the_suspended_are_told_only_when_asked_for(served: Served, anna: User, bert: User) -> None:
    await anna.follow(bert)
    await served.node.write(accounts.suspend, bert.id)
    asked = {"id[]": [bert.id, anna.id]}
    assert [one["id"] for one in await anna.get("/api/v1/accounts/relationships", **asked)] == [str(anna.id)]
    told = await anna.get("/api/v1/accounts/relationships", **asked, with_suspended="true")
    assert [one["id"] for one in told] == [str(bert.id), str(anna.id)]


async def test_a_locked_account_answers_requests(anna: User, bert: User, carl: User) -> None:
    await anna.call("PATCH", "/api/v1/accounts/update_credentials", json={"locked": True})
    assert (await bert.follow(anna))["requested"]
    assert (await carl.follow(anna))["requested"]
    assert (await anna.get("/api/v1/accounts/verify_credentials"))["source"]["follow_requests_count"] == 2
    assert {one["acct"] for one in await anna.get("/api/v1/follow_requests")} == {"bert", "carl"}
    assert (await anna.post(f"/api/v1/follow_requests/{bert.id}/authorize"))["followed_by"]
    assert not (await anna.post(f"/api/v1/follow_requests/{carl.id}/reject"))["followed_by"]
    assert await anna.get("/api/v1/follow_requests") == []


async def test_lists_of_people_are_paged_by_link_alone(make_user: MakeUser, anna: User) -> None:
    for number in range(5):
        await (await make_user(f"fan{number}")).follow(anna)
    path: str | None = f"/api/v1/accounts/{anna.id}/followers?limit=2"
    seen: list[str] = []
    while path:
        answer = await anna.send("GET", path)
        seen += [one["acct"] for one in answer.json()]
        following = answer.links.get("next", {}).get("url")
        path = following.removeprefix("https://eng.example") if following else None
        assert path is None or "limit=2" in path
    assert seen == ["fan4", "fan3", "fan2", "fan1", "fan0"]


async def test_familiar_followers_are_those_whom_one_follows_too(anna: User, bert: User, carl: User) -> None:
    await anna.follow(bert)
    await bert.follow(carl)
    found = await anna.get("/api/v1/accounts/familiar_followers", **{"id[]": [carl.id, bert.id]})
    assert [(one["id"], [a["acct"] for a in one["accounts"]]) for one in found] == [
        (str(carl.id), ["bert"]),
        (str(bert.id), []),
    ]


async def test_a_report_reaches_the_moderators(make_user: MakeUser, anna: User, bert: User) -> None:
    moderator = await make_user("mona", roles=("moderator",))
    posted = await bert.status("rude")
    filed = await anna.post(
        "/api/v1/reports", account_id=str(bert.id), status_ids=[posted["id"]], comment="rude", forward=False
    )
    assert filed["target_account"]["acct"] == "bert"
    assert filed["status_ids"] == [posted["id"]]
    (told,) = await moderator.get("/api/v1/notifications")
    assert (told["type"], told["report"]["comment"]) == ("admin.report", "rude")


async def test_a_profile_lists_what_may_be_seen(anna: User, bert: User) -> None:
    public = await anna.status("public #pump")
    await anna.status("for followers", visibility="private")
    reply = await anna.status("an answer", in_reply_to_id=(await bert.status("question"))["id"])
    boost = await anna.post(f"/api/v1/statuses/{(await bert.status('boosted'))['id']}/reblog")
    await anna.post(f"/api/v1/statuses/{public['id']}/pin")

    async def listed(**query: Any) -> list[str]:
        return [one["id"] for one in await bert.get(f"/api/v1/accounts/{anna.id}/statuses", **query)]

    assert await listed() == [boost["id"], reply["id"], public["id"]]
    assert await listed(exclude_replies="true") == [boost["id"], public["id"]]
    assert await listed(exclude_reblogs="1") == [reply["id"], public["id"]]
    assert await listed(pinned="true") == [public["id"]]
    assert await listed(pinned="true", max_id=public["id"]) == []
    assert await listed(tagged="Pump") == [public["id"]]
    assert await listed(only_media="true") == []


async def test_a_token_for_who_am_i_alone_sees_nothing_else(served: Served, make_user: MakeUser) -> None:
    anna = await make_user("anna", scopes="profile")
    assert (await anna.get("/api/v1/accounts/verify_credentials"))["acct"] == "anna"
    assert (await anna.send("GET", "/api/v1/timelines/home")).status_code == 403
    token = await served.node.write(auth.make_token, anna.id, "read:statuses")
    reader = User(served, anna.viewer, "anna", token)
    assert (await reader.send("GET", "/api/v1/timelines/home")).status_code == 200
    assert (await reader.send("POST", "/api/v1/statuses", json={"status": "x"})).status_code == 403
    assert json.loads((await reader.send("GET", "/api/v1/notifications")).text)["error"]
