"""Events on the pages, without script."""

from node import featured
from tests.web.conftest import Served
from tests.web.pages.conftest import Visitor


async def plan(who: Visitor, **changes: str) -> str:
    """The address of a new event."""
    page = await who.get("/events/new")
    fields = {"title": "Seal workshop", "starts_at": "2026-09-22T20:00", "place": "Hall <3>", "text": "Bring #pump"}
    await who.submit(page, "/events", status=303, files=None, **(fields | changes))
    return who.went_to


async def test_an_event_is_planned_joined_and_called_off_with_forms(anna: Visitor, tom: Visitor) -> None:
    address = await plan(anna, timezone="Europe/Berlin", capacity="2")
    listed = await tom.get("/events")
    assert "Seal workshop" in listed.text
    assert "2026-09-22 20:00 (Europe/Berlin)" in listed.text
    page = await tom.get(address)
    assert "Hall &lt;3&gt;" in tom.last.text
    await tom.submit(page, f"{address}/join")
    page = await tom.get(address)
    assert "you come" in page.text
    assert "comes to your event" in (await anna.get("/notifications")).text
    assert "Tom Okafor" in (await anna.get(address)).text
    await tom.submit(page, f"{address}/leave")
    changed = await anna.submit(await anna.get(f"{address}/edit"), f"{address}/edit", place="Hall 4")
    assert changed is not None
    assert "Hall 4" in (await tom.get(address)).text
    await anna.submit(await anna.get(address), f"{address}/cancel")
    assert "Cancelled: Seal workshop" in (await tom.get("/events")).text
    assert f"{address}/join" not in tom.last.text


async def test_a_form_that_cannot_be_taken_comes_back_as_it_was(anna: Visitor) -> None:
    page = await anna.get("/events/new")
    again = await anna.submit(
        page,
        "/events",
        status=422,
        title="Kept title",
        starts_at="2026-09-22T20:00",
        timezone="Nowhere",
        text="Kept text",
    )
    form = again.form("/events")
    assert (form.fields["title"], form.fields["text"].strip()) == ("Kept title", "Kept text")
    assert "no such time zone" in again.text


async def test_a_thread_leads_to_the_event_and_back(anna: Visitor, tom: Visitor) -> None:
    address = await plan(anna)
    page = await tom.get(address.replace("/events/", "/@anna/"))
    assert f'href="{address}"' in tom.last.text
    assert "Seal workshop" in page.text
    await tom.get(f"{address}/event.ics")
    assert tom.last.headers["content-type"].startswith("text/calendar")


async def test_who_asks_to_come_is_let_in_by_the_author_alone(anna: Visitor, tom: Visitor) -> None:
    address = await plan(anna, join_mode="restricted")
    await tom.submit(await tom.get(address), f"{address}/join")
    assert "Asking to come" not in (await tom.get(address)).text
    page = await anna.get(address)
    assert "Asking to come" in page.text
    await anna.submit(page, f"{address}/guests/{tom.id}/accept")
    assert "you come" in (await tom.get(address)).text


async def test_strangers_and_forms_of_others_do_nothing(anna: Visitor, tom: Visitor, stranger: Visitor) -> None:
    address = await plan(anna)
    await stranger.get(address, status=303)
    await stranger.get(f"{address}/event.ics", status=303)
    answer = await tom.http.post(f"{address}/join", data={"csrf": "wrong"})
    assert answer.status_code == 403
    secret = await plan(anna, visibility="followers")
    await tom.get(secret, status=404)
    await tom.get(f"{secret}/event.ics", status=404)
    assert (await tom.http.post(f"{secret}/join", data={"csrf": await tom.token()})).status_code == 404


async def test_a_profile_shows_its_tags_and_leads_to_posts_with_them(
    anna: Visitor, tom: Visitor, served: Served
) -> None:
    for text in ("About the #Pump", "About nothing"):
        await anna.submit(await anna.get("/compose"), "/posts", text=text)
    await served.node.write_as(anna.viewer, featured.feature, "pump")
    await tom.get("/@anna")
    assert 'href="/@anna/tagged/pump"' in tom.last.text
    found = await tom.get("/@anna/tagged/pump")
    assert "About the" in found.text
    assert "About nothing" not in found.text
