"""Discovery: who is here, and nothing about anybody else."""

import pytest

from node import accounts, viewer
from tests.support.people import make_person
from tests.web.conftest import Served

BASE = "https://eng.example"


@pytest.mark.parametrize(
    "resource",
    [
        "acct:anna@eng.example",
        "acct:ANNA@Eng.Example",
        "acct:@anna@eng.example",
        "acct:anna@eng.example:443",
        f"{BASE}/users/anna",
        f"{BASE}/@anna",
    ],
)
async def test_webfinger_finds_a_person_by_handle_and_by_address(served: Served, resource: str) -> None:
    await make_person(served.node, "anna")
    answer = await served.http.get("/.well-known/webfinger", params={"resource": resource})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/jrd+json"
    assert answer.headers["access-control-allow-origin"] == "*"
    found = answer.json()
    assert found["subject"] == "acct:anna@eng.example"
    links = {link["rel"]: link for link in found["links"]}
    assert links["self"] == {"rel": "self", "type": "application/activity+json", "href": f"{BASE}/users/anna"}
    assert links["http://webfinger.net/rel/profile-page"]["href"] == f"{BASE}/@anna"


@pytest.mark.parametrize("resource", ["acct:eng.example@eng.example", BASE, f"{BASE}/", f"{BASE}/actor"])
async def test_webfinger_knows_the_node_itself(served: Served, resource: str) -> None:
    found = (await served.http.get("/.well-known/webfinger", params={"resource": resource})).json()
    assert found["subject"] == "acct:eng.example@eng.example"
    assert found["links"] == [{"rel": "self", "type": "application/activity+json", "href": f"{BASE}/actor"}]


@pytest.mark.parametrize(
    ("resource", "status"),
    [
        ("acct:nobody@eng.example", 404),
        ("acct:anna@elsewhere.example", 404),
        ("https://elsewhere.example/users/anna", 404),
        (f"{BASE}/users/nobody", 404),
        (f"{BASE}/@anna/1", 404),
        (f"{BASE}.evil.example/users/anna", 404),
        ("acct:anna", 400),
        ("anna@eng.example", 400),
        ("acct:an na@eng.example", 400),
        ("mailto:anna@eng.example", 400),
        ("acct:\x00@eng.example", 400),
        ("", 400),
    ],
)
async def test_webfinger_answers_404_for_strangers_and_400_for_what_is_no_resource(
    served: Served, resource: str, status: int
) -> None:
    await make_person(served.node, "anna")
    answer = await served.http.get("/.well-known/webfinger", params={"resource": resource})
    assert answer.status_code == status
    assert "elsewhere" not in answer.text
    assert set(answer.json()) == {"error"}


async def test_webfinger_without_a_resource_is_400(served: Served) -> None:
    assert (await served.http.get("/.well-known/webfinger")).status_code == 400


async def test_a_suspended_person_is_not_found(served: Served) -> None:
    anna = await make_person(served.node, "anna")
    assert anna.account_id is not None
    query = {"resource": "acct:anna@eng.example"}
    assert (await served.http.get("/.well-known/webfinger", params=query)).status_code == 200
    await served.node.write_as(viewer.SYSTEM, accounts.suspend, anna.account_id)
    assert (await served.http.get("/.well-known/webfinger", params=query)).status_code == 404


async def test_nodeinfo_is_honest(served: Served) -> None:
    await make_person(served.node, "anna")
    links = (await served.http.get("/.well-known/nodeinfo")).json()["links"]
    assert [link["href"] for link in links] == [f"{BASE}/nodeinfo/2.1", f"{BASE}/nodeinfo/2.0"]
    for version in ("2.0", "2.1"):
        answer = await served.http.get(f"/nodeinfo/{version}")
        assert f"ns/schema/{version}#" in answer.headers["content-type"]
        info = answer.json()
        assert info["version"] == version
        assert info["software"]["name"] == "corridor"
        assert info["protocols"] == ["activitypub"]
        assert info["usage"]["users"]["total"] == 1
        assert info["metadata"]["department"] == "Engineering"
    assert (await served.http.get("/nodeinfo/1.0")).status_code == 404


async def test_host_meta_leads_to_webfinger(served: Served) -> None:
    answer = await served.http.get("/.well-known/host-meta")
    assert answer.headers["content-type"].startswith("application/xrd+xml")
    assert f'template="{BASE}/.well-known/webfinger?resource={{uri}}"' in answer.text
    assert (await served.http.get("/.well-known/host-meta.json")).json()["links"][0]["rel"] == "lrdd"


async def test_oauth_metadata_promises_pkce(served: Served) -> None:
    found = (await served.http.get("/.well-known/oauth-authorization-server")).json()
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["token_endpoint"] == f"{BASE}/oauth/token"
    assert {"read", "write", "follow", "push"} <= set(found["scopes_supported"])


async def test_change_password_leads_to_the_settings(served: Served) -> None:
    answer = await served.http.get("/.well-known/change-password")
    assert answer.status_code == 302
    assert answer.headers["location"] == "/settings/password"
