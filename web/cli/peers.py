"""`corridor peers`: other nodes."""

import datetime
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import msgspec

from node.company import Company
from node.diagnosis import span
from node.doctor import Finding, healthy
from node.federation import company, delivery, peers, reach
from node.federation.peers import PeerState
from node.runtime import Node, Tx
from web.cli.common import config_option, json_option, print_json, run
from web.cli.doctor import say


@click.group()
def command() -> None:
    """See, hold, block and test other nodes. Who may be a peer at all is set by federation.mode."""


@command.command("list")
@config_option
@json_option
def list_(config_path: Path | None, as_json: bool) -> None:
    """Peers that this node has dealt with: state, what waits for them and for how long, breaker, last contact and error."""

    async def work(node: Node) -> tuple[list[PeerState], Company, int]:
        await company.refresh(node)
        return await node.read(peers.listing), node.company, node.now()

    found, roster, now = run(config_path, work)
    if as_json:
        print_json([msgspec.to_builtins(peer) | _on_roster(roster, peer.domain) for peer in found])
        return
    for peer in found:
        for line in _lines(peer, now):
            click.echo(line)
        if (member := roster.member(peer.domain)) is not None:
            click.echo(f"  on the roster: {member.department} ({', '.join(member.roles) or 'no roles'})")
    click.echo(f"{len(found)} peers")


@command.command()
@click.argument("domain")
@config_option
def pause(config_path: Path | None, domain: str) -> None:
    """Send DOMAIN nothing until `resume`; what is for it waits. What it sends is taken.

    Whatever waits for longer than federation.delivery_days is set aside; `retry` brings it back.
    """
    state = _change(config_path, peers.pause, domain)
    click.echo(f"{state.domain} is paused; {state.waiting} wait. `corridor peers resume {state.domain}` goes on.")


@command.command()
@click.argument("domain")
@config_option
def drain(config_path: Path | None, domain: str) -> None:
    """Send DOMAIN what waits, and take nothing new for it until `resume`: before it is moved or closed.

    Deletions are still taken, since it has copies. What it sends is taken.
    """
    state = _change(config_path, peers.drain, domain)
    click.echo(f"{state.domain} drains; {state.waiting} wait. `corridor peers resume {state.domain}` ends this.")


@command.command()
@click.argument("domain")
@config_option
def resume(config_path: Path | None, domain: str) -> None:
    """End `pause` or `drain`, and try a DOMAIN that is held back at once."""
    state = _change(config_path, peers.resume, domain)
    click.echo(f"{state.domain} is sent to; {state.waiting} wait.")


@command.command()
@click.argument("domain")
@config_option
def retry(config_path: Path | None, domain: str) -> None:
    """Send what was given up for DOMAIN once more."""

    async def work(node: Node) -> int:
        state = await node.read(peers.state_of, domain)
        return await node.write(delivery.requeue, state.domain)

    click.echo(f"{run(config_path, work)} activities are sent once more.")


@command.command()
@click.argument("domain")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
def purge(config_path: Path | None, domain: str, yes: bool) -> None:
    """Drop what waits for DOMAIN, and what was given up for it, for good. Deletions too: it keeps the copies it has."""

    async def look(node: Node) -> PeerState:
        return await node.read(peers.state_of, domain)

    async def work(node: Node) -> int:
        dropped = 0
        while number := await node.write(peers.purge, domain):
            dropped += number
        return dropped

    state = run(config_path, look)
    if not yes:
        number = state.waiting + state.set_aside
        click.confirm(f"Drop {number} activities for {state.domain}? It will never hear of them", abort=True)
    click.echo(f"{run(config_path, work)} activities for {state.domain} are dropped.")


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


def _change(config_path: Path | None, rule: Callable[[Tx, str], None], domain: str) -> PeerState:
    async def work(node: Node) -> PeerState:
        await node.write(rule, domain)
        return await node.read(peers.state_of, domain)

    return run(config_path, work)


def _on_roster(roster: Company, domain: str) -> dict[str, object]:
    member = roster.member(domain)
    return {"department": member and member.department, "roles": list(member.roles) if member is not None else []}


def _lines(peer: PeerState, now: int) -> Iterator[str]:
    paused = f", paused since {_time(peer.paused_at)}" if peer.paused_at is not None else ""
    yield f"{peer.domain}  {peer.state}{paused}"
    lag = f" for {span(int(peer.lag_seconds * 1000))}" if peer.lag_seconds is not None else ""
    yield f"  waiting {peer.waiting}{lag}, set aside {peer.set_aside}"
    yield f"  sent {_time(peer.last_sent_at)}, heard from {_time(peer.last_received_at)}"
    if peer.failures:
        until = f", next probe {_time(peer.next_attempt_at)}" if (peer.next_attempt_at or 0) > now else ""
        yield f"  breaker {peer.breaker}: {peer.failures} failures since {_time(peer.failing_since)}{until}"
    if peer.last_error:
        status = f" (status {peer.last_status})" if peer.last_status is not None else ""
        yield f"  last error: {peer.last_error}{status}"


def _time(moment: int | None) -> str:
    if moment is None:
        return "never"
    return datetime.datetime.fromtimestamp(moment / 1000, datetime.UTC).isoformat(sep=" ", timespec="seconds")
