"""`corridor roster`: the company administrator's list of nodes, and its signature."""

import datetime
import os
import sys
import time
from pathlib import Path

import click
import msgspec

from activitypub import roster as rosters
from activitypub.errors import ProtocolError
from activitypub.roster import MEMBER, Member, Roster
from node import founding
from node.errors import Invalid
from node.federation import joining
from node.founding import Signed
from node.runtime import Node
from web.cli.common import config_option, json_option, print_json, run

PASSPHRASE = "CORRIDOR_COMPANY_PASSPHRASE"

folder_option = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(),
    envvar="CORRIDOR_COMPANY_DIR",
    help="The company's folder. Default: the current one, or $CORRIDOR_COMPANY_DIR.",
)


@click.group()
def command() -> None:
    """Found a company and say which nodes it has. Needs no node: the folder is best kept off the machines that serve.

    A first company: `roster init DIR --company NAME`, then `roster add` with the line that each node's `corridor init`
    printed, then `roster sign`, then `corridor join` on each node with the invitation that was printed for it.
    """


@command.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--company", required=True, help="Name of the company.")
@click.option("--days", type=int, default=founding.DAYS, show_default=True, help="How long a signed roster is valid.")
@json_option
def init(folder: Path, company: str, days: int, as_json: bool) -> None:
    """Found a company in DIR: make its key, which signs the roster. A passphrase for it is asked for.

    Without a terminal the passphrase is read from CORRIDOR_COMPANY_PASSPHRASE; without that the key is not encrypted.
    """
    passphrase = _new_passphrase()
    draft = founding.found(folder, company, days=days, passphrase=passphrase)
    if as_json:
        print_json({"company": draft.company, "key": draft.key, "dir": str(folder)})
        return
    click.echo(f"Founded {draft.company} in {folder}; its key is {draft.key}.")
    if not passphrase:
        click.echo("The key is not encrypted: whoever reads this folder can say which nodes are the company.")
    click.echo("Keep a copy of the folder in a safe place. Next, for each node, with the line that it printed:")
    click.echo(f"  corridor roster add --dir {folder} --domain D --department NAME --identity KEY")


@command.command()
@click.option("--domain", required=True, help="Host name of the node, with a port if it is not 443.")
@click.option("--department", required=True, help="Name of the department.")
@click.option(
    "--identity", "identity_key", required=True, help="The node's identity key, as `corridor init` printed it."
)
@click.option(
    "--role", "roles", multiple=True, help="What the node is: member (default), communications, bridge. Repeatable."
)
@folder_option
def add(folder: Path, domain: str, department: str, identity_key: str, roles: tuple[str, ...]) -> None:
    """Put a node on the list, or change its line. It counts once the list is signed."""
    member = Member(domain.strip().lower(), department.strip(), identity_key.strip(), roles or (MEMBER,))
    new = founding.add(folder, member)
    click.echo(f"{member.domain} is {'on the list' if new else 'changed'}. `corridor roster sign` makes it count.")


@command.command()
@click.argument("domain")
@folder_option
def remove(folder: Path, domain: str) -> None:
    """Take a node off the list. It counts once the list is signed and a node has the new roster."""
    founding.remove(folder, domain.strip().lower())
    click.echo(f"{domain} is off the list. `corridor roster sign` makes it count.")


@command.command()
@click.option(
    "--days", type=int, default=None, help="How long this roster is valid. Default: as `roster init` was told."
)
@click.option(
    "--next-key", is_flag=True, help="Make a new company key: it signs the next roster, and this one names it."
)
@folder_option
@json_option
def sign(folder: Path, days: int | None, next_key: bool, as_json: bool) -> None:
    """Sign the list as the next version: writes roster.json and invitation.txt, prints an invitation for each new node."""
    signed = founding.sign(folder, now=int(time.time() * 1000), passphrase=_passphrase, days=days, next_key=next_key)
    if as_json:
        invitations = dict.fromkeys(signed.came, signed.invitation)
        print_json({**_described(signed.roster), "removed": list(signed.went), "invitations": invitations})
    else:
        _say_signed(signed, folder)


def _say_signed(signed: Signed, folder: Path) -> None:
    roster = signed.roster
    click.echo(
        f"Signed version {roster.version} of {roster.company}: {_nodes(roster)}, valid until {_day(roster.expires)}."
    )
    for domain in signed.went:
        click.echo(f"{domain} was removed.")
    if roster.next_key is not None:
        click.echo(
            f"The next roster will be signed with the new key {roster.next_key}. Let this one reach all nodes first."
        )
    if signed.retired is not None:
        click.echo(f"The old key counts no more: delete {founding.key_file(folder, signed.retired)}.")
    for domain in signed.came:
        click.echo(f"\nFor the administrator of {domain}:\n\n  corridor join {signed.invitation}")
    if not signed.came or roster.version > 1:
        line = f"corridor join {folder / founding.INVITATION_FILE}"
        click.echo(
            f"\nThe other nodes have it from any one that is given it: `{line}` there, or the line in that file."
        )


@command.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@folder_option
@json_option
def show(folder: Path, file: Path | None, as_json: bool) -> None:
    """Check and show a roster: FILE, or the one that was signed last."""
    path = file or folder / founding.ROSTER_FILE
    try:
        roster = rosters.parse(path.read_bytes())
        rosters.verify(roster, roster.signer)
    except ProtocolError as error:
        raise Invalid(f"{path}: {error}") from error
    if as_json:
        print_json(_described(roster))
        return
    click.echo(f"{roster.company}, version {roster.version}, issued {_day(roster.issued)}, ", nl=False)
    click.echo(f"{'EXPIRED' if roster.expires <= time.time() * 1000 else 'valid until'} {_day(roster.expires)}")
    click.echo(f"signed by {roster.signer}" + (f", next by {roster.next_key}" if roster.next_key else ""))
    for one in roster.nodes:
        click.echo(f"  {one.domain}  {one.department}  {', '.join(one.roles)}  {one.identity}")


@command.command()
@config_option
@json_option
def identity(config_path: Path | None, as_json: bool) -> None:
    """The line about this node that the company's administrator needs for `corridor roster add`."""

    async def work(node: Node) -> str:
        return await node.write(joining.identity_line)

    line = run(config_path, work)
    if as_json:
        print_json({"line": line})
        return
    click.echo(line)


def _described(roster: Roster) -> dict[str, object]:
    return {
        "company": roster.company,
        "version": roster.version,
        "issued": roster.issued,
        "expires": roster.expires,
        "key": roster.signer,
        "next_key": roster.next_key,
        "nodes": [msgspec.to_builtins(one) for one in roster.nodes],
    }


def _new_passphrase() -> str:
    if (given := os.environ.get(PASSPHRASE)) is not None:
        return given
    if not sys.stdin.isatty():
        return ""
    answer: str = click.prompt(
        "Passphrase for the company's key (empty: none)",
        hide_input=True,
        confirmation_prompt=True,
        default="",
        show_default=False,
    )
    return answer


def _passphrase() -> str:
    if (given := os.environ.get(PASSPHRASE)) is not None:
        return given
    if not sys.stdin.isatty():
        raise Invalid(f"the company's key is encrypted: set {PASSPHRASE}")
    answer: str = click.prompt("Passphrase of the company's key", hide_input=True)
    return answer


def _nodes(roster: Roster) -> str:
    return "1 node" if len(roster.nodes) == 1 else f"{len(roster.nodes)} nodes"


def _day(moment: int) -> str:
    return datetime.datetime.fromtimestamp(moment / 1000, datetime.UTC).isoformat(sep=" ", timespec="minutes")
