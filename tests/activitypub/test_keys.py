import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from hypothesis import given
from hypothesis import strategies as st

from activitypub import keys
from activitypub.errors import Malformed
from activitypub.keys import PrivateKey

RSA = keys.generate_rsa()
ED25519 = keys.generate_ed25519()


def spki(public: PublicKeyTypes) -> str:
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def rsa_of(bits: int, exponent: int = 65537) -> str:
    """A public key of exactly this size; nobody holds its private half."""
    return spki(RSAPublicNumbers(exponent, (1 << (bits - 1)) | 1).public_key())


@pytest.mark.parametrize("private", [RSA, ED25519], ids=["rsa", "ed25519"])
def test_keys_survive_being_written_as_pem(private: PrivateKey) -> None:
    written = keys.to_pem(private)
    assert written.startswith("-----BEGIN PRIVATE KEY-----\n")
    assert keys.to_pem(keys.private_from_pem(written)) == written
    public = keys.to_pem(private.public_key())
    assert public.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert keys.public_from_pem(public) == private.public_key()


def test_a_generated_rsa_key_has_2048_bits() -> None:
    assert RSA.key_size == 2048
    assert RSA.public_key().public_numbers().e == 65537


def test_a_public_key_in_pkcs1_is_read() -> None:
    pem = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1).decode()
    assert pem.startswith("-----BEGIN RSA PUBLIC KEY-----")
    assert keys.public_from_pem(pem) == RSA.public_key()


@pytest.mark.parametrize("dress", ["\n{}\n\n", "  {}", "{}\r\n"])
def test_white_space_around_a_pem_and_windows_line_ends_are_accepted(dress: str) -> None:
    pem = keys.to_pem(RSA.public_key()).strip()
    assert keys.public_from_pem(dress.format(pem)) == RSA.public_key()
    assert keys.public_from_pem(dress.format(pem.replace("\n", "\r\n"))) == RSA.public_key()


@pytest.mark.parametrize(("bits", "accepted"), [(2047, False), (2048, True), (8192, True), (8193, False)])
def test_rsa_keys_of_2048_to_8192_bits_are_accepted(bits: int, accepted: bool) -> None:
    pem = rsa_of(bits)
    if accepted:
        keys.public_from_pem(pem)
    else:
        with pytest.raises(Malformed, match=f"{bits} bits"):
            keys.public_from_pem(pem)


@pytest.mark.parametrize(
    ("exponent", "accepted"), [(65537, True), (2**32 - 1, True), (2**32 + 1, False), (2**1024 + 1, False)]
)
def test_an_rsa_exponent_that_makes_verifying_slow_is_malformed(exponent: int, accepted: bool) -> None:
    pem = rsa_of(2048, exponent)
    if accepted:
        keys.public_from_pem(pem)
    else:
        with pytest.raises(Malformed, match="exponent"):
            keys.public_from_pem(pem)


@pytest.mark.parametrize(
    "public",
    [
        ec.generate_private_key(ec.SECP256R1()).public_key(),
        ed448.Ed448PrivateKey.generate().public_key(),
        x25519.X25519PrivateKey.generate().public_key(),
        dsa.generate_private_key(2048).public_key(),
    ],
    ids=["p-256", "ed448", "x25519", "dsa"],
)
def test_other_types_of_public_keys_are_malformed(public: PublicKeyTypes) -> None:
    with pytest.raises(Malformed, match="neither RSA nor Ed25519"):
        keys.public_from_pem(spki(public))


def test_other_types_and_sizes_of_private_keys_are_malformed() -> None:
    def pem(private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, secret: bytes = b"") -> str:
        encryption = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
        return private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            encryption,
        ).decode()

    with pytest.raises(Malformed, match="neither RSA nor Ed25519"):
        keys.private_from_pem(pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(Malformed, match="1024 bits"):
        keys.private_from_pem(pem(rsa.generate_private_key(65537, 1024)))
    with pytest.raises(Malformed, match="unencrypted"):
        keys.private_from_pem(pem(RSA, b"secret"))


PUBLIC_PEM = keys.to_pem(RSA.public_key())


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "hello",
        PUBLIC_PEM + keys.to_pem(ED25519.public_key()),
        PUBLIC_PEM + PUBLIC_PEM,
        "ssh-rsa AAAA\n" + PUBLIC_PEM,
        PUBLIC_PEM.replace("PUBLIC KEY", "CERTIFICATE"),
        PUBLIC_PEM[:200],
        PUBLIC_PEM[:100] + "!" + PUBLIC_PEM[101:],
        keys.to_pem(RSA),
        PUBLIC_PEM + "é",
        PUBLIC_PEM + " " * 20_000,
    ],
    ids=[
        "empty",
        "text",
        "two keys",
        "twice",
        "prefix",
        "certificate",
        "cut",
        "bad base64",
        "private",
        "é",
        "long",
    ],
)
def test_what_is_no_single_public_pem_is_malformed(pem: str) -> None:
    keys.public_from_pem(PUBLIC_PEM)
    with pytest.raises(Malformed):
        keys.public_from_pem(pem)


def test_a_public_pem_is_no_private_one() -> None:
    with pytest.raises(Malformed):
        keys.private_from_pem(PUBLIC_PEM)


@given(st.text() | st.binary(max_size=400).map(lambda raw: base64.b64encode(raw).decode()), st.booleans())
def test_no_text_raises_anything_but_malformed(text: str, framed: bool) -> None:
    if framed:
        text = f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----"
    for read in (keys.public_from_pem, keys.private_from_pem, keys.from_multibase):
        with pytest.raises(Malformed):
            read(text)


# The first Ed25519 vector of the did:key method specification: the key whose seed is 32 zero bytes.
DID_KEY_SEED = bytes(32)
DID_KEY = "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"


def test_multibase_of_a_published_key() -> None:
    public = Ed25519PrivateKey.from_private_bytes(DID_KEY_SEED).public_key()
    assert keys.multibase(public) == DID_KEY
    assert keys.from_multibase(DID_KEY) == public


@given(st.binary(min_size=32, max_size=32))
def test_multibase_is_read_back(raw: bytes) -> None:
    public = Ed25519PublicKey.from_public_bytes(raw)
    text = keys.multibase(public)
    assert len(text) == 48
    assert text.startswith("z6Mk")
    assert keys.from_multibase(text) == public


@pytest.mark.parametrize("raw", [bytes(32), b"\xff" * 32])
def test_multibase_of_extreme_keys_is_read_back(raw: bytes) -> None:
    public = Ed25519PublicKey.from_public_bytes(raw)
    assert keys.from_multibase(keys.multibase(public)) == public


@pytest.mark.parametrize(
    "text",
    [
        "",
        "z",
        DID_KEY[1:],
        "m" + DID_KEY[1:],
        DID_KEY + "1",
        "z1" + DID_KEY[1:],
        DID_KEY[:-1],
        DID_KEY[:-1] + "0",
        DID_KEY[:-1] + "l",
        DID_KEY[:-1] + "é",
        "z" * 48,
        "z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc",
    ],
    ids=[
        "empty",
        "z",
        "no base",
        "base64",
        "longer",
        "leading 1",
        "short",
        "0",
        "l",
        "é",
        "overflow",
        "x25519",
    ],
)
def test_other_multibase_text_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        keys.from_multibase(text)
