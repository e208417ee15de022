"""`corridor migrate`: bring the database to this release's schema."""

import asyncio
from pathlib import Path

import click

import migrations
from node import setup
from node.assembly import open_node
from web.cli.common import config_option, json_option, load, print_json, refuse_missing


@click.command()
@config_option
@json_option
def command(config_path: Path | None, as_json: bool) -> None:
    """Bring the database to this release's schema. Safe to repeat, and while the previous release still runs.

    Take a backup first. All steps are one transaction: a step that fails leaves the database as it was.
    """
    settings = load(config_path)
    refuse_missing(settings)
    before = migrations.current(settings)
    applied = migrations.upgrade(settings, (lambda _step: None) if as_json else click.echo)
    node = open_node(settings)
    try:
        asyncio.run(setup.populate(node))  # a database made outside `init` has no actor of the node yet
    finally:
        node.close()
    if as_json:
        print_json({"before": before, "now": migrations.head(), "applied": applied})
    else:
        click.echo(
            f"The database is at revision {migrations.head()}." + ("" if applied else " There was nothing to do.")
        )
