"""Rows as entities of the Mastodon client API. Plain functions: they ask no database and know no viewer.

Clients drop a whole answer when a field they count on is missing or null, so every field is always there. Ids are
strings, times are UTC with milliseconds.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row

from activitypub.audience import Visibility
from node import polls, quotes
from node.accounts.finding import acct
from node.social import Relationship
from node.tags import DAYS, Day
from node.urls import Urls

Json = dict[str, Any]

VISIBILITIES = ("public", "unlisted", "private", "direct")
"""By activitypub.audience.Visibility."""
NO_AVATAR = "avatar.png"
NO_HEADER = "header.png"
"""In web/static: what stands for a picture that nobody uploaded."""

_AUDIT, _DASHBOARD, _REPORTS, _USERS = 1 << 2, 1 << 3, 1 << 4, 1 << 10
_PERMISSIONS = {
    "admin": (1 << 20) - 1,
    "moderator": _DASHBOARD | _REPORTS | _USERS,
    "auditor": _AUDIT | _DASHBOARD,
}
"""Mastodon's bits: by them clients decide which screens of moderation they offer. What counts is asked of each call."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(millis: int) -> str:
    """`2026-01-02T03:04:05.678Z`: without the milliseconds Ice Cubes shows every time as now."""
    return (_EPOCH + timedelta(milliseconds=millis)).isoformat(timespec="milliseconds")[:-6] + "Z"


def moment_or_none(millis: int | None) -> str | None:
    return None if millis is None else moment(millis)


def id_or_none(id_: int | None) -> str | None:
    return None if id_ is None else str(id_)


def visibility(name: str) -> Visibility | None:
    """The visibility that clients call so; None for any other word."""
    return Visibility(VISIBILITIES.index(name)) if name in VISIBILITIES else None


# --- accounts ----------------------------------------------------------------


def account(row: Row[Any], urls: Urls, moved: Json | None = None) -> Json:
    """Account, with what the company knows of the person under `corridor`. `row` is as loading.py gives it."""
    avatar = picture(row.avatar, urls, NO_AVATAR)
    header = picture(row.header, urls, NO_HEADER)
    shown = {
        "id": str(row.id),
        "username": row.username,
        "acct": acct(row),
        "display_name": row.display_name,
        "locked": row.locked,
        "bot": row.bot or row.actor_type in ("Service", "Application"),
        "group": row.actor_type == "Group",
        "discoverable": row.discoverable,
        "indexable": row.indexable,
        "created_at": moment(row.created_at),
        "note": row.note,
        "url": row.url,
        "uri": row.iri,
        "avatar": avatar,
        "avatar_static": avatar,
        "header": header,
        "header_static": header,
        "followers_count": row.followers_count,
        "following_count": row.following_count,
        "statuses_count": row.posts_count,
        "last_status_at": None if row.last_post_at is None else moment(row.last_post_at)[:10],
        "emojis": [],
        "roles": [],
        "fields": [_field(field, "value") for field in row.fields],
        "corridor": {
            "title": row.title,
            "department": row.department,
            "manager": _manager(row),
            "executive": row.executive,
            "away_until": moment_or_none(row.away_until),
        },
    }
    return shown if moved is None else shown | {"moved": moved}


def source(row: Row[Any], login: Row[Any], requests: int) -> Json:
    """What a CredentialAccount adds: the profile as it was written, and defaults for posts."""
    return {
        "privacy": VISIBILITIES[login.default_visibility],
        "sensitive": login.default_sensitive,
        "language": login.default_language,
        "local_only": login.default_local_only,
        "quote_policy": quotes.name_of(login.default_quote_policy),
        "note": row.note_source,
        "fields": [_field(field, "source") for field in row.fields],
        "follow_requests_count": requests,
        "discoverable": row.discoverable,
        "indexable": row.indexable,
        "hide_collections": False,
        "attribution_domains": [],
    }


def role(roles: Sequence[str]) -> Json:
    """The role that says most, as clients show one."""
    name = next((one for one in ("admin", "moderator", "auditor", "comms") if one in roles), "")
    bits = 0
    for one in roles:
        bits |= _PERMISSIONS.get(one, 0)
    return {
        "id": name or "-99",
        "name": name,
        "color": "",
        "permissions": str(bits),
        "highlighted": False,
        "collection_limit": 0,
    }


def picture(stored: str | None, urls: Urls, otherwise: str) -> str:
    """The address of an avatar or header: a file of ours, or where a peer has it."""
    if not stored:
        return urls.static(otherwise)
    return stored if stored.startswith(("https://", "http://")) else urls.media(stored)


def relationship(one: Relationship) -> Json:
    return {
        "id": str(one.id),
        "following": one.following,
        "showing_reblogs": one.showing_reblogs,
        "notifying": one.notifying,
        "languages": [],
        "followed_by": one.followed_by,
        "blocking": one.blocking,
        "blocked_by": one.blocked_by,
        "muting": one.muting,
        "muting_notifications": one.muting_notifications,
        "muting_expires_at": moment_or_none(one.muting_expires_at),
        "requested": one.requested,
        "requested_by": one.requested_by,
        "domain_blocking": False,
        "endorsed": one.endorsed,
        "note": one.note,
    }


def _field(field: Json, value: str) -> Json:
    return {"name": field["name"], "value": field.get(value) or "", "verified_at": field.get("verified_at")}


def _manager(row: Row[Any]) -> str | None:
    if row.manager_username is None:
        return None
    return f"{row.manager_username}@{row.manager_domain}" if row.manager_domain else str(row.manager_username)


# --- posts -------------------------------------------------------------------


def post(
    row: Row[Any], attached: Iterable[Row[Any]], mentioned: Iterable[Row[Any]], tags: Iterable[str], urls: Urls
) -> Json:
    """Of a Status what is the same for every reader and changes only with `post.rev`; entities.py adds the rest."""
    return {
        "id": str(row.id),
        "uri": row.iri,
        "url": row.url or row.iri,
        "created_at": moment(row.created_at),
        "edited_at": moment_or_none(row.edited_at),
        "content": row.content,
        "spoiler_text": row.spoiler,
        "sensitive": row.sensitive,
        "language": row.language,
        "visibility": VISIBILITIES[row.visibility],
        "local_only": row.local_only,
        "media_attachments": [attachment(one, urls) for one in attached],
        "mentions": [mention(one) for one in mentioned],
        "tags": [{"name": name, "url": urls.tag_page(name)} for name in tags],
        "emojis": [],
        "card": None,
    }


def mention(row: Row[Any]) -> Json:
    return {"id": str(row.id), "username": row.username, "url": row.url, "acct": acct(row)}


def attachment(row: Row[Any], urls: Urls) -> Json:
    """MediaAttachment of a row of `media`."""
    url = urls.media(row.file) if row.file else row.remote_url
    preview = urls.media(row.preview) if row.preview else url
    meta: Json = {}
    if row.width and row.height:
        meta["original"] = _size(row.width, row.height)
        small = (row.preview_width, row.preview_height) if row.preview_width and row.preview_height else None
        meta["small"] = _size(*(small or (row.width, row.height)))
    if row.duration is not None:
        meta |= _played(row, meta.get("original", {}))
    if row.kind in ("image", "video"):
        meta["focus"] = {"x": row.focus_x, "y": row.focus_y}
    return {
        "id": str(row.id),
        "type": row.kind,
        "url": url,
        "preview_url": preview,
        "remote_url": row.remote_url,
        "preview_remote_url": None,
        "text_url": None,
        "meta": meta,
        "description": row.description or None,
        "blurhash": row.blurhash,
    }


def _played(row: Row[Any], original: Json) -> Json:
    """What clients are told of sound and film."""
    seconds = row.duration / 1000
    minutes, rest = divmod(seconds, 60)
    details = dict(row.details or {})
    original = original | {"duration": seconds, "bitrate": details.pop("bitrate", 0)}
    if "frame_rate" in details:
        original["frame_rate"] = details.pop("frame_rate")
    length = f"{int(minutes) // 60}:{int(minutes) % 60:02}:{rest:05.2f}"
    return {"length": length, "duration": seconds, **details, **original, "original": original}


def poll(row: Row[Any], now: int, own: Sequence[int] | None, *, is_author: bool) -> Json:
    """Poll of a row of `poll`; `own` are the viewer's choices, None for a viewer who cannot vote."""
    hidden = polls.totals_hidden(row, now)
    counts = [option.get("votes") for option in row.options]
    shown: Json = {
        "id": str(row.id),
        "expires_at": moment_or_none(row.expires_at),
        "expired": polls.has_ended(row, now),
        "multiple": row.multiple,
        "votes_count": sum(count or 0 for count in counts),  # a number in any case: Tusky reads no other
        "voters_count": row.voters_count,
        "options": [
            {"title": option["title"], "votes_count": None if hidden else count}
            for option, count in zip(row.options, counts, strict=True)
        ],
        "emojis": [],
    }
    if own is not None:
        shown |= {"voted": bool(own) or is_author, "own_votes": list(own)}
    return shown


def tag(row: Any, urls: Urls, days: Sequence[Day], *, following: bool | None) -> Json:
    """Tag; `row` has id, name and display. `following` None leaves the field out, as for who is not signed in."""
    shown = {
        "id": str(row.id),
        "name": row.display,
        "url": urls.tag_page(row.name),
        "history": [history(day) for day in days],
    }
    return shown if following is None else shown | {"following": following}


def unused_tag(name: str, display: str, urls: Urls, today: int) -> Json:
    """A tag that nobody has used: clients open its page all the same. `today` in ms."""
    days = [Day(today - 86_400_000 * ago, 0, 0) for ago in range(DAYS)]
    history_ = [history(day) for day in days]
    own = {"following": False, "featuring": False}
    return {"id": name, "name": display, "url": urls.tag_page(name), "history": history_} | own


def history(day: Day) -> Json:
    return {"day": str(day.start // 1000), "uses": str(day.uses), "accounts": str(day.accounts)}


def _size(width: int, height: int) -> Json:
    return {"width": width, "height": height, "size": f"{width}x{height}", "aspect": round(width / height, 6)}
