"""`corridor restore`: a backup, in an empty folder."""

import datetime
from pathlib import Path

import click

import migrations
from node import restoring
from node.config import ConfigError
from web.cli.common import config_option, json_option, print_json
from web.cli.progress import shown


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--database-url", metavar="URL", help="Another database than the settings in the backup name.")
@config_option
@json_option
def command(config_path: Path | None, as_json: bool, file: Path, database_url: str | None) -> None:
    """Bring the backup FILE back into the folder of --config, which must be empty or not there.

    The whole file is checked first; nothing is replaced, and a restore that fails leaves nothing. A PostgreSQL database must
    be empty, and needs pg_restore. Never run the old node and the restored one at the same time: both would speak under
    one name.

    Example: corridor restore corridor.tar.gz --config /srv/corridor/corridor.toml
    """
    if config_path is None:
        raise ConfigError("where to? Give --config DIR/corridor.toml or set CORRIDOR_CONFIG")
    with shown("Restoring") as progress:
        manifest, settings = restoring.restore(
            file, config_path, database_url=database_url, progress=progress, say=_say
        )
    behind = migrations.current(settings) != migrations.head()
    made = datetime.datetime.fromtimestamp(manifest.created_at / 1000, datetime.UTC).isoformat(timespec="seconds")
    if as_json:
        print_json({"config": str(config_path), "domain": manifest.domain, "created_at": made, "migrate": behind})
        return
    click.echo(f"{manifest.domain} as of {made} is back in {config_path.parent}.")
    click.echo("Next:")
    if behind:
        click.echo(f"  corridor migrate --config {config_path}")
    click.echo(f"  corridor doctor --config {config_path}")
    click.echo(f"  corridor serve --config {config_path}")


def _say(line: str) -> None:
    click.echo(f"corridor: {line}", err=True)
