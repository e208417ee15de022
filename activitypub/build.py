"""Everything we send, as dicts ready for JSON.

Pure functions. What they return is whole and carries our @context; put inside another document it loses it, so there is
one at the top only. `parse.post(note(post))` and `parse.actor(actor(actor))` give back what went in. Times are integer
milliseconds UTC.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from activitypub import events
from activitypub.documents import Actor, Attachment, Emoji, Poll, Post, PublicKey, QuoteAuthorization, QuotePolicy
from activitypub.vocabulary import CONTEXT, PUBLIC, RFC_9421, RFC_9421_ED25519, Iri

Doc = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(moment: int) -> str:
    """RFC 3339 in UTC; the fraction, milliseconds, only if there is one, as Mastodon's older parsers like it."""
    precision = "milliseconds" if moment % 1000 else "seconds"
    return (_EPOCH + timedelta(milliseconds=moment)).isoformat(timespec=precision).replace("+00:00", "Z")


# --- Objects ------------------------------------------------------------------------------------------------------


def note(
    post: Post,
    *,
    replies: Iri | None = None,
    likes: Iri | None = None,
    shares: Iri | None = None,
    tag_base: str | None = None,
) -> Doc:
    """A post of any type. `content` is sent as it is given: html, already safe.

    `tag_base` is put before a tag's name to make the link of a Hashtag, as in "https://node.example/tags/".
    """
    return _document(
        {
            "id": post.iri,
            "type": post.type,
            "attributedTo": post.author,
            **_words(post),
            "sensitive": post.sensitive,
            "published": _time(post.published),
            "updated": _time(post.updated),
            "to": list(post.to),
            "cc": list(post.cc),
            "inReplyTo": post.in_reply_to,
            "url": post.url,
            "tag": _tags(post, tag_base),
            "attachment": [_attachment(one) for one in post.attachments],
            **_poll(post.poll),
            **events.describe(post.event),
            "quote": post.quote,
            "quoteUrl": post.quote,
            "quoteUri": post.quote,
            "_misskey_quote": post.quote,
            "quoteAuthorization": post.quote_authorization,
            "interactionPolicy": _policy(post.can_quote),
            "context": post.context,
            "audience": post.audience[0] if len(post.audience) == 1 else list(post.audience) or None,
            "replies": replies,
            "likes": likes,
            "shares": shares,
        },
    )


def vote(choice: str, *, iri: Iri, actor: Iri, question: Iri, to: Iri) -> Doc:
    """A vote in a poll (FEP-9967): a Note with the option's name and no content at all."""
    return _document(
        {"id": iri, "type": "Note", "name": choice, "attributedTo": actor, "inReplyTo": question, "to": [to], "cc": []}
    )


def tombstone(iri: Iri, *, former_type: str = "Note", deleted: int | None = None) -> Doc:
    """What is left of a deleted object; also the body of its 410 (R50)."""
    return _document({"id": iri, "type": "Tombstone", "formerType": former_type, "deleted": _time(deleted)})


def actor(described: Actor, *, generator: Iri | None = None) -> Doc:
    """An actor document (R8). The server's own Application says itself what it implements, others through `generator`
    (FEP-844e), which is the IRI of the server's actor."""
    itself = described.type == "Application"
    return _document(
        {
            "id": described.iri,
            "type": described.type,
            "preferredUsername": described.username,
            "name": described.name,
            "summary": described.summary,
            "url": described.url,
            "inbox": described.inbox,
            "outbox": described.outbox,
            "followers": described.followers,
            "following": described.following,
            "featured": described.featured,
            "featuredTags": described.featured_tags,
            "endpoints": {"sharedInbox": described.shared_inbox} if described.shared_inbox else None,
            "icon": _image(described.icon),
            "image": _image(described.image),
            "attachment": [{"type": "PropertyValue", "name": name, "value": value} for name, value in described.fields],
            "tag": [emoji(one) for one in described.emojis] or None,
            **_keys(described.keys),
            "manuallyApprovesFollowers": described.locked,
            "discoverable": described.discoverable,
            "indexable": described.indexable,
            "published": _time(described.published),
            "alsoKnownAs": list(described.also_known_as) or None,
            "movedTo": described.moved_to,
            "jobTitle": described.title,
            "department": described.department,
            "manager": described.manager,
            "executive": described.executive or None,
            "awayUntil": _time(described.away_until),
            "history": described.history,
            "attributedTo": described.moderators,
            "implements": _implements(described.implements) if itself else None,
            "generator": None if itself else _generator(generator, described.implements),
        },
    )


# --- Activities ---------------------------------------------------------------------------------------------------


def create(created: Mapping[str, Any], *, iri: Iri) -> Doc:
    """Create of a note as `note` made it, with its author, audience and time."""
    return _activity(
        "Create",
        iri,
        created["attributedTo"],
        _inside(created),
        to=created["to"],
        cc=created["cc"],
        published=created.get("published"),
    )


def update(updated: Mapping[str, Any], *, iri: Iri, actor: Iri, to: Sequence[Iri], cc: Sequence[Iri] = ()) -> Doc:
    """Update of a post or of the actor itself."""
    return _activity("Update", iri, actor, _inside(updated), to=to, cc=cc, published=updated.get("updated"))


def delete(
    deleted: Mapping[str, Any] | Iri, *, iri: Iri, actor: Iri, to: Sequence[Iri] = (PUBLIC,), cc: Sequence[Iri] = ()
) -> Doc:
    """Delete of a post, by its tombstone, or of the actor, by its IRI."""
    return _activity("Delete", iri, actor, _inside(deleted), to=to, cc=cc)


def announce(
    announced: Iri | Mapping[str, Any],
    *,
    iri: Iri,
    actor: Iri,
    to: Sequence[Iri],
    cc: Sequence[Iri] = (),
    published: int | None = None,
) -> Doc:
    """Announce of a post, by its IRI, or of an activity that a group passes on (FEP-1b12): that as it was, with its context
    and its proof."""
    return _activity("Announce", iri, actor, announced, to=to, cc=cc, published=_time(published))


def like(liked: Iri, *, iri: Iri, actor: Iri, to: Sequence[Iri] = ()) -> Doc:
    return _activity("Like", iri, actor, liked, to=to)


def reaction(
    liked: Iri, content: str, *, iri: Iri, actor: Iri, to: Sequence[Iri] = (), emoji_: Emoji | None = None
) -> Doc:
    """A Like with an emoji as its content (FEP-c0e0): who knows no reactions takes it for a favourite."""
    tags: Doc = {} if emoji_ is None else {"tag": [emoji(emoji_)]}
    return _activity("Like", iri, actor, liked, to=to, content=content, **tags)


def follow(followed: Iri, *, iri: Iri, actor: Iri) -> Doc:
    return _activity("Follow", iri, actor, followed, to=[followed])


def accept(follow: Mapping[str, Any] | Iri, *, iri: Iri, actor: Iri, to: Sequence[Iri] = ()) -> Doc:
    """Accept of a Follow, best embedded: some servers do not find their own Follow by its id alone."""
    return _activity("Accept", iri, actor, _inside(follow), to=to)


def reject(follow: Mapping[str, Any] | Iri, *, iri: Iri, actor: Iri, to: Sequence[Iri] = ()) -> Doc:
    return _activity("Reject", iri, actor, _inside(follow), to=to)


def quote_request(quoting: Mapping[str, Any], *, iri: Iri, actor: Iri, to: Sequence[Iri]) -> Doc:
    """Asks the author of what the note `quoting` quotes for their stamp (FEP-044f). The note goes along."""
    return _activity("QuoteRequest", iri, actor, quoting["quote"], to=to, instrument=_inside(quoting))


def accept_quote(asked: Mapping[str, Any], stamp: Iri, *, iri: Iri, actor: Iri, to: Sequence[Iri]) -> Doc:
    """Accept of a QuoteRequest; `stamp` is the id of the QuoteAuthorization."""
    return _activity("Accept", iri, actor, _inside(asked), to=to, result=stamp)


def quote_authorization(stamp: QuoteAuthorization) -> Doc:
    return _document(
        {
            "id": stamp.iri,
            "type": "QuoteAuthorization",
            "attributedTo": stamp.author,
            "interactingObject": stamp.quoting,
            "interactionTarget": stamp.quoted,
        }
    )


def hashtag(name: str, href: str) -> Doc:
    """A tag as featuredTags and the Add and Remove of it hold it; without a context."""
    return {"type": "Hashtag", "name": f"#{name}", "href": href}


def add(
    added: Mapping[str, Any] | Iri, target: Iri, *, iri: Iri, actor: Iri, to: Sequence[Iri], cc: Sequence[Iri] = ()
) -> Doc:
    """Add of a post or a Hashtag to one of the actor's own collections."""
    return _activity("Add", iri, actor, _inside(added), to=to, cc=cc, target=target)


def remove(
    removed: Mapping[str, Any] | Iri, target: Iri, *, iri: Iri, actor: Iri, to: Sequence[Iri], cc: Sequence[Iri] = ()
) -> Doc:
    return _activity("Remove", iri, actor, _inside(removed), to=to, cc=cc, target=target)


def join(joined: Iri, *, iri: Iri, actor: Iri, to: Sequence[Iri]) -> Doc:
    """Somebody wants to come to an event (FEP-8a8e). Answered with an Accept or Reject of this activity."""
    return _activity("Join", iri, actor, joined, to=to)


def leave(left: Iri, *, iri: Iri, actor: Iri, to: Sequence[Iri]) -> Doc:
    return _activity("Leave", iri, actor, left, to=to)


def undo(
    undone: Mapping[str, Any] | Iri, *, iri: Iri, actor: Iri, to: Sequence[Iri] = (), cc: Sequence[Iri] = ()
) -> Doc:
    """Undo of an activity of the same actor, best embedded."""
    return _activity("Undo", iri, actor, _inside(undone), to=to, cc=cc)


def block(blocked: Iri, *, iri: Iri, actor: Iri) -> Doc:
    return _activity("Block", iri, actor, blocked, to=[blocked])


def flag(reported: Sequence[Iri], *, iri: Iri, actor: Iri, content: str, to: Sequence[Iri] = ()) -> Doc:
    """A report: the account first, then its posts. The actor is the server's, so that the reporter is not named (R54)."""
    return _activity("Flag", iri, actor, list(reported), to=to, content=content)


def move(target: Iri, *, iri: Iri, actor: Iri, to: Sequence[Iri]) -> Doc:
    """Move of the actor itself to `target`; `to` is its followers collection (FEP-7628)."""
    return _activity("Move", iri, actor, actor, to=to, target=target)


# --- Collections --------------------------------------------------------------------------------------------------


def ordered_collection(
    iri: Iri,
    *,
    total: int | None = None,
    first: Iri | Mapping[str, Any] | None = None,
    items: Iterable[Iri | Mapping[str, Any]] | None = None,
) -> Doc:
    """A collection, by `first` if it has pages, by `items` if it is small and whole; without a total if that is hidden."""
    return _document(
        {
            "id": iri,
            "type": "OrderedCollection",
            "totalItems": total,
            "first": None if first is None else _inside(first),
            "orderedItems": None if items is None else [_inside(item) for item in items],
        },
    )


def collection_page(
    iri: Iri,
    *,
    part_of: Iri,
    items: Iterable[Iri | Mapping[str, Any]],
    next: Iri | None = None,
    prev: Iri | None = None,
) -> Doc:
    return _document(
        {
            "id": iri,
            "type": "OrderedCollectionPage",
            "partOf": part_of,
            "orderedItems": [_inside(item) for item in items],
            "next": next,
            "prev": prev,
        },
    )


# --- Parts --------------------------------------------------------------------------------------------------------


def _document(properties: Mapping[str, Any]) -> Doc:
    present = {name: value for name, value in properties.items() if value is not None}
    return {"@context": _context(present), **present}


def _context(present: Mapping[str, Any]) -> list[Any]:
    """Of events, the terms that nothing else has."""
    about = present.get("object")
    types = {present["type"], about.get("type") if isinstance(about, Mapping) else None}
    return [*CONTEXT, dict(events.CONTEXT)] if "Event" in types else list(CONTEXT)


def _inside(doc: Mapping[str, Any] | str) -> Doc | str:
    return doc if isinstance(doc, str) else {name: value for name, value in doc.items() if name != "@context"}


def _activity(
    kind: str,
    iri: Iri,
    actor: Iri,
    about: Any,
    *,
    to: Sequence[Iri],
    cc: Sequence[Iri] = (),
    published: str | None = None,
    **more: Any,
) -> Doc:
    return _document(
        {
            "id": iri,
            "type": kind,
            "actor": actor,
            "object": about,
            "published": published,
            "to": list(to) or None,
            "cc": list(cc) or None,
            **more,
        },
    )


def _words(post: Post) -> Doc:
    """Name, summary and content; a vote has no content at all, that is how others tell it from a reply."""
    words: Doc = {"name": post.name, "summary": post.summary}
    if post.content or not post.name:
        words["content"] = post.content
    if post.language and post.content:
        words["contentMap"] = {post.language: post.content}
    elif post.language and post.summary:
        words["summaryMap"] = {post.language: post.summary}
    return words


def _tags(post: Post, tag_base: str | None) -> list[Doc]:
    mentions = [{"type": "Mention", "href": href, "name": name} for href, name in post.mentions]
    hashtags = [
        {"type": "Hashtag", "name": f"#{name}"}
        | ({"href": tag_base + quote(name.lower(), safe="")} if tag_base else {})
        for name in post.hashtags
    ]
    return [*mentions, *hashtags, *map(emoji, post.emojis)]


def emoji(one: Emoji) -> Doc:
    """A custom emoji as tags hold it, without a context. GoToSocial wants an id; the image's address lasts as well."""
    shown = {
        "type": "Emoji",
        "id": one.iri or one.url,
        "name": f":{one.shortcode}:",
        "icon": {"type": "Image", "url": one.url},
        "updated": _time(one.updated),
    }
    return {name: value for name, value in shown.items() if value is not None}


def emoji_object(one: Emoji) -> Doc:
    """The same as a document of its own."""
    return _document(emoji(one))


def _attachment(file: Attachment) -> Doc:
    family, _, kind = (file.media_type or "").partition("/")
    described = {
        "type": family.capitalize() if kind == "*" else "Document",
        "mediaType": file.media_type if kind != "*" else None,
        "url": file.url,
        "name": file.description,
        "blurhash": file.blurhash,
        "width": file.width,
        "height": file.height,
        "focalPoint": list(file.focus) if file.focus else None,
    }
    return {name: value for name, value in described.items() if value is not None and value != ""}


def _poll(poll: Poll | None) -> Doc:
    if poll is None:
        return {}
    options = [
        {"type": "Note", "name": name, "replies": {"type": "Collection"} | _total(votes)}
        for name, votes in poll.options
    ]
    return {
        "anyOf" if poll.multiple else "oneOf": options,
        "endTime": _time(poll.ends_at),
        "closed": _time(poll.closed_at),
        "votersCount": poll.voters,
    }


def _policy(policy: QuotePolicy | None) -> Doc | None:
    if policy is None:
        return None
    return {"canQuote": {"automaticApproval": list(policy.automatic), "manualApproval": list(policy.manual)}}


def _total(votes: int | None) -> Doc:
    return {} if votes is None else {"totalItems": votes}


def _keys(keys: Sequence[PublicKey]) -> Doc:
    pems = [{"id": key.id, "owner": key.owner, "publicKeyPem": key.pem} for key in keys if key.pem]
    multikeys = [
        {"id": key.id, "type": "Multikey", "controller": key.owner, "publicKeyMultibase": key.multibase}
        for key in keys
        if key.multibase
    ]
    # One key is sent as an object, since most servers read no list.
    public_key = pems[0] if len(pems) == 1 else pems or None
    return {"publicKey": public_key, "assertionMethod": multikeys or None}


def _generator(server: Iri | None, implements: Sequence[str]) -> Doc | None:
    if not implements:
        return None
    return {"type": "Application", **({"id": server} if server else {}), "implements": _implements(implements)}


def _implements(implemented: Sequence[str]) -> list[Doc] | None:
    names = {
        RFC_9421: "RFC-9421: HTTP Message Signatures",
        RFC_9421_ED25519: "RFC-9421 signatures using the Ed25519 algorithm",
    }
    return [{"href": href, "name": names.get(href, href)} for href in implemented] or None


def _image(url: str | None) -> Doc | None:
    return {"type": "Image", "url": url} if url else None


def _time(moment: int | None) -> str | None:
    return None if moment is None else timestamp(moment)
