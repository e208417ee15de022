"""Whether accounts and peers are gone for good, when their inboxes say that there is nobody (protocol R84)."""

from enum import Enum
from typing import TYPE_CHECKING

from activitypub import parse
from activitypub.errors import FetchFailed, ProtocolError
from node.federation import actors, delivery

if TYPE_CHECKING:
    from node.federation.network import Network

SAMPLE = 3
"""Accounts that are looked at to see whether a shared inbox is gone for good."""
_GONE = 410


class Presence(Enum):
    """THERE also stands for what cannot be told just now; MISSING is 404, which is no promise for ever."""

    THERE = "there"
    MISSING = "missing"
    GONE = "gone"


async def presence(network: "Network", iri: str) -> Presence:
    """What an actor's own address says of it just now."""
    try:
        doc = await network.document(iri)
    except FetchFailed as error:
        return Presence.GONE if error.status == _GONE else Presence.MISSING if error.gone else Presence.THERE
    except ProtocolError:
        return Presence.THERE
    return Presence.GONE if parse.type_of(doc) == "Tombstone" else Presence.THERE


async def confirm(network: "Network", inbox_url: str, domain: str) -> bool:
    """An inbox answered 404 or 410: find out whose accounts are gone, and whether the peer is.

    True if nothing is to be delivered there any more. An account that lives has its boxes read anew. Only 410 ends an
    account with all it wrote: 404 is also what a peer says that was restored from a backup, or has not imported its
    people yet, so that one stops following, and somebody never met yet is waited for.
    """
    node = network.node
    owners = await node.read(delivery.owners, inbox_url, SAMPLE)
    found = [(owner, await presence(network, owner.iri)) for owner in owners if owner.fetched_at is not None]
    for owner, here in found:
        if here is Presence.GONE:
            await node.write(actors.gone, owner.iri)
        elif here is Presence.MISSING:
            await node.write(actors.missing, owner.id)
        else:
            await network.actor(owner.iri, fresh=True)
    if len(found) < len(owners) or any(here is Presence.THERE for _, here in found):
        return False
    if owners and all(owner.shared for owner in owners):
        await node.write(delivery.retire, domain)
    return True
