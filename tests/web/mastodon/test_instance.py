"""What the node says of itself: rules, documents, limits."""

from typing import Any

from node import rules
from tests.web.conftest import Served
from tests.web.mastodon.conftest import User


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
