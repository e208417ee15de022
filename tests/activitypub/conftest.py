"""Servers on loopback and the client that asks them, as `test_client_*.py` want them."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from activitypub import keys
from activitypub.client import Client
from activitypub.signatures import SigningKey
from activitypub.vocabulary import Iri
from tests.activitypub.loopback import (
    Peer,
    Start,
    a_client,
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with AsyncExitStack() as servers:

        async def start_one(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Peer:
            peer = Peer(scheme="https" if tls else "http")
            server = await servers.enter_async_context(await asyncio.start_server(peer.serve, host, 0, ssl=tls))
            servers.callback(peer.hang_up)
            peer.port = server.sockets[0].getsockname()[1]
            return peer

        yield start_one
    await asyncio.sleep(0.01)  # aborted connections are closed by the next turns of the loop


@pytest.fixture
async def peer(start: Start) -> Peer:
    return await start()


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey(Iri("https://sales.test/actor#main-key"), keys.generate_rsa())


@pytest.fixture
async def client(key: SigningKey) -> AsyncIterator[Client]:
    async with a_client(signing_key=lambda: key) as it:
        yield it
