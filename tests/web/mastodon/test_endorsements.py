"""Whom people recommend on their profiles."""

import pytest

from node import accounts, social
from node.schema import featured_person
from tests.support.rows import count_of
from tests.web.mastodon.conftest import MakeUser, User

REFUSED = {"error": "Validation failed: You must be already following the person you want to endorse"}


async def test_whom_one_follows_one_may_recommend_and_everybody_sees_it(anna: User, bert: User, carl: User) -> None:
    path = f"/api/v1/accounts/{bert.id}"
    answer = await anna.send("POST", f"{path}/endorse")
    assert (answer.status_code, answer.json()) == (422, REFUSED)
    await anna.follow(bert)
    for word in ("endorse", "pin", "endorse"):
        relation = await anna.post(f"{path}/{word}")
        assert (relation["id"], relation["endorsed"]) == (str(bert.id), True)
    assert [one["acct"] for one in await anna.get("/api/v1/endorsements")] == ["bert"]
    assert [one["acct"] for one in await carl.get(f"/api/v1/accounts/{anna.id}/endorsements")] == ["bert"]
    assert await carl.get("/api/v1/endorsements") == []
    assert await anna.get(f"/api/v1/accounts/{bert.id}/endorsements") == []
    assert not (await carl.get("/api/v1/accounts/relationships", id=str(bert.id)))[0]["endorsed"]
    assert not (await anna.post(f"{path}/unendorse"))["endorsed"]
    assert not (await anna.post(f"{path}/unpin"))["endorsed"]
    assert await anna.get("/api/v1/endorsements") == []
    for word in ("endorse", "unendorse"):
        assert (await anna.send("POST", f"/api/v1/accounts/1/{word}")).status_code == 404
    assert (await anna.send("GET", "/api/v1/accounts/1/endorsements")).status_code == 404


@pytest.mark.parametrize("end", ["unfollow", "block", "removed"])
async def test_who_is_not_followed_any_more_is_not_recommended(anna: User, bert: User, end: str) -> None:
    await anna.follow(bert)
    await anna.post(f"/api/v1/accounts/{bert.id}/endorse")
    if end == "removed":
        await bert.post(f"/api/v1/accounts/{anna.id}/remove_from_followers")
    else:
        await anna.post(f"/api/v1/accounts/{bert.id}/{end}")
    assert await anna.get("/api/v1/endorsements") == []
    assert not (await anna.get("/api/v1/accounts/relationships", id=str(bert.id)))[0]["endorsed"]


async def test_a_request_to_follow_is_not_enough(anna: User, make_user: MakeUser) -> None:
    locked = await make_user("lena")
    await locked.call("PATCH", "/api/v1/accounts/update_credentials", json={"locked": True})
    assert (await anna.follow(locked))["requested"]
    assert (await anna.send("POST", f"/api/v1/accounts/{locked.id}/endorse")).status_code == 422


async def test_it_is_paged_and_kept_from_whom_one_blocks(
    anna: User, bert: User, carl: User, make_user: MakeUser
) -> None:
    dora = await make_user("dora")
    for one in (bert, carl):
        await anna.follow(one)
        await anna.post(f"/api/v1/accounts/{one.id}/endorse")
    page = await dora.send("GET", f"/api/v1/accounts/{anna.id}/endorsements?limit=1")
    assert [one["acct"] for one in page.json()] == ["carl"]
    following = page.links["next"]["url"].removeprefix("https://eng.example")
    assert [one["acct"] for one in await dora.get(following)] == ["bert"]
    await anna.post(f"/api/v1/accounts/{dora.id}/block")
    assert await dora.get(f"/api/v1/accounts/{anna.id}/endorsements") == []


@pytest.mark.parametrize("leaver", [0, 1])
async def test_it_goes_with_either_and_is_exported(anna: User, bert: User, leaver: int) -> None:
    await anna.follow(bert)
    await anna.post(f"/api/v1/accounts/{bert.id}/endorse")
    lines, last, _ = await anna.node.read(social.endorsement_lines, 0)
    assert lines == [{"owner": "anna", "person": "bert"}]
    assert (await anna.node.read(social.endorsement_lines, last))[0] == []
    await anna.node.write(accounts.delete_account, (anna, bert)[leaver].id)
    assert await count_of(anna.node, featured_person) == 0


async def test_it_takes_the_scope(anna: User, bert: User, make_user: MakeUser) -> None:
    reader = await make_user("rita", scopes="read")
    assert (await reader.send("POST", f"/api/v1/accounts/{bert.id}/endorse")).status_code == 403
    assert await reader.get("/api/v1/endorsements") == []
