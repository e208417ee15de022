"""Whatever is sent wherever, the answer says whose fault it is: JSON of one shape for programs, a page for browsers.

The client API has a sweep over all of its calls in mastodon/test_bad_input.py; here are values that databases and clocks
choke on, in every field of a choice of calls, of pages and of what is open to everybody.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest

from node.config import Settings
from node.secrets import create_secret
from node.viewer import person
from tests.conftest import make_settings
from tests.support.posting import say
from tests.web.conftest import PASSWORD, Person, Served
from tests.web.pages.conftest import Visitor

ZALGO = "🤷🏽\u200d♀️" + "e" + "\u0301\u0323\u0489" * 400
BEYOND = 2**63
NASTY: tuple[Any, ...] = (
    "a\x00b",
    "\x00",
    "\ud800",
    "😀\udfff",
    ZALGO,
    "\u202e\ufeff\uffff",
    "x" * 70_000,
    "99999-12-31T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "-1",
    "१२",
    "1e400",
    str(BEYOND),
    BEYOND,
    -BEYOND - 1,
    10**400,
    1e308,
    1.5,
    -1,
    True,
    None,
    [],
    ["a\x00b"],
    [[["deep"]]],
    [BEYOND, "x", None],
    {},
    {"id": 1},
    {"a\x00": {"b": ["\ud800"]}},
    [{"name": "a\x00b", "value": ["x"]}],
)
IN_PATHS = (
    "%00",
    "a%00b",
    "%F0%9F%98%80",
    "%ED%A0%80",
    "%FF",
    str(BEYOND),
    "9" * 400,
    "-1",
    "..%2f..",
    "%E2%80%AE",
    "%25",
)


class Call(NamedTuple):
    method: str
    path: str
    """`{}` stands for IN_PATHS, `{post}` and `{tom}` for ids."""
    fields: str = ""
    """Each is sent with everything in NASTY."""


API = (
    Call("POST", "/api/v1/statuses", "status spoiler_text visibility language in_reply_to_id media_ids sensitive poll"),
    Call("POST", "/api/v1/statuses", "scheduled_at local_only quoted_status_id content_type"),
    Call("GET", "/api/v1/scheduled_statuses", "limit max_id since_id min_id"),
    Call("GET", "/api/v1/scheduled_statuses/{}"),
    Call("PUT", "/api/v1/scheduled_statuses/{}", "scheduled_at"),
    Call("DELETE", "/api/v1/scheduled_statuses/{}"),
    Call("PUT", "/api/v1/statuses/{post}", "status spoiler_text media_ids media_attributes language"),
    Call(
        "PATCH", "/api/v1/accounts/update_credentials", "display_name note fields_attributes source locked bot avatar"
    ),
    Call("POST", "/api/v1/statuses/{}/favourite"),
    Call("POST", "/api/v1/statuses/{post}/reblog", "visibility"),
    Call("POST", "/api/v1/accounts/{}/block"),
    Call("POST", "/api/v1/accounts/{tom}/follow", "reblogs notify languages"),
    Call("POST", "/api/v1/accounts/{tom}/mute", "notifications duration"),
    Call("GET", "/api/v1/accounts/{}"),
    Call("POST", "/api/v1/tags/{}/follow"),
    Call("GET", "/api/v1/timelines/tag/{}"),
    Call("GET", "/api/v1/timelines/home", "max_id min_id since_id limit"),
    Call("GET", "/api/v1/timelines/tag/pumps", "any all none local limit"),
    Call("GET", "/api/v1/notifications", "types exclude_types account_id limit max_id"),
    Call("GET", "/api/v2/search", "q type resolve following account_id limit offset max_id"),
    Call("GET", "/api/v1/accounts/search", "q limit offset following resolve"),
    Call("GET", "/api/v1/accounts/lookup", "acct"),
    Call("GET", "/api/v1/accounts/relationships", "id"),
    Call("POST", "/api/v1/reports", "account_id status_ids comment forward category rule_ids"),
    Call("PUT", "/api/v1/media/{}"),
    Call("POST", "/api/v1/markers", "home notifications"),
    Call("POST", "/api/v1/apps", "client_name redirect_uris scopes website"),
    Call("POST", "/oauth/token", "grant_type code client_id client_secret redirect_uri code_verifier scope"),
    Call("POST", "/oauth/revoke", "token client_id client_secret"),
    Call("PATCH", "/api/corridor/v1/admin/accounts/tom", "title department manager executive away_until roles"),
    Call("PATCH", "/api/corridor/v1/admin/accounts/{}"),
    Call("GET", "/api/corridor/v1/admin/accounts", "limit after_id"),
    Call("POST", "/api/corridor/v1/admin/accounts/{}/disable"),
)
OPEN = (
    Call("GET", "/.well-known/webfinger", "resource rel"),
    Call("GET", "/nodeinfo/{}"),
    Call("GET", "/users/{}"),
    Call("GET", "/users/{}/outbox"),
    Call("GET", "/users/anna/followers", "page max_id min_id"),
    Call("GET", "/users/anna/statuses/{}"),
    Call("GET", "/users/{}/statuses/1/replies"),
    Call("GET", "/users/anna/activities/{}/1"),
    Call("GET", "/users/{}/activities/Like/1"),
    Call("GET", "/tags/{}"),
    Call("POST", "/users/{}/inbox"),
    Call("GET", "/media/{}"),
)
PAGES = (
    Call("GET", "/search", "q offset"),
    Call("GET", "/@{}"),
    Call("GET", "/@anna", "tab max_id"),
    Call("GET", "/@anna/{}"),
    Call("GET", "/@{}/{post}"),
    Call("GET", "/@{}/followers"),
    Call("GET", "/tags/{}"),
    Call("GET", "/tags/pumps", "max_id"),
    Call("GET", "/", "max_id limit"),
    Call("GET", "/compose", "text reply_to kept about"),
    Call("GET", "/sign-in", "next"),
    Call("GET", "/oauth/authorize", "client_id redirect_uri response_type scope state code_challenge force_login lang"),
    Call("POST", "/posts", "text spoiler visibility local_only reply_to kept language back sensitive"),
    Call("POST", "/posts/{post}/edit", "text spoiler kept"),
    Call("POST", "/posts/{}/favourite"),
    Call("POST", "/posts/{post}/favourite", "back"),
    Call("POST", "/people/{}/follow"),
    Call("POST", "/tags/{}/follow"),
    Call("POST", "/settings", "display_name note visibility label_0 value_0 locked avatar no_avatar"),
    Call("POST", "/settings/password", "current password"),
    Call("POST", "/sign-in", "username password next csrf"),
)


@pytest.fixture
def settings(tmp_path: Path, engine_name: str, new_database_url: Callable[[str, Path], str]) -> Settings:
    """Without limits, which would hide what this is about; over http, so that the browser keeps its cookies."""
    create_secret(tmp_path)
    names = ("per_account", "per_address", "sign_in_per_address", "posts_per_account", "apps_per_address")
    return make_settings(
        tmp_path,
        database_url=new_database_url(engine_name, tmp_path),
        node={"scheme": "http"},
        federation={"authorized_fetch": False},
        limits=dict.fromkeys(names, 0),
    )


@pytest.fixture
async def anna(served: Served) -> Person:
    scopes = "read write follow push admin:read admin:write"
    return await served.person("anna", scopes=scopes, roles=("employee", "admin"))


@pytest.fixture
async def ids(served: Served, anna: Person) -> dict[str, str]:
    tom = await served.person("tom")
    post_id = await say(served.node, person(anna.id), "something to look at")
    return {"{post}": str(post_id), "{tom}": str(tom.id)}


def paths(call: Call, ids: dict[str, str]) -> Iterator[str]:
    path = call.path
    for name, id_ in ids.items():
        path = path.replace(name, id_)
    yield from [path.replace("{}", junk) for junk in IN_PATHS] if "{}" in path else [path]


def bodies(call: Call) -> Iterator[dict[str, Any]]:
    yield {}
    for field in call.fields.split():
        yield from ({"status": "ok", "title": "ok", field: value} for value in NASTY)


def queries(call: Call) -> Iterator[str]:
    """Of each field everything that a query can say; what has a structure, in brackets."""
    yield ""
    for field in call.fields.split():
        for value in NASTY:
            if isinstance(value, list):
                yield "&".join(f"{field}[]={written(one)}" for one in value)
            elif isinstance(value, dict):
                yield "&".join(f"{field}[{written(key)}]={written(one)}" for key, one in value.items())
            else:
                yield f"{field}={written(value)}"


def written(value: Any) -> str:
    return quote(str(value)[:3000].encode(errors="surrogatepass"), safe="")


def complaint(answer: httpx.Response, sent: str, *, is_page: bool) -> list[str]:
    """Nothing, or what is wrong with an answer."""
    shown = f"{sent[:200]!r} gave {answer.status_code}: {answer.text[:200]}"
    if answer.status_code >= 500 or answer.status_code == 429:
        return [shown]
    if is_page or answer.status_code < 400:
        return []
    body = json.loads(answer.content)
    is_ours = isinstance(body.get("error"), str) and body.keys() <= {"error", "error_description", "details"}
    return [] if is_ours else [shown]


@pytest.mark.parametrize("call", API, ids=lambda call: f"{call.method} {call.path}")
async def test_calls(served: Served, anna: Person, ids: dict[str, str], call: Call) -> None:
    wrong: list[str] = []
    for path in paths(call, ids):
        if call.method == "GET":
            for query in queries(call):
                answer = await served.http.get(f"{path}?{query}", headers=anna.bearer)
                wrong += complaint(answer, f"{path}?{query}", is_page=False)
            continue
        for body in bodies(call):
            content = json.dumps(body).encode()
            headers = anna.bearer | {"Content-Type": "application/json"}
            answer = await served.http.request(call.method, path, content=content, headers=headers)
            wrong += complaint(answer, f"{call.method} {path} {body!r}", is_page=False)
    assert not wrong, "\n".join(wrong[:20])


@pytest.mark.parametrize("call", OPEN, ids=lambda call: f"{call.method} {call.path}")
async def test_what_is_open_to_everybody(served: Served, ids: dict[str, str], call: Call) -> None:
    wrong: list[str] = []
    headers = {"Accept": "application/activity+json", "Content-Type": "application/activity+json"}
    for path in paths(call, ids):
        for query in queries(call):
            content = b"" if call.method == "GET" else json.dumps({"type": "Like", "id": "a\x00b"}).encode()
            answer = await served.http.request(call.method, f"{path}?{query}", headers=headers, content=content)
            wrong += complaint(answer, f"{path}?{query}", is_page=answer.status_code == 410)
    assert not wrong, "\n".join(wrong[:20])


@pytest.mark.parametrize("call", PAGES, ids=lambda call: f"{call.method} {call.path}")
async def test_pages(served: Served, anna: Person, ids: dict[str, str], call: Call) -> None:
    wrong: list[str] = []
    async with served.browser() as http:
        visitor = Visitor(http, "anna", anna.id)
        await visitor.sign_in("anna", PASSWORD)
        csrf = await visitor.token()
        for path in paths(call, ids):
            for query in queries(call):
                if call.method == "GET":
                    answer = await http.get(f"{path}?{query}")
                else:
                    content = f"csrf={csrf}&text=ok&{query}"
                    form = {"Content-Type": "application/x-www-form-urlencoded"}
                    answer = await http.post(path, content=content, headers=form)
                wrong += complaint(answer, f"{call.method} {path} {query}", is_page=True)
                assert answer.is_redirect or answer.headers["content-type"].startswith("text/html")
    assert not wrong, "\n".join(wrong[:20])
