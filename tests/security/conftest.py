"""Fixtures of the security tests: a node of ours, its people, and peers that lie."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from tests.node.federation.conftest import alice, bert, federation, network, post, settings
from tests.support.clocks import Clock
from tests.support.remote_peer import RemotePeer

__all__ = ["LyingPeer", "alice", "bert", "federation", "network", "post", "settings"]


@dataclass
class LyingPeer(RemotePeer):
    """A peer that can also send one elsewhere (`redirects`: path to address) and call things by wrong types (`types`)."""

    redirects: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    async def _handle(self, request: web.Request) -> web.Response:
        if request.method == "GET" and request.path in self.redirects:
            self.fetched.append(request.path_qs)
            return web.Response(status=302, headers={"Location": self.redirects[request.path]})
        answer = await super()._handle(request)
        if request.path in self.types:
            answer.headers["Content-Type"] = self.types[request.path]
        return answer


@pytest.fixture
async def peer(clock: Clock) -> AsyncIterator[LyingPeer]:
    started = LyingPeer(clock)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def stranger(clock: Clock) -> AsyncIterator[RemotePeer]:
    """Another server: the same host on another port is another origin."""
    started = RemotePeer(clock)
    await started.start()
    yield started
    await started.stop()
