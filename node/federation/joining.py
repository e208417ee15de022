"""A node joins its company: an invitation is checked, believed and stored, and the settings say so from then on.

Works beside a running server, which notices the roster by itself. The same again, with a newer invitation, is how an
administrator brings a newer roster by hand.
"""

import os
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from activitypub.errors import Refused, SignatureInvalid
from activitypub.roster import Invitation, Member
from node import config, keyring
from node.config import ConfigError
from node.errors import Conflict, Invalid
from node.federation import company
from node.federation.company import Taken, Verified
from node.runtime import Node, Tx


@dataclass(frozen=True, slots=True)
class Joined:
    """`listed`: whether the roster names this node. `restart`: the running server was started in another mode."""

    company: str
    version: int
    nodes: int
    listed: bool
    new: bool
    restart: bool


def identity_line(tx: Tx) -> str:
    """What the company administrator needs of this node, ready for `corridor roster add`. Makes the key if need be."""
    settings, identity = tx.settings, keyring.ensure_identity(tx)
    return shlex.join(
        ["--domain", settings.node.domain, "--department", settings.node.department, "--identity", identity.multibase]
    )


async def join(node: Node, config_path: Path, invitation: Invitation) -> Joined:
    """Raises Invalid if the roster does not list this node as it is, Conflict if it belongs to another company."""
    before = node.settings
    try:
        taken = await node.write(_take, invitation)
    except SignatureInvalid as error:
        raise Conflict(
            f"this node belongs to the company whose key is {(await node.read(company.trust) or _NOBODY).key}, and this "
            f"invitation is by {invitation.key}. If the company has changed its key, a peer brings the rosters in between "
            "while the node runs. If it is another company, or founded anew, take `key` out of [company] in the settings "
            "and join again"
        ) from error
    await company.refresh(node)
    if taken is Taken.SPLIT:
        raise Refused(company.split(invitation.roster))
    anchor = (await node.read(company.trust) or _NOBODY).anchor
    _write_settings(config_path, {("company", "key"): anchor, ("federation", "mode"): "roster"})
    roster = invitation.roster
    return Joined(
        company=roster.company,
        version=roster.version,
        nodes=len(roster.nodes),
        listed=roster.member(before.node.domain) is not None,
        new=taken is Taken.NEW,
        restart=before.federation.mode != "roster",
    )


_NOBODY = company.Trust("", "nobody's")


def _take(tx: Tx, invitation: Invitation) -> Taken:
    known = company.trust(tx)
    member = invitation.roster.member(tx.settings.node.domain)
    if member is None and known is None:
        raise Invalid(
            f"the roster of {invitation.roster.company} (version {invitation.roster.version}) does not list "
            f"{tx.settings.node.domain}. Send the company's administrator this line:\n  {identity_line(tx)}"
        )
    if member is not None:
        _check_identity(tx, member)
    if known is None or not (tx.settings.company.key or invitation.key in company.believed(tx)):
        company.found_trust(tx, invitation.key)
    taken = company.take(tx, Verified(invitation.roster), "invitation")
    if taken is Taken.NEW:
        tx.enqueue(company.ANNOUNCE_JOB, {}, dedupe=company.ANNOUNCE_JOB)
    return taken


def _check_identity(tx: Tx, member: Member) -> None:
    own = keyring.ensure_identity(tx).multibase
    if member.identity != own:
        raise Invalid(
            f"the roster lists {member.domain} with the identity key {member.identity}, and this node's is {own}. "
            f"Send the company's administrator this line:\n  {identity_line(tx)}"
        )


# --- The settings file --------------------------------------------------------------------------------------------


def _write_settings(path: Path, wanted: Mapping[tuple[str, str], str]) -> None:
    """Set values in the file; everything else, comments too, stays as it is. Raises ConfigError, nothing written."""
    text = before = path.read_text(encoding="utf-8")
    for (section, name), value in wanted.items():
        text = config.with_value(text, section, name, value)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raw = {}
    if any(raw.get(section, {}).get(name) != value for (section, name), value in wanted.items()):
        lines = "; ".join(f'{name} = "{value}" in [{section}]' for (section, name), value in wanted.items())
        raise ConfigError(f"{path} is written in a way that this command does not change: put in by hand {lines}")
    config.parse(raw, home=path.resolve().parent)
    if text == before:
        return
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, path.stat().st_mode & 0o777)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
