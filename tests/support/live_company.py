"""A company whose nodes run in this process: real databases, real servers on loopback, real signatures."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from node import accounts, posts, social
from node.assembly import open_network, open_node
from node.federation.network import Network
from node.ids import PostId
from node.posts import Draft
from node.runtime import Node, Tx
from node.schema import account, delivery, inbox_item, job, peer_history, post
from node.secrets import create_secret
from node.viewer import Viewer
from node.worker import Worker, keep_up
from tests.conftest import make_settings
from tests.support.people import make_person
from tests.support.ports import free_port
from tests.support.serving import serving
from web.app import create_app

NewDatabase = Callable[[str, Path], str]


@dataclass
class LiveNode:
    """One department. Stopped and started again it is the same node, with other settings if need be."""

    name: str
    folder: Path
    database_url: str
    port: int = field(default_factory=free_port)
    node: Node = field(init=False)
    network: Network = field(init=False)
    worker: Worker = field(init=False)
    _running: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def domain(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self, peers: Sequence["LiveNode"], **federation: Any) -> None:
        allowlist = [one.domain for one in peers if one is not self]
        section = {"mode": "allowlist", "allowlist": allowlist, "allow_loopback": True, **federation}
        settings = make_settings(
            self.folder,
            database_url=self.database_url,
            node={"domain": self.domain, "scheme": "http", "department": self.name},
            federation=section,
        )
        self.node = open_node(settings)
        self._running.callback(self.node.close)
        if await self.node.read(_actor) is None:
            await self.node.write(accounts.create_node_actor)
        self.network = await open_network(self.node)
        self._running.push_async_callback(self.network.aclose)
        self.worker = Worker(self.node, self.network)
        app = create_app(self.node, self.network, worker=self.worker)
        await self._running.enter_async_context(serving(app, _listen(self.port)))

    async def stop(self) -> None:
        await self._running.aclose()

    # --- People

    async def person(self, name: str) -> Viewer:
        return await make_person(self.node, name)

    async def say(self, who: Viewer, text: str, **fields: Any) -> str:
        """Publish; the post's IRI."""
        post_id: PostId = await self.node.write_as(who, posts.publish, Draft(text, **fields))
        return await self.iri(post_id)

    async def iri(self, post_id: int) -> str:
        return str((await self.node.read(posts.get, post_id)).iri)

    async def id_of(self, iri: str) -> int:
        row = await self.node.read(posts.by_iri, iri)
        assert row is not None
        return int(row.id)

    async def follow(self, who: Viewer, handle: str) -> None:
        target = await self.network.resolve_handle(handle)
        await self.node.write_as(who, social.follow, target)

    # --- What is here

    async def copies(self) -> set[str]:
        """IRIs of what came from elsewhere."""
        return set(await self.node.read(lambda tx: tx.scalars(select(post.c.iri).where(post.c.local.is_(False)))))

    async def busy(self) -> int:
        """Deliveries, activities and jobs that are not done, and histories that are being read."""
        return await self.node.read(_busy)


def _actor(tx: Tx) -> Any:
    return tx.scalar(select(account.c.id).where(account.c.iri == tx.urls.node_actor))


def _busy(tx: Tx) -> int:
    waiting = (
        select(func.count()).select_from(delivery).where(delivery.c.set_aside_at.is_(None)),
        select(func.count()).select_from(inbox_item).where(inbox_item.c.next_at.is_not(None)),
        select(func.count()).select_from(job).where(job.c.failed_at.is_(None), job.c.run_at < tx.now + 30_000),
        select(func.count()).select_from(peer_history).where(peer_history.c.done.is_(False)),
    )
    return sum(int(tx.scalar(one) or 0) for one in waiting)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def founded(folder: Path, new_database_url: NewDatabase, count: int) -> list[LiveNode]:
    """Nodes that have not been started yet."""
    nodes = []
    for number in range(count):
        home = folder / f"node{number}"
        home.mkdir()
        create_secret(home)
        nodes.append(LiveNode(f"Department {number}", home, new_database_url("sqlite", home)))
    return nodes


@contextlib.asynccontextmanager
async def running(nodes: Sequence[LiveNode], **federation: Any) -> AsyncIterator[None]:
    """Start the nodes as one company, and stop them at the end. `federation` are settings of that section."""
    try:
        for one in nodes:
            await one.start(nodes, **federation)
        for one in nodes:
            await one.node.write(keep_up)  # what the worker does once a minute
        yield
    finally:
        await asyncio.gather(*(one.stop() for one in nodes))


async def quiet(nodes: Sequence[LiveNode], seconds: float = 60) -> None:
    """Wait until nothing is under way anywhere."""
    end = time.monotonic() + seconds
    calm = 0
    while calm < 3:
        assert time.monotonic() < end, f"still busy: {[await one.busy() for one in nodes]}"
        busy = [await one.busy() for one in nodes]
        calm = calm + 1 if not any(busy) else 0
        await asyncio.sleep(0.05)
