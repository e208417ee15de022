"""`corridor doctor`: what is wrong with this node."""

import asyncio
import sys
from pathlib import Path

import click
import msgspec
from sqlalchemy.exc import SQLAlchemyError

import migrations
from migrations import SchemaError
from node import diagnosis, doctor
from node.assembly import open_node
from node.config import ConfigError, Settings
from node.doctor import Finding, State
from node.federation import checkup, reach
from node.runtime import Node
from node.secrets import SecretError
from web.cli.common import config_option, json_option, load, print_json, refuse_missing

_COLOURS = {State.OK: "green", State.WARN: "yellow", State.FAULT: "red"}


@click.command()
@click.option("--repair", is_flag=True, help="Put right what can be: posts that search does not find.")
@config_option
@json_option
def command(config_path: Path | None, as_json: bool, repair: bool) -> None:
    """Check settings, files, peers, keys, schema, database, clock, disk and backups; say what to do about faults.

    A line each: ok, warn (it works, but look at it) or FAULT. The status is 1 if there is a fault. The node may run
    meanwhile; the check of the database file reads all of it.

    Example: corridor doctor --json | jq '.checks[] | select(.state != "ok")'
    """
    findings = _examined(config_path, repair)
    sound = doctor.healthy(findings)
    if as_json:
        print_json({"healthy": sound, "checks": [msgspec.to_builtins(finding) for finding in findings]})
    else:
        for finding in findings:
            say(finding)
        click.echo("The node is healthy." if sound else "The node is not healthy.")
    sys.exit(0 if sound else 1)


def _examined(config_path: Path | None, repair: bool) -> list[Finding]:
    if config_path is None:
        load(config_path)
    assert config_path is not None  # `load` has said so
    try:
        settings = load(config_path)
    except ConfigError as error:
        return [doctor.fault("settings", str(error), "put the settings right; docs/configuration.md lists them all")]
    return [
        *doctor.of_folder(settings, config_path),
        *asyncio.run(reach.of_allowlist(settings)),
        *_of_database(settings, repair),
    ]


def _of_database(settings: Settings, repair: bool) -> list[Finding]:
    schema = _schema(settings)
    if schema.state is State.FAULT:
        return [schema]  # what a schema that is not ours says would mean nothing
    try:
        node = open_node(settings)
    except SecretError:
        return [schema]  # said already
    try:
        if repair:
            number = asyncio.run(diagnosis.repair(node))
            click.echo(f"{number} posts were added to the search index.", err=True)
        return [schema, *asyncio.run(_examined_database(node))]
    finally:
        node.close()


async def _examined_database(node: Node) -> list[Finding]:
    return await diagnosis.examine(node, also=[checkup.of_company])


def _schema(settings: Settings) -> Finding:
    try:
        refuse_missing(settings)
        migrations.check(settings)
    except click.ClickException as error:
        return doctor.fault("schema", error.message, "bring the file back, or restore the last backup")
    except SchemaError as error:
        return doctor.fault("schema", str(error), "run `corridor migrate`, after a backup; or run the newer release")
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", error)
        if diagnosis.is_damage(error):
            return diagnosis.damaged(str(reason))
        return doctor.fault("database", f"it cannot be read: {reason}", "is it running? Is database.url right?")
    return doctor.ok("schema", f"at revision {migrations.head()}, as this release needs")


def say(finding: Finding) -> None:
    """A finding as a line, and another with what to do."""
    word = finding.state.value if finding.state is not State.FAULT else "FAULT"
    click.echo(f"{click.style(f'{word:5}', fg=_COLOURS[finding.state])}  {finding.check}: {finding.message}")
    if finding.advice:
        click.echo(f"       {finding.advice}")
