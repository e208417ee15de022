"""Whom people might want to follow."""

import pytest

from node import accounts, social
from node.accounts import WorkChanges
from node.schema import suggestion_dismissal
from tests.support.actors import make_remote
from tests.support.posting import following
from tests.support.rows import count_of
from tests.support.statements import counted
from tests.web.mastodon.conftest import MakeUser, User

PATH = "/api/v2/suggestions"


async def suggested(user: User) -> list[tuple[str, list[str]]]:
    return [(one["account"]["acct"], one["sources"]) for one in await user.get(PATH)]


async def test_the_manager_then_friends_of_friends_then_who_is_read(make_user: MakeUser) -> None:
    anna, bert, carl, dora, emil, boss = [
        await make_user(name) for name in ("anna", "bert", "carl", "dora", "emil", "boss")
    ]
    assert await anna.get(PATH) == []
    for one in (bert, carl):
        await anna.follow(one)
        await one.follow(dora)
    await bert.follow(emil)
    await bert.follow(anna)
    await make_user("nobody")
    read = await make_user("reader")
    await read.status("I write")
    await emil.follow(read)
    await anna.node.write(accounts.set_work, anna.id, WorkChanges(manager="boss"))
    assert await suggested(anna) == [
        ("boss", ["featured"]),
        ("dora", ["friends_of_friends"]),
        ("emil", ["friends_of_friends"]),
        ("reader", ["most_followed"]),
    ]
    assert [one["source"] for one in await anna.get(PATH, limit=2)] == ["staff", "past_interactions"]
    assert [one["acct"] for one in await anna.get("/api/v1/suggestions", limit="1")] == ["boss"]
    await anna.follow(dora)
    assert "dora" not in dict(await suggested(anna))
    assert boss.name in dict(await suggested(anna))


@pytest.mark.parametrize("why", ["blocked", "blocks", "muted", "suspended", "hidden", "dismissed", "gone", "asked"])
async def test_who_does_not_fit_is_left_out(anna: User, bert: User, carl: User, make_user: MakeUser, why: str) -> None:
    dora = await make_user("dora")
    await anna.follow(bert)
    for one in (carl, dora):
        await bert.follow(one)
    assert [name for name, _ in await suggested(anna)] == ["carl", "dora"]
    path = f"/api/v1/accounts/{carl.id}"
    if why == "blocked":
        await anna.post(f"{path}/block")
    elif why == "blocks":
        await carl.post(f"/api/v1/accounts/{anna.id}/block")
    elif why == "muted":
        await anna.post(f"{path}/mute")
    elif why == "hidden":
        await carl.call("PATCH", "/api/v1/accounts/update_credentials", json={"discoverable": False})
    elif why == "dismissed":
        for _ in range(2):
            assert await anna.call("DELETE", f"/api/v1/suggestions/{carl.id}") == {}
    elif why == "asked":
        await carl.call("PATCH", "/api/v1/accounts/update_credentials", json={"locked": True})
        await anna.follow(carl)
    else:
        await anna.node.write(accounts.suspend if why == "suspended" else accounts.delete_account, carl.id)
    assert [name for name, _ in await suggested(anna)] == ["dora"]
    if why == "dismissed":
        assert "carl" in dict(await suggested(await _newcomer(make_user, bert)))


async def _newcomer(make_user: MakeUser, friend: User) -> User:
    user = await make_user("nora")
    await user.follow(friend)
    return user


async def test_people_of_peers_are_among_them(anna: User, bert: User) -> None:
    tom = await make_remote(anna.node)
    await anna.follow(bert)
    await following(anna.node, bert.viewer, tom)
    assert [name.partition("@")[2] for name, _ in await suggested(anna)] == ["field.example"]


async def test_whom_there_is_not_can_be_dismissed_and_nothing_is_left(anna: User, bert: User) -> None:
    for wrong in ("1", "abc", "9" * 30):
        assert await anna.call("DELETE", f"/api/v1/suggestions/{wrong}") == {}
    assert await count_of(anna.node, suggestion_dismissal) == 0
    await anna.call("DELETE", f"/api/v1/suggestions/{bert.id}")
    await anna.node.write(accounts.delete_account, bert.id)
    assert await count_of(anna.node, suggestion_dismissal) == 0


async def test_it_takes_four_statements(anna: User, bert: User, carl: User) -> None:
    await anna.follow(bert)
    await bert.follow(carl)
    with counted() as statements:
        assert len(await anna.node.read_as(anna.viewer, social.suggest, 40)) == 1
    assert len(statements) == 4
