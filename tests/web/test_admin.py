"""Administration of people over the API."""

from typing import Any

import httpx
import pytest
from sqlalchemy import select

from node.runtime import Tx
from node.schema import audit_entry
from tests.web.conftest import Person, Served

PATH = "/api/corridor/v1/admin/accounts"


@pytest.fixture
async def boss(served: Served) -> Person:
    return await served.person("boss", scopes="read admin:read admin:write", roles=("employee", "admin"))


@pytest.fixture
async def anna(served: Served) -> Person:
    return await served.person("anna", title="Engineer", display_name="Anna")


async def call(served: Served, who: Person, method: str, path: str, **more: Any) -> httpx.Response:
    return await served.http.request(method, PATH + path, headers=who.bearer, **more)


async def audited(served: Served) -> list[str]:
    def actions(tx: Tx) -> list[str]:
        return [row.action for row in tx.rows(select(audit_entry.c.action).order_by(audit_entry.c.id))]

    found = await served.node.read(actions)
    return [action for action in found if action.startswith("account.") and action != "account.create"]


async def test_an_administrator_lists_and_changes_people(served: Served, boss: Person, anna: Person) -> None:
    listed = (await call(served, boss, "GET", "")).json()
    assert [one["username"] for one in listed] == ["boss", "anna"]
    assert (await call(served, boss, "GET", f"?limit=1&after_id={listed[0]['id']}")).json() == listed[1:]
    before = (await call(served, boss, "GET", f"/{anna.id}")).json()
    assert before == (await call(served, boss, "GET", "/anna")).json()
    assert before["title"] == "Engineer"

    sent = {
        "title": "Lead",
        "manager": "boss",
        "away_until": "2026-12-24",
        "executive": "1",
        "roles": ["employee", "comms"],
    }
    after = (await call(served, boss, "PATCH", f"/{anna.id}", json=sent)).json()
    changes = {"title": "Lead", "manager": "boss", "executive": True, "roles": ["employee", "comms"]}
    assert after == before | changes | {"away_until": "2026-12-24T00:00:00Z"}
    cleared = (await call(served, boss, "PATCH", "/anna", data={"title": "", "away_until": ""})).json()
    assert (cleared["title"], cleared["away_until"], cleared["executive"]) == (None, None, True)
    assert {"account.work", "account.roles"} <= set(await audited(served))


async def test_a_disabled_person_is_out_until_enabled(served: Served, boss: Person, anna: Person) -> None:
    async def who() -> int:
        return (await served.http.get("/oauth/userinfo", headers=anna.bearer)).status_code

    assert await who() == 200
    assert (await call(served, boss, "POST", "/anna/disable")).json()["disabled"] is True
    assert await who() == 401
    assert (await call(served, boss, "POST", "/anna/enable")).json()["disabled"] is False
    assert await who() == 200
    assert {"account.disable", "account.enable"} <= set(await audited(served))


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", "/anna"), ("PATCH", "/anna"), ("POST", "/anna/disable")]
)
async def test_nobody_else_may(served: Served, anna: Person, method: str, path: str) -> None:
    employee = await served.person("employee", scopes="read write admin:read admin:write")
    narrow = await served.person("narrow", scopes="read write", roles=("employee", "admin"))
    for who in (anna, employee, narrow):
        answer = await call(served, who, method, path, **({"json": {"title": "x"}} if method == "PATCH" else {}))
        assert answer.status_code == 403
        assert set(answer.json()) == {"error"}
    assert (await served.http.request(method, PATH + path)).status_code == 401
    assert await audited(served) == []


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"manager": "nobody"}, "manager"),
        ({"manager": "anna"}, "manager"),
        ({"away_until": "soon"}, "away_until"),
        ({"roles": ["king"]}, "role"),
        ({"roles": []}, "role"),
        ({"executive": "maybe"}, "executive"),
        ({"title": "x" * 1000}, "title"),
        ({"title": ["x"]}, "title"),
        ({"away_until": "9999-12-31T23:59:59-23:59"}, "away_until"),
    ],
)
async def test_a_wrong_value_changes_nothing(
    served: Served, boss: Person, anna: Person, sent: dict[str, Any], field: str
) -> None:
    before = (await call(served, boss, "GET", "/anna")).json()
    answer = await call(served, boss, "PATCH", "/anna", json=sent | {"department": "Elsewhere"} | sent)
    assert answer.status_code == 422
    assert list(answer.json()["details"]) == [field]
    assert (await call(served, boss, "GET", "/anna")).json() == before


async def test_unknown_people_and_the_nodes_own_actor_are_404(served: Served, boss: Person) -> None:
    for key in ("nobody", "123456789012345678", "eng.example", "x" * 600, "%00", "anna@elsewhere.example"):
        assert (await call(served, boss, "GET", f"/{key}")).status_code == 404, key
        assert (await call(served, boss, "PATCH", f"/{key}", json={"title": "x"})).status_code == 404, key
