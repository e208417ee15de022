"""`corridor rule`: the rules of this department."""

from pathlib import Path
from typing import Any

import click

from node import rules
from node.runtime import Node
from web.cli.common import config_option, json_option, print_json, run


@click.group()
def command() -> None:
    """The department's rules: clients show them to people who sign up or report something."""


@command.command()
@click.argument("text")
@click.option("--hint", default="", help="A longer explanation.")
@config_option
def add(config_path: Path | None, text: str, hint: str) -> None:
    """Add the rule TEXT, after the others. Example: corridor rule add "Name no customers" """

    async def work(node: Node) -> int:
        return await node.write(rules.add, text, hint)

    click.echo(f"Rule {run(config_path, work)} is in force.")


@command.command()
@click.argument("rule_id", metavar="ID", type=int)
@config_option
def remove(config_path: Path | None, rule_id: int) -> None:
    """Take the rule ID out of force. Reports that name it go on naming it."""

    async def work(node: Node) -> None:
        await node.write(rules.remove, rule_id)

    run(config_path, work)
    click.echo(f"Rule {rule_id} is gone.")


@command.command()
@click.argument("rule_id", metavar="ID", type=int)
@click.argument("place", type=click.IntRange(min=1))
@config_option
def move(config_path: Path | None, rule_id: int, place: int) -> None:
    """Show the rule ID at PLACE; 1 is the first."""

    async def work(node: Node) -> None:
        await node.write(rules.move, rule_id, place)

    run(config_path, work)
    click.echo(f"Rule {rule_id} is moved.")


@command.command("list")
@config_option
@json_option
def list_(config_path: Path | None, as_json: bool) -> None:
    """The rules in force, in their order."""

    async def work(node: Node) -> list[dict[str, Any]]:
        rows = await node.read(rules.shown)
        return [{"id": row.id, "text": row.text, "hint": row.hint} for row in rows]

    found = run(config_path, work)
    if as_json:
        print_json(found)
        return
    for place, one in enumerate(found, start=1):
        click.echo(f"{place}. {one['text']} (id {one['id']})" + (f": {one['hint']}" if one["hint"] else ""))
    click.echo(f"{len(found)} rules")
