"""Signing in and out, and what somebody who is not signed in gets to see: nothing."""

import msgspec
import pytest
from sqlalchemy import func, select
from starlette.routing import Route

from activitypub.audience import Visibility
from node import accounts
from node.config import Settings
from node.schema import post, web_session
from tests.support.posting import say
from tests.support.rows import count_of
from tests.web.conftest import PASSWORD, Served
from tests.web.pages.conftest import Visit, Visitor
from web.pages import routes as pages

OPEN = {"/sign-in", "/about"}
ELSEWHERE = (
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "\\\\evil.example",
    "javascript:alert(1)",
    "/a\r\nSet-Cookie: x=1",
    "/ä",
    "",
)
GETS = [route.path for route in pages.routes() if isinstance(route, Route) and "GET" in (route.methods or ())]
POSTS = [route.path for route in pages.routes() if isinstance(route, Route) and "POST" in (route.methods or ())]


def filled(path: str, post_id: int) -> str:
    acts = {"/posts": "favourite", "/events/{id}/guests": "accept", "/events": "join", "/groups": "ban"}
    act = next((name for beginning, name in acts.items() if path.startswith(beginning)), "follow")
    return path.format(id=post_id, post_id=post_id, account_id=post_id, handle="anna", name="pump", act=act)


async def test_signing_in_leads_to_the_page_that_was_asked_for(served: Served, stranger: Visitor) -> None:
    await served.person("anna")
    await stranger.get("/search?q=pump+seal", status=303)
    assert stranger.went_to == "/sign-in?next=%2Fsearch%3Fq%3Dpump%2Bseal"
    await stranger.sign_in("anna", path=stranger.went_to)
    assert stranger.went_to == "/search?q=pump+seal"
    await stranger.get(stranger.went_to)


async def test_the_user_name_in_any_case_and_the_mail_address_sign_in(served: Served, visit: Visit) -> None:
    await served.person("anna")
    for login in ("ANNA", "anna@example.org"):
        await (await visit()).sign_in(login)


async def test_the_cookie_is_named_after_the_node_and_out_of_reach_of_scripts(anna: Visitor) -> None:
    cookie = next(c for c in anna.http.cookies.jar if c.name == "corridor_eng_example")
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "lax"
    assert not cookie.secure  # this node is served over http


async def test_the_form_is_one_that_password_managers_know(stranger: Visitor) -> None:
    page = await stranger.get("/sign-in")
    kinds = {values.get("name"): values.get("autocomplete") for tag, values in page.tags if tag == "input"}
    assert kinds["username"] == "username"
    assert kinds["password"] == "current-password"


async def test_a_wrong_password_and_a_wrong_name_read_alike(served: Served, stranger: Visitor) -> None:
    await served.person("anna")
    wrong = await stranger.sign_in("anna", "not the password", status=422)
    unknown = await stranger.sign_in("nobody", "not the password", status=422)
    assert wrong.alert == unknown.alert != ""
    assert wrong.form("/sign-in").fields["username"] == "anna"
    assert "not the password" not in wrong.markup
    await stranger.get("/", status=303)


async def test_the_sign_in_form_must_come_from_our_page(served: Served, stranger: Visitor) -> None:
    await served.person("anna")
    page = await stranger.get("/sign-in")
    await stranger.submit(page, "/sign-in", status=403, username="anna", password=PASSWORD, csrf="forged")
    await stranger.submit(page, "/sign-in", status=403, username="anna", password=PASSWORD, csrf=None)
    assert await count_of(served.node, web_session) == 0
    await stranger.submit(page, "/sign-in", username="anna", password=PASSWORD)
    assert await count_of(served.node, web_session) == 1


async def test_signing_in_never_leads_elsewhere(served: Served, stranger: Visitor) -> None:
    await served.person("anna")
    page = await stranger.get("/sign-in")
    for target in ELSEWHERE:
        await stranger.submit(page, "/sign-in", username="anna", password=PASSWORD, next=target)
        assert stranger.went_to == "/", target
    await stranger.submit(page, "/sign-in", username="anna", password=PASSWORD, next="/tags/pump?max_id=5#post-7")
    assert stranger.went_to == "/tags/pump?max_id=5#post-7"


async def test_signing_out_ends_the_session_also_for_a_copied_cookie(served: Served, anna: Visitor) -> None:
    stolen = {c.name: c.value or "" for c in anna.http.cookies.jar}
    page = await anna.get("/")
    await anna.submit(page, "/sign-out", status=403, csrf="forged")
    await anna.get("/")
    await anna.submit(page, "/sign-out")
    assert anna.went_to == "/sign-in"
    await anna.get("/", status=303)
    async with served.browser() as thief:
        thief.cookies.update(stolen)
        assert (await thief.get("/")).status_code == 303


async def test_signing_in_again_ends_the_session_before(served: Served, stranger: Visitor) -> None:
    await served.person("anna")
    page = await stranger.get("/sign-in")
    for _ in range(2):
        await stranger.submit(page, "/sign-in", username="anna", password=PASSWORD)
    assert await count_of(served.node, web_session) == 1


async def test_a_disabled_person_is_out_at_once(served: Served, anna: Visitor) -> None:
    await anna.get("/")
    await served.node.write(accounts.disable, anna.id)
    await anna.get("/", status=303)


async def test_a_stranger_is_sent_to_the_sign_in_page_from_everywhere(
    served: Served, anna: Visitor, stranger: Visitor
) -> None:
    """Whether there is something or not: the answer must not tell which."""
    post_id = await say(served.node, anna.viewer, "a #pump for everybody")
    for path in GETS:
        if path not in OPEN:
            for address in (filled(path, post_id), filled(path, 12345).replace("anna", "nobody")):
                await stranger.get(address, status=303)
                assert stranger.went_to.startswith("/sign-in")
                assert "everybody" not in stranger.last.text


async def test_every_form_needs_a_session_and_its_token(
    served: Served, anna: Visitor, tom: Visitor, stranger: Visitor
) -> None:
    post_id = await say(served.node, anna.viewer, "before")
    forged = {"csrf": await tom.token(), "text": "after", "password": "another password"}
    before = await _state(served)
    for path in POSTS:
        if path not in OPEN:
            address = filled(path, tom.id if path.startswith("/people") else post_id)
            for sent in ({**forged, "csrf": ""}, forged, {**forged, "csrf": "x"}):
                assert (await anna.http.post(address, data=sent)).status_code == 403, address
            answer = await stranger.http.post(address, data=forged)
            assert answer.headers["location"] == "/sign-in", address
            assert await _state(served) == before


async def _state(served: Served) -> object:
    return await served.node.read(
        lambda tx: (
            tx.rows(select(post.c.text, post.c.favourites_count)),
            tx.scalar(select(func.count()).select_from(web_session)),
        )
    )


async def test_about_is_open_and_says_nothing_of_posts(served: Served, anna: Visitor, stranger: Visitor) -> None:
    await say(served.node, anna.viewer, "internal matters")
    page = await stranger.get("/about")
    assert "eng.example" in page.text
    assert "internal" not in page.text


class TestLimits:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        few = msgspec.structs.replace(settings.limits, sign_in_per_address=3)
        return msgspec.structs.replace(settings, limits=few)

    async def test_guessing_passwords_ends_with_429(self, served: Served, stranger: Visitor) -> None:
        await served.person("anna")
        for _ in range(3):
            await stranger.sign_in("anna", "wrong", status=422)
        page = await stranger.sign_in("anna", PASSWORD, status=429)
        assert "Too many" in page.text
        assert int(stranger.last.headers["retry-after"]) > 0


class TestAnonymousReading:
    """`access.anonymous = "read"`: a visitor of the intranet reads what this department wrote for everybody."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        access = msgspec.structs.replace(settings.access, anonymous="read")
        return msgspec.structs.replace(settings, access=access)

    @pytest.fixture
    async def posts(self, served: Served, anna: Visitor) -> dict[str, int]:
        return {
            "open": await say(served.node, anna.viewer, "for everybody #pump"),
            "department": await say(served.node, anna.viewer, "for us #pump", local_only=True),
            "followers": await say(served.node, anna.viewer, "for some #pump", visibility=Visibility.FOLLOWERS),
        }

    async def test_open_posts_are_shown_and_nothing_else(self, stranger: Visitor, posts: dict[str, int]) -> None:
        for path in ("/local", "/@anna", "/tags/pump"):
            page = await stranger.get(path)
            assert "for everybody" in page.text
            assert "for us" not in page.text
            assert "for some" not in page.text
            assert not page.has_form("/posts")
        await stranger.get(f"/@anna/{posts['open']}")
        await stranger.get(f"/@anna/{posts['department']}", status=404)
        await stranger.get(f"/@anna/{posts['followers']}", status=404)

    async def test_the_rest_needs_a_session(self, stranger: Visitor, posts: dict[str, int]) -> None:
        for path in ("/", "/company", "/search?q=pump", "/notifications", "/@anna/followers"):
            await stranger.get(path, status=303)


async def test_two_people_share_no_page(visit: Visit) -> None:
    first, second = await visit("anna"), await visit("tom")
    page = await first.get("/")
    assert first.last.headers["cache-control"] == "no-store"
    assert "@anna" in page.text
    assert "@anna" not in (await second.get("/")).text
