"""`corridor account`: make, show and change accounts."""

import datetime
import sys
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import UNSET

from node import accounts, keyring, passwords
from node.errors import Invalid
from node.runtime import Node, Tx
from web.cli.common import config_option, json_option, print_json, run

ROLE = click.Choice(sorted(accounts.ROLES))
_EPOCH = datetime.date(1970, 1, 1)
_DAY_MS = 86_400_000
_password_option = click.option(
    "--password", required=True, help="The password, or - to read it from standard input (other users see arguments)."
)


@click.group()
def command() -> None:
    """Make, show and change accounts of this department."""


@command.command()
@click.argument("name")
@click.option("--email", required=True, help="E-mail address; also good for signing in.")
@_password_option
@click.option("--role", "roles", type=ROLE, multiple=True, default=("employee",), show_default=True, help="Repeatable.")
@click.option("--display-name", default="", help="Name as people read it.")
@click.option("--title", help="What the person does, as on a business card.")
@click.option("--department", help="Default: the node's department.")
@click.option("--manager", metavar="NAME", help="The manager's account: name, or name@domain of another department.")
@click.option("--executive", is_flag=True, help="One of the people who lead the company.")
@config_option
@json_option
def create(config_path: Path | None, as_json: bool, name: str, password: str, **fields: Any) -> None:
    """Make an account NAME that can sign in at once.

    Example: corridor account create anna --email anna@example.com --password - --title "Pump engineer"
    """

    async def work(node: Node) -> dict[str, Any]:
        chosen = _password(password)
        passwords.refuse_weak(chosen, minimum=node.settings.accounts.password_min_length)
        new = accounts.NewAccount(username=name, password_hash=await passwords.hash(chosen), **fields)
        account_id = await node.write(accounts.create, new)
        await keyring.ensure(node, account_id)
        return await node.read(_described, account_id)

    _say(run(config_path, work), as_json, "Made")


@command.command("list")
@config_option
@json_option
def list_(config_path: Path | None, as_json: bool) -> None:
    """All people of this department."""

    async def work(node: Node) -> list[dict[str, Any]]:
        return await node.read(_everybody)

    people = run(config_path, work)
    if as_json:
        print_json(people)
        return
    for person in people:
        state = " (disabled)" if person["disabled_at"] else " (suspended)" if person["suspended_at"] else ""
        click.echo(
            f"{person['name']:20} {person['email']:32} {' '.join(person['roles']):20} {person['title'] or ''}{state}"
        )
    click.echo(f"{len(people)} people")


@command.command()
@click.argument("name")
@config_option
@json_option
def show(config_path: Path | None, as_json: bool, name: str) -> None:
    """What is known of NAME."""

    async def work(node: Node) -> dict[str, Any]:
        return await node.read(_named, name)

    _say(run(config_path, work), as_json, "Account")


@command.command()
@click.argument("name")
@click.option("--title", help='What the person does; "" clears.')
@click.option("--department", help='Department, when it is not the node\'s; "" clears.')
@click.option("--manager", metavar="NAME", help='The manager\'s account; "" clears.')
@click.option("--executive/--no-executive", default=None, help="One of the people who lead the company.")
@click.option("--away-until", metavar="DATE", help='Last day away, YYYY-MM-DD (UTC); "" clears.')
@click.option("--role", "roles", type=ROLE, multiple=True, help="All roles from now on. Repeatable.")
@config_option
@json_option
def edit(config_path: Path | None, as_json: bool, name: str, roles: tuple[str, ...], **fields: Any) -> None:
    """Change what the administration says about NAME. What is not named stays.

    Example: corridor account edit anna --manager carla --away-until 2026-12-24
    """
    changes = accounts.WorkChanges(**{key: _change(key, value) for key, value in fields.items() if value is not None})

    async def work(node: Node) -> dict[str, Any]:
        return await node.write(_edit, name, changes, roles)

    _say(run(config_path, work), as_json, "Changed")


@command.command()
@click.argument("name")
@_password_option
@config_option
def password(config_path: Path | None, name: str, password: str) -> None:
    """Set a new password for NAME; signs the person out everywhere."""

    async def work(node: Node) -> None:
        chosen = _password(password)
        passwords.refuse_weak(chosen, minimum=node.settings.accounts.password_min_length)
        hashed = await passwords.hash(chosen)
        await node.write(lambda tx: accounts.set_password(tx, _id(tx, name), hashed))

    run(config_path, work)
    click.echo(f"{name} has a new password and is signed out everywhere.")


@command.command()
@click.argument("name")
@config_option
def disable(config_path: Path | None, name: str) -> None:
    """Keep NAME from signing in; posts stay."""

    async def work(node: Node) -> None:
        await node.write(lambda tx: accounts.disable(tx, _id(tx, name)))

    run(config_path, work)
    click.echo(f"{name} is disabled and signed out. `corridor account enable {name}` undoes this.")


@command.command()
@click.argument("name")
@config_option
def enable(config_path: Path | None, name: str) -> None:
    """Let NAME sign in again."""

    async def work(node: Node) -> None:
        await node.write(lambda tx: accounts.enable(tx, _id(tx, name)))

    run(config_path, work)
    click.echo(f"{name} can sign in.")


def _password(given: str) -> str:
    return sys.stdin.readline().rstrip("\n") if given == "-" else given


def _change(key: str, value: Any) -> Any:
    if key == "away_until":
        return _end_of(value)
    return value if value != "" else None


def _end_of(day: str) -> int | None:
    """The end of that day, ms UTC. Raises Invalid for what is no date, or none that can be stored and shown."""
    if not day:
        return None
    try:
        days = (datetime.date.fromisoformat(day) - _EPOCH).days
    except ValueError as error:
        raise Invalid(f"{day!r} is no date up to 9999-12-31; write YYYY-MM-DD", "away-until") from error
    if days < 0:
        raise Invalid(f"{day} is before 1970", "away-until")
    return (days + 1) * _DAY_MS - 1  # in whole numbers: a float rounds the last day of all into the year 10000


def _id(tx: Tx, name: str) -> int:
    return int(accounts.by_handle(tx, name).id)


def _edit(tx: Tx, name: str, changes: accounts.WorkChanges, roles: tuple[str, ...]) -> dict[str, Any]:
    account_id = _id(tx, name)
    if any(value is not UNSET for value in msgspec.structs.asdict(changes).values()):
        accounts.set_work(tx, account_id, changes)
    if roles:
        accounts.set_roles(tx, account_id, roles)
    return _described(tx, account_id)


def _named(tx: Tx, name: str) -> dict[str, Any]:
    return _described(tx, _id(tx, name))


def _everybody(tx: Tx) -> list[dict[str, Any]]:
    people: list[dict[str, Any]] = []
    while page := accounts.local_people(tx, limit=500, after_id=int(people[-1]["id"]) if people else 0):
        people += [_line(row) for row in page]
    return people


def _described(tx: Tx, account_id: int) -> dict[str, Any]:
    return _line(accounts.local_people(tx, limit=1, after_id=account_id - 1)[0])


def _line(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "name": row.username,
        "email": row.email,
        "roles": list(row.roles),
        "display_name": row.display_name,
        "title": row.title,
        "department": row.department,
        "manager": row.manager_iri,
        "executive": row.executive,
        "away_until": _day(row.away_until),
        "disabled_at": _day(row.disabled_at),
        "suspended_at": _day(row.suspended_at),
        "posts": row.posts_count,
        "followers": row.followers_count,
        "address": row.iri,
    }


def _day(moment: int | None) -> str | None:
    if moment is None:
        return None
    return datetime.datetime.fromtimestamp(moment / 1000, datetime.UTC).isoformat(timespec="seconds")


def _say(person: dict[str, Any], as_json: bool, word: str) -> None:
    if as_json:
        print_json(person)
        return
    click.echo(f"{word} {person['name']} ({person['address']})")
    for key in ("email", "roles", "display_name", "title", "department", "manager", "executive", "away_until"):
        value = person[key]
        if value:
            click.echo(f"  {key.replace('_', ' '):14} {', '.join(value) if isinstance(value, list) else value}")
