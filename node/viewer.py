"""Who asks. Every rule that returns posts takes a viewer, and visibility.py turns it into SQL."""

from dataclasses import dataclass, field
from enum import Enum

from node.ids import AccountId


class Kind(Enum):
    NOBODY = "nobody"
    """No credentials. Sees nothing unless `access.anonymous` is "read"."""
    PERSON = "person"
    """A local account."""
    REMOTE = "remote"
    """An account of a peer that signed its request."""
    PEER = "peer"
    """A peer's own actor: stands for all of that peer's people."""
    SYSTEM = "system"
    """The node itself (worker, command line): sees everything."""


@dataclass(frozen=True, slots=True)
class Viewer:
    kind: Kind
    account_id: AccountId | None = None
    domain: str | None = None
    """Of a peer: host[:port]."""
    roles: frozenset[str] = field(default=frozenset())
    scopes: frozenset[str] = field(default=frozenset())
    token_id: int | None = None
    app_id: int | None = None
    anonymous_read: bool = False
    filters_rev: int = 0
    """Which state of their filters is in force; 0: there never was one."""

    @property
    def is_local(self) -> bool:
        """May know of posts whose audience is the department."""
        return self.kind in (Kind.PERSON, Kind.SYSTEM)


NOBODY = Viewer(Kind.NOBODY)
SYSTEM = Viewer(Kind.SYSTEM)


def person(account_id: int, *, roles: frozenset[str] = frozenset(), scopes: frozenset[str] = frozenset()) -> Viewer:
    return Viewer(Kind.PERSON, AccountId(account_id), roles=roles, scopes=scopes)


def remote(account_id: int, domain: str) -> Viewer:
    return Viewer(Kind.REMOTE, AccountId(account_id), domain=domain)


def peer(domain: str) -> Viewer:
    return Viewer(Kind.PEER, domain=domain)
