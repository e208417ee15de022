"""The command line, run in this process as a person would type it; and a node that it made."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from node import config, restoring
from node.assembly import open_node
from node.config import Settings
from node.runtime import Node
from web.cli.main import main


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Corridor = Callable[..., Said]


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CORRIDOR_CONFIG", "CORRIDOR_DEBUG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def corridor(capsys: pytest.CaptureFixture[str]) -> Corridor:
    """`corridor("account", "list", "--json")`; fails unless the status is the expected one."""

    def run(*arguments: object, status: int = 0) -> Said:
        capsys.readouterr()
        found = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as ended:
            found = int(ended.code or 0)
        captured = capsys.readouterr()
        assert found == status, f"{arguments} gave {found}:\n{captured.out}\n{captured.err}"
        return Said(found, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders of new nodes, each made once with `corridor init`."""
    folder = tmp_path_factory.mktemp("nodes")

    def template(domain: str) -> Path:
        made = folder / domain
        if not made.exists():
            main(["init", str(made), "--domain", domain, "--department", domain.partition(".")[0].title()])
        return made

    return template


@pytest.fixture
def make_node(
    tmp_path: Path,
    corridor: Corridor,
    templates: Callable[[str], Path],
    new_database_url: Callable[[str, Path], str],
) -> Callable[..., Path]:
    """`make_node("eng.example", engine="sqlite")`: as `corridor init` leaves it; gives the settings file."""

    def make(domain: str = "eng.example", *, engine: str = "sqlite", folder: str = "") -> Path:
        path = tmp_path / (folder or domain) / "corridor.toml"
        shutil.copytree(templates(domain), path.parent)
        if engine == "postgresql":
            use_database(path, new_database_url(engine, path.parent))
            corridor("migrate", "--config", path)
        return path

    return make


@pytest.fixture
def eng(make_node: Callable[..., Path], engine_name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of a node on each engine in turn; commands find it by themselves."""
    path = make_node(engine=engine_name)
    monkeypatch.setenv("CORRIDOR_CONFIG", str(path))
    return path


@pytest.fixture
def small(make_node: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same on SQLite alone."""
    path = make_node()
    monkeypatch.setenv("CORRIDOR_CONFIG", str(path))
    return path


def use_database(config_path: Path, url: str) -> None:
    config_path.write_text(restoring.with_database(config_path.read_text(), url))


def settings_of(config_path: Path) -> Settings:
    return config.load(config_path)


def opened(config_path: Path) -> Node:
    return open_node(config.load(config_path))
