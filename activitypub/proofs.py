"""Object integrity proofs (FEP-8b32): W3C Data Integrity with the cryptosuite eddsa-jcs-2022.

A proof says who made a document, whoever passed it on. It is evaluated as plain JSON, by hash: nothing of JSON-LD is
interpreted, no context is fetched. Whether the key is one that may speak for the document is for the caller to say
(protocol R35); here `verify` says whether this key made this proof over this document, and `presented` which key it names.

    claim = proofs.presented(doc)          # None: no proof of the kind that we evaluate
    key = ...                              # the one that claim.method names
    proofs.verify(doc, key, method=claim.method, now=...)
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from activitypub import base58, jcs, keys, values
from activitypub.build import timestamp
from activitypub.errors import Malformed, SignatureInvalid

TYPE: Final = "DataIntegrityProof"
CRYPTOSUITE: Final = "eddsa-jcs-2022"
PURPOSE: Final = "assertionMethod"
MAX_SKEW_MS: Final = 3_600_000
"""How far in the future `created` may lie, and how long after `expires` a proof is taken, for clocks."""

_DID_KEY = "did:key:"
_SIGNATURE_BYTES = 64
_METHOD_CHARS = 2048
# They bind a proof to one recipient, one question, or another proof: things that we do not evaluate.
_REFUSED = ("domain", "challenge", "nonce", "previousProof")

Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """A proof as it is presented, unverified. `method` names its key; times in ms since 1970."""

    method: str
    created: int | None
    expires: int | None


def sign(doc: Mapping[str, Any], key: Ed25519PrivateKey, *, method: str, created: int) -> Doc:
    """A copy with its proof; the same each time. `created` in ms since 1970. A proof that is there already is replaced.

    Raises Malformed if the document has no canonical form.
    """
    unsecured = _unsecured(doc)
    config: Doc = {
        "type": TYPE,
        "cryptosuite": CRYPTOSUITE,
        "created": timestamp(created),
        "verificationMethod": method,
        "proofPurpose": PURPOSE,
    }
    if "@context" in unsecured:
        config["@context"] = unsecured["@context"]
    value = base58.encode(key.sign(_hashed(config, unsecured)))
    return {**unsecured, "proof": {**config, "proofValue": value}}


def presented(doc: Mapping[str, Any]) -> Claim | None:
    """What the document's proof claims; None if it has none of the kind that we evaluate.

    Raises SignatureInvalid for several proofs, of which one could hold for what another does not, and for one that is
    not whole.
    """
    found = doc.get("proof")
    if isinstance(found, list):
        if len(found) > 1:
            raise SignatureInvalid("more than one proof")
        found = found[0] if found else None
    if found is None or (isinstance(found, dict) and found.get("cryptosuite") != CRYPTOSUITE):
        return None
    if not isinstance(found, dict):
        raise SignatureInvalid("a proof that is no object")
    return _claim(found)


def verify(doc: Mapping[str, Any], key: Ed25519PublicKey, *, method: str, now: int | None = None) -> None:
    """Raise SignatureInvalid unless the document carries one proof, by `key`, in the name of `method`.

    With `now` (ms since 1970) its times are judged as well.
    """
    claim = presented(doc)
    if claim is None:
        raise SignatureInvalid("no integrity proof")
    if claim.method != method:
        raise SignatureInvalid("a proof by another key")
    if now is not None:
        _check_times(claim, now)
    proof = doc["proof"][0] if isinstance(doc["proof"], list) else doc["proof"]
    try:
        value = base58.decode(proof["proofValue"], _SIGNATURE_BYTES)
        unsecured = _unsecured(doc)
        config = {name: said for name, said in proof.items() if name != "proofValue"}
        if not any(_holds(key, value, _hashed(one, unsecured)) for one in _readings(config, unsecured)):
            raise SignatureInvalid("the proof does not hold")
    except Malformed as error:
        raise SignatureInvalid(f"the proof cannot be read: {error}") from error


def did_key(public: Ed25519PublicKey) -> str:
    """The key as a DID, for keys that have no address: "did:key:z6Mk…"."""
    return _DID_KEY + keys.multibase(public)


def from_did_key(text: str) -> Ed25519PublicKey:
    """Raises Malformed for other DIDs and other types of key. A fragment that repeats the key is the same key."""
    did, _, fragment = text.partition("#")
    if not did.startswith(_DID_KEY) or fragment not in ("", did.removeprefix(_DID_KEY)):
        raise Malformed("not a did:key")
    return keys.from_multibase(did.removeprefix(_DID_KEY))


def _unsecured(doc: Mapping[str, Any]) -> Doc:
    """What the proof is about: an old LD signature beside it is put on later, and never part of it (FEP-8b32)."""
    return {
        name: value
        for name, value in doc.items()
        if name != "proof" and not (name == "signature" and isinstance(value, dict))
    }


def _readings(config: Doc, unsecured: Doc) -> list[Doc]:
    """What a proof's configuration was when it was hashed. It must not speak of another @context than the document.

    Where it is silent, Fedify means the document's, and the suite of 2023 none. The document is hashed with its own
    either way, so both say the same.
    """
    if "@context" in config:
        if config["@context"] != unsecured.get("@context"):
            raise SignatureInvalid("the proof was made for another @context")
        return [config]
    if "@context" not in unsecured:
        return [config]
    return [{**config, "@context": unsecured["@context"]}, config]


def _holds(key: Ed25519PublicKey, value: bytes, data: bytes) -> bool:
    try:
        key.verify(value, data)
    except InvalidSignature:
        return False
    return True


def _hashed(config: Doc, unsecured: Doc) -> bytes:
    return hashlib.sha256(jcs.canonical(config)).digest() + hashlib.sha256(jcs.canonical(unsecured)).digest()


def _claim(proof: Doc) -> Claim:
    if proof.get("type") != TYPE:
        raise SignatureInvalid("a proof of another type")
    if proof.get("proofPurpose") != PURPOSE:
        raise SignatureInvalid("a proof for another purpose")
    if any(name in proof for name in _REFUSED):
        raise SignatureInvalid("a proof that is bound to something that is not evaluated")
    method = proof.get("verificationMethod")
    if not isinstance(method, str) or not 0 < len(method) <= _METHOD_CHARS:
        raise SignatureInvalid("a proof that names no key")
    if not isinstance(proof.get("proofValue"), str):
        raise SignatureInvalid("a proof without a value")
    return Claim(method, _moment(proof, "created"), _moment(proof, "expires"))


def _moment(proof: Doc, name: str) -> int | None:
    if name not in proof:
        return None
    found = values.moment(proof[name]) if isinstance(proof[name], str) else None
    if found is None:
        raise SignatureInvalid(f"a proof whose {name!r} is no time")
    return found


def _check_times(claim: Claim, now: int) -> None:
    if claim.created is not None and claim.created > now + MAX_SKEW_MS:
        raise SignatureInvalid("a proof from the future")
    if claim.expires is not None and claim.expires + MAX_SKEW_MS < now:
        raise SignatureInvalid("the proof has expired")
