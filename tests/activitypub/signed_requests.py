"""Requests signed by plain code of the tests: any flaw can be put in, and still be validly signed."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from activitypub import keys
from activitypub.errors import SignatureInvalid
from activitypub.keys import PrivateKey
from activitypub.signatures import Presented, Request, VerifyKey, presented
from activitypub.vocabulary import Iri

NOW = 1_763_900_000.0
HOST = "sales.example"
KEY_ID = Iri("https://peer.example/users/ann#main-key")
OWNER = Iri("https://peer.example/users/ann")
CREATED = f"{NOW:.0f}"
BODY = b'{"type":"Follow"}'

RSA = keys.private_from_pem(keys.to_pem(keys.generate_rsa()))
ED25519 = keys.generate_ed25519()
HOUR = 3600
BOTH_KEYS = pytest.mark.parametrize("private", [RSA, ED25519], ids=["rsa", "ed25519"])


def accepted(
    request: Request,
    private: PrivateKey = RSA,
    *,
    now: float = NOW,
    authority: str = HOST,
) -> Presented:
    found = presented(request, authority=authority, scheme="https", now=now)
    found.verify(VerifyKey(KEY_ID, OWNER, private.public_key()))
    return found


def refused(
    request: Request,
    reason: str | None,
    private: PrivateKey = RSA,
    *,
    now: float = NOW,
    authority: str = HOST,
) -> None:
    with pytest.raises(SignatureInvalid, match=reason):
        accepted(request, private, now=now, authority=authority)


def raw_signature(base: str, private: PrivateKey) -> str:
    data = base.encode()
    if isinstance(private, RSAPrivateKey):
        raw = private.sign(data, PKCS1v15(), SHA256())
    else:
        raw = private.sign(data)
    return base64.b64encode(raw).decode()


def sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def sha512(body: bytes) -> str:
    return base64.b64encode(hashlib.sha512(body).digest()).decode()


def with_header(request: Request, name: str, value: str) -> Request:
    """The header's value replaced, or the header added."""
    kept = tuple((n, v) for n, v in request.headers if n != name)
    return replace(request, headers=(*kept, (name, value)))


def cavage(
    names: str = "(request-target) host date digest",
    *,
    method: str = "POST",
    target: str = "/inbox",
    signed_target: str | None = None,
    body: bytes = BODY,
    private: PrivateKey = RSA,
    algorithm: str | None = "rsa-sha256",
    params: str = "",
    signed: dict[str, str] | None = None,
    **headers: str,
) -> Request:
    """Validly signed. `signed`: values of pseudo-headers; `headers` replace or add, with _ for -."""
    values = {"host": HOST, "date": formatdate(NOW, usegmt=True)}
    if body:
        values["digest"] = f"SHA-256={sha256(body)}"
    values |= {name.replace("_", "-"): value for name, value in headers.items()}
    pseudo = {"(request-target)": f"{method.lower()} {signed_target or target}"} | (signed or {})
    base = "\n".join(f"{name}: {(values | pseudo).get(name, '')}" for name in names.split(" "))
    declared = f'algorithm="{algorithm}",' if algorithm else ""
    values["signature"] = (
        f'keyId="{KEY_ID}",{declared}headers="{names}",{params}signature="{raw_signature(base, private)}"'
    )
    return Request(method, target, tuple(values.items()), body)


COVERED = '"@method" "@target-uri" "content-digest"'


def rfc9421(
    components: str = COVERED,
    params: str | None = None,
    *,
    method: str = "POST",
    target: str = "/inbox",
    body: bytes = BODY,
    private: PrivateKey = RSA,
    lines: dict[str, str] | None = None,
    label: str = "sig1",
    inner: Callable[[str], str] = "({})".format,
    **headers: str,
) -> Request:
    """A validly signed request. `lines`: values of components that are no plain header, by their spelling."""
    values = {"host": HOST}
    if body:
        values["content-digest"] = f"sha-256=:{sha256(body)}:"
    values |= {name.replace("_", "-"): value for name, value in headers.items()}
    if params is None:
        params = f';created={NOW:.0f};keyid="{KEY_ID}"'
    known = {'"@method"': method, '"@target-uri"': f"https://{HOST}{target}"}
    known |= {f'"{name}"': value for name, value in values.items()} | (lines or {})
    covered = inner(components) + params
    base = [f"{c}: {known.get(c, '')}" for c in components.split()] + [f'"@signature-params": {covered}']
    values["signature-input"] = f"{label}={covered}"
    values["signature"] = f"{label}=:{raw_signature(chr(10).join(base), private)}:"
    return Request(method, target, tuple(values.items()), body)
