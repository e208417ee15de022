"""What `sign` sends."""

import pytest

from activitypub.errors import Malformed
from activitypub.signatures import Flavour, Request, SigningKey, sign
from activitypub.vocabulary import Iri
from tests.activitypub.signed_requests import (
    BODY,
    COVERED,
    CREATED,
    ED25519,
    KEY_ID,
    NOW,
    RSA,
    accepted,
    sha256,
)


def test_a_cavage_post_carries_what_mastodon_and_its_kin_expect() -> None:
    headers = sign(
        "POST",
        "https://peer.example/inbox?a=b",
        BODY,
        SigningKey(KEY_ID, RSA),
        flavour=Flavour.CAVAGE,
        now=NOW,
    )
    assert sorted(headers) == ["Content-Type", "Date", "Digest", "Host", "Signature"]
    assert headers["Host"] == "peer.example"
    assert headers["Date"] == "Sun, 23 Nov 2025 12:13:20 GMT"
    assert headers["Digest"] == f"SHA-256={sha256(BODY)}"
    assert headers["Content-Type"] == "application/activity+json"
    declared, _, _ = headers["Signature"].partition(",signature=")
    covered = "(request-target) host date digest content-type"
    assert declared == f'keyId="{KEY_ID}",algorithm="rsa-sha256",headers="{covered}"'


def test_a_cavage_get_has_no_digest_and_ed25519_calls_itself_hs2019() -> None:
    key = SigningKey(KEY_ID, ED25519)
    headers = sign("GET", "https://peer.example/users/ann", None, key, flavour=Flavour.CAVAGE, now=NOW)
    assert sorted(headers) == ["Date", "Host", "Signature"]
    assert 'algorithm="hs2019",headers="(request-target) host date"' in headers["Signature"]


@pytest.mark.parametrize(
    ("body", "components"),
    [(BODY, COVERED), (b"", COVERED), (None, '"@method" "@target-uri"')],
)
def test_an_rfc9421_request_signs_the_digest_if_there_is_a_body(body: bytes | None, components: str) -> None:
    key = SigningKey(KEY_ID, RSA)
    headers = sign("POST", "https://peer.example/inbox", body, key, flavour=Flavour.RFC9421, now=NOW + 0.9)
    assert headers["Signature-Input"] == f'sig1=({components});created={CREATED};keyid="{KEY_ID}"'
    assert ("Content-Digest" in headers) == ("Content-Type" in headers) == (body is not None)


@pytest.mark.parametrize("flavour", Flavour)
@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("https://Peer.Example", "peer.example", "/"),
        ("https://peer.example:443/a?b#c", "peer.example", "/a?b"),
        ("HTTPS://peer.example/?", "peer.example", "/?"),
        ("https://peer.example?x=%2F", "peer.example", "/?x=%2F"),
        ("https://peer.example:8443//a/../b", "peer.example:8443", "//a/../b"),
        ("https://[::1]:8443/a", "[::1]:8443", "/a"),
    ],
)
def test_the_url_is_signed_as_it_goes_over_the_wire(
    flavour: Flavour,
    url: str,
    host: str,
    target: str,
) -> None:
    headers = sign("GET", url, None, SigningKey(KEY_ID, RSA), flavour=flavour, now=NOW)
    assert headers["Host"] == host
    lowered = tuple((name.lower(), value) for name, value in headers.items())
    accepted(Request("GET", target, lowered, b""), authority=host)


@pytest.mark.parametrize("flavour", Flavour)
@pytest.mark.parametrize(
    "url",
    [
        "ftp://peer.example/",
        "https:///inbox",
        "peer.example/inbox",
        "https://user@peer.example/",
        "https://peer.example\\@evil.example/",
        "https://peer.example/a b",
        "https://peer.example/a\nb",
        "https://peer.example/é",
        "",
    ],
)
def test_a_url_that_cannot_be_signed_is_malformed(flavour: Flavour, url: str) -> None:
    with pytest.raises(Malformed, match="URL"):
        sign("GET", url, None, SigningKey(KEY_ID, RSA), flavour=flavour, now=NOW)


@pytest.mark.parametrize("flavour", Flavour)
def test_a_key_id_that_is_not_ascii_is_malformed(flavour: Flavour) -> None:
    with pytest.raises(Malformed, match="ASCII"):
        sign("GET", "https://a.example/", None, SigningKey(Iri("https://é/"), RSA), flavour=flavour, now=NOW)
