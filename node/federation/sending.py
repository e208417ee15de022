"""Deliveries as one peer likes them best: which key, which signature, and what if it is turned away (R28, R30, R32)."""

from collections.abc import Mapping
from types import MappingProxyType

from activitypub.client import Client, Delivered
from activitypub.signatures import Flavour
from activitypub.vocabulary import host
from node.federation.fetching import Flavours
from node.federation.leases import Item
from node.federation.proving import Prover
from node.federation.synchronisation import Digests
from node.keyring import ED25519, RSA, Keyring
from node.runtime import Node

TURNED_AWAY = frozenset({400, 401, 403})


class Sender:
    """One per process. `flavours` is None where nothing is remembered of peers: then everything is signed with RSA."""

    def __init__(self, node: Node, client: Client, keys: Keyring, prover: Prover, flavours: Flavours | None) -> None:
        self._node = node
        self._client = client
        self._keys = keys
        self._prover = prover
        self._flavours = flavours
        self._digests = Digests(node)

    async def send(self, item: Item) -> Delivered:
        """Deliver an activity, with its proof. Raises as `deliver` does."""
        also = await self._digests.headers(item, host(item.inbox))
        return await self.deliver(item.actor_id, item.inbox, await self._prover.activity(item), also)

    async def deliver(
        self, account_id: int, inbox: str, body: bytes, also: Mapping[str, str] = MappingProxyType({})
    ) -> Delivered:
        """POST a body in the name of a local account. Raises as `Client.deliver` does, and NotFound, SecretError.

        Signed with Ed25519 where the peer takes that, else with RSA.
        """
        domain = host(inbox)
        if self._flavours is None or not self._takes_ed25519(self._flavours, domain):
            return await self._deliver(RSA, account_id, inbox, body, also)
        answered = await self._deliver(ED25519, account_id, inbox, body, also)
        if answered.status not in TURNED_AWAY:
            return answered
        second = await self._deliver(RSA, account_id, inbox, body, also)
        if second.status not in TURNED_AWAY:
            self._flavours.refused_ed25519(domain)
        return second

    def _takes_ed25519(self, flavours: Flavours, domain: str) -> bool:
        """Nodes on the roster are of our kind; others say it themselves."""
        if self._node.settings.federation.signature == "cavage":
            return False
        return flavours.takes_ed25519(domain, ours=self._node.company.identity_of(domain) is not None)

    async def _deliver(self, kind: str, account_id: int, inbox: str, body: bytes, also: Mapping[str, str]) -> Delivered:
        """A key that is turned away may have been replaced by another process: then once more with the new one."""
        only = Flavour.RFC9421 if kind == ED25519 else None
        key = await self._keys.signing_key(account_id, kind)
        answered = await self._client.deliver(inbox, body, key, only=only, also=also)
        if answered.status == 401 and (newer := await self._keys.renewed(key, account_id, kind)) is not None:
            return await self._client.deliver(inbox, body, newer, only=only, also=also)
        return answered
