"""What every answer has in common: errors, headers, limits, the log."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from node import accounts, auth, log, viewer
from node.config import LogSection, Settings
from node.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized, Unavailable, Unknown
from node.federation.network import Network
from node.runtime import Node, Tx
from node.secrets import create_secret
from tests.conftest import make_settings
from tests.support.clocks import Clock
from tests.support.serving import serving
from tests.web.conftest import Served
from web import identity as api
from web.app import Application
from web.identity import Access
from web.limits import Limiter
from web.parts import Parts, client_address
from web.responses import json as answer_json

SECRET = "hunter2"
RAISED: dict[str, tuple[Exception, int]] = {
    "not-found": (NotFound(), 404),
    "forbidden": (Forbidden(), 403),
    "unauthorized": (Unauthorized(), 401),
    "invalid": (Invalid("is wrong", "field"), 422),
    "conflict": (Conflict("done already"), 422),
    "unknown": (Unknown("https://x.example/1"), 404),
    "unavailable": (Unavailable(), 503),
    "bug": (KeyError("hunter2"), 500),
}


@pytest.fixture
def log_lines() -> Iterator[StringIO]:
    """The log as an administrator gets it."""
    out = StringIO()
    root, level = logging.getLogger().handlers[:], logging.getLogger().level
    log.setup(LogSection(level="info", format="json"), out)
    yield out
    logging.getLogger().handlers[:] = root
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
async def probe(log_lines: StringIO, node: Node, network: Network) -> AsyncIterator[httpx.AsyncClient]:
    """A node's application with routes that raise each error."""

    async def fail(request: Request) -> Response:
        raise RAISED[request.path_params["kind"]][0]

    async def broken_statement(request: Request) -> Response:
        def rule(tx: Tx) -> None:
            tx.execute(text("SELECT * FROM nowhere WHERE hash = :hash"), {"hash": SECRET})

        await node.read(rule)
        return Response()

    async def who(request: Request) -> Response:
        return answer_json(client_address(request))

    routes = [
        Route("/api/fail/{kind}", fail),
        Route("/api/broken", broken_statement),
        Route("/api/who", who),
        Route("/api/hello/{name}", who, methods=["POST"]),
        Route("/page/{kind}", fail),
    ]
    app = Application(Parts(node, network, Limiter(node.clock)), routes)
    async with serving(app) as base, httpx.AsyncClient(base_url=base) as http:
        yield http


@pytest.fixture
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(getattr(request, "param", "sqlite"))


@pytest.mark.parametrize("kind", list(RAISED))
async def test_every_error_has_one_shape_and_no_error_tells_of_its_inside(
    probe: httpx.AsyncClient, log_lines: StringIO, kind: str
) -> None:
    answer = await probe.get(f"/api/fail/{kind}")
    assert answer.status_code == RAISED[kind][1]
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert set(answer.json()) - {"details"} == {"error"}
    assert "hunter2" not in answer.text
    assert answer.headers["access-control-allow-origin"] == "*"
    if kind == "unavailable":
        assert int(answer.headers["retry-after"]) > 0
    if kind == "unauthorized":
        assert answer.headers["www-authenticate"].startswith("Bearer ")
    if kind == "bug":
        lines = [json.loads(line) for line in log_lines.getvalue().splitlines()]
        found = next(line for line in lines if line["event"] == "unexpected")
        assert found["request_id"] == answer.headers["x-request-id"]
        assert "KeyError" in found["exception"]


@pytest.mark.parametrize("engine_name", ["sqlite", "postgresql"], indirect=True)
async def test_a_failed_statement_is_logged_without_its_values(
    probe: httpx.AsyncClient, log_lines: StringIO, engine_name: str
) -> None:
    assert (await probe.get("/api/broken")).status_code == 500
    assert "nowhere" in log_lines.getvalue()
    assert "hunter2" not in log_lines.getvalue()


async def test_the_log_has_the_template_and_neither_path_nor_query(
    probe: httpx.AsyncClient, log_lines: StringIO
) -> None:
    await probe.post("/api/hello/anna-secret?access_token=hunter2", headers={"Authorization": "Bearer hunter3"})
    line = json.loads(log_lines.getvalue().splitlines()[-1])
    assert line["event"] == "request"
    assert (line["method"], line["route"], line["status"]) == ("POST", "/api/hello/{name}", 200)
    assert line["ms"] >= 0
    for secret in ("anna-secret", "hunter2", "hunter3"):
        assert secret not in log_lines.getvalue()


async def test_unknown_paths_and_methods_are_json_for_programs_and_a_page_for_browsers(
    probe: httpx.AsyncClient,
) -> None:
    html = {"Accept": "text/html"}
    for path in ("/api/v1/nothing", "/oauth/token/x", "/nothing"):
        answer = await probe.get(path)
        assert (answer.status_code, answer.json()) == (404, {"error": "Record not found"})
    assert (await probe.get("/api/v1/nothing", headers=html)).json() == {"error": "Record not found"}
    page = await probe.get("/nothing", headers=html)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "There is nothing here" in page.text
    assert "Engineering" in page.text
    answer = await probe.put("/api/hello/x")
    assert (answer.status_code, answer.json()) == (405, {"error": "Method not allowed"})
    assert answer.headers["allow"] == "POST"
    assert (await probe.get("/api/fail/%00")).status_code == 404


async def test_every_answer_has_the_security_headers(probe: httpx.AsyncClient) -> None:
    for path, accept in (("/api/who", "*/*"), ("/page/not-found", "text/html"), ("/api/fail/bug", "*/*")):
        headers = (await probe.get(path, headers={"Accept": accept})).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["strict-transport-security"]
        assert "cross-origin-opener-policy" not in headers
        assert "server" not in headers


async def test_preflight_is_answered_on_any_api_path(probe: httpx.AsyncClient) -> None:
    asked = {"Origin": "https://c.example", "Access-Control-Request-Method": "DELETE"}
    for path in ("/api/v1/statuses/1", "/.well-known/webfinger", "/nodeinfo/2.0", "/media/x.png"):
        answer = await probe.options(path, headers=asked)
        assert answer.status_code == 204
        assert answer.headers.get_list("access-control-allow-origin") == ["*"]
        assert "DELETE" in answer.headers["access-control-allow-methods"]
    assert "access-control-allow-origin" not in (await probe.options("/settings", headers=asked)).headers


async def test_only_a_trusted_proxy_says_who_asks(probe: httpx.AsyncClient) -> None:
    async def seen(forwarded: str | None) -> Any:
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        return (await probe.get("/api/who", headers=headers)).json()

    assert await seen(None) == "127.0.0.1"
    assert await seen("203.0.113.7") == "203.0.113.7"
    assert await seen("198.51.100.1, 203.0.113.7") == "203.0.113.7"  # the left one is what the client made up
    assert await seen("203.0.113.7, 127.0.0.1") == "203.0.113.7"
    assert await seen("nonsense") == "127.0.0.1"
    assert await seen("::ffff:203.0.113.7") == "203.0.113.7"


@pytest.mark.parametrize("length", ["99999999999", "9" * 19, "9" * 100, "-5", "x"])
async def test_a_declared_length_beyond_everything_is_refused_unread(probe: httpx.AsyncClient, length: str) -> None:
    reader, writer = await asyncio.open_connection(probe.base_url.host, probe.base_url.port)
    writer.write(f"POST /api/hello/x HTTP/1.1\r\nHost: eng.example\r\nContent-Length: {length}\r\n\r\n".encode())
    status_line = await asyncio.wait_for(reader.readline(), 5)
    assert status_line.split()[1] in (b"400", b"413")
    writer.close()


async def test_cookies_are_for_our_pages_over_tls_only(served: Served) -> None:
    sent = {"client_name": "x", "redirect_uris": "https://c.example/"}
    app = (await served.http.post("/api/v1/apps", data=sent)).json()
    asked = {"client_id": app["client_id"], "redirect_uri": "https://c.example/", "response_type": "code"}
    page = await served.http.get("/oauth/authorize", params=asked)
    cookie = page.headers["set-cookie"]
    assert cookie.startswith("corridor_eng_example_form=")
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))


# --- limits and tokens -------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path, engine_name: str, new_database_url: Callable[[str, Path], str]) -> Settings:
    create_secret(tmp_path)
    limits = {"per_account": 3, "per_address": 8}
    return make_settings(tmp_path, database_url=new_database_url(engine_name, tmp_path), limits=limits)


@pytest.fixture
async def guarded(node: Node, network: Network) -> AsyncIterator[Served]:
    """Routes that demand each kind of access."""

    def name(tx: Tx) -> str:
        return str(tx.viewer.account_id)

    def route(path: str, access: Access | str | None) -> Route:
        async def handler(request: Request) -> Response:
            return answer_json(await api.read(request, access, name))

        return Route(path, handler)

    routes = [
        route("/api/read", "read:statuses"),
        route("/api/write", "write:statuses"),
        route("/api/open", None),
        route("/api/maybe", Access("read:statuses", anonymous=True)),
        route("/api/either", Access(("profile", "read:accounts"))),
        route("/api/admin", Access("admin:read:accounts", role="admin")),
    ]
    app = Application(Parts(node, network, Limiter(node.clock)), routes)
    async with serving(app) as base, httpx.AsyncClient(base_url=base) as http:
        yield Served(node, network, base, http, app)


async def status(served: Served, path: str, bearer: dict[str, str] | None = None, **more: Any) -> int:
    answer = await served.http.get(path, headers=bearer or {}, **more)
    if answer.status_code >= 400:
        assert set(answer.json()) == {"error"}
    return answer.status_code


async def test_an_account_and_an_address_have_their_limits(guarded: Served, clock: Clock) -> None:
    anna = await guarded.person("anna")
    for left in (2, 1, 0):
        answer = await guarded.http.get("/api/read", headers=anna.bearer)
        assert answer.headers["x-ratelimit-limit"] == "3"
        assert answer.headers["x-ratelimit-remaining"] == str(left)
        assert answer.headers["x-ratelimit-reset"].endswith("Z")
    answer = await guarded.http.get("/api/read", headers=anna.bearer)
    assert (answer.status_code, answer.json()) == (429, {"error": "Too many requests"})
    assert 0 < int(answer.headers["retry-after"]) <= 300
    assert answer.headers["x-ratelimit-remaining"] == "0"
    bob = await guarded.person("bob")
    assert await status(guarded, "/api/read", bob.bearer) == 200
    assert [await status(guarded, "/api/open") for _ in range(5)] == [200, 200, 200, 429, 429]
    other = {"X-Forwarded-For": "203.0.113.9"}
    assert await status(guarded, "/api/open", other) == 200
    clock.advance(300)
    assert await status(guarded, "/api/read", anna.bearer) == 200


async def test_scopes_and_roles_decide(guarded: Served) -> None:
    reader = (await guarded.person("reader", scopes="read")).bearer
    narrow = (await guarded.person("narrow", scopes="read:statuses")).bearer
    writer = (await guarded.person("writer", scopes="write")).bearer
    assert await status(guarded, "/api/read", reader) == 200
    assert await status(guarded, "/api/read", narrow) == 200
    assert await status(guarded, "/api/read", writer) == 403
    assert await status(guarded, "/api/write", reader) == 403


async def test_an_administrators_call_needs_the_role_and_the_scope(guarded: Served) -> None:
    scopes = "read admin:read"
    employee = (await guarded.person("employee", scopes=scopes)).bearer
    admin = await guarded.person("boss", scopes=scopes, roles=("employee", "admin"))
    assert await status(guarded, "/api/admin", employee) == 403
    assert await status(guarded, "/api/admin", admin.bearer) == 200
    token = await guarded.node.write(auth.make_token, admin.id, "read write")
    assert await status(guarded, "/api/admin", {"Authorization": f"Bearer {token}"}) == 403


async def test_without_a_valid_token_it_is_401(guarded: Served) -> None:
    anna = await guarded.person("anna")
    for headers in (
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer"},
    ):
        answer = await guarded.http.get("/api/read", headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"error": "The access token is invalid"})
        assert answer.headers["www-authenticate"]
    assert await status(guarded, f"/api/read?access_token={anna.token}") == 200


async def test_a_bad_token_is_refused_even_where_none_is_needed(guarded: Served) -> None:
    assert await status(guarded, "/api/open") == 200
    assert await status(guarded, "/api/open", {"Authorization": "Bearer nonsense"}) == 401
    assert await status(guarded, "/api/maybe") == 401  # access.anonymous is "none"


async def test_a_token_dies_with_its_persons_rights(guarded: Served) -> None:
    for name, end in (("anna", accounts.disable), ("bob", accounts.suspend)):
        person = await guarded.person(name)
        assert await status(guarded, "/api/either", person.bearer) == 200
        await guarded.node.write_as(viewer.SYSTEM, end, person.id)
        assert await status(guarded, "/api/either", person.bearer) == 401


async def test_an_expired_token_is_401(guarded: Served, clock: Clock) -> None:
    person = await guarded.person("anna")

    def issue(tx: Tx) -> str:
        app = tx.scalar(text("SELECT id FROM oauth_app"))
        return auth.issue(tx, app, person.id, "read", expires_at=tx.now + 1000)[0]

    bearer = {"Authorization": f"Bearer {await guarded.node.write(issue)}"}
    assert await status(guarded, "/api/read", bearer) == 200
    clock.advance(1)
    assert await status(guarded, "/api/read", bearer) == 401
