"""Signing up through a client: only where it is open, and nothing is stored of what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from node import accounts
from node.config import Settings
from node.secrets import create_secret
from tests.conftest import make_settings
from tests.web.conftest import Served

PERSON = {
    "username": "nina",
    "email": "nina@example.org",
    "password": "correct horse battery",
    "agreement": True,
    "locale": "en",
}


@pytest.fixture
def registration() -> str:
    return "open"


@pytest.fixture
def settings(
    tmp_path: Path, engine_name: str, new_database_url: Callable[[str, Path], str], registration: str
) -> Settings:
    create_secret(tmp_path)
    url = new_database_url(engine_name, tmp_path)
    return make_settings(tmp_path, database_url=url, accounts={"registration": registration})


async def sign_up(served: Served, scopes: str = "read write", **changes: Any) -> httpx.Response:
    """Register an app, take its own token, sign up with it."""
    app = {"client_name": "x", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob", "scopes": scopes}
    made = (await served.http.post("/api/v1/apps", json=app)).json()
    credentials = {key: made[key] for key in ("client_id", "client_secret")}
    grant = {"grant_type": "client_credentials", "scope": scopes, **credentials}
    token = (await served.http.post("/oauth/token", json=grant)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return await served.http.post("/api/v1/accounts", json=PERSON | changes, headers=headers)


async def test_the_token_of_a_new_person_is_good_at_once(served: Served) -> None:
    answer = await sign_up(served)
    assert answer.status_code == 200
    token = answer.json()
    assert [token["token_type"], token["scope"]] == ["Bearer", "read write"]
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    me = await served.http.get("/api/v1/accounts/verify_credentials", headers=headers)
    assert me.json()["acct"] == "nina"
    posted = await served.http.post("/api/v1/statuses", json={"status": "my first post"}, headers=headers)
    assert posted.status_code == 200


@pytest.mark.parametrize("registration", ["closed", "invite"])
async def test_where_sign_up_is_not_open_it_is_refused_and_nothing_is_stored(served: Served) -> None:
    answer = await sign_up(served)
    assert answer.status_code == 403
    assert "not open" in answer.json()["error"]
    assert await served.node.read(accounts.local_people) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"username": "../x"},
        {"username": "eng.example"},
        {"username": ""},
        {"email": "nobody"},
        {"password": "short"},
        {"agreement": False},
        {"username": {"a": 1}},
        {"email": "a b@example.org"},
    ],
)
async def test_wrong_details_are_422_and_nothing_is_stored(served: Served, changes: dict[str, Any]) -> None:
    answer = await sign_up(served, **changes)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"].startswith("Validation failed")
    assert await served.node.read(accounts.local_people) == []


async def test_a_name_that_is_taken_is_422_and_its_owner_keeps_it(served: Served) -> None:
    assert (await sign_up(served)).status_code == 200
    assert (await sign_up(served, email="other@example.org")).status_code == 422
    assert [row.email for row in await served.node.read(accounts.local_people)] == ["nina@example.org"]


async def test_without_a_token_or_outside_its_scopes_it_is_refused(served: Served) -> None:
    assert (await served.http.post("/api/v1/accounts", json=PERSON)).status_code == 401
    assert (await sign_up(served, scopes="read")).status_code == 403
    assert await served.node.read(accounts.local_people) == []
