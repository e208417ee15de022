"""`corridor peers`: other nodes."""

import datetime
import sys
from pathlib import Path

import click
import msgspec

from node.doctor import Finding, healthy
from node.federation import peers, reach
from node.runtime import Node
from web.cli.common import config_option, json_option, print_json, run
from web.cli.doctor import say


@click.group()
def command() -> None:
    """See, block and test other nodes. Who may be a peer at all is set by federation.mode."""


@command.command("list")
@config_option
@json_option
def list_(config_path: Path | None, as_json: bool) -> None:
    """Peers that this node has dealt with: state, what waits for them, last contact, last error."""

    async def work(node: Node) -> list[peers.PeerState]:
        return await node.read(peers.listing)

    found = run(config_path, work)
    if as_json:
        print_json([msgspec.to_builtins(peer) for peer in found])
        return
    for peer in found:
        broken = f", held back after {peer.failures} failures" if peer.failures and peer.next_attempt_at else ""
        click.echo(f"{peer.domain}  {peer.state}{broken}")
        click.echo(f"  waiting {peer.waiting}, set aside {peer.set_aside}, sent {_time(peer.last_sent_at)}, ", nl=False)
        click.echo(f"heard from {_time(peer.last_received_at)}")
        if peer.last_error:
            click.echo(f"  last error: {peer.last_error}")
    click.echo(f"{len(found)} peers")


@command.command()
@click.argument("domain")
@config_option
def block(config_path: Path | None, domain: str) -> None:
    """Take nothing from DOMAIN and send it nothing; what waits for it is dropped."""

    async def work(node: Node) -> None:
        await node.write(peers.block, domain)

    run(config_path, work)
    click.echo(f"{domain} is blocked. `corridor peers unblock {domain}` undoes this.")


@command.command()
@click.argument("domain")
@config_option
def unblock(config_path: Path | None, domain: str) -> None:
    """Deal with DOMAIN again."""

    async def work(node: Node) -> None:
        await node.write(peers.unblock, domain)

    run(config_path, work)
    click.echo(f"{domain} is not blocked any more.")


@command.command()
@click.argument("domain")
@config_option
@json_option
def test(config_path: Path | None, as_json: bool, domain: str) -> None:
    """Talk to DOMAIN as this node would: is it allowed, can it be reached, do clocks agree, does it take our signature.

    The status is 1 if something is wrong. For the last step DOMAIN fetches our key, so this node must be running.

    Example: corridor peers test sales.example.com
    """

    async def work(node: Node) -> list[Finding]:
        return await reach.test(node, domain)

    findings = run(config_path, work)
    sound = healthy(findings)
    if as_json:
        print_json({"healthy": sound, "checks": [msgspec.to_builtins(finding) for finding in findings]})
    else:
        for finding in findings:
            say(finding)
    sys.exit(0 if sound else 1)


def _time(moment: int | None) -> str:
    if moment is None:
        return "never"
    return datetime.datetime.fromtimestamp(moment / 1000, datetime.UTC).isoformat(sep=" ", timespec="seconds")
