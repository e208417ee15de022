"""A node's application on a real server, in this process, on a free loopback port."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence

import httpx
import uvicorn
from starlette.types import ASGIApp

LIMITS = httpx.Limits(max_connections=50)


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket | None = None) -> AsyncIterator[str]:
    """Serve `app`; gives `http://127.0.0.1:port`. Stops and waits for its end on leaving."""
    listener = listener or listen()
    config = uvicorn.Config(
        app, http="httptools", ws="websockets-sansio", lifespan="on", log_config=None, access_log=False,
        proxy_headers=False, server_header=False, timeout_graceful_shutdown=5,
    )  # fmt: skip
    server = _Server(config)
    running = asyncio.create_task(server.serve([listener]))
    try:
        while not server.started:
            if running.done():
                await running
                raise AssertionError("the server did not start")
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.end()
        await running


def listen() -> socket.socket:
    """A listening socket on a free loopback port: whoever needs the port before the server runs makes one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    return listener


class _Server(uvicorn.Server):
    """Leaves the test runner's signal handlers alone, and ends as soon as it is told to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)  # makes the headers that all answers have
        await self._ending.wait()

    def end(self) -> None:
        self.should_exit = True
        self._ending.set()

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


def browser(base: str, headers: Sequence[tuple[str, str]] = ()) -> httpx.AsyncClient:
    """A client that keeps cookies, asks for pages and follows no redirect."""
    return httpx.AsyncClient(base_url=base, headers=[("Accept", "text/html"), *headers], limits=LIMITS, timeout=20)
