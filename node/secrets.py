"""Secrets of the node: sealing what is stored, hashing what is handed out.

The 32-byte node secret lies in `secret.key` beside the settings file, outside the database, so that a copy of the database
alone gives away no private key.
"""

import hashlib
import os
import secrets as random_source
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SECRET_FILE = "secret.key"
_NONCE = 12


class SecretError(Exception):
    """The node secret is missing, unreadable or not the one that sealed the data."""


class Vault:
    """Seals bytes with AES-256-GCM. `purpose` binds a sealed value to its place."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32:
            raise SecretError("the node secret must be 32 bytes")
        self._aead = AESGCM(secret)

    def seal(self, plain: bytes, purpose: str) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._aead.encrypt(nonce, plain, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Raises SecretError if the secret or the purpose is another one, or the bytes were changed."""
        try:
            return self._aead.decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise SecretError(f"{purpose}: sealed with another node secret, or damaged") from error


def create_secret(folder: Path) -> None:
    """Write a new node secret. Raises FileExistsError rather than replace one."""
    descriptor = os.open(folder / SECRET_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(random_source.token_hex(32).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def load_vault(folder: Path) -> Vault:
    path = folder / SECRET_FILE
    try:
        return Vault(bytes.fromhex(path.read_text().strip()))
    except OSError as error:
        raise SecretError(f"{path}: {error.strerror}. Without it no private key can be read.") from error
    except ValueError as error:
        raise SecretError(f"{path}: not a node secret (64 hexadecimal digits)") from error


def new_token() -> str:
    """256 random bits for a token, code or session id."""
    return random_source.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is stored of a token: SHA-256, hex. Enough, since tokens are random and long."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
