"""A node of ours with its network, and a peer: both real, on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from node import accounts, keyring
from node.config import Settings
from node.federation.dispatcher import Dispatcher
from node.federation.inbox import Processor
from node.federation.network import Network, open_network
from node.jobs import Runner
from node.keyring import KeyPair
from node.runtime import Node
from node.schema import inbox_item
from node.secrets import create_secret
from node.viewer import Viewer
from tests.conftest import make_settings
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import id_of


@cache
def pairs() -> list[KeyPair]:
    return keyring.generate()


@pytest.fixture
def federation() -> dict[str, Any]:
    """Settings of the section, for a test to change."""
    return {"mode": "open", "allow_loopback": True, "timeout_seconds": 5.0}


@pytest.fixture
def settings(
    tmp_path: Path, engine_name: str, new_database_url: Callable[[str, Path], str], federation: dict[str, Any]
) -> Settings:
    create_secret(tmp_path)
    return make_settings(
        tmp_path, database_url=new_database_url(engine_name, tmp_path), node={"scheme": "http"}, federation=federation
    )


@pytest.fixture
async def network(node: Node) -> AsyncIterator[Network]:
    """With keys that are made once: nothing here depends on their being new."""
    await give_keys(node, (await node.read(accounts.node_actor)).id)
    opened = await open_network(node)
    yield opened
    await opened.aclose()


@pytest.fixture
async def peer(clock: Clock) -> AsyncIterator[RemotePeer]:
    started = RemotePeer(clock)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def bert(peer: RemotePeer, network: Network) -> str:
    """IRI of a person of the peer who is known here."""
    iri = peer.person("bert")
    await network.actor(iri)
    return iri


@pytest.fixture
async def alice(node: Node) -> Viewer:
    """Somebody here, with keys."""
    person = await make_person(node, "alice")
    await give_keys(node, id_of(person))
    return person


async def until(check: Callable[[], Any], seconds: float = 10) -> None:
    """Wait until the check holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"did not happen within {seconds} s")


async def give_keys(node: Node, account_id: int) -> None:
    await node.write(keyring.store, account_id, pairs())


@dataclass
class Post:
    """Sends activities to the node as a peer would, and lets the worker deal with them."""

    node: Node
    network: Network
    processor: Processor = field(init=False)

    def __post_init__(self) -> None:
        self.processor = Processor(self.node, self.network)

    async def arrives(self, peer: RemotePeer, activity: Doc, *, by: str | None = None, key: int = 0) -> str:
        """What became of it, as the inbox records it."""
        sender = by or activity["actor"]
        await self.network.receive(peer.signed(activity, self.node.urls.shared_inbox, by=sender, key=key))
        await self.work()
        return await self.outcome(activity["id"])

    async def work(self) -> None:
        while True:
            busy = await self.processor.step()
            await self.processor.drain()
            if not busy:
                return

    async def outcome(self, activity_iri: str) -> str:
        statement = select(inbox_item.c.outcome).where(inbox_item.c.activity_iri == activity_iri)
        return str(await self.node.read(lambda tx: tx.scalar(statement)))


@pytest.fixture
async def post(node: Node, network: Network) -> AsyncIterator[Post]:
    worker = Post(node, network)
    yield worker
    worker.processor.cancel()
    await worker.processor.drain()


@pytest.fixture
async def dispatcher(node: Node, network: Network) -> AsyncIterator[Dispatcher]:
    """Without jitter."""
    made = Dispatcher(node, network, randomness=lambda: 0.5)
    yield made
    await made.stop(1)


async def deliver(dispatcher: Dispatcher) -> None:
    """Send whatever is due, until nothing is."""
    while await dispatcher.step():
        await dispatcher.drain()


async def run_jobs(node: Node, network: Network) -> None:
    runner = Runner(node, network)
    while await runner.step():
        await runner.drain()
