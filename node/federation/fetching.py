"""Fetching documents of peers within bounds: whom, how many, how often, and not again what failed just now."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from yarl import URL

from activitypub.client import Client, Courier, Limits
from activitypub.errors import FetchFailed, HostRefused, Malformed, ProtocolError, Refused
from activitypub.guard import Guard, Lookup, system_lookup
from activitypub.signatures import Flavour, SigningKey
from activitypub.vocabulary import host
from node.company import Company
from node.config import ConfigError, Settings
from node.federation import peers
from node.keyring import Keyring
from node.runtime import Node

AT_ONCE = 16
AT_ONCE_PER_HOST = 4
"""Of each lane. Documents that tell who signed a request have a lane of their own: two nodes that read each other's people
at the same time would otherwise wait for each other's signature to be checked until the deadline."""
BURST, PER_SECOND = 200.0, 20.0
"""Documents of one host: so many at once, then so many a second."""
REMEMBERED = 10_000
GONE_SECONDS, FAILED_SECONDS = 600.0, 30.0
BLOCKED_SECONDS = 5.0
ROSTER_PATH = "/.well-known/corridor-roster"
USER_AGENT = "Corridor/0.1 (+{base})"
ED25519 = "ed25519"
"""What a peer's `flavour` is when it takes RFC 9421 signatures by Ed25519 keys."""


class PeerGuard(Guard):
    """The guard that also knows who is a peer: no redirect leads to a host that this node does not deal with.

    Raises ConfigError for settings that it cannot read.
    """

    def __init__(self, settings: Settings, company: Company) -> None:
        federation = settings.federation
        every_loopback = federation.allow_loopback and not federation.private_peers
        _refuse_unreadable(federation.private_peers)
        super().__init__(
            allow_http=settings.node.scheme == "http",
            private="loopback" if every_loopback else federation.private_peers,
            also=company.opens,
        )
        self._settings = settings
        self._company = company
        self.blocked: frozenset[str] = frozenset()

    def check_url(self, text: str) -> URL:
        url = super().check_url(text)
        try:
            domain = host(str(url))
            # A newer roster is believed for its signature alone. Asked for past an expired one, it brings this node back.
            if not (url.path == ROSTER_PATH and self._company.in_use and self._company.names(domain)):
                peers.judge(self._settings, self._company, domain)
        except (Malformed, Refused) as error:
            raise HostRefused(f"{text[:200]} is refused: {error}", url=text) from error
        if domain in self.blocked:
            raise HostRefused(f"{text[:200]} is refused: {domain} is blocked", url=text)
        return url


def _refuse_unreadable(private_peers: tuple[str, ...]) -> None:
    for entry in private_peers:
        try:
            Guard(private=(entry,))
        except ValueError as error:
            raise ConfigError(f'federation.private_peers: {entry!r} is not "host:port" or "host:*": {error}') from error


class Flavours:
    """Which signatures each peer takes: from the database at the start, learnt on the way, stored now and then."""

    def __init__(self, known: dict[str, str]) -> None:
        self._ed25519 = {domain for domain, flavour in known.items() if flavour == ED25519}
        self._known = {
            domain: Flavour.RFC9421 if flavour == ED25519 else Flavour(flavour) for domain, flavour in known.items()
        }
        self._no_ed25519 = set[str]()
        self._new: dict[str, str] = {}

    def of(self, domain: str) -> Flavour | None:
        return self._known.get(domain)

    def remember(self, domain: str, flavour: Flavour) -> None:
        if self._known.get(domain) is not flavour:
            self._known[domain] = flavour
            self._new[domain] = flavour.value

    def advertised(self, domain: str) -> None:
        """Its server says that it reads RFC 9421 (FEP-844e)."""
        if domain not in self._known:
            self.remember(domain, Flavour.RFC9421)

    def takes_ed25519(self, domain: str, *, ours: bool = False) -> bool:
        """It reads RFC 9421 signatures by Ed25519 keys, which cost a tenth of what RSA's do (protocol R32).

        `ours`: it is a node of the company, which does so until it has turned one away.
        """
        return domain in self._ed25519 or (ours and domain not in self._no_ed25519)

    def advertised_ed25519(self, domain: str) -> None:
        self._no_ed25519.discard(domain)
        if domain not in self._ed25519:
            self._ed25519.add(domain)
            self._known[domain] = Flavour.RFC9421
            self._new[domain] = ED25519

    def refused_ed25519(self, domain: str) -> None:
        """It turned such a signature away and took another: not before it advertises them anew."""
        self._no_ed25519.add(domain)
        if domain in self._ed25519:
            self._ed25519.discard(domain)
            self._new[domain] = self._known.get(domain, Flavour.CAVAGE).value

    def take_new(self) -> dict[str, str]:
        """What is not stored yet."""
        new, self._new = self._new, {}
        return new


def open_client(
    settings: Settings,
    guard: Guard,
    flavours: Flavours,
    *,
    signing_key: Callable[[], SigningKey | None],
    clock: Callable[[], float],
    lookup: Lookup = system_lookup,
    courier: Courier | None = None,
) -> Client:
    federation = settings.federation
    return Client(
        guard,
        user_agent=USER_AGENT.format(base=settings.base),
        signing_key=signing_key,
        clock=clock,
        lookup=lookup,
        limits=Limits(
            deadline=federation.timeout_seconds,
            document_bytes=federation.max_document_bytes,
            connections=max(100, federation.workers * federation.connections_per_peer + 2 * AT_ONCE),
            connections_per_host=federation.connections_per_peer + 2 * AT_ONCE_PER_HOST,
        ),
        flavour_for=flavours.of,
        remember=flavours.remember,
        only=None if federation.signature == "auto" else Flavour(federation.signature),
        courier=courier,
    )


class OwnKey:
    """The key of the node's actor, with which documents are asked for."""

    def __init__(self, keys: Keyring, actor_id: int) -> None:
        self._keys = keys
        self._actor_id = actor_id

    async def current(self) -> SigningKey:
        return await self._keys.signing_key(self._actor_id)

    async def renewed(self, key: SigningKey) -> SigningKey | None:
        return await self._keys.renewed(key, self._actor_id)

    def held(self) -> SigningKey | None:
        """For the client, which cannot wait: `current` comes before each request."""
        return self._keys.held(self._actor_id)


class Fetcher:
    """One per process. Whoever asks for a document that is on its way already waits for the same answer."""

    def __init__(
        self, node: Node, client: Client, guard: PeerGuard | None = None, *, own_key: "OwnKey | None" = None
    ) -> None:
        self._node = node
        self.client = client
        self._own_key = own_key
        self._guard = guard
        self._blocked: frozenset[str] = frozenset()
        self._blocked_until = 0.0
        self._underway: dict[tuple[str, bool], asyncio.Task[dict[str, Any]]] = {}
        self._failed: OrderedDict[str, tuple[ProtocolError, float]] = OrderedDict()
        self._slots = _Lanes(AT_ONCE)
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    async def blocked(self) -> frozenset[str]:
        """Peers that an administrator blocked, as of a few seconds ago."""
        now = asyncio.get_running_loop().time()
        if now >= self._blocked_until:
            self._blocked_until = now + BLOCKED_SECONDS
            self._blocked = await self._node.read(peers.blocked)
            if self._guard is not None:
                self._guard.blocked = self._blocked
        return self._blocked

    def forget_blocks(self) -> None:
        """Read the block list anew at the next question."""
        self._blocked_until = 0.0

    async def admit(self, domain: str) -> None:
        """Raise Refused unless this node deals with `domain`."""
        peers.admit(self._node, domain)
        if domain in await self.blocked():
            raise Refused(f"{domain} is blocked")

    async def document(self, iri: str, *, fresh: bool = False, for_key: bool = False) -> dict[str, Any]:
        """The document at `iri`, which its own origin vouches for. Raises FetchFailed, Malformed, Refused.

        `fresh` asks even if the last answer was a failure; `for_key` takes the lane of those that tell who signed.
        """
        iri = iri.partition("#")[0]
        await self.admit(host(iri))
        if not fresh:
            self._refuse_failed(iri)
        task = self._underway.get((iri, for_key))
        if task is None:
            task = asyncio.create_task(self._fetch(iri, for_key))
            self._underway[iri, for_key] = task
            task.add_done_callback(lambda done: self._landed((iri, for_key), done))
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Break off what is under way."""
        tasks = list(self._underway.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _landed(self, what: tuple[str, bool], done: "asyncio.Task[dict[str, Any]]") -> None:
        self._underway.pop(what, None)
        if not done.cancelled():
            done.exception()  # whoever asked may have gone away; then nobody else reads it

    async def json(self, url: str) -> dict[str, Any]:
        """A WebFinger answer or the like. Raises as `document` does."""
        domain = host(url)
        await self.admit(domain)
        self._refuse_failed(url)
        async with self._slots.of(False), self._host(domain).slots.of(False):
            try:
                return await self.client.json(url)
            except ProtocolError as error:
                self._remember_failure(url, error)
                raise

    async def _fetch(self, iri: str, for_key: bool) -> dict[str, Any]:
        at_host = self._host(host(iri))
        at_host.spend(asyncio.get_running_loop().time(), iri)
        async with self._slots.of(for_key), at_host.slots.of(for_key):
            try:
                return await self._signed(iri)
            except ProtocolError as error:
                self._remember_failure(iri, error)
                raise

    async def _signed(self, iri: str) -> dict[str, Any]:
        """Read with the newest of our own keys, which may have been rotated by another process."""
        if self._own_key is None:
            return await self.client.document(iri)
        key = await self._own_key.current()
        try:
            return await self.client.document(iri)
        except FetchFailed as error:
            if error.status != 401 or await self._own_key.renewed(key) is None:
                raise
            return await self.client.document(iri)

    def _host(self, domain: str) -> "_Host":
        found = self._hosts.setdefault(domain, _Host())
        self._hosts.move_to_end(domain)
        while len(self._hosts) > REMEMBERED:
            self._hosts.popitem(last=False)
        return found

    def _refuse_failed(self, url: str) -> None:
        error, until = self._failed.get(url, (None, 0.0))
        if error is not None and asyncio.get_running_loop().time() < until:
            raise error.with_traceback(None)

    def forget_failure(self, url: str) -> None:
        self._failed.pop(url, None)

    def _remember_failure(self, url: str, error: ProtocolError) -> None:
        seconds = FAILED_SECONDS if error.retry else GONE_SECONDS
        self._failed[url] = (error, asyncio.get_running_loop().time() + seconds)
        self._failed.move_to_end(url)
        while len(self._failed) > REMEMBERED:
            self._failed.popitem(last=False)


class _Lanes:
    """Two semaphores: one for what people ask for, one for what signatures are checked with."""

    def __init__(self, at_once: int) -> None:
        self._lanes = asyncio.Semaphore(at_once), asyncio.Semaphore(at_once)

    def of(self, for_key: bool) -> asyncio.Semaphore:
        return self._lanes[for_key]


class _Host:
    """A token bucket and a number of connections."""

    def __init__(self) -> None:
        self.slots = _Lanes(AT_ONCE_PER_HOST)
        self._tokens = BURST
        self._at: float | None = None

    def spend(self, now: float, url: str) -> None:
        if self._at is not None:
            self._tokens = min(BURST, self._tokens + (now - self._at) * PER_SECOND)
        self._at = now
        if self._tokens < 1:
            raise FetchFailed(f"{url}: too much is being fetched from there", url=url, retry=True)
        self._tokens -= 1
