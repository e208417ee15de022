"""draft-cavage-http-signatures-12, as far as we accept it.

An honest request passes, its near miss is refused, and for that reason.
"""

from dataclasses import replace
from email.utils import formatdate

import pytest

from activitypub.keys import PrivateKey
from activitypub.signatures import Request
from tests.activitypub.signed_requests import (
    CREATED,
    ED25519,
    HOUR,
    KEY_ID,
    NOW,
    RSA,
    accepted,
    cavage,
    refused,
    sha256,
    with_header,
)


@pytest.mark.parametrize("missing", ["(request-target)", "host", "digest", "date"])
def test_cavage_a_post_signs_target_host_digest_and_time(missing: str) -> None:
    names = ["(request-target)", "host", "date", "digest"]
    accepted(cavage(" ".join(names)))
    names.remove(missing)
    reason = "neither Date nor" if missing == "date" else f"not signed: .?{missing.strip('()')}"
    refused(cavage(" ".join(names)), reason)


@pytest.mark.parametrize("missing", ["(request-target)", "host", "date"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_cavage_a_get_signs_target_host_and_time(method: str, missing: str) -> None:
    names = ["(request-target)", "host", "date"]
    accepted(cavage(" ".join(names), method=method, body=b""))
    names.remove(missing)
    reason = "neither Date nor" if missing == "date" else f"not signed: .?{missing.strip('()')}"
    refused(cavage(" ".join(names), method=method, body=b""), reason)


def test_cavage_the_digest_is_demanded_for_an_empty_post_and_for_a_get_with_a_body() -> None:
    accepted(cavage(body=b"", digest=f"SHA-256={sha256(b'')}"))
    refused(cavage("(request-target) host date", body=b""), "not signed: digest")
    accepted(cavage(method="GET"))
    refused(cavage("(request-target) host date", method="GET"), "not signed: digest")


def test_cavage_the_query_string_is_part_of_the_target() -> None:
    short = "(request-target) host date"
    accepted(cavage(short, method="GET", body=b"", target="/outbox?page=1"))
    refused(
        cavage(short, method="GET", body=b"", target="/outbox?page=1", signed_target="/outbox"),
        "does not match",
    )


@pytest.mark.parametrize(
    ("algorithm", "private", "reason"),
    [
        ("rsa-sha256", RSA, None),
        ("hs2019", RSA, None),
        (None, RSA, None),
        ("hs2019", ED25519, None),
        ("ed25519", ED25519, None),
        (None, ED25519, None),
        ("ed25519", RSA, "another type"),
        ("rsa-sha256", ED25519, "another type"),
        ("rsa-sha1", RSA, "algorithm"),
        ("rsa-sha512", RSA, "algorithm"),
        ("hmac-sha256", RSA, "algorithm"),
        ("RSA-SHA256", RSA, "algorithm"),
        ("none", RSA, "algorithm"),
    ],
)
def test_cavage_the_algorithm_follows_from_the_key(
    algorithm: str | None, private: PrivateKey, reason: str | None
) -> None:
    request = cavage(private=private, algorithm=algorithm)
    if reason is None:
        accepted(request, private)
    else:
        refused(request, reason, private)


@pytest.mark.parametrize(
    ("algorithm", "params", "value", "reason"),
    [
        ("hs2019", f"created={CREATED},", CREATED, None),
        (None, f"created={CREATED},", CREATED, None),
        ("rsa-sha256", f"created={CREATED},", CREATED, "hs2019 only"),
        ("ed25519", f"created={CREATED},", CREATED, "hs2019 only"),
        ("hs2019", f'created="{CREATED}",', CREATED, "not a number"),
        ("hs2019", f"created={CREATED}.5,", f"{CREATED}.5", "not a number"),
        ("hs2019", "created=-1,", "-1", "not a number"),
        ("hs2019", "", "", "missing"),
    ],
)
def test_cavage_created_is_a_number_and_goes_with_hs2019(
    algorithm: str | None, params: str, value: str, reason: str | None
) -> None:
    request = cavage(
        "(request-target) host (created) digest",
        algorithm=algorithm,
        params=params,
        signed={"(created)": value},
    )
    if reason is None:
        accepted(request)
    else:
        refused(request, reason)


def test_cavage_an_unsigned_expires_prolongs_nothing() -> None:
    old = formatdate(NOW - 2 * HOUR, usegmt=True)
    refused(cavage(date=old, algorithm="hs2019", params=f"expires={NOW + 60:.0f},"), "too long ago")


def test_cavage_a_signed_date_is_checked_beside_a_fresh_created() -> None:
    def request(date: float) -> Request:
        return cavage(
            "(request-target) host date (created) digest",
            algorithm="hs2019",
            params=f"created={CREATED},",
            signed={"(created)": CREATED},
            date=formatdate(date, usegmt=True),
        )

    accepted(request(NOW))
    refused(request(NOW - 2 * HOUR), "too long ago")
    refused(request(NOW + 2 * HOUR), "future")


@pytest.mark.parametrize(
    "date",
    [
        "Sunday, 23-Nov-25 12:13:20 GMT",
        "Sun, 23 Nov 2025 12:13:20 +0000",
        "Sun, 23 nov 2025 12:13:20 GMT",
        "Sun, 31 Feb 2025 12:13:20 GMT",
        "Sun, 23 Nov 2025 12:13:20 GMT, Sun, 23 Nov 2025 12:13:20 GMT",
        "",
    ],
)
def test_cavage_a_date_that_is_no_http_date_is_refused(date: str) -> None:
    accepted(cavage(date="Sun, 23 Nov 2025 12:13:20 GMT"))
    refused(cavage(date=date), "Date header")


@pytest.mark.parametrize(
    "params",
    [
        f'keyId="{KEY_ID}",',
        'keyid="https://evil.example/key",',
        'algorithm="rsa-sha256",',
        'headers="date",',
        'signature="AAAA",',
        "ext=1,ext=2,",
    ],
)
def test_cavage_a_repeated_parameter_is_refused(params: str) -> None:
    accepted(cavage(params="ext=1,"))
    refused(cavage(params=params), "repeated parameter")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (",", " , "),
        (",", ", "),
        ("keyId=", "KEYID="),
    ],
)
def test_cavage_spacing_and_case_of_parameter_names_are_free(old: str, new: str) -> None:
    request = cavage()
    accepted(with_header(request, "signature", dict(request.headers)["signature"].replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (",", ";"),
        (",", ",,"),
        ("keyId=", "keyId ="),
        ("keyId=", "Signature keyId="),
        ("/users/", "/\\users/"),
        ('algorithm="', "algorithm='"),
        ("#main-key", "é"),
    ],
)
def test_cavage_a_header_that_cannot_be_read_one_way_is_refused(old: str, new: str) -> None:
    request = cavage()
    text = dict(request.headers)["signature"]
    assert old in text
    refused(with_header(request, "signature", text.replace(old, new)), "cannot be read|ASCII")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (f'keyId="{KEY_ID}",', "no `keyid`"),
        ('headers="(request-target) host date digest",', "hs2019 only"),
        ('signature="{}"', "no `signature`"),
    ],
)
def test_cavage_a_missing_parameter_is_refused(pattern: str, reason: str) -> None:
    request = cavage()
    text = dict(request.headers)["signature"]
    pattern = pattern.format(text.split('signature="')[1][:-1])
    assert pattern in text
    refused(with_header(request, "signature", text.replace(pattern, "").rstrip(",")), reason)


def test_cavage_an_empty_key_id_is_refused() -> None:
    text = dict(cavage().headers)["signature"]
    refused(with_header(cavage(), "signature", text.replace(KEY_ID, "")), "`keyid` is empty")


def test_cavage_a_signed_header_must_be_there_once_in_the_list() -> None:
    accepted(cavage("(request-target) host date digest x-note", x_note="a"))
    refused(cavage("(request-target) host date digest x-note"), "'x-note' is signed or needed")
    refused(cavage("(request-target) host date digest date"), "repeats")
    refused(
        cavage("(request-target) host date digest DATE", DATE=formatdate(NOW, usegmt=True)),
        "more than one|repeats",
    )


def test_cavage_values_of_a_repeated_header_are_joined() -> None:
    request = cavage("(request-target) host date digest x-note", x_note="a, b")
    apart = [header for header in request.headers if header[0] != "x-note"]
    accepted(replace(request, headers=(*apart, ("x-note", " a"), ("x-note", "b\t"))))
    refused(replace(request, headers=(*apart, ("x-note", "b"), ("x-note", "a"))), "does not match")


def test_cavage_a_line_break_in_a_signed_value_is_refused_though_the_signature_fits() -> None:
    accepted(cavage("(request-target) host date digest x-note", x_note="a"))
    refused(cavage("(request-target) host date digest x-note", x_note="a\nx-role: admin"), "line breaks")
