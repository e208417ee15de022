"""Making a new node: the folder, the settings file, the secret, the database with the node's own actor and its keys."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from node import accounts, config, keyring
from node.config import ConfigError, Settings
from node.runtime import Node
from node.secrets import create_secret

CONFIG_FILE = "corridor.toml"


@dataclass(frozen=True, slots=True)
class NewNode:
    """What `corridor init` is told. `dev`: any peer and open sign-up, for trying out on one machine.

    `plain`: http on the port of the domain, and everything else as in production: a company that lives on one machine.
    """

    folder: Path
    domain: str
    department: str
    dev: bool = False
    plain: bool = False


def write_files(new: NewNode) -> Settings:
    """Make the folder with settings and secret; the settings as they will be loaded.

    Raises ConfigError, before anything is written, for values that cannot be used or a folder that holds something.
    """
    text = settings_text(new)
    config.parse(_decoded(text), home=new.folder)
    if new.folder.exists() and (not new.folder.is_dir() or any(new.folder.iterdir())):
        raise ConfigError(f"{new.folder} is not an empty folder: nothing was written")
    try:
        new.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = new.folder / CONFIG_FILE
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        create_secret(new.folder)
    except OSError as error:
        raise ConfigError(f"{new.folder}: {error.strerror}") from error
    settings = config.load(path)
    settings.media_dir.mkdir(mode=0o700, exist_ok=True)
    return settings


async def populate(node: Node) -> None:
    """The node's own actor with its keys, and its identity. Idempotent."""
    account_id = await node.write(accounts.create_node_actor)
    await keyring.ensure(node, account_id)
    await node.write(keyring.ensure_identity)


def populate_now(node: Node) -> None:
    asyncio.run(populate(node))


def settings_text(new: NewNode) -> str:
    """The settings file of a new node, with what a person is likely to change, and why."""
    development = new.dev
    plain = new.dev or new.plain
    return f"""\
# Settings of this Corridor node. Every value can be overridden by the environment: CORRIDOR_<SECTION>__<KEY>.
# docs/configuration.md lists them all with their defaults.

[node]
# Host name under which peers and people know this node. It is part of every address and can never change.
domain = {_toml(new.domain)}
department = {_toml(new.department)}
# Name shown in clients; default: the department.
title = ""
description = ""
contact_email = ""
scheme = {_toml("http" if plain else "https")}

[server]
# Behind a reverse proxy that ends TLS, keep loopback.
host = "127.0.0.1"
port = {_port(new.domain) if plain else 8000}

[database]
# "postgresql+psycopg://user:password@host/name" for a large department.
url = "sqlite:///corridor.db"

[federation]
# roster: the company's nodes (`corridor join`). allowlist: only those in `allowlist`. open: any peer. off: nobody.
mode = {_toml("open" if development else "roster")}
allowlist = []
# Peers on this machine's loopback addresses: for development.
allow_loopback = {_toml(development)}
# "host:port" (or "host:*") of peers whose addresses are not global.
private_peers = []

[access]
# none: a visitor sees the sign-in page only. read: also the department's company-wide public posts.
anonymous = "none"

[accounts]
# closed: administrators make accounts. open: anybody who reaches the node may sign up.
registration = {_toml("open" if development else "closed")}

[mail]
transport = {_toml("file" if development else "none")}
file = "mail.txt"

[log]
level = "info"
format = {_toml("text" if plain else "json")}
"""


def _port(domain: str) -> int:
    port = domain.partition(":")[2]
    return int(port) if port.isdigit() and 0 < int(port) < 65536 else 8000


def _toml(value: str | bool) -> str:
    """A TOML literal: JSON's strings and booleans are TOML's too."""
    return msgspec.json.encode(value).decode()


def _decoded(text: str) -> dict[str, object]:
    import tomllib

    return tomllib.loads(text)
