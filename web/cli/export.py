"""`corridor export`: everything in open files."""

from pathlib import Path

import click
import msgspec

from node import exporting
from node.runtime import Node
from web.cli.common import config_option, json_option, print_json, run
from web.cli.progress import shown


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@config_option
@json_option
def command(config_path: Path | None, as_json: bool, folder: Path) -> None:
    """Write everything of this node's people into the empty folder DIR, while the node runs.

    accounts.jsonl, posts.jsonl (which `corridor import` reads), follows.jsonl, and media. Among them is what people wrote
    to few: keep the folder safe. To move a node or to be safe against loss, use `corridor backup`.

    Example: corridor export /tmp/engineering
    """

    async def work(node: Node) -> exporting.Exported:
        with shown("Exporting") as progress:
            return await exporting.run(node, folder, progress)

    done = run(config_path, work)
    if as_json:
        print_json(msgspec.to_builtins(done))
        return
    click.echo(f"{done.accounts} people, {done.posts} posts, {done.follows} follows, {done.media} files in {folder}.")
