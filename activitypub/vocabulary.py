"""The words of the protocol: media types, type names, JSON-LD contexts, and what an IRI's origin is.

Everything that compares hosts or origins in this package goes through `origin`: one parser, so that no two checks can
read the same string differently (protocol rules R27 and R41; Mastodon's CVE-2023-42451 came from two readings).
"""

import ipaddress
import re
from functools import lru_cache
from typing import Any, Final, NewType
from urllib.parse import SplitResult, urlsplit

import idna

from activitypub.errors import Malformed

Iri = NewType("Iri", str)

AS_CONTEXT: Final = "https://www.w3.org/ns/activitystreams"
PUBLIC: Final = Iri(f"{AS_CONTEXT}#Public")
PUBLIC_SPELLINGS: Final = frozenset({PUBLIC, "as:Public", "Public"})

AP_TYPE: Final = "application/activity+json"
LD_TYPE: Final = f'application/ld+json; profile="{AS_CONTEXT}"'

RFC_9421: Final = "https://datatracker.ietf.org/doc/html/rfc9421"
RFC_9421_ED25519: Final = f"{RFC_9421}#section-3.3.6"
CORRIDOR_NS: Final = "urn:x-corridor:ns#"

ACTOR_TYPES: Final = frozenset({"Person", "Service", "Application", "Group", "Organization"})
POST_TYPES: Final = frozenset(
    {"Note", "Article", "Page", "Question", "Event", "Video", "Audio", "Image", "ChatMessage"},
)
COLLECTION_TYPES: Final = frozenset(
    {"Collection", "OrderedCollection", "CollectionPage", "OrderedCollectionPage"},
)
ACTIVITY_TYPES: Final = frozenset(
    {
        *("Create", "Update", "Delete", "Follow", "Accept", "Reject", "TentativeAccept", "TentativeReject"),
        *("Undo", "Like", "Dislike", "EmojiReact", "Announce", "Add", "Remove", "Move", "Block", "Flag"),
        *("Join", "Leave", "Invite", "Offer", "Ignore", "View", "Listen", "Read", "Arrive", "Travel"),
        "QuoteRequest",
        # Lemmy's. If they were unknown, one that a group passes on would be taken for a boost, and fetched.
        *("Lock", "Warn", "Resolve"),
    },
)

# What peers may write before a type name and still mean the plain one (JSON-LD compact and expanded forms).
TYPE_PREFIXES: Final = (
    *("as:", f"{AS_CONTEXT}#", "toot:", "http://joinmastodon.org/ns#", "litepub:", "http://litepub.social/ns#"),
    *("schema:", "http://schema.org#", "http://schema.org/", "https://schema.org/", "sec:"),
)

# Sent at the top of every document. Read-only: builders copy it.
CONTEXT: Final[list[Any]] = [
    AS_CONTEXT,
    "https://w3id.org/security/v1",
    "https://w3id.org/security/multikey/v1",
    "https://w3id.org/security/data-integrity/v2",
    {
        "manuallyApprovesFollowers": "as:manuallyApprovesFollowers",
        "sensitive": "as:sensitive",
        "Hashtag": "as:Hashtag",
        "movedTo": {"@id": "as:movedTo", "@type": "@id"},
        "alsoKnownAs": {"@id": "as:alsoKnownAs", "@type": "@id"},
        "toot": "http://joinmastodon.org/ns#",
        "Emoji": "toot:Emoji",
        "featured": {"@id": "toot:featured", "@type": "@id"},
        "featuredTags": {"@id": "toot:featuredTags", "@type": "@id"},
        "discoverable": "toot:discoverable",
        "indexable": "toot:indexable",
        "focalPoint": {"@id": "toot:focalPoint", "@container": "@list"},
        "blurhash": "toot:blurhash",
        "votersCount": "toot:votersCount",
        "schema": "http://schema.org#",
        "PropertyValue": "schema:PropertyValue",
        "value": "schema:value",
        "litepub": "http://litepub.social/ns#",
        "EmojiReact": "litepub:EmojiReact",
        "quote": {"@id": "https://w3id.org/fep/044f#quote", "@type": "@id"},
        "quoteAuthorization": {"@id": "https://w3id.org/fep/044f#quoteAuthorization", "@type": "@id"},
        "QuoteAuthorization": "https://w3id.org/fep/044f#QuoteAuthorization",
        "QuoteRequest": "https://w3id.org/fep/044f#QuoteRequest",
        "quoteUri": {"@id": "http://fedibird.com/ns#quoteUri", "@type": "@id"},
        "quoteUrl": {"@id": "as:quoteUrl", "@type": "@id"},
        "_misskey_quote": {"@id": "https://misskey-hub.net/ns#_misskey_quote", "@type": "@id"},
        "gts": "https://gotosocial.org/ns#",
        "interactionPolicy": {"@id": "gts:interactionPolicy", "@type": "@id"},
        "canQuote": {"@id": "gts:canQuote", "@type": "@id"},
        "automaticApproval": {"@id": "gts:automaticApproval", "@type": "@id"},
        "manualApproval": {"@id": "gts:manualApproval", "@type": "@id"},
        "interactingObject": {"@id": "gts:interactingObject", "@type": "@id"},
        "interactionTarget": {"@id": "gts:interactionTarget", "@type": "@id"},
        "implements": {"@id": "https://w3id.org/fep/844e#implements", "@type": "@id"},
        "corridor": CORRIDOR_NS,
        "jobTitle": "corridor:jobTitle",
        "department": "corridor:department",
        "manager": {"@id": "corridor:manager", "@type": "@id"},
        "executive": "corridor:executive",
        "awayUntil": {"@id": "corridor:awayUntil", "@type": "http://www.w3.org/2001/XMLSchema#dateTime"},
        "history": {"@id": "corridor:history", "@type": "@id"},
        "nodeKeys": {"@id": "corridor:nodeKeys", "@type": "@json"},
    },
]

_IRI_LENGTH = 2048
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FORBIDDEN = re.compile(r"[\s\\\x00-\x1f\x7f-\x9f\ud800-\udfff\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_AUTHORITY = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[^\[\]:@%]{1,253}))(?::(?P<port>[0-9]{0,5}))?")
_DNS_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NUMBER_LABEL = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\Z")
_PARAMETER = re.compile(r'\s*;\s*([\w!#$&^.+-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*+)"|([^\s;"]*))')


def is_as2(content_type: str | None) -> bool:
    """True for a Content-Type that says ActivityStreams: activity+json, or ld+json with the AS2 profile (R11, R42)."""
    if not content_type or len(content_type) > 1000:
        return False
    media_type, _, rest = content_type.partition(";")
    kind = media_type.strip().lower()
    if kind != "application/ld+json":
        return kind == AP_TYPE
    return AS_CONTEXT in _profiles(f";{rest}")


def _profiles(parameters: str) -> list[str]:
    """The URIs of the first `profile` parameter; read in sequence, so a quoted `;` cannot start a parameter."""
    at = 0
    while found := _PARAMETER.match(parameters, at):
        if found[1].lower() == "profile":
            return (found[2] if found[2] is not None else found[3]).split()
        at = found.end()
    return []


def split(iri: str) -> SplitResult:
    """The parts of an http(s) IRI that is fit to be an id or a link; Malformed otherwise.

    Refused: other schemes, no host, user-info, a backslash, whitespace, control and bidi characters, over 2048 characters.
    """
    if len(iri) > _IRI_LENGTH or _FORBIDDEN.search(iri):
        raise Malformed("an IRI with characters or a length that no id may have")
    try:
        parts = urlsplit(iri)
    except ValueError as error:
        raise Malformed("an IRI that cannot be parsed") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.netloc:
        raise Malformed("not an absolute http(s) IRI")
    return parts


@lru_cache(maxsize=2048)
def origin(iri: str) -> str:
    """`scheme://host[:port]`, normalised: lower case, IDNA 2008 (UTS 46), default port dropped. Malformed as in `split`.

    A trailing dot is Malformed as well: to DNS it is the same host, to a list of allowed hosts it is not.
    """
    parts = split(iri)
    return f"{parts.scheme}://{_netloc(parts)}"


@lru_cache(maxsize=2048)
def host(iri: str) -> str:
    """`host` or `host:port` of an IRI, normalised as in `origin`."""
    return _netloc(split(iri))


def same_origin(first: str, second: str) -> bool:
    """True if both are of one origin; False, too, when either cannot be read."""
    try:
        return origin(first) == origin(second)
    except Malformed:
        return False


def normal_authority(authority: str, scheme: str = "https") -> str:
    """`Host[:port]` as people write it in handles and settings, normalised as in `origin`; Malformed if it is more."""
    if any(mark in authority for mark in "/?#"):
        raise Malformed("not a host name")
    return host(f"{scheme}://{authority}")


def is_iri(value: object) -> bool:
    """True for a string that `origin` accepts."""
    if not isinstance(value, str):
        return False
    try:
        origin(value)
    except Malformed:
        return False
    return True


def _netloc(parts: SplitResult) -> str:
    found = _AUTHORITY.fullmatch(parts.netloc)
    if found is None:
        raise Malformed("a host that cannot be read, or one with user-info")
    name = _six(found["six"]) if found["six"] else _name(found["name"])
    port = int(found["port"]) if found["port"] else _DEFAULT_PORTS[parts.scheme]
    if not 0 < port < 65536:
        raise Malformed("no such port")
    return name if port == _DEFAULT_PORTS[parts.scheme] else f"{name}:{port}"


def _six(address: str) -> str:
    try:
        return f"[{ipaddress.IPv6Address(address).compressed}]"
    except ValueError as error:
        raise Malformed("not an IPv6 address") from error


def _name(written: str) -> str:
    name = written.lower()
    if not name.isascii():
        try:
            name = idna.encode(written, uts46=True).decode("ascii")
        except ValueError as error:
            raise Malformed("a host name that IDNA does not allow") from error
    if len(name) > 253 or not _DNS_NAME.fullmatch(name):
        raise Malformed("not a host name")
    if _NUMBER_LABEL.match(name.rpartition(".")[2]):
        # Resolvers read 0x7f.1 or 2130706433 as IPv4; only the dotted form is one spelling.
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError as error:
            raise Malformed("not an IPv4 address") from error
    return name
