"""Custom emoji: the node's own, and those that peers' people use in posts, names and reactions.

One is known by (domain, shortcode); the domain is that of its people's handles, "" for this node. A row is never removed:
its id is in the address of the picture, which kept renderings and readers' caches hold. What is disabled or removed answers
404 there, what is renewed shows its new picture. Peers' pictures are fetched by a job (`node.federation.emoji`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, or_, select, update

from activitypub.documents import Emoji
from node import db, media
from node.errors import Invalid, NotFound
from node.imaging import Image, ImageLimits
from node.runtime import Tx
from node.schema import account, emoji, post
from node.schema.meta import Id

FETCH_JOB = "emoji.fetch"
"""Kind of the job that fetches pictures which are wanted; payload {"domain": str}."""

MAX_BYTES = 256 * 1024
MAX_PER_DOCUMENT = 64
MAX_PER_PEER = 5_000
RETRY_MS = 3_600_000
"""How long after a failure a picture is asked for again, when somebody uses the emoji."""
IMAGES = ImageLimits(
    max_bytes=MAX_BYTES, max_pixels=4_000_000, max_total_pixels=20_000_000, max_side=256, preview_side=128
)

OWN = re.compile(r"[A-Za-z0-9_]{2,30}")
_THEIRS = re.compile(r"[A-Za-z0-9_]{2,127}")
IN_TEXT = re.compile(r"(?<![A-Za-z0-9_:]):([A-Za-z0-9_]{2,127}):(?![A-Za-z0-9_:])")

_E = emoji.c
_SHOWN = (_E.disabled_at.is_(None), or_(_E.domain != "", _E.file.is_not(None)))
_NAMED = select(emoji).where(db.among(_E.domain, "domains"), db.among(_E.shortcode, "codes"), *_SHOWN)
_OF_POSTS = (
    select(post.c.id.label("post_id"), emoji)
    .select_from(
        post.join(account, account.c.id == post.c.author_id).join(
            emoji, _E.domain == func.coalesce(account.c.domain, "")
        )
    )
    .where(db.among(post.c.id, "ids"), db.among(_E.shortcode, "codes"), *_SHOWN)
    .order_by(_E.shortcode)
)
_BY_NAME = select(emoji).where(_E.domain == bindparam("of_domain"), _E.shortcode == bindparam("code"))
_SAID_BEFORE = select(emoji).where(
    or_(
        (_E.domain == bindparam("of_domain")) & db.among(_E.shortcode, "codes"),
        db.among(_E.iri, "iris"),
    )
)
_NUMBER = select(func.count()).select_from(emoji).where(_E.domain == bindparam("of_domain"))
_OWN = select(emoji).where(_E.domain == "", _E.file.is_not(None), _E.disabled_at.is_(None)).order_by(_E.shortcode)
_ALL = select(emoji).where(or_(_E.domain != "", _E.file.is_not(None))).order_by(_E.domain, _E.shortcode)
_BY_ID = select(emoji).where(_E.id == bindparam("id", type_=Id))
_BY_IDS = select(emoji).where(db.among(_E.id, "ids"))
_WANTED = (
    select(_E.id, _E.image_url)
    .where(_E.domain == bindparam("of_domain"), _E.wanted.is_(True))
    .order_by(_E.id)
    .limit(20)
)
_HELD = (
    select(emoji)
    .where(_E.domain == bindparam("of_domain"), or_(_E.file.is_not(None), _E.wanted.is_(True)))
    .order_by(_E.id)
)
_CHANGE = update(emoji).where(_E.id == bindparam("of", type_=Id))


def codes(*texts: str) -> set[str]:
    """Shortcodes that texts, or HTML, may name between colons: a little more than what is shown (addresses of links)."""
    return {code for text in texts if ":" in text for code in IN_TEXT.findall(text)}


def named(tx: Tx, wanted: Iterable[tuple[str | None, Iterable[str]]]) -> dict[tuple[str, str], Row[Any]]:
    """(domain, shortcode) -> row, of those that may be shown. One statement, or none when nothing is named."""
    pairs = {(domain or "", code) for domain, named_here in wanted for code in named_here}
    if not pairs:
        return {}
    asked = {"domains": sorted({one for one, _ in pairs}), "codes": sorted({one for _, one in pairs})}
    found = {(row.domain, row.shortcode): row for row in tx.rows(_NAMED, asked)}
    return {pair: row for pair, row in found.items() if pair in pairs}


def of_posts(tx: Tx, named_in: Mapping[int, Iterable[str]]) -> dict[int, list[Row[Any]]]:
    """By post, rows of the emoji that it names: those of its author's server. Nothing named, no statement."""
    wanted = {post_id: codes for post_id, named_here in named_in.items() if (codes := set(named_here))}
    found: dict[int, list[Row[Any]]] = {}
    if wanted:
        asked = {"ids": list(wanted), "codes": sorted(set().union(*wanted.values()))}
        for row in tx.rows(_OF_POSTS, asked):
            if row.shortcode in wanted[row.post_id]:
                found.setdefault(row.post_id, []).append(row)
    return found


def by_name(tx: Tx, shortcode: str, domain: str = "") -> Row[Any] | None:
    """One that may be shown."""
    return named(tx, [(domain, [shortcode])]).get((domain, shortcode))


def by_ids(tx: Tx, ids: Iterable[int]) -> dict[int, Row[Any]]:
    """Disabled ones too."""
    wanted = sorted(set(ids))
    return {row.id: row for row in tx.rows(_BY_IDS, {"ids": wanted})} if wanted else {}


def own(tx: Tx) -> Sequence[Row[Any]]:
    """All of this node that can be used, in order: what clients offer."""
    return tx.rows(_OWN)


def own_one(tx: Tx, emoji_id: int) -> Row[Any]:
    """One of this node that can be used. NotFound."""
    row = tx.first(_BY_ID, {"id": emoji_id})
    if row is None or row.domain or row.file is None or row.disabled_at is not None:
        raise NotFound
    return row


def picture(tx: Tx, emoji_id: int, *, still: bool) -> str:
    """Name of the file in the media folder. NotFound while it is not here, and once it is disabled."""
    row = tx.first(_BY_ID, {"id": emoji_id})
    if row is None or row.file is None or row.disabled_at is not None:
        raise NotFound
    name: str = (row.still or row.file) if still else row.file
    return name


# --- The node's own -----------------------------------------------------------------------------------------------


def check_own(shortcode: str) -> str:
    """Raises Invalid for what no emoji of ours may be called."""
    if OWN.fullmatch(shortcode) is None:
        raise Invalid("A shortcode has 2 to 30 letters (a-z), digits and _.", field="shortcode")
    return shortcode


def add(tx: Tx, shortcode: str, image: Image, category: str | None = None) -> int:
    """Put an emoji of this node into use, or give one that is there another picture; answers its id."""
    check_own(shortcode)
    still = image.preview if image.animated else None
    values: dict[str, Any] = {"file": image.file, "still": still, "disabled_at": None}
    row = tx.first(_BY_NAME, {"of_domain": "", "code": shortcode})
    if row is None:
        new = values | {"shortcode": shortcode, "category": category, "created_at": tx.now, "updated_at": tx.now}
        emoji_id = int(tx.scalar(insert(emoji).values(**new).returning(_E.id)))
    else:
        emoji_id = row.id
        _retire(tx, row)
        values |= {"updated_at": tx.now} | ({} if category is None else {"category": category})
        tx.execute(_CHANGE.values(**values), {"of": emoji_id})
    tx.audit("emoji.add", f"emoji:{shortcode}")
    return emoji_id


def remove(tx: Tx, shortcode: str) -> None:
    """Take an emoji of this node away with its picture. NotFound."""
    row = _found(tx, shortcode, "")
    _retire(tx, row)
    tx.execute(_CHANGE.values(file=None, still=None, updated_at=tx.now), {"of": row.id})
    tx.audit("emoji.remove", f"emoji:{shortcode}")


def disable(tx: Tx, shortcode: str, domain: str = "", *, disabled: bool = True) -> None:
    """Show an emoji no more, or again. NotFound."""
    row = _found(tx, shortcode, domain)
    tx.execute(_CHANGE.values(disabled_at=tx.now if disabled else None), {"of": row.id})
    name = f"{shortcode}@{domain}" if domain else shortcode
    tx.audit("emoji.disable" if disabled else "emoji.enable", f"emoji:{name}")


def everything(tx: Tx) -> Sequence[Row[Any]]:
    """Every emoji that is known, for the administrator."""
    return tx.rows(_ALL)


def _found(tx: Tx, shortcode: str, domain: str) -> Row[Any]:
    row = tx.first(_BY_NAME, {"of_domain": domain, "code": shortcode})
    if row is None or (not domain and row.file is None):
        raise NotFound(f"There is no emoji {shortcode}{'@' if domain else ''}{domain}.")
    return row


def _retire(tx: Tx, row: Row[Any]) -> None:
    """Housekeeping removes its files with the unattached media."""
    names = [name for name in (row.file, row.still) if name]
    node_actor = tx.scalar(select(account.c.id).where(account.c.iri == tx.urls.node_actor)) if names else None
    if node_actor is not None:
        media.retire(tx, node_actor, names)


# --- Those of peers -----------------------------------------------------------------------------------------------


def learn(tx: Tx, domain: str, said: Sequence[Emoji]) -> dict[str, int]:
    """Keep emoji that a document of this domain's people brought along; answers shortcode -> id of those that are kept.

    Which of them the sender may speak of is judged before. A new picture is taken when `updated` is not older than what
    is here; pictures are fetched later. Beyond MAX_PER_PEER no new ones are taken.
    """
    usable = {one.shortcode: one for one in said[:MAX_PER_DOCUMENT] if _THEIRS.fullmatch(one.shortcode)}
    if not usable or not domain:
        return {}
    iris = [one.iri for one in usable.values() if one.iri is not None]
    stored = tx.rows(_SAID_BEFORE, {"of_domain": domain, "codes": list(usable), "iris": iris})
    known = {row.shortcode: row for row in stored if row.domain == domain}
    taken = {row.iri for row in stored if row.iri is not None}
    ids = {code: int(row.id) for code, row in known.items()}
    wanted = any(row.wanted for row in known.values())
    for code, row in known.items():
        wanted = _renew(tx, row, usable[code]) or wanted
    new = [one for code, one in usable.items() if code not in known]
    if new and (room := MAX_PER_PEER - int(tx.scalar(_NUMBER, {"of_domain": domain}))) > 0:
        for one in new[:room]:
            ids[one.shortcode] = _insert(tx, domain, one, None if one.iri in taken else one.iri)
            taken.add(one.iri)
            wanted = True
    if wanted:
        tx.enqueue(FETCH_JOB, {"domain": domain}, dedupe=f"{FETCH_JOB}:{domain}"[:255])
    return ids


def _insert(tx: Tx, domain: str, said: Emoji, iri: str | None) -> int:
    values = {
        "domain": domain,
        "shortcode": said.shortcode,
        "iri": iri,
        "image_url": said.url,
        "wanted": True,
        "created_at": tx.now,
        "updated_at": _updated(tx, said),
    }
    return int(tx.scalar(insert(emoji).values(**values).returning(_E.id)))


def _renew(tx: Tx, row: Row[Any], said: Emoji) -> bool:
    """Whether its picture is to be fetched again."""
    updated = _updated(tx, said)
    is_newer = updated > row.updated_at or (updated == row.updated_at and said.url != row.image_url)
    failed = row.file is None and row.failed_at is not None and row.failed_at < tx.now - RETRY_MS
    if row.disabled_at is not None or not (is_newer or failed):
        return False
    values = {"image_url": said.url, "updated_at": updated} if is_newer else {}
    tx.execute(_CHANGE.values(wanted=True, failed_at=None, **values), {"of": row.id})
    return True


def _updated(tx: Tx, said: Emoji) -> int:
    """Pleroma says 1970 of all: then another address is what tells a new picture."""
    return min(max(said.updated or 0, 0), tx.now)


def wanted(tx: Tx, domain: str) -> Sequence[Row[Any]]:
    """Some whose pictures are to be fetched: (id, image_url)."""
    return tx.rows(_WANTED, {"of_domain": domain})


def fetched(tx: Tx, emoji_id: int, url: str, image: Image) -> bool:
    """Store what was fetched from `url`. False, and nothing stored, if another picture is wanted by now."""
    row = tx.first(_BY_ID, {"id": emoji_id})
    if row is None or row.image_url != url or not row.wanted:
        return False
    _retire(tx, row)
    still = image.preview if image.animated else None
    tx.execute(_CHANGE.values(file=image.file, still=still, wanted=False, failed_at=None), {"of": emoji_id})
    return True


def depart(tx: Tx, domain: str, limit: int = 100) -> bool:
    """Some pictures of a peer go; True if there were any: call it again. Should it come back, they are fetched anew."""
    rows = tx.rows(_HELD.limit(limit), {"of_domain": domain}) if domain else ()
    for row in rows:
        _retire(tx, row)
        values = {"file": None, "still": None, "wanted": False, "failed_at": tx.now}
        tx.execute(_CHANGE.values(**values), {"of": row.id})
    return bool(rows)


def failed(tx: Tx, emoji_id: int, url: str) -> None:
    """The picture at `url` could not be had, or is none. What was there before stays."""
    tx.execute(_CHANGE.where(_E.image_url == url).values(wanted=False, failed_at=tx.now), {"of": emoji_id})
