"""`corridor emoji`: custom emoji of this node, and what becomes of those of peers."""

import asyncio
from pathlib import Path
from typing import Any

import click

from node import emoji
from node.imaging import process_image
from node.runtime import Node, Tx
from web.cli.common import config_option, json_option, print_json, run


@click.group()
def command() -> None:
    """Custom emoji: add, remove and list this node's, disable those of peers."""


@command.command()
@click.argument("shortcode")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--category", default=None, help="Under which heading clients offer it.")
@config_option
def add(config_path: Path | None, shortcode: str, file: Path, category: str | None) -> None:
    """Let people write :SHORTCODE: for the picture FILE: PNG, GIF, WebP or AVIF of at most 256 KiB.

    One that is there gets the new picture. Example: corridor emoji add pump pump.png --category Machines
    """

    async def work(node: Node) -> None:
        emoji.check_own(shortcode)
        folder = node.settings.media_dir
        image = await process_image(file, folder, slots=asyncio.Semaphore(1), limits=emoji.IMAGES)
        unused = [image.file, image.preview]
        try:
            await node.write(emoji.add, shortcode, image, category)
            unused = [] if image.animated else [image.preview]
        finally:
            for name in unused:
                (folder / name).unlink(missing_ok=True)

    run(config_path, work)
    click.echo(f":{shortcode}: is there.")


@command.command()
@click.argument("shortcode")
@config_option
def remove(config_path: Path | None, shortcode: str) -> None:
    """Take this node's emoji SHORTCODE away. Posts show its name from then on."""

    async def work(node: Node) -> None:
        await node.write(emoji.remove, shortcode.strip(":"))

    run(config_path, work)
    click.echo(f":{shortcode.strip(':')}: is gone.")


@command.command()
@click.argument("shortcode", metavar="SHORTCODE[@DOMAIN]")
@config_option
def disable(config_path: Path | None, shortcode: str) -> None:
    """Show an emoji no more, this node's or, with @DOMAIN, a peer's."""
    _switch(config_path, shortcode, disabled=True)
    click.echo(f"{shortcode} is not shown any more.")


@command.command()
@click.argument("shortcode", metavar="SHORTCODE[@DOMAIN]")
@config_option
def enable(config_path: Path | None, shortcode: str) -> None:
    """Show an emoji again that was disabled."""
    _switch(config_path, shortcode, disabled=False)
    click.echo(f"{shortcode} is shown again.")


@command.command("list")
@config_option
@json_option
def list_(config_path: Path | None, as_json: bool) -> None:
    """Every emoji that is known here, this node's own first."""

    async def work(node: Node) -> list[dict[str, Any]]:
        return await node.read(_listed)

    found = run(config_path, work)
    if as_json:
        print_json(found)
        return
    for one in found:
        name = one["shortcode"] + (f"@{one['domain']}" if one["domain"] else "")
        click.echo(f"{name:40} {one['category'] or '':20} {one['state']}")
    click.echo(f"{len(found)} emoji")


def _switch(config_path: Path | None, written: str, *, disabled: bool) -> None:
    shortcode, _, domain = written.strip(":").partition("@")

    async def work(node: Node) -> None:
        await node.write(emoji.disable, shortcode, domain.casefold(), disabled=disabled)

    run(config_path, work)


def _listed(tx: Tx) -> list[dict[str, Any]]:
    return [
        {"shortcode": row.shortcode, "domain": row.domain, "category": row.category, "state": _state(row)}
        for row in emoji.everything(tx)
    ]


def _state(row: Any) -> str:
    if row.disabled_at is not None:
        return "disabled"
    if row.file is None:
        return "no picture" if row.failed_at is not None else "being fetched"
    return "shown"
