"""HTTP signatures, both flavours: draft-cavage-http-signatures-12 and RFC 9421.

Verifying has two halves, because the key is not known before the request has been read:

    found = presented(request, authority="sales.example", scheme="https", now=clock())
    key = ...  # the one that found.key_id names
    found.verify(key)

`presented` alone decides the flavour, and demands more than the specifications do: that everything which
gives the request its meaning is signed, that the body matches its digest, and that the signature is fresh.
Authority and scheme are ours, from the configuration; a Host header that says something else is refused.

Algorithms follow from the key: RSA means PKCS#1 v1.5 with SHA-256, Ed25519 means Ed25519. What a sender
declares can contradict that and be refused; it never chooses.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from activitypub import structured_fields
from activitypub.errors import Malformed, SignatureInvalid
from activitypub.keys import PrivateKey
from activitypub.signature_base import (
    Fields,
    Flavour,
    Presented,
    Request,
    VerifyKey,
    field,
    header_fields,
    http_date,
    normalised,
    read,
)
from activitypub.structured_fields import Item
from activitypub.vocabulary import AP_TYPE, Iri

__all__ = ["Flavour", "Presented", "Request", "SigningKey", "VerifyKey", "presented", "sign"]

MAX_SKEW = 3600  # seconds that the two clocks may differ, either way; the age a signature may reach by itself
MAX_AGE = 12 * 3600  # seconds; no `expires` makes a signature live longer
EXPIRY_MARGIN = 60  # seconds after `expires` that we still accept, for clocks

_DIGESTS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_URL = re.compile(r"(https?)://([^/?#@\\]++)(/[^?#\\]*+)?+(\?[^#\\]*+)?+(?:#.*+)?+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SigningKey:
    id: Iri
    private: PrivateKey


def presented(request: Request, *, authority: str, scheme: str, now: float) -> Presented:
    """Read the signature of a request and check everything that can be checked without its key.

    `authority` ("host" or "host:port") and `scheme` are the configured ones of this server; `now` is in
    seconds. Raises SignatureInvalid.
    """
    authority = normalised(authority, scheme)
    fields = header_fields(request)
    if normalised(field(fields, "host"), scheme) != authority:
        raise SignatureInvalid("sent to another host")
    found = read(request, fields, authority=authority, scheme=scheme)
    _check_coverage(request, found)
    signed_at = [found.created]
    if "date" in found.covered:
        signed_at.append(http_date(field(fields, "date")))
    _check_clock(signed_at, found.expires, now)
    _check_digests(fields, request.body)
    return found


def sign(
    method: str,
    url: str,
    body: bytes | None,
    key: SigningKey,
    *,
    flavour: Flavour,
    now: float,
    content_type: str = AP_TYPE,
    also: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """The headers to add to a request, Host included. `also` are further ones, signed with the rest.

    The request must then go out with exactly this path and query: what a client library re-encodes is no
    longer what was signed. A body of None is no body; b"" is an empty one, with a digest. Raises Malformed if
    the URL is none that can be signed.
    """
    match = _URL.fullmatch(url) if url.isascii() and url.isprintable() and " " not in url else None
    if match is None:
        raise Malformed("not an http or https URL in ASCII")
    scheme = match[1].lower()
    authority = normalised(match[2], scheme)
    target = (match[3] or "/") + (match[4] or "")
    headers = {"Host": authority}
    if body is not None:
        headers["Content-Type"] = content_type
    if flavour is Flavour.CAVAGE:
        return _sign_cavage(method, target, body, key, headers, also, now)
    return _sign_rfc9421(method, f"{scheme}://{authority}{target}", body, key, headers, also, now)


# What we demand of a signature


def _check_coverage(request: Request, found: Presented) -> None:
    """Unsigned is as good as absent: a part that is not covered can be swapped by anybody on the way."""
    if found.flavour is Flavour.RFC9421:
        needed = {"@method", "@target-uri"}
        if request.body:
            needed.add("content-digest")
    else:
        needed = {"(request-target)", "host"}
        if request.body or request.method not in ("GET", "HEAD"):
            needed.add("digest")
    if missing := needed - found.covered:
        raise SignatureInvalid(f"not signed: {', '.join(sorted(missing))}")


def _check_clock(signed_at: Sequence[float], expires: float | None, now: float) -> None:
    if max(signed_at) > now + MAX_SKEW:
        raise SignatureInvalid("signed in the future")
    if now - min(signed_at) > (MAX_SKEW if expires is None else MAX_AGE):
        raise SignatureInvalid("signed too long ago")
    if expires is not None and expires + EXPIRY_MARGIN < now:
        raise SignatureInvalid("the signature has expired")


def _check_digests(fields: Fields, body: bytes) -> None:
    """Compare the body with every digest that is there; that one is there and signed is known by now."""
    if "digest" in fields:
        _check_digest(_legacy_digests(field(fields, "digest")), body)
    if "content-digest" in fields:
        _check_digest(_content_digests(field(fields, "content-digest")), body)


def _check_digest(digests: dict[str, bytes], body: bytes) -> None:
    if "sha-256" not in digests:
        raise SignatureInvalid("no SHA-256 digest of the body")
    for name, algorithm in _DIGESTS.items():
        if name in digests and not hmac.compare_digest(digests[name], algorithm(body).digest()):
            raise SignatureInvalid(f"the body does not match its {name} digest")


def _legacy_digests(text: str) -> dict[str, bytes]:
    """`SHA-256=<base64>, …` (RFC 3230): algorithm in lower case -> value, without those we do not know."""
    digests: dict[str, bytes] = {}
    for part in text.split(","):
        name, _, value = part.strip(" \t").partition("=")
        name = name.lower()
        if name in digests:
            raise SignatureInvalid("a repeated algorithm in Digest")
        if name in _DIGESTS:
            try:
                digests[name] = base64.b64decode(value, validate=True)
            except ValueError as error:
                raise SignatureInvalid("a digest that is not base64") from error
    return digests


def _content_digests(text: str) -> dict[str, bytes]:
    """`sha-256=:<base64>:, …` (RFC 9530)."""
    try:
        members = structured_fields.dictionary(text)
    except Malformed as error:
        raise SignatureInvalid(f"Content-Digest cannot be read: {error}") from error
    digests: dict[str, bytes] = {}
    for name, member in members.items():
        if name not in _DIGESTS:
            continue
        if not isinstance(member, Item) or not isinstance(member.value, bytes):
            raise SignatureInvalid("a digest that is no byte sequence")
        digests[name] = member.value
    return digests


# Signing


def _sign_cavage(
    method: str,
    target: str,
    body: bytes | None,
    key: SigningKey,
    headers: dict[str, str],
    also: Mapping[str, str],
    now: float,
) -> dict[str, str]:
    headers["Date"] = formatdate(now, usegmt=True)
    names = ["host", "date"]
    if body is not None:
        headers["Digest"] = f"SHA-256={_sha256(body)}"
        names += ["digest", "content-type"]
    headers |= also
    names += [name.lower() for name in also]
    lowered = {name.lower(): value for name, value in headers.items()}
    lines = [f"(request-target): {method.lower()} {target}", *(f"{name}: {lowered[name]}" for name in names)]
    signature = base64.b64encode(_signature("\n".join(lines), key)).decode("ascii")
    algorithm = "rsa-sha256" if isinstance(key.private, RSAPrivateKey) else "hs2019"
    headers["Signature"] = ",".join(
        (
            f"keyId={structured_fields.string(key.id)}",
            f'algorithm="{algorithm}"',
            f'headers="(request-target) {" ".join(names)}"',
            f'signature="{signature}"',
        )
    )
    return headers


def _sign_rfc9421(
    method: str,
    target_uri: str,
    body: bytes | None,
    key: SigningKey,
    headers: dict[str, str],
    also: Mapping[str, str],
    now: float,
) -> dict[str, str]:
    covered = {"@method": method, "@target-uri": target_uri}
    if body is not None:
        headers["Content-Digest"] = f"sha-256=:{_sha256(body)}:"
        covered["content-digest"] = headers["Content-Digest"]
    headers |= also
    covered |= {name.lower(): value for name, value in also.items()}
    names = " ".join(f'"{name}"' for name in covered)
    params = f"({names});created={int(now)};keyid={structured_fields.string(key.id)}"
    lines = [*(f'"{name}": {value}' for name, value in covered.items()), f'"@signature-params": {params}']
    signature = structured_fields.byte_sequence(_signature("\n".join(lines), key))
    headers["Signature-Input"] = f"sig1={params}"
    headers["Signature"] = f"sig1={signature}"
    return headers


def _signature(base: str, key: SigningKey) -> bytes:
    data = base.encode("ascii")
    if isinstance(key.private, RSAPrivateKey):
        return key.private.sign(data, PKCS1v15(), SHA256())
    return key.private.sign(data)


def _sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
