"""`corridor join`: this node becomes one of the company."""

import sys
from pathlib import Path

import click
import msgspec

from activitypub import roster as rosters
from activitypub.roster import INVITATION
from node.config import ConfigError
from node.federation import joining
from node.federation.joining import Joined
from node.runtime import Node
from web.cli.common import config_option, json_option, print_json, run

MOST = 4 * rosters.MAX_BYTES


@click.command()
@click.argument("invitation")
@config_option
@json_option
def command(config_path: Path | None, as_json: bool, invitation: str) -> None:
    """Join a company with the INVITATION that its administrator sent: the line, a file with it, or - for standard input.

    Works beside the running server. Again, with a newer invitation, it brings a newer roster: this node, and through it all
    others.

    Example: corridor join corridor-join:3f…
    """
    found = rosters.parse_invitation(_read(invitation))

    async def work(node: Node) -> Joined:
        assert config_path is not None  # `run` has said so
        return await joining.join(node, config_path, found)

    joined = run(config_path, work)
    if as_json:
        print_json(msgspec.to_builtins(joined))
        return
    click.echo(_said(joined))
    if joined.restart:
        click.echo('federation.mode is now "roster": restart the server, if it runs.')


def _said(joined: Joined) -> str:
    if not joined.listed:
        return f"Version {joined.version} of {joined.company}'s roster does not list this node: it has no peers now."
    if not joined.new:
        return f"Nothing new: this node has version {joined.version} of {joined.company}'s roster, or a newer one."
    others = "1 node" if joined.nodes == 1 else f"{joined.nodes} nodes"
    return f"This node is one of {joined.company}: version {joined.version} of the roster, {others}."


def _read(said: str) -> str:
    """The line itself, wherever it is. A line of many hundred nodes is longer than an argument may be."""
    if said == "-":
        return sys.stdin.read(MOST)
    if said.lstrip().startswith(INVITATION):
        return said
    try:
        with Path(said).open(encoding="utf-8") as file:
            return file.read(MOST)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{said[:100]!r} is neither an invitation ({INVITATION}…) nor a file that holds one"
        ) from error
