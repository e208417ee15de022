"""Addresses of clients: which networks are trusted, and who really asks when a proxy stands in between."""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

from node.config import ConfigError

_FORWARDED = b"x-forwarded-for"


class Networks:
    """A set of addresses and networks, as settings name them ("127.0.0.1", "10.0.0.0/8")."""

    def __init__(self, names: Iterable[str]) -> None:
        try:
            self._networks = tuple(ipaddress.ip_network(name, strict=False) for name in names)
        except ValueError as error:
            raise ConfigError(f"{error}: an IP address or network is needed") from error
        self._holds = lru_cache(maxsize=1024)(self._look)

    def __contains__(self, address: str) -> bool:
        return self._holds(address)

    def _look(self, address: str) -> bool:
        found = parse(address)
        return found is not None and any(found in network for network in self._networks)


def parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, an IPv4 one in IPv6 clothes unwrapped; None if it is none."""
    try:
        found = ipaddress.ip_address(address.strip().strip("[]"))
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def forwarded_for(connected: str, headers: Sequence[tuple[bytes, bytes]], proxies: Networks) -> str:
    """Who asks: the address that connected, or what trusted proxies say of it.

    Read from the right: each trusted proxy appended the address it saw, so the first that is not a trusted proxy is the
    client. What stands left of it was sent by the client itself, and means nothing.
    """
    if connected not in proxies:
        return connected
    chain = [
        part.strip() for name, value in headers if name == _FORWARDED for part in value.decode("latin-1").split(",")
    ]
    address = connected
    for hop in reversed(chain):
        found = parse(hop)
        if found is None:
            return address
        address = str(found)
        if address not in proxies:
            return address
    return address
