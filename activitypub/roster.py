"""The roster: which nodes are the company, signed with the company's Ed25519 key; and the invitation that carries it.

    {"type": "CorridorRoster", "format": 1, "company": "Acme", "version": 7, "issued": …, "expires": …, "nextKey": "z6Mk…",
     "nodes": [{"domain", "department", "identity": "z6Mk…", "roles": ["member"]}], "proof": {…}}

Read strictly: it decides whom a node talks to, and two readers must never see two companies in it. `nextKey` may be left
out. The proof is an object integrity proof (eddsa-jcs-2022) by the did:key of the company's key.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activitypub import jcs, keys, proofs, strict_json, values
from activitypub.build import timestamp
from activitypub.errors import Malformed, SignatureInvalid
from activitypub.vocabulary import normal_authority

TYPE: Final = "CorridorRoster"
FORMAT: Final = 1
MAX_BYTES: Final = 512 * 1024
MAX_NODES: Final = 1000
MAX_VERSION: Final = 2**31 - 1
MAX_NAME: Final = 200
MAX_ROLES: Final = 10
MAX_LIFE_MS: Final = 3 * 366 * 86_400_000
"""From `issued` to `expires`: a roster for ever would keep a dismissed node in for ever, on whoever is shown no other."""

MEMBER: Final = "member"
INVITATION: Final = "corridor-join:"

_ROLE = re.compile(r"[a-z][a-z0-9-]{0,31}")
_CHECK_CHARS = 8
_DEPTH = 8

Doc = dict[str, Any]


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node. `identity` is its Ed25519 key as a multikey: what its working keys are certified with."""

    domain: str
    department: str
    identity: str
    roles: tuple[str, ...] = (MEMBER,)


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    type: str
    format: int
    company: str
    version: int
    issued: str
    expires: str
    nodes: tuple[Member, ...]
    proof: dict[str, Any]
    next_key: str | None = None


@dataclass(frozen=True, slots=True)
class Roster:
    """A roster as it was read; `signer` is the company key that its proof names. Times in ms since 1970."""

    company: str
    version: int
    issued: int
    expires: int
    nodes: tuple[Member, ...]
    signer: str
    next_key: str | None
    body: bytes
    """The whole document in canonical form: equal rosters are equal bytes."""

    def member(self, domain: str) -> Member | None:
        return next((one for one in self.nodes if one.domain == domain), None)


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a new node needs: the company's key, and a roster that lists the node."""

    key: str
    roster: Roster


# --- Making one ---------------------------------------------------------------------------------------------------


def sign(
    key: Ed25519PrivateKey,
    *,
    company: str,
    version: int,
    issued: int,
    expires: int,
    nodes: Sequence[Member],
    next_key: str | None = None,
) -> Roster:
    """Times in ms since 1970, kept in whole seconds. Raises Malformed for what `parse` would not take."""
    doc: Doc = {
        "type": TYPE,
        "format": FORMAT,
        "company": company,
        "version": version,
        "issued": timestamp(issued // 1000 * 1000),
        "expires": timestamp(expires // 1000 * 1000),
        "nodes": [msgspec.to_builtins(one) for one in sorted(nodes, key=lambda one: one.domain)],
    }
    if next_key is not None:
        doc["nextKey"] = next_key
    method = proofs.did_key(key.public_key())
    return parse(jcs.canonical(proofs.sign(doc, key, method=method, created=issued // 1000 * 1000)))


def invitation(roster: Roster) -> str:
    """One line: `corridor-join:` and base64url, of which the first characters are a checksum of the rest.

    The checksum tells a line that was cut when it was pasted from one that somebody changed.
    """
    body = jcs.canonical({"key": roster.signer, "roster": strict_json.load(roster.body)})
    text = base64.urlsafe_b64encode(body).decode().rstrip("=")
    return f"{INVITATION}{_checksum(text)}{text}"


# --- Reading one --------------------------------------------------------------------------------------------------


def parse(body: bytes) -> Roster:
    """A roster, its proof not yet judged (`verify`). Raises Malformed."""
    if len(body) > MAX_BYTES:
        raise Malformed(f"a roster of more than {MAX_BYTES} bytes")
    return _read(strict_json.load(body, max_depth=_DEPTH))


def verify(roster: Roster, key: str) -> None:
    """Raise SignatureInvalid unless `key` (a multikey) signed the roster."""
    if roster.signer != key:
        raise SignatureInvalid(f"the roster is signed by {roster.signer}, not by {key}")
    proofs.verify(strict_json.load(roster.body, max_depth=_DEPTH), keys.from_multibase(key), method=f"did:key:{key}")


def parse_invitation(text: str) -> Invitation:
    """Raises Malformed for what is none, cut, or damaged; SignatureInvalid for one that is whole and forged."""
    line = "".join(text.split())
    if not line.startswith(INVITATION):
        raise Malformed(f"an invitation begins with {INVITATION}")
    said = line.removeprefix(INVITATION)
    check, data = said[:_CHECK_CHARS], said[_CHECK_CHARS:]
    if len(data) > 2 * MAX_BYTES or check != _checksum(data):
        raise Malformed("the invitation is cut or damaged: paste the whole line, from corridor-join: to its end")
    try:
        body = base64.b64decode(data + "=" * (-len(data) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("the invitation is not base64url") from error
    doc = strict_json.load(body, max_depth=_DEPTH + 1)
    key, roster = doc.get("key"), doc.get("roster")
    if not isinstance(key, str) or not isinstance(roster, dict) or len(doc) != 2:
        raise Malformed("an invitation holds a key and a roster")
    found = Invitation(key, parse(jcs.canonical(roster)))
    keys.from_multibase(key)
    verify(found.roster, key)
    return found


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode("ascii", "replace")).hexdigest()[:_CHECK_CHARS]


def _read(doc: Doc) -> Roster:
    if doc.get("type") != TYPE:
        raise Malformed("not a roster")
    if type(doc.get("format")) is not int or doc["format"] != FORMAT:
        raise Malformed(f"a roster of format {str(doc.get('format'))[:20]!r}; this release reads format {FORMAT}")
    try:
        said = msgspec.convert(doc, _Document)
    except msgspec.ValidationError as error:
        raise Malformed(f"a roster that cannot be read: {error}") from error
    issued, expires = values.moment(said.issued), values.moment(said.expires)
    if issued is None or expires is None:
        raise Malformed("a roster whose issued or expires is no time")
    if not issued < expires <= issued + MAX_LIFE_MS:
        raise Malformed("a roster that expires before it was issued, or not within three years")
    if not 0 < said.version <= MAX_VERSION:
        raise Malformed("a roster whose version is no number above 0")
    _check_name(said.company, "company")
    _check_nodes(said.nodes)
    if said.next_key is not None:
        keys.from_multibase(said.next_key)
    return Roster(
        company=said.company,
        version=said.version,
        issued=issued,
        expires=expires,
        nodes=said.nodes,
        signer=_signer(doc),
        next_key=said.next_key,
        body=jcs.canonical(doc),
    )


def _signer(doc: Mapping[str, Any]) -> str:
    try:
        claim = proofs.presented(doc)
    except SignatureInvalid as error:
        raise Malformed(f"a roster whose proof cannot be read: {error}") from error
    if claim is None:
        raise Malformed("a roster without a proof that we evaluate")
    return keys.multibase(proofs.from_did_key(claim.method))


def _check_nodes(nodes: Sequence[Member]) -> None:
    if len(nodes) > MAX_NODES:
        raise Malformed(f"a roster of more than {MAX_NODES} nodes")
    for one in nodes:
        check_member(one)
    for what, found in (("domain", [one.domain for one in nodes]), ("identity", [one.identity for one in nodes])):
        if len(set(found)) != len(found):
            raise Malformed(f"a roster that names a {what} twice")


def check_member(one: Member) -> None:
    """Raises Malformed unless the node may stand on a roster: one spelling of each domain, an Ed25519 key, plain roles."""
    if len(one.domain) > 255 or normal_authority(one.domain) != one.domain:
        raise Malformed(f"{one.domain[:255]!r} is not host or host:port in its normal spelling")
    _check_name(one.department, "department")
    keys.from_multibase(one.identity)
    plain = all(_ROLE.fullmatch(role) for role in one.roles)
    if not plain or len(one.roles) > MAX_ROLES or len(set(one.roles)) != len(one.roles):
        raise Malformed(f"the roles of {one.domain} are not at most {MAX_ROLES} different plain words")


def _check_name(text: str, what: str) -> None:
    if not text.strip() or len(text) > MAX_NAME or not text.isprintable():
        raise Malformed(f"the name of the {what} is empty, longer than {MAX_NAME} characters, or not printable")
