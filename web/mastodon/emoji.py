"""Custom emoji and reactions as the client API shows them.

Whether a text names an emoji is seen in the text; only then the database is asked. A picture's address never changes, so
what was rendered with it stays right when the picture is renewed, comes late or is disabled (node.emoji).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Row

from node import emoji, reacting
from node.runtime import Tx
from node.urls import Urls

Json = dict[str, Any]
_encode = msgspec.json.encode


def entity(row: Row[Any], urls: Urls) -> Json:
    """CustomEmoji."""
    return {
        "shortcode": row.shortcode,
        "url": urls.emoji_image(row.id),
        "static_url": urls.emoji_image(row.id, still=True),
        "visible_in_picker": not row.hidden and not row.domain,
        "category": row.category,
    }


def of_posts(tx: Tx, texts: Mapping[int, Iterable[str]], urls: Urls) -> dict[int, list[Json]]:
    """By post id, the emoji that its texts name; posts without any are not in it."""
    found = emoji.of_posts(tx, {post_id: emoji.codes(*parts) for post_id, parts in texts.items()})
    return {post_id: [entity(row, urls) for row in rows] for post_id, rows in found.items()}


def within(found: Sequence[Json], *texts: str) -> list[Json]:
    """Those of the emoji that these texts name."""
    named = emoji.codes(*texts) if found else set()
    return [one for one in found if one["shortcode"] in named]


def of_accounts(tx: Tx, rows: Sequence[Row[Any]], urls: Urls) -> dict[int, list[Json]]:
    """By account id, the emoji in names, notes and fields."""
    named = {row.id: (row.domain or "", emoji.codes(*_written(row))) for row in rows}
    known = emoji.named(tx, named.values())
    return {
        id_: [entity(known[domain, code], urls) for code in sorted(codes) if (domain, code) in known]
        for id_, (domain, codes) in named.items()
    }


def _written(row: Row[Any]) -> Iterable[str]:
    yield row.display_name
    yield row.note
    for one in row.fields:
        yield one["name"]
        yield one.get("value") or ""


# --- reactions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reactions:
    """What was left under some posts, for any number of readers."""

    shown: dict[int, list[Json]] = field(default_factory=dict)
    left: set[tuple[int, int, str]] = field(default_factory=set)
    """(account id, post id, name as it is stored)."""
    names: dict[int, list[str]] = field(default_factory=dict)

    def of(self, post_id: int, viewer: int | None) -> bytes:
        """A list of {name, count, me, url, static_url}, as Glitch and Moshidon have it; `name` without colons."""
        shown = self.shown.get(post_id)
        return b"[]" if shown is None else _encode(self.listed(post_id, viewer))

    def listed(self, post_id: int, viewer: int | None) -> list[Json]:
        pairs = zip(self.shown.get(post_id, ()), self.names.get(post_id, ()), strict=True)
        return [one | {"me": viewer is not None and (viewer, post_id, name) in self.left} for one, name in pairs]


def reactions(tx: Tx, post_ids: Sequence[int], who: Sequence[int], urls: Urls) -> Reactions:
    """Under posts that are known to have some: then three statements at the most, else none."""
    if not post_ids:
        return Reactions()
    numbers = reacting.numbers(tx, post_ids)
    pictures = emoji.by_ids(tx, [row.emoji_id for rows in numbers.values() for row in rows if row.emoji_id is not None])
    shown = {
        post_id: [_reaction(row.name, row.number, pictures.get(row.emoji_id), urls) for row in rows]
        for post_id, rows in numbers.items()
    }
    names = {post_id: [row.name for row in rows] for post_id, rows in numbers.items()}
    return Reactions(shown, reacting.by_them(tx, who, list(numbers)), names)


def _reaction(name: str, number: int, picture: Row[Any] | None, urls: Urls) -> Json:
    if picture is None:
        return {"name": name, "count": number, "me": False, "url": None, "static_url": None}
    address, still = urls.emoji_image(picture.id), urls.emoji_image(picture.id, still=True)
    return {"name": name.strip(":"), "count": number, "me": False, "url": address, "static_url": still}


def told(tx: Tx, rows: Sequence[Row[Any]], urls: Urls) -> dict[int, Json]:
    """By notification id, with what somebody reacted: {emoji, emoji_url}, as Pleroma's clients read it."""
    about = [row for row in rows if row.kind == reacting.KIND and row.post_id is not None]
    last = reacting.last(tx, [(row.from_id, row.post_id) for row in about])
    pictures = emoji.by_ids(tx, [one.emoji_id for one in last.values() if one.emoji_id is not None])
    found: dict[int, Json] = {}
    for row in about:
        one = last.get((row.from_id, row.post_id))
        if one is not None:
            picture = pictures.get(one.emoji_id or 0)
            url = None if picture is None or picture.disabled_at is not None else urls.emoji_image(picture.id)
            found[row.id] = {"emoji": one.name, "emoji_url": url}
    return found
