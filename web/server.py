"""Runs a node: uvicorn in this process, or several processes on one socket (PostgreSQL only).

A stop (SIGTERM, SIGINT) first ends the open streams, then lets requests finish for at most `server.shutdown_seconds`, then
stops the worker, which puts back what it has not finished, and closes the database.
"""

import asyncio
import contextlib
import gc
import multiprocessing
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from typing import Any, Literal

import structlog
import uvicorn
import uvloop

from node import log
from node.assembly import open_node
from node.config import Settings
from node.federation.network import Network, open_network
from node.runtime import Node
from node.worker import Worker
from web.app import Application, create_app

Role = Literal["all", "web", "worker"]
_LOOK_SECONDS = 0.2
_EARLY_ENDS = 3
_END_SECONDS = 5.0
"""Beyond `server.shutdown_seconds`, before a process that does not stop is killed."""


class ServeError(Exception):
    """The server cannot start. `str(error)` says why and what to do."""


def run(settings: Settings, *, host: str, port: int, role: Role = "all", processes: int = 1) -> int:
    """Serve until told to stop; the exit status. Raises ServeError before anything is served."""
    if settings.is_sqlite and (role != "all" or processes > 1):
        raise ServeError("split roles and more than one process need PostgreSQL: one process owns a SQLite file")
    log.setup(settings.log)
    if role == "worker":
        return _run_worker(settings)
    with _listening(host, port) as listener:
        if processes > 1:
            return _Supervisor(settings, listener, role, processes).run()
        return _run_web(settings, listener, role)


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A bound socket: taken before anything else is started, so that a port in use is a plain error."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host.strip("[]"), port))
        except OSError as error:
            raise ServeError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
        listener.set_inheritable(True)
        yield listener
    finally:
        listener.close()


def _spare_the_collector() -> None:
    """What was made at the start stays until the end: a full pass that walks it again and again takes 60 to 80 ms each."""
    gc.collect()
    gc.freeze()


# --- one process -------------------------------------------------------------


class Server(uvicorn.Server):
    """uvicorn, with our order at a stop."""

    def __init__(self, config: uvicorn.Config, app: Application, on_serving: Callable[[], None]) -> None:
        super().__init__(config)
        self._app = app
        self._on_serving = on_serving

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _spare_the_collector()
        self._on_serving()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.parts.stopping.set()  # streams end by themselves, or uvicorn would wait for them
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal and exit with 0; uvicorn's own would raise the signal again after a clean stop."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def configuration(app: Application, settings: Settings) -> uvicorn.Config:
    """uvicorn's settings: the fast parts, no log of its own, no headers that the edge reads itself."""
    return uvicorn.Config(
        app,
        http="httptools",
        ws="websockets-sansio",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,  # longer than a reverse proxy's, so that it is never we who close first
        timeout_graceful_shutdown=max(1, int(settings.server.shutdown_seconds)),
        ws_max_size=64 * 1024,
        ws_ping_interval=30.0,
        ws_ping_timeout=30.0,
        ws_per_message_deflate=False,
    )


def _run_web(
    settings: Settings, listener: socket.socket, role: Role, on_serving: Callable[[], None] = lambda: None
) -> int:
    async def serve() -> int:
        async with opened(settings) as (node, network):
            worker = Worker(node, network) if role == "all" else None
            app = create_app(node, network, worker=worker)
            server = Server(configuration(app, settings), app, on_serving)
            host, port = listener.getsockname()[:2]
            structlog.get_logger("web").info("listening", host=host, port=port, role=role, node=settings.node.domain)
            try:
                await server.serve([listener])
            except SystemExit as error:  # uvicorn's way to say that the application did not start
                return int(error.code or 1)
            structlog.get_logger("web").info("stopped")
            return 0

    return _run(serve())


def _run_worker(settings: Settings) -> int:
    async def work() -> int:
        async with opened(settings) as (node, network):
            worker = Worker(node, network)
            running = asyncio.create_task(worker.run())
            _spare_the_collector()
            loop = asyncio.get_running_loop()
            asked = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, asked.set)
            waiting = asyncio.create_task(asked.wait())
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            await worker.stop()
            await running
            return 0

    return _run(work())


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Node, Network]]:
    """A node with its network, closed again in order."""
    node = open_node(settings)
    try:
        network = await open_network(node)
        try:
            yield node, network
        finally:
            await network.aclose()
    finally:
        node.close()


def _run(main: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


# --- several processes -------------------------------------------------------


class _Supervisor:
    """Keeps `processes` children on one socket; starts one anew that dies; passes a stop on.

    Children are spawned, not forked: a fork would copy database connections and threads' locks. When one after the other
    ends before it has served anything, something is wrong that a restart does not mend, and all are ended.
    """

    def __init__(self, settings: Settings, listener: socket.socket, role: Role, processes: int) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._settings = settings
        self._listener = listener
        # With role "all" the first process has the worker; one keeps up with many that answer requests.
        self._roles: list[Role] = ["web"] * processes
        if role == "all":
            self._roles[0] = "all"
        self._children: list[_Child] = []
        self._stopping = threading.Event()
        self._early_ends = 0

    def run(self) -> int:
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        self._children = [self._start(role) for role in self._roles]
        try:
            while not self._stopping.wait(_LOOK_SECONDS) and self._early_ends < _EARLY_ENDS:
                self._replace_ended()
        finally:
            sound = self._end()
            for number, handler in before.items():
                signal.signal(number, handler)
        return 0 if sound and self._stopping.is_set() else 1

    def _replace_ended(self) -> None:
        for place, child in enumerate(self._children):
            if child.process.exitcode is None:
                continue
            self._early_ends = 0 if child.serves.is_set() else self._early_ends + 1
            structlog.get_logger("web").error("a process ended", status=child.process.exitcode)
            if self._early_ends < _EARLY_ENDS:
                self._children[place] = self._start(self._roles[place])

    def _start(self, role: Role) -> "_Child":
        serves = self._context.Event()
        process = self._context.Process(target=_child, args=(self._settings, self._listener, role, serves))
        process.start()
        return _Child(process, serves)

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping.set()

    def _end(self) -> bool:
        """Stop the children that run; True if they all ended well."""
        running = [child.process for child in self._children if child.process.exitcode is None]
        for process in running:
            process.terminate()
        for process in running:
            process.join(self._settings.server.shutdown_seconds + _END_SECONDS)
            if process.exitcode is None:
                process.kill()
                process.join()
        # One that had only just been started does not know the signal yet, and ends of it: that is well, too.
        return all(process.exitcode in (0, -signal.SIGTERM) for process in running)


@dataclass(frozen=True, slots=True)
class _Child:
    process: SpawnProcess
    serves: Event
    """Set by the process when it answers requests."""


def _child(settings: Settings, listener: socket.socket, role: Role, serves: Event) -> None:
    log.setup(settings.log)
    raise SystemExit(_run_web(settings, listener, role, serves.set))
