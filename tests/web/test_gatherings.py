"""Events over our own API, as ordinary posts of the client API, and as calendar files."""

from typing import Any

import httpx
import pytest

from node import viewer
from tests.support.actors import make_remote
from tests.support.posting import following
from tests.support.rows import sent
from tests.web.conftest import Person, Served

PATH = "/api/corridor/v1/events"
WORKSHOP = {
    "title": "Seal workshop, part 1; for all",
    "starts_at": "2026-09-22T20:00",
    "ends_at": "2026-09-22T22:00:00+02:00",
    "timezone": "Europe/Berlin",
    "place": "Hall 3",
    "status": "Bring your #pump",
}


@pytest.fixture
async def anna(served: Served) -> Person:
    return await served.person("anna")


@pytest.fixture
async def bea(served: Served) -> Person:
    return await served.person("bea")


async def call(served: Served, who: Person, method: str, path: str = "", **more: Any) -> httpx.Response:
    return await served.http.request(method, PATH + path, headers=who.bearer, **more)


async def made(served: Served, who: Person, **changes: Any) -> dict[str, Any]:
    answer = await call(served, who, "POST", json=WORKSHOP | changes)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_event_is_planned_joined_changed_and_called_off(served: Served, anna: Person, bea: Person) -> None:
    event = await made(served, anna)
    assert event["starts_at"] == "2026-09-22T18:00:00.000Z"
    assert event["ends_at"] == "2026-09-22T20:00:00.000Z"
    assert (event["is_mine"], event["joined"], event["guests_count"]) == (True, None, 0)
    assert event["post"]["content"].startswith('<p class="gathering"><strong>Seal workshop, part 1; for all</strong>')
    status = (await served.http.get(f"/api/v1/statuses/{event['id']}", headers=bea.bearer)).json()
    assert status["content"] == event["post"]["content"]
    assert [tag["name"] for tag in status["tags"]] == ["pump"]

    joined = (await call(served, bea, "POST", f"/{event['id']}/join")).json()
    assert (joined["joined"], joined["guests_count"], joined["may_join"]) == ("accepted", 1, False)
    guests = (await call(served, anna, "GET", f"/{event['id']}/guests")).json()
    assert [one["username"] for one in guests] == ["bea"]

    assert (await call(served, bea, "PATCH", f"/{event['id']}", json={"place": "Hall 4"})).status_code == 404
    changed = (await call(served, anna, "PATCH", f"/{event['id']}", json={"place": "Hall 4"})).json()
    assert (changed["place"], changed["title"], changed["guests_count"]) == ("Hall 4", WORKSHOP["title"], 1)
    assert "Bring your" in changed["post"]["content"]
    assert changed["post"]["edited_at"] is not None

    assert (await call(served, bea, "POST", f"/{event['id']}/cancel")).status_code == 404
    off = (await call(served, anna, "POST", f"/{event['id']}/cancel")).json()
    assert (off["state"], off["may_join"]) == ("cancelled", False)
    left = (await call(served, bea, "POST", f"/{event['id']}/leave")).json()
    assert (left["joined"], left["guests_count"]) == (None, 0)
    assert (await call(served, bea, "POST", f"/{event['id']}/join")).status_code == 422


async def test_only_its_author_lets_people_in(served: Served, anna: Person, bea: Person) -> None:
    event = await made(served, anna, join_mode="restricted")
    assert (await call(served, bea, "POST", f"/{event['id']}/join")).json()["joined"] == "asked"
    assert (await call(served, bea, "GET", f"/{event['id']}/guests?state=asked")).status_code == 404
    assert (await call(served, bea, "POST", f"/{event['id']}/guests/{bea.id}/accept")).status_code == 404
    asked = (await call(served, anna, "GET", f"/{event['id']}/guests?state=asked")).json()
    assert [one["username"] for one in asked] == ["bea"]
    accepted = await call(served, anna, "POST", f"/{event['id']}/guests/{bea.id}/accept")
    assert accepted.json()["guests_count"] == 1
    refused = await call(served, anna, "POST", f"/{event['id']}/guests/{bea.id}/refuse")
    assert refused.json()["guests_count"] == 0
    assert (await call(served, anna, "POST", f"/{event['id']}/guests/{bea.id}/accept")).status_code == 404


async def test_what_one_may_not_see_is_not_there(served: Served, anna: Person, bea: Person) -> None:
    event = await made(served, anna, visibility="private")
    open_ = await made(served, anna)
    for method, path in (
        ("GET", ""),
        ("GET", "/event.ics"),
        ("GET", "/guests"),
        ("POST", "/join"),
        ("POST", "/leave"),
        ("PATCH", ""),
    ):
        assert (await call(served, bea, method, f"/{event['id']}{path}")).status_code == 404
    assert [one["id"] for one in (await call(served, bea, "GET")).json()] == [open_["id"]]
    assert len((await call(served, anna, "GET")).json()) == 2
    assert (await served.http.get(PATH)).status_code == 401
    reader = await served.person("reader", scopes="read")
    assert (await call(served, reader, "POST", f"/{open_['id']}/join")).status_code == 403
    assert (await call(served, reader, "POST", json=WORKSHOP)).status_code == 403


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"starts_at": "soon"}, "starts_at"),
    ({"starts_at": ""}, "begins"),
    ({"starts_at": "9999-12-31T23:59:59-12:00"}, "time"),
    ({"timezone": "Nowhere"}, "time zone"),
    ({"capacity": "many"}, "capacity"),
    ({"capacity": -1}, "capacity"),
    ({"link": "ftp://x"}, "link"),
    ({"title": ""}, "Title"),
    ({"visibility": "secret"}, "visibility"),
    ({"title": {"a": 1}}, "title"),
]


async def test_what_is_wrong_is_said(served: Served, anna: Person) -> None:
    for wrong, words in WRONG:
        answer = await call(served, anna, "POST", json=WORKSHOP | wrong)
        assert answer.status_code == 422, wrong
        assert words.casefold() in answer.json()["error"].casefold()


async def test_a_calendar_gets_the_event(served: Served, anna: Person, bea: Person) -> None:
    event = await made(served, anna, title="Überprüfung, Teil 1; für alle\\n" + "ä" * 60, link="https://meet.example/1")
    answer = await call(served, bea, "GET", f"/{event['id']}/event.ics")
    assert answer.headers["content-type"].startswith("text/calendar")
    assert answer.headers["content-disposition"] == f'attachment; filename="event-{event["id"]}.ics"'
    assert answer.content.endswith(b"END:VEVENT\r\nEND:VCALENDAR\r\n")
    assert all(len(line) <= 75 for line in answer.content.split(b"\r\n"))
    text = answer.content.decode().replace("\r\n ", "")
    lines = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
    assert (lines["DTSTART"], lines["DTEND"]) == ("20260922T180000Z", "20260922T200000Z")
    assert lines["SUMMARY"] == "Überprüfung\\, Teil 1\\; für alle\\\\n" + "ä" * 60
    assert lines["LOCATION"] == "Hall 3"
    assert lines["DESCRIPTION"] == "Bring your #pump\\n\\nhttps://meet.example/1"
    assert lines["UID"].endswith(f"/users/anna/statuses/{event['id']}")
    assert lines["STATUS"] == "CONFIRMED"


async def test_nothing_somebody_writes_adds_a_line_to_a_calendar(served: Served, anna: Person) -> None:
    event = await made(served, anna, title="a\r\nATTENDEE:mailto:x@y", status="b\r\nX-EVIL:1\nEND:VEVENT")
    text = (await call(served, anna, "GET", f"/{event['id']}/event.ics")).text
    names = [line.split(":")[0] for line in text.split("\r\n") if line and not line.startswith(" ")]
    assert "ATTENDEE" not in names
    assert "X-EVIL" not in names
    assert names.count("END") == 2


async def test_the_example_of_the_page_for_employees(served: Served, anna: Person) -> None:
    sent_as_form = {"title": "Seal workshop", "starts_at": "2026-12-01T14:00", "timezone": "Europe/Berlin"}
    answer = await call(served, anna, "POST", data=sent_as_form | {"place": "Hall 3", "capacity": "12"})
    event = answer.json()
    assert (event["starts_at"], event["place"], event["capacity"]) == ("2026-12-01T13:00:00.000Z", "Hall 3", 12)


async def test_an_event_that_is_sent_twice_is_one(served: Served, anna: Person) -> None:
    headers = anna.bearer | {"Idempotency-Key": "x"}
    ids = {(await served.http.post(PATH, json=WORKSHOP, headers=headers)).json()["id"] for _ in range(2)}
    assert len(ids) == 1


async def test_a_department_event_is_sent_to_nobody(served: Served, anna: Person) -> None:
    await following(served.node, await make_remote(served.node), viewer.person(anna.id))
    event = await made(served, anna, local_only=True)
    assert event["post"]["local_only"] is True
    assert await sent(served.node) == []
    await made(served, anna)
    assert await sent(served.node) == ["Create"]


async def test_clients_hear_of_joins_only_if_they_ask_for_them_by_name(
    served: Served, anna: Person, bea: Person
) -> None:
    event = await made(served, anna)
    await call(served, bea, "POST", f"/{event['id']}/join")
    await served.http.post(f"/api/v1/statuses/{event['id']}/favourite", headers=bea.bearer)

    async def told(**asked: Any) -> list[str]:
        answer = await served.http.get("/api/v1/notifications", headers=anna.bearer, params=asked)
        return [one["type"] for one in answer.json()]

    assert await told() == ["favourite"]
    assert await told(**{"exclude_types[]": "favourite"}) == []
    assert await told(**{"types[]": ["join", "join_request"]}) == ["join"]
    unread = await served.http.get("/api/v1/notifications/unread_count", headers=anna.bearer)
    assert unread.json() == {"count": 1}
