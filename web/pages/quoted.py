"""What a post quotes, shown under it: as far as the reader may see it, else in a few words why not."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from sqlalchemy import Row, select

from node import quotes
from node.db import among
from node.quotes import State
from node.runtime import Tx
from node.schema import post, quote
from web.pages import moments, people, pictured
from web.pages.moments import Moment
from web.pages.people import Face
from web.pages.pictured import Known

_QUOTES = select(quote.c.post_id, quote.c.state, quote.c.quoted_id).where(among(quote.c.post_id, "ids"))
_POSTS = select(post.c.id, post.c.author_id, post.c.content, post.c.spoiler, post.c.created_at).where(
    among(post.c.id, "ids")
)
_INLINE = re.compile(r'<p class="quote-inline">.*?</p>', re.DOTALL)
_WORDS = {
    State.PENDING: "",  # shown as the link that the text has
    State.REJECTED: "Its author did not agree to this quote.",
    State.REVOKED: "Its author no longer agrees to this quote.",
    State.DELETED: "The quoted post was deleted.",
}
_UNSEEN = "You cannot see the quoted post."


@dataclass(frozen=True, slots=True)
class Quoted:
    """The quoted post, or `words` in its place."""

    words: str = ""
    author: Face | None = None
    path: str = ""
    content: Markup | None = None
    warning: Markup | None = None
    sent: Moment | None = None


def of_posts(tx: Tx, ids: Sequence[int], linked: Callable[[str], Markup]) -> Mapping[int, Quoted]:
    """By post; posts that quote nothing, or nothing that was agreed to yet, are left out."""
    rows = tx.rows(_QUOTES, {"ids": ids}) if ids else []
    if not rows:
        return {}
    wanted = sorted({row.quoted_id for row in rows if row.state == State.ACCEPTED and row.quoted_id is not None})
    me = tx.viewer.account_id
    seen = quotes.seen(tx, wanted, [] if me is None else [me])
    shown = [id_ for id_ in wanted if (eyes := seen.get((me, id_))) is not None and not eyes.blocked]
    posts = {row.id: row for row in tx.rows(_POSTS, {"ids": shown})} if shown else {}
    faces = people.faces(tx, [row.author_id for row in posts.values()])
    emoji = pictured.of_posts(tx, posts.values())
    found = {row.post_id: _one(tx, row, posts, faces, emoji, linked) for row in rows}
    return {id_: one for id_, one in found.items() if one.author is not None or one.words}


def without_link(content: str) -> str:
    """A text without the link that stands for its quote."""
    return _INLINE.sub("", content)


def _one(
    tx: Tx,
    row: Row[Any],
    posts: Mapping[int, Row[Any]],
    faces: Mapping[int, Face],
    emoji: Mapping[int, Known],
    linked: Callable[[str], Markup],
) -> Quoted:
    if row.state != State.ACCEPTED:
        return Quoted(_WORDS.get(row.state, _UNSEEN))
    if row.quoted_id is None:
        return Quoted(_WORDS[State.DELETED])
    original = posts.get(row.quoted_id)
    if original is None:
        return Quoted(_UNSEEN)
    author, known = faces[original.author_id], emoji.get(original.id, {})
    return Quoted(
        author=author,
        path=f"{author.path}/{original.id}",
        content=pictured.drawn(linked(without_link(original.content)), known),
        warning=pictured.name(original.spoiler, known),
        sent=moments.moment(original.created_at, tx.now),
    )
