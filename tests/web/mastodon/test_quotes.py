"""Quotes in the client API, as Mastodon 4.5 documents them."""

import asyncio
from typing import Any

import pytest
from mastodon import Mastodon

from tests.support.statements import counted
from tests.web.mastodon.conftest import MakeUser, User

Answer = dict[str, Any]


async def quote(who: User, quoted: Answer, text: str = "Look", **data: Any) -> Answer:
    return await who.status(text, quoted_status_id=quoted["id"], **data)


async def seen_by(who: User, status: Answer) -> Any:
    """(state, id of the quoted post) of a status, as somebody gets it."""
    found = (await who.get(f"/api/v1/statuses/{status['id']}"))["quote"]
    return found["state"], found["quoted_status"] and found["quoted_status"]["id"]


async def test_a_status_holds_what_it_quotes(anna: User, bert: User) -> None:
    quoted = await anna.status("The pump is loud")
    assert (quoted["quote"], quoted["quotes_count"]) == (None, 0)
    assert quoted["quote_approval"] == {"automatic": ["public"], "manual": [], "current_user": "automatic"}
    quoting = await quote(bert, quoted, "So is ours")
    assert quoting["quote"]["state"] == "accepted"
    inner = quoting["quote"]["quoted_status"]
    assert (inner["id"], inner["account"]["username"], inner["quote"]) == (quoted["id"], "anna", None)
    assert inner.keys() == quoted.keys()
    assert inner["quotes_count"] == 1
    assert (await anna.get(f"/api/v1/statuses/{quoted['id']}"))["quotes_count"] == 1


async def test_what_is_quoted_names_what_it_quotes_and_no_more(anna: User, bert: User) -> None:
    first = await anna.status("One")
    second = await quote(anna, first, "Two")
    third = await quote(bert, second, "Three")
    assert third["quote"]["quoted_status"]["quote"] == {"state": "accepted", "quoted_status_id": first["id"]}
    await anna.call("DELETE", f"/api/v1/statuses/{first['id']}")
    again = await bert.get(f"/api/v1/statuses/{third['id']}")
    assert again["quote"]["quoted_status"]["quote"] == {"state": "deleted", "quoted_status_id": None}


async def test_a_boost_shows_the_quote_of_what_it_boosts(anna: User, bert: User) -> None:
    quoted = await anna.status("The pump is loud", quote_approval_policy="nobody")
    own = await quote(anna, quoted)
    boost = await bert.post(f"/api/v1/statuses/{own['id']}/reblog")
    assert boost["quote"] is None
    assert boost["reblog"]["quote"]["quoted_status"]["id"] == quoted["id"]
    of_boost = await quote(anna, boost, "Of the boost")
    assert of_boost["quote"]["quoted_status"]["id"] == own["id"]


async def test_nothing_is_shown_by_a_quote_that_the_viewer_may_not_see(anna: User, bert: User, carl: User) -> None:
    quoted = await anna.status("For my followers", visibility="private")
    await bert.follow(anna)
    quoting = await quote(anna, quoted, "@carl look", visibility="private")
    assert await seen_by(bert, quoting) == ("accepted", quoted["id"])
    assert await seen_by(carl, quoting) == ("unauthorized", None)
    assert "For my followers" not in str(await carl.get(f"/api/v1/statuses/{quoting['id']}"))


async def test_who_is_blocked_by_the_quoted_author_sees_no_quote_of_theirs(anna: User, bert: User, carl: User) -> None:
    quoting = await quote(bert, await anna.status("The pump is loud"))
    await anna.post(f"/api/v1/accounts/{carl.id}/block")
    assert await seen_by(carl, quoting) == ("unauthorized", None)
    assert (await seen_by(bert, quoting))[0] == "accepted"


async def test_whom_the_viewer_blocks_or_mutes_is_marked(anna: User, bert: User, carl: User) -> None:
    quoted = await anna.status("The pump is loud")
    quoting = await quote(bert, quoted)
    await carl.post(f"/api/v1/accounts/{anna.id}/mute")
    assert await seen_by(carl, quoting) == ("muted_account", quoted["id"])
    await carl.post(f"/api/v1/accounts/{anna.id}/block")
    assert await seen_by(carl, quoting) == ("blocked_account", quoted["id"])


async def test_the_quoted_author_takes_a_quote_back(anna: User, bert: User) -> None:
    quoted = await anna.status("The pump is loud")
    quoting = await quote(bert, quoted)
    path = f"/api/v1/statuses/{quoted['id']}/quotes"
    assert [one["id"] for one in await anna.get(path)] == [quoting["id"]]
    assert (await bert.send("POST", f"{path}/{quoting['id']}/revoke")).status_code == 404
    revoked = await anna.post(f"{path}/{quoting['id']}/revoke")
    assert revoked["quote"] == {"state": "revoked", "quoted_status": None}
    assert await anna.get(path) == []
    assert await seen_by(bert, quoting) == ("revoked", None)


async def test_a_quoted_post_that_is_deleted_is_said_to_be(anna: User, bert: User) -> None:
    quoted = await anna.status("The pump is loud")
    quoting = await quote(bert, quoted)
    await anna.call("DELETE", f"/api/v1/statuses/{quoted['id']}")
    assert await seen_by(bert, quoting) == ("deleted", None)


CURRENT = {"public": "automatic", "followers": "denied", "nobody": "denied"}


@pytest.mark.parametrize("policy", CURRENT)
async def test_everybody_is_told_what_they_may_quote(anna: User, bert: User, carl: User, policy: str) -> None:
    status = await anna.status("Hi", quote_approval_policy=policy)
    await carl.follow(anna)
    found = {who.name: await who.get(f"/api/v1/statuses/{status['id']}") for who in (anna, bert, carl)}
    assert found["anna"]["quote_approval"]["automatic"] == ([] if policy == "nobody" else [policy])
    expected = {"anna": "automatic", "bert": CURRENT[policy], "carl": "denied" if policy == "nobody" else "automatic"}
    assert {name: one["quote_approval"]["current_user"] for name, one in found.items()} == expected
    answer = await bert.send("POST", "/api/v1/statuses", json={"status": "x", "quoted_status_id": status["id"]})
    assert answer.status_code == (200 if policy == "public" else 422)


async def test_a_narrow_post_may_be_quoted_by_nobody_else(anna: User) -> None:
    private = await anna.status("Hi", visibility="private", quote_approval_policy="public")
    assert private["quote_approval"] == {"automatic": [], "manual": [], "current_user": "automatic"}
    direct = await anna.status("Hi", visibility="direct")
    assert direct["quote_approval"]["current_user"] == "denied"


async def test_a_policy_is_changed_by_its_author(anna: User, bert: User) -> None:
    status = await anna.status("Hi")
    path = f"/api/v1/statuses/{status['id']}"
    changed = await anna.call("PUT", f"{path}/interaction_policy", json={"quote_approval_policy": "followers"})
    assert (changed["quote_approval"]["automatic"], changed["edited_at"]) == (["followers"], None)
    edited = await anna.call("PUT", path, data={"status": "Ho", "quote_approval_policy": "nobody"})
    assert (edited["quote_approval"]["automatic"], edited["content"]) == ([], "<p>Ho</p>")
    for who, sent, code in ((bert, "public", 404), (anna, "everybody", 422), (anna, "", 422)):
        answer = await who.send("PUT", f"{path}/interaction_policy", json={"quote_approval_policy": sent})
        assert answer.status_code == code


async def test_what_is_no_post_for_the_viewer_cannot_be_quoted(anna: User, bert: User) -> None:
    private = await anna.status("Hi", visibility="private")
    for id_ in (private["id"], "12345"):
        answer = await bert.send("POST", "/api/v1/statuses", json={"status": "x", "quoted_status_id": id_})
        assert answer.status_code == 404
        assert answer.json()["error"] == "The post you are trying to quote does not appear to exist."


async def test_a_department_post_is_quoted_within_the_department(anna: User, bert: User) -> None:
    inside = await anna.status("Only for us", local_only=True)
    answer = await bert.send("POST", "/api/v1/statuses", json={"status": "x", "quoted_status_id": inside["id"]})
    assert answer.status_code == 422
    assert "stays within the department" in answer.json()["error"]
    assert (await quote(bert, inside, local_only=True))["quote"]["state"] == "accepted"


async def test_a_default_is_kept_and_used(anna: User) -> None:
    preferences = await anna.get("/api/v1/preferences")
    assert preferences["posting:default:quote_policy"] == "public"
    changed = await anna.call("PATCH", "/api/v1/accounts/update_credentials", data={"source[quote_policy]": "nobody"})
    assert changed["source"]["quote_policy"] == "nobody"
    assert (await anna.get("/api/v1/preferences"))["posting:default:quote_policy"] == "nobody"
    assert (await anna.status("Hi"))["quote_approval"]["automatic"] == []
    assert (await anna.status("Ho", quote_approval_policy="public"))["quote_approval"]["automatic"] == ["public"]


async def test_notifications_tell_of_quotes_and_of_what_was_quoted(anna: User, bert: User) -> None:
    quoted = await anna.status("The pump is loud")
    quoting = await quote(bert, quoted)
    (told,) = await anna.get("/api/v1/notifications")
    assert (told["type"], told["status"]["id"], told["account"]["username"]) == ("quote", quoting["id"], "bert")
    assert told["status"]["quote"]["quoted_status"]["id"] == quoted["id"]
    await anna.call("PUT", f"/api/v1/statuses/{quoted['id']}", json={"status": "The pump is quiet"})
    (told,) = await bert.get("/api/v1/notifications")
    assert (told["type"], told["status"]["id"]) == ("quoted_update", quoting["id"])
    assert await anna.get("/api/v1/notifications", **{"exclude_types[]": "quote"}) == []


async def test_a_token_that_only_reads_changes_no_quote(make_user: MakeUser, anna: User) -> None:
    reader = await make_user("rita", scopes="read")
    status = await anna.status("Hi")
    wanted = {"quote_approval_policy": "public"}
    for method, path in (("PUT", "interaction_policy"), ("POST", f"quotes/{status['id']}/revoke")):
        answer = await reader.send(method, f"/api/v1/statuses/{status['id']}/{path}", json=wanted)
        assert answer.status_code == 403, path


async def test_a_page_of_quotes_costs_a_fixed_number_of_statements(anna: User, bert: User) -> None:
    plain = [await anna.status(f"{number}") for number in range(3)]

    async def statements() -> int:
        await bert.get("/api/v1/timelines/public")  # what is kept as bytes is kept now
        with counted() as seen:
            await bert.get("/api/v1/timelines/public")
        return len(seen)

    without = await statements()
    await quote(anna, plain[0])
    one = await statements()
    for status in plain[1:]:
        await quote(anna, status)
    assert await statements() == one
    assert one <= without + 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_mastodon_py_quotes_and_takes_back(anna: User, bert: User) -> None:
    posted = await anna.status("The pump is loud")

    def day() -> None:
        tom, owner = (Mastodon(access_token=who.token, api_base_url=who.served.base) for who in (bert, anna))
        quoting = tom.status_post("Seen at three customers too", quoted_status_id=posted["id"])
        assert quoting.quote.state == "accepted"
        assert [one.id for one in owner.status_quotes(posted["id"])] == [quoting.id]
        assert owner.status_quote_revoke(posted["id"], quoting.id).quote.state == "revoked"
        changed = owner.status_update_quote_approval_policy(posted["id"], "nobody")
        assert changed.quote_approval.automatic == []

    await asyncio.to_thread(day)
