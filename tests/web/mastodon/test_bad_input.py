"""Whatever is sent, the answer is JSON and says whose fault it is: never 500, never a page."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from starlette.routing import Route

from node.config import Settings
from tests.web.mastodon.conftest import MakeUser, User
from web.mastodon.routes import routes

JUNK_IDS = ["0", "abc", "-1", "9" * 19, "9" * 40, "%00", "%F0%9F%91%81", "1.5", "..%2F..", "a%00b", "x" * 600]
JUNK_QUERIES = [
    "limit=abc",
    "limit=-5&max_id=0&min_id=" + "9" * 19,
    "max_id=abc",
    "max_id=99999999999999999999999",
    "since_id[]=1&since_id[]=2",
    "id[]=abc&id[]=1",
    "id[x]=1",
    "q=%00",
    "q=" + "x" * 3000,
    "q=%22&type=nonsense",
    "q=from:&resolve=maybe",
    "types[][x]=1&types[]=2",
    "acct=%FF%FE",
    "acct=@@@",
    "any[]=%00&local=perhaps",
    "tagged=%00",
    "offset=99999999999999999999",
    "a[b][c][d][e][f][g][h][i][j]=1",
]
JUNK_BODIES: list[Any] = [
    {"status": {"a": 1}, "media_ids": "abc", "visibility": "everyone"},
    {"status": "x\x00y", "spoiler_text": ["a"]},
    {"status": "\ud800"},
    {"status": "ok", "in_reply_to_id": "abc"},
    {"status": "ok", "in_reply_to_id": 10**30},
    {"status": "ok", "media_ids": [1, 2, None, {"a": 1}]},
    {"status": "ok", "language": "x" * 500},
    {"status": "ok", "poll": {"options": ["a", "b"]}},
    {"status": "ok", "scheduled_at": "tomorrow"},
    {"media_attributes": [{"id": "x"}], "status": "ok"},
    {"source": "public", "fields_attributes": {"x": 1}, "locked": "perhaps"},
    {"source": {"privacy": "direct"}, "display_name": "x" * 5000},
    {"fields_attributes": [{"name": 1, "value": {"a": 2}}], "note": "y" * 90_000},
    {"account_id": "abc", "status_ids": ["x"], "comment": "z" * 20_000},
    {"account_id": 1, "status_ids": [1]},
    {"duration": -5, "notifications": "perhaps"},
    {"duration": 10**25},
    {"reblogs": [], "notify": {}},
    {"id": [1]},
    {"focus": "1", "description": "d" * 9000},
    {"focus": "nan,nan"},
    [1, 2],
    "text",
    None,
]
RAW_BODIES = [
    (b"{", "application/json"),
    (b"[" * 5000, "application/json"),
    (b'{"a":1,"a":2}', "application/json; charset=utf-16"),
    (b"\xff\xfe=%00", "application/x-www-form-urlencoded"),
    (b"--x\r\n", "multipart/form-data; boundary=x"),
    (b"status=a", "text/plain"),
]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """All of this comes from one address, and more of it than an address may send."""
    limits = msgspec.structs.replace(settings.limits, per_account=0, per_address=0)
    return msgspec.structs.replace(settings, limits=limits)


def _requests() -> Iterator[tuple[str, str]]:
    """(method, path) of every call."""
    for route in routes():
        if isinstance(route, Route):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield method, route.path


async def _check(user: User, method: str, path: str, **options: Any) -> list[str]:
    try:
        answer = await user.send(method, path, **options)
    except httpx.InvalidURL:
        return []
    shown = f"{method} {path[:120]} {str(options)[:200]} gave {answer.status_code}: {answer.text[:200]}"
    if answer.status_code >= 500 or answer.status_code == 429:  # the latter would hide what this is about
        return [shown]
    if not answer.headers["content-type"].startswith("application/json"):
        return [shown]
    json.loads(answer.content)
    return []


def _filled(path: str, value: str) -> str:
    """A route's path with `value` for every parameter."""
    parts = [value if part.startswith("{") else part for part in path.split("/")]
    return "/".join(parts)


async def test_junk_is_never_an_error_of_ours(make_user: MakeUser) -> None:
    user = await make_user("anna")
    other = await make_user("bert")
    posted = await user.status("something to look at")
    wrong: list[str] = []
    for number, (method, path) in enumerate(_requests()):
        if path.startswith("/api/v1/streaming"):
            continue
        user = await make_user(f"user{number}")  # a budget of requests each
        if "{" in path:
            for junk in JUNK_IDS:
                wrong += await _check(user, method, _filled(path, junk))
        for good in [posted["id"], str(other.id)] if "{" in path else [""]:
            target = _filled(path, good)
            if method == "GET":
                for query in JUNK_QUERIES:
                    wrong += await _check(user, method, f"{target}?{query}")
                continue
            for body in JUNK_BODIES:
                content = json.dumps(body).encode()
                wrong += await _check(
                    user, method, target, content=content, headers={"Content-Type": "application/json"}
                )
            for raw, kind in RAW_BODIES:
                wrong += await _check(user, method, target, content=raw, headers={"Content-Type": kind})
    assert not wrong, "\n".join(wrong[:20])


async def test_what_cannot_be_looked_up_is_not_found(make_user: MakeUser) -> None:
    user = await make_user("anna")
    asked = ["@a@b..c", "a@-", "@a@[::1]", "a@1.2.3.4:99999", "https://[::1", "https://eng.example:99999/x"]
    asked += [
        "http://user:pw@eng.example/",
        "https://127.0.0.1/x",
        "https://eng.example/users/nobody",
        "@@@",
        "https://",
    ]
    for query in asked:
        found = await user.get("/api/v2/search", q=query, resolve="true")
        assert found == {"accounts": [], "statuses": [], "hashtags": []}, query
