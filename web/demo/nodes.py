"""The three nodes: made like every node, served as processes of their own, stopped together."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import httpx

import migrations
from node import accounts, auth, config, db, keyring, passwords, setup
from node.assembly import open_node
from node.config import Settings
from node.errors import NotFound
from node.runtime import Node
from web.demo import company
from web.demo.company import Department, Person

HOST = "127.0.0.1"
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_SCOPES = "read write follow push"
_ADMIN_SCOPES = f"{_SCOPES} admin:read admin:write"


@dataclass(slots=True)
class DemoNode:
    department: Department
    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def domain(self) -> str:
        return f"localhost:{self.port}"

    @property
    def base(self) -> str:
        return f"http://{self.domain}"

    @property
    def config(self) -> Path:
        return self.folder / setup.CONFIG_FILE

    @property
    def log(self) -> Path:
        return self.folder / "server.log"


def plan(folder: Path, port_base: int) -> list[DemoNode]:
    return [DemoNode(one, folder / one.key, port_base + one.number) for one in company.DEPARTMENTS]


def refuse_busy_ports(nodes: Sequence[DemoNode]) -> None:
    """Raise ClickException that names the ports which something else listens on."""
    busy = [str(node.port) for node in nodes if _is_busy(node.port)]
    if busy:
        raise click.ClickException(
            f"port {' and '.join(busy)} in use: stop what listens there, or give another --port-base (now "
            f"{nodes[0].port - nodes[0].department.number})"
        )


def _is_busy(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


async def make(node: DemoNode, tokens: dict[str, str]) -> None:
    """The node's files, database, people and their tokens, as far as an earlier start has not made them."""
    settings = await asyncio.to_thread(_files, node)
    opened = open_node(settings)
    try:
        await setup.populate(opened)
        people = company.people_of(node.department.key)
        await _person(opened, people[0], tokens)  # the others report to this one
        await asyncio.gather(*(_person(opened, person, tokens) for person in people[1:]))
    finally:
        opened.close()


def _files(node: DemoNode) -> Settings:
    if node.config.exists():
        settings = config.load(node.config)
        if node.log.exists() and not db.sqlite_path(settings.database_url).exists():  # it was served before
            raise click.ClickException(f"{node.folder} has lost its database; `corridor demo --reset` begins anew")
    else:
        settings = setup.write_files(setup.NewNode(node.folder, node.domain, node.department.name, plain=True))
    migrations.upgrade(settings)
    return settings


async def _person(node: Node, person: Person, tokens: dict[str, str]) -> None:
    try:
        account_id = (await node.read(accounts.by_handle, person.key)).id
    except NotFound:
        new = accounts.NewAccount(
            username=person.key,
            email=f"{person.key}@acme.example",
            password_hash=await passwords.hash(company.PASSWORD),
            roles=person.roles,
            display_name=person.name,
            title=person.title,
            manager=person.manager,
            executive=person.executive,
        )
        account_id = await node.write(accounts.create, new)
    await keyring.ensure(node, account_id)
    if person.key not in tokens:
        scopes = _ADMIN_SCOPES if "admin" in person.roles else _SCOPES
        tokens[person.key] = await node.write(auth.make_token, account_id, scopes)


def start(node: DemoNode, environment: dict[str, str]) -> None:
    """`corridor serve`, in a session of its own: a Ctrl-C in the terminal reaches us alone, and we stop it in order.

    If we are killed and cannot, the end of its standard input tells it (see `tethered`).
    """
    command = [sys.executable, "-m", "web.demo.tethered", "serve", "--config", str(node.config), "--host", HOST]
    about = {"CORRIDOR_NODE__DESCRIPTION": node.department.about}
    with node.log.open("ab") as log:
        node.process = subprocess.Popen(
            [*command, "--port", str(node.port)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**environment, **about},
            start_new_session=True,
        )


async def wait_until_up(node: DemoNode) -> None:
    """Raises ClickException if the process ends or does not answer in time."""
    end = time.monotonic() + _START_SECONDS
    async with httpx.AsyncClient(timeout=5) as client:
        while time.monotonic() < end:
            refuse_ended(node)
            try:
                if (await client.get(f"{node.base}/healthz")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)
    raise click.ClickException(f"{node.department.name} does not answer at {node.base}; see {node.log}")


def refuse_ended(node: DemoNode) -> None:
    """Raise ClickException if the process has ended by itself."""
    if node.process is not None and node.process.poll() is not None:
        lines = node.log.read_text(errors="replace").splitlines()[-5:]
        raise click.ClickException(
            "\n  ".join(
                [f"{node.department.name} ended with status {node.process.returncode}; see {node.log}:", *lines]
            )
        )


def stop(nodes: Sequence[DemoNode]) -> None:
    """End every process that runs: asked first, then made to. Returns when they are gone."""
    running = [node.process for node in nodes if node.process is not None and node.process.poll() is None]
    for process in running:
        process.terminate()
    end = time.monotonic() + _STOP_SECONDS
    for process in running:
        try:
            process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for node in nodes:
        if node.process is not None and node.process.stdin is not None:
            node.process.stdin.close()
