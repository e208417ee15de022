"""`corridor group`: groups of this department."""

from pathlib import Path
from typing import Any

import click

from node import accounts, groups, keyring
from node.errors import Invalid
from node.groups import NewGroup
from node.runtime import Node, Tx
from web.cli.common import config_option, json_option, print_json, run

_PAGE = 200


@click.group()
def command() -> None:
    """Groups of departments and projects: make, list and delete them, and name their moderators."""


@command.command()
@click.argument("name")
@click.option(
    "--moderator", "moderators", multiple=True, required=True, metavar="NAME", help="Who looks after it. Repeatable."
)
@click.option("--display-name", default="", help="Name as people read it.")
@click.option("--note", default="", help="What the group is for.")
@click.option("--moderators-only", is_flag=True, help="Only moderators write to it.")
@click.option("--locked", is_flag=True, help="Moderators let members in.")
@click.option("--hidden", is_flag=True, help="Not in the list of groups.")
@config_option
@json_option
def create(
    config_path: Path | None,
    as_json: bool,
    name: str,
    moderators: tuple[str, ...],
    moderators_only: bool,
    **fields: Any,
) -> None:
    """Make a group NAME. People join by following it.

    Example: corridor group create pumps --moderator anna --display-name "All about pumps"
    """
    new = NewGroup(username=name, posting="moderators" if moderators_only else "members", **fields)

    def make(tx: Tx) -> int:
        return groups.create(tx, new, moderator_ids=[_person(tx, one) for one in moderators])

    async def work(node: Node) -> dict[str, Any]:
        group_id = await node.write(make)
        await keyring.ensure(node, group_id)
        return await node.read(_described, group_id)

    made = run(config_path, work)
    if as_json:
        print_json(made)
        return
    click.echo(f"Made the group @{made['name']}, moderated by {', '.join(made['moderators'])}.")


@command.command("list")
@config_option
@json_option
def list_(config_path: Path | None, as_json: bool) -> None:
    """All groups of this department, hidden ones too."""

    async def work(node: Node) -> list[dict[str, Any]]:
        return await node.read(_all)

    found = run(config_path, work)
    if as_json:
        print_json(found)
        return
    for one in found:
        marks = [word for word in ("locked", "hidden") if one[word]]
        state = f" ({', '.join(marks)})" if marks else ""
        who = " ".join(one["moderators"]) or "nobody"
        click.echo(f"@{one['name']:20} {one['members']:5} members  moderated by {who}{state}  {one['display_name']}")
    click.echo(f"{len(found)} groups")


@command.command()
@click.argument("name")
@click.argument("person")
@click.option("--remove", is_flag=True, help="Take it back.")
@config_option
def moderator(config_path: Path | None, name: str, person: str, remove: bool) -> None:
    """Make PERSON a moderator of the group NAME."""

    def change(tx: Tx) -> None:
        rule = groups.remove_moderator if remove else groups.add_moderator
        rule(tx, _group(tx, name), _person(tx, person))

    async def work(node: Node) -> None:
        await node.write(change)

    run(config_path, work)
    click.echo(f"{person} {'no longer moderates' if remove else 'moderates'} @{name}.")


@command.command()
@click.argument("name")
@click.option("--yes", is_flag=True, required=True, help="There is no way back: the name is never given again.")
@config_option
def delete(config_path: Path | None, name: str, yes: bool) -> None:
    """Delete the group NAME for good. What its members wrote stays."""

    async def work(node: Node) -> None:
        await node.write(lambda tx: groups.delete(tx, _group(tx, name)))

    run(config_path, work)
    click.echo(f"The group @{name} is deleted.")


def _group(tx: Tx, name: str) -> int:
    row = accounts.by_handle(tx, name)
    if row.domain is not None or row.actor_type != "Group":
        raise Invalid(f"@{name} is no group of this department")
    return int(row.id)


def _person(tx: Tx, name: str) -> int:
    return int(accounts.by_handle(tx, name).id)


def _all(tx: Tx) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    last = 0
    while ids := groups.local_ids(tx, after_id=last, limit=_PAGE):
        found += [_described(tx, id_) for id_ in ids]
        last = ids[-1]
    return found


def _described(tx: Tx, group_id: int) -> dict[str, Any]:
    row = groups.get(tx, group_id)
    return {
        "id": str(row.id),
        "name": row.username,
        "display_name": row.display_name,
        "posting": row.posting,
        "locked": row.locked,
        "hidden": row.hidden,
        "members": row.followers_count,
        "moderators": [accounts.get(tx, one).username for one in groups.moderators(tx, row.id)],
    }
