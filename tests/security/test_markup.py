"""Nothing that a peer writes becomes script, or an address that is not of the web, in what clients and browsers get."""

from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from node import auth
from node.federation.network import Network
from node.runtime import Node
from node.viewer import Viewer
from tests.node.federation.conftest import Post
from tests.security.conftest import LyingPeer
from tests.security.world import World, make_world
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import id_of
from tests.support.serving import serving
from web import sessions
from web.app import create_app

SCRIPT = '<script>alert(1)</script><img src=x onerror=alert(1)><a href="javascript:alert(1)" onclick="x()">link</a>'
ADDRESSES = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "//evil.example/x",
    "https://ok.example/\"onmouseover='alert(1)'",
]
ELEMENTS = {"script", "iframe", "object", "embed", "base", "meta", "svg", "math", "style"}


class Harm(HTMLParser):
    """What a browser would run or follow: `found` is empty for harmless markup."""

    def __init__(self, markup: str, *, ours: bool) -> None:
        """`ours`: a page of ours, which may have relative addresses and its own elements in the head."""
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._elements = {"script", "iframe", "object", "embed", "base"} if ours else ELEMENTS
        self._ours = ours
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._elements:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name.startswith("on") or name in ("style", "srcdoc"):
                self.found.append(f"{tag} {name}")
            if name in ("href", "src", "action", "poster", "data") and not self._harmless(value or ""):
                self.found.append(f"{tag} {name}={value}")

    def _harmless(self, address: str) -> bool:
        return is_web(address) or (self._ours and address.startswith(("/", "#", "?")) and not address.startswith("//"))


def is_web(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in ("http", "https") and not set(address) & set('"<> \t\n')


@pytest.fixture
async def world(
    node: Node, network: Network, post: Post, peer: LyingPeer, stranger: RemotePeer, alice: Viewer
) -> World:
    return await make_world(node, network, post, peer, stranger, alice)


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Alice's client, which is signed in as her browser too."""
    token = await world.node.write(auth.make_token, id_of(world.alice))
    session, _ = await world.node.write(auth.open_session, id_of(world.alice))
    headers = {"Authorization": f"Bearer {token}"}
    cookies = {sessions.cookie_name(world.node.settings): session}
    async with (
        serving(create_app(world.node, world.network)) as base,
        httpx.AsyncClient(base_url=base, headers=headers, cookies=cookies, timeout=20) as client,
    ):
        yield client


def strings(answer: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """(name of the field, text)."""
    if isinstance(answer, dict):
        for field, value in answer.items():
            yield from strings(value, field)
    elif isinstance(answer, list):
        for value in answer:
            yield from strings(value, name)
    elif isinstance(answer, str):
        yield name, answer


URLS = {"url", "uri", "avatar", "avatar_static", "header", "header_static", "preview_url", "remote_url", "static_url"}
STRIPPED = {"display_name", "spoiler_text", "name", "username", "acct"}
"""Text from which markup is taken out, since clients have been seen to show it as HTML."""
TEXT = {"title", "description"}
"""Text that is text in every client, as it was written: a choice of a poll, what a picture shows."""


def harm(field: str, text: str) -> list[str]:
    """What is wrong with a field of the client API: an address that is none, markup where text belongs, or a script."""
    if field in URLS:
        return [] if not text or is_web(text) else [f"{field}: {text}"]
    if field in TEXT:
        return []
    if field in STRIPPED:
        return [f"{field}: {text}"] if "<" in text else []
    return [f"{field}: {found}" for found in Harm(text, ours=False).found]


def actor_of(world: World, address: str, text: str) -> Doc:
    """Carl, with the address in every place that takes one, and the text in every place that takes text."""
    image = {"type": "Image", "url": address, "mediaType": "image/png"}
    return {
        "name": text,
        "summary": text,
        "url": address,
        "icon": image,
        "image": image,
        "attachment": [
            {"type": "PropertyValue", "name": text, "value": text},
            {"type": "PropertyValue", "name": "site", "value": f'<a href="{address}">{address}</a>'},
        ],
        "jobTitle": text,
        "department": text,
        "tag": [{"type": "Emoji", "id": address, "name": ":x:", "icon": image}],
    }


def note_of(world: World, number: int, address: str, text: str) -> Doc:
    image = {"type": "Image", "url": address, "mediaType": "image/png"}
    return world.peer.note(
        number,
        world.carl,
        text,
        summary=text,
        name=text,
        url=address,
        attachment=[{"type": "Document", "mediaType": "image/png", "url": address, "name": text, "icon": image}],
        tag=[
            {"type": "Hashtag", "name": "#x", "href": address},
            {"type": "Mention", "name": text, "href": world.alice_iri},
            {"type": "Emoji", "id": address, "name": ":x:", "icon": image},
            {"type": "Link", "mediaType": "application/activity+json", "href": address, "name": text},
        ],
        cc=[world.alice_iri],
    )


async def shown(
    world: World, http: httpx.AsyncClient, address: str, text: str, number: int
) -> tuple[list[tuple[str, str]], str]:
    """(all texts of alice's client by their fields, carl's page) after carl has come by with these."""
    world.peer.person("carl", **actor_of(world, address, text))
    assert await world.arrives(world.say("Update", world.carl, world.peer.documents["/users/carl"], number),
                               by=world.carl) == "done"  # fmt: skip
    note = note_of(world, number, address, text)
    question = {**note_of(world, number + 1, address, text), "type": "Question", "oneOf": [
        {"type": "Note", "name": text, "replies": {"type": "Collection", "totalItems": 1}},
        {"type": "Note", "name": "no", "replies": {"type": "Collection", "totalItems": 1}},
    ]}  # fmt: skip
    article = {**note_of(world, number + 2, address, text), "type": "Article"}
    found: list[tuple[str, str]] = []
    for offset, doc in enumerate((note, question, article)):
        assert await world.arrives(world.say("Create", world.carl, doc, number + 10 + offset), by=world.carl) == "done"
    handle = f"carl@{world.peer.domain}"
    person = (await http.get("/api/v1/accounts/lookup", params={"acct": handle})).json()
    found += strings(person)
    statuses = (await http.get(f"/api/v1/accounts/{person['id']}/statuses")).json()
    assert len(statuses) >= 3
    found += strings(statuses)
    found += strings((await http.get("/api/v1/notifications")).json())
    found += strings((await http.get("/api/v2/search", params={"q": "carl"})).json())
    page = await http.get(f"/@{quote(handle)}", headers={"Accept": "text/html"})
    return found, page.text


@pytest.mark.parametrize("engine_name", ["sqlite"])
async def test_what_a_peer_writes_is_neither_script_nor_a_strange_address(
    world: World, http: httpx.AsyncClient
) -> None:
    good = "https://pictures.example/good.png"
    found, page = await shown(world, http, good, "Plain <b>bold</b> words", 1000)
    assert {"avatar", "header", "url", "preview_url"} <= {field for field, text in found if text == good}
    assert [text for field, text in found if field == "content" and "<b>bold</b>" in text]
    assert good in page
    for number, address in enumerate(ADDRESSES):
        found, page = await shown(world, http, address, SCRIPT, 2000 + 100 * number)
        assert {wrong for field, text in found for wrong in harm(field, text)} == set(), address
        assert Harm(page, ours=True).found == [], address
        assert "carl" in page
