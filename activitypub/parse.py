"""From JSON as peers send it to the typed documents of `documents`; the only door for what comes from outside.

Tolerant of form (R10, R14-R18), strict in what a later decision rests on: ids, actors and authors. Raises Malformed for
what cannot be read and Refused for more than one actor or a foreign author. The caps are those against resource
exhaustion: what is over them is dropped, never an error.
"""

import re
from typing import Any

from activitypub import events, markup, parts, values
from activitypub.documents import (
    Activity,
    Actor,
    Attachment,
    Collection,
    Emoji,
    Field,
    Mention,
    Option,
    Poll,
    Post,
    PublicKey,
    QuoteAuthorization,
    QuotePolicy,
)
from activitypub.errors import Malformed, Refused
from activitypub.strict_json import load
from activitypub.vocabulary import (
    ACTIVITY_TYPES,
    ACTOR_TYPES,
    COLLECTION_TYPES,
    POST_TYPES,
    PUBLIC,
    RFC_9421,
    RFC_9421_ED25519,
    Iri,
    is_iri,
    same_origin,
)

__all__ = [
    "Activity",
    "Actor",
    "Attachment",
    "Collection",
    "Emoji",
    "Field",
    "Mention",
    "Option",
    "Poll",
    "Post",
    "PublicKey",
    "QuoteAuthorization",
    "QuotePolicy",
    "activity",
    "actor",
    "author",
    "collection",
    "load",
    "post",
    "quote_authorization",
    "type_of",
]

KEYS = 10
ALIASES = 16
ITEMS = 1000
REPORTED = 100
HTML_LENGTH = 200_000
PEM_LENGTH = 10_000

_KNOWN_TYPES = ACTIVITY_TYPES | ACTOR_TYPES | POST_TYPES | COLLECTION_TYPES | {"Tombstone"}
_CAPABILITIES = {f"{RFC_9421}#name-eddsa-using-curve-edwards25": RFC_9421_ED25519}  # as Mitra writes it
_NO_POSTS = _KNOWN_TYPES - POST_TYPES
_USERNAME = re.compile(r"[^\s@/\\<>\"'&?#\x00-\x1f\x7f-\x9f]{1,128}")


# --- What all documents have --------------------------------------------------------------------------------------


def type_of(doc: Any) -> str:
    """The first known type of an object, else its first (R16). Malformed if it is no object or has no type."""
    names = values.types(_mapping(doc))
    if not names:
        raise Malformed("no type")
    return next((name for name in names if name in _KNOWN_TYPES), names[0])


def author(doc: Any, *, actor: Iri | None = None) -> Iri:
    """Who wrote an object: `attributedTo`, or `actor` in its place (R17, R41).

    Refused if the first named is of another origin than the object's id. Of several (PeerTube: a person and a channel,
    which is a Group) it is the given `actor` if that is among those of the object's own origin, else the first of
    them that is no Group.
    """
    iri = _required_id(_mapping(doc))
    named = doc.get("attributedTo")
    candidates = [
        (found, isinstance(one, dict) and "Group" in values.types(one))
        for one in values.many(doc.get("actor") if named is None else named, 10)
        if (found := values.iri_of(one)) is not None
    ]
    if not candidates:
        raise Malformed("no author")
    if not same_origin(candidates[0][0], iri):
        raise Refused("the author is of another origin than the object")
    own = [(found, group) for found, group in candidates if same_origin(found, iri)]
    if actor is not None and any(found == actor for found, _ in own):
        return actor
    return next((found for found, group in own if not group), own[0][0])


def _mapping(doc: Any) -> dict[str, Any]:
    if not isinstance(doc, dict):
        raise Malformed("not an object")
    return doc


def _required_id(doc: dict[str, Any]) -> Iri:
    iri = doc.get("id")
    if not isinstance(iri, str) or not is_iri(iri):
        raise Malformed("no id that is an absolute http(s) IRI")
    return Iri(iri)


# --- Activities ---------------------------------------------------------------------------------------------------


def activity(doc: Any) -> Activity:
    """An activity of any type. `iri` is None if there is no id; an id that is no http(s) IRI is Malformed.

    Several objects are read of a Flag only: elsewhere a check of the first could be taken for a check of all.
    """
    doc = _mapping(doc)
    kind = type_of(doc)
    named = values.many(doc.get("object"), REPORTED)
    if len(named) > 1 and kind != "Flag":
        raise Malformed("more than one object")
    first = named[0] if named else None
    # A Link only points, whatever else it holds.
    embedded = first if isinstance(first, dict) and "Link" not in values.types(first) else None
    known = [found for one in named if (found := values.reference(one)) is not None]
    return Activity(
        iri=None if doc.get("id") in (None, "") else _required_id(doc),
        type=kind,
        actor=_sole_actor(doc),
        object=known[0] if known else None,
        object_type=type_of(embedded) if embedded and values.types(embedded) else None,
        embedded=embedded,
        target=values.iri(doc.get("target")),
        to=values.recipients(doc.get("to")),
        cc=values.recipients(doc.get("cc")),
        published=values.moment(doc.get("published")),
        content=values.natural(doc, "content")[0],
        objects=tuple(dict.fromkeys(known)) if kind == "Flag" else (),
        instrument=values.iri(doc.get("instrument")),
        inlined=next(values.objects(doc.get("instrument"), 1), None),
        result=values.iri(doc.get("result")),
        raw=doc,
    )


def _sole_actor(doc: dict[str, Any]) -> Iri:
    named = values.many(doc.get("actor"), 2)
    if len(named) > 1:
        raise Refused("more than one actor")
    found = values.iri_of(named[0]) if named else None
    if found is None:
        raise Malformed("no actor")
    return found


# --- Posts --------------------------------------------------------------------------------------------------------


def post(doc: Any, *, actor: Iri | None = None) -> Post:
    """A post: one of POST_TYPES, or of an unknown type with content or a name, and a url (R15).

    `actor` is who sent it, for objects with several authors, see `author`.
    """
    doc = _mapping(doc)
    iri = _required_id(doc)
    kind = type_of(doc)
    content, in_content = values.natural(doc, "content", HTML_LENGTH)
    name = values.natural(doc, "name", parts.NAME_LENGTH)[0]
    url = values.link(doc.get("url"))
    if kind in _NO_POSTS or (kind not in POST_TYPES and not (url and (content or name))):
        raise Malformed(f"a {kind[:50]} is no post")
    summary, in_summary = values.natural(doc, "summary", HTML_LENGTH)
    to, cc = values.recipients(doc.get("to")), values.recipients(doc.get("cc"))
    if kind == "ChatMessage":
        _between_two(to, cc)
    tags = list(values.objects(doc.get("tag"), parts.MENTIONS + 2 * parts.TAGS))
    published, updated = values.moment(doc.get("published")), values.moment(doc.get("updated"))
    return Post(
        iri=iri,
        type=kind,
        author=author(doc, actor=actor),
        content=markup.as_html(content or "", values.text(doc.get("mediaType"), 200)),
        name=name,
        summary=summary,
        sensitive=values.flag(doc.get("sensitive")) or False,
        language=in_content or in_summary or values.language(doc),
        published=published,
        updated=updated,
        in_reply_to=values.iri(doc.get("inReplyTo")),
        url=url,
        to=to,
        cc=cc,
        mentions=parts.mentions(tags),
        hashtags=parts.hashtags(tags),
        emojis=parts.emojis(tags),
        attachments=parts.attachments(doc.get("attachment")),
        poll=parts.poll(doc, closed=updated or published or 0) if kind == "Question" else None,
        event=events.read(doc) if kind == "Event" else None,
        quote=parts.quote(doc, tags),
        quote_authorization=values.iri(doc.get("quoteAuthorization")),
        can_quote=parts.quote_policy(doc),
        context=values.iri(doc.get("context")) or values.iri(doc.get("conversation")),
        audience=values.recipients(doc.get("audience")),
        raw=doc,
    )


def _between_two(to: tuple[Iri, ...], cc: tuple[Iri, ...]) -> None:
    """A chat message (Pleroma) is for one person: in a wider audience it would be shown to people it was not meant for."""
    if len({*to, *cc}) != 1 or PUBLIC in (*to, *cc):
        raise Malformed("a chat message that is not for one person")


def quote_authorization(doc: Any) -> QuoteAuthorization:
    """The stamp of a quote (FEP-044f). Malformed unless it names its author and both posts."""
    doc = _mapping(doc)
    iri = _required_id(doc)
    quoting, quoted = values.iri(doc.get("interactingObject")), values.iri(doc.get("interactionTarget"))
    if type_of(doc) != "QuoteAuthorization" or quoting is None or quoted is None:
        raise Malformed("no stamp of a quote")
    return QuoteAuthorization(iri=iri, author=author(doc), quoting=quoting, quoted=quoted)


# --- Actors -------------------------------------------------------------------------------------------------------


def actor(doc: Any) -> Actor:
    """An actor. Malformed if the type is none of ACTOR_TYPES, or the id has a fragment: then it is no document's."""
    doc = _mapping(doc)
    iri = _required_id(doc)
    kind = type_of(doc)
    if kind not in ACTOR_TYPES:
        raise Malformed(f"a {kind[:50]} is no actor")
    if "#" in iri:
        raise Malformed("an actor's id with a fragment")
    endpoints = doc.get("endpoints")
    shared = endpoints.get("sharedInbox") if isinstance(endpoints, dict) else None
    username = values.text(doc.get("preferredUsername"), parts.NAME_LENGTH) or ""
    return Actor(
        iri=iri,
        type=kind,
        username=username if _USERNAME.fullmatch(username) else "",
        name=values.natural(doc, "name", parts.NAME_LENGTH)[0],
        summary=values.natural(doc, "summary", HTML_LENGTH)[0],
        url=values.link(doc.get("url")),
        inbox=_own(iri, doc.get("inbox")),
        shared_inbox=_own(iri, shared or doc.get("sharedInbox")),
        outbox=_own(iri, doc.get("outbox")),
        followers=_own(iri, doc.get("followers")),
        following=_own(iri, doc.get("following")),
        featured=_own(iri, doc.get("featured")),
        featured_tags=_own(iri, doc.get("featuredTags")),
        icon=parts.image(doc.get("icon")),
        image=parts.image(doc.get("image")),
        fields=parts.fields(doc.get("attachment")),
        emojis=parts.emojis(list(values.objects(doc.get("tag"), parts.TAGS))),
        keys=_keys(iri, doc),
        locked=values.flag(doc.get("manuallyApprovesFollowers")) or False,
        discoverable=values.flag(doc.get("discoverable")),
        indexable=values.flag(doc.get("indexable")) or False,
        published=values.moment(doc.get("published")),
        also_known_as=_iris(doc.get("alsoKnownAs"), ALIASES),
        moved_to=values.iri(doc.get("movedTo")),
        title=values.text(doc.get("jobTitle"), parts.NAME_LENGTH),
        department=values.text(doc.get("department"), parts.NAME_LENGTH),
        manager=values.iri(doc.get("manager")),
        executive=values.flag(doc.get("executive")) or False,
        away_until=values.moment(doc.get("awayUntil")),
        implements=_implements(doc),
        history=_own(iri, doc.get("history")),
        moderators=_moderators(iri, kind, doc.get("attributedTo")),
        raw=doc,
    )


def _moderators(iri: Iri, kind: str, value: Any) -> Iri | None:
    """Of a group, a collection that is named (FEP-1b12); PeerTube embeds the person there whose channel it is."""
    return _own(iri, value) if kind == "Group" and isinstance(value, str) else None


def _own(iri: Iri, value: Any) -> Iri | None:
    """A box or collection of the actor's own origin (R41): what another server says is not this actor's to claim."""
    found = values.iri(value)
    return found if found is not None and same_origin(found, iri) else None


def _iris(value: Any, limit: int) -> tuple[Iri, ...]:
    found = (values.iri_of(one) for one in values.many(value, limit))
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _keys(iri: Iri, doc: dict[str, Any]) -> tuple[PublicKey, ...]:
    """The keys listed in publicKey and assertionMethod. Whether they are the actor's: `authority.key_belongs`."""
    found = []
    for name, owner, encoded in (
        ("publicKey", "owner", "publicKeyPem"),
        ("assertionMethod", "controller", "publicKeyMultibase"),
    ):
        for one in values.objects(doc.get(name), KEYS):
            material, key_id = values.text(one.get(encoded), PEM_LENGTH), one.get("id")
            holder = one.get(owner) or iri
            if material and isinstance(key_id, str) and is_iri(key_id) and isinstance(holder, str) and is_iri(holder):
                pem, multibase = (material, None) if name == "publicKey" else (None, material)
                found.append(PublicKey(id=Iri(key_id), owner=Iri(holder), pem=pem, multibase=multibase))
    return tuple(found)


def _implements(doc: dict[str, Any]) -> tuple[str, ...]:
    """What the actor's server can do, by FEP-844e: on the server's actor itself or on the `generator` of others."""
    named = values.many(doc.get("implements"), 50)
    for generator in values.objects(doc.get("generator"), 2):
        named += values.many(generator.get("implements"), 50)
    found = (
        values.link(one.get("href") or one.get("id")) if isinstance(one, dict) else values.link(one) for one in named
    )
    return tuple(dict.fromkeys(_CAPABILITIES.get(one, one) for one in found if one))


# --- Collections --------------------------------------------------------------------------------------------------


def collection(doc: Any) -> Collection:
    """A collection or a page. Items are IRIs or objects; the rest is left out, as is all beyond the first 1,000."""
    doc = _mapping(doc)
    kind = type_of(doc)
    if kind not in COLLECTION_TYPES:
        raise Malformed(f"a {kind[:50]} is no collection")
    ordered = doc.get("orderedItems")
    named = values.many(doc.get("items") if ordered is None else ordered, ITEMS)
    items = (one if isinstance(one, dict) else values.iri_of(one) for one in named)
    first = doc.get("first")
    return Collection(
        iri=None if doc.get("id") in (None, "") else _required_id(doc),
        type=kind,
        total=values.count(doc.get("totalItems")),
        items=tuple(one for one in items if one is not None),
        first=first if isinstance(first, dict) else values.iri(first),
        next=values.iri(doc.get("next")),
        part_of=values.iri(doc.get("partOf")),
        raw=doc,
    )
