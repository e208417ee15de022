"""People as pages show them: a name, a face, a department."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from markupsafe import Markup
from sqlalchemy import Row, bindparam, select

from node import db
from node.accounts.finding import acct
from node.runtime import Tx
from node.schema import account
from web.pages import moments, pictured

HUES = 8

_COLUMNS = (
    account.c.id,
    account.c.username,
    account.c.domain,
    account.c.iri,
    account.c.display_name,
    account.c.avatar,
    account.c.department,
    account.c.title,
    account.c.executive,
    account.c.away_until,
    account.c.bot,
)
_BY_IDS = select(*_COLUMNS).where(db.among(account.c.id, "ids"))
_BY_IRI = select(*_COLUMNS).where(
    account.c.iri == bindparam("iri"), account.c.gone_at.is_(None), account.c.suspended_at.is_(None)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """Somebody, as shown beside their posts. `handle` is `name`, or `name@domain` for people of peers."""

    id: int
    name: str
    shown: Markup
    """The name with pictures for custom emoji."""
    handle: str
    path: str
    avatar: str | None
    department: str
    title: str
    executive: bool
    away: str
    """The last day away, in words; "" for somebody who is there."""
    bot: bool

    @property
    def initials(self) -> str:
        """Of the first and the last name, for those without a picture."""
        words = [word for word in self.name.split() if word[0].isalnum()]
        letters = [word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)]
        return "".join(letters).upper() or self.handle[:1].upper()

    @property
    def hue(self) -> int:
        """A colour of their own, always the same: 0 … HUES-1."""
        return hue(self.handle)

    @property
    def department_hue(self) -> int:
        return hue(self.department)


def faces(tx: Tx, ids: Iterable[int]) -> dict[int, Face]:
    """By account id; one statement. Whether the viewer may know of them is the caller's business."""
    wanted = sorted(set(ids))
    rows = tx.rows(_BY_IDS, {"ids": wanted}) if wanted else ()
    known = pictured.of_names(tx, rows)
    return {row.id: face(tx, row, known[row.id]) for row in rows}


def in_order(tx: Tx, ids: Iterable[int]) -> list[Face]:
    """The same in the order of `ids`."""
    wanted = list(ids)
    found = faces(tx, wanted)
    return [found[id_] for id_ in wanted if id_ in found]


def by_iri(tx: Tx, iri: str) -> Face | None:
    """Somebody's manager, if that account is known here."""
    row = tx.first(_BY_IRI, {"iri": iri})
    return None if row is None else face(tx, row)


def face(tx: Tx, row: Row[Any], known: pictured.Known | None = None) -> Face:
    """`known` are the emoji of the name; they are looked up if it is not given."""
    handle = acct(row)
    emoji = pictured.of_names(tx, [row])[row.id] if known is None else known
    away = row.away_until is not None and row.away_until > tx.now
    return Face(
        id=row.id,
        name=row.display_name or row.username,
        shown=pictured.name(row.display_name or row.username, emoji),
        handle=handle,
        path=path(handle),
        avatar=picture(row.avatar, row.domain),
        department=row.department or row.domain or tx.settings.node.department,
        title=row.title or "",
        executive=bool(row.executive),
        away=moments.day(row.away_until, tx.now) if away else "",
        bot=bool(row.bot),
    )


def path(handle: str) -> str:
    """Of the profile page."""
    return f"/@{quote(handle, safe='@:')}"


def picture(name: str | None, domain: str | None) -> str | None:
    """Address of an avatar or header: our own file, or where the peer has it."""
    if not name:
        return None
    if domain is None:
        return f"/media/{quote(name)}"
    return name if name.startswith(("https://", "http://")) else None


def hue(word: str) -> int:
    return (zlib.crc32(word.casefold().encode("utf-8", "replace")) >> 16) % HUES
