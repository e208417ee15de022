"""Tags on profiles, and pinned posts, over the client API."""

from node import featured
from tests.support.actors import make_remote
from tests.support.posting import heard
from tests.support.rows import id_of
from tests.web.mastodon.conftest import MakeUser, User


async def test_a_tag_is_featured_listed_and_taken_off(anna: User, bert: User) -> None:
    await anna.status("The #Pump again")
    made = await anna.post("/api/v1/featured_tags", name="#pump")
    assert made == {
        "id": made["id"],
        "name": "Pump",
        "url": f"{anna.node.urls.profile('anna')}/tagged/pump",
        "statuses_count": "1",
        "last_status_at": "2026-09-21",
    }
    assert await anna.get("/api/v1/featured_tags") == [made]
    assert await bert.get(f"/api/v1/accounts/{anna.id}/featured_tags") == [made]
    assert (await bert.send("DELETE", f"/api/v1/featured_tags/{made['id']}")).status_code == 404
    assert await anna.call("DELETE", f"/api/v1/featured_tags/{made['id']}") == {}
    assert await anna.get("/api/v1/featured_tags") == []


async def test_errors_are_those_of_mastodon(anna: User, make_user: MakeUser) -> None:
    await anna.post("/api/v1/featured_tags", name="pump")
    for name, message in (
        ("pump", "Validation failed: Tag has already been taken"),
        ("", "Validation failed: Tag is invalid"),
        ("two words", "Validation failed: Tag is invalid"),
    ):
        answer = await anna.send("POST", "/api/v1/featured_tags", json={"name": name})
        assert (answer.status_code, answer.json()["error"]) == (422, message)
    for number in range(9):
        await anna.post("/api/v1/featured_tags", name=f"t{number}")
    answer = await anna.send("POST", "/api/v1/featured_tags", json={"name": "more"})
    assert answer.status_code == 422
    assert "maximum number" in answer.json()["error"]
    assert (await anna.send("GET", "/api/v1/accounts/1/featured_tags")).status_code == 404
    reader = await make_user("reader", scopes="read")
    assert (await reader.send("POST", "/api/v1/featured_tags", json={"name": "x"})).status_code == 403
    assert (await reader.send("POST", "/api/v1/tags/x/feature")).status_code == 403
    assert (await anna.served.http.get("/api/v1/featured_tags")).status_code == 401


async def test_a_tag_says_whether_one_features_it(anna: User, bert: User) -> None:
    for _ in range(2):
        tag = await anna.post("/api/v1/tags/pump/feature")
        assert (tag["name"], tag["featuring"], tag["following"]) == ("pump", True, False)
    assert (await anna.get("/api/v1/tags/pump"))["featuring"] is True
    assert (await bert.get("/api/v1/tags/pump"))["featuring"] is False
    for _ in range(2):
        assert (await anna.post("/api/v1/tags/pump/unfeature"))["featuring"] is False
    assert (await anna.send("POST", "/api/v1/tags/a b/feature")).status_code == 404


async def test_suggestions_are_tags(anna: User) -> None:
    await anna.status("#seal #pump")
    await anna.status("#seal")
    found = await anna.get("/api/v1/featured_tags/suggestions")
    assert [tag["name"] for tag in found] == ["seal", "pump"]
    assert len(found[0]["history"]) == 7
    assert found[0]["featuring"] is False


async def test_tags_of_people_elsewhere_are_shown(anna: User) -> None:
    far = await make_remote(anna.node)
    await heard(anna.node, far, "<p>x</p>", tags=["Pump"])
    await anna.node.write(featured.record_all, id_of(far), ["pump"])
    (tag,) = await anna.get(f"/api/v1/accounts/{far.account_id}/featured_tags")
    assert (tag["name"], tag["url"]) == ("Pump", "https://field.example/@bert/tagged/pump")
    assert tag["statuses_count"] == "1"
