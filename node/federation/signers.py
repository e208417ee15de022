"""Who signed a request: from its signature to an account, over keys that their owners vouch for both ways (R27, R28)."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Row, bindparam, select

from activitypub import authority, keys, parse, proofs, signatures, values
from activitypub.documents import Actor
from activitypub.errors import FetchFailed, KeyUnavailable, Malformed, ProtocolError, Refused, SignatureInvalid
from activitypub.signatures import VerifyKey
from activitypub.vocabulary import ACTOR_TYPES, Iri, host, is_iri, same_origin
from node import viewer
from node.errors import NodeError
from node.federation import actors, certified
from node.federation.fetching import Fetcher
from node.ids import AccountId
from node.runtime import Node, Tx
from node.schema import account, account_key, peer
from node.viewer import Viewer

HELD = 5000
HELD_SECONDS = 60.0
REFETCH_SECONDS = 60.0
ASKED_FOR_KEYS = 30
"""Times that one actor's document is fetched within REFETCH_SECONDS for keys of it that are unknown."""

_KEY = (
    select(
        account_key.c.iri,
        account_key.c.kind,
        account_key.c.public,
        account.c.id,
        account.c.iri.label("owner"),
        account.c.username,
        account.c.actor_type,
        account.c.suspended_at,
        account.c.gone_at,
        peer.c.certificate,
    )
    .join(account, account.c.id == account_key.c.account_id)
    .outerjoin(peer, peer.c.domain == account.c.domain)
    .where(account_key.c.iri == bindparam("iri"), account_key.c.revoked_at.is_(None), account.c.domain.is_not(None))
)


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed. `domain` is host[:port] of the actor."""

    iri: Iri
    account_id: AccountId
    domain: str
    viewer: Viewer


@dataclass(frozen=True, slots=True)
class _Known:
    key: VerifyKey
    signer: Signer
    asserts: bool
    """It is a Multikey of the actor's assertionMethod, and may make integrity proofs."""


Check = Callable[[_Known], None]
"""Raises SignatureInvalid unless the key made the signature."""


class Signers:
    """Keys of one process. A key is looked up again in the database a minute after it was loaded."""

    def __init__(
        self, node: Node, fetcher: Fetcher, store: Callable[[Actor], Awaitable[AccountId]] | None = None
    ) -> None:
        self._node = node
        self._fetcher = fetcher
        self._store = store or self._store_alone
        self._asked: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._held: OrderedDict[str, tuple[_Known, float]] = OrderedDict()
        self._refetched: OrderedDict[str, float] = OrderedDict()

    async def verify(self, request: signatures.Request) -> Signer:
        """The verified signer. Raises SignatureInvalid, KeyUnavailable, Refused (not a peer, blocked, suspended)."""
        settings = self._node.settings
        found = signatures.presented(
            request, authority=settings.node.domain, scheme=settings.node.scheme, now=self._node.clock()
        )
        try:
            domain = host(found.key_id)
        except Malformed as error:
            raise SignatureInvalid("the key is not named by a URL") from error
        await self._fetcher.admit(domain)
        return await self._decide(found.key_id, lambda known: found.verify(known.key))

    async def prover(self, doc: Mapping[str, Any], actor: Iri) -> Signer:
        """`actor`, if an integrity proof of its own is on the document (R35). Raises as `verify` does.

        The proof must be by a key that the actor lists for assertions; whoever else signed does not count.
        """
        claim = proofs.presented(doc)
        if claim is None:
            raise SignatureInvalid("no integrity proof")
        if not is_iri(claim.method) or not same_origin(claim.method, actor):
            raise SignatureInvalid("a proof by a key of another origin than the actor")
        await self._fetcher.admit(host(actor))

        def holds(known: _Known) -> None:
            public = known.key.public
            if known.signer.iri != actor or not known.asserts or not isinstance(public, Ed25519PublicKey):
                raise SignatureInvalid("a proof by a key that is not the actor's to assert with")
            proofs.verify(doc, public, method=claim.method, now=self._node.now())

        return await self._decide(claim.method, holds)

    def forget(self, key_id: str) -> None:
        self._held.pop(key_id, None)

    async def _decide(self, key_id: str, check: Check) -> Signer:
        """By the key that is known, and if that says no or there is none, by the one that is fetched."""
        known = await self._known(key_id)
        if known is not None:
            try:
                check(known)
                return known.signer
            except SignatureInvalid:
                # The key may have been changed since: ask once, then decide.
                self._refuse_to_ask_again(key_id)
        try:
            return await self._by_fetched_key(key_id, check)
        except KeyUnavailable as error:
            if known is None or error.gone:
                raise
            # What we know of the key says no, and nobody says otherwise: a forgery is not asked to come back later.
            raise SignatureInvalid("the signature does not match the key that is known") from error

    async def _by_fetched_key(self, key_id: str, check: Check) -> Signer:
        self._spend(key_id)
        actor = await self._owner(key_id)
        try:
            await self._store(actor)
        except NodeError as error:
            raise Refused(f"{actor.iri}: {error}") from error
        self.forget_keys_of(actor.iri)
        known = await self._known(key_id)
        if known is None:
            raise KeyUnavailable("the key cannot be used", key_id=key_id)
        check(known)
        return known.signer

    async def _store_alone(self, actor: Actor) -> AccountId:
        return await self._node.write(actors.store, actor)

    def _is_certified(self, row: Row[Any]) -> bool:
        """Whether a stored key was believed under the identity that the roster pins now, if it pins one."""
        identity = self._node.company.identity_of(host(row.owner))
        return identity is None or certified.is_by(row.certificate, identity)

    def forget_keys_of(self, owner: Iri) -> None:
        """What the actor no longer lists must not be believed from memory for another minute."""
        for key_id in [key_id for key_id, (known, _) in self._held.items() if known.signer.iri == owner]:
            self.forget(key_id)

    def _spend(self, key_id: str) -> None:
        """Whoever makes up ever new key ids of one actor does not make us read its document each time."""
        document, now = key_id.partition("#")[0], asyncio.get_running_loop().time()
        count, until = self._asked.get(document, (0, 0.0))
        if now >= until:
            count, until = 0, now + REFETCH_SECONDS
        if count >= ASKED_FOR_KEYS:
            raise KeyUnavailable("its keys were asked for too often just now", key_id=key_id, retry=True)
        self._asked[document] = (count + 1, until)
        self._asked.move_to_end(document)
        while len(self._asked) > HELD:
            self._asked.popitem(last=False)

    async def _known(self, key_id: str) -> _Known | None:
        now = asyncio.get_running_loop().time()
        known, until = self._held.get(key_id, (None, 0.0))
        if known is not None and now < until:
            return known
        row = await self._node.glance(_key, key_id)
        known = None if row is None or not self._is_certified(row) else _usable(row)
        if known is not None:
            self._held[key_id] = (known, now + HELD_SECONDS)
            self._held.move_to_end(key_id)
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        return known

    def _refuse_to_ask_again(self, key_id: str) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._refetched.get(key_id, 0.0):
            raise SignatureInvalid("the signature does not match the key, which was fetched only just now")
        self._refetched[key_id] = now + REFETCH_SECONDS
        self._refetched.move_to_end(key_id)
        while len(self._refetched) > HELD:
            self._refetched.popitem(last=False)

    async def _owner(self, key_id: str) -> Actor:
        """The actor that owns a key, by the key's own document and by the actor's."""
        try:
            doc = await self._fetcher.document(key_id, fresh=key_id in self._refetched, for_key=True)
            actor, owner = await self._resolved(Iri(key_id), doc)
            authority.key_belongs(owner, Iri(key_id), actor)
        except FetchFailed as error:
            raise KeyUnavailable(str(error), key_id=key_id, retry=error.retry, gone=error.gone) from error
        except ProtocolError as error:
            raise KeyUnavailable(str(error), key_id=key_id) from error
        return actor

    async def _resolved(self, key_id: Iri, doc: dict[str, Any]) -> tuple[Actor, Iri]:
        """(actor, the owner that the key names) of the document that the key's URL leads to: an actor's, or its own."""
        if parse.type_of(doc) in ACTOR_TYPES:
            actor = parse.actor(doc)
            owner = next((key.owner for key in actor.keys if key.id == key_id), actor.iri)
            return actor, owner
        named = values.iri(doc.get("owner")) or values.iri(doc.get("controller"))
        if named is None or doc.get("id") != key_id or not same_origin(named, key_id):
            raise Refused("the key's document names no owner of its own origin")
        return parse.actor(await self._fetcher.document(named, for_key=True)), named


def _key(tx: Tx, key_id: str) -> Row[Any] | None:
    return tx.first(_KEY, {"iri": key_id})


def _usable(row: Row[Any]) -> _Known | None:
    """None for a key that cannot be read. Refused for owners who may not act here."""
    if row.suspended_at is not None or row.gone_at is not None:
        raise Refused(f"{row.owner} is suspended here, or gone")
    try:
        public = keys.public_from_pem(row.public) if row.kind == "rsa" else keys.from_multibase(row.public)
    except Malformed:
        return None
    domain = host(row.owner)
    return _Known(
        VerifyKey(Iri(row.iri), Iri(row.owner), public),
        Signer(row.owner, row.id, domain, _eyes(row, domain)),
        asserts=row.kind == "ed25519",
    )


def _eyes(row: Row[Any], domain: str) -> Viewer:
    """A peer's own actor asks for all its people; everybody else for themselves.

    It is the Application that goes by the name of its host. An Application by any other name is somebody's bot, and must
    not see what only others of its server may.
    """
    if row.actor_type == "Application" and row.username.casefold() == domain.partition(":")[0]:
        return viewer.peer(domain)
    return viewer.remote(row.id, domain)
