"""A restore happens as a whole or not at all: whatever goes wrong, and when, nothing half-filled is left."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from node import restoring
from node.backup import BackupError
from node.secrets import SECRET_FILE
from tests.cli.conftest import Corridor
from tests.cli.test_backup import empty_database  # noqa: F401 - a fixture

IN_THE_DATABASE, IN_THE_MEDIA, ENOUGH = 100_000, 3_000_000, 64_000_000
"""Bytes that a file may have: less than the database, less than the picture, more than either."""
PICTURE = "a" * 32 + ".png"
RUN = """
import resource, signal, sys
limit, signal_is_deadly, *words = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_DFL if signal_is_deadly == "yes" else signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
from web.cli.main import main
main(words)
"""


def restore(limit: int, *words: object, deadly: bool = False) -> "subprocess.CompletedProcess[str]":
    """`corridor restore` as a process that cannot write files longer than `limit`: an error, or its sudden death."""
    command = [sys.executable, "-c", RUN, str(limit), "yes" if deadly else "no", "restore", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def tree(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.fixture
def saved(corridor: Corridor, small: Path, tmp_path: Path) -> Path:
    (small.parent / "media" / PICTURE).write_bytes(b"\x89PNG" * 1_000_000)
    corridor("backup", tmp_path / "saved.tar")
    return tmp_path / "saved.tar"


@pytest.fixture(params=["new", "deep", "empty"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where to restore to: into a folder that is not there, or whose parents are not either, or that is there already."""
    area = tmp_path / "area"
    area.mkdir()
    if request.param == "empty":
        (area / "home").mkdir(mode=0o750)
    return area / ("a/b/home" if request.param == "deep" else "home") / "corridor.toml"


@pytest.mark.parametrize("limit", [IN_THE_DATABASE, IN_THE_MEDIA])
def test_a_restore_that_cannot_be_written_leaves_nothing_and_can_be_repeated(
    corridor: Corridor, saved: Path, target: Path, tmp_path: Path, limit: int
) -> None:
    before = tree(tmp_path / "area")
    failed = restore(limit, saved, "--config", target)
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"corridor: {target.parent}: nothing was restored: File too large (")
    assert len(failed.stderr.splitlines()) == 1
    assert tree(tmp_path / "area") == before
    again = restore(ENOUGH, saved, "--config", target)
    assert (again.returncode, again.stderr) == (0, "")
    assert sorted(path.name for path in target.parent.iterdir()) == [
        *("corridor.db", "corridor.toml", "media", SECRET_FILE)
    ]
    assert (target.parent / "media" / PICTURE).stat().st_size == 4_000_000
    assert corridor("doctor", "--config", target, "--json").json["healthy"]


@pytest.mark.parametrize("limit", [IN_THE_DATABASE, IN_THE_MEDIA])
def test_places_outside_the_folder_are_left_as_they_were_too(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    area = tmp_path / "area"
    (area / "pictures").mkdir(parents=True)
    monkeypatch.setenv("CORRIDOR_MEDIA__DIRECTORY", str(area / "pictures"))
    words = (saved, "--config", area / "home/corridor.toml", "--database-url", f"sqlite:///{area}/data/c.db")
    before = tree(area)
    assert restore(limit, *words).returncode == 1
    assert tree(area) == before
    assert restore(ENOUGH, *words).returncode == 0
    names = [
        "data",
        "data/c.db",
        "home",
        "home/corridor.toml",
        f"home/{SECRET_FILE}",
        "pictures",
        f"pictures/{PICTURE}",
    ]
    assert [str(path.relative_to(area)) for path in tree(area)] == names


def test_what_a_killed_restore_left_is_named_and_in_nobodys_way(
    corridor: Corridor, saved: Path, target: Path, tmp_path: Path
) -> None:
    killed = restore(IN_THE_MEDIA, saved, "--config", target, deadly=True)
    assert killed.returncode < 0
    assert not target.exists()
    left = [path for path in tree(tmp_path / "area") if ".home.partial-" in path.name]
    assert len(left) == 1
    said = corridor("restore", saved, "--config", target)
    assert said.err == (
        f"corridor: {left[0]} is left of a restore that was killed, unless one is running just now: remove it\n"
    )
    assert corridor("doctor", "--config", target, "--json").json["healthy"]
    assert left[0].exists()
    other = tmp_path / "area" / "other" / "corridor.toml"
    assert corridor("restore", saved, "--config", other).err == ""


def test_what_a_killed_restore_left_outside_the_folder_is_named_as_well(
    corridor: Corridor, saved: Path, tmp_path: Path
) -> None:
    area = tmp_path / "area"
    words = (saved, "--config", area / "home/corridor.toml", "--database-url", f"sqlite:///{area}/data/c.db")
    assert restore(IN_THE_MEDIA, *words, deadly=True).returncode < 0
    assert not (area / "data/c.db").exists()
    said = corridor("restore", *words)
    assert [line.split()[1].rpartition("-")[0] for line in said.err.splitlines()] == [
        f"{area}/.home.partial",
        f"{area}/data/.c.db.partial",
    ]


def test_whoever_takes_the_place_meanwhile_keeps_it(
    corridor: Corridor,
    eng: Path,
    tmp_path: Path,
    empty_database: Callable[[], str | None],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the very end something is in the way: what was put in place already is taken back, tables as well."""
    corridor("backup", tmp_path / "saved.tar")
    home = tmp_path / "area" / "home"
    monkeypatch.setenv("CORRIDOR_MEDIA__DIRECTORY", str(tmp_path / "area" / "pictures"))
    url = empty_database()

    def progress(done: int, total: int) -> None:
        if done > total // 2:  # the backup is checked, and being unpacked
            home.mkdir(exist_ok=True)

    with pytest.raises(BackupError, match=r"nothing was restored: File exists \(.*/area/home\)"):
        restoring.restore(tmp_path / "saved.tar", home / "corridor.toml", database_url=url, progress=progress)
    assert tree(tmp_path / "area") == [home]
    if url is not None:
        engine = create_engine(url)
        assert inspect(engine).get_table_names() == []
        engine.dispose()
    restoring.restore(tmp_path / "saved.tar", home / "corridor.toml", database_url=url)
    assert corridor("doctor", "--config", home / "corridor.toml", "--json").json["healthy"]
