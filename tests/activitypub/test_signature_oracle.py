"""RFC 9421, both ways, against an independent implementation: the package `http-message-signatures`."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
import time_machine
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    InvalidSignature,
    MappingKeyResolver,
    algorithms,
)
from http_message_signatures.structures import CaseInsensitiveDict

from activitypub import keys
from activitypub.errors import SignatureInvalid
from activitypub.keys import PrivateKey
from activitypub.signatures import Flavour, Request, SigningKey, VerifyKey, presented, sign
from activitypub.vocabulary import Iri

NOW = 1_763_900_000
KEY_ID = Iri("https://peer.example/users/ann#main-key")
BODY = b'{"type":"Follow"}'
RSA = keys.generate_rsa()
ED25519 = keys.generate_ed25519()
ALGORITHMS = {RSA: algorithms.RSA_V1_5_SHA256, ED25519: algorithms.ED25519}
BOTH_KEYS = pytest.mark.parametrize("private", [RSA, ED25519], ids=["rsa", "ed25519"])


@dataclass
class Message:
    """What the package takes for a request."""

    method: str
    url: str
    headers: CaseInsensitiveDict = field(default_factory=CaseInsensitiveDict)


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with time_machine.travel(datetime.fromtimestamp(NOW, UTC), tick=False):
        yield


def resolver(private: PrivateKey) -> MappingKeyResolver:
    return MappingKeyResolver(public_keys={KEY_ID: private.public_key()}, private_keys={KEY_ID: private})


def received(message: Message, body: bytes) -> Request:
    url = urlsplit(message.url)
    target = url.path + (f"?{url.query}" if url.query else "")
    headers = tuple((name.lower(), value) for name, value in message.headers.items())
    return Request(message.method, target, (*headers, ("host", url.netloc)), body)


@pytest.mark.parametrize(
    "components",
    [
        ("@method", "@target-uri"),
        ("@target-uri", "date", "@method", "content-type"),
        ("@method", "@target-uri", "@authority", "@scheme", "@path", "@query", "@request-target"),
        ("@method", "@target-uri", '"@query-param";name="name%20x"', '"@query-param";name="empty"'),
    ],
)
@BOTH_KEYS
def test_what_the_package_signs_we_accept(private: PrivateKey, components: tuple[str, ...]) -> None:
    message = Message("POST", "https://sales.example/inbox?name%20x=%C3%A9%20~*(y)+z&empty=")
    message.headers["Date"] = "Sun, 23 Nov 2025 12:13:20 GMT"
    message.headers["Content-Type"] = "application/activity+json"
    signer = HTTPMessageSigner(signature_algorithm=ALGORITHMS[private], key_resolver=resolver(private))
    signer.sign(
        message,
        key_id=KEY_ID,
        created=datetime.fromtimestamp(NOW, UTC),
        expires=datetime.fromtimestamp(NOW + 300, UTC),
        nonce='a "quoted" \\ nonce',
        label="label",
        tag="fediverse",
        covered_component_ids=components,
        body=BODY,
    )
    request = received(message, BODY)
    key = VerifyKey(KEY_ID, Iri("https://peer.example/users/ann"), private.public_key())
    found = presented(request, authority="sales.example", scheme="https", now=NOW)
    found.verify(key)
    assert found.nonce == 'a "quoted" \\ nonce'
    assert found.expires == NOW + 300
    moved = replace(request, target=f"{request.target}1")
    with pytest.raises(SignatureInvalid, match=r"does not match|absent"):
        presented(moved, authority="sales.example", scheme="https", now=NOW).verify(key)


@pytest.mark.parametrize("url", ["https://sales.example/inbox", "https://Sales.example:443/a?b=%20&c"])
@BOTH_KEYS
def test_what_we_sign_the_package_accepts(private: PrivateKey, url: str) -> None:
    headers = sign("POST", url, BODY, SigningKey(KEY_ID, private), flavour=Flavour.RFC9421, now=NOW)
    verifier = HTTPMessageVerifier(signature_algorithm=ALGORITHMS[private], key_resolver=resolver(private))
    required = ("@method", "@target-uri", "content-digest")
    # A receiver knows the URL from the request line and Host alone, so it sees it normalised.
    message = Message("POST", f"https://{headers['Host']}/{url.split('/', 3)[3]}")
    message.headers.update(headers)
    (result,) = verifier.verify(message, require_components=required, body=BODY)
    assert result.parameters == {"created": NOW, "keyid": KEY_ID}
    message.url += "x"
    with pytest.raises(InvalidSignature):
        verifier.verify(message, require_components=required, body=BODY)
