"""`corridor token`: access tokens for scripts and tests."""

from pathlib import Path
from typing import Any

import click

from node import accounts, auth
from node.runtime import Node, Tx
from web.cli.common import config_option, json_option, print_json, run


@click.group()
def command() -> None:
    """Make, list and revoke access tokens of people."""


@command.command()
@click.argument("name")
@click.option("--scopes", default="read write follow push", show_default=True, help="What it may be used for.")
@config_option
def create(config_path: Path | None, name: str, scopes: str) -> None:
    """Make a token for NAME and print it alone on standard output. It is stored as a hash: it cannot be shown again.

    Example: curl -H "Authorization: Bearer $(corridor token create anna)" localhost:8000/api/v1/timelines/home
    """

    async def work(node: Node) -> str:
        return await node.write(lambda tx: auth.make_token(tx, accounts.by_handle(tx, name).id, scopes))

    click.echo(run(config_path, work))


@command.command("list")
@click.argument("name")
@config_option
@json_option
def list_(config_path: Path | None, as_json: bool, name: str) -> None:
    """Tokens of NAME that work, the last made first."""

    async def work(node: Node) -> list[dict[str, Any]]:
        return await node.read(_tokens, name)

    tokens = run(config_path, work)
    if as_json:
        print_json(tokens)
        return
    for token in tokens:
        click.echo(f"{token['id']:>8}  {token['app']:32} {token['scopes']}")
    click.echo(f"{len(tokens)} tokens")


@command.command()
@click.argument("token_id", type=int)
@config_option
def revoke(config_path: Path | None, token_id: int) -> None:
    """Make the token with this number (see `token list`) void at once."""

    async def work(node: Node) -> None:
        await node.write(auth.revoke_by_id, token_id)

    run(config_path, work)
    click.echo(f"Token {token_id} is void.")


def _tokens(tx: Tx, name: str) -> list[dict[str, Any]]:
    rows = auth.tokens_of(tx, accounts.by_handle(tx, name).id)
    return [{"id": row.id, "app": row.app_name, "scopes": row.scopes, "created_at": row.created_at} for row in rows]
