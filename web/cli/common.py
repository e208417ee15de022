"""What several commands share: finding the node, running rules, printing data."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

import migrations
from node import config
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


@contextlib.contextmanager
def opened(config_path: Path | None) -> Iterator[Node]:
    """The node on its database, whose schema must fit. Works beside a running server."""
    settings = load(config_path)
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
