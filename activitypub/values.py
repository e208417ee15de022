"""Reading single values the way peers really send them.

In ActivityStreams every property may be absent, null, a value, an object or an array of either (R10). These readers
answer with a plain value or None and never raise; what is required is the business of `parse`.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from activitypub.vocabulary import PUBLIC, PUBLIC_SPELLINGS, TYPE_PREFIXES, Iri, is_iri

TEXT_LENGTH = 10_000
RECIPIENTS = 500

_COUNT_CEILING = 2**53
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?\s?(?:[Zz]|([+-])(\d\d):?(\d\d))?)?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ABSURD = datetime(2200, 1, 1, tzinfo=UTC)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,5}")
_AMPERSAND = re.compile(r"&(?:amp|#0{0,5}38|#[xX]0{0,4}26);")
_NO_URL = str.maketrans({mark: f"%{ord(mark):02X}" for mark in '"<>^`{|}'})


def many(value: Any, limit: int) -> list[Any]:
    """The values of a property: none, one, or the first `limit` of a list; nulls left out."""
    if isinstance(value, list):
        return list(islice((one for one in value if one is not None), limit))
    return [] if value is None else [value]


def objects(value: Any, limit: int) -> Iterator[dict[str, Any]]:
    """Those values of a property that are objects."""
    return (one for one in many(value, limit) if isinstance(one, dict))


def types(doc: Mapping[str, Any]) -> list[str]:
    """The type names of an object, without the prefixes of JSON-LD."""
    return [_plain(name) for name in many(doc.get("type"), 10) if isinstance(name, str)]


def iri(value: Any) -> Iri | None:
    """The IRI of a property that should have one value; the first if there are several."""
    return next(map(iri_of, many(value, 1)), None)


def iri_of(one: Any) -> Iri | None:
    """The IRI of one value: a string, an object (`id`) or a Link (`href`); None for lists, which might hold two."""
    if isinstance(one, dict):
        one = one.get("href") if "Link" in types(one) else one.get("id")
    return Iri(one) if is_iri(one) else None


def reference(one: Any) -> Iri | None:
    """As `iri_of`, with the three spellings of the Public collection made one (R13)."""
    return PUBLIC if isinstance(one, str) and one in PUBLIC_SPELLINGS else iri_of(one)


def recipients(value: Any) -> tuple[Iri, ...]:
    """Who a property like `to` names, each once. Cut off at 500, which can only make an audience narrower."""
    found = (reference(one) for one in many(value, RECIPIENTS))
    return tuple(dict.fromkeys(one for one in found if one is not None))


def link(value: Any) -> str | None:
    """The http(s) address to show: the text/html Link of several (PeerTube), else a plain string, else any Link (R19).

    What no URL may hold (RFC 3986, section 2) is percent-encoded, so that the address cannot end an attribute of HTML. An
    ampersand that was escaped as for HTML (WordPress: `&#038;`) is read as one: the rest would be a fragment.
    """
    html: list[Any] = []
    plain: list[Any] = []
    other: list[Any] = []
    for one in many(value, 50):
        if isinstance(one, dict):
            address = one.get("href") or one.get("url")
            kind = text(one.get("mediaType") or one.get("mimeType")) or ""  # mimeType: PeerTube 1.0
            (html if kind.startswith("text/html") else other).append(address)
        else:
            plain.append(one)
    said = (_AMPERSAND.sub("&", one) if isinstance(one, str) else one for one in (*html, *plain, *other))
    return next((str(one).translate(_NO_URL) for one in said if is_iri(one)), None)


def text(value: Any, limit: int = TEXT_LENGTH) -> str | None:
    """A text, cut off at `limit` characters; None if there is none or it is empty. Reads JSON-LD value objects too."""
    for one in many(value, 10):
        if isinstance(one, dict):
            one = one.get("@value")
        if isinstance(one, str):
            return one[:limit] or None
    return None


def natural(doc: Mapping[str, Any], name: str, limit: int = TEXT_LENGTH) -> tuple[str | None, str | None]:
    """(text, language) of a natural-language property, from `name` or, where that is absent, `nameMap` (R14)."""
    plain = text(doc.get(name), limit)
    translations = {
        tag: words[:limit] for tag, words in _entries(doc.get(f"{name}Map")) if isinstance(words, str) and words
    }
    if plain is None:
        tag, words = next(iter(translations.items()), (None, None))
        return words, language_tag(tag)
    if len(translations) == 1:
        return plain, language_tag(next(iter(translations)))
    said = next((tag for tag, words in translations.items() if words == plain), None)
    return plain, language_tag(said)


def language(doc: Mapping[str, Any]) -> str | None:
    """The language a document gives apart from its maps.

    By @language of the content, `language` (Lemmy, PeerTube), `inLanguage` (Mobilizon) or the context's @language.
    """
    candidates: list[Any] = [one.get("@language") for one in objects(doc.get("content"), 10)]
    candidates += [one.get("identifier") for one in objects(doc.get("language"), 10)]
    candidates.append(doc.get("inLanguage"))
    candidates += [one.get("@language") for one in objects(doc.get("@context"), 20)]
    return next((tag for tag in map(language_tag, candidates) if tag), None)


def language_tag(value: Any) -> str | None:
    """A BCP 47 tag, or None; `und` says nothing and is None."""
    if not isinstance(value, str) or len(value) > 35 or not _LANGUAGE.fullmatch(value):
        return None
    return None if value.lower() == "und" else value


def flag(value: Any) -> bool | None:
    """True or False, also from 1, 0 and "true", "false"; None for everything else."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        return {"true": True, "false": False, "1": True, "0": False}.get(value.strip().lower())
    return bool(value) if isinstance(value, bool | int) and value in (0, 1) else None


def count(value: Any, ceiling: int = _COUNT_CEILING) -> int | None:
    """A whole number from 0 to `ceiling`, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    return int(value) if 0 <= value <= ceiling else None


def number(value: Any) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _COUNT_CEILING:
        return None
    return None if math.isnan(value) else float(value)


def moment(value: Any) -> int | None:
    """Milliseconds UTC of an RFC 3339 time, read leniently (R18); None before 1970, from 2200 on, and for non-times.

    Without an offset it is UTC; without a time of day it is midnight.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    found = _MOMENT.fullmatch(value.strip()) if isinstance(value, str) and len(value) <= 50 else None
    if found is None:
        return None
    day, clock, seconds, fraction, sign, hours, minutes = found.groups()
    try:
        local = datetime.fromisoformat(f"{day}T{clock or '00:00'}:00+00:00")
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        at = local + (offset if sign == "-" else -offset)
    except (ValueError, OverflowError):
        return None
    if int(seconds or 0) > 60 or not _EPOCH <= at < _ABSURD:
        return None
    whole = (at - _EPOCH) // timedelta(seconds=1) + min(int(seconds or 0), 59)  # a leap second is the 59th again
    return whole * 1000 + int((fraction or "0").ljust(3, "0")[:3])


def _plain(name: str) -> str:
    if ":" not in name:
        return name
    prefix = next((one for one in TYPE_PREFIXES if name.startswith(one)), "")
    return name[len(prefix) :]


def _entries(value: Any) -> list[tuple[str, Any]]:
    return list(value.items())[:50] if isinstance(value, dict) else []
