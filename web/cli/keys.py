"""`corridor keys`: the keys that this node and its people sign with."""

import asyncio
import datetime
from pathlib import Path

import click
import msgspec

from node import accounts, keyring
from node.keyring import Listed
from node.runtime import Node
from web.cli.common import config_option, json_option, print_json, run


@click.group()
def command() -> None:
    """See and replace the keys that this node and its people sign with. docs/keys.md tells when."""


@command.command("list")
@click.argument("name", required=False)
@click.option("--all", "everybody", is_flag=True, help="Of everybody, not the node's own only.")
@config_option
@json_option
def list_(config_path: Path | None, as_json: bool, name: str | None, everybody: bool) -> None:
    """Keys of the account NAME, or of the node itself: its identity and those that it works with, old ones too.

    Example: corridor keys list anna
    """

    async def work(node: Node) -> list[Listed]:
        return await node.read(keyring.listing, None if everybody else await _account(node, name))

    found = run(config_path, work)
    if as_json:
        print_json([msgspec.to_builtins(key) for key in found])
        return
    for key in found:
        until = "in use" if key.revoked_at is None else f"replaced {_time(key.revoked_at)}"
        click.echo(f"{key.iri}\n  {key.kind}, made {_time(key.created_at)}, {until}")
        if key.kind == keyring.IDENTITY:
            click.echo(f"  {key.public}")
    click.echo(f"{len(found)} keys")


@command.command()
@click.argument("name", required=False)
@click.option("--node", "own", is_flag=True, help="The keys of the node itself.")
@click.option("--all", "everybody", is_flag=True, help="The keys of the node and of everybody on it.")
@click.option("--identity", is_flag=True, help="The node's identity. Peers believe it only once a new roster names it.")
@click.option("--yes", is_flag=True, help="With --identity: I know what this means.")
@config_option
def rotate(config_path: Path | None, name: str | None, own: bool, everybody: bool, identity: bool, yes: bool) -> None:
    """Replace the keys of NAME, of the node itself, or of everybody. The node may be running; nothing on its way is lost.

    Peers hear of it at once, and stop believing the old keys when they do.

    Example: corridor keys rotate --node
    """
    if [name is not None, own, everybody, identity].count(True) != 1:
        raise click.UsageError("Whose? Give one of NAME, --node, --all, --identity.")
    if identity:
        _rotate_identity(config_path, yes)
        return

    async def work(node: Node) -> int:
        if everybody:
            ids = await node.read(keyring.holders)
        else:
            ids = [await _account(node, name)]
        for account_id in ids:
            pairs = await asyncio.to_thread(keyring.generate)
            await node.write(keyring.rotate, account_id, pairs)
        return len(ids)

    count = run(config_path, work)
    click.echo(f"New keys for {count} account{'' if count == 1 else 's'}. The old ones are gone.")


def _rotate_identity(config_path: Path | None, yes: bool) -> None:
    if not yes:
        raise click.ClickException(
            "peers take a new identity only from a new roster. Until the company's administrator has signed one and it has "
            "reached them, they believe no new keys and no new people of this node. If that is what you want, give --yes"
        )

    async def work(node: Node) -> str:
        return (await node.write(keyring.new_identity)).multibase

    multibase = run(config_path, work)
    click.echo(f"The node's new identity: {multibase}")
    click.echo("Send it to the company's administrator, who puts it on the roster:")
    click.echo(
        "  corridor roster remove DOMAIN, corridor roster add --domain DOMAIN … --identity KEY, corridor roster sign"
    )


async def _account(node: Node, name: str | None) -> int:
    if name is None:
        return int((await node.read(accounts.node_actor)).id)
    return int((await node.read(accounts.by_handle, name)).id)


def _time(moment: int) -> str:
    return datetime.datetime.fromtimestamp(moment / 1000, datetime.UTC).isoformat(sep=" ", timespec="seconds")
