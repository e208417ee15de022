"""The demo's company: a key of its own, a roster of the three nodes signed with it, and each node that joins by it.

What an administrator does with `corridor roster` and `corridor join`, by the same functions.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import click

from activitypub import roster as rosters
from activitypub.errors import ProtocolError
from activitypub.roster import Member, Roster
from node import config, founding, keyring
from node.assembly import open_node
from node.config import ConfigError
from node.errors import NodeError
from node.federation import joining
from web.demo import company
from web.demo.nodes import DemoNode

FOLDER = "company"
_RENEW_MS = 30 * founding.DAY_MS
"""A demo that is started again later than this before the end of its roster signs a new one."""


async def unite(folder: Path, nodes: Sequence[DemoNode]) -> None:
    """Have the nodes be one company by a roster that is in force. Again, it does what is missing.

    `folder` is the demo's. Raises ClickException.
    """
    home = folder / FOLDER
    try:
        members = [await _member(node) for node in nodes]
        roster = await asyncio.to_thread(signed, home, members)
        invitation = rosters.parse_invitation(rosters.invitation(roster))
        for node in nodes:
            opened = open_node(config.load(node.config))
            try:
                await joining.join(opened, node.config, invitation)
            finally:
                opened.close()
    except (NodeError, ProtocolError, ConfigError) as error:
        raise click.ClickException(f"{home}: {error}; `corridor demo --reset` begins anew") from error


async def _member(node: DemoNode) -> Member:
    """The node's line on the roster."""
    opened = open_node(config.load(node.config))
    try:
        identity = await opened.write(keyring.ensure_identity)
    finally:
        opened.close()
    return Member(node.domain, node.department.name, identity.multibase, node.department.roles)


def signed(home: Path, members: Sequence[Member]) -> Roster:
    """The company's roster with exactly these members: the one signed last if it still holds, else a new one."""
    now = int(time.time() * 1000)
    if not (home / founding.COMPANY_FILE).exists():
        founding.found(home, company.NAME)
    last = founding.last_signed(home)
    if last is not None and set(last.nodes) == set(members) and last.expires > now + _RENEW_MS:
        return last
    for member in members:
        founding.add(home, member)
    return founding.sign(home, now=now, passphrase=lambda: "").roster
