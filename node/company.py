"""The company as this process sees it now: the roster, held in memory, so that admission costs no statement.

`node.federation.company` fills it: from the database when it is first asked for, at each ring of the bell, and once a
second. Outside of mode "roster" it says nothing, and nobody asks it.
"""

from collections.abc import Callable

from activitypub.roster import Member, Roster
from node.config import Settings

HTTPS, HTTP = 443, 80


class Company:
    """What is asked most: who is a peer. Replaced as a whole, never changed in place: any thread may look."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._own = settings.node.domain
        self._default_port = HTTP if settings.node.scheme == "http" else HTTPS
        self._clock = clock
        self._held = _Held(None, {}, frozenset())
        self.in_use = settings.federation.mode == "roster"
        self.loaded = False
        """False until somebody has looked into the database."""

    def hold(self, roster: Roster | None) -> None:
        """From now on this is the newest roster."""
        if roster is None:
            self._held = _Held(None, {}, frozenset())
        else:
            members = {one.domain: one for one in roster.nodes}
            self._held = _Held(roster, members, frozenset(self._place(domain) for domain in members))
        self.loaded = True

    @property
    def roster(self) -> Roster | None:
        """The newest roster, expired or not."""
        return self._held.roster

    @property
    def version(self) -> int:
        """Of the newest roster; 0 without one."""
        return self._held.roster.version if self._held.roster is not None else 0

    @property
    def expired(self) -> bool:
        """True for a roster that has expired; then nobody is a peer until there is a newer one."""
        roster = self._held.roster
        return roster is not None and self._clock() * 1000 >= roster.expires

    @property
    def includes_us(self) -> bool:
        return self._own in self._held.members

    def peers(self) -> tuple[Member, ...]:
        """The other nodes, as long as the roster is in force and we are on it ourselves."""
        held = self._held
        if held.roster is None or self._own not in held.members or self.expired:
            return ()
        return tuple(one for one in held.roster.nodes if one.domain != self._own)

    def admits(self, domain: str) -> bool:
        """Whether `domain` (normalised host[:port]) is a peer by the roster now."""
        held = self._held
        return domain != self._own and domain in held.members and self._own in held.members and not self.expired

    def reaches(self, domain: str | None) -> bool:
        """Whether people there can be reached as far as the roster goes: our own can, and without a roster everybody."""
        return domain is None or not self.in_use or self.admits(domain)

    def names(self, domain: str) -> bool:
        """Whether the newest roster names the node, even if it has expired: whom a newer one may be asked of."""
        return domain != self._own and domain in self._held.members

    def member(self, domain: str) -> Member | None:
        """What the newest roster says of a node."""
        return self._held.members.get(domain)

    def identity_of(self, domain: str) -> str | None:
        """The identity key (multikey) that the roster pins for a node. None outside of mode "roster"."""
        found = self._held.members.get(domain) if self.in_use else None
        return found.identity if found is not None else None

    def opens(self, host: str, port: int) -> bool:
        """For the guard: whether the roster names this host and port, so that its address may be a private one."""
        return self.in_use and (host, port) in self._held.places

    def _place(self, domain: str) -> tuple[str, int]:
        name, colon, port = domain.rpartition(":")
        if colon and port.isdigit() and not name.endswith(":"):
            return name.strip("[]"), int(port)
        return domain.strip("[]"), self._default_port


class _Held:
    """A roster with what is looked up in it."""

    __slots__ = ("members", "places", "roster")

    def __init__(self, roster: Roster | None, members: dict[str, Member], places: frozenset[tuple[str, int]]) -> None:
        self.roster = roster
        self.members = members
        self.places = places
