"""A company with its key, and rosters of it, signed at will."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activitypub import keys
from activitypub import roster as rosters
from activitypub.roster import Invitation, Member, Roster
from node.federation.company import Verified

DAY = 86_400_000


@cache
def identity(number: int) -> str:
    """The public half of an identity key that nobody uses."""
    return keys.multibase(Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big")).public_key())


def members(*domains: str) -> list[Member]:
    return [
        Member(domain, domain.partition(".")[0].title(), identity(100 + sum(domain.encode()))) for domain in domains
    ]


@dataclass
class Company:
    """`now` in ms; `roster(…)` is valid for 30 days from then."""

    now: int
    key: Ed25519PrivateKey = field(default_factory=keys.generate_ed25519)

    @property
    def public(self) -> str:
        return keys.multibase(self.key.public_key())

    def roster(self, version: int, nodes: Sequence[Member], **changes: Any) -> Roster:
        values = {"company": "Acme", "issued": self.now, "expires": self.now + 30 * DAY, **changes}
        return rosters.sign(values.pop("key", self.key), version=version, nodes=nodes, **values)

    def new(self, version: int, *domains: str, **changes: Any) -> Verified:
        return Verified(self.roster(version, members(*domains), **changes))

    def invitation(self, roster: Roster) -> Invitation:
        return rosters.parse_invitation(rosters.invitation(roster))
