"""Who looks at a page: the session cookie becomes `tx.viewer` inside the transaction that reads the page.

    frame, ids = await visit.look(request, timelines.home, page)            # a GET: one transaction
    person = await visit.signed_in(request, form)                           # a POST: its form must come from our pages
    await parts_of(request).node.write_as(person.viewer, reactions.boost, post_id)

Whoever is not signed in is sent to the sign-in page, also where there is nothing, so that it says nothing of what there is.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request

from node import auth, notifications
from node.errors import Unauthorized
from node.runtime import Tx
from node.secrets import token_hash
from node.viewer import NOBODY, Viewer
from web.identity import spend
from web.pages import people
from web.pages.people import Face
from web.params import Params
from web.parts import Parts, parts_of
from web.sessions import check_csrf, cookie_name, token_of

P = ParamSpec("P")
T = TypeVar("T")
MOST_COUNTED = 99


@dataclass(frozen=True, slots=True)
class Room:
    """A place in the navigation."""

    path: str
    name: str
    icon: str
    count: int = 0
    short: str = ""
    """The name where there is little room."""
    is_minor: bool = False
    """Left out on a phone, where there is room for five."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page shows around its content."""

    me: Face | None
    csrf: str
    here: str
    """Path and query of this page, quoted: where forms come back to."""
    path: str
    unread: int = 0
    query: str = ""
    """What stands in the search field."""

    @property
    def rooms(self) -> list[Room]:
        own = self.me.path if self.me else "/"
        return [
            Room("/", "Home", "home"),
            Room("/local", "Department", "department", short="Dept"),
            Room("/company", "Company", "company"),
            Room("/notifications", "Notifications", "bell", self.unread, "Alerts"),
            Room("/search", "Search", "search"),
            Room(own, "Profile", "person", is_minor=True),
            Room("/bookmarks", "Bookmarks", "bookmark", is_minor=True),
            Room("/favourites", "Favourites", "star", is_minor=True),
            Room("/groups", "Groups", "group", is_minor=True),
            Room("/events", "Events", "away", is_minor=True),
            Room("/settings", "Settings", "settings", is_minor=True),
        ]


class SignInFirst(HTTPException):
    """Sends the browser to the sign-in page, and from there back to `here`."""

    def __init__(self, here: str) -> None:
        where = "/sign-in" if here == "/" else f"/sign-in?{urlencode({'next': here})}"
        super().__init__(303, headers={"Location": where, "Cache-Control": "no-store"})


class Person(NamedTuple):
    """Somebody signed in, whose form came from a page of ours."""

    viewer: Viewer
    csrf: str

    @property
    def account_id(self) -> int:
        return self.viewer.account_id or 0


async def look(
    request: Request, rule: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs
) -> tuple[Frame, T]:
    """Run a rule that reads, as whoever is signed in. Raises SignInFirst."""
    return await _look(request, False, lambda tx: rule(tx, *args, **kwargs))


async def look_openly(
    request: Request, rule: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs
) -> tuple[Frame, T]:
    """The same, also for visitors where `access.anonymous` is "read"."""
    return await _look(request, True, lambda tx: rule(tx, *args, **kwargs))


async def _look(request: Request, is_open: bool, rule: Callable[[Tx], T]) -> tuple[Frame, T]:
    visit = _Visit(request, is_open)
    return await visit.parts.node.read_as(NOBODY, visit.run, rule)


async def signed_in(request: Request, form: Params) -> Person:
    """Who sent a form. Raises SignInFirst; Forbidden for a form without the session's token."""
    visit = _Visit(request, False)
    person = await visit.parts.node.read_as(NOBODY, visit.person)
    check_csrf(form.text("csrf"), person.csrf)
    return person


def address(request: Request) -> str:
    """Path and query as they were asked for."""
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope["query_string"]
    here = path + b"?" + query if query else path
    return quote(here, safe="/%?&=+:@!$'()*,;~[]")


def seen_cookie(parts: Parts) -> str:
    """Name of the cookie that remembers the newest notification that this browser has shown."""
    return cookie_name(parts.settings) + "_seen"


def last_seen(request: Request) -> int:
    """Id of the newest notification that this browser has shown; 0 if none."""
    value = request.cookies.get(seen_cookie(parts_of(request)), "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else 0


class _Visit:
    """One request's session, and whether it was counted: a transaction may run twice."""

    __slots__ = ("_counted", "_is_open", "_request", "parts")

    def __init__(self, request: Request, is_open: bool) -> None:
        self.parts = parts_of(request)
        self._request = request
        self._is_open = is_open
        self._counted = False

    def run(self, tx: Tx, rule: Callable[[Tx], T]) -> tuple[Frame, T]:
        here = address(self._request)
        path = self._request.url.path
        try:
            person = self.person(tx)
        except SignInFirst:
            if not self._is_open or tx.settings.access.anonymous != "read":
                raise
            tx.viewer = replace(NOBODY, anonymous_read=True)
            return Frame(None, "", here, path), rule(tx)
        tx.viewer = person.viewer
        result = rule(tx)
        me = people.faces(tx, [person.account_id])[person.account_id]
        query = self._request.query_params.get("q", "") if path == "/search" else ""
        unread = 0 if path == "/notifications" else self._unread(tx)
        return Frame(me, person.csrf, here, path, unread, query), result

    def person(self, tx: Tx) -> Person:
        cookie = token_of(self._request, self.parts.settings)
        # A form cannot be sent again by a link: after signing in, its page is shown.
        here = address(self._request) if self._request.method in ("GET", "HEAD") else "/"
        if cookie is None:
            raise SignInFirst(here)
        try:
            found = auth.session(tx, token_hash(cookie))
        except Unauthorized as error:
            raise SignInFirst(here) from error
        self._count(found.viewer.account_id or 0)
        return Person(found.viewer, found.csrf)

    def _count(self, account_id: int) -> None:
        if not self._counted:
            self._counted = True
            spend(self._request, "account", account_id, self.parts.settings.limits.per_account)

    def _unread(self, tx: Tx) -> int:
        return notifications.count(tx, after_id=last_seen(self._request), limit=MOST_COUNTED)
