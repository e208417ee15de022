"""The command `corridor`. Each group of commands is a module of its own, imported when it is used."""

import importlib
import os
import sys
from collections.abc import Sequence

import click

# name: module in web.cli, line for the overview
COMMANDS = {
    "init": ("init", "Make a new node in an empty folder."),
    "serve": ("serve", "Run the node."),
    "migrate": ("migrate", "Bring the database to this release's schema."),
    "doctor": ("doctor", "Check the node and say what is wrong."),
    "backup": ("backup", "Write everything into one file, while the node runs."),
    "restore": ("restore", "Bring a backup back into an empty folder."),
    "account": ("account", "Make, show and change accounts."),
    "token": ("token", "Make and revoke access tokens."),
    "roster": ("roster", "Found a company, say which nodes it has, sign that."),
    "join": ("join", "Join a company with an invitation."),
    "peers": ("peers", "See, block and test other nodes."),
    "keys": ("keys", "See and replace the keys that the node signs with."),
    "group": ("group", "Make and delete groups, and name their moderators."),
    "emoji": ("emoji", "Add and remove custom emoji."),
    "rule": ("rule", "Say what the rules of the department are."),
    "import": ("import_", "Take posts from a file."),
    "export": ("export", "Write everything into open files."),
    "demo": ("demo", "Start a company of three departments on this machine."),
}


class Lazy(click.Group):
    """Imports a command's module only when it is run: `corridor --help` and completion stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"web.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="corridor", prog_name="corridor")
def cli() -> None:
    """Corridor: a federated microblog for companies. One node a department, ActivityPub between them.

    A first look: `corridor demo`. A node of your own: `corridor init DIR --domain D --department NAME`, then
    `corridor account create`, then `corridor serve`. Commands find the node by --config or by CORRIDOR_CONFIG.

    Exit status: 0 done, 1 refused or a fault was found, 2 wrong usage.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line. Errors are one line on standard error; CORRIDOR_DEBUG=1 shows where they come from."""
    from web.cli.errors import explained

    try:
        cli.main(args=arguments, prog_name="corridor", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except click.ClickException as error:
        _fail(error.format_message())
    except Exception as error:
        if os.environ.get("CORRIDOR_DEBUG"):
            raise
        _fail(explained(error))


def _fail(message: str) -> None:
    click.echo(f"corridor: {message}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
