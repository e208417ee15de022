"""Everything of this node's people in open files: `corridor export`.

accounts.jsonl   people of this node, without what they sign in with
posts.jsonl      their posts, and those of peers' people that they boosted or favourited, as `corridor import` reads them
follows.jsonl    who follows whom
lists.jsonl      whom people put into which list
filters.jsonl    what people do not want to stumble over
scheduled.jsonl  posts that are to be published later
notes.jsonl      notes that people keep on others
endorsements.jsonl  whom people recommend on their profiles
emoji.jsonl      the node's custom emoji
media/           the files that posts and profiles name

It holds what people wrote to few, too. A running server goes on meanwhile: each page is read as it is then.
"""

import datetime
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import BindParameter, Row, Select, and_, bindparam, exists, func, or_, select

from node import accounts, emoji, filters, groups, html, lists, media, notes, plans, scheduling, social
from node.accounts.finding import acct
from node.errors import Conflict
from node.importing.lines import VISIBILITIES
from node.runtime import Node, Tx
from node.schema import account, favourite, follow, group_profile, imported, login, post, post_link, post_tag, tag
from node.schema.meta import Id

PAGE = 500

Progress = Callable[[int, int], None]
"""(posts written, posts in all)"""

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_AFTER = bindparam("after", type_=Id)
_VISIBILITY_NAMES = {int(value): name for name, value in VISIBILITIES.items()}
_FAN, _BOOST, _BOOSTER = account.alias(), post.alias(), account.alias()
_ENDORSED_HERE = or_(
    exists().where(favourite.c.post_id == post.c.id, favourite.c.account_id == _FAN.c.id, _FAN.c.domain.is_(None)),
    exists().where(_BOOST.c.boost_of_id == post.c.id, _BOOST.c.local),
)
_EXPORTED = and_(post.c.boost_of_id.is_(None), or_(post.c.local, _ENDORSED_HERE))
_POSTS = (
    select(post, account.c.username, account.c.domain, imported.c.ref)
    .join_from(post, account, account.c.id == post.c.author_id)
    .join(imported, imported.c.post_id == post.c.id, isouter=True)
    .where(_EXPORTED, post.c.id > _AFTER)
    .order_by(post.c.id)
    .limit(PAGE)
)
_TAGS = (
    select(post_tag.c.post_id, tag.c.display)
    .join(tag, tag.c.id == post_tag.c.tag_id)
    .where(post_tag.c.post_id.in_(_IDS))
    .order_by(tag.c.name)
)
_LINKS = (
    select(post_link.c.post_id, post_link.c.url).where(post_link.c.post_id.in_(_IDS)).order_by(post_link.c.position)
)
_BOOSTS = (
    select(post.c.boost_of_id.label("post_id"), post.c.created_at, account.c.username, account.c.domain)
    .join(account, account.c.id == post.c.author_id)
    .where(post.c.boost_of_id.in_(_IDS), account.c.actor_type != "Group")
    .order_by(post.c.id)
)
_FAVOURITES = (
    select(favourite.c.post_id, favourite.c.created_at, account.c.username, account.c.domain)
    .join(account, account.c.id == favourite.c.account_id)
    .where(favourite.c.post_id.in_(_IDS))
    .order_by(favourite.c.id)
)
_REFS = select(imported.c.post_id, imported.c.ref).where(imported.c.post_id.in_(_IDS))
_PEOPLE = (
    select(account, login.c.email, login.c.roles, group_profile.c.posting, group_profile.c.hidden)
    .join(login, login.c.account_id == account.c.id, isouter=True)
    .join(group_profile, group_profile.c.account_id == account.c.id, isouter=True)
    .where(account.c.domain.is_(None), account.c.gone_at.is_(None), account.c.actor_type != "Application")
    .where(account.c.id > _AFTER)
    .order_by(account.c.id)
    .limit(PAGE)
)
_TARGET = account.alias()
_FOLLOWS: Select[Any] = (
    select(
        follow.c.id,
        follow.c.state,
        follow.c.created_at,
        account.c.username,
        account.c.domain,
        _TARGET.c.username.label("target_username"),
        _TARGET.c.domain.label("target_domain"),
    )
    .join_from(follow, account, account.c.id == follow.c.follower_id)
    .join(_TARGET, _TARGET.c.id == follow.c.target_id)
    .where(follow.c.id > _AFTER)
    .order_by(follow.c.id)
    .limit(PAGE)
)

Line = dict[str, Any]


@dataclass
class Exported:
    """How much was written."""

    accounts: int = 0
    posts: int = 0
    follows: int = 0
    media: int = 0


async def run(node: Node, folder: Path, progress: Progress = lambda _done, _all: None) -> Exported:
    """Write everything into `folder`, which must be empty or not there. Raises Conflict, OSError."""
    _make_folder(folder)
    total = int(await node.read(lambda tx: tx.scalar(select(func.count()).select_from(post).where(_EXPORTED))))
    done = Exported()
    done.accounts, people_files = await _write(node, folder / "accounts.jsonl", _people)
    done.posts, post_files = await _write(node, folder / "posts.jsonl", _posts, lambda n: progress(n, max(n, total)))
    done.follows, _ = await _write(node, folder / "follows.jsonl", _follows)
    await _write(node, folder / "lists.jsonl", lists.lines)
    await _write(node, folder / "filters.jsonl", filters.lines)
    _, waiting_files = await _write(node, folder / "scheduled.jsonl", scheduling.lines)
    await _write(node, folder / "notes.jsonl", notes.lines)
    await _write(node, folder / "endorsements.jsonl", social.endorsement_lines)
    _, emoji_files = await _write(node, folder / "emoji.jsonl", _emoji)
    done.media = _copy(
        node.settings.media_dir, folder / "media", people_files | post_files | waiting_files | emoji_files
    )
    progress(done.posts, done.posts)
    return done


def _make_folder(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} is not an empty folder: nothing was written")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


Page = tuple[list[Line], int, set[str]]
"""Lines, the id to go on after, names of files that they need."""


async def _write(
    node: Node, path: Path, page: Callable[[Tx, int], Page], tell: Callable[[int], None] = lambda _n: None
) -> tuple[int, set[str]]:
    """Write all pages; (number of lines, names of files that they need)."""
    encoder, number, after, files = msgspec.json.Encoder(), 0, 0, set[str]()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        while True:
            lines, after, names = await node.read(page, after)
            if not lines:
                break
            out.write(encoder.encode_lines(lines))
            number += len(lines)
            files |= names
            tell(number)
    return number, files


def _copy(source: Path, target: Path, names: Iterable[str]) -> int:
    """Copy those of the files that are there; a picture may have been replaced since its name was read."""
    target.mkdir(mode=0o700, exist_ok=True)
    copied = 0
    for name in sorted(names):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
            copied += 1
    return copied


def _people(tx: Tx, after: int) -> Page:
    rows = tx.rows(_PEOPLE, {"after": after})
    names = {name for row in rows for name in (row.avatar, row.header) if name}
    return [_person(tx, row) for row in rows], rows[-1].id if rows else after, names


def _person(tx: Tx, row: Row[Any]) -> Line:
    return {
        "id": row.username,
        "uri": row.iri,
        "node": tx.settings.node.department,
        "email": row.email,
        "roles": row.roles,
        "display_name": row.display_name,
        "note": row.note_source,
        "fields": [{"name": one["name"], "value": one.get("source") or ""} for one in row.fields],
        "title": row.title,
        "department": row.department,
        "manager": row.manager_iri,
        "executive": row.executive,
        "away_until": None if row.away_until is None else moment(row.away_until),
        "avatar": row.avatar,
        "header": row.header,
        "locked": row.locked,
        "bot": row.bot,
        "created_at": moment(row.created_at),
    } | ({"group": _group(tx, row)} if row.actor_type == "Group" else {})


def _group(tx: Tx, row: Row[Any]) -> Line:
    """What a group has that people have not. Its members are its followers."""
    moderators = [accounts.get(tx, one).username for one in groups.moderators(tx, row.id)]
    return {"posting": row.posting, "hidden": row.hidden, "moderators": moderators}


def _follows(tx: Tx, after: int) -> Page:
    rows = tx.rows(_FOLLOWS, {"after": after})
    lines = [
        {
            "follower": acct(row),
            "target": f"{row.target_username}@{row.target_domain}" if row.target_domain else row.target_username,
            "state": row.state,
            "created_at": moment(row.created_at),
        }
        for row in rows
    ]
    return lines, rows[-1].id if rows else after, set()


def _emoji(tx: Tx, after: int) -> Page:
    rows = [row for row in emoji.own(tx) if row.id > after]
    lines = [
        {"shortcode": row.shortcode, "category": row.category, "file": row.file, "still": row.still} for row in rows
    ]
    names = {name for row in rows for name in (row.file, row.still) if name}
    return lines, max((row.id for row in rows), default=after), names


def _posts(tx: Tx, after: int) -> Page:
    rows = tx.rows(_POSTS, {"after": after})
    if not rows:
        return [], after, set()
    ids = [row.id for row in rows]
    asked = {"ids": ids}
    hanging = _Hanging(
        tags=_grouped(tx.rows(_TAGS, asked), lambda row: row.display),
        links=_grouped(tx.rows(_LINKS, asked), lambda row: row.url),
        boosts=_grouped(tx.rows(_BOOSTS, asked), _endorsement),
        favourites=_grouped(tx.rows(_FAVOURITES, asked), _endorsement),
        media=media.of_posts(tx, ids),
        parents={
            row.post_id: row.ref
            for row in tx.rows(_REFS, {"ids": [r.in_reply_to_id for r in rows if r.in_reply_to_id]})
        },
    )
    names = {name for found in hanging.media.values() for one in found for name in (one.file, one.preview) if name}
    return [_post(tx, row, hanging) for row in rows], ids[-1], names


@dataclass(frozen=True, slots=True)
class _Hanging:
    """What belongs to the posts of a page, by post id."""

    tags: dict[int, list[Any]]
    links: dict[int, list[Any]]
    boosts: dict[int, list[Any]]
    favourites: dict[int, list[Any]]
    media: dict[int, list[Row[Any]]]
    parents: dict[int, str]


def _post(tx: Tx, row: Row[Any], hanging: _Hanging) -> Line:
    """What says nothing is left out, so that a plain post is a short line."""
    parent = row.in_reply_to_id
    rest = {
        "tags": hanging.tags.get(row.id),
        "links": hanging.links.get(row.id),
        "boosts": hanging.boosts.get(row.id),
        "favourites": hanging.favourites.get(row.id),
        "in_reply_to": None if parent is None else hanging.parents.get(parent, str(parent)),
        "visibility": None if row.visibility == 0 else _VISIBILITY_NAMES[row.visibility],
        "local_only": row.local_only,
        "spoiler": row.spoiler,
        "sensitive": row.sensitive,
        "language": row.language,
        "edited_at": None if row.edited_at is None else moment(row.edited_at),
        "media": [_medium(one) for one in hanging.media.get(row.id, ())],
    }
    line: Line = {
        "id": row.ref or str(row.id),
        "author": acct(row),
        "created_at": moment(row.created_at),
        # Of an event the content: it says when and where besides.
        "text": row.text if row.local and not plans.is_dressed(row.content) else html.to_text(row.content),
        "node": row.domain or tx.settings.node.department,
        "uri": row.iri,
    }
    return line | {name: value for name, value in rest.items() if value}


def _medium(row: Row[Any]) -> Line:
    named = {"file": row.file, "preview": row.preview, "url": row.remote_url, "description": row.description}
    return {name: value for name, value in named.items() if value} | {"content_type": row.content_type}


def _endorsement(row: Row[Any]) -> Line:
    return {"by": acct(row), "at": moment(row.created_at)}


def _grouped(rows: Sequence[Row[Any]], value: Callable[[Row[Any]], Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.post_id].append(value(row))
    return found


def moment(at: int) -> str:
    """ms since 1970 as RFC 3339, to the millisecond."""
    return (
        datetime.datetime.fromtimestamp(at / 1000, datetime.UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
