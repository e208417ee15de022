"""Every spelling that clients use, read on a real server; what cannot be read is 4xx."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from node.runtime import Node
from tests.support.serving import serving
from web import params
from web.edge import Edge
from web.limits import Limiter
from web.parts import Parts
from web.responses import json, paged
from web.routing import TableRouter


class _App:
    """The edge and a router over the routes of a test, without the rest of a node's application."""

    def __init__(self, parts: Parts, routes: list[Route]) -> None:
        self.state = type("State", (), {"parts": parts})()
        self._edge = Edge(TableRouter(routes), parts)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["app"] = self
        await self._edge(scope, receive, send)


async def _echo(request: Request) -> Response:
    form = await params.read(request, uploads=request.url.path == "/api/upload")
    shown: dict[str, Any] = {}
    for spec in request.headers.get("x-get", "").split():
        kind, _, name = spec.partition(":")
        if kind == "file":
            file = form.file(name)
            shown[spec] = None if file is None else [file.filename, (await file.read()).decode()]
        elif kind == "groups":
            shown[spec] = [dict(group) for group in form.groups(name)]
        elif kind == "group":
            shown[spec] = dict(form.group(name))
        else:
            shown[spec] = getattr(form, kind)(name)
    return json(shown)


async def _page(request: Request) -> Response:
    page = params.page(request)
    return json([page.limit, page.max_id, page.since_id, page.min_id])


async def _links(request: Request) -> Response:
    return paged(request, b"[]", [9, 7, 5])


async def _by_id(request: Request) -> Response:
    return json(params.path_id(request))


@pytest.fixture
def engine_name() -> str:
    return "sqlite"


@pytest.fixture
async def client(node: Node) -> AsyncIterator[httpx.AsyncClient]:
    parts = Parts(node, None, Limiter(node.clock))  # type: ignore[arg-type]
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    routes = [
        Route("/api/echo", _echo, methods=methods),
        Route("/api/upload", _echo, methods=methods),
        Route("/api/page", _page),
        Route("/api/links", _links),
        Route("/api/things/{id}", _by_id),
    ]
    async with serving(_App(parts, routes)) as base, httpx.AsyncClient(base_url=base) as http:
        yield http


async def ask(client: httpx.AsyncClient, get: str, method: str = "POST", **sent: Any) -> Any:
    headers = {"X-Get": get, **sent.pop("headers", {})}
    answer = await client.request(method, sent.pop("path", "/api/echo"), headers=headers, **sent)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return found[get] if " " not in get else found


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "sent",
    [
        {"content": b"x[]=1&x[]=2", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"content": b"x[0]=1&x[1]=2", "headers": {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}},
        {"content": b"x%5B10%5D=2&x%5B9%5D=1", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"content": b"x=1&x=2", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"json": {"x": [1, "2"]}},
        {"json": {"x": {"0": 1, "1": 2}}},
        {"files": [("x[]", (None, "1")), ("x[]", (None, "2"))]},
        {"params": [("x[]", "1"), ("x[]", "2")]},
    ],
)
async def test_a_list_of_ids_is_read_in_every_spelling(
    client: httpx.AsyncClient, method: str, sent: dict[str, Any]
) -> None:
    assert await ask(client, "ids:x", method, **{**sent, "headers": dict(sent.get("headers", {}))}) == [1, 2]


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "1", "on", "t", "T", True, 1])
async def test_true_in_every_spelling(client: httpx.AsyncClient, word: Any) -> None:
    assert await ask(client, "boolean:x", json={"x": word}) is True
    assert await ask(client, "boolean:x", data={"x": str(word)}) is True


@pytest.mark.parametrize("word", ["false", "False", "0", "off", "f", "F", False, 0])
async def test_false_in_every_spelling(client: httpx.AsyncClient, word: Any) -> None:
    assert await ask(client, "boolean:x", json={"x": word}) is False
    assert await ask(client, "boolean:x", data={"x": str(word)}) is False


async def test_nested_names_become_groups(client: httpx.AsyncClient) -> None:
    body = {"source[privacy]": "unlisted", "source[language]": "de", "fields_attributes[1][name]": "b"}
    more = {"fields_attributes[0][name]": "a", "fields_attributes[0][value]": "1"}
    found = await ask(client, "group:source groups:fields_attributes", data=body | more)
    assert found["group:source"] == {"privacy": "unlisted", "language": "de"}
    assert found["groups:fields_attributes"] == [{"name": "a", "value": "1"}, {"name": "b"}]


async def test_rails_lists_of_groups_start_a_new_one_when_a_name_repeats(client: httpx.AsyncClient) -> None:
    body = b"k[][word]=a&k[][whole]=1&k[][word]=b"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert await ask(client, "groups:k", content=body, headers=headers) == [{"word": "a", "whole": "1"}, {"word": "b"}]


async def test_the_body_wins_over_the_query(client: httpx.AsyncClient) -> None:
    assert await ask(client, "text:a text:b", params={"a": "query", "b": "query"}, data={"a": "body"}) == {
        "text:a": "body",
        "text:b": "query",
    }


async def test_a_file_is_only_read_where_uploads_are_taken(client: httpx.AsyncClient) -> None:
    files = {"file": ("a.png", b"bytes", "image/png")}
    assert await ask(client, "file:file", path="/api/upload", files=files) == ["a.png", "bytes"]
    answer = await client.post("/api/echo", files=files)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[1]", 400),
        (b'"text"', 400),
        (b'{"x": 1, "x": 2}', 400),
        (b'{"x": NaN}', 400),
        (b'{"x": "\\u0000"}', 400),
        (b'{"x": "\\ud800"}', 400),
        (b'{"x": "\xff"}', 400),
        (b'{"x": 99999999999999999999999999}', 400),
        (b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
        (b'{"x": ["a"]}', 422),
        (b'{"x": {"a": 1}}', 422),
        (b'{"x": true}', 422),
    ],
)
async def test_json_that_is_none_or_of_the_wrong_shape_is_refused(
    client: httpx.AsyncClient, body: bytes, status: int
) -> None:
    answer = await client.post(
        "/api/echo", content=body, headers={"Content-Type": "application/json", "X-Get": "text:x"}
    )
    assert answer.status_code == status
    assert answer.json()["error"]
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("body", "get", "status"),
    [
        (b"x=%00", "text:x", 422),
        (b"x=%ff", "text:x", 400),
        (b"x=%ed%a0%80", "text:x", 400),
        (b"x[y]=1&x=2", "text:x", 400),
        (b"x=1&x[y]=2", "text:x", 400),
        (b"x[]=1&x[y]=2", "text:x", 400),
        (b"x=a", "integer:x", 422),
        (b"x=1.5", "integer:x", 422),
        ("x=٣".encode(), "integer:x", 422),
        (b"x=maybe", "boolean:x", 422),
        (b"x[]=1&x[]=z", "ids:x", 422),
        (b"x=-1", "ids:x", 422),
        (b"x=9223372036854775808", "id:x", 422),
        (b"x=text", "file:x", 422),
        (b"x=text", "group:x", 422),
        (b"x[a]=1", "texts:x", 422),
        (b"x=nan", "number:x", 422),
        (b"&".join(b"f%d=1" % n for n in range(1001)), "text:x", 400),
        (b"a[b][c][d][e][f][g][h][i]=1", "text:x", 400),
    ],
)
async def test_a_form_with_a_wrong_value_is_refused(
    client: httpx.AsyncClient, body: bytes, get: str, status: int
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Get": get}
    answer = await client.post("/api/echo", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]


async def test_a_wrong_value_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/echo", data={"poll[expires_in]": "soon"}, headers={"X-Get": "group:poll"})
    assert answer.status_code == 200
    answer = await client.post("/api/echo", data={"limit": "soon"}, headers={"X-Get": "integer:limit"})
    assert answer.json()["error"] == "Validation failed: limit must be a whole number"
    assert list(answer.json()["details"]) == ["limit"]


async def test_a_body_of_another_type_is_415_but_an_empty_one_is_none(client: httpx.AsyncClient) -> None:
    for kind in ("text/plain", "application/xml", "image/png"):
        answer = await client.post("/api/echo", content=b"x=1", headers={"Content-Type": kind})
        assert answer.status_code == 415, kind
        assert set(answer.json()) == {"error"}
        assert (await client.post("/api/echo", content=b"", headers={"Content-Type": kind})).status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b"--b\r\n\r\n", b"garbage", b'--b\r\nContent-Disposition: form-data; name="x"\r\n']
)
async def test_a_broken_multipart_body_is_no_server_error(client: httpx.AsyncClient, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b", "X-Get": "text:x"}
    assert (await client.post("/api/upload", content=body, headers=headers)).status_code in (200, 400)
    answer = await client.post("/api/upload", content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert answer.status_code == 400


async def test_more_than_the_limit_is_413_whether_declared_or_not(client: httpx.AsyncClient, node: Node) -> None:
    big = b"x=" + b"a" * node.settings.server.max_body_bytes

    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 65536):
            yield big[start : start + 65536]

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for content in (big, stream()):
        answer = await client.post("/api/echo", content=content, headers=headers)
        assert answer.status_code == 413
        assert set(answer.json()) == {"error"}


async def test_pages_are_clamped_and_ids_that_are_none_refused(client: httpx.AsyncClient) -> None:
    async def page(query: str) -> Any:
        answer = await client.get(f"/api/page?{query}")
        return answer.json() if answer.status_code == 200 else answer.status_code

    assert await page("") == [20, None, None, None]
    assert await page("limit=1000&max_id=5&since_id=&min_id=7") == [40, 5, None, 7]
    assert await page("limit=0") == [1, None, None, None]
    assert await page("limit=-5") == [1, None, None, None]
    assert await page("max_id=9223372036854775807") == [20, 9223372036854775807, None, None]
    for bad in ("max_id=abc", "min_id=-1", "since_id=9223372036854775808", "limit=x", "max_id=1e5", "max_id=%00"):
        assert await page(bad) == 422, bad
    assert await page("max_id=%ff") == 400


async def test_a_path_with_an_id_that_is_none_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/things/123")).json() == 123
    for bad in ("abc", "-1", "9223372036854775808", "1" * 30, "1.5", "%00", "%F0%9F%98%80", "٣"):
        answer = await client.get(f"/api/things/{bad}")
        assert answer.status_code == 404, bad
        assert answer.json() == {"error": "Record not found"}


async def test_links_are_on_the_configured_base_and_keep_other_parameters_but_no_token(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get(
        "/api/links?limit=2&types[]=a&types[]=b&max_id=3&access_token=t", headers={"Host": "evil.example"}
    )
    base = "https://eng.example/api/links?limit=2&types%5B%5D=a&types%5B%5D=b"
    assert answer.headers["link"] == f'<{base}&max_id=5>; rel="next", <{base}&min_id=9>; rel="prev"'
