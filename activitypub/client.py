"""The one way out: signed GETs of remote documents, and deliveries to remote inboxes.

Everything goes through one guarded connector (see `guard`), keeps connections alive, and has an end: a deadline for the
whole exchange, a ceiling for the bytes of a body after decompression, a number of redirects, of headers, of connections
to one host. What goes wrong is a FetchFailed whose message a person can act on, and whose `retry` says if time may help.

GET runs on httpx over aiohttp's transport. A delivery runs on the aiohttp session beneath it: deliveries are most of what
a node does, and of the CPU they cost besides the signature (0.35 ms measured) httpx would add another 0.28 ms.
"""

import asyncio
import ssl
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urljoin

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from yarl import URL

from activitypub import answers, parse, webfinger
from activitypub.answers import Fetched
from activitypub.errors import FetchFailed, Malformed, Refused
from activitypub.guard import Guard, GuardedConnector, GuardedResolver, Lookup, system_lookup
from activitypub.signatures import Flavour, SigningKey, sign
from activitypub.vocabulary import AP_TYPE, LD_TYPE, Iri, host, is_as2, same_origin
from activitypub.webfinger import Handle, Jrd

AS2_ACCEPT = f"{AP_TYPE}, {LD_TYPE};q=0.9"
JSON_TYPES = frozenset({"application/json", webfinger.JRD_TYPE})
XRD_TYPES = frozenset({webfinger.XRD_TYPE, "application/xml", "text/xml"})

FLAVOUR_LIFE = 7 * 86_400.0  # seconds after which a host is asked anew which signatures it understands
MAX_FLAVOURS = 10_000  # hosts

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KNOCK_AGAIN = frozenset({400, 401, 403})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds. `deadline` is for a whole exchange: waiting for a connection, redirects, second tries and all."""

    deadline: float = 30.0
    connect: float = 10.0
    document_bytes: int = 1_000_000
    redirects: int = 5
    connections: int = 200
    connections_per_host: int = 8


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the inbox answered, whatever it was. `retry_after`: seconds, if the peer named a time."""

    status: int
    retry_after: float | None
    flavour: Flavour


class Courier:
    """What rides along with signed requests, and what answers say beside their content. This one carries nothing."""

    wanted: tuple[bytes, ...] = ()
    """Names, in lower case, of headers that are read from answers to deliveries."""

    def headers(self, authority: str) -> dict[str, str]:
        """For a request to this host[:port]. They are not covered by the signature."""
        return {}

    def answered(self, authority: str, headers: httpx.Headers) -> None:
        """Of an answer from there. Must not fail, nor take long."""


class Client:
    """Opened by its first request, inside a running loop; belongs to that loop until `aclose`.

    `signing_key` gives the node's own key, with which GETs are signed; None leaves them unsigned. `flavour_for` and
    `remember` let the knowledge of which host takes which signatures outlive the process. `lookup` and `clock` are the
    network's names and the time (seconds since the epoch). `tls` replaces the trusted roots (the system's and Mozilla's).
    `only` signs with that flavour alone, whatever a host was seen to take: no second knock, and nothing to remember.
    `courier` adds headers to what is signed, and reads those of the answers.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        user_agent: str,
        signing_key: Callable[[], SigningKey | None] = lambda: None,
        clock: Callable[[], float] = time.time,
        lookup: Lookup = system_lookup,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        flavour_for: Callable[[str], Flavour | None] | None = None,
        remember: Callable[[str, Flavour], None] | None = None,
        only: Flavour | None = None,
        courier: Courier | None = None,
    ) -> None:
        self._guard = guard
        self._user_agent = user_agent
        self._signing_key = signing_key
        self._clock = clock
        self._lookup = lookup
        self._tls = tls
        self._limits = limits or Limits()
        self._flavours = _Flavours(clock, flavour_for, remember)
        self._only = only
        self._courier = courier or Courier()
        self._open: tuple[aiohttp.ClientSession, httpx.AsyncClient] | None = None
        self._closed = False

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        self._closed = True
        if self._open is not None:
            _, http = self._open
            self._open = None
            await http.aclose()  # closes the session and the connector as well

    async def fetch(
        self, url: str, *, accept: str = AS2_ACCEPT, signed: bool = True, max_bytes: int | None = None
    ) -> Fetched:
        """GET, following redirects. Raises FetchFailed unless the answer is a 2xx whose body fits."""
        return await self._in_time(url, self._fetch(url, accept, signed, max_bytes))

    async def document(self, url: str) -> dict[str, Any]:
        """An ActivityStreams document that its own origin vouches for (protocol rules R40 and R42).

        Its id is the URL it came from; if it names another id of the same origin, that one is fetched instead, once.
        Raises FetchFailed, Malformed if it is no document, Refused if it claims somebody else's id.
        """
        return await self._in_time(url, self._document(url))

    async def json(self, url: str, *, types: Collection[str] = JSON_TYPES, signed: bool = False) -> dict[str, Any]:
        """A JSON object of one of these media types, say of WebFinger or NodeInfo. Raises FetchFailed, Malformed."""
        fetched = await self._in_time(url, self._typed(url, types, signed))
        return parse.load(fetched.body)

    async def webfinger(self, handle: str) -> Iri:
        """The actor of "user@host" (see `account`)."""
        return (await self.account(handle)).actor

    async def account(self, handle: str) -> Jrd:
        """The actor of "user@host" and its canonical handle, once both ends say the same (protocol rules R2 and R3).

        Raises Malformed for text that is no handle and for answers that cannot be read, FetchFailed, and Refused if a
        host speaks for an account that is not its own.
        """
        asked = webfinger.parse_handle(handle)
        return await self._in_time(f"acct:{asked}", self._account(asked))

    async def deliver(
        self,
        inbox: str,
        body: bytes,
        key: SigningKey,
        *,
        only: Flavour | None = None,
        also: Mapping[str, str] = MappingProxyType({}),
    ) -> Delivered:
        """POST an activity. Every answer is a result, 3xx too, which is not followed; raises FetchFailed for none.

        `only` signs with that flavour and knocks once. `also` are further headers, which are signed too.
        """
        return await self._in_time(inbox, self._deliver(inbox, body, key, only or self._only, also))

    async def post(self, url: str, body: bytes, *, content_type: str) -> int:
        """POST something that proves itself, without a signature; the status. Raises FetchFailed if there was no answer."""
        target = self._guard.check_url(url)
        return (await self._in_time(url, self._post_once(target, body, {"Content-Type": content_type}))).status

    async def _in_time(self, url: str, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._limits.deadline):
                return await work
        except (httpx.RemoteProtocolError, httpx.InvalidURL) as error:
            # All that httpx itself looks at here is the Location of a redirect, even one that it is not to follow.
            raise FetchFailed(f"{url} redirects to no address", url=url) from error
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            connected = not isinstance(error, aiohttp.ClientConnectorError | httpx.ConnectError)
            raise FetchFailed(
                answers.reason(error, url), url=url, retry=True, connected=connected, sent=connected
            ) from error

    async def _document(self, url: str) -> dict[str, Any]:
        document, claimed, final = await self._as2(url)
        if claimed != final and same_origin(claimed, final):
            document, claimed, final = await self._as2(claimed)
        if claimed != final:
            raise Refused(f"the document at {final} says that it is {claimed}")
        return document

    async def _as2(self, url: str) -> tuple[dict[str, Any], str, str]:
        """(document, the id it claims, the URL it came from), the two in comparable spelling."""
        fetched = await self._fetch(url, AS2_ACCEPT, True, None)
        if not is_as2(fetched.content_type):
            raise answers.wrong_type(fetched)
        document = parse.load(fetched.body)
        claimed = document.get("id")
        if not isinstance(claimed, str):
            raise Malformed(f"the document at {fetched.url} has no id")
        with suppress(FetchFailed):
            # check_url drops a fragment, and an id with one is not the URL of a document.
            claimed = claimed if "#" in claimed else str(self._guard.check_url(claimed))
        return document, claimed, fetched.url

    async def _typed(self, url: str, types: Collection[str], signed: bool) -> Fetched:
        fetched = await self._fetch(url, ", ".join(sorted(types)), signed, None)
        if (fetched.content_type or "").partition(";")[0].strip().lower() not in types:
            raise answers.wrong_type(fetched)
        return fetched

    async def _account(self, asked: Handle) -> Jrd:
        answer = await self._jrd(asked)
        if webfinger.needs_confirmation(answer, asked):
            webfinger.confirm(answer, await self._jrd(answer.subject))
        actor = parse.actor(await self._document(answer.actor))
        webfinger.maps_back(answer, actor)
        if host(actor.iri) != answer.subject.host:
            # Anybody can point a handle of their own domain to an actor of somebody else: ask the actor's side.
            webfinger.confirm(answer, await self._jrd(Handle(answer.subject.username, host(actor.iri))))
        return answer

    async def _jrd(self, handle: Handle) -> Jrd:
        scheme = self._guard.scheme_for(handle.host)
        url = webfinger.query_url(handle.host, handle.acct, scheme=scheme)
        try:
            fetched = await self._typed(url, JSON_TYPES, False)
        except FetchFailed as failure:
            if failure.status is None or failure.retry or failure.status == 410:
                raise
            fetched = await self._by_host_meta(f"{scheme}://{handle.host}/.well-known/host-meta", handle, failure)
        return webfinger.parse_jrd(parse.load(fetched.body), handle)

    async def _by_host_meta(self, url: str, handle: Handle, failure: FetchFailed) -> Fetched:
        """Ask where the domain sends such questions (RFC 6415). Without an answer, the first failure stands."""
        try:
            template = webfinger.parse_host_meta((await self._typed(url, XRD_TYPES, False)).body)
        except (FetchFailed, Malformed):
            raise failure from None
        named = webfinger.from_template(template, handle.acct)
        if named == webfinger.query_url(handle.host, handle.acct, scheme=self._guard.scheme_for(handle.host)):
            raise failure  # the very question that was not answered
        return await self._typed(named, JSON_TYPES, False)

    async def _fetch(self, url: str, accept: str, signed: bool, max_bytes: int | None) -> Fetched:
        target = self._guard.check_url(url)
        limit = self._limits.document_bytes if max_bytes is None else max_bytes
        seen = {target}
        while True:
            answer = await self._get(target, accept, signed, limit)
            if answer.status not in _REDIRECTS:
                break
            target = self._next_hop(target, answer)
            if target in seen or len(seen) > self._limits.redirects:
                raise FetchFailed(f"{url} redirects in a circle, or too often", url=url, status=answer.status)
            seen.add(target)
        if not 200 <= answer.status < 300:
            raise answers.failure(answer, self._clock())
        return answer

    def _next_hop(self, target: URL, answer: Fetched) -> URL:
        locations = answer.headers.get_list("location")
        # urljoin would silently drop tabs, and so judge another text than the one that was sent.
        if len(locations) != 1 or not locations[0].isprintable():
            raise FetchFailed(f"{target} redirects, but not to one address", url=str(target), status=answer.status)
        try:
            following = self._guard.check_url(urljoin(str(target), locations[0]))
        except ValueError as error:
            raise FetchFailed(f"{target} redirects to no address", url=str(target), status=answer.status) from error
        if target.scheme == "https" and following.scheme != "https":
            raise FetchFailed(f"{target} redirects from https to http", url=str(target), status=answer.status)
        return following

    async def _get(self, target: URL, accept: str, signed: bool, limit: int) -> Fetched:
        key = self._signing_key() if signed else None
        if key is None:
            return await self._get_once(target, {"Accept": accept}, limit)

        async def attempt(flavour: Flavour) -> Fetched:
            headers = sign("GET", str(target), None, key, flavour=flavour, now=self._clock())
            more = self._courier.headers(target.host_port_subcomponent or "")
            return await self._get_once(target, {**headers, **more, "Accept": accept}, limit)

        answer, _ = await self._knock(target, attempt, self._only)
        return answer

    async def _get_once(self, target: URL, headers: dict[str, str], limit: int) -> Fetched:
        _, http = self._opened()
        async with http.stream("GET", str(target), headers=headers) as response:
            if response.is_success:
                body = await answers.read(response, str(target), limit)
            else:
                body = b""
                await answers.drain(response.aiter_raw())
        self._courier.answered(target.host_port_subcomponent or "", response.headers)
        return Fetched(
            url=str(target),
            status=response.status_code,
            headers=response.headers,
            body=body,
            content_type=response.headers.get("content-type"),
        )

    async def _deliver(
        self, inbox: str, body: bytes, key: SigningKey, only: Flavour | None, also: Mapping[str, str]
    ) -> Delivered:
        target = self._guard.check_url(inbox)

        async def attempt(flavour: Flavour) -> Fetched:
            headers = sign("POST", str(target), body, key, flavour=flavour, now=self._clock(), also=also)
            headers |= self._courier.headers(target.host_port_subcomponent or "")
            try:
                return await self._post_once(target, body, headers)
            except aiohttp.ClientConnectorError:
                raise
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                # The peer closed a kept connection while we were writing to it. Should it have read the activity
                # all the same, it will know it again by its id.
                try:
                    return await self._post_once(target, body, headers)
                except aiohttp.ClientConnectorError as error:
                    raise FetchFailed(answers.reason(error, inbox), url=inbox, retry=True, connected=False) from error

        answer, flavour = await self._knock(target, attempt, only)
        if not 200 <= answer.status < 600:
            raise FetchFailed(f"{inbox} answered {answer.status}, which says nothing", url=inbox, retry=True)
        named = answers.retry_after(answer.headers, self._clock())
        return Delivered(status=answer.status, retry_after=named, flavour=flavour)

    async def _post_once(self, target: URL, body: bytes, headers: dict[str, str]) -> Fetched:
        session, _ = self._opened()
        async with session.post(target, data=body, headers=headers, allow_redirects=False) as response:
            if not response.content.at_eof():
                await answers.drain(response.content.iter_any())
            wanted = (b"retry-after", *self._courier.wanted)
            answered = httpx.Headers([item for item in response.raw_headers if item[0].lower() in wanted])
        self._courier.answered(target.host_port_subcomponent or "", answered)
        return Fetched(str(target), response.status, answered, b"", None)

    async def _knock(
        self, target: URL, attempt: Callable[[Flavour], Awaitable[Fetched]], only: Flavour | None
    ) -> tuple[Fetched, Flavour]:
        """Try the likelier kind of signature, and the other one if that is turned away ("double knocking", R30)."""
        if only is not None:
            return await attempt(only), only
        peer = target.host_port_subcomponent or ""
        first = self._flavours.likely(peer)
        answer = await attempt(first)
        if answer.status not in _KNOCK_AGAIN:
            return answer, first
        other = Flavour.RFC9421 if first is Flavour.CAVAGE else Flavour.CAVAGE
        second = await attempt(other)
        if second.status in _KNOCK_AGAIN:
            return answer, first
        if second.status < 400 or second.status in answers.GONE:
            self._flavours.worked(peer, other)
        return second, other

    def _opened(self) -> tuple[aiohttp.ClientSession, httpx.AsyncClient]:
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._open is None:
            self._open = self._connect()
        return self._open

    def _connect(self) -> tuple[aiohttp.ClientSession, httpx.AsyncClient]:
        limits = self._limits
        tls = self._tls or _trusted_roots()
        connector = GuardedConnector(
            self._guard,
            resolver=GuardedResolver(self._guard, self._lookup),
            tls=tls,
            limit=limits.connections,
            limit_per_host=limits.connections_per_host,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": self._user_agent},
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding"),
            trust_env=False,
        )
        http = httpx.AsyncClient(
            transport=AiohttpTransport(verify=tls, client=session),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "gzip"},
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
            timeout=httpx.Timeout(None, connect=limits.connect),
            follow_redirects=False,
            trust_env=False,
        )
        return session, http


class _Flavours:
    """Which signatures a host was seen to understand. Hosts are forgotten after FLAVOUR_LIFE, the oldest if many."""

    def __init__(
        self,
        clock: Callable[[], float],
        flavour_for: Callable[[str], Flavour | None] | None,
        remember: Callable[[str, Flavour], None] | None,
    ) -> None:
        self._clock = clock
        self._flavour_for = flavour_for
        self._remember = remember
        self._seen: OrderedDict[str, tuple[Flavour, float]] = OrderedDict()

    def likely(self, host: str) -> Flavour:
        flavour, until = self._seen.get(host, (None, 0.0))
        if flavour is not None and self._clock() < until:
            return flavour
        known = self._flavour_for(host) if self._flavour_for is not None else None
        return known or Flavour.CAVAGE

    def worked(self, host: str, flavour: Flavour) -> None:
        self._seen[host] = (flavour, self._clock() + FLAVOUR_LIFE)
        self._seen.move_to_end(host)
        while len(self._seen) > MAX_FLAVOURS:
            self._seen.popitem(last=False)
        if self._remember is not None:
            self._remember(host, flavour)


def _trusted_roots() -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()  # where a company installs its own authority
    return context
