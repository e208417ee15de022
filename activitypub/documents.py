"""What the protocol says, in the one typed form the rest of the house uses.

`parse` makes these from what peers send, `build` writes them out again. Times are integer milliseconds UTC. `raw` is
the document as it came and takes no part in comparisons.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from activitypub.vocabulary import Iri


class Mention(NamedTuple):
    href: Iri
    name: str  # as written, mostly "@user@host"; "" if the peer gave none


class Emoji(NamedTuple):
    shortcode: str  # without the colons
    url: str
    iri: Iri | None = None
    updated: int | None = None


class Option(NamedTuple):
    name: str
    votes: int | None  # None: not to be known before the end


class Field(NamedTuple):
    name: str
    value: str  # html, to be sanitised


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file of a post. `media_type` is `image/*` (video, audio) when only the family is known, None when nothing is."""

    url: str
    media_type: str | None = None
    description: str | None = None
    blurhash: str | None = None
    width: int | None = None
    height: int | None = None
    focus: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """Options and tallies of a Question. `closed_at` is 0 if it is said to be closed, but not since when."""

    options: tuple[Option, ...]
    multiple: bool = False
    ends_at: int | None = None
    closed_at: int | None = None
    voters: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotePolicy:
    """Who may quote a post, as its author says it (FEP-044f): actors, collections of the author's, or the public."""

    automatic: tuple[Iri, ...] = ()
    manual: tuple[Iri, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteAuthorization:
    """The stamp of a quote: `author` lets the post `quoting` quote their post `quoted` (FEP-044f)."""

    iri: Iri
    author: Iri
    quoting: Iri
    quoted: Iri


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """When and where something takes place that people come to (FEP-8a8e). `link` is where to take part online."""

    starts_at: int
    ends_at: int | None = None
    timezone: str | None = None  # name of IANA's
    place: str = ""
    link: str | None = None
    join_mode: str = "free"  # one of events.JOIN_MODES
    status: str = "confirmed"  # one of events.STATUSES
    capacity: int | None = None
    guests: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key as an actor publishes it: `pem` from publicKey, `multibase` from a Multikey; one of them is set."""

    id: Iri
    owner: Iri
    pem: str | None = None
    multibase: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """An activity. `embedded` is the object as it was sent along: a claim, see `authority.vouched`.

    `object_type` is the type of the embedded object. `objects` is set for Flag alone, which may name several.
    """

    iri: Iri | None
    type: str
    actor: Iri
    object: Iri | None = None
    object_type: str | None = None
    embedded: dict[str, Any] | None = None
    target: Iri | None = None
    to: tuple[Iri, ...] = ()
    cc: tuple[Iri, ...] = ()
    published: int | None = None
    content: str | None = None
    objects: tuple[Iri, ...] = ()
    instrument: Iri | None = None  # of a QuoteRequest: the post that quotes
    inlined: dict[str, Any] | None = None  # that post as it was sent along: a claim too
    result: Iri | None = None  # of its Accept: the stamp
    raw: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A post. `content` and `summary` are html, not sanitised; `hashtags` come without their '#'."""

    iri: Iri
    type: str = "Note"
    author: Iri
    content: str = ""
    name: str | None = None
    summary: str | None = None
    sensitive: bool = False
    language: str | None = None
    published: int | None = None
    updated: int | None = None
    in_reply_to: Iri | None = None
    url: str | None = None
    to: tuple[Iri, ...] = ()
    cc: tuple[Iri, ...] = ()
    mentions: tuple[Mention, ...] = ()
    hashtags: tuple[str, ...] = ()
    emojis: tuple[Emoji, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    poll: Poll | None = None
    event: Event | None = None
    quote: Iri | None = None
    quote_authorization: Iri | None = None
    can_quote: QuotePolicy | None = None
    context: Iri | None = None
    audience: tuple[Iri, ...] = ()  # the groups that it was written to (FEP-1b12)
    raw: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_vote(self) -> bool:
        """A vote in a poll: a Note with the option's name that answers the Question and says nothing else (FEP-9967)."""
        return bool(self.type == "Note" and self.name and self.in_reply_to and not self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """An actor. `username` is "" if there is no usable one. Boxes and collections of a foreign origin are None.

    The fields from `title` on are terms of ours; they mean something only on an actor of a peer one trusts.
    """

    iri: Iri
    type: str = "Person"
    username: str
    name: str | None = None
    summary: str | None = None
    url: str | None = None
    inbox: Iri | None = None
    shared_inbox: Iri | None = None
    outbox: Iri | None = None
    followers: Iri | None = None
    following: Iri | None = None
    featured: Iri | None = None
    featured_tags: Iri | None = None
    icon: str | None = None
    image: str | None = None
    fields: tuple[Field, ...] = ()
    emojis: tuple[Emoji, ...] = ()
    keys: tuple[PublicKey, ...] = ()
    locked: bool = False
    discoverable: bool | None = None
    indexable: bool = False
    published: int | None = None
    also_known_as: tuple[Iri, ...] = ()
    moved_to: Iri | None = None
    title: str | None = None
    department: str | None = None
    manager: Iri | None = None
    executive: bool = False
    away_until: int | None = None
    implements: tuple[str, ...] = ()
    history: Iri | None = None
    moderators: Iri | None = None  # of a group: the collection of its moderators (FEP-1b12)
    raw: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def bot(self) -> bool:
        """True for actors that are programs."""
        return self.type in {"Service", "Application"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A collection or one page of it. Pages that came embedded may have no id (Mastodon's `replies.first`)."""

    iri: Iri | None
    type: str
    total: int | None = None
    items: tuple[Iri | dict[str, Any], ...] = ()
    first: Iri | dict[str, Any] | None = None
    next: Iri | None = None
    part_of: Iri | None = None
    raw: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
