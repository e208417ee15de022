"""Published vectors: draft-cavage-http-signatures-12 appendix C; RFC 9421 section 4.3 and appendix B.

They cover less than we demand, so they test `signature_base.read` and `verify`, the layer below our policy.
"""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from activitypub import keys
from activitypub.errors import Malformed, SignatureInvalid
from activitypub.keys import PublicKey
from activitypub.signature_base import Presented, header_fields, read
from activitypub.signatures import Request, VerifyKey, presented
from activitypub.vocabulary import Iri

CAVAGE_PEM = """-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDCFENGw33yGihy92pDjZQhl0C3
6rPJj+CvfSC8+q28hxA161QFNUd13wuCTUcq0Qd2qsBe/2hFyc2DCJJg0h1L78+6
Z4UMR7EOcpfdUE9Hf3m/hs+FUR45uBJeDK1HSFHD8bHKD6kv8FPGfJTotc+2xjJw
oYi+1hqp1fIekaxsyQIDAQAB
-----END PUBLIC KEY-----"""
TEST_KEY_RSA = """-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAhAKYdtoeoy8zcAcR874L8cnZxKzAGwd7v36APp7Pv6Q2jdsPBRrw
WEBnez6d0UDKDwGbc6nxfEXAy5mbhgajzrw3MOEt8uA5txSKobBpKDeBLOsdJKFq
MGmXCQvEG7YemcxDTRPxAleIAgYYRjTSd/QBwVW9OwNFhekro3RtlinV0a75jfZg
kne/YiktSvLG34lw2zqXBDTC5NHROUqGTlML4PlNZS5Ri2U4aCNx2rUPRcKIlE0P
uKxI4T+HIaFpv8+rdV6eUgOrB2xeI1dSFFn/nnv5OoZJEIB+VmuKn3DCUcCZSFlQ
PSXSfBDiUGhwOw76WuSSsf1D4b/vLoJ10wIDAQAB
-----END RSA PUBLIC KEY-----"""
TEST_KEY_RSA_PSS = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----"""
TEST_KEY_ED25519 = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----"""

CAVAGE_REQUEST = Request(
    "POST",
    "/foo?param=value&pet=dog",
    (
        ("host", "example.com"),
        ("date", "Sun, 05 Jan 2014 21:31:40 GMT"),
        ("content-type", "application/json"),
        ("digest", "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="),
        ("content-length", "18"),
    ),
    b'{"hello": "world"}',
)
BODY_SHA512 = "WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew=="
SHA512_DIGEST = f"sha-512=:{BODY_SHA512}:"
RFC_REQUEST = Request(
    "POST",
    "/foo?param=Value&Pet=dog",
    (
        ("host", "example.com"),
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        ("content-digest", SHA512_DIGEST),
        ("content-length", "18"),
    ),
    b'{"hello": "world"}',
)


def signed(request: Request, **headers: str) -> Request:
    added = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return replace(request, headers=(*request.headers, *added))


def found_in(request: Request, authority: str = "example.com") -> Presented:
    return read(request, header_fields(request), authority=authority, scheme="https")


def key(name: str, public: PublicKey) -> VerifyKey:
    return VerifyKey(Iri(name), Iri("https://example.com/owner"), public)


@pytest.fixture
def cavage_key() -> VerifyKey:
    public = load_pem_public_key(CAVAGE_PEM.encode())
    assert isinstance(public, RSAPublicKey)
    return key("Test", public)


@pytest.fixture
def ed25519_key() -> VerifyKey:
    return key("test-key-ed25519", keys.public_from_pem(TEST_KEY_ED25519))


# C.1 is signed over Date alone. The draft's text makes (created) the default list, so it is spelled out here.
C1 = (
    'keyId="Test",algorithm="rsa-sha256",headers="date",'
    'signature="SjWJWbWN7i0wzBvtPl8rbASWz5xQW6mcJmn+ibttBqtifLN7Sazz6m79cNfwwb8DMJ5cou1s7uEGKKCs+FLEEaDV5lp7q25W'
    'qS+lavg7T8hc0GppauB6hbgEKTwblDHYGEtbGmtdHgVCk9SuS13F0hZ8FD0k/5OxEPXe5WozsbM="'
)
C2 = (
    'keyId="Test",algorithm="rsa-sha256",headers="(request-target) host date",'
    'signature="qdx+H7PHHDZgy4y/Ahn9Tny9V3GP6YgBPyUXMmoxWtLbHpUnXS2mg2+SbrQDMCJypxBLSPQR2aAjn7ndmw2iicw3HMbe8VfE'
    'dKFYRqzic+efkb3nndiv/x1xSHDJWeSWkx3ButlYSuBskLu6kd9Fswtemr3lgdDEmn04swr2Os0="'
)
# C.3 as published also lists (created) and (expires), which its signature (older than they) does not cover.
C3 = (
    'keyId="Test",algorithm="rsa-sha256",'
    'headers="(request-target) host date content-type digest content-length",'
    'signature="vSdrb+dS3EceC9bcwHSo4MlyKS59iFIrhgYkz8+oVLEEzmYZZvRs8rgOp+63LEM3v+MFHB32NfpB2bEKBIvB1q52LaEUHFv1'
    '20V01IL+TAD48XaERZFukWgHoBTLMhYS2Gb51gWxpeIq8knRmPnYePbF5MOkR0Zkly4zKH7s1dE="'
)


@pytest.mark.parametrize("signature", [C1, C2, C3], ids=["C.1", "C.2", "C.3"])
def test_cavage_appendix_c_verifies_and_a_changed_date_does_not(
    signature: str,
    cavage_key: VerifyKey,
) -> None:
    found_in(signed(CAVAGE_REQUEST, signature=signature)).verify(cavage_key)
    later = tuple((n, v.replace("21:31:40", "21:31:41")) for n, v in CAVAGE_REQUEST.headers)
    moved = replace(CAVAGE_REQUEST, headers=later)
    with pytest.raises(SignatureInvalid, match="does not match"):
        found_in(signed(moved, signature=signature)).verify(cavage_key)


def test_cavage_c3_meets_our_policy_in_its_time_and_c2_does_not(cavage_key: VerifyKey) -> None:
    now = 1_388_957_500.0  # Sun, 05 Jan 2014 21:31:40 GMT
    strong = signed(CAVAGE_REQUEST, signature=C3)
    presented(strong, authority="example.com", scheme="https", now=now).verify(cavage_key)
    with pytest.raises(SignatureInvalid, match="not signed: digest"):
        presented(signed(CAVAGE_REQUEST, signature=C2), authority="example.com", scheme="https", now=now)


def test_the_key_of_cavage_appendix_c_is_too_short_to_be_loaded_by_us() -> None:
    with pytest.raises(Malformed, match="1024 bits"):
        keys.public_from_pem(CAVAGE_PEM)


B26_INPUT = (
    'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
    ';created=1618884473;keyid="test-key-ed25519"'
)
B26 = "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"


def test_rfc9421_b26_ed25519_verifies(ed25519_key: VerifyKey) -> None:
    found = found_in(signed(RFC_REQUEST, signature_input=B26_INPUT, signature=B26))
    assert found.base.decode() == (
        '"date": Tue, 20 Apr 2021 02:07:55 GMT\n'
        '"@method": POST\n'
        '"@path": /foo\n'
        '"@authority": example.com\n'
        '"content-type": application/json\n'
        '"content-length": 18\n'
        '"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"'
    )
    assert found.created == 1618884473
    found.verify(ed25519_key)


def test_rfc9421_b26_is_refused_by_our_policy_as_it_signs_too_little() -> None:
    request = signed(RFC_REQUEST, signature_input=B26_INPUT, signature=B26)
    with pytest.raises(SignatureInvalid, match="not signed: @target-uri, content-digest"):
        presented(request, authority="example.com", scheme="https", now=1618884473)


B4_INPUT = 'transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519"'
B4 = "transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:"
TWO_LINES = (("accept", "application/json"), ("accept", "*/*"))


@pytest.mark.parametrize(
    ("method", "authority", "target", "accept", "holds"),
    [
        ("GET", "example.org", "/demo?name1=Value1&Name2=value2", TWO_LINES, True),
        ("GET", "example.org", "/demo?name1=Value1&Name2=value2&param=added", TWO_LINES, True),
        ("GET", "example.org", "/demo", (("accept", " application/json, */* "),), True),
        ("POST", "example.org", "/demo?name1=Value1&Name2=value2", TWO_LINES, False),
        ("GET", "example.com", "/demo?name1=Value1&Name2=value2", TWO_LINES, False),
        ("GET", "example.org", "/demo?name1=Value1&Name2=value2", TWO_LINES[::-1], False),
    ],
    ids=["original", "query added", "lines combined", "other method", "other authority", "lines swapped"],
)
def test_rfc9421_b4_transformations(
    method: str,
    authority: str,
    target: str,
    accept: tuple[tuple[str, str], ...],
    holds: bool,
    ed25519_key: VerifyKey,
) -> None:
    request = signed(Request(method, target, accept, b""), signature_input=B4_INPUT, signature=B4)
    found = found_in(request, authority)
    if holds:
        found.verify(ed25519_key)
    else:
        with pytest.raises(SignatureInvalid, match="does not match"):
            found.verify(ed25519_key)


def test_rfc9421_section_4_3_rsa_v1_5_sha256_verifies_until_it_expires() -> None:
    request = Request(
        "POST",
        "/foo?param=Value&Pet=dog",
        (*RFC_REQUEST.headers[2:], ("forwarded", "for=192.0.2.123;host=example.com;proto=https")),
        RFC_REQUEST.body,
    )
    found = found_in(
        signed(
            request,
            signature_input='proxy_sig=("@method" "@authority" "@path" "content-digest" "content-type" '
            '"content-length" "forwarded");created=1618884480;keyid="test-key-rsa";alg="rsa-v1_5-sha256"'
            ";expires=1618884540",
            signature="proxy_sig=:S6ZzPXSdAMOPjN/6KXfXWNO/f7V6cHm7BXYUh3YD/fRad4BCaRZxP+JH+8XY1I6+8Cy+CM5g92i"
            "HgxtRPz+MjniOaYmdkDcnL9cCpXJleXsOckpURl49GwiyUpZ10KHgOEe11sx3G2gxI8S0jnxQB+Pu68U9vVcasqOWAEObtN"
            "KKZd8tSFu7LB5YAv0RAGhB8tmpv7sFnIm9y+7X5kXQfi8NMaZaA8i2ZHwpBdg7a6CMfwnnrtflzvZdXAsD3LH2TwevU+/PB"
            "Pv0B6NMNk93wUs/vfJvye+YuI87HU38lZHowtznbLVdp770I6VHR6WfgS9ddzirrswsE1w5o0LV/g==:",
        ),
        "origin.host.internal.example",
    )
    assert found.expires == 1618884540
    found.verify(key("test-key-rsa", keys.public_from_pem(TEST_KEY_RSA)))
    with pytest.raises(SignatureInvalid, match="does not match"):
        found.verify(key("test-key-rsa", keys.public_from_pem(TEST_KEY_RSA_PSS)))


B21: tuple[str, str, list[str]] = (
    'sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"',
    "sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZ"
    "sckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE"
    "56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPY"
    "TU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:",
    [],
)
B22 = (
    'sig-b22=("@authority" "content-digest" "@query-param";name="Pet")'
    ';created=1618884473;keyid="test-key-rsa-pss";tag="header-example"',
    "sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCM"
    "kSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAo"
    "FqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY"
    "8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==:",
    ['"@authority": example.com', f'"content-digest": {SHA512_DIGEST}', '"@query-param";name="Pet": dog'],
)
B23 = (
    'sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" '
    '"content-length");created=1618884473;keyid="test-key-rsa-pss"',
    "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp"
    "768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7Yf"
    "W91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRx"
    "pJyoEZAFL2FUo5fTIztsDZKEgM4cUA==:",
    [
        '"date": Tue, 20 Apr 2021 02:07:55 GMT',
        '"@method": POST',
        '"@path": /foo',
        '"@query": ?param=Value&Pet=dog',
        '"@authority": example.com',
        '"content-type": application/json',
        f'"content-digest": {SHA512_DIGEST}',
        '"content-length": 18',
    ],
)


@pytest.mark.parametrize(("given", "signature", "lines"), [B21, B22, B23], ids=["B.2.1", "B.2.2", "B.2.3"])
def test_rfc9421_rsa_pss_vectors_have_their_signature_base_but_the_algorithm_is_refused(
    given: str, signature: str, lines: list[str]
) -> None:
    found = found_in(signed(RFC_REQUEST, signature_input=given, signature=signature))
    params = f'"@signature-params": {given.partition("=")[2]}'
    assert found.base.decode() == "\n".join([*lines, params])
    public = keys.public_from_pem(TEST_KEY_RSA_PSS)
    assert isinstance(public, RSAPublicKey)
    # The published signature confirms the base, with the algorithm that it was made by.
    public.verify(found.signature, found.base, PSS(MGF1(SHA512()), 64), SHA512())
    with pytest.raises(SignatureInvalid, match="does not match"):
        found.verify(key("test-key-rsa-pss", public))
    declared = signed(RFC_REQUEST, signature_input=f'{given};alg="rsa-pss-sha512"', signature=signature)
    with pytest.raises(SignatureInvalid, match="algorithm"):
        found_in(declared)
