"""`corridor init`: a new node in an empty folder."""

import asyncio
from pathlib import Path

import click

import migrations
from node import setup
from node.assembly import open_node
from node.federation import joining
from web.cli.common import json_option, print_json


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--domain", required=True, help="Host name (with a port if it is not 443) of the node; never changes.")
@click.option("--department", required=True, help="Name of the department, as people read it.")
@click.option("--dev", is_flag=True, help="Settings for trying out on one machine: http, any peer, open sign-up.")
@json_option
def command(folder: Path, domain: str, department: str, dev: bool, as_json: bool) -> None:
    """Make a new node in DIR: settings (corridor.toml), secret key, an empty SQLite database, the node's own actor.

    Another database: set database.url in the file (or CORRIDOR_DATABASE__URL) and run `corridor migrate`.

    Example: corridor init /srv/corridor --domain engineering.example.com --department Engineering
    """
    new = setup.NewNode(folder, domain.strip().lower(), department.strip(), dev)
    settings = setup.write_files(new)
    migrations.upgrade(settings)
    node = open_node(settings)
    try:
        setup.populate_now(node)
        line = asyncio.run(node.write(joining.identity_line))
    finally:
        node.close()
    path = folder / setup.CONFIG_FILE
    if as_json:
        made = {"config": str(path), "domain": settings.node.domain, "database": settings.database_url}
        print_json(made | {"identity": line})
        return
    click.echo(f"Made a node for {settings.node.department} at {settings.base} in {folder}.")
    click.echo("Keep secret.key safe: without it the private keys in the database cannot be read.")
    click.echo("Next:")
    click.echo(f"  corridor account create NAME --email E --password P --role admin --config {path}")
    click.echo(f"  corridor serve --config {path}")
    if settings.federation.mode == "roster":
        click.echo("To join the company, send its administrator this line, and `corridor join` with what comes back:")
        click.echo(f"  {line}")
