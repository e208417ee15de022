"""The network as the node's async edges see it: who signed, who is behind a handle, what is at an IRI.

Everything here may wait for peers, so nothing here runs inside a transaction: documents are fetched first, then stored.
Every wait is bounded in time (`federation.timeout_seconds` a request) and in number (depth, per host, at once).
"""

import re
from typing import Any, Literal

from sqlalchemy import bindparam, select

from activitypub import authority, parse, signatures, values, webfinger
from activitypub.client import Client
from activitypub.documents import Activity, Actor
from activitypub.errors import FetchFailed, KeyUnavailable, ProtocolError, Refused
from activitypub.guard import Lookup, system_lookup
from activitypub.vocabulary import ACTOR_TYPES, RFC_9421, RFC_9421_ED25519, Iri, host, is_iri, same_origin
from node import accounts, keyring, posts
from node.errors import NodeError, NotFound, Unknown
from node.federation import actors, departures, inbox, peers, spread, synchronisation
from node.federation import posts as taking
from node.federation.fetching import Fetcher, Flavours, OwnKey, PeerGuard, open_client
from node.federation.proving import Prover
from node.federation.rosters import Rosters
from node.federation.sending import Sender
from node.federation.signers import Signer, Signers
from node.ids import AccountId, PostId
from node.keyring import Keyring
from node.runtime import Node, Tx
from node.schema import account, post
from node.schema.meta import Id

FORWARDABLE = frozenset({"Create", "Update", "Delete"})

_BY_IRI = select(account.c.id, account.c.fetched_at, account.c.gone_at).where(account.c.iri == bindparam("iri"))
_POST_BY_IRI = select(post.c.id).where(post.c.iri == bindparam("iri"))
_THREADED = select(post.c.id, post.c.in_reply_to_id, post.c.in_reply_to_iri).where(
    post.c.id == bindparam("id", type_=Id)
)
_LOCAL_POST = select(post.c.id).where(post.c.id == bindparam("id", type_=Id), post.c.local.is_(True))
_PAGE = re.compile(r"/@(?P<username>[A-Za-z0-9_.-]+)(?:/(?P<post_id>[0-9]{1,18}))?/?")

__all__ = ["Network", "Signer", "open_network"]


async def open_network(node: Node, *, lookup: Lookup = system_lookup) -> "Network":
    """The network of a node, ready to use: makes the node actor's keys if they are missing. Close it with `aclose`."""
    keys = Keyring(node)
    actor_id = (await node.read(accounts.node_actor)).id
    own_key = OwnKey(keys, actor_id)
    await own_key.current()
    await node.write(keyring.ensure_identity)
    flavours = Flavours(await node.read(peers.flavours))
    guard = PeerGuard(node.settings, node.company)
    rosters = Rosters(node)
    client = open_client(
        node.settings, guard, flavours, signing_key=own_key.held, clock=node.clock, lookup=lookup, courier=rosters
    )
    await rosters.start(client, own_key.current)
    return Network(node, client, keys=keys, flavours=flavours, guard=guard, own_key=own_key, rosters=rosters)


class Network:
    """One per process and event loop."""

    def __init__(
        self,
        node: Node,
        client: Client,
        *,
        keys: Keyring | None = None,
        flavours: Flavours | None = None,
        guard: PeerGuard | None = None,
        own_key: OwnKey | None = None,
        rosters: Rosters | None = None,
    ) -> None:
        self.node = node
        self.rosters = rosters or Rosters(node)
        self.client = client
        self.keys = keys or Keyring(node)
        self._flavours = flavours
        self._fetcher = Fetcher(node, client, guard, own_key=own_key)
        self._signers = Signers(node, self._fetcher, self._store_actor)
        self._prover = Prover(node, self.keys)
        self.sender = Sender(node, client, self.keys, self._prover, flavours)
        self._followers = synchronisation.Listener(node)
        self._node_actor_id: int | None = None

    async def aclose(self) -> None:
        await self.rosters.aclose()
        await self._fetcher.aclose()
        await self.store_flavours()
        await self.client.aclose()

    # --- Requests that arrive

    async def signer(self, request: signatures.Request) -> Signer:
        """Who signed a request. Raises SignatureInvalid, KeyUnavailable, or Refused for whom we do not deal with."""
        signer = await self._signers.verify(request)
        self.rosters.heard_in(signer.domain, request.headers)
        return signer

    def forget_keys(self, actor: Iri) -> None:
        """Its document has changed, and its keys may have: believe none of them from memory."""
        self._signers.forget_keys_of(actor)

    async def receive(self, request: signatures.Request) -> bool:
        """Verify an activity and store it for the worker: all that an inbox does after size and type are checked.

        When this returns, the activity is on disk (True), or needs nothing: it is here already, or is about somebody
        unknown who is gone. Raises as `signer` does; Malformed for what is no activity, Refused for what the signer may
        not say, Unavailable when too much of that peer is waiting.
        """
        try:
            signer = await self.signer(request)
        except KeyUnavailable as error:
            if error.gone and await self._is_farewell(request.body, error.key_id):
                return False
            raise
        activity = parse.activity(parse.load(request.body))
        if activity.actor == signer.iri:
            authority.check(activity, signer=signer.iri, own_origin=self.node.settings.base)
            stored = await self.node.write(inbox.receive, signer.iri, signer.domain, activity.iri, request.body)
            await self._followers.heard(signer.iri, signer.account_id, request.headers)
            return stored
        if await self._is_proven(activity):
            # As if the actor had sent it: once under its own ids, wherever else it comes from (R44). What waits counts
            # for whoever passed it on.
            authority.check(activity, signer=activity.actor, own_origin=self.node.settings.base)
            return await self.node.write(inbox.receive, activity.actor, signer.domain, activity.iri, request.body)
        if not await self._may_forward(activity):
            raise Refused("signed by somebody else than its actor")
        return await self.node.write(inbox.receive, signer.iri, signer.domain, activity.iri, request.body)

    async def _is_proven(self, activity: Activity) -> bool:
        """Something that another passes on, with its actor's own proof (R35).

        Posts only. What somebody did once, such as a Follow, a Block or an Update of the profile, would come true again
        whenever anybody repeats it; of posts, tombstones and times of editing tell old from new.
        """
        about = activity.object
        if activity.type not in FORWARDABLE or about is None or about == activity.actor:
            return False
        if self.node.urls.is_ours(activity.actor) or activity.object_type in ACTOR_TYPES:
            return False
        try:
            await self._signers.prover(activity.raw, activity.actor)
        except ProtocolError:
            return False
        return True

    async def _may_forward(self, activity: Activity) -> bool:
        """Something that another passes on: worth a look at its origin if it is about a thread we know (R35, R70)."""
        about = activity.object
        if activity.type not in FORWARDABLE or about is None or about == activity.actor:
            return False
        if not same_origin(about, activity.actor) or not peers.admits(self.node, host(about)):
            return False
        answers = values.iri((activity.embedded or {}).get("inReplyTo"))
        for iri in (about, answers):
            if iri is not None and await self.node.glance(_post_id, iri) is not None:
                return True
        return False

    async def _is_farewell(self, body: bytes, key_id: str) -> bool:
        """A Delete of an actor whose key is gone with it (R29): true, and if we know the actor, so do we now."""
        activity = parse.activity(parse.load(body))
        if activity.type != "Delete" or activity.object != activity.actor or not same_origin(key_id, activity.actor):
            return False
        known = await self.node.glance(_account, activity.actor) is not None
        if known and await departures.presence(self, activity.actor) is not departures.Presence.THERE:
            await self.node.write(actors.gone, activity.actor)
        return True

    # --- Actors

    async def actor(self, iri: str, *, fresh: bool = False) -> AccountId:
        """The account of an actor: as it is stored, or fetched if it is unknown, older than
        `federation.refetch_seconds`, or asked for `fresh`.

        Raises NotFound, and for unknown ones FetchFailed, Malformed, Refused. A stored one is better than a failure.
        """
        row = await self.node.glance(_account, iri)
        if row is not None and row.gone_at is not None:
            raise NotFound
        settings = self.node.settings
        if self.node.urls.is_ours(iri):
            return AccountId((await self.node.read(accounts.local_by_iri, iri)).id)
        age = None if row is None or row.fetched_at is None else (self.node.now() - row.fetched_at) / 1000
        if row is not None and not fresh and age is not None and age < settings.federation.refetch_seconds:
            return AccountId(row.id)
        try:
            return await self._store_actor(parse.actor(await self._fetcher.document(iri, fresh=fresh)))
        except (ProtocolError, NodeError):
            if row is None or fresh:
                raise
            return AccountId(row.id)

    async def resolve_handle(self, text: str) -> AccountId:
        """`user@host`, here or elsewhere. Raises NotFound, FetchFailed, Malformed, Refused.

        A handle is valid only if WebFinger and the actor's document agree, and the host of the handle's subject says the
        same (R2).
        """
        asked = webfinger.parse_handle(text)
        try:
            row = await self.node.read(accounts.by_handle, str(asked))
        except NotFound:
            if asked.host == self.node.settings.node.domain:
                raise
        else:
            return AccountId(row.id) if row.domain is None else await self.actor(row.iri)
        answer = await self._ask(asked)
        if webfinger.needs_confirmation(answer, asked):
            webfinger.confirm(answer, await self._ask(answer.subject))
        found = parse.actor(await self._fetcher.document(answer.actor))
        webfinger.maps_back(answer, found)
        return await self._store_actor(found, domain=answer.subject.host)

    async def _ask(self, handle: webfinger.Handle) -> webfinger.Jrd:
        url = webfinger.query_url(handle.host, handle.acct, scheme=self.node.settings.node.scheme)
        try:
            return webfinger.parse_jrd(await self._fetcher.json(url), handle)
        except FetchFailed as error:
            if error.gone:
                raise NotFound(f"{handle} is not known there") from error
            raise

    async def ensure_keys(self, account_id: int) -> None:
        """Make the keys of a local account unless they are there. NotFound for accounts that are not local."""
        await self.keys.ensure(account_id)

    # --- Posts and whatever else has an address

    async def resolve_url(self, url: str) -> tuple[Literal["account", "post"], int]:
        """What somebody pasted into a search field. Raises NotFound, FetchFailed, Malformed, Refused.

        Says nothing of who may see it: that is asked when it is shown.
        """
        if not is_iri(url):
            raise NotFound
        known = await self.node.read(_at, url.partition("#")[0])
        if known is not None:
            return known
        if host(url) == self.node.settings.node.domain:
            raise NotFound
        doc = await self._fetcher.document(url)
        if parse.type_of(doc) in ACTOR_TYPES:
            return "account", await self._store_actor(parse.actor(doc))
        stored = await self._store_post(doc)
        if stored is None:
            raise NotFound
        return "post", stored

    async def fetch_post(self, iri: str, *, upwards: bool = True) -> PostId:
        """The post at `iri`, fetched from its origin unless it is here; what it answers follows later if `upwards`.

        Raises NotFound, FetchFailed, Malformed, Refused.
        """
        known: int | None = await self.node.glance(_post_id, iri)
        if known is None and not self.node.urls.is_ours(iri):
            known = await self._store_post(await self._fetcher.document(iri), upwards=upwards)
        if known is None:
            raise NotFound
        return PostId(known)

    async def fetch_thread(self, iri: str) -> int:
        """Fetch the post at `iri` and what it answers, up to `federation.fetch_depth` of them; answers how many."""
        waiting: str | None = iri
        for number in range(self.node.settings.federation.fetch_depth):
            if waiting is None or self.node.urls.is_ours(waiting):
                return number
            if await self.node.read(_post_id, waiting) is not None:
                return number
            stored = await self.fetch_post(waiting, upwards=False)
            waiting = await self.node.read(_missing_parent, stored)
        return self.node.settings.federation.fetch_depth

    async def learn(self, iri: str, *, is_news: bool = True) -> None:
        """Fetch and store whatever is at `iri`, an actor or a post. Raises FetchFailed, Malformed, Refused, NodeError.

        Of a post that is no news nobody is told.
        """
        if self.node.urls.is_ours(iri):
            raise NotFound
        doc = await self._fetcher.document(iri)
        if parse.type_of(doc) in ACTOR_TYPES:
            await self._store_actor(parse.actor(doc))
        else:
            await self._store_post(doc, is_news=is_news)

    async def refresh_post(self, iri: str) -> None:
        """Look again at a post that is said to be new, changed or gone. Of unknown ones only what concerns us is kept."""
        if self.node.urls.is_ours(iri):
            return
        try:
            doc = await self._fetcher.document(iri, fresh=True)
        except FetchFailed as error:
            if not error.gone:
                raise
            doc = {"id": iri, "type": "Tombstone"}
        if parse.type_of(doc) == "Tombstone":
            await self.node.write(_buried, iri)
        else:
            await self._store_post(doc, unsolicited=True)

    async def _store_post(
        self, doc: dict[str, Any], *, unsolicited: bool = False, upwards: bool = True, is_news: bool = True
    ) -> int | None:
        """A fetched post, and its author if need be."""
        said = parse.post(doc)

        def take(tx: Tx) -> int | None:
            return taking.take(tx, said, unsolicited=unsolicited, upwards=upwards, is_news=is_news)

        try:
            return await self.node.write(take)
        except Unknown as unknown:
            if unknown.iri != said.author:
                raise
        await self.actor(said.author)
        return await self.node.write(take)

    async def _store_actor(self, found: Actor, *, domain: str | None = None) -> AccountId:
        """Keep an actor that was fetched; its node's keys are fetched first if they have to vouch for it."""
        self._learn_flavour(found)
        try:
            return await self.node.write(actors.store, found, domain=domain)
        except Unknown as unknown:
            own = await self._fetcher.document(unknown.iri, fresh=True, for_key=True)
        await self.node.write(actors.store, parse.actor(own))
        try:
            return await self.node.write(actors.store, found, domain=domain)
        except Unknown as unknown:
            raise Refused(f"{found.iri} is vouched for by a key that its node does not have") from unknown

    async def vouched(self, doc: dict[str, Any]) -> dict[str, Any]:
        """The document of one of our actors with the node's proof; of the node's own as it is: that has a certificate."""
        if doc["id"] == self.node.urls.node_actor:
            return doc
        if self._node_actor_id is None:
            self._node_actor_id = int((await self.node.read(accounts.node_actor)).id)
        return await self._prover.actor(doc, self._node_actor_id)

    def _learn_flavour(self, found: Actor) -> None:
        if self._flavours is not None and RFC_9421 in found.implements:
            self._flavours.advertised(host(found.iri))
        if self._flavours is not None and RFC_9421_ED25519 in found.implements:
            self._flavours.advertised_ed25519(host(found.iri))

    async def document(self, iri: str) -> dict[str, Any]:
        """Whatever is at `iri`, for jobs, which pause by themselves. Raises FetchFailed, Malformed, Refused.

        A failure is not remembered: when the peer comes back and signs something, its key must be had at once.
        """
        try:
            return await self._fetcher.document(iri, fresh=True)
        except FetchFailed as error:
            if error.retry:
                self._fetcher.forget_failure(iri)
            raise

    async def take(self, doc: dict[str, Any]) -> int | None:
        """Store a post that was asked for, as `document` gave it; what it answers is not fetched."""
        return await self._store_post(doc, upwards=False)

    async def meet(self, domain: str) -> None:
        """Have a look at the actor of a peer's node (host[:port]). Raises as `document` does."""
        await self._store_actor(parse.actor(await self.document(spread.node_actor(self.node.settings, domain))))
        self.node.part(spread.Directory).forget()

    # --- For the worker

    async def blocked(self) -> frozenset[str]:
        """Peers that an administrator blocked, as of a few seconds ago."""
        return await self._fetcher.blocked()

    def forget_blocks(self) -> None:
        """An administrator has just changed the block list in this process: do not wait for the next look at it."""
        self._fetcher.forget_blocks()

    async def store_flavours(self) -> None:
        """Keep what was learnt about the signatures that peers take."""
        if self._flavours is not None and (new := self._flavours.take_new()):
            await self.node.write(peers.remember_flavours, new)

    async def move(self, mover: str, target: str) -> None:
        """Carry out a Move: look at the new account afresh, then take our people along in small steps (R55)."""
        found = parse.actor(await self._fetcher.document(target, fresh=True))
        await self._store_actor(found)
        await self.node.write(actors.moved, mover, found)
        while await self.node.write(actors.follow_along, mover, found.iri):
            pass


def _account(tx: Tx, iri: str) -> Any:
    return tx.first(_BY_IRI, {"iri": iri})


def _post_id(tx: Tx, iri: str) -> int | None:
    found: int | None = tx.scalar(_POST_BY_IRI, {"iri": iri})
    return found


def _missing_parent(tx: Tx, post_id: int) -> str | None:
    row = tx.first(_THREADED, {"id": post_id})
    return row.in_reply_to_iri if row is not None and row.in_reply_to_id is None else None


def _at(tx: Tx, url: str) -> tuple[Literal["account", "post"], int] | None:
    """What is stored under this id; or, of this node, under this page."""
    if (found := _post_id(tx, url)) is not None:
        return "post", found
    row = _account(tx, url)
    if row is not None and row.gone_at is None:
        return "account", row.id
    page = _PAGE.fullmatch(url.removeprefix(tx.urls.base)) if tx.urls.is_ours(url) else None
    if page is None:
        return None
    if page["post_id"] is None:
        return "account", accounts.by_handle(tx, page["username"]).id
    found = tx.scalar(_LOCAL_POST, {"id": int(page["post_id"])})
    return None if found is None else ("post", found)


def _buried(tx: Tx, iri: str) -> None:
    """Its own origin says that the post is gone."""
    row = posts.by_iri(tx, iri)
    if row is not None and not row.local:
        author = accounts.get(tx, row.author_id)
        posts.delete_remote(tx, iri, author.iri)
