"""A node served over plain http, and people in front of browsers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from node.config import Settings
from node.secrets import create_secret
from node.viewer import Viewer, person
from tests.conftest import make_settings
from tests.web.conftest import PASSWORD, Served
from tests.web.pages.reading import Page

DatabaseUrl = Callable[[str, Path], str]


@pytest.fixture
def settings(tmp_path: Path, engine_name: str, new_database_url: DatabaseUrl) -> Settings:
    """As elsewhere, but for http: a browser keeps `Secure` cookies to itself where there is no TLS."""
    create_secret(tmp_path)
    url = new_database_url(engine_name, tmp_path)
    made = make_settings(tmp_path, database_url=url, node={"scheme": "http"})
    made.media_dir.mkdir()
    return made


class Visitor:
    """A browser without script: it opens pages and submits the forms that are on them."""

    def __init__(self, http: httpx.AsyncClient, name: str = "", account_id: int = 0) -> None:
        self.http = http
        self.name = name
        self.viewer: Viewer = person(account_id)
        self.last: httpx.Response

    @property
    def id(self) -> int:
        return self.viewer.account_id or 0

    async def get(self, path: str, *, status: int = 200) -> Page:
        self.last = await self.http.get(path)
        assert self.last.status_code == status, f"{path} gave {self.last.status_code}: {self.last.text[:500]}"
        return Page(self.last.text)

    async def submit(
        self,
        page: Page,
        action: str,
        *,
        status: int = 303,
        files: dict[str, tuple[str, bytes, str]] | None = None,
        **changes: str | None,
    ) -> Page:
        """Send a form of the page as it stands, but for `changes`; None leaves a field out. The answer's page."""
        form = page.form(action)
        assert form.method == "post"
        fields = {name: value for name, value in (form.fields | changes).items() if value is not None}
        if form.is_multipart:
            parts: list[Any] = [(name, (None, value.encode())) for name, value in fields.items()]
            parts += list((files or {}).items())
            self.last = await self.http.post(action, files=parts)
        else:
            self.last = await self.http.post(action, data=fields)
        assert self.last.status_code == status, f"{action} gave {self.last.status_code}: {self.last.text[:500]}"
        return Page(self.last.text)

    async def sign_in(self, name: str, password: str = PASSWORD, *, status: int = 303, path: str = "/sign-in") -> Page:
        page = await self.get(path)
        return await self.submit(page, "/sign-in", status=status, username=name, password=password)

    @property
    def went_to(self) -> str:
        """Where the last answer sent the browser."""
        return self.last.headers["location"]

    async def token(self) -> str:
        """The CSRF token of this session."""
        return (await self.get("/")).form("/posts").fields["csrf"]


Visit = Callable[..., Awaitable[Visitor]]


@pytest.fixture
async def visit(served: Served) -> AsyncIterator[Visit]:
    """`await visit("anna", title="…")`: a new person, signed in; `await visit()`: a stranger."""
    opened: list[httpx.AsyncClient] = []

    async def make(name: str = "", **fields: Any) -> Visitor:
        http = served.browser()
        opened.append(http)
        if not name:
            return Visitor(http)
        made = await served.person(name, **fields)
        visitor = Visitor(http, name, made.id)
        await visitor.sign_in(name)
        return visitor

    yield make
    for http in opened:
        await http.aclose()


@pytest.fixture
async def anna(visit: Visit) -> Visitor:
    return await visit("anna", display_name="Anna Berger", title="Pump engineer")


@pytest.fixture
async def tom(visit: Visit) -> Visitor:
    return await visit("tom", display_name="Tom Okafor")


@pytest.fixture
async def stranger(visit: Visit) -> Visitor:
    return await visit()
