"""The reference pages list exactly what there is: settings with their defaults, commands with their options."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from node import config
from web.cli.main import cli

DOCS = Path(__file__).parent.parent / "docs"
_ROW = re.compile(r"^\| `(?P<name>[^`]+)` \| (?P<value>[^|]*?) ?\|", re.MULTILINE)


def sections(page: str, heading: str) -> Iterator[tuple[str, str]]:
    """(title, text) of every heading of the second level that begins so."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        if title.startswith(heading):
            yield title.strip(), body


# --- settings


def _documented_settings() -> dict[str, str]:
    return {
        f"{title.strip('[]')}.{row['name']}": row["value"].strip("`")
        for title, body in sections("configuration.md", "[")
        for row in _ROW.finditer(body)
    }


def _settings() -> dict[str, str]:
    return {
        f"{section}.{field.name}": _default(field)
        for section, kind in config.SECTIONS.items()
        for field in msgspec.structs.fields(kind)
    }


def _default(field: msgspec.structs.FieldInfo) -> str:
    """As TOML writes it; lists with a space after the comma, as people do."""
    if field.required:
        return "*required*"
    value: Any = field.default
    if isinstance(value, tuple):
        return "[" + ", ".join(msgspec.json.encode(one).decode() for one in value) + "]"
    return msgspec.json.encode(value).decode()


def test_the_configuration_page_lists_exactly_the_settings_with_their_defaults() -> None:
    assert _documented_settings() == _settings()


def test_the_settings_that_init_writes_are_read_as_the_page_says(tmp_path: Path) -> None:
    """Every documented default, written into a file as it stands there, is the default."""
    text = '[node]\ndomain = "eng.example"\ndepartment = "Eng"\n'
    for title, body in sections("configuration.md", "["):
        rows = [f"{row['name']} = {row['value'].strip('`')}" for row in _ROW.finditer(body) if "*" not in row["value"]]
        text += (f"{title}\n" if title != "[node]" else "") + "\n".join(rows) + "\n"
    path = tmp_path / "corridor.toml"
    path.write_text(text)
    (tmp_path / "short.toml").write_text('[node]\ndomain = "eng.example"\ndepartment = "Eng"\n')
    assert config.load(path, {}) == config.load(tmp_path / "short.toml", {})


# --- commands


def _commands(command: click.Command, path: Sequence[str]) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(command, info_name=path[-1])
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _commands(found, [*path, name])
        return
    arguments = [p.make_metavar(context) for p in command.params if isinstance(p, click.Argument)]
    yield " ".join([*path, *arguments]), command


COMMANDS = dict(_commands(cli, ["corridor"]))


def test_the_page_lists_exactly_the_commands() -> None:
    assert {title for title, _ in sections("cli.md", "corridor ")} == set(COMMANDS)


@pytest.mark.parametrize("usage", COMMANDS)
def test_the_page_lists_exactly_the_options_of(usage: str) -> None:
    options = [option for option in COMMANDS[usage].params if isinstance(option, click.Option)]
    names = {name for option in options for name in (*option.opts, *option.secondary_opts)} - {"--config"}
    documented = {row["name"] for row in _ROW.finditer(dict(sections("cli.md", "corridor "))[usage])}
    assert documented == names


def test_commands_that_pages_show_exist() -> None:
    """`corridor …` in the pages for administrators names a command, with options that it has."""
    text = (DOCS / "administration.md").read_text(encoding="utf-8")
    shown = re.findall(r"^ {4}(?:sudo -u corridor )?corridor (.*)$|`corridor ([^`]*)`", text, re.MULTILINE)
    assert len(shown) > 10
    for code, inline in shown:
        words = (code or inline).split("#")[0].split()
        usage = next((u for u in COMMANDS if _names(u) == words[: len(_names(u))]), None)
        assert usage is not None, words
        known = {name for p in COMMANDS[usage].params for name in (*p.opts, *p.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known, words


def _names(usage: str) -> list[str]:
    """The words of a command, without its arguments."""
    return [word for word in usage.split()[1:] if word.islower()]
