"""An event as forms and clients send it, and as calendars read it (RFC 5545)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from activitypub.documents import Event
from node import plans
from node.errors import Invalid
from node.gatherings import Gathering
from node.html import to_text
from node.plans import Plan
from web.params import Params

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OCTETS = 75
"""Of a line of a calendar file."""
_ESCAPED = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n", "\r": ""})


def asked(sent: Params, stored: Plan | None = None) -> Plan:
    """The plan that was sent; what was not sent is as `stored`. Raises Invalid for what cannot be read.

    Times are RFC 3339; without an offset they are of `timezone`.
    """
    known = stored.event if stored else Event(starts_at=0)
    zone = _text(sent, "timezone", known.timezone)
    starts_at = _moment(sent, "starts_at", zone, known.starts_at if stored else None)
    if starts_at is None:
        raise Invalid("Say when it begins.", "starts_at")
    event = replace(
        known,
        starts_at=starts_at,
        ends_at=_moment(sent, "ends_at", zone, known.ends_at),
        timezone=zone,
        place=_text(sent, "place", known.place) or "",
        link=_text(sent, "link", known.link),
        join_mode=_text(sent, "join_mode", known.join_mode) or "free",
        status=_text(sent, "state", known.status) or "confirmed",
        capacity=sent.integer("capacity", None, clamp=False) if sent.has("capacity") else known.capacity,
    )
    return Plan(_text(sent, "title", stored.title if stored else None) or "", event)


def local(moment: int | None, zone: str | None) -> str:
    """A time as `<input type=datetime-local>` holds it; "" for none."""
    return "" if moment is None else f"{_at(moment).astimezone(plans.in_zone(zone)):%Y-%m-%dT%H:%M}"


def _text(sent: Params, name: str, otherwise: str | None) -> str | None:
    """None for what was sent empty."""
    return sent.text(name, max_len=10_000).strip() or None if sent.has(name) else otherwise


def _moment(sent: Params, name: str, zone: str | None, otherwise: int | None) -> int | None:
    written = _text(sent, name, None)
    if written is None:
        return None if sent.has(name) else otherwise
    try:
        moment = datetime.fromisoformat(written)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=plans.in_zone(zone))
        return int(moment.astimezone(UTC).timestamp()) * 1000
    except (ValueError, OverflowError) as error:
        raise Invalid(f"{name} must be a time like 2026-05-01T18:00", name) from error


# --- calendar files


def calendar_file(found: Gathering, now: int) -> Response:
    """One event as a file that calendars import. Times are in UTC, so that no zone has to be explained."""
    lines = [line for said in _lines(found, now) for line in _folded(said)]
    body = b"".join(line + b"\r\n" for line in lines)
    headers = {
        "Content-Disposition": f'attachment; filename="event-{found.id}.ics"',
        "Cache-Control": "private, no-store",
        "Vary": "Cookie, Authorization",
    }
    return Response(body, media_type="text/calendar", headers=headers)


def _lines(found: Gathering, now: int) -> Iterator[str]:
    event = found.plan.event
    yield from ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Corridor//Events//EN", "METHOD:PUBLISH", "BEGIN:VEVENT")
    yield f"UID:{_escaped(found.iri)}"
    yield f"DTSTAMP:{_time(now)}"
    yield f"DTSTART:{_time(event.starts_at)}"
    if event.ends_at is not None:
        yield f"DTEND:{_time(event.ends_at)}"
    yield f"SUMMARY:{_escaped(found.plan.title)}"
    where = event.place or event.link
    if where:
        yield f"LOCATION:{_escaped(where)}"
    words = "\n\n".join(one for one in (to_text(found.content), event.link if event.place else None) if one)
    if words:
        yield f"DESCRIPTION:{_escaped(words)}"
    yield f"URL:{_escaped_url(found.url)}"
    yield f"STATUS:{event.status.upper()}"
    yield from ("END:VEVENT", "END:VCALENDAR")


def _escaped(text: str) -> str:
    clean = "".join(one for one in text if one in "\n\t" or (one >= " " and one != "\x7f"))
    return clean.translate(_ESCAPED)


def _escaped_url(address: str) -> str:
    return "".join(one for one in address if one > " ")


def _folded(line: str) -> Iterator[bytes]:
    """In pieces of at most 75 octets, no character cut in two; all but the first begin with a space."""
    piece = b""
    for one in line:
        octets = one.encode("utf-8", "replace")
        if len(piece) + len(octets) > _OCTETS:
            yield piece
            piece = b" "
        piece += octets
    yield piece


def _time(moment: int) -> str:
    return f"{_at(moment):%Y%m%dT%H%M%SZ}"


def _at(moment: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=moment)
