"""Groups in the browser, without script."""

from tests.web.pages.conftest import Visitor


async def test_a_group_is_made_joined_written_to_and_looked_after(anna: Visitor, tom: Visitor) -> None:
    await anna.submit(
        await anna.get("/groups/new"), "/groups", username="pumps", display_name="All pumps", note="On #pumps"
    )
    where = anna.went_to.partition("?")[0]
    group_id = where.rsplit("/", 1)[1]
    await tom.submit(await tom.get("/groups"), f"/people/{group_id}/follow")
    await tom.submit(await tom.get("/compose?text=%40pumps+it+leaks"), "/posts")
    home = await anna.get("/")
    assert "it leaks" in home.text
    assert "All pumps" in home.text

    page = await anna.get(where)
    await anna.submit(page, f"{where}/people/{tom.id}/ban")
    page = await anna.get(where)
    assert page.form(f"{where}/people/{tom.id}/unban")
    taking_out = next(form for form in page.forms if "/posts/" in form.action and form.action.endswith("/remove"))
    await anna.submit(page, taking_out.action)
    assert "it leaks" not in (await anna.get("/")).text

    page = await anna.submit(await anna.get(where), f"{where}/delete", status=422, confirm="another")
    assert "no way back" in page.text
    await anna.submit(await anna.get(where), f"{where}/delete", confirm="pumps")
    await anna.get(where, status=404)


async def test_others_see_no_forms_of_moderators_and_cannot_send_them(anna: Visitor, tom: Visitor) -> None:
    await anna.submit(await anna.get("/groups/new"), "/groups", username="pumps")
    where = anna.went_to.partition("?")[0]
    page = await tom.get(where)
    assert not [form for form in page.forms if form.action.startswith(where)]
    for path in ("", "/delete", "/moderators", f"/people/{anna.id}/ban", "/posts/1/remove"):
        data = {"csrf": await tom.token(), "confirm": "pumps", "handle": "tom", "posting": "members"}
        assert (await tom.http.post(where + path, data=data)).status_code == 403
    assert (await anna.http.post(where, data={"posting": "members"})).status_code == 403  # without the session's token


async def test_a_locked_group_is_let_into_from_its_page(anna: Visitor, tom: Visitor) -> None:
    await anna.submit(await anna.get("/groups/new"), "/groups", username="pumps", locked="true")
    where = anna.went_to.partition("?")[0]
    page = await tom.get("/@pumps")
    await tom.submit(page, f"/people/{where.rsplit('/', 1)[1]}/follow")
    await anna.submit(await anna.get(where), f"{where}/people/{tom.id}/accept")
    assert "Tom Okafor" in (await tom.get(where)).text
    await anna.submit(await anna.get(where), f"{where}/moderators", handle="tom")
    await tom.submit(await tom.get(where), where, display_name="Pumps and seals", posting="moderators", locked=None)
    assert "Pumps and seals" in (await tom.get("/groups")).text


async def test_a_name_that_is_taken_is_said_beside_the_form(anna: Visitor) -> None:
    page = await anna.submit(await anna.get("/groups/new"), "/groups", status=422, username="anna")
    assert "Username has already been taken." in page.text


async def test_strangers_are_sent_to_the_sign_in_page(stranger: Visitor) -> None:
    for path in ("/groups", "/groups/new", "/groups/1"):
        await stranger.get(path, status=303)
