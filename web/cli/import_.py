"""`corridor import`: posts that were written elsewhere."""

import gc
from pathlib import Path

import click
import msgspec

from activitypub.errors import Malformed
from activitypub.vocabulary import normal_authority
from node import importing
from node.config import Settings
from node.errors import Invalid
from node.runtime import Node
from web.cli.common import config_option, json_option, load, print_json, run
from web.cli.progress import shown


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--node", "nodes", metavar="NAME", multiple=True, help="Only authors of this department are ours. Repeatable."
)
@click.option(
    "--peer", "peers", metavar="NAME=DOMAIN", multiple=True, help="This department is at that peer. Repeatable."
)
@click.option(
    "--endorsement-lag",
    metavar="DAYS",
    type=click.FloatRange(0, 36_500),
    default=0.0,
    help="Boosts and favourites without a time came so long after the post. Default: with it.",
)
@config_option
@json_option
def command(
    config_path: Path | None,
    as_json: bool,
    file: Path,
    nodes: tuple[str, ...],
    peers: tuple[str, ...],
    endorsement_lag: float,
) -> None:
    """Take posts from FILE: JSON lines, plain or gzip, one post each.

    \b
    {"id": "p1", "author": "anna", "node": "eng", "created_at": "2026-01-31T09:00:00Z", "text": "…",
     "tags": ["pump"], "links": ["https://…"], "boosts": ["tom"], "favourites": [{"by": "eva", "at": "…"}]}

    Makes the accounts, keeps times, replays boosts and favourites, and skips what is there already. People who came with a
    file cannot sign in until `corridor account password` gives them a password. Nobody is notified. Bad lines are named on
    standard error and left out.

    With --node, only the authors of these departments become ours, so that many fold onto few nodes. With --peer, people
    of other departments become accounts of that peer, and those of their posts that ours boosted or favourited come along.

    Example: corridor import posts.jsonl.gz --node pumps --node seals --peer sales=sales.example.com
    """
    settings = load(config_path)
    selection = importing.Selection(frozenset(nodes), _peers(settings, peers))

    gc.freeze()  # what the start made need not be walked by every full pass: 60 to 80 ms, some of them within a transaction

    async def work(node: Node) -> importing.Outcome:
        with shown(f"Importing {file.name}") as progress:
            return await importing.run(node, file, selection, endorsement_lag_days=endorsement_lag, progress=progress)

    outcome = run(config_path, work)
    for number, reason in outcome.bad_lines:
        click.echo(f"corridor: line {number}: {reason}", err=True)
    if outcome.bad > len(outcome.bad_lines):
        click.echo(f"corridor: … and {outcome.bad - len(outcome.bad_lines)} more bad lines", err=True)
    if as_json:
        bad = [{"line": number, "reason": reason} for number, reason in outcome.bad_lines]
        print_json(msgspec.to_builtins(outcome) | {"bad_lines": bad})
    else:
        _say(outcome)


def _peers(settings: Settings, given: tuple[str, ...]) -> dict[str, str]:
    """Departments by name. Raises Invalid for one without a domain, or with ours."""
    peers: dict[str, str] = {}
    for pair in given:
        name, _, domain = pair.rpartition("=")
        try:
            peers[name] = normal_authority(domain, settings.node.scheme)
        except Malformed as error:
            raise Invalid(f"{pair!r} is not NAME=DOMAIN: {error}", "--peer") from error
        if not name:
            raise Invalid(f"{pair!r} is not NAME=DOMAIN", "--peer")
        if peers[name] == settings.node.domain:
            raise Invalid(f"{domain} is this node: use --node {name}", "--peer")
    return peers


def _say(outcome: importing.Outcome) -> None:
    stored = outcome.stored
    click.echo(f"{stored.posts} posts by {outcome.accounts} new people; {stored.there_already} were there already.")
    click.echo(f"{stored.boosts} boosts and {stored.favourites} favourites.")
    if stored.remote_posts or outcome.remote_accounts:
        click.echo(f"{stored.remote_posts} posts and {outcome.remote_accounts} people of peers.")
    if outcome.elsewhere:
        click.echo(f"{outcome.elsewhere} lines are of departments that take no part, or of no interest here.")
    if outcome.unplaced_endorsements:
        click.echo(f"{outcome.unplaced_endorsements} boosts and favourites are by people of no known department.")
    if outcome.bad:
        click.echo(f"{outcome.bad} bad lines were left out.")
