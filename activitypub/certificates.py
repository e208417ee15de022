"""Which keys a node works with, signed by its identity key (docs/adr/0013): {"type": "CorridorNodeKeys", …}.

The company's roster pins the identity key of each node; the keys that a node signs with day by day are certified by it, so
that they change without a new roster, and whoever takes over a node's name has none that is believed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activitypub import build, keys, proofs
from activitypub.documents import Actor, PublicKey
from activitypub.errors import Malformed, Refused
from activitypub.vocabulary import Iri, is_iri

TYPE: Final = "CorridorNodeKeys"
PROPERTY: Final = "nodeKeys"
"""Of the node's actor, in our namespace."""
MAX_KEYS: Final = 20


@dataclass(frozen=True, slots=True)
class Certificate:
    """The working keys of the node at `domain` since `serial`. `doc` is what was signed."""

    domain: str
    serial: int
    keys: tuple[tuple[str, str], ...]
    """(id, PEM or multibase)."""
    doc: dict[str, Any]

    def multibase(self, key_id: str) -> str | None:
        """The Ed25519 key of this id."""
        return next((material for id_, material in self.keys if id_ == key_id and material.startswith("z")), None)


def make(domain: str, listed: Iterable[PublicKey], *, serial: int, identity: Ed25519PrivateKey) -> dict[str, Any]:
    """`serial` is when the newest of the keys was made, in ms since 1970: it rises with each rotation by itself."""
    doc = {
        "type": TYPE,
        "domain": domain,
        "serial": serial,
        "issued": build.timestamp(serial),
        "keys": [
            {"id": key.id, "publicKeyPem": key.pem} if key.pem else {"id": key.id, "publicKeyMultibase": key.multibase}
            for key in listed
        ],
    }
    return proofs.sign(doc, identity, method=proofs.did_key(identity.public_key()), created=serial)


def read(doc: Any, *, identity: str, domain: str, now: int) -> Certificate:
    """The certificate, if `identity` (multibase) signed it for `domain`. `now` in ms.

    Raises SignatureInvalid, Malformed, Refused if it is for another node.
    """
    if not isinstance(doc, Mapping) or doc.get("type") != TYPE:
        raise Malformed("no certificate of node keys")
    public = keys.from_multibase(identity)
    proofs.verify(doc, public, method=proofs.did_key(public), now=now)
    if doc.get("domain") != domain:
        raise Refused("the keys of another node")
    serial = doc.get("serial")
    if type(serial) is not int or not 0 < serial < 2**53:
        raise Malformed("a certificate without a serial number")
    return Certificate(domain, serial, tuple(_keys(doc.get("keys"))), dict(doc))


def certified(actor: Actor, certificate: Certificate) -> tuple[PublicKey, ...]:
    """Those keys of the node's actor that the certificate lists, word for word."""
    listed = set(certificate.keys)
    return tuple(key for key in actor.keys if (str(key.id), key.pem or key.multibase or "") in listed)


def _keys(listed: Any) -> Iterable[tuple[str, str]]:
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_KEYS:
        raise Malformed("a certificate of no keys, or of too many")
    seen = set[str]()
    for one in listed:
        if not isinstance(one, dict):
            raise Malformed("a certified key that is no object")
        key_id, multibase = one.get("id"), one.get("publicKeyMultibase")
        material = one.get("publicKeyPem") if multibase is None else multibase
        if not isinstance(key_id, str) or not is_iri(key_id) or not isinstance(material, str) or key_id in seen:
            raise Malformed("a certified key without an id of its own, or without the key")
        if multibase is not None:
            keys.from_multibase(multibase)
        seen.add(key_id)
        yield Iri(key_id), material
