"""Key pairs: generating, storing and reading them. RSA for the fediverse, Ed25519 as a FEP-521a Multikey.

Keys are held as loaded objects; parsing a PEM costs about as much as verifying a signature.
"""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key

from activitypub import base58
from activitypub.errors import Malformed

PublicKey = RSAPublicKey | Ed25519PublicKey
PrivateKey = RSAPrivateKey | Ed25519PrivateKey

RSA_BITS = 2048  # what the fediverse uses; a signature with 4096 bits costs five times as much
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192  # verifying grows with the square of the size, and the sender chooses it
MAX_RSA_EXPONENT = 2**32  # it grows with the exponent as well; everybody uses 65537
MAX_PEM_CHARS = 16_384

_ED25519_PREFIX = b"\xed\x01"  # multicodec ed25519-pub as a varint


def generate_rsa() -> RSAPrivateKey:
    """Takes 50 to 500 ms: never inside a transaction, never on the event loop."""
    return generate_private_key(public_exponent=65537, key_size=RSA_BITS)


def generate_ed25519() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def to_pem(key: PrivateKey | PublicKey) -> str:
    """A private key as unencrypted PKCS#8, a public one as SubjectPublicKeyInfo."""
    if isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    else:
        pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem.decode("ascii")


def public_from_pem(pem: str) -> PublicKey:
    """Read SubjectPublicKeyInfo ("PUBLIC KEY") or PKCS#1 ("RSA PUBLIC KEY", as older servers publish it).

    Raises Malformed for anything but Ed25519 and RSA of an acceptable size.
    """
    data = _single_block(pem)
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Malformed("not a public key in PEM") from error
    if isinstance(key, RSAPublicKey):
        _check_rsa(key)
        return key
    if isinstance(key, Ed25519PublicKey):
        return key
    raise Malformed("a public key that is neither RSA nor Ed25519")


def private_from_pem(pem: str) -> PrivateKey:
    """Read an unencrypted private key. Raises Malformed as `public_from_pem` does."""
    data = _single_block(pem)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Malformed("not an unencrypted private key in PEM") from error
    if isinstance(key, RSAPrivateKey):
        _check_rsa(key.public_key())
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise Malformed("a private key that is neither RSA nor Ed25519")


def multibase(key: Ed25519PublicKey) -> str:
    """`publicKeyMultibase` of a Multikey (FEP-521a): "z6Mk…"."""
    return base58.encode(_ED25519_PREFIX + key.public_bytes_raw())


def from_multibase(text: str) -> Ed25519PublicKey:
    """Raises Malformed for every other key type and base; those carry no obligation to be read."""
    raw = base58.decode(text, len(_ED25519_PREFIX) + 32)
    if not raw.startswith(_ED25519_PREFIX):
        raise Malformed("a multibase key that is not Ed25519")
    return Ed25519PublicKey.from_public_bytes(raw[len(_ED25519_PREFIX) :])


def _single_block(pem: str) -> bytes:
    """Exactly one PEM block: with two, two readers could each believe a different one."""
    if len(pem) > MAX_PEM_CHARS or not pem.isascii():
        raise Malformed("not a PEM of acceptable size")
    stripped = pem.strip()
    if not stripped.startswith("-----BEGIN ") or stripped.count("-----BEGIN ") != 1:
        raise Malformed("not a single PEM block")
    return stripped.encode("ascii")


def _check_rsa(key: RSAPublicKey) -> None:
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise Malformed(f"an RSA key of {key.key_size} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted")
    if key.public_numbers().e > MAX_RSA_EXPONENT:
        raise Malformed("an RSA key with an excessive exponent")
