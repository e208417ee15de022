"""A node served on loopback, and people with tokens."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from node import accounts, auth, keyring, passwords
from node.federation.network import Network, open_network
from node.keyring import KeyPair
from node.runtime import Node
from tests.support.people import make_person
from tests.support.serving import browser, serving
from web.app import Application, create_app

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Served:
    """A running node. `http` sends API requests; `base` is where it listens, whatever the node's domain is."""

    node: Node
    network: Network
    base: str
    http: httpx.AsyncClient
    app: Application

    async def person(self, name: str, *, scopes: str = "read write follow push", **fields: Any) -> "Person":
        """Somebody who can sign in with PASSWORD and has a token."""
        viewer = await make_person(self.node, name, password_hash=await passwords.hash(PASSWORD), **fields)
        assert viewer.account_id is not None
        token = await self.node.write(auth.make_token, viewer.account_id, scopes)
        return Person(name, viewer.account_id, token)

    def browser(self) -> httpx.AsyncClient:
        return browser(self.base)


@dataclass(frozen=True)
class Person:
    name: str
    id: int
    token: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@pytest.fixture(scope="session")
def key_pairs() -> list[KeyPair]:
    """Made once: an RSA key takes its time."""
    return keyring.generate()


@pytest.fixture
async def network(node: Node, key_pairs: list[KeyPair]) -> AsyncIterator[Network]:
    await node.write(keyring.store, (await node.read(accounts.node_actor)).id, key_pairs)
    opened = await open_network(node)
    yield opened
    await opened.aclose()


@pytest.fixture
async def served(node: Node, network: Network) -> AsyncIterator[Served]:
    app = create_app(node, network)
    async with serving(app) as base, httpx.AsyncClient(base_url=base, timeout=20) as http:
        yield Served(node, network, base, http, app)
