"""Integrity proofs of what leaves (FEP-8b32, protocol R35): made when an activity is first sent, once for all deliveries.

Only what others may pass on carries one: what is addressed to a collection. A direct message has its reader's trust by the
HTTP signature, and the sender can still deny it to everybody else. A proof is made from stored facts alone, so that every
delivery of an activity, from whatever process and after whatever restart, has the same bytes.
"""

from collections import OrderedDict
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import bindparam, select

from activitypub import proofs
from activitypub.errors import Malformed
from activitypub.signatures import SigningKey
from activitypub.vocabulary import PUBLIC_SPELLINGS
from node import keyring
from node.errors import NotFound
from node.federation.leases import Item
from node.ids import millis_of
from node.keyring import ED25519, Keyring
from node.runtime import Node, Tx
from node.schema import account

HELD = 512
"""Activities, and documents of actors, whose proofs are kept at hand: about 5 KB each."""

Doc = dict[str, Any]

_NODE_ACTOR = select(account.c.id).where(account.c.iri == bindparam("iri"))


class Prover:
    """One per process. Belongs to one event loop."""

    def __init__(self, node: Node, keys: Keyring) -> None:
        self._node = node
        self._keys = keys
        self._sent: OrderedDict[tuple[int, str], bytes] = OrderedDict()
        self._plain: OrderedDict[int, None] = OrderedDict()
        self._actors: OrderedDict[str, tuple[Doc, str, Doc]] = OrderedDict()

    async def activity(self, item: Item) -> bytes:
        """The body to deliver: with its actor's proof if others may pass it on. Raises NotFound, SecretError."""
        if item.activity_id in self._plain:
            return item.body
        key = await self._keys.signing_key(item.actor_id, ED25519)
        proven = self._sent.get((item.activity_id, key.id))
        if proven is None:
            proven = self._prove(item, key)
        return proven

    def _prove(self, item: Item, key: SigningKey) -> bytes:
        doc: Doc = msgspec.json.decode(item.body)
        if not self._may_be_passed_on(doc):
            _keep(self._plain, item.activity_id, None)
            return item.body
        try:
            body = msgspec.json.encode(_signed(doc, key, millis_of(item.activity_id)))
        except Malformed:  # no canonical form: it goes without, and whoever gets it passed on asks us
            body = item.body
        _keep(self._sent, (item.activity_id, key.id), body)
        return body

    def _may_be_passed_on(self, doc: Doc) -> bool:
        """Of one of ours, without a proof, and addressed to more than single people."""
        urls = self._node.urls
        if "proof" in doc or not urls.is_ours(str(doc.get("actor"))):
            return False
        addressed = [*doc.get("to", ()), *doc.get("cc", ())]
        return any(one in PUBLIC_SPELLINGS or (one.endswith("/followers") and urls.is_ours(one)) for one in addressed)

    async def actor(self, doc: Doc, node_actor_id: int) -> Doc:
        """The document of one of our actors, vouched for by the node: with a proof by the node actor's key.

        The same until the document or the key changes, so that reading it stays cheap.
        """
        key = await self._keys.signing_key(node_actor_id, ED25519)
        made_of, by, proven = self._actors.get(doc["id"], ({}, "", {}))
        if by != key.id or made_of != doc:
            proven = _signed(doc, key, self._node.now())
            _keep(self._actors, doc["id"], (doc, key.id, proven))
        return proven


def vouched(tx: Tx, doc: Doc) -> Doc:
    """`Prover.actor` for a document that is sent rather than read, inside the transaction that sends it."""
    node_actor_id = tx.scalar(_NODE_ACTOR, {"iri": tx.urls.node_actor})
    if node_actor_id is None or doc["id"] == tx.urls.node_actor:
        return doc
    try:
        return _signed(doc, keyring.signing_key(tx, node_actor_id, ED25519), tx.now)
    except NotFound:
        return doc


def _signed(doc: Doc, key: SigningKey, created: int) -> Doc:
    if not isinstance(key.private, Ed25519PrivateKey):
        raise NotFound("a proof needs an Ed25519 key")
    return proofs.sign(doc, key.private, method=key.id, created=created)


def _keep(held: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    held[key] = value
    while len(held) > HELD:
        held.popitem(last=False)
