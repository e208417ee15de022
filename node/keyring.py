"""Key pairs of local accounts: RSA-2048 for the fediverse, Ed25519 as a FEP-521a Multikey; and the node's identity.

Making an RSA key takes up to half a second of CPU, so it happens outside transactions: `generate` makes the pairs, `store`
keeps them unless another process was faster. Private halves are sealed with the node's secret, which lies outside the
database; they are opened when something is signed, never stored in a queue.

The identity is an Ed25519 pair of its own. The company's roster pins it, no actor lists it, and all it signs is the
certificate of the node actor's working keys (docs/adr/0013). Rotating replaces working keys; it never touches the identity.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Row, bindparam, insert, select, update

from activitypub import certificates, keys, proofs
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
IDENTITY = "identity"
FRAGMENTS = {RSA: "main-key", ED25519: "ed25519-key"}

_KEYS_HELD = 1000
_HELD_SECONDS = 60.0

_VALID = (
    select(account_key)
    .where(
        account_key.c.account_id == bindparam("account_id"),
        account_key.c.revoked_at.is_(None),
        account_key.c.kind != IDENTITY,
    )
    .order_by(account_key.c.id)
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
_NODE_ACTOR = select(account.c.id).where(account.c.iri == bindparam("iri"))
_IDENTITY = select(account_key.c.iri, account_key.c.private).where(
    account_key.c.iri == bindparam("iri"), account_key.c.kind == IDENTITY
)
_REVOKE = (
    update(account_key)
    .where(
        account_key.c.account_id == bindparam("of"), account_key.c.revoked_at.is_(None), account_key.c.kind != IDENTITY
    )
    .values(revoked_at=bindparam("at"), private=None)
)
_REPLACE = (
    update(account_key)
    .where(account_key.c.iri == bindparam("of"))
    .values(public=bindparam("public"), private=bindparam("private"), created_at=bindparam("at"))
)
_HOLDERS = (
    select(account_key.c.account_id)
    .join(account, account.c.id == account_key.c.account_id)
    .where(account.c.domain.is_(None), account.c.gone_at.is_(None), account_key.c.revoked_at.is_(None))
    .where(account_key.c.kind == RSA)
    .order_by(account_key.c.account_id)
)
_LISTING = (
    select(account_key)
    .join(account, account.c.id == account_key.c.account_id)
    .where(account.c.domain.is_(None))
    .order_by(account_key.c.account_id, account_key.c.id)
)
_NEW_REVISION = (
    update(account).where(account.c.id == bindparam("of")).values(rev=account.c.rev + 1, updated_at=bindparam("at"))
)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A new pair, ready to be stored: `public` is PEM (rsa) or multibase (ed25519), `private` PKCS#8 in PEM."""

    kind: str
    public: str
    private: bytes


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of `corridor keys list`. Times are ms since 1970."""

    iri: str
    kind: str
    public: str
    created_at: int
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the node is. `multibase` is what the roster pins, `did` how its signatures name it."""

    private: Ed25519PrivateKey

    @property
    def multibase(self) -> str:
        return keys.multibase(self.private.public_key())

    @property
    def did(self) -> str:
        return proofs.did_key(self.private.public_key())


# --- Keys of accounts ---------------------------------------------------------------------------------------------


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
    held = {row.kind for row in tx.rows(_VALID, {"account_id": account_id}) if row.private is not None}
    rows = [_row(tx, account_id, key_iri(owner, pair.kind), pair) for pair in pairs if pair.kind not in held]
    if rows:
        tx.execute(db.insert_or_ignore(tx.dialect, account_key, ["iri"]), rows)


def rotate(tx: Tx, account_id: int, pairs: list[KeyPair]) -> None:
    """Replace every working key of a local account: the old ones are listed no longer, and their private halves are gone.

    A key's id holds when it was made: it is never used again, not even after a backup from before was restored. Peers hear
    of it by an Update of the actor, which the new key signs, as it does whatever is still on its way. Raises NotFound.
    """
    owner = tx.scalar(_LOCAL_IRI, {"account_id": account_id})
    if owner is None:
        raise NotFound
    tx.execute(_REVOKE, {"of": account_id, "at": tx.now})
    rows = [_row(tx, account_id, Iri(f"{key_iri(owner, pair.kind)}-{tx.now}"), pair) for pair in pairs]
    tx.execute(insert(account_key), rows)
    tx.execute(_NEW_REVISION, {"of": account_id, "at": tx.now})
    tx.audit("keys.rotate", owner)
    tx.outgoing.profile_changed(tx, account_id)


def holders(tx: Tx) -> list[int]:
    """The local accounts that have keys; whoever has none yet gets new ones anyway (ADR 0009)."""
    return tx.scalars(_HOLDERS)


def listing(tx: Tx, account_id: int | None) -> list[Listed]:
    """Keys of a local account, or of all of them."""
    statement = _LISTING if account_id is None else _LISTING.where(account_key.c.account_id == account_id)
    return [Listed(row.iri, row.kind, row.public, row.created_at, row.revoked_at) for row in tx.rows(statement)]


def _row(tx: Tx, account_id: int, iri: Iri, pair: KeyPair) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "iri": iri,
        "kind": pair.kind,
        "public": pair.public,
        "private": tx.node.vault.seal(pair.private, _purpose(iri)),
        "created_at": tx.now,
    }


def missing(tx: Tx, account_id: int) -> bool:
    """True if the account lacks a kind of key."""
    kinds = {row.kind for row in tx.rows(_VALID, {"account_id": account_id}) if row.private is not None}
    return not kinds.issuperset(FRAGMENTS)


def public_keys(tx: Tx, account_id: int, owner: Iri) -> tuple[PublicKey, ...]:
    """The keys that the actor document of `owner` lists."""
    return _listed(tx.rows(_VALID, {"account_id": account_id}), owner)


def _listed(rows: Sequence[Row[Any]], owner: Iri) -> tuple[PublicKey, ...]:
    return tuple(
        PublicKey(
            id=row.iri,
            owner=owner,
            pem=row.public if row.kind == RSA else None,
            multibase=row.public if row.kind == ED25519 else None,
        )
        for row in rows
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


# --- The node's identity ------------------------------------------------------------------------------------------


def identity(tx: Tx) -> Identity:
    """The node's identity. Raises NotFound if it has none yet (`ensure_identity`), SecretError."""
    row = tx.first(_IDENTITY, {"iri": _identity_iri(tx)})
    if row is None or row.private is None:
        raise NotFound("the node has no identity key yet")
    private = opened(tx.node.vault, row.iri, row.private).private
    if not isinstance(private, Ed25519PrivateKey):
        raise NotFound("the node's identity key is of another kind")
    return Identity(private)


def ensure_identity(tx: Tx) -> Identity:
    """`identity`, made if there is none; cheap, unlike RSA. Raises NotFound before the node's actor is there."""
    actor_id = tx.scalar(_NODE_ACTOR, {"iri": tx.urls.node_actor})
    if actor_id is None:
        raise NotFound("the node has no actor yet")
    if tx.first(_IDENTITY, {"iri": _identity_iri(tx)}) is None:
        private = keys.generate_ed25519()
        pair = KeyPair(IDENTITY, keys.multibase(private.public_key()), keys.to_pem(private).encode())
        row = _row(tx, actor_id, _identity_iri(tx), pair)
        tx.execute(db.insert_or_ignore(tx.dialect, account_key, ["iri"]), row)
    return identity(tx)


def certificate(tx: Tx) -> dict[str, Any] | None:
    """The working keys of the node's actor, signed by its identity. None as long as there are none, or no identity.

    The same each time until the keys change: nothing of it has to be stored.
    """
    actor_id = tx.scalar(_NODE_ACTOR, {"iri": tx.urls.node_actor})
    rows = [] if actor_id is None else tx.rows(_VALID, {"account_id": actor_id})
    if not rows:
        return None
    try:
        signer = identity(tx)
    except NotFound:
        return None
    listed = _listed(rows, Iri(tx.urls.node_actor))
    serial = max(row.created_at for row in rows)
    return certificates.make(tx.settings.node.domain, listed, serial=serial, identity=signer.private)


def new_identity(tx: Tx) -> Identity:
    """Replace the node's identity. Peers believe nothing that it certifies before their roster names it."""
    ensure_identity(tx)
    iri = _identity_iri(tx)
    private = keys.generate_ed25519()
    sealed = tx.node.vault.seal(keys.to_pem(private).encode(), _purpose(iri))
    public = keys.multibase(private.public_key())
    tx.execute(_REPLACE, {"of": iri, "public": public, "private": sealed, "at": tx.now})
    tx.audit("keys.identity", iri, {"identity": public})
    return Identity(private)


def _identity_iri(tx: Tx) -> Iri:
    return Iri(f"{tx.urls.node_actor}#identity")


# --- Outside transactions -----------------------------------------------------------------------------------------


async def ensure(node: Node, account_id: int) -> None:
    """Make the account's keys unless they are there. Raises NotFound for accounts that are not local."""
    if await node.read(missing, account_id):
        pairs = await asyncio.to_thread(generate)
        await node.write(store, account_id, pairs)


class Keyring:
    """Loaded private keys of one process. Belongs to one event loop.

    A key is read again a minute after it was loaded, or when a peer turned it away (`renewed`), so that a rotation by
    another process takes effect.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._held: OrderedDict[tuple[int, str], tuple[SigningKey, float]] = OrderedDict()
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

    async def signing_key(self, account_id: int, kind: str = RSA) -> SigningKey:
        """The newest key, made first if need be. Raises NotFound, SecretError."""
        key, until = self._held.get((account_id, kind), (None, 0.0))
        if key is not None and asyncio.get_running_loop().time() < until:
            self._held.move_to_end((account_id, kind))
            return key
        return self._hold(account_id, kind, await self._load(account_id, kind))

    async def renewed(self, key: SigningKey, account_id: int, kind: str = RSA) -> SigningKey | None:
        """The key that has replaced `key`, None if nothing has: for when a peer does not know it."""
        newest = self._hold(account_id, kind, await self._load(account_id, kind))
        return newest if newest.id != key.id else None

    def held(self, account_id: int, kind: str = RSA) -> SigningKey | None:
        """The key as it was loaded last, however long ago."""
        key, _ = self._held.get((account_id, kind), (None, 0.0))
        return key

    def _hold(self, account_id: int, kind: str, key: SigningKey) -> SigningKey:
        self._held[account_id, kind] = (key, asyncio.get_running_loop().time() + _HELD_SECONDS)
        self._held.move_to_end((account_id, kind))
        while len(self._held) > _KEYS_HELD:
            self._held.popitem(last=False)
        return key

    async def _load(self, account_id: int, kind: str) -> SigningKey:
        try:
            return await self._node.read(signing_key, account_id, kind)
        except NotFound:
            await self.ensure(account_id)
            return await self._node.read(signing_key, account_id, kind)
