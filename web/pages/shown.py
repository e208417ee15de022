"""Posts as pages show them: everything a template needs, read with a fixed number of statements for any number of posts."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from markupsafe import Markup
from sqlalchemy import Row, bindparam, select

from activitypub.audience import Visibility
from node import media, plans
from node.accounts.finding import acct
from node.html import to_text
from node.runtime import Tx
from node.schema import account, bookmark, favourite, mention, pin, post
from node.text import normalise_tag
from web.pages import moments, people, pictured, questioned, quoted
from web.pages.moments import Moment
from web.pages.people import Face
from web.pages.pictured import Known, Left
from web.pages.questioned import Question
from web.pages.quoted import Quoted

EXCERPT = 160

_IDS: Any = bindparam("ids", expanding=True)
_WHO: Any = bindparam("who")
_POSTS = select(post).where(post.c.id.in_(_IDS))
_FAVOURITED = select(favourite.c.post_id).where(favourite.c.account_id == _WHO, favourite.c.post_id.in_(_IDS))
_BOOSTED = select(post.c.boost_of_id).where(post.c.author_id == _WHO, post.c.boost_of_id.in_(_IDS))
_BOOKMARKED = select(bookmark.c.post_id).where(bookmark.c.account_id == _WHO, bookmark.c.post_id.in_(_IDS))
_PINNED = select(pin.c.post_id).where(pin.c.account_id == _WHO, pin.c.post_id.in_(_IDS))
_MENTIONED = (
    select(mention.c.post_id, account.c.id, account.c.username, account.c.domain, account.c.iri, account.c.url)
    .join(account, account.c.id == mention.c.account_id)
    .where(mention.c.post_id.in_(_IDS))
)

_ANCHOR = re.compile(r"<a\b([^<>]*)>")
_HREF = re.compile(r'(?<=\shref=")([^"<>]*)(?=")')
_TAG_PATH = re.compile(r"/tags?/([^/]+)/?$")
_ELSEWHERE = ' target="_blank"'

REACH = {
    Visibility.PUBLIC: ("globe", "Everybody in the company"),
    Visibility.UNLISTED: ("quiet", "Everybody, but not in timelines"),
    Visibility.FOLLOWERS: ("lock", "Followers only"),
    Visibility.DIRECT: ("mail", "Only the people mentioned"),
}


@dataclass(frozen=True, slots=True)
class Picture:
    url: str
    preview: str
    description: str
    kind: str
    width: int | None
    height: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A post in a list. `id` is that of the post itself, `anchor` names its place in the list, which may be a boost's."""

    id: int
    anchor: str
    path: str
    origin: str | None
    """Where a peer shows the post; None for our own."""
    author: Face
    booster: Face | None
    answers: Face | None
    answers_path: str | None
    content: Markup
    plain: str
    spoiler: str
    warning: Markup
    """The same with pictures for its emoji."""
    sensitive: bool
    language: str | None
    pictures: Sequence[Picture]
    poll: Question | None
    sent: Moment
    edited: Moment | None
    visibility: Visibility
    local_only: bool
    replies: int
    boosts: int
    favourites: int
    favourited: bool
    boosted: bool
    bookmarked: bool
    pinned: bool
    is_mine: bool
    mentioned: Sequence[Face]
    parent_id: int | None
    quote: Quoted | None
    is_event: bool
    reactions: Sequence[Left]

    @property
    def reach(self) -> tuple[str, str]:
        """Icon and words for who can see it."""
        return REACH[self.visibility]

    @property
    def may_boost(self) -> bool:
        return self.visibility <= Visibility.UNLISTED or (self.visibility is Visibility.FOLLOWERS and self.is_mine)

    @property
    def may_quote(self) -> bool:
        """Whether it is worth asking; its author may have said no all the same."""
        return self.visibility <= Visibility.UNLISTED or (self.visibility is Visibility.FOLLOWERS and self.is_mine)

    @property
    def excerpt(self) -> str:
        """Its beginning in a line; of a post with a warning, the warning."""
        words = " ".join((self.spoiler or self.plain).split())
        return words if len(words) <= EXCERPT else words[: EXCERPT - 1].rstrip() + "…"


def posts(tx: Tx, ids: Iterable[int]) -> list[Shown]:
    """In the order of `ids`, which must have passed `visibility.visible` for the viewer."""
    wanted = list(ids)
    rows = _rows(tx, wanted)
    rows |= _rows(tx, [row.boost_of_id for row in rows.values() if row.boost_of_id is not None])
    listed = [(rows[id_], rows.get(rows[id_].boost_of_id or id_)) for id_ in wanted if id_ in rows]
    found = _Around.of(tx, [row for _, row in listed if row is not None])
    more = [row.author_id for row, _ in listed] + list(found.parents)
    all_faces = people.faces(tx, [*more, *found.people])
    return [_shown(tx, row, itself, all_faces, found) for row, itself in listed if itself is not None]


def _rows(tx: Tx, ids: Sequence[int]) -> dict[int, Row[Any]]:
    return {row.id: row for row in tx.rows(_POSTS, {"ids": sorted(set(ids))})} if ids else {}


@dataclass(frozen=True, slots=True)
class _Around:
    """What hangs on a list of posts, by post id."""

    media: Mapping[int, Sequence[Row[Any]]]
    mentions: Mapping[int, Sequence[Row[Any]]]
    polls: Mapping[int, Question]
    favourited: frozenset[int]
    boosted: frozenset[int]
    bookmarked: frozenset[int]
    pinned: frozenset[int]
    people: frozenset[int]
    parents: frozenset[int]
    quotes: Mapping[int, Quoted]
    emoji: Mapping[int, Known]
    reactions: Mapping[int, Sequence[Left]]

    @classmethod
    def of(cls, tx: Tx, rows: Sequence[Row[Any]]) -> "_Around":
        ids = sorted({row.id for row in rows})
        mentions: dict[int, list[Row[Any]]] = {}
        for row in tx.rows(_MENTIONED, {"ids": ids}) if ids else ():
            mentions.setdefault(row.post_id, []).append(row)
        polls = questioned.of_posts(tx, [row.id for row in rows if row.object_type == "Question"])
        me = tx.viewer.account_id

        def mine(statement: Any) -> frozenset[int]:
            return frozenset(tx.scalars(statement, {"who": me, "ids": ids}) if ids and me is not None else ())

        return cls(
            media=media.of_posts(tx, ids),
            mentions=mentions,
            polls=polls,
            favourited=mine(_FAVOURITED),
            boosted=mine(_BOOSTED),
            bookmarked=mine(_BOOKMARKED),
            pinned=mine(_PINNED),
            people=frozenset({row.author_id for row in rows} | {one.id for many in mentions.values() for one in many}),
            parents=frozenset(row.in_reply_to_account_id for row in rows if row.in_reply_to_account_id is not None),
            quotes=quoted.of_posts(tx, ids, linked),
            emoji=pictured.of_posts(tx, rows, {id_: poll.titles for id_, poll in polls.items()}),
            reactions=pictured.reactions(tx, [row.id for row in rows if row.reactions_count > 0]),
        )


def _shown(tx: Tx, listed: Row[Any], row: Row[Any], faces: Mapping[int, Face], found: _Around) -> Shown:
    author = faces[row.author_id]
    answers = faces.get(row.in_reply_to_account_id or 0)
    mentions = found.mentions.get(row.id, ())
    quotation = found.quotes.get(row.id)
    written = row.content if quotation is None else quoted.without_link(row.content)
    content, emoji = linked(written, mentions), found.emoji.get(row.id, {})
    return Shown(
        id=row.id,
        anchor=f"post-{listed.id}",
        path=f"{author.path}/{row.id}",
        origin=None if row.local else _web_address(row.url or row.iri),
        author=author,
        booster=faces.get(listed.author_id) if listed.boost_of_id is not None else None,
        answers=answers,
        answers_path=f"{answers.path}/{row.in_reply_to_id}" if answers and row.in_reply_to_id else None,
        content=pictured.drawn(content, emoji),
        plain=to_text(written),
        spoiler=row.spoiler,
        warning=pictured.name(row.spoiler, emoji),
        sensitive=bool(row.sensitive),
        language=row.language,
        pictures=[_picture(one) for one in found.media.get(row.id, ())],
        poll=questioned.drawn(found.polls.get(row.id), emoji),
        sent=moments.moment(row.created_at, tx.now),
        edited=moments.moment(row.edited_at, tx.now) if row.edited_at else None,
        visibility=Visibility(row.visibility),
        local_only=bool(row.local_only),
        replies=row.replies_count,
        boosts=row.boosts_count,
        favourites=row.favourites_count,
        favourited=row.id in found.favourited,
        boosted=row.id in found.boosted,
        bookmarked=row.id in found.bookmarked,
        pinned=row.id in found.pinned,
        is_mine=row.author_id == tx.viewer.account_id,
        is_event=row.object_type == plans.KIND and plans.is_dressed(row.content),
        mentioned=[faces[one.id] for one in mentions if one.id in faces],
        parent_id=row.in_reply_to_id,
        quote=quotation,
        reactions=found.reactions.get(row.id, ()),
    )


def linked(content: str, mentions: Sequence[Row[Any]] = ()) -> Markup:
    """Stored HTML, ready for a page: mentions and tags lead to pages of this node, where the reader is signed in.

    Only stored content comes here: what people wrote, rendered by node.text, and what peers sent, sanitised by node.html.
    """
    known = {address: people.path(acct(row)) for row in mentions for address in (row.url, row.iri)}

    def local(anchor: re.Match[str]) -> str:
        found = _HREF.search(anchor[1])
        where = _page(html.unescape(found[1]), known, anchor[1]) if found else None
        if where is None:
            return anchor[0]
        return f"<a{_HREF.sub(html.escape(where), anchor[1].replace(_ELSEWHERE, ''), count=1)}>"

    return Markup(_ANCHOR.sub(local, content))


def _page(address: str, known: Mapping[str, str], attributes: str) -> str | None:
    """The page of this node for a link: of somebody mentioned, or of a tag. None for every other link."""
    if address in known:
        return known[address]
    if "hashtag" not in attributes:
        return None
    try:
        found = _TAG_PATH.search(urlsplit(address).path)
    except ValueError:
        return None
    name = normalise_tag(unquote(found[1])) if found else ""
    return f"/tags/{quote(name, safe='')}" if name else None


def _picture(row: Row[Any]) -> Picture:
    if row.file is not None:
        url, preview = f"/media/{row.file}", f"/media/{row.preview or row.file}"
    else:
        url = preview = _web_address(row.remote_url) or ""
    return Picture(url, preview, row.description, row.kind, row.width, row.height)


def _web_address(address: str | None) -> str | None:
    return address if address and address.startswith(("https://", "http://")) else None
