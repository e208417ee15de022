"""The command line as a whole: help, usage, errors."""

import pytest

from tests.cli.conftest import Corridor
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
