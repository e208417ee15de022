"""What makes a post an event: its title, when and where it is, and how one takes part. Who comes is in gatherings.py.

The content of such a post begins with a paragraph that says all this, so that every client shows it; `undressed` takes it
off again for peers, which get the properties themselves (FEP-8a8e).
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, bindparam, select, update

from activitypub import events
from activitypub.documents import Event, Post
from activitypub.vocabulary import is_iri
from node import db, search
from node.accounts.lookup import checked
from node.errors import Invalid
from node.html import plain
from node.runtime import Tx
from node.schema import gathering
from node.schema.meta import Id

if TYPE_CHECKING:
    from node.drafts import Composed

KIND = "Event"
MAX_TITLE = 200
MAX_PLACE = events.PLACE_LENGTH
MAX_LINK = 2000
MAX_CAPACITY = 1_000_000
OPEN_MODES = ("free", "restricted", "external")
"""What somebody here can choose from. `invite` is known from peers only."""

_DAY = 86_400_000
_LONGEST = 366 * _DAY
_FARTHEST = 3660 * _DAY
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DRESS = re.compile(r'<p class="gathering">.*?</p>', re.DOTALL)
_OF_POSTS = select(gathering).where(db.among(gathering.c.post_id, "ids"))
_GUESTS = (
    update(gathering)
    .where(gathering.c.post_id == bindparam("of", type_=Id))
    .values(guests_count=bindparam("guests", type_=Id))
)
_COLUMNS = ("title", "starts_at", "ends_at", "timezone", "place", "link", "join_mode", "status", "capacity")


@dataclass(frozen=True, slots=True)
class Plan:
    title: str
    event: Event


# --- said by people here


def agreed(plan: Plan, now: int, *, is_new: bool) -> Plan:
    """The plan as it is stored. Raises Invalid, with the field's name, for what is no event that people could come to."""
    event = plan.event
    title = " ".join(plain(checked(plan.title, "title", MAX_TITLE)).split())
    if not title:
        raise Invalid("Validation failed: Title can't be blank", "title")
    _check_times(event, now, is_new=is_new)
    if event.timezone is not None and _zone(event.timezone) is None:
        raise Invalid("There is no such time zone.", "timezone")
    if event.link is not None and (len(event.link) > MAX_LINK or not is_iri(event.link)):
        raise Invalid("The link must be an address that begins with https:// or http://.", "link")
    if event.join_mode not in OPEN_MODES:
        raise Invalid(f"join_mode must be one of {', '.join(OPEN_MODES)}", "join_mode")
    if event.join_mode == "external" and event.link is None:
        raise Invalid("Say by a link where to sign up.", "link")
    if event.status not in events.STATUSES:
        raise Invalid(f"state must be one of {', '.join(events.STATUSES)}", "state")
    if event.capacity is not None and not 1 <= event.capacity <= MAX_CAPACITY:
        raise Invalid("The number of places must be 1 or more.", "capacity")
    place = " ".join(plain(checked(event.place, "place", MAX_PLACE), limit=MAX_PLACE).split())
    return Plan(title, replace(event, place=place))


def _check_times(event: Event, now: int, *, is_new: bool) -> None:
    ends_at = event.starts_at if event.ends_at is None else event.ends_at
    if not event.starts_at <= ends_at <= event.starts_at + _LONGEST:
        raise Invalid("An event ends after it has begun, and within a year.", "ends_at")
    if event.starts_at > now + _FARTHEST or event.starts_at < 0:
        raise Invalid("That is too far away.", "starts_at")
    if is_new and ends_at < now:
        raise Invalid("The event would be over already.", "starts_at")


def dressed(tx: Tx, plan: Plan | None, composed: "Composed") -> "Composed":
    """A text with the plan above it, to be read and to be found by; as it is for other posts."""
    if plan is None:
        return composed
    words = "\n".join((plan.title, plan.event.place, composed.spoiler, composed.text))
    return replace(composed, content=heading(plan) + composed.content, entry=search.entry(words, tx.dialect))


def redressed(tx: Tx, row: Row[Any], composed: "Composed") -> "Composed":
    """The same for an edit of a stored post, with the plan as it is stored."""
    return dressed(tx, of_posts(tx, [row.id]).get(row.id), composed) if row.object_type == KIND else composed


def undressed(content: str) -> str:
    """The text alone."""
    found = _DRESS.match(content)
    return content[found.end() :] if found else content


def is_dressed(content: str) -> bool:
    return _DRESS.match(content) is not None


# --- said by peers


def told(said: Post) -> Plan | None:
    """Of a peer's post; None if it is no event, or does not say when it is."""
    if said.event is None:
        return None
    link = said.event.link if said.event.link and len(said.event.link) <= MAX_LINK else None
    place = plain(said.event.place.replace("\x00", ""), limit=MAX_PLACE)
    title = plain((said.name or "").replace("\x00", ""), limit=MAX_TITLE)
    return Plan(title or "Event", replace(said.event, place=place, link=link))


# --- stored


def lay(tx: Tx, post_id: int, plan: Plan | None) -> None:
    """Store the plan of a post, in place of the one that is there; nothing for other posts."""
    if plan is None:
        return
    event = plan.event
    row = {name: plan.title if name == "title" else getattr(event, name) for name in _COLUMNS}
    changed = tx.execute(update(gathering).where(gathering.c.post_id == post_id).values(**row))
    if not changed.rowcount:
        tx.execute(gathering.insert(), {"post_id": post_id, "guests_count": event.guests, **row})


def count_guests(tx: Tx, row: Row[Any], plan: Plan | None, edited_at: int | None) -> None:
    """How many come, as a peer says in an Update that need not be an edit; not in one that is older than what is stored."""
    if plan is not None and row.object_type == KIND and (edited_at or 0) >= (row.edited_at or 0):
        tx.execute(_GUESTS, {"of": row.id, "guests": plan.event.guests})


def of_posts(tx: Tx, ids: Sequence[int]) -> dict[int, Plan]:
    """By post; ids of other posts are passed over."""
    return {row.post_id: of_row(row) for row in tx.rows(_OF_POSTS, {"ids": ids})} if ids else {}


def of_row(row: Row[Any]) -> Plan:
    values = {name: getattr(row, name) for name in _COLUMNS if name != "title"}
    return Plan(row.title, Event(**values, guests=row.guests_count))


# --- shown


def heading(plan: Plan, *, page: str | None = None) -> str:
    """Title, time, place and links as a paragraph of HTML. `page` is where a peer shows the event."""
    title = html.escape(plan.title)
    marked = f"Cancelled: {title}" if plan.event.status == "cancelled" else title
    links = dict.fromkeys(link for link in (plan.event.link, page) if link)
    lines = [f"<strong>{marked}</strong>", html.escape(times(plan.event)), html.escape(plan.event.place)]
    lines += [_link(link) for link in links]
    return f'<p class="gathering">{"<br>".join(line for line in lines if line)}</p>'


def times(event: Event) -> str:
    """`2026-05-01 18:00–20:00 (Europe/Berlin)`: in the zone of the event, or in UTC."""
    zone = _zone(event.timezone) if event.timezone else None
    begin = _at(event.starts_at, zone)
    said = f"{begin:%Y-%m-%d %H:%M}"
    if event.ends_at is not None and event.ends_at != event.starts_at:
        end = _at(event.ends_at, zone)
        said += f"–{end:%H:%M}" if end.date() == begin.date() else f" – {end:%Y-%m-%d %H:%M}"
    return f"{said} ({event.timezone if zone else 'UTC'})"


def in_zone(name: str | None) -> tzinfo:
    """The time zone, or UTC for none and for one that is not known."""
    return (_zone(name) if name else None) or UTC


def _at(moment: int, zone: tzinfo | None) -> datetime:
    return (_EPOCH + timedelta(milliseconds=moment)).astimezone(zone or UTC)


def _zone(name: str) -> tzinfo | None:
    if events.timezone(name) is None:
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # no such file, a folder (Europe), no such zone
        return None


def _link(address: str) -> str:
    shown = html.escape(address)
    return f'<a href="{shown}" target="_blank" rel="nofollow noopener noreferrer">{shown}</a>'
