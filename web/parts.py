"""What every handler may need: the node, its network, the rate limiter. One object per application, never a global."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import HTTPConnection

from node.auth.uses import TokenUses
from node.config import Settings
from node.federation.network import Network
from node.runtime import Node
from node.urls import Urls
from node.worker import Worker
from web.limits import Limiter
from web.metrics import Requests

TEMPLATES = Path(__file__).parent / "templates"

IMAGES_AT_ONCE = 2


def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)


@dataclass(slots=True)
class Parts:
    node: Node
    network: Network
    limiter: Limiter
    worker: Worker | None = None
    """The worker that runs in this process (role "all")."""
    worker_ended: bool = False
    """The worker ended before it was asked to: nothing is delivered any more."""
    templates: Environment = field(default_factory=_environment)
    requests: Requests = field(default_factory=Requests)
    monotonic: Callable[[], float] = time.monotonic
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server is asked to stop: open streams end themselves then."""
    images: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IMAGES_AT_ONCE))
    """Places for decoding images."""
    token_uses: TokenUses = field(init=False)

    def __post_init__(self) -> None:
        self.token_uses = TokenUses(self.node)

    @property
    def settings(self) -> Settings:
        return self.node.settings

    @property
    def urls(self) -> Urls:
        return self.node.urls


def parts_of(connection: HTTPConnection) -> Parts:
    """The parts of the application that serves this request or WebSocket."""
    parts: Parts = connection.app.state.parts
    return parts


def client_address(connection: HTTPConnection) -> str:
    """The address of whoever asks, as far as trusted proxies tell (see web/edge.py)."""
    address: str = connection.scope.get("corridor.address", "")
    return address
