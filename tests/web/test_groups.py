"""Groups over our own API, and as any Mastodon client sees them."""

from typing import Any

import pytest

from node.secrets import create_secret
from tests.conftest import make_settings
from tests.web.conftest import Person, Served

PATH = "/api/corridor/v1/groups"


@pytest.fixture
async def anna(served: Served) -> Person:
    return await served.person("anna")


@pytest.fixture
async def tom(served: Served) -> Person:
    return await served.person("tom")


async def call(served: Served, who: Person, method: str, path: str, *, status: int = 200, **more: Any) -> Any:
    answer = await served.http.request(method, path, headers=who.bearer, **more)
    assert answer.status_code == status, f"{method} {path} gave {answer.status_code}: {answer.text[:300]}"
    return answer.json()


async def made(served: Served, who: Person, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = await call(served, who, "POST", PATH, json={"username": "pumps"} | fields)
    return found


async def test_a_group_from_its_making_to_its_end(served: Served, anna: Person, tom: Person) -> None:
    group = await made(served, anna, display_name="All about pumps", note="Ask about #pump")
    assert group["account"]["group"]
    assert not group["account"]["bot"]
    assert group["account"]["acct"] == "pumps"
    assert [group[name] for name in ("posting", "member", "moderator", "members_count", "local")] == [
        "members",
        True,
        True,
        1,
        True,
    ]
    one = f"{PATH}/{group['id']}"

    joined = await call(served, tom, "POST", f"/api/v1/accounts/{group['id']}/follow")
    assert joined["following"]
    posted = await call(served, tom, "POST", "/api/v1/statuses", json={"status": "@pumps it leaks"})
    (seen,) = await call(served, anna, "GET", "/api/v1/timelines/home")
    assert (seen["account"]["acct"], seen["reblog"]["id"]) == ("pumps", posted["id"])
    assert [row["acct"] for row in await call(served, tom, "GET", f"{one}/members")] == ["tom", "anna"]
    assert [row["acct"] for row in await call(served, tom, "GET", f"{one}/moderators")] == ["anna"]

    changed = await call(served, anna, "PATCH", one, json={"posting": "moderators", "locked": True})
    assert (changed["posting"], changed["locked"], changed["account"]["locked"]) == ("moderators", True, True)
    await call(served, anna, "DELETE", f"{one}/posts/{seen['id']}")  # the boost, as clients show it
    assert await call(served, anna, "GET", "/api/v1/timelines/home") == []
    assert (await call(served, tom, "GET", f"/api/v1/statuses/{posted['id']}"))["id"] == posted["id"]

    await call(served, anna, "DELETE", one)
    await call(served, anna, "GET", one, status=404)
    assert await call(served, anna, "GET", PATH) == []


async def test_what_is_for_moderators_is_refused_to_others(served: Served, anna: Person, tom: Person) -> None:
    one = f"{PATH}/{(await made(served, anna))['id']}"
    posted = await call(served, anna, "POST", "/api/v1/statuses", json={"status": "@pumps hello"})
    for method, path in [
        ("PATCH", one),
        ("DELETE", one),
        ("DELETE", f"{one}/members/{anna.id}"),
        ("DELETE", f"{one}/moderators/{anna.id}"),
        ("GET", f"{one}/requests"),
        ("POST", f"{one}/requests/{anna.id}/accept"),
        ("POST", f"{one}/requests/{anna.id}/reject"),
        ("GET", f"{one}/bans"),
        ("DELETE", f"{one}/bans/{anna.id}"),
        ("DELETE", f"{one}/posts/{posted['id']}"),
    ]:
        await call(served, tom, method, path, status=403)
        await call(served, tom, method, path.replace(one, f"{PATH}/{anna.id}"), status=404)
    for name in ("moderators", "bans"):
        await call(served, tom, "POST", f"{one}/{name}", json={"account_id": str(tom.id)}, status=403)


async def test_a_locked_group_lets_people_in_through_its_moderators(served: Served, anna: Person, tom: Person) -> None:
    group = await made(served, anna, locked=True)
    one = f"{PATH}/{group['id']}"
    asked = await call(served, tom, "POST", f"/api/v1/accounts/{group['id']}/follow")
    assert (asked["following"], asked["requested"]) == (False, True)
    assert [row["acct"] for row in await call(served, anna, "GET", f"{one}/requests")] == ["tom"]
    assert (await call(served, anna, "POST", f"{one}/requests/{tom.id}/accept"))["members_count"] == 2
    assert (await call(served, tom, "GET", one))["member"]
    await call(served, anna, "POST", f"{one}/bans", json={"account_id": str(tom.id)})
    assert [row["acct"] for row in await call(served, anna, "GET", f"{one}/bans")] == ["tom"]
    await call(served, tom, "POST", f"/api/v1/accounts/{group['id']}/follow", status=403)
    await call(served, anna, "DELETE", f"{one}/bans/{tom.id}")
    await call(served, tom, "POST", f"/api/v1/accounts/{group['id']}/follow")
    assert (await call(served, anna, "POST", f"{one}/requests/{tom.id}/reject"))["members_count"] == 1


async def test_moderators_are_named_and_taken_back(served: Served, anna: Person, tom: Person) -> None:
    one = f"{PATH}/{(await made(served, anna))['id']}"
    assert (await call(served, anna, "POST", f"{one}/moderators", json={"account_id": str(tom.id)}))[
        "members_count"
    ] == 2
    await call(served, tom, "DELETE", f"{one}/moderators/{anna.id}")
    await call(served, tom, "DELETE", f"{one}/moderators/{tom.id}", status=422)


@pytest.mark.parametrize(
    "wrong",
    [{"username": ""}, {"username": "Not A Name"}, {"username": "anna"}, {"posting": "everybody"}, {"note": "x" * 600}],
)
async def test_a_wrong_group_is_422(served: Served, anna: Person, wrong: dict[str, str]) -> None:
    await call(served, anna, "POST", PATH, json={"username": "pumps"} | wrong, status=422)
    assert await call(served, anna, "GET", PATH) == []


async def test_groups_are_found_like_people(served: Served, anna: Person, tom: Person) -> None:
    group = await made(served, anna, display_name="Hydraulics club")
    found = await call(served, tom, "GET", "/api/v1/accounts/search", params={"q": "hydraulics"})
    assert [row["id"] for row in found] == [group["id"]]
    assert group["id"] in [row["id"] for row in await call(served, tom, "GET", "/api/v1/directory")]
    assert (await call(served, tom, "GET", "/api/v1/accounts/lookup", params={"acct": "pumps"}))["group"]


async def test_groups_are_no_users_of_the_node(served: Served, anna: Person) -> None:
    before = (await served.http.get("/nodeinfo/2.1")).json()["usage"]["users"]
    stats = (await call(served, anna, "GET", "/api/v1/instance"))["stats"]["user_count"]
    await made(served, anna)
    assert (await served.http.get("/nodeinfo/2.1")).json()["usage"]["users"] == before
    assert (await call(served, anna, "GET", "/api/v1/instance"))["stats"]["user_count"] == stats


async def test_a_token_without_the_scope_makes_no_group(served: Served) -> None:
    reader = await served.person("reader", scopes="read")
    await call(served, reader, "POST", PATH, json={"username": "pumps"}, status=403)
    await call(served, reader, "GET", PATH)


async def test_nobody_makes_groups_without_end(served: Served, anna: Person) -> None:
    for number in range(10):
        await made(served, anna, username=f"group{number}")
    await call(served, anna, "POST", PATH, json={"username": "onemore"}, status=429)


class TestWhereAdministratorsMakeGroups:
    @pytest.fixture
    def settings(self, tmp_path: Any, engine_name: str, new_database_url: Any) -> Any:
        create_secret(tmp_path)
        url = new_database_url(engine_name, tmp_path)
        return make_settings(tmp_path, database_url=url, groups={"create": "administrators"})

    async def test_others_are_refused(self, served: Served, anna: Person) -> None:
        await call(served, anna, "POST", PATH, json={"username": "pumps"}, status=403)
        boss = await served.person("boss", roles=("employee", "admin"))
        await made(served, boss)
