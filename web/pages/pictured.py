"""Custom emoji as pictures in text and names, and the reactions under a post."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from markupsafe import Markup
from sqlalchemy import Row

from node import emoji, reacting
from node.runtime import Tx

# A tag of stored HTML, whose attributes are all in double quotes, and may hold `>`.
_TAG = re.compile(r'(<(?:[^<>"]|"[^"]*")*>)')

Known = Mapping[str, int]
"""shortcode -> id of the emoji."""


class Left(NamedTuple):
    """A reaction under a post. `picture` is the path of a custom emoji's; `name` is what one sends to leave the same."""

    name: str
    number: int
    mine: bool
    picture: str | None


def drawn(markup: str, known: Known) -> Markup:
    """HTML with pictures for the shortcodes in its text; what stands in tags is left alone."""
    if not known:
        return Markup(markup)
    parts = _TAG.split(markup)
    parts[::2] = [emoji.IN_TEXT.sub(lambda found: _picture(found, known), text) for text in parts[::2]]
    return Markup("".join(parts))


def name(written: str, known: Known) -> Markup:
    """The same for a name, a warning or an answer of a poll, which are no HTML."""
    return drawn(html.escape(written), known)


def path(emoji_id: int) -> str:
    return f"/emojis/{emoji_id}/image"


def of_posts(
    tx: Tx, rows: Iterable[Row[Any]], more: Mapping[int, Sequence[str]] = MappingProxyType({})
) -> dict[int, Known]:
    """By post, of what its text, its warning and `more` name; no statement where nothing looks like an emoji."""
    found = emoji.of_posts(tx, {row.id: emoji.codes(row.content, row.spoiler, *more.get(row.id, ())) for row in rows})
    return {post_id: {one.shortcode: one.id for one in some} for post_id, some in found.items()}


def of_names(tx: Tx, rows: Iterable[Row[Any]]) -> dict[int, Known]:
    """By account, for rows with id, domain and display_name."""
    named = {row.id: (row.domain or "", emoji.codes(row.display_name)) for row in rows}
    found = emoji.named(tx, named.values())
    return {
        id_: {code: found[domain, code].id for code in codes if (domain, code) in found}
        for id_, (domain, codes) in named.items()
    }


def reactions(tx: Tx, post_ids: Sequence[int]) -> dict[int, list[Left]]:
    """Under posts that are known to have some."""
    numbers = reacting.numbers(tx, post_ids)
    me = tx.viewer.account_id
    mine = reacting.by_them(tx, [] if me is None else [me], list(numbers))
    return {
        post_id: [
            Left(
                row.name,
                row.number,
                (me, post_id, row.name) in mine,
                None if row.emoji_id is None else path(row.emoji_id),
            )
            for row in rows
        ]
        for post_id, rows in numbers.items()
    }


def _picture(found: re.Match[str], known: Known) -> str:
    code = found[1]
    if code not in known:
        return found[0]
    return f'<img class="emoji" src="{path(known[code])}" alt=":{code}:" title=":{code}:" loading="lazy">'
