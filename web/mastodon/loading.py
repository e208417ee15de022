"""What rendering needs from the database: a fixed number of statements, however many posts.

A `Face` is what may change without `post.rev`: counts, what it answers, its author's revision. The rest is read only for
posts that are not rendered yet. Who may see the posts was asked by whoever chose their ids.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    CompoundSelect,
    Row,
    Select,
    Table,
    literal_column,
    select,
    union_all,
)

from node import media
from node.db import among
from node.runtime import Tx
from node.schema import (
    account,
    bookmark,
    conversation_mute,
    favourite,
    mention,
    oauth_app,
    pin,
    poll,
    poll_vote,
    post,
    post_tag,
    quote,
    tag,
)

Marks = dict[tuple[int, int], int]
"""(account id, post id) -> bits of what that person did with that post."""
FAVOURITED, BOOSTED, BOOKMARKED, PINNED, MUTED = 1, 2, 4, 8, 16

_MANAGER = account.alias("manager")


class Face(NamedTuple):
    """What is read of every post each time. A tuple of its own: rows of the database answer attributes slowly."""

    id: int
    rev: int
    author_id: int
    author_rev: int
    boost_of_id: int | None
    in_reply_to_id: int | None
    in_reply_to_account_id: int | None
    replies_count: int
    boosts_count: int
    favourites_count: int
    object_type: str
    reactions_count: int
    visibility: int
    local: bool
    quotes_count: int
    quote_policy: int | None
    quote_state: str | None
    quoted_id: int | None


_FACES = (
    select(
        post.c.id,
        post.c.rev,
        post.c.author_id,
        account.c.rev.label("author_rev"),
        post.c.boost_of_id,
        post.c.in_reply_to_id,
        post.c.in_reply_to_account_id,
        post.c.replies_count,
        post.c.boosts_count,
        post.c.favourites_count,
        post.c.object_type,
        post.c.reactions_count,
        post.c.visibility,
        post.c.local,
        post.c.quotes_count,
        post.c.quote_policy,
        quote.c.state.label("quote_state"),
        quote.c.quoted_id,
    )
    .join(account, account.c.id == post.c.author_id)
    .outerjoin(quote, quote.c.post_id == post.c.id)
    .where(among(post.c.id, "ids"))
)
_POSTS = (
    select(
        post.c.id,
        post.c.rev,
        post.c.iri,
        post.c.url,
        post.c.created_at,
        post.c.edited_at,
        post.c.content,
        post.c.spoiler,
        post.c.sensitive,
        post.c.language,
        post.c.visibility,
        post.c.local_only,
        oauth_app.c.name.label("app_name"),
        oauth_app.c.website.label("app_website"),
    )
    .join_from(post, oauth_app, oauth_app.c.id == post.c.app_id, isouter=True)
    .where(among(post.c.id, "ids"))
)
_MENTIONS = (
    select(mention.c.post_id, account.c.id, account.c.username, account.c.domain, account.c.url)
    .join(account, account.c.id == mention.c.account_id)
    .where(among(mention.c.post_id, "ids"), account.c.gone_at.is_(None))
    .order_by(account.c.id)
)
_TAGS = (
    select(post_tag.c.post_id, tag.c.name)
    .join(tag, tag.c.id == post_tag.c.tag_id)
    .where(among(post_tag.c.post_id, "ids"))
    .order_by(tag.c.id)
)
_POLLS = select(poll).where(among(poll.c.post_id, "ids"))
_VOTES = (
    select(poll_vote.c.account_id, poll_vote.c.poll_id, poll_vote.c.choice)
    .where(among(poll_vote.c.account_id, "who"), among(poll_vote.c.poll_id, "ids"))
    .order_by(poll_vote.c.choice)
)
_ACCOUNT_REVISIONS = select(account.c.id, account.c.rev).where(among(account.c.id, "ids"), account.c.gone_at.is_(None))
_ACCOUNTS = (
    select(account, _MANAGER.c.username.label("manager_username"), _MANAGER.c.domain.label("manager_domain"))
    .join_from(account, _MANAGER, _MANAGER.c.iri == account.c.manager_iri, isouter=True)
    .where(among(account.c.id, "ids"))
)
_ACCOUNTS_AT = (
    select(account, _MANAGER.c.username.label("manager_username"), _MANAGER.c.domain.label("manager_domain"))
    .join_from(account, _MANAGER, _MANAGER.c.iri == account.c.manager_iri, isouter=True)
    .where(among(account.c.iri, "ids"), account.c.gone_at.is_(None), account.c.suspended_at.is_(None))
)


def _family(bit: int, table: Table) -> Select[Any]:
    return select(literal_column(str(bit)).label("bit"), table.c.account_id, table.c.post_id).where(
        among(table.c.account_id, "who"), among(table.c.post_id, "ids")
    )


_MARKS: CompoundSelect[Any] = union_all(
    _family(FAVOURITED, favourite),
    select(literal_column(str(BOOSTED)), post.c.author_id, post.c.boost_of_id).where(
        among(post.c.boost_of_id, "ids"), among(post.c.author_id, "who")
    ),
    _family(BOOKMARKED, bookmark),
    _family(PINNED, pin),
    select(literal_column(str(MUTED)), conversation_mute.c.account_id, post.c.id)
    .join_from(post, conversation_mute, conversation_mute.c.conversation_id == post.c.conversation_id)
    .where(among(post.c.id, "ids"), among(conversation_mute.c.account_id, "who")),
)


def faces(tx: Tx, ids: Sequence[int]) -> dict[int, Face]:
    """The faces of these posts, and of those that they boost."""
    if not ids:
        return {}
    found = {row[0]: Face._make(row) for row in tx.rows(_FACES, {"ids": ids})}
    boosted = [face.boost_of_id for face in found.values() if face.boost_of_id is not None]
    missing = [id_ for id_ in boosted if id_ not in found]
    if missing:
        found.update((row[0], Face._make(row)) for row in tx.rows(_FACES, {"ids": missing}))
    return found


def posts(tx: Tx, ids: Sequence[int]) -> Sequence[Row[Any]]:
    return tx.rows(_POSTS, {"ids": ids})


def attachments(tx: Tx, ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    return media.of_posts(tx, ids)


def mentions(tx: Tx, ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    """Rows (id, username, domain, url) of accounts, by post."""
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in tx.rows(_MENTIONS, {"ids": ids}):
        found[row.post_id].append(row)
    return found


def tags(tx: Tx, ids: Sequence[int]) -> dict[int, list[str]]:
    """Normalised names, by post."""
    found: dict[int, list[str]] = defaultdict(list)
    for row in tx.rows(_TAGS, {"ids": ids}):
        found[row.post_id].append(row.name)
    return found


def polls(tx: Tx, ids: Sequence[int]) -> dict[int, Row[Any]]:
    """By post; ids of posts without one are passed over."""
    return {row.post_id: row for row in tx.rows(_POLLS, {"ids": ids})} if ids else {}


def votes(tx: Tx, who: Sequence[int], poll_ids: Sequence[int]) -> dict[tuple[int, int], list[int]]:
    """(account id, poll id) -> choices."""
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    if who and poll_ids:
        for row in tx.rows(_VOTES, {"who": who, "ids": poll_ids}):
            found[row.account_id, row.poll_id].append(row.choice)
    return found


def marks(tx: Tx, who: Sequence[int], post_ids: Sequence[int]) -> Marks:
    """What these people did with these posts, all families in one statement."""
    found: Marks = {}
    if who and post_ids:
        for row in tx.rows(_MARKS, {"who": who, "ids": post_ids}):
            key = (row.account_id, row.post_id)
            found[key] = found.get(key, 0) | row.bit
    return found


def account_revisions(tx: Tx, ids: Sequence[int]) -> dict[int, int]:
    """Of those accounts that are not gone."""
    return {row.id: row.rev for row in tx.rows(_ACCOUNT_REVISIONS, {"ids": ids})} if ids else {}


def accounts(tx: Tx, ids: Sequence[int]) -> Sequence[Row[Any]]:
    """Whole rows, with `manager_username` and `manager_domain`."""
    return tx.rows(_ACCOUNTS, {"ids": ids})


def accounts_at(tx: Tx, iris: Iterable[str]) -> dict[str, Row[Any]]:
    """The same by IRI, without those that are gone or suspended."""
    wanted = sorted(set(iris))
    return {row.iri: row for row in tx.rows(_ACCOUNTS_AT, {"ids": wanted})} if wanted else {}
