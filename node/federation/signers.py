"""Who signed a request: from its signature to an account, over keys that their owners vouch for both ways (R27, R28)."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, select

from activitypub import authority, keys, parse, signatures, values
from activitypub.documents import Actor
from activitypub.errors import FetchFailed, KeyUnavailable, Malformed, ProtocolError, Refused, SignatureInvalid
from activitypub.signatures import Presented, VerifyKey
from activitypub.vocabulary import ACTOR_TYPES, Iri, host, same_origin
from node import viewer
from node.errors import NodeError
from node.federation import actors
from node.federation.fetching import Fetcher
from node.ids import AccountId
from node.runtime import Node, Tx
from node.schema import account, account_key
from node.viewer import Viewer

HELD = 5000
HELD_SECONDS = 60.0
REFETCH_SECONDS = 60.0

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
    )
    .join(account, account.c.id == account_key.c.account_id)
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


class Signers:
    """Keys of one process. A key is looked up again in the database a minute after it was loaded."""

    def __init__(self, node: Node, fetcher: Fetcher) -> None:
        self._node = node
        self._fetcher = fetcher
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
        known = await self._known(found.key_id)
        if known is not None:
            try:
                found.verify(known.key)
                return known.signer
            except SignatureInvalid:
                # The key may have been changed since: ask once, then decide.
                self._refuse_to_ask_again(found.key_id)
        try:
            return await self._by_fetched_key(found)
        except KeyUnavailable as error:
            if known is None or error.gone:
                raise
            # What we know of the key says no, and nobody says otherwise: a forgery is not asked to come back later.
            raise SignatureInvalid("the signature does not match the key that is known") from error

    def forget(self, key_id: str) -> None:
        self._held.pop(key_id, None)

    async def _by_fetched_key(self, found: Presented) -> Signer:
        actor = await self._owner(found.key_id)
        try:
            await self._node.write(actors.store, actor)
        except NodeError as error:
            raise Refused(f"{actor.iri}: {error}") from error
        self.forget(found.key_id)
        known = await self._known(found.key_id)
        if known is None:
            raise KeyUnavailable("the key cannot be used", key_id=found.key_id)
        found.verify(known.key)
        return known.signer

    async def _known(self, key_id: str) -> _Known | None:
        now = asyncio.get_running_loop().time()
        known, until = self._held.get(key_id, (None, 0.0))
        if known is not None and now < until:
            return known
        row = await self._node.glance(_key, key_id)
        known = None if row is None else _usable(row)
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
        VerifyKey(Iri(row.iri), Iri(row.owner), public), Signer(row.owner, row.id, domain, _eyes(row, domain))
    )


def _eyes(row: Row[Any], domain: str) -> Viewer:
    """A peer's own actor asks for all its people; everybody else for themselves.

    It is the Application that goes by the name of its host. An Application by any other name is somebody's bot, and must
    not see what only others of its server may.
    """
    if row.actor_type == "Application" and row.username.casefold() == domain.partition(":")[0]:
        return viewer.peer(domain)
    return viewer.remote(row.id, domain)
