"""OAuth as clients and browsers use it, over HTTP."""

import base64
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from sqlalchemy import select

from node import accounts, viewer
from node.config import Settings
from node.runtime import Tx
from node.schema import oauth_app, oauth_code, oauth_token
from node.secrets import create_secret
from tests.conftest import make_settings
from tests.support.clocks import Clock
from tests.web.conftest import PASSWORD, Person, Served

REDIRECT = "https://client.example/callback?x=1"
OOB = "urn:ietf:wg:oauth:2.0:oob"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


async def register(served: Served, **more: Any) -> dict[str, Any]:
    sent = {"client_name": "Test <b>app</b>", "redirect_uris": REDIRECT, "scopes": "read write follow push", **more}
    answer = await served.http.post("/api/v1/apps", data=sent)
    assert answer.status_code == 200, answer.text
    app: dict[str, Any] = answer.json()
    return app


def query(app: dict[str, Any], **more: str) -> dict[str, str]:
    asked = {
        "response_type": "code",
        "client_id": app["client_id"],
        "redirect_uri": REDIRECT,
        "scope": "read write",
        "state": "st&te",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in (asked | more).items() if value}


def form_of(page: httpx.Response) -> dict[str, str]:
    """The fields of the page's only form, as a browser or a password manager fills them; the first button is pressed."""
    assert page.text.count("<form") == 1
    fields: dict[str, str] = {}
    for tag in re.findall(r"<(?:input|button)[^>]*>", page.text):
        found = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if "name" in found:
            fields.setdefault(found["name"], found.get("value", "").replace("&amp;", "&"))
    return fields


async def sign_in(
    browser: httpx.AsyncClient, asked: dict[str, str], name: str, password: str = PASSWORD
) -> httpx.Response:
    page = await browser.get("/oauth/authorize", params=asked)
    assert page.status_code == 200
    assert 'autocomplete="username"' in page.text
    assert 'autocomplete="current-password"' in page.text
    return await browser.post("/oauth/authorize", data=form_of(page) | {"username": name, "password": password})


async def get_code(browser: httpx.AsyncClient, asked: dict[str, str], name: str) -> dict[str, str]:
    """Sign in, allow, and what the app is sent back."""
    signed_in = await sign_in(browser, asked, name)
    assert signed_in.status_code == 303
    question = await browser.get(signed_in.headers["location"])
    assert question.status_code == 200
    back = await browser.post("/oauth/authorize", data=form_of(question))
    assert back.status_code == 302
    assert back.headers["location"].startswith(REDIRECT + "&")
    return {name: values[0] for name, values in parse_qs(urlsplit(back.headers["location"]).query).items()}


def exchange(app: dict[str, Any], given: str, **more: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "client_id": app["client_id"],
        "client_secret": app["client_secret"],
        "redirect_uri": REDIRECT,
        "code": given,
        "code_verifier": VERIFIER,
    } | more


async def token_rows(served: Served) -> int:
    def count(tx: Tx) -> int:
        return len(tx.rows(select(oauth_token.c.id).where(oauth_token.c.revoked_at.is_(None))))

    return await served.node.read(count)


@pytest.fixture
def settings(tmp_path: Path, engine_name: str, new_database_url: Callable[[str, Path], str]) -> Settings:
    """Plain http, or no client would send the cookies, which are Secure otherwise, to a server without TLS."""
    create_secret(tmp_path)
    plain = {"domain": "eng.example", "department": "Engineering", "scheme": "http"}
    url = new_database_url(engine_name, tmp_path)
    return make_settings(tmp_path, database_url=url, node=plain, limits={"sign_in_per_address": 5})


@pytest.fixture
async def anna(served: Served) -> Person:
    return await served.person("anna", display_name="Anna")


# --- the whole way -----------------------------------------------------------


@pytest.mark.parametrize("body", ["form", "json", "multipart", "basic"])
async def test_a_client_gets_a_token_that_works_until_it_is_revoked(served: Served, anna: Person, body: str) -> None:
    app = await register(served)
    async with served.browser() as browser:
        back = await get_code(browser, query(app), "anna@example.org")
    assert back["state"] == "st&te"
    sent = exchange(app, back["code"])
    if body == "basic":
        credentials = (sent.pop("client_id"), sent.pop("client_secret"))
        answer = await served.http.post("/oauth/token", data=sent, auth=credentials)
    else:
        answer = await served.http.post("/oauth/token", **encoded(body, sent))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()
    assert {"access_token", "token_type", "scope", "created_at"} == set(token)
    assert token["token_type"] == "Bearer"
    assert set(token["scope"].split()) == {"read", "write"}
    bearer = {"Authorization": f"Bearer {token['access_token']}"}
    who = await served.http.get("/oauth/userinfo", headers=bearer)
    assert who.json()["preferred_username"] == "anna"
    assert (await served.http.get("/api/v1/apps/verify_credentials", headers=bearer)).json()["id"] == app["id"]

    end = {"token": token["access_token"], "client_id": app["client_id"], "client_secret": app["client_secret"]}
    kind = body if body != "basic" else "form"
    assert (await served.http.post("/oauth/revoke", **encoded(kind, end))).json() == {}
    gone = await served.http.get("/oauth/userinfo", headers=bearer)
    assert gone.status_code == 401
    assert gone.headers["www-authenticate"].startswith("Bearer")


def encoded(kind: str, sent: dict[str, str]) -> dict[str, Any]:
    if kind == "json":
        return {"json": sent}
    if kind == "multipart":
        return {"files": [(name, (None, value)) for name, value in sent.items()]}
    return {"data": sent}


async def test_out_of_band_shows_the_code(served: Served, anna: Person) -> None:
    app = await register(served, redirect_uris=f"{OOB}\norg.app.test://callback")
    assert app["redirect_uris"] == [OOB, "org.app.test://callback"]
    async with served.browser() as browser:
        signed_in = await sign_in(browser, query(app, redirect_uri=OOB), "anna")
        question = await browser.get(signed_in.headers["location"])
        page = await browser.post("/oauth/authorize", data=form_of(question))
    assert page.status_code == 200
    found = re.search(r'<input id="code"[^>]*value="([^"]+)"', page.text)
    assert found
    answer = await served.http.post("/oauth/token", data=exchange(app, found[1], redirect_uri=OOB))
    assert answer.status_code == 200


async def test_an_address_of_a_phone_app_is_redirected_to_exactly(served: Served, anna: Person) -> None:
    redirect = "org.joinmastodon.android-auth://callback"
    app = await register(served, redirect_uris=[redirect])
    async with served.browser() as browser:
        asked = query(app, redirect_uri=redirect, state="")
        question = await browser.get((await sign_in(browser, asked, "anna")).headers["location"])
        assert "form-action 'self' org.joinmastodon.android-auth:" in question.headers["content-security-policy"]
        back = await browser.post("/oauth/authorize", data=form_of(question))
    assert re.fullmatch(re.escape(redirect) + r"\?code=[\w-]+", back.headers["location"])


async def test_refusing_sends_back_an_error_and_no_code(served: Served, anna: Person) -> None:
    app = await register(served)
    async with served.browser() as browser:
        question = await browser.get((await sign_in(browser, query(app), "anna")).headers["location"])
        back = await browser.post("/oauth/authorize", data=form_of(question) | {"decision": "deny"})
    sent = parse_qs(urlsplit(back.headers["location"]).query)
    assert sent["error"] == ["access_denied"]
    assert sent["state"] == ["st&te"]
    assert "code" not in sent


async def test_the_pages_escape_what_an_app_says_of_itself_and_cannot_be_framed(served: Served, anna: Person) -> None:
    app = await register(served, client_name='"><script>alert(1)</script>')
    async with served.browser() as browser:
        page = await browser.get("/oauth/authorize", params=query(app, state='"><script>alert(2)</script>'))
    assert "<script" not in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "'unsafe-inline'" not in page.headers["content-security-policy"]
    assert "cross-origin-opener-policy" not in page.headers
    assert page.headers["cache-control"] == "no-store"


async def test_force_login_asks_again_and_then_goes_on(served: Served, anna: Person) -> None:
    await served.person("bob")
    app = await register(served)
    async with served.browser() as browser:
        await get_code(browser, query(app), "anna")
        assert "@anna" in (await browser.get("/oauth/authorize", params=query(app))).text
        asked = query(app, force_login="true")
        question = await browser.get((await sign_in(browser, asked, "bob")).headers["location"])
        assert "@bob" in question.text


# --- what must not work ------------------------------------------------------


@pytest.mark.parametrize("wrong", ["https://client.example/callback", REDIRECT + "/", "https://evil.example/", "", OOB])
async def test_a_redirect_uri_that_is_not_registered_is_never_redirected_to(
    served: Served, anna: Person, wrong: str
) -> None:
    app = await register(served)
    async with served.browser() as browser:
        page = await browser.get("/oauth/authorize", params=query(app, redirect_uri=wrong))
        assert page.status_code == 400
        assert "location" not in page.headers
        await get_code(browser, query(app), "anna")
        question = await browser.get("/oauth/authorize", params=query(app))
        page = await browser.post("/oauth/authorize", data=form_of(question) | {"redirect_uri": wrong})
        assert page.status_code == 400
        assert "location" not in page.headers


async def test_an_unknown_client_gets_an_error_page(served: Served) -> None:
    async with served.browser() as browser:
        for client in ("unknown", "", "\x00"):
            page = await browser.get(
                "/oauth/authorize", params={"client_id": client, "redirect_uri": REDIRECT, "response_type": "code"}
            )
            assert page.status_code in (400, 422)
            assert "location" not in page.headers


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "read admin:read"}, "invalid_scope"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
    ],
)
async def test_what_cannot_be_asked_for_is_told_to_the_app(served: Served, asked: dict[str, str], error: str) -> None:
    app = await register(served)
    async with served.browser() as browser:
        back = await browser.get("/oauth/authorize", params=query(app, **asked))
    assert back.status_code == 302
    assert parse_qs(urlsplit(back.headers["location"]).query)["error"] == [error]


@pytest.mark.parametrize("name", ["anna", "nobody", "anna@example.org", "eng.example", ""])
async def test_a_wrong_password_and_an_unknown_name_are_told_alike(served: Served, anna: Person, name: str) -> None:
    app = await register(served)
    async with served.browser() as browser:
        page = await sign_in(browser, query(app), name, "not the password")
        assert page.status_code == 422
        message = re.search(r'role="alert"[^>]*>([^<]*)<', page.text)
        assert message
        assert message[1] == "Invalid e-mail address, user name or password"
        assert not any(cookie.name == "corridor_eng_example" for cookie in browser.cookies.jar)


async def test_a_disabled_or_suspended_person_cannot_sign_in(served: Served, anna: Person) -> None:
    app = await register(served)
    await served.node.write_as(viewer.SYSTEM, accounts.disable, anna.id)
    async with served.browser() as browser:
        assert (await sign_in(browser, query(app), "anna")).status_code == 422
    await served.node.write_as(viewer.SYSTEM, accounts.enable, anna.id)
    async with served.browser() as browser:
        assert (await sign_in(browser, query(app), "anna")).status_code == 303


async def test_passwords_cannot_be_tried_for_ever(served: Served, anna: Person, clock: Clock) -> None:
    """Also the right one is refused then, so that the refusal tells nothing."""
    app = await register(served)
    async with served.browser() as browser:
        tries = [(await sign_in(browser, query(app), "anna", f"guess {number}")).status_code for number in range(5)]
        assert tries == [422] * 5
        assert (await sign_in(browser, query(app), "anna")).status_code == 429
        clock.advance(300)
        assert (await sign_in(browser, query(app), "anna")).status_code == 303


async def test_forms_from_elsewhere_are_refused(served: Served, anna: Person) -> None:
    """The near miss of each form: everything right but the token that only our page has."""
    app = await register(served)
    async with served.browser() as browser:
        page = await browser.get("/oauth/authorize", params=query(app))
        filled = form_of(page) | {"username": "anna", "password": PASSWORD}
        assert (await browser.post("/oauth/authorize", data=filled | {"csrf": "x" * 43})).status_code == 403
    async with served.browser() as stranger:  # the right field without the cookie
        assert (await stranger.post("/oauth/authorize", data=filled)).status_code == 403
    async with served.browser() as browser:
        question = await browser.get((await sign_in(browser, query(app), "anna")).headers["location"])
        for csrf in ("", "x" * 43):
            assert (await browser.post("/oauth/authorize", data=form_of(question) | {"csrf": csrf})).status_code == 403
        assert (await browser.post("/oauth/authorize", data=form_of(question))).status_code == 302


async def test_a_code_works_once_and_takes_the_token_with_it_when_it_comes_again(served: Served, anna: Person) -> None:
    app = await register(served)
    async with served.browser() as browser:
        back = await get_code(browser, query(app), "anna")
    first = await served.http.post("/oauth/token", data=exchange(app, back["code"]))
    bearer = {"Authorization": f"Bearer {first.json()['access_token']}"}
    assert (await served.http.get("/oauth/userinfo", headers=bearer)).status_code == 200
    second = await served.http.post("/oauth/token", data=exchange(app, back["code"]))
    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")
    assert (await served.http.get("/oauth/userinfo", headers=bearer)).status_code == 401


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"code": "unknown"}, 400, "invalid_grant"),
        ({"redirect_uri": "https://client.example/other"}, 400, "invalid_grant"),
        ({"code_verifier": "w" * 64}, 400, "invalid_grant"),
        ({"code_verifier": ""}, 400, "invalid_grant"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "unknown"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "unsupported_grant_type"),
    ],
)
async def test_a_token_is_not_given_for_less_than_everything(
    served: Served, anna: Person, changed: dict[str, str], status: int, error: str
) -> None:
    app = await register(served)
    async with served.browser() as browser:
        back = await get_code(browser, query(app), "anna")
    before = await token_rows(served)
    answer = await served.http.post("/oauth/token", data=exchange(app, back["code"], **changed))
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_description"]
    assert await token_rows(served) == before
    honest = await served.http.post("/oauth/token", data=exchange(app, back["code"]))
    assert honest.status_code == 200


async def test_a_code_is_worth_nothing_to_another_app_nor_after_its_time(
    served: Served, anna: Person, clock: Clock
) -> None:
    app, other = await register(served), await register(served)
    async with served.browser() as browser:
        back = await get_code(browser, query(app), "anna")
    stolen = await served.http.post("/oauth/token", data=exchange(other, back["code"]))
    assert stolen.json()["error"] == "invalid_grant"
    clock.advance(601)
    late = await served.http.post("/oauth/token", data=exchange(app, back["code"]))
    assert late.json()["error"] == "invalid_grant"


async def test_an_app_cannot_revoke_the_token_of_another(served: Served, anna: Person) -> None:
    app, other = await register(served), await register(served)
    async with served.browser() as browser:
        back = await get_code(browser, query(app), "anna")
    token = (await served.http.post("/oauth/token", data=exchange(app, back["code"]))).json()["access_token"]
    end = {"token": token, "client_id": other["client_id"], "client_secret": other["client_secret"]}
    answer = await served.http.post("/oauth/revoke", data=end)
    assert (answer.status_code, answer.json()["error"]) == (403, "unauthorized_client")
    who = await served.http.get("/oauth/userinfo", headers={"Authorization": f"Bearer {token}"})
    assert who.status_code == 200


async def test_an_apps_own_token_is_nobodys(served: Served) -> None:
    app = await register(served)
    sent = {
        "grant_type": "client_credentials",
        "client_id": app["client_id"],
        "client_secret": app["client_secret"],
        "scope": "read",
    }
    token = (await served.http.post("/oauth/token", json=sent)).json()
    bearer = {"Authorization": f"Bearer {token['access_token']}"}
    assert (await served.http.get("/api/v1/apps/verify_credentials", headers=bearer)).status_code == 200
    answer = await served.http.get("/oauth/userinfo", headers=bearer)
    assert answer.status_code == 422
    assert answer.json() == {"error": "Validation failed: This method requires an authenticated user"}
    wide = await served.http.post("/oauth/token", json=sent | {"scope": "read admin:write"})
    assert (wide.status_code, wide.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"client_name": ""}, "client_name"),
        ({"redirect_uris": ""}, "redirect_uris"),
        ({"redirect_uris": "javascript:alert(1)"}, "redirect_uris"),
        ({"redirect_uris": "data:text/html,x"}, "redirect_uris"),
        ({"redirect_uris": "/relative"}, "redirect_uris"),
        ({"redirect_uris": "https://a.example/#frag"}, "redirect_uris"),
        ({"scopes": "read everything"}, "scope"),
        ({"website": "javascript:alert(1)"}, "website"),
        ({"client_name": "a\x00b"}, "client_name"),
    ],
)
async def test_an_app_that_cannot_be_registered_is_422_and_not_stored(
    served: Served, sent: dict[str, str], field: str
) -> None:
    body = {"client_name": "x", "redirect_uris": REDIRECT, "scopes": "read", **sent}
    answer = await served.http.post("/api/v1/apps", json=body)
    assert answer.status_code in (400, 422)
    if answer.status_code == 422:
        assert list(answer.json()["details"]) == [field]

    def count(tx: Tx) -> int:
        return len(tx.rows(select(oauth_app.c.id)))

    assert await served.node.read(count) == 0


async def test_no_secret_is_stored_as_it_is(served: Served, anna: Person) -> None:
    app = await register(served)
    async with served.browser() as browser:
        back = await get_code(browser, query(app), "anna")
    token = (await served.http.post("/oauth/token", data=exchange(app, back["code"]))).json()["access_token"]

    def everything(tx: Tx) -> str:
        return repr([tx.rows(select(table)) for table in (oauth_app, oauth_code, oauth_token)])

    stored = await served.node.read(everything)
    for secret in (app["client_secret"], back["code"], token):
        assert secret not in stored


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/api/v1/apps"])
async def test_other_origins_may_call_the_machine_endpoints(served: Served, path: str) -> None:
    asked = {"Origin": "https://phanpy.example", "Access-Control-Request-Method": "POST"}
    preflight = await served.http.options(path, headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert {"authorization", "content-type", "idempotency-key"} <= {word.strip() for word in allowed.split(",")}
    answer = await served.http.post(path, headers={"Origin": "https://phanpy.example"}, data={})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Link" in answer.headers["access-control-expose-headers"]


async def test_other_origins_may_not_read_the_sign_in_page(served: Served) -> None:
    app = await register(served)
    path = f"/oauth/authorize?{urlencode(query(app))}"
    answer = await served.http.get(path, headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
