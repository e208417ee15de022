"""What the node says of itself: rules, documents, limits."""

from typing import Any

import msgspec
import pytest

from node import accounts, rules
from node.config import Settings
from tests.web.conftest import Served
from tests.web.mastodon.conftest import MakeUser, User


async def test_rules_are_shown_to_everybody_and_named_by_reports(served: Served, anna: User, bert: User) -> None:
    rule_id = str(await served.node.write(rules.add, "Name no <customers>", "Not even by their logo"))
    shown = [{"id": rule_id, "text": "Name no <customers>", "hint": "Not even by their logo", "translations": {}}]
    assert (await served.http.get("/api/v1/instance/rules")).json() == shown
    for version in ("v1", "v2"):
        assert (await served.http.get(f"/api/{version}/instance")).json()["rules"] == shown
    page = (await served.http.get("/about")).text
    assert "Name no &lt;customers&gt;" in page
    assert "Not even by their logo" in page
    report = await anna.post("/api/v1/reports", account_id=str(bert.id), rule_ids=[rule_id], category="spam")
    assert (report["category"], report["rule_ids"], report["collection_ids"]) == ("violation", [rule_id], [])


async def test_a_report_with_wrong_words_is_refused(served: Served, anna: User, bert: User) -> None:
    said: list[tuple[dict[str, Any], int, str]] = [
        ({"category": "rude"}, 422, "'rude' is not a valid category"),
        ({"category": "violation"}, 422, "Validation failed: Rule ids does not reference valid rules"),
        ({"rule_ids": ["99"]}, 422, "Validation failed: Rule ids does not reference valid rules"),
        ({"collection_ids": ["99"]}, 404, "Record not found"),
    ]
    for body, status, words in said:
        answer = await anna.send("POST", "/api/v1/reports", json={"account_id": str(bert.id), **body})
        assert (answer.status_code, answer.json()["error"]) == (status, words)
    report = await anna.post("/api/v1/reports", account_id=str(bert.id), category="legal")
    assert (report["category"], report["rule_ids"]) == ("legal", [])


async def test_the_node_publishes_its_limits_and_documents(served: Served) -> None:
    shown = (await served.http.get("/api/v2/instance")).json()
    limits = shown["configuration"]["accounts"]
    assert (limits["max_display_name_length"], limits["max_note_length"], limits["max_featured_tags"]) == (100, 500, 10)
    assert (limits["max_profile_fields"], limits["profile_field_name_limit"]) == (4, 255)
    assert shown["wrapstodon"] is None
    assert shown["icon"][0]["size"] == "400x400"
    assert set(shown["thumbnail"]) == {"url", "description", "blurhash", "versions"}
    assert shown["configuration"]["timelines_access"]["trending_link_feeds"]["local"] == "authenticated"
    urls = shown["configuration"]["urls"]
    assert urls["privacy_policy"] == f"{urls['about']}#privacy"
    policy = (await served.http.get("/api/v1/instance/privacy_policy")).json()
    assert policy["content"].startswith("<p>What you write")
    assert policy["updated_at"].endswith("Z")
    assert 'id="privacy"' in (await served.http.get("/about")).text
    for date in ("", "/2026-01-01", "/x"):
        answer = await served.http.get(f"/api/v1/instance/terms_of_service{date}")
        assert (answer.status_code, answer.json()) == (404, {"error": "Record not found"})
    assert (await served.http.get("/health")).json() == {"status": "UP"}


class TestWithAContact:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        node = msgspec.structs.replace(settings.node, contact_account="anna")
        return msgspec.structs.replace(settings, node=node)

    async def test_whom_to_write_to_is_shown_while_there(self, served: Served, make_user: MakeUser) -> None:
        assert (await served.http.get("/api/v2/instance")).json()["contact"]["account"] is None
        anna = await make_user("anna")
        assert (await served.http.get("/api/v2/instance")).json()["contact"]["account"]["id"] == str(anna.id)
        assert (await served.http.get("/api/v1/instance")).json()["contact_account"]["acct"] == "anna"
        await served.node.write(accounts.suspend, anna.id)
        assert (await served.http.get("/api/v2/instance")).json()["contact"]["account"] is None


@pytest.mark.parametrize(
    ("roles", "permissions"),
    [
        (("employee",), 0),
        (("employee", "comms"), 0),
        (("auditor",), 0x4 | 0x8),
        (("moderator",), 0x8 | 0x10 | 0x400),
        (("moderator", "auditor"), 0x4 | 0x8 | 0x10 | 0x400),
        (("admin",), 0xFFFFF),
    ],
)
async def test_clients_learn_what_a_role_may_do(make_user: MakeUser, roles: tuple[str, ...], permissions: int) -> None:
    someone = await make_user("someone", roles=roles)
    role = (await someone.get("/api/v1/accounts/verify_credentials"))["role"]
    assert (role["permissions"], role["collection_limit"]) == (str(permissions), 0)


async def test_a_public_post_is_embedded_and_no_other(anna: User, bert: User) -> None:
    posted = await anna.status("A <valve> is stuck")
    shown = await bert.get("/api/oembed", url=posted["url"], maxwidth=300)
    assert shown["html"].startswith(f'<blockquote cite="{posted["url"]}"><p>A &lt;valve&gt; is stuck</p>')
    assert (shown["type"], shown["version"], shown["width"], shown["height"]) == ("rich", "1.0", 300, None)
    assert (shown["author_name"], shown["title"]) == ("Anna", "Anna: A <valve> is stuck")
    assert (await bert.get("/api/oembed", url=posted["uri"] + "?x=1"))["html"] == shown["html"]
    warned = await anna.status("in detail", spoiler_text="Spoiler <b>")
    html = (await bert.get("/api/oembed", url=warned["url"]))["html"]
    assert "detail" not in html
    assert "Spoiler &lt;b&gt;" in html
    private = await anna.status("for followers", visibility="private")
    direct = await anna.status("for @bert", visibility="direct")
    own = "https://eng.example/@bert/" + posted["id"]
    unknown = (
        private["url"],
        direct["url"],
        own,
        "https://eng.example/@anna",
        "https://x.example/@a/1",
        posted["id"],
        "%00",
    )
    for url in unknown:
        assert (await bert.send("GET", "/api/oembed", params={"url": url})).status_code == 404, url
    assert (await anna.send("GET", "/api/oembed", params={"url": private["url"]})).status_code == 404  # her own
    for query in ({}, {"url": posted["url"], "maxwidth": "wide"}):
        assert (await bert.send("GET", "/api/oembed", params=query)).status_code == 422


async def test_what_is_switched_off_answers_so(anna: User, bert: User) -> None:
    assert await anna.get("/api/v1/annual_reports") == {"annual_reports": [], "accounts": [], "statuses": []}
    assert await anna.get("/api/v1/annual_reports/2026/state") == {"state": "ineligible"}
    assert await anna.get(f"/api/v1/accounts/{bert.id}/collections") == {"collections": []}
    assert await anna.get(f"/api/v1/accounts/{bert.id}/in_collections") == {"collections": []}
    told = [
        ("GET", "accounts/99/collections", 404),
        ("GET", "annual_reports/2026", 404),
        ("POST", "annual_reports/2026/read", 404),
        ("POST", "annual_reports/2026/generate", 404),
        ("GET", "collections/1", 404),
        ("POST", "collections", 403),
        ("PATCH", "collections/1", 403),
        ("DELETE", "collections/1", 403),
        ("POST", "collections/1/items", 403),
        ("DELETE", "collections/1/items/2", 403),
        ("POST", "collections/1/items/2/revoke", 403),
    ]
    for method, path, status in told:
        answer = await anna.send(method, f"/api/v1/{path}")
        assert answer.status_code == status, path
        assert answer.json()["error"] == ("Record not found" if status == 404 else "This action is not allowed")
