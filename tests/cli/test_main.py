"""The command line as a whole: help, usage, errors."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import Corridor, use_database
from tests.support.running import corridor as as_process
from web.cli.main import COMMANDS


def test_help_names_every_command_and_starts_quickly() -> None:
    said = as_process("--help")
    assert all(f"  {name} " in said.stdout for name in COMMANDS)
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_is_for(name: str, corridor: Corridor) -> None:
    said = corridor(name, "--help")
    assert said.out.startswith(f"Usage: corridor {name}")


def test_wrong_usage_is_status_2_and_says_how(corridor: Corridor) -> None:
    said = corridor("restore", status=2)
    assert "Missing argument 'FILE'" in said.err
    assert corridor("nothing-of-the-kind", status=2).err


def test_a_refusal_is_one_line_on_standard_error() -> None:
    said = as_process("account", "list", "--config", "nowhere/corridor.toml", check=False)
    assert said.returncode == 1
    assert said.stdout == ""
    assert said.stderr.splitlines() == [
        "corridor: nowhere/corridor.toml: no such file. `corridor init` writes one.",
    ]


def test_without_settings_it_says_how_to_name_them(corridor: Corridor) -> None:
    assert "--config DIR/corridor.toml or set CORRIDOR_CONFIG" in corridor("account", "list", status=1).err


def test_an_error_shows_where_it_comes_from_when_asked(corridor: Corridor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORRIDOR_DEBUG", "1")
    with pytest.raises(Exception, match="CORRIDOR_CONFIG"):
        corridor("account", "list")


@pytest.mark.parametrize(
    "words",
    [
        ("account", "list"),
        ("account", "edit", "anna", "--title", "x"),
        ("token", "create", "anna"),
        ("peers", "list"),
        ("peers", "test", "sales.example"),
        ("import", "posts.jsonl"),
        ("export", "out"),
        ("backup", "out.tar"),
        ("migrate",),
        ("serve",),
    ],
    ids=" ".join,
)
def test_a_missing_database_file_is_named_and_none_is_made(
    corridor: Corridor, small: Path, monkeypatch: pytest.MonkeyPatch, words: Sequence[str]
) -> None:
    monkeypatch.chdir(small.parent)
    file = small.parent / "corridor.db"
    file.unlink()
    before = sorted(small.parent.rglob("*"))
    said = corridor(*words, status=1)
    assert said.err.startswith(f"corridor: {file}: there is no database file.")
    assert "`corridor restore`" in said.err
    assert "`corridor init`" in said.err
    assert len(said.err.splitlines()) == 1
    assert sorted(small.parent.rglob("*")) == before


def test_a_database_file_that_is_there_is_used_wherever_it_is(corridor: Corridor, small: Path, tmp_path: Path) -> None:
    (small.parent / "corridor.db").rename(tmp_path / "moved.db")
    corridor("account", "list", status=1)
    use_database(small, f"sqlite:///{tmp_path}/moved.db")
    assert corridor("account", "list").out == "0 people\n"
