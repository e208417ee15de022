"""Followers synchronisation (FEP-8fcf): the header in which an actor says who of the receiving host follows it.

    Collection-Synchronization: collectionId="https://…/followers", url="https://…/followers_synchronization", digest="9a…"

The digest is the XOR of the SHA-256 of the followers' ids, as 64 hexadecimal digits: of no followers it is all zeros, and
the order does not matter. `url` is a partial collection: the followers of that host alone, for nobody but that host.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from activitypub.errors import Malformed
from activitypub.vocabulary import Iri, is_iri

HEADER = "Collection-Synchronization"
MAX_LENGTH = 4096

_PART = re.compile(r'[ \t]*+([A-Za-z]++)="([^"\\\x00-\x1f\x7f]*+)"[ \t]*+(?:,|$)')
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Claim:
    """What the header says. `digest` is 64 lower-case hexadecimal digits."""

    collection: Iri
    url: Iri
    digest: str

    def header(self) -> str:
        return f'collectionId="{self.collection}", url="{self.url}", digest="{self.digest}"'


def parse(text: str) -> Claim:
    """Read the header. Raises Malformed: for anything missing, repeated, or not what it should be."""
    if len(text) > MAX_LENGTH:
        raise Malformed("a Collection-Synchronization header that is too long")
    parts: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None or found[1] in parts:
            raise Malformed("a Collection-Synchronization header that cannot be read")
        parts[found[1]] = found[2]
        at = found.end()
    collection, url, said = (parts.get(name, "") for name in ("collectionId", "url", "digest"))
    if not is_iri(collection) or not is_iri(url) or not _DIGEST.fullmatch(said):
        raise Malformed("a Collection-Synchronization header without collectionId, url or digest")
    return Claim(Iri(collection), Iri(url), said.lower())


def digest(iris: Iterable[str]) -> str:
    """Of distinct ids: an id that is given twice would cancel itself."""
    total = 0
    for iri in iris:
        total ^= int.from_bytes(hashlib.sha256(iri.encode()).digest())
    return f"{total:064x}"
