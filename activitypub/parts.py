"""The parts of posts and actors: tags, files, polls, quotes, images and profile fields.

Each reader takes what stands under the property and answers with what can be used of it; they never raise. What is over
a cap is dropped (against exhaustion: CVE-2026-23962, CVE-2026-23963).
"""

import re
from typing import Any

from activitypub import values
from activitypub.documents import Attachment, Emoji, Field, Mention, Option, Poll, QuotePolicy
from activitypub.vocabulary import Iri, is_as2, is_iri

MENTIONS = 100
TAGS = 100
ATTACHMENTS = 16
OPTIONS = 20
FIELDS = 16
APPROVED = 50
NAME_LENGTH = 500

_MEDIA_FAMILIES = {"Image": "image/*", "Video": "video/*", "Audio": "audio/*", "Document": None}
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,64}/[a-z0-9.+*-]{1,64}")
_BLURHASH = re.compile(r"[0-9A-Za-z#$%*+,\-.:;=?@\[\]^_{|}~]{6,128}")
_SHORTCODE = re.compile(r"[\w.+@-]{1,128}")


def mentions(tags: list[dict[str, Any]]) -> tuple[Mention, ...]:
    found: dict[Iri, Mention] = {}
    for tag in tags:
        href = tag.get("href")
        if "Mention" in values.types(tag) and isinstance(href, str) and is_iri(href):
            found.setdefault(Iri(href), Mention(Iri(href), values.text(tag.get("name"), NAME_LENGTH) or ""))
    return tuple(found.values())[:MENTIONS]


def hashtags(tags: list[dict[str, Any]]) -> tuple[str, ...]:
    names = (
        (values.text(tag.get("name"), NAME_LENGTH) or "").strip().lstrip("#＃")
        for tag in tags
        if "Hashtag" in values.types(tag)
    )
    return tuple(dict.fromkeys(name for name in names if name))[:TAGS]


def emojis(tags: list[dict[str, Any]]) -> tuple[Emoji, ...]:
    found: dict[str, Emoji] = {}
    for tag in tags:
        if "Emoji" not in values.types(tag):
            continue
        shortcode = (values.text(tag.get("name"), NAME_LENGTH) or "").strip(":")
        url = image(tag.get("icon"))
        if url and _SHORTCODE.fullmatch(shortcode):
            # An id that is but the image's address (Mastodon has others) is none that tells whose it is.
            iri = values.iri(tag.get("id"))
            known = None if iri == url else iri
            found.setdefault(shortcode, Emoji(shortcode, url, known, values.moment(tag.get("updated"))))
    return tuple(found.values())[:TAGS]


def attachments(value: Any) -> tuple[Attachment, ...]:
    found = (_attachment(one) for one in values.objects(value, 4 * ATTACHMENTS))
    return tuple([one for one in found if one is not None][:ATTACHMENTS])


def _attachment(doc: dict[str, Any]) -> Attachment | None:
    """A file, or None for what is none: links to pages (Lemmy), profile fields, things without an address."""
    kinds = values.types(doc)
    family = next((kind for kind in kinds if kind in _MEDIA_FAMILIES), None)
    media_type = _media_type(doc.get("mediaType"))
    if family is None and not (media_type or "").startswith(("image/", "video/", "audio/")):
        return None
    url = values.link(doc.get("url")) or values.link(doc.get("href"))
    if url is None:
        return None
    blurhash = values.text(doc.get("blurhash"), 200)
    return Attachment(
        url=url,
        media_type=media_type or _MEDIA_FAMILIES.get(family or ""),
        description=values.natural(doc, "name")[0] or values.natural(doc, "summary")[0],
        blurhash=blurhash if blurhash and _BLURHASH.fullmatch(blurhash) else None,
        width=values.count(doc.get("width"), 100_000) or None,
        height=values.count(doc.get("height"), 100_000) or None,
        focus=_focus(doc.get("focalPoint")),
    )


def _media_type(value: Any) -> str | None:
    name = (values.text(value, 200) or "").partition(";")[0].strip().lower()
    return name if _MEDIA_TYPE.fullmatch(name) else None


def _focus(value: Any) -> tuple[float, float] | None:
    numbers = [values.number(one) for one in values.many(value, 3)]
    if len(numbers) != 2:
        return None
    x, y = numbers
    if x is None or y is None or abs(x) > 1 or abs(y) > 1:
        return None
    return x, y


def poll(doc: dict[str, Any], *, closed: int) -> Poll | None:
    """The poll of a Question (FEP-9967). `closed` is the time to assume if it says only that it is closed.

    A collection of votes without a number is one whose author keeps it until the end, as Mastodon sends it.
    """
    multiple = not values.many(doc.get("oneOf"), 1)
    options: dict[str, Option] = {}
    for one in values.objects(doc.get("anyOf" if multiple else "oneOf"), 2 * OPTIONS):
        name = values.natural(one, "name", NAME_LENGTH)[0]
        replies = one.get("replies")
        votes = values.count(replies.get("totalItems")) if isinstance(replies, dict) else 0
        if name:
            options.setdefault(name, Option(name, votes))
    if not options:
        return None
    ends_at = values.moment(doc.get("endTime"))
    closed_at = values.moment(doc.get("closed"))
    if closed_at is None and values.flag(doc.get("closed")):
        closed_at = ends_at or closed
    return Poll(
        options=tuple(options.values())[:OPTIONS],
        multiple=multiple,
        ends_at=ends_at,
        closed_at=closed_at,
        voters=values.count(doc.get("votersCount")),
    )


def quote(doc: dict[str, Any], tags: list[dict[str, Any]]) -> Iri | None:
    """What is quoted, by FEP-044f, by the older names, or by a Link tag (FEP-e232)."""
    for name in ("quote", "quoteUrl", "quoteUri", "_misskey_quote"):
        if found := values.iri(doc.get(name)):
            return found
    links = (tag for tag in tags if "Link" in values.types(tag) and is_as2(values.text(tag.get("mediaType"), 200)))
    return next((found for tag in links if (found := values.iri_of(tag))), None)


def quote_policy(doc: dict[str, Any]) -> QuotePolicy | None:
    """`interactionPolicy.canQuote`; None if the author does not say who may quote."""
    policy = next(values.objects(doc.get("interactionPolicy"), 1), {})
    said = next(values.objects(policy.get("canQuote"), 1), None)
    if said is None:
        return None
    return QuotePolicy(
        automatic=values.recipients(said.get("automaticApproval"))[:APPROVED],
        manual=values.recipients(said.get("manualApproval"))[:APPROVED],
    )


def image(value: Any) -> str | None:
    """The address of the first image of an `icon` or `image`, which may be Image objects, Links or strings."""
    for one in values.many(value, 10):
        if url := values.link(one.get("url") or one.get("href")) if isinstance(one, dict) else values.link(one):
            return url
    return None


def fields(value: Any) -> tuple[Field, ...]:
    found = []
    for one in values.objects(value, 4 * FIELDS):
        name = values.text(one.get("name"), NAME_LENGTH)
        if "PropertyValue" in values.types(one) and name:
            found.append(Field(name, values.text(one.get("value")) or ""))
    return tuple(found[:FIELDS])
