"""`corridor backup`: everything in one file."""

from pathlib import Path

import click
import msgspec

from node import backup
from web.cli.common import config_option, json_option, load, print_json, refuse_missing
from web.cli.progress import shown


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@json_option
def command(config_path: Path | None, as_json: bool, file: Path) -> None:
    """Write the whole node into FILE: database, media, settings and secret key. The node may run meanwhile.

    FILE is a tar, compressed if its name ends in .gz or .tgz; one that is there is replaced when the new one is whole.
    Everything that was answered before the command began is in it. Whoever has the file can act as this node: keep it
    safe, and on another machine. A PostgreSQL database needs pg_dump.

    Example: corridor backup /backup/corridor-$(date +%F).tar.gz
    """
    settings = load(config_path)
    assert config_path is not None  # `load` has said so otherwise
    refuse_missing(settings)
    with shown("Backing up") as progress:
        manifest = backup.create(settings, config_path, file, progress=progress)
    if as_json:
        print_json({"file": str(file), "bytes": file.stat().st_size} | msgspec.to_builtins(manifest))
        return
    number, size = len(manifest.files), file.stat().st_size
    click.echo(f"{file}: {number} files, {size / 1_000_000:.1f} MB. Try it now and then: corridor restore {file}")
