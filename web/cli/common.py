"""What several commands share: finding the node, running rules, printing data."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

import migrations
from node import config, db
from node.assembly import open_node
from node.config import ConfigError, Settings
from node.runtime import Node

T = TypeVar("T")

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    envvar="CORRIDOR_CONFIG",
    help="The node's settings file, corridor.toml. Default: $CORRIDOR_CONFIG.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print data as JSON.")


def load(config_path: Path | None) -> Settings:
    if config_path is None:
        raise ConfigError("which node? Give --config DIR/corridor.toml or set CORRIDOR_CONFIG")
    return config.load(config_path)


def refuse_missing(settings: Settings) -> None:
    """Raise ClickException if there is no SQLite file where there should be one: whoever connects would make an empty one.

    It may be on a disk that is not mounted, or was moved. Only `init` and `restore` make a database.
    """
    if settings.is_sqlite and not (file := db.sqlite_path(settings.database_url)).is_file():
        raise click.ClickException(
            f"{file}: there is no database file. Is database.url right, and the disk there? "
            "`corridor restore` brings a backup back, `corridor init` makes a new node."
        )


@contextlib.contextmanager
def opened(config_path: Path | None) -> Iterator[Node]:
    """The node on its database, whose schema must fit. Works beside a running server."""
    settings = load(config_path)
    refuse_missing(settings)
    migrations.check(settings)
    node = open_node(settings)
    try:
        yield node
    finally:
        node.close()


def run(config_path: Path | None, work: Callable[[Node], Awaitable[T]]) -> T:
    """Do something asynchronous with the node."""

    async def main(node: Node) -> T:
        return await work(node)

    with opened(config_path) as node:
        return asyncio.run(main(node))


def print_json(data: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())
