"""Reactions: an emoji under a post, of Unicode or the node's own; several people share one, and one may leave several.

A reaction is known by its name: the emoji itself, or of a custom one `:shortcode:`, with `@domain` before the last colon if
it is a peer's. What people of peers send and this node cannot show becomes a favourite, which is what other servers make of
a reaction as well.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, bindparam, delete, func, select, update

from node import db, emoji, notifications, posts, reactions
from node.accounts.lookup import me, storable
from node.copies import seen_by
from node.errors import Invalid
from node.ids import PostId
from node.pictographs import one_emoji
from node.runtime import Tx
from node.schema import account, post, reaction
from node.schema import emoji as emoji_table
from node.schema.meta import Id
from node.viewer import remote

KIND = "reaction"
"""Of the notification: one for each (who reacted, post)."""
MOST = 20
"""Different reactions of one person to one post."""
NAME_LENGTH = 255

_R = reaction.c
_OF, _WHO = bindparam("of", type_=Id), bindparam("who", type_=Id)
_MINE = (_R.post_id == _OF, _R.account_id == _WHO)
_ONE = select(_R.id).where(*_MINE, _R.name == bindparam("named"))
_NUMBER = select(func.count()).select_from(reaction).where(*_MINE)
_REMOVE = delete(reaction).where(_R.id == _OF)
_COUNT = (
    update(post).where(post.c.id == _OF).values(reactions_count=post.c.reactions_count + bindparam("delta", type_=Id))
)
_POST = select(post.c.author_id).where(post.c.id == _OF)
_BY_IRI = (
    select(_R.post_id, _R.name, account.c.id.label("account_id"), account.c.iri.label("doer_iri"))
    .join(account, account.c.id == _R.account_id)
    .where(_R.iri == bindparam("iri"))
)
_BOOSTED = select(post.c.boost_of_id).where(post.c.id == _OF)
_SHOWABLE = (_R.emoji_id.is_(None)) | (emoji_table.c.disabled_at.is_(None))
_NUMBERS = (
    select(
        _R.post_id,
        _R.name,
        _R.emoji_id,
        func.count().label("number"),
        func.min(_R.id).label("first"),
    )
    .join_from(reaction, emoji_table, emoji_table.c.id == _R.emoji_id, isouter=True)
    .where(db.among(_R.post_id, "ids"), _SHOWABLE)
    .group_by(_R.post_id, _R.name, _R.emoji_id)
    .order_by(func.min(_R.id))
)
_BY_THEM = select(_R.account_id, _R.post_id, _R.name).where(db.among(_R.account_id, "who"), db.among(_R.post_id, "ids"))
_PEOPLE = (
    select(_R.name, _R.account_id)
    .join(account, account.c.id == _R.account_id)
    .where(_R.post_id == _OF, account.c.suspended_at.is_(None))
    .order_by(_R.id)
    .limit(bindparam("limit", type_=Id))
)
_LAST = select(_R.account_id, _R.post_id, _R.name, _R.emoji_id).where(
    db.among(_R.account_id, "who"), db.among(_R.post_id, "ids")
)


class Chosen(NamedTuple):
    """An emoji to react with."""

    name: str
    emoji_id: int | None = None


# --- by people of this node


def react(tx: Tx, post_id: int, written: str) -> PostId:
    """React to a post that may be seen, with an emoji, or the shortcode of one of this node or of a peer's.

    Idempotent. NotFound for the post, Invalid for what is no emoji, for one too many.
    """
    who = me(tx)
    row = _target(tx, post_id)
    reaction_id = _add(tx, who, row, chosen(tx, written), None)
    if reaction_id is not None:
        tx.outgoing.reacted(tx, reaction_id)
    return PostId(row.id)


def unreact(tx: Tx, post_id: int, written: str) -> PostId:
    """Take a reaction back, also from a post that may not be seen any more, and one with an emoji disabled since."""
    original = tx.scalar(_BOOSTED, {"of": post_id}) or post_id
    for name in spellings(written):
        reaction_id = tx.scalar(_ONE, {"of": original, "who": me(tx), "named": name})
        if reaction_id is not None:
            tx.outgoing.unreacted(tx, reaction_id)
            remove(tx, me(tx), original, name)
            return PostId(original)
    return PostId(_target(tx, post_id).id)


def chosen(tx: Tx, written: str) -> Chosen:
    """What somebody wrote, as clients do: an emoji, `shortcode`, `:shortcode:` or `shortcode@domain`. Raises Invalid."""
    picture = one_emoji(written)
    if picture is not None:
        return Chosen(picture)
    shortcode, _, domain = written.strip(":").partition("@")
    may_be = len(written) <= NAME_LENGTH and storable(written)
    row = emoji.by_name(tx, shortcode, domain.casefold()) if may_be else None
    if row is None:
        raise Invalid("Validation failed: Name is not a recognized emoji")
    return custom(row)


def custom(row: Row[Any]) -> Chosen:
    """For a row of `emoji`. Invalid for a name that is too long to be kept."""
    name = f":{row.shortcode}@{row.domain}:" if row.domain else f":{row.shortcode}:"
    if len(name) > NAME_LENGTH:
        raise Invalid("Validation failed: Name is too long")
    return Chosen(name, row.id)


def spellings(written: str) -> list[str]:
    """Names of reactions that somebody may mean by it, whether there are such emoji or not."""
    if not storable(written):
        return []
    picture = one_emoji(written)
    shortcode, at, domain = written.strip(":").partition("@")
    return [f":{shortcode}{at}{domain.casefold()}:"] if picture is None else [picture]


# --- by people of peers


def record(tx: Tx, account_id: int, domain: str, post_id: int, wanted: Chosen | None, iri: str | None) -> bool:
    """A peer's person reacts; with nothing that is shown here (None), or with one too many, it is a favourite.

    False if it was recorded before, or they may not see the post (R46).
    """
    row = seen_by(tx, remote(account_id, domain), post_id)
    if row is None or row.boost_of_id is not None:
        return False
    if wanted is None or (_has_room(tx, account_id, row.id, wanted.name) is False):
        return reactions.record_favourite(tx, account_id, post_id, iri)
    return _add(tx, account_id, row, wanted, iri) is not None


def remove(tx: Tx, account_id: int, post_id: int, name: str) -> bool:
    """Forget a reaction, whosever it is; False if there is none. Peers are not told."""
    reaction_id = tx.scalar(_ONE, {"of": post_id, "who": account_id, "named": name})
    if reaction_id is None:
        return False
    tx.execute(_REMOVE, {"of": reaction_id})
    tx.execute(_COUNT, {"of": post_id, "delta": -1})
    if tx.scalar(_NUMBER, {"of": post_id, "who": account_id}) == 0:
        notifications.withdraw(tx, tx.scalar(_POST, {"of": post_id}), KIND, account_id, post_id=post_id)
    return True


def by_iri(tx: Tx, iri: str) -> Row[Any] | None:
    """(post_id, name, account_id, doer_iri) of the reaction with this activity id."""
    return tx.first(_BY_IRI, {"iri": iri})


# --- reading


def numbers(tx: Tx, post_ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    """Rows (name, emoji_id, number) by post, the first that was left first; nothing with an emoji that is disabled."""
    found: dict[int, list[Row[Any]]] = {}
    for row in tx.rows(_NUMBERS, {"ids": post_ids}) if post_ids else ():
        found.setdefault(row.post_id, []).append(row)
    return found


def by_them(tx: Tx, who: Sequence[int], post_ids: Sequence[int]) -> set[tuple[int, int, str]]:
    """(account id, post id, name) of what these people left under these posts."""
    if not who or not post_ids:
        return set()
    return {tuple(row) for row in tx.rows(_BY_THEM, {"who": who, "ids": post_ids})}


def people(tx: Tx, post_id: int, limit: int = 400) -> tuple[PostId, dict[str, list[int]]]:
    """(the post itself, account ids by name of reaction). NotFound if it may not be seen."""
    row = _seen(tx, post_id)
    found: dict[str, list[int]] = {}
    for one in tx.rows(_PEOPLE, {"of": row.id, "limit": limit}):
        found.setdefault(one.name, []).append(one.account_id)
    return PostId(row.id), found


def last(tx: Tx, pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Chosen]:
    """What each of these (account id, post id) left last, for telling of it."""
    if not pairs:
        return {}
    asked = {"who": sorted({who for who, _ in pairs}), "ids": sorted({of for _, of in pairs})}
    rows = tx.rows(_LAST.order_by(_R.id), asked)
    return {(row.account_id, row.post_id): Chosen(row.name, row.emoji_id) for row in rows}


def _add(tx: Tx, account_id: int, row: Row[Any], wanted: Chosen, iri: str | None) -> int | None:
    """Id of the new reaction; None if there is one like it already. Invalid for one too many."""
    room = _has_room(tx, account_id, row.id, wanted.name)
    if room is None:
        return None
    if not room:
        raise Invalid("Validation failed: Maximum number of reactions reached")
    reaction_id = tx.new_id()
    values = {
        "id": reaction_id,
        "account_id": account_id,
        "post_id": row.id,
        "name": wanted.name,
        "emoji_id": wanted.emoji_id,
        "iri": iri,
        "created_at": tx.now,
    }
    # Ignores an IRI that another reaction has: a peer that uses one twice gets the first.
    if not tx.execute(db.insert_or_ignore(tx.dialect, reaction, ["iri"]), values).rowcount:
        return None
    tx.execute(_COUNT, {"of": row.id, "delta": 1})
    notifications.notify(tx, row.author_id, KIND, account_id, post_id=row.id)
    return reaction_id


def _has_room(tx: Tx, account_id: int, post_id: int, name: str) -> bool | None:
    """None if the person has left this one already."""
    asked = {"of": post_id, "who": account_id}
    if tx.scalar(_ONE, asked | {"named": name}) is not None:
        return None
    return bool(tx.scalar(_NUMBER, asked) < MOST)


def _target(tx: Tx, post_id: int) -> Row[Any]:
    me(tx)
    return _seen(tx, post_id)


def _seen(tx: Tx, post_id: int) -> Row[Any]:
    """The post, or what the boost boosts, if the viewer may see it."""
    row = posts.get(tx, post_id)
    return row if row.boost_of_id is None else posts.get(tx, row.boost_of_id)
