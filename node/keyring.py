"""Key pairs of local accounts: RSA-2048 for the fediverse, Ed25519 as a FEP-521a Multikey.

Making an RSA key takes up to half a second of CPU, so it happens outside transactions: `generate` makes the pairs, `store`
keeps them unless another process was faster. Private halves are sealed with the node's secret, which lies outside the
database; they are opened when something is signed, never stored in a queue.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from activitypub import keys
from activitypub.documents import PublicKey
from activitypub.signatures import SigningKey
from activitypub.vocabulary import Iri
from node import db
from node.errors import NotFound
from node.runtime import Node, Tx
from node.schema import account, account_key
from node.secrets import Vault

RSA = "rsa"
ED25519 = "ed25519"
FRAGMENTS = {RSA: "main-key", ED25519: "ed25519-key"}

_KEYS_HELD = 1000
_HELD_SECONDS = 60.0

_VALID = select(account_key.c.iri, account_key.c.kind, account_key.c.public, account_key.c.private).where(
    account_key.c.account_id == bindparam("account_id"), account_key.c.revoked_at.is_(None)
)
_NEWEST_PRIVATE = (
    select(account_key.c.iri, account_key.c.private)
    .where(
        account_key.c.account_id == bindparam("account_id"),
        account_key.c.kind == bindparam("kind"),
        account_key.c.private.is_not(None),
        account_key.c.revoked_at.is_(None),
    )
    .order_by(account_key.c.id.desc())
    .limit(1)
)
_LOCAL_IRI = select(account.c.iri).where(account.c.id == bindparam("account_id"), account.c.domain.is_(None))


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A new pair, ready to be stored: `public` is PEM (rsa) or multibase (ed25519), `private` PKCS#8 in PEM."""

    kind: str
    public: str
    private: bytes


def generate() -> list[KeyPair]:
    """One pair of each kind. Up to half a second of CPU: not on the event loop, not inside a transaction."""
    rsa, ed25519 = keys.generate_rsa(), keys.generate_ed25519()
    return [
        KeyPair(RSA, keys.to_pem(rsa.public_key()), keys.to_pem(rsa).encode()),
        KeyPair(ED25519, keys.multibase(ed25519.public_key()), keys.to_pem(ed25519).encode()),
    ]


def store(tx: Tx, account_id: int, pairs: list[KeyPair]) -> None:
    """Keep new pairs of a local account. A kind that it has already stays as it is. Raises NotFound."""
    owner = tx.scalar(_LOCAL_IRI, {"account_id": account_id})
    if owner is None:
        raise NotFound
    rows = [
        {
            "account_id": account_id,
            "iri": (iri := key_iri(owner, pair.kind)),
            "kind": pair.kind,
            "public": pair.public,
            "private": tx.node.vault.seal(pair.private, _purpose(iri)),
            "created_at": tx.now,
        }
        for pair in pairs
    ]
    tx.execute(db.insert_or_ignore(tx.dialect, account_key, ["iri"]), rows)


def missing(tx: Tx, account_id: int) -> bool:
    """True if the account lacks a kind of key."""
    kinds = {row.kind for row in tx.rows(_VALID, {"account_id": account_id}) if row.private is not None}
    return not kinds.issuperset(FRAGMENTS)


def public_keys(tx: Tx, account_id: int, owner: Iri) -> tuple[PublicKey, ...]:
    """The keys that the actor document of `owner` lists."""
    return tuple(
        PublicKey(
            id=row.iri,
            owner=owner,
            pem=row.public if row.kind == RSA else None,
            multibase=row.public if row.kind == ED25519 else None,
        )
        for row in tx.rows(_VALID, {"account_id": account_id})
    )


def signing_key(tx: Tx, account_id: int, kind: str = RSA) -> SigningKey:
    """The private key, opened. Raises NotFound if there is none yet, SecretError if the node's secret is another one."""
    row = tx.first(_NEWEST_PRIVATE, {"account_id": account_id, "kind": kind})
    if row is None:
        raise NotFound("the account has no key yet")
    return opened(tx.node.vault, row.iri, row.private)


def opened(vault: Vault, iri: str, sealed: bytes) -> SigningKey:
    """A stored private key. Raises SecretError."""
    return SigningKey(Iri(iri), keys.private_from_pem(unsealed(vault, iri, sealed)))


def unsealed(vault: Vault, iri: str, sealed: bytes) -> str:
    """A stored private key as PEM; reading that takes 60 ms more for RSA. Raises SecretError."""
    return vault.open(sealed, _purpose(iri)).decode()


def key_iri(owner: str, kind: str) -> Iri:
    return Iri(f"{owner}#{FRAGMENTS[kind]}")


def _purpose(iri: str) -> str:
    return f"key:{iri}"


async def ensure(node: Node, account_id: int) -> None:
    """Make the account's keys unless they are there. Raises NotFound for accounts that are not local."""
    if await node.read(missing, account_id):
        pairs = await asyncio.to_thread(generate)
        await node.write(store, account_id, pairs)


class Keyring:
    """Loaded private keys of one process. Belongs to one event loop.

    A key is read again a minute after it was loaded, so that a rotation by another process takes effect.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._held: OrderedDict[int, tuple[SigningKey, float]] = OrderedDict()
        self._making: dict[int, asyncio.Lock] = {}

    async def ensure(self, account_id: int) -> None:
        """As the module's `ensure`; callers that come together wait for one another rather than make keys twice."""
        lock = self._making.setdefault(account_id, asyncio.Lock())
        try:
            async with lock:
                await ensure(self._node, account_id)
        finally:
            if not lock.locked():
                self._making.pop(account_id, None)

    async def signing_key(self, account_id: int) -> SigningKey:
        """The RSA key, made first if need be. Raises NotFound, SecretError."""
        key, until = self._held.get(account_id, (None, 0.0))
        if key is not None and asyncio.get_running_loop().time() < until:
            self._held.move_to_end(account_id)
            return key
        key = await self._load(account_id)
        self._held[account_id] = (key, asyncio.get_running_loop().time() + _HELD_SECONDS)
        self._held.move_to_end(account_id)
        while len(self._held) > _KEYS_HELD:
            self._held.popitem(last=False)
        return key

    async def _load(self, account_id: int) -> SigningKey:
        try:
            return await self._node.read(signing_key, account_id)
        except NotFound:
            await self.ensure(account_id)
            return await self._node.read(signing_key, account_id)
