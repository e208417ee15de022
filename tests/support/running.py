"""Whole nodes as processes, made and started with the command line as an administrator would."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from node import accounts, auth, config, passwords
from node.assembly import open_node
from node.config import Settings
from node.runtime import Node
from tests.support.ports import free_port

T = TypeVar("T")
__all__ = ["PASSWORD", "Person", "RunningNode", "aside", "corridor", "free_port", "stopping", "until"]

Answer = dict[str, Any]
PASSWORD = "correct horse battery"


def corridor(*arguments: str, check: bool = True, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run the command line to its end."""
    command = [sys.executable, "-m", "web.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **options)
    if check and done.returncode:
        raise AssertionError(f"corridor {' '.join(arguments)} gave {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def aside(work: Callable[[Node], Awaitable[T]], settings: Settings) -> T:
    """Do something with a node of this process, beside the server, from within a running event loop."""

    async def main() -> T:
        node = open_node(settings)
        try:
            return await work(node)
        finally:
            node.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(main())).result()


@dataclass
class RunningNode:
    """One department's node in a process of its own."""

    folder: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def domain(self) -> str:
        return f"localhost:{self.port}"

    @property
    def base(self) -> str:
        return f"http://{self.domain}"

    @property
    def config(self) -> str:
        return str(self.folder / "corridor.toml")

    def command(self, *arguments: str) -> str:
        """Run `corridor … --config`; the standard output."""
        return corridor(*arguments, "--config", self.config, env={**os.environ, **self.environment}).stdout.strip()

    @property
    def settings(self) -> Settings:
        return config.load(self.folder / "corridor.toml", {**os.environ, **self.environment})

    def person(self, name: str, *, scopes: str = "read write follow push", **fields: Any) -> "Person":
        """A new account and a token for it, made as the command line does; `fields` are those of NewAccount."""

        async def make(node: Node) -> str:
            hashed = await passwords.hash(PASSWORD)
            new = accounts.NewAccount(username=name, email=f"{name}@example.org", password_hash=hashed, **fields)
            account_id = await node.write(accounts.create, new)
            return await node.write(auth.make_token, account_id, scopes)

        return Person(self, name, aside(make, self.settings))

    def start(self, *prefix: str) -> None:
        """Start the server and wait until it serves; `prefix` is a command to run it under (strace)."""
        self.launch(*prefix)
        self.wait_until_up()

    def launch(self, *prefix: str) -> None:
        serve = [sys.executable, "-m", "web.cli.main", "serve", "--config", self.config, "--port", str(self.port)]
        log = (self.folder / "server.log").open("ab")
        env = {**os.environ, **self.environment}
        self.process = subprocess.Popen([*prefix, *serve], stdout=log, stderr=log, env=env, start_new_session=True)
        log.close()

    def wait_until_up(self, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process is not None and self.process.poll() is not None:
                break
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(self.base + "/healthz", timeout=5).status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the node at {self.base} is not up:\n{self.log()[-4000:]}")

    def kill(self) -> None:
        """SIGKILL for the whole group: nothing is tidied up."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self.process = None

    def stop(self, seconds: float = 20) -> int:
        """SIGTERM to the whole group (strace passes none on); the exit status."""
        if self.process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process = None

    def log(self) -> str:
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""


@dataclass
class Person:
    """Somebody with a token, using the client API over HTTP."""

    node: RunningNode
    name: str
    token: str

    @property
    def handle(self) -> str:
        return f"{self.name}@{self.node.domain}"

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.node.base, headers=self.headers, timeout=30)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """A request that must succeed; its JSON."""
        async with self.client() as client:
            answer = await client.request(method, path, **options)
        assert answer.status_code < 300, f"{method} {path} gave {answer.status_code}: {answer.text[:500]}"
        return answer.json()

    async def get(self, path: str, **params: Any) -> Any:
        return await self.call("GET", path, params=params)

    async def post(self, path: str, **data: Any) -> Any:
        return await self.call("POST", path, json=data)

    async def status(self, text: str, **data: Any) -> Answer:
        answer: Answer = await self.post("/api/v1/statuses", status=text, **data)
        return answer

    async def find(self, handle: str) -> Answer:
        """The account with this handle, fetched from its node if need be."""
        found = await self.get("/api/v2/search", q=handle, resolve="true", type="accounts")
        assert found["accounts"], f"{self.handle} does not find {handle}"
        account: Answer = found["accounts"][0]
        return account

    async def follow(self, other: "Person") -> None:
        """Follow and wait until the other side has accepted."""
        account = await self.find(other.handle if other.node is not self.node else other.name)
        await self.post(f"/api/v1/accounts/{account['id']}/follow")

        async def accepted() -> bool:
            relation = await self.get("/api/v1/accounts/relationships", **{"id[]": account["id"]})
            return bool(relation[0]["following"])

        await until(accepted, f"{self.handle} follows {other.handle}")

    async def home(self, limit: int = 40) -> list[Answer]:
        answer: list[Answer] = await self.get("/api/v1/timelines/home", limit=limit)
        return answer

    async def whole_home(self) -> list[Answer]:
        """The home timeline, paged to its end."""
        statuses: list[Answer] = []
        async with self.client() as client:
            path: str | None = "/api/v1/timelines/home?limit=40"
            while path:
                answer = await client.get(path)
                assert answer.status_code == 200, answer.text
                statuses += answer.json()
                path = answer.links.get("next", {}).get("url")
        return statuses

    async def sees(self, uri: str, seconds: float = 15) -> Answer:
        """Wait until the post with this uri is in the home timeline."""
        found: list[Answer] = []

        async def there() -> bool:
            found[:] = [s for s in await self.home() if s["uri"] == uri]
            return bool(found)

        await until(there, f"{self.handle} sees {uri}", seconds)
        return found[0]


async def until(check: Callable[[], Any], what: str, seconds: float = 15, step: float = 0.05) -> None:
    """Wait until the (async) check holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if await check():
            return
        await asyncio.sleep(step)
    raise AssertionError(f"did not happen within {seconds} s: {what}")


@contextlib.asynccontextmanager
async def stopping(*nodes: RunningNode) -> AsyncIterator[None]:
    """Stop these nodes at the end, whatever happens."""
    try:
        yield
    finally:
        for node in nodes:
            await asyncio.to_thread(node.stop)
