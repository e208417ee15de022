"""What `presented` demands of both flavours alike.

An honest request passes, its near miss is refused, and for that reason.
"""

import base64
import time
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from typing import NamedTuple

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from activitypub import keys
from activitypub.errors import SignatureInvalid
from activitypub.keys import PrivateKey
from activitypub.signatures import Flavour, Request, SigningKey, VerifyKey, presented, sign
from activitypub.vocabulary import Iri
from tests.activitypub.signed_requests import (
    BODY,
    BOTH_KEYS,
    ED25519,
    HOST,
    HOUR,
    KEY_ID,
    NOW,
    OWNER,
    RSA,
    accepted,
    cavage,
    refused,
    rfc9421,
    sha256,
    sha512,
    with_header,
)


class Sent(NamedTuple):
    request: Request
    flavour: Flavour
    private: PrivateKey


def sent(
    flavour: Flavour,
    private: PrivateKey,
    method: str = "POST",
    path: str = "/inbox?shared=1&b=%20",
) -> Sent:
    body = BODY if method == "POST" else None
    url = f"https://{HOST}{path}"
    headers = sign(method, url, body, SigningKey(KEY_ID, private), flavour=flavour, now=NOW)
    lowered = tuple((name.lower(), value) for name, value in headers.items())
    return Sent(Request(method, path, lowered, body or b""), flavour, private)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("flavour", Flavour)
@BOTH_KEYS
def test_what_we_sign_we_accept(flavour: Flavour, private: PrivateKey, method: str) -> None:
    found = accepted(sent(flavour, private, method).request, private)
    assert (found.key_id, found.flavour, found.created) == (KEY_ID, flavour, NOW)


@pytest.mark.parametrize("flavour", Flavour)
@BOTH_KEYS
def test_another_key_of_the_same_type_is_refused(flavour: Flavour, private: PrivateKey) -> None:
    other = keys.generate_rsa() if private is RSA else keys.generate_ed25519()
    refused(sent(flavour, private).request, "does not match", other)


@pytest.mark.parametrize("flavour", Flavour)
def test_a_key_under_another_id_is_refused_even_if_it_fits(flavour: Flavour) -> None:
    request = sent(flavour, RSA).request
    found = presented(request, authority=HOST, scheme="https", now=NOW)
    with pytest.raises(SignatureInvalid, match="another key"):
        found.verify(VerifyKey(Iri(f"{KEY_ID}2"), OWNER, RSA.public_key()))


EDITS = st.tuples(
    st.sampled_from(["replace", "insert", "delete"]),
    st.integers(0, 400),
    st.characters(codec="latin-1"),
)


def edited(text: str, edit: tuple[str, int, str]) -> str:
    kind, at, character = edit
    at %= len(text) or 1
    return text[:at] + ("" if kind == "delete" else character) + text[at + (kind != "insert") :]


@given(
    flavour=st.sampled_from(Flavour),
    private=st.sampled_from([RSA, ED25519]),
    part=st.sampled_from(["method", "target", "body", "header", "signature"]),
    which=st.integers(0, 4),
    edit=EDITS,
)
def test_a_change_of_anything_signed_is_refused(
    flavour: Flavour, private: PrivateKey, part: str, which: int, edit: tuple[str, int, str]
) -> None:
    honest = sent(flavour, private).request
    headers = dict(honest.headers)
    if part == "method":
        forged = replace(honest, method=edited(honest.method, edit))
    elif part == "target":
        forged = replace(honest, target=edited(honest.target, edit))
    elif part == "body":
        forged = replace(honest, body=edited(honest.body.decode("latin-1"), edit).encode("latin-1"))
    elif part == "header":
        cavage_names = ("host", "date", "digest", "content-type")
        names = cavage_names if flavour is Flavour.CAVAGE else ("content-digest", "signature-input")
        name = names[which % len(names)]
        changed = edited(headers[name], edit).strip(" \t")
        assume(changed != headers[name])
        forged = with_header(honest, name, changed)
    else:
        text = headers["signature"]
        start, end = (text.index('signature="') + 11, -1) if flavour is Flavour.CAVAGE else (6, -1)
        raw = base64.b64decode(text[start:end])
        broken = edited(raw.decode("latin-1"), edit).encode("latin-1")
        forged = with_header(
            honest,
            "signature",
            text[:start] + base64.b64encode(broken).decode() + text[end:],
        )
        assume(broken != raw)
    assume(forged != honest)
    refused(forged, None, private)


FIELD_NAMES = ["signature", "signature-input", "digest", "content-digest", "date", "host"]
SYNTAX = st.text('abz019=:;,.()"\\ \t@?*-_/+\n\r\0é', max_size=60)


@given(
    flavour=st.sampled_from(Flavour),
    name=st.sampled_from(FIELD_NAMES),
    text=st.one_of(st.text(), SYNTAX, st.lists(EDITS, min_size=1, max_size=4)),
)
@example(Flavour.RFC9421, "signature-input", "sig1=(")
@example(Flavour.RFC9421, "signature-input", 'sig1=("@method";')
@example(Flavour.RFC9421, "content-digest", "sha-256=²")
@example(Flavour.CAVAGE, "date", "Sun, 32 Jan 2025 25:61:61 GMT")
@example(Flavour.CAVAGE, "signature", "keyId=")
def test_no_header_text_raises_anything_but_signature_invalid(
    flavour: Flavour, name: str, text: str | list[tuple[str, int, str]]
) -> None:
    honest = sent(flavour, RSA).request
    if isinstance(text, list):
        value = dict(honest.headers).get(name, "")
        for edit in text:
            value = edited(value, edit)
    else:
        value = text
    with suppress(SignatureInvalid):
        accepted(with_header(honest, name, value))


@given(method=st.text(max_size=8), target=st.text(max_size=30))
def test_no_request_line_raises_anything_but_signature_invalid(method: str, target: str) -> None:
    honest = sent(Flavour.RFC9421, RSA).request
    assume((method, target) != (honest.method, honest.target))
    refused(replace(honest, method=method, target=target), None)


@pytest.mark.parametrize("name", FIELD_NAMES)
@pytest.mark.parametrize("piece", ["a", "a=1,", 'a="', "(", ";a", "\\", ":", " ", "\t", ",", '"\\"'])
def test_hostile_headers_are_read_in_linear_time(name: str, piece: str) -> None:
    for start in ("", 'keyId="x",', "sig1=(", 'sig1="'):
        request = with_header(
            sent(Flavour.CAVAGE, RSA).request,
            name,
            start + piece * (200_000 // len(piece)),
        )
        began = time.process_time()
        refused(request, None)
        assert time.process_time() - began < 1.0  # 1 to 30 ms here; quadratic reading would take minutes


@pytest.mark.parametrize("flavour", Flavour)
@pytest.mark.parametrize(
    "name", ["signature", "signature-input", "digest", "content-digest", "date", "host", "content-type"]
)
def test_a_header_that_may_come_once_is_refused_twice_even_with_the_same_value(
    flavour: Flavour,
    name: str,
) -> None:
    request = sent(flavour, RSA).request
    value = dict(request.headers).get(name, "x")
    doubled = replace(request, headers=(*with_header(request, name, value).headers, (name, value)))
    accepted(request)
    refused(doubled, f"more than one {name} header")


@pytest.mark.parametrize("flavour", Flavour)
@pytest.mark.parametrize(
    "target",
    ["http://sales.example/inbox", "*", "", "inbox", "/in box", "/inbox#x", "/i\nx: y"],
)
def test_a_target_that_is_no_plain_path_is_refused(flavour: Flavour, target: str) -> None:
    refused(replace(sent(flavour, RSA).request, target=target), "request target")


@pytest.mark.parametrize("method", ["post", "PoST", "", "POST ", "PO\nST"])
def test_a_method_that_is_none_is_refused_though_cavage_signs_it_in_lower_case(method: str) -> None:
    request = sent(Flavour.CAVAGE, RSA).request
    accepted(request)
    refused(replace(request, method=method), "no HTTP method")


def test_an_unsigned_request_is_refused() -> None:
    request = cavage()
    unsigned = replace(request, headers=tuple(h for h in request.headers if h[0] != "signature"))
    refused(unsigned, "not signed")


@pytest.mark.parametrize("flavour", Flavour)
@pytest.mark.parametrize(
    ("received", "configured", "ours"),
    [
        ("sales.example", "sales.example", True),
        ("sales.example", "Sales.Example:443", True),
        ("sales.example:443", "sales.example", True),
        ("SALES.example", "sales.example", True),
        ("sales.example:8443", "sales.example:8443", True),
        ("sales.example:80", "sales.example", False),
        ("sales.example:8443", "sales.example", False),
        ("evil.example", "sales.example", False),
        ("sales.example.", "sales.example", False),
        ("", "sales.example", False),
    ],
)
def test_the_host_header_must_mean_us(flavour: Flavour, received: str, configured: str, ours: bool) -> None:
    if flavour is Flavour.CAVAGE:
        request = cavage(host=received)
    else:
        normal = configured.lower().removesuffix(":443")
        request = rfc9421(host=received, lines={'"@target-uri"': f"https://{normal}/inbox"})
    if ours:
        accepted(request, authority=configured)
    else:
        refused(request, "another host", authority=configured)


def test_a_request_without_a_host_header_is_refused() -> None:
    request = rfc9421()
    refused(replace(request, headers=tuple(h for h in request.headers if h[0] != "host")), "'host'")


def test_a_request_signed_for_another_server_is_refused_though_it_names_us_as_host() -> None:
    accepted(rfc9421())
    refused(rfc9421(lines={'"@target-uri"': "https://evil.example/inbox"}), "does not match")
    refused(rfc9421(lines={'"@target-uri"': f"http://{HOST}/inbox"}), "does not match")


@pytest.mark.parametrize("kind", ["date", "(created)", "rfc9421"])
@pytest.mark.parametrize(
    ("age", "reason"),
    [
        (0, None),
        (HOUR, None),
        (HOUR + 1, "too long ago"),
        (13 * HOUR, "too long ago"),
        (-HOUR, None),
        (-HOUR - 1, "future"),
    ],
)
def test_without_expires_an_hour_is_allowed_either_way(kind: str, age: int, reason: str | None) -> None:
    at = NOW - age
    if kind == "date":
        request = cavage(date=formatdate(at, usegmt=True))
    elif kind == "(created)":
        request = cavage(
            "(request-target) host (created) digest",
            algorithm="hs2019",
            params=f"created={at:.0f},",
            signed={"(created)": f"{at:.0f}"},
            date="is not looked at",
        )
    else:
        request = rfc9421(params=f';created={at:.0f};keyid="{KEY_ID}"')
    if reason is None:
        assert accepted(request).created == at
    else:
        refused(request, reason)


@pytest.mark.parametrize("flavour", Flavour)
@pytest.mark.parametrize(
    ("age", "left", "reason"),
    [
        (2 * HOUR, 10, None),
        (12 * HOUR, 10, None),
        (12 * HOUR + 1, 10, "too long ago"),
        (10, -60, None),
        (10, -61, "expired"),
        (-HOUR - 1, 2 * HOUR, "future"),
    ],
)
def test_expires_prolongs_to_twelve_hours_and_shortens(
    flavour: Flavour, age: int, left: int, reason: str | None
) -> None:
    created, expires = f"{NOW - age:.0f}", f"{NOW + left:.0f}"
    if flavour is Flavour.CAVAGE:
        request = cavage(
            "(request-target) host (created) (expires) digest",
            algorithm="hs2019",
            params=f"created={created},expires={expires},",
            signed={"(created)": created, "(expires)": expires},
        )
    else:
        request = rfc9421(params=f';created={created};keyid="{KEY_ID}";expires={expires}')
    if reason is None:
        assert accepted(request).expires == NOW + left
    else:
        refused(request, reason)


@pytest.mark.parametrize("flavour", Flavour)
@pytest.mark.parametrize(
    ("legacy", "modern", "reason"),
    [
        ("SHA-256={256}", "sha-256=:{256}:", None),
        ("sha-256={256}", "sha-256=:{256}:;note=1", None),
        ("SHA-256={256},SHA-512={512}", "sha-256=:{256}:, sha-512=:{512}:", None),
        ("unixsum=30637,SHA-256={256}", "unixsum=30637, sha-256=:{256}:", None),
        ("SHA-512={512}", "sha-512=:{512}:", "no SHA-256"),
        ("unixsum=30637", "unixsum=30637", "no SHA-256"),
        ("", "", "no SHA-256|cannot be read"),
        ("SHA-256={other}", "sha-256=:{other}:", "does not match its sha-256"),
        ("SHA-256=", "sha-256=::", "does not match its sha-256"),
        ("SHA-256={256},SHA-256={other}", "sha-256=:{256}:, sha-256=:{other}:", "repeated"),
        ("SHA-256={256},sha-256={256}", "sha-256=:{256}:, sha-256=:{256}:", "repeated"),
        ("SHA-256={256},SHA-512={other}", "sha-256=:{256}:, sha-512=:{other}:", "does not match its sha-512"),
        ("SHA-256=!", "sha-256=:!:", "base64|cannot be read"),
        ("SHA-256=a", 'sha-256="{256}"', "base64|byte sequence"),
    ],
)
def test_the_body_must_match_a_sha_256_digest_and_every_other(
    flavour: Flavour, legacy: str, modern: str, reason: str | None
) -> None:
    given = {"{256}": sha256(BODY), "{512}": sha512(BODY), "{other}": sha256(b"other")}
    text = legacy if flavour is Flavour.CAVAGE else modern
    for mark, value in given.items():
        text = text.replace(mark, value)
    request = cavage(digest=text) if flavour is Flavour.CAVAGE else rfc9421(content_digest=text)
    if reason is None:
        accepted(request)
    else:
        refused(request, reason)


def test_a_digest_that_is_not_demanded_must_be_right_all_the_same() -> None:
    accepted(cavage(content_digest=f"sha-256=:{sha256(BODY)}:"))
    refused(cavage(content_digest=f"sha-256=:{sha256(b'other')}:"), "does not match its sha-256")
    accepted(rfc9421(digest=f"SHA-256={sha256(BODY)}"))
    refused(rfc9421(digest=f"SHA-256={sha256(b'other')}"), "does not match its sha-256")
    short = '"@method" "@target-uri"'
    accepted(rfc9421(short, method="GET", body=b"", digest=f"SHA-256={sha256(b'')}"))
    refused(rfc9421(short, method="GET", body=b"", digest=f"SHA-256={sha256(BODY)}"), "does not match")
