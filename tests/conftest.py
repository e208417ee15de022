"""Fixtures: nodes on real databases.

`node` runs each test twice, on SQLite and on PostgreSQL. A machine without PostgreSQL skips the second run and says what
to install; in CI (`CI=true`) that is an error. Every test gets a copy of a template that was migrated once.
"""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from node import config
from node.assembly import open_node
from node.config import Settings
from node.runtime import Node
from node.secrets import create_secret
from tests.support import postgres
from tests.support.clocks import Clock

LOOPBACK = ("127.", "::1", "localhost")


def missing(reason: str) -> None:
    """Skip for want of an optional part; in CI everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"missing in CI: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that would reach beyond this machine fails."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(LOOPBACK):
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL server for this test session."""
    try:
        server = postgres.start()
    except postgres.Missing as error:
        missing(str(error))
        raise
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_template(cluster: postgres.Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a migrated database that tests copy."""
    cluster.administer("CREATE DATABASE template_corridor")
    settings = make_settings(tmp_path_factory.mktemp("pg"), database_url=cluster.url("template_corridor"))
    _migrate(settings)
    return "template_corridor"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sqlite")
    _migrate(make_settings(folder))
    return folder / "corridor.db"


@pytest.fixture
def new_database_url(request: pytest.FixtureRequest) -> Iterator[Callable[[str, Path], str]]:
    """`new_database_url("sqlite" | "postgresql", folder)`: a fresh migrated database."""
    made: list[str] = []

    def make(engine: str, folder: Path) -> str:
        if engine == "sqlite":
            shutil.copy(request.getfixturevalue("sqlite_template"), folder / "corridor.db")
            return f"sqlite:///{folder}/corridor.db"
        server: postgres.Cluster = request.getfixturevalue("cluster")
        template = request.getfixturevalue("postgres_template")
        name = postgres.take(server, template)
        made.append(name)
        return server.url(name)

    yield make
    for name in made:
        postgres.give_back(request.getfixturevalue("cluster"), name, request.getfixturevalue("postgres_template"))


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def clock() -> Clock:
    return Clock(1_790_000_000.0)


@pytest.fixture
def settings(tmp_path: Path, engine_name: str, new_database_url: Callable[[str, Path], str]) -> Settings:
    create_secret(tmp_path)
    return make_settings(tmp_path, database_url=new_database_url(engine_name, tmp_path))


@pytest.fixture
async def node(settings: Settings, clock: Clock) -> Any:
    """A node of the department Engineering at eng.example, with a clock that stands still."""
    opened: Node = open_node(settings, clock=clock)
    from node import accounts

    await opened.write(accounts.create_node_actor)
    yield opened
    opened.close()


def make_settings(folder: Path, *, database_url: str = "sqlite:///corridor.db", **sections: dict[str, Any]) -> Settings:
    """Settings as in production, but for what a section says."""
    raw: dict[str, Any] = {
        "node": {"domain": "eng.example", "department": "Engineering"},
        "database": {"url": database_url, "readers": 2, "pool": 4},
        "federation": {"mode": "open"},
    }
    for name, values in sections.items():
        raw[name] = {**raw.get(name, {}), **values}
    return config.parse(raw, home=folder)


def _migrate(settings: Settings) -> None:
    import migrations

    migrations.upgrade(settings)
