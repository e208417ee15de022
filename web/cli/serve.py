"""`corridor serve`: run the node."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

import migrations
from node import config
from node.config import ConfigError
from web.cli.common import config_option, load, refuse_missing

if TYPE_CHECKING:
    from web.server import Role


@click.command()
@config_option
@click.option("--host", help="Address to listen on. Default: server.host.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on. Default: server.port.")
@click.option(
    "--role",
    type=click.Choice(["all", "web", "worker"]),
    default="all",
    show_default=True,
    help="web, worker: PostgreSQL.",
)
@click.option("--processes", type=click.IntRange(1, 64), help="Web processes; above 1 needs PostgreSQL.")
def command(config_path: Path | None, host: str | None, port: int | None, role: "Role", processes: int | None) -> None:
    """Run the node until SIGTERM or Ctrl-C; a stop finishes what is being done.

    TLS is the reverse proxy's business (see docs/administration.md). A setting made for development, such as plain http,
    is refused on an address that is not loopback.

    Example: corridor serve --config /srv/corridor/corridor.toml
    """
    settings = load(config_path)
    host = host or settings.server.host
    config.refuse_unsafe(settings, host)
    refuse_missing(settings)
    migrations.check(settings)
    from web import server

    try:
        status = server.run(
            settings,
            host=host,
            port=port or settings.server.port,
            role=role,
            processes=processes or settings.server.processes,
        )
    except server.ServeError as error:
        raise ConfigError(str(error)) from error
    sys.exit(status)
