"""Which addresses this server may connect to (protection against server-side request forgery).

Every outgoing connection is checked three times against one `Guard`: the URL as it is written, every address its name
resolves to, and the address of the socket that the request will really be written to. The connector dials exactly the
addresses that were checked, so that a name which answers differently a second time (DNS rebinding) gains nothing.

What is refused by default is everything but public addresses on the ports 80 and 443. A company's nodes live on
private addresses: those are reached by listing the exact peer (`host:port`), never by opening a whole range.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from activitypub.errors import HostRefused

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""Resolves (host, port) to addresses as text. Raises OSError if the name has none."""

WEB_PORTS = frozenset({80, 443})
MAX_URL = 4096

_URL = re.compile(r"(https?)://([^/?#]*)", re.IGNORECASE)
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Python's `is_global` follows the IANA registries as they were at its release, and calls multicast global.
_NEVER_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",  # 6to4 relays, withdrawn
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",  # documentation, since 2024
    )
)
# Not even for a listed peer: nobody's node lives there, but cloud metadata services do.
_NEVER_A_PEER = tuple(
    ipaddress.ip_network(network)
    for network in ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/128", "fe80::/10", "ff00::/8")
)


class Guard:
    """The policy. Holds no connection and may serve any number of clients.

    `private`: peers on private addresses, each "host:port" or "host:*" ("[::1]:8000" for IPv6), or "loopback" for every
    port of every loopback address, which only a development machine wants. `also` is asked, with the normalised host and
    the port, for peers that become known while the server runs. Raises ValueError for an entry that cannot be read.
    """

    def __init__(
        self,
        *,
        allow_http: bool = False,
        private: tuple[str, ...] | Literal["loopback"] = (),
        also: Callable[[str, int], bool] | None = None,
    ) -> None:
        self.allow_http = allow_http
        self._loopback = private == "loopback"
        entries = () if isinstance(private, str) else private
        self._listed = frozenset(_entry(entry) for entry in entries)
        self._also = also

    def listed(self, host: str, port: int) -> bool:
        """Whether exactly this peer was named by the administrator or the roster. `host` is normalised."""
        if (host, port) in self._listed or (host, None) in self._listed:
            return True
        return self._also is not None and self._also(host, port)

    def check_url(self, text: str) -> URL:
        """The URL in the one spelling in which it is requested and signed, without its fragment. Raises HostRefused."""
        try:
            url, host, port = _read(text)
        except ValueError as error:
            raise HostRefused(f"{_shown(text)} is refused: {error}", url=text) from error
        if url.scheme != "https" and not self.allow_http:
            raise HostRefused(f"{_shown(text)} is refused: only https is allowed", url=text)
        if port not in WEB_PORTS and not self._loopback and not self.listed(host, port):
            raise HostRefused(f"{_shown(text)} is refused: port {port} is not open to us", url=text)
        if _is_literal(host) and not self._permits(host, port, host):
            raise HostRefused(f"{_shown(text)} is refused: {host} is not open to us", url=text)
        return url

    def scheme_for(self, authority: str) -> Literal["http", "https"]:
        """How to call a "host" or "host:port" known by that alone, as in a handle: plainly only where http is allowed."""
        if not self.allow_http:
            return "https"
        host, port = _split(authority)
        return "http" if port is not None or self.listed(_name(host), 80) else "https"

    def check_address(self, host: str, port: int, address: str) -> None:
        """Raises HostRefused unless a request for `host` and `port` may be sent to `address`."""
        if not self._permits(host, port, address):
            raise HostRefused(
                f"{host}:{port} is refused: {address} is neither a public address nor that of a listed peer",
                url=f"{host}:{port}",
            )

    def _permits(self, host: str, port: int, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        if "%" in address:  # a zone: an address of one of our own links
            return False
        if self.listed(host, port):
            return not any(_within(each, _NEVER_A_PEER) for each in (ip, *_embedded(ip)))
        if self._loopback and _within(ip, _LOOPBACK):
            return True
        return port in WEB_PORTS and is_public(ip)


def is_public(ip: Address) -> bool:
    """Whether the address is reachable from the whole internet, and so is every IPv4 address hidden inside it."""
    hidden = _embedded(ip)
    if hidden:
        return all(is_public(each) for each in hidden)
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _GLOBAL_UNICAST:
        return False
    return ip.is_global and not _within(ip, _NEVER_PUBLIC)


def _embedded(ip: Address) -> tuple[ipaddress.IPv4Address, ...]:
    if isinstance(ip, ipaddress.IPv4Address):
        return ()
    if ip.ipv4_mapped is not None:
        return (ip.ipv4_mapped,)
    if ip.sixtofour is not None:
        return (ip.sixtofour,)
    if ip.teredo is not None:
        return ip.teredo
    if ip in _NAT64:
        return (ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF),)
    return ()


def _within(ip: Address, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    return any(ip in network for network in networks)


@lru_cache(maxsize=1024)
def _read(text: str) -> tuple[URL, str, int]:
    """(URL, host, port), or ValueError saying what is wrong with the text."""
    if len(text) > MAX_URL:
        raise ValueError(f"it is longer than {MAX_URL} characters")
    if not text.isprintable() or " " in text or "\\" in text:
        raise ValueError("it contains white space, a backslash or an invisible character")
    match = _URL.match(text)
    if match is None:
        raise ValueError("it is not an absolute http or https address")
    if "@" in match[2] or "%" in match[2]:
        raise ValueError("it names a user, or hides characters in the host")
    host, port = _split(match[2])
    # aiohttp connects to what yarl reads, so yarl's reading is the one that is judged.
    rest = text[match.end() :]
    url = URL(f"{match[0]}{'' if rest.startswith('/') else '/'}{rest}").with_fragment(None)
    name = _name(host if host.isascii() else url.raw_host or "")
    if url.raw_host != name or url.port is None or (port is not None and url.port != port):
        raise ValueError("its host can be read in two ways")
    if not host.isascii() and _is_literal(name):
        raise ValueError("its address is written in digits that are not plain ones")
    return url.with_port(None) if url.is_default_port() else url, name, url.port


def _split(authority: str) -> tuple[str, int | None]:
    host, colon, port = authority, "", ""
    if not authority.endswith("]"):
        before, colon, after = authority.rpartition(":")
        if colon:
            host, port = before, after
    if not colon:
        return host, None
    if _PORT.fullmatch(port) is None or int(port) > 65535:
        raise ValueError("its port is not a number from 1 to 65535")
    return host, int(port)


def _name(host: str) -> str:
    """The host in lower case; an IPv6 literal without its brackets. Addresses have one permitted spelling."""
    if host.startswith("[") or ":" in host:
        bare = host.removeprefix("[").removesuffix("]")
        if "%" in bare or str(ipaddress.IPv6Address(bare)) != bare:
            raise ValueError("its IPv6 address is not in canonical form")
        return bare
    name = host.lower()
    labels = name.split(".")
    if len(name) > 253 or any(_LABEL.fullmatch(label) is None for label in labels):
        raise ValueError("it has no valid host name")
    # 2130706433, 0x7f.1, 0177.0.0.1 and 127.1 are all 127.0.0.1 to one resolver or another.
    if _NUMBER.fullmatch(labels[-1]) and str(ipaddress.IPv4Address(name)) != name:
        raise ValueError("its IPv4 address is not in canonical form")
    return name


def _is_literal(host: str) -> bool:
    return ":" in host or host.rpartition(".")[2].isdigit()


def _entry(text: str) -> tuple[str, int | None]:
    host, _, port = text.strip().rpartition(":")
    if port == "*":
        return _name(_ascii(host)), None
    name, number = _split(f"{host}:{port}")
    if number is None:
        raise ValueError(f"{text!r} is not of the form host:port")
    return _name(_ascii(name)), number


def _ascii(host: str) -> str:
    return host if host.isascii() else URL.build(scheme="https", host=host).raw_host or ""


def _shown(text: str) -> str:
    return text if len(text) <= 200 and text.isprintable() else ascii(text[:200])


async def system_lookup(host: str, port: int) -> Sequence[str]:
    """The operating system's resolver, in a thread."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host} is not a name that can be looked up") from error
    return [str(address[0]) for _, _, _, _, address in found]


class GuardedResolver(AbstractResolver):
    """Answers only if *all* addresses of a name are permitted: a mixed answer is an attack or a mistake."""

    def __init__(self, guard: Guard, lookup: Lookup = system_lookup) -> None:
        self._guard = guard
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._lookup(host, port)
        if not addresses:
            raise OSError(f"{host} has no address")
        for address in addresses:
            self._guard.check_address(host, port, address)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        return None


class GuardedConnector(aiohttp.TCPConnector):
    """Hands out no connection, new or kept alive, whose other end the guard would not permit now.

    The resolver has judged the addresses before they were dialled. This looks at the socket itself, which also covers
    addresses that were never resolved, and peers struck off the list while a connection to them was being kept.
    """

    def __init__(
        self, guard: Guard, *, resolver: AbstractResolver, tls: ssl.SSLContext, limit: int, limit_per_host: int
    ) -> None:
        super().__init__(resolver=resolver, ssl=tls, limit=limit, limit_per_host=limit_per_host)
        self._guard = guard

    async def connect(
        self,
        req: "ClientRequest",
        traces: list["Trace"],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - not ours to name
    ) -> "Connection":
        connection = await super().connect(req, traces, timeout)
        try:
            transport = connection.transport
            peer = transport.get_extra_info("peername") if transport is not None else None
            self._guard.check_address(req.url.raw_host or "", req.url.port or 0, peer[0] if peer else "unknown")
        except BaseException:
            connection.close()
            raise
        return connection
