"""The application: all routes of a node behind one edge."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import structlog
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from node import pgbell
from node.federation.network import Network
from node.runtime import Node
from node.worker import Worker
from web import federation, health, media_files, oauth, wellknown
from web.corridor import admin, gatherings, groups, roster
from web.corridor import peers as admin_peers
from web.edge import Edge
from web.limits import Limiter
from web.mastodon import routes as mastodon
from web.pages import routes as pages
from web.parts import Parts
from web.routing import TableRouter

STATIC = Path(__file__).parent / "static"


class Application(Starlette):
    """Starlette with our router and with the edge as its only layer."""

    def __init__(self, parts: Parts, routes: Sequence[BaseRoute]) -> None:
        super().__init__()
        self.state.parts = parts
        self.parts = parts
        self.router = TableRouter(routes, lifespan=_lifespan)

    def build_middleware_stack(self) -> ASGIApp:
        return Edge(self.router, self.parts)


def create_app(node: Node, network: Network, *, worker: Worker | None = None) -> Application:
    """The application of a node. With a worker (role "all") it runs as long as the application does.

    Who made the node and the network closes them, after the application has shut down.
    """
    parts = Parts(node, network, Limiter(node.clock), worker)
    return Application(parts, routes())


def routes() -> list[BaseRoute]:
    """Every route of a node."""
    return [
        *federation.routes(),
        *wellknown.routes(),
        *roster.routes(),
        *health.routes(),
        *oauth.routes(),
        *media_files.routes(),
        *mastodon.routes(),
        *admin.routes(),
        *admin_peers.routes(),
        *groups.routes(),
        *gatherings.routes(),
        Mount("/static", StaticFiles(directory=STATIC), name="static"),
        *pages.routes(),
    ]


@contextlib.asynccontextmanager
async def _lifespan(app: Application) -> AsyncIterator[None]:
    parts = app.parts
    async with _other_processes(parts):
        running = asyncio.create_task(_work(parts, parts.worker)) if parts.worker is not None else None
        try:
            yield
        finally:
            parts.stopping.set()
            if parts.worker is not None and running is not None:
                await parts.worker.stop()
                await running
            await parts.token_uses.close()


@contextlib.asynccontextmanager
async def _other_processes(parts: Parts) -> AsyncIterator[None]:
    """On PostgreSQL, hear the bells that other processes ring, and let them hear ours."""
    if parts.settings.is_sqlite or parts.worker is not None:  # a worker sees to that itself
        yield
        return
    relay = pgbell.Relay(parts.node)
    relay.start()
    try:
        yield
    finally:
        await relay.stop()


async def _work(parts: Parts, worker: Worker) -> None:
    try:
        await worker.run()
    except Exception as error:
        # The server goes on answering; /healthz says that nothing is delivered any more.
        parts.worker_ended = True
        structlog.get_logger("web").error("the worker ended", exc_info=error)
