"""What makes a post an event: when, where, and how one takes part (FEP-8a8e; Mobilizon's and Gancio's documents).

`read` never raises, as the readers of `parts`; `describe` writes the same properties.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from activitypub import values
from activitypub.documents import Event

Doc = dict[str, Any]

CONTEXT: Final[Mapping[str, Any]] = {
    "mz": "https://joinmobilizon.org/ns#",
    "ical": "http://www.w3.org/2002/12/cal/ical#",
    "joinMode": "mz:joinMode",
    "timezone": "mz:timezone",
    "participantCount": "mz:participantCount",
    "maximumAttendeeCapacity": "schema:maximumAttendeeCapacity",
    "VirtualLocation": "schema:VirtualLocation",
}
"""Sent beside `vocabulary.CONTEXT` with events only."""

JOIN_MODES: Final = ("free", "restricted", "external", "invite")
STATUSES: Final = ("confirmed", "tentative", "cancelled")
PLACE_LENGTH: Final = 500

_MOST_GUESTS: Final = 1_000_000
_PLACES: Final = 5
_TIMEZONE = re.compile(r"[A-Za-z0-9_+-]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){0,2}", re.ASCII)
_STATUS_NAMES: Final = ("ical:status", "eventStatus", "status")
_ADDRESS: Final = ("streetAddress", "postalCode", "addressLocality", "addressCountry")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read(doc: Mapping[str, Any]) -> Event | None:
    """The event that an object of type Event tells of; None if it does not say when it begins."""
    starts_at, ends_at = values.moment(doc.get("startTime")), values.moment(doc.get("endTime"))
    if starts_at is None:
        return None
    place, link = _location(doc.get("location"))
    joining = (values.text(doc.get("joinMode") or doc.get("mz:joinMode"), 100) or "").rpartition(":")[2].lower()
    return Event(
        starts_at=starts_at,
        ends_at=ends_at if ends_at is not None and ends_at >= starts_at else None,
        timezone=timezone(values.text(doc.get("timezone"), 200)),
        place=place,
        link=link or values.link(doc.get("externalParticipationUrl")),
        join_mode=_join_mode(joining, doc),
        status=_status(doc),
        capacity=values.count(doc.get("maximumAttendeeCapacity"), _MOST_GUESTS) or None,
        guests=values.count(doc.get("participantCount"), _MOST_GUESTS) or 0,
    )


def describe(event: Event | None) -> Doc:
    """The properties of an Event; nothing for other posts."""
    if event is None:
        return {}
    place = {"type": "Place", "name": event.place} if event.place else None
    virtual = {"type": "VirtualLocation", "url": event.link} if event.link else None
    where = [one for one in (place, virtual) if one is not None]
    return {
        "startTime": _written(event.starts_at),
        "endTime": None if event.ends_at is None else _written(event.ends_at),
        "timezone": event.timezone,
        "location": where[0] if len(where) == 1 else where or None,
        "joinMode": event.join_mode,
        "ical:status": event.status.upper(),
        "maximumAttendeeCapacity": event.capacity,
        "participantCount": event.guests,
    }


def timezone(name: str | None) -> str | None:
    """A name that is written as IANA's are; whether there is such a zone is not known here."""
    return name if name is not None and _TIMEZONE.fullmatch(name) else None


def _location(value: Any) -> tuple[str, str | None]:
    """(place in words, address of the place online)."""
    words: list[str] = []
    link: str | None = None
    for one in values.many(value, _PLACES):
        if isinstance(one, str):
            words.append(one)
        elif isinstance(one, dict) and "VirtualLocation" in values.types(one):
            link = link or values.link(one.get("url"))
        elif isinstance(one, dict):
            words += [values.natural(one, "name", PLACE_LENGTH)[0] or "", _address(one.get("address"))]
    said = dict.fromkeys(" ".join(one.split()) for one in words)
    return ", ".join(one for one in said if one)[:PLACE_LENGTH], link


def _address(value: Any) -> str:
    if not isinstance(value, dict):
        return values.text(value, PLACE_LENGTH) or ""
    # Mobilizon makes the street of number and name, and sends a space when it knows neither.
    named = ((values.text(value.get(name), PLACE_LENGTH) or "").strip(" ,") for name in _ADDRESS)
    return ", ".join(one for one in named if one)


def _join_mode(said: str, doc: Mapping[str, Any]) -> str:
    """What nobody has said is Mobilizon's default, free; a way to take part that is not known here leads to their page."""
    if said:
        return said if said in JOIN_MODES else "external"
    return "external" if doc.get("externalParticipationUrl") else "free"


def _status(doc: Mapping[str, Any]) -> str:
    said = (values.text(doc.get(name), 100) for name in _STATUS_NAMES)
    # ical:CANCELLED, CANCELLED, https://schema.org/EventCancelled
    words = next((one for one in said if one), "").lower()
    return next((status for status in STATUSES if words.endswith(status)), "confirmed")


def _written(moment: int) -> str:
    return (_EPOCH + timedelta(milliseconds=moment)).isoformat(timespec="seconds").replace("+00:00", "Z")
