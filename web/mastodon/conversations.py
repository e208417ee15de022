"""Conversation: rows of `direct_conversation` as JSON, for their owners."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row

from node.runtime import Tx
from web.mastodon import loading
from web.mastodon.entities import Renderer, array, own_filters


def rendered(
    renderer: Renderer, tx: Tx, rows: Sequence[Row[Any]], revisions: Mapping[int, int] | None = None
) -> list[bytes]:
    """One for each row, as the owner of the row sees it. A fixed number of statements, whatever the rows.

    `revisions` as of `Renderer.filter`; by default the viewer's.
    """
    who = sorted({row.account_id for row in rows})
    posts = renderer.load(tx, list({row.last_post_id for row in rows}), who)
    renderer.filter(tx, posts, own_filters(tx) if revisions is None else {one: revisions.get(one, 0) for one in who})
    marks = loading.marks(tx, who, posts.originals)
    people = renderer.accounts_by_id(tx, [one for row in rows for one in (*row.participants, row.account_id)])
    shown = []
    for row in rows:
        head = msgspec.json.encode({"id": str(row.id), "unread": row.unread})
        # Alone with oneself: clients want somebody there, as Mastodon has it.
        others = [people[one] for one in row.participants or [row.account_id] if one in people]
        last = b"null"
        if row.last_post_id in posts.faces:
            last = posts.status(row.last_post_id, row.account_id, marks)
        shown.append(b'%b,"accounts":%b,"last_status":%b}' % (head[:-1], array(others), last))
    return shown
