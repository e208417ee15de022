"""A peer's post that is for fewer people by an edit (R47): it goes from whoever may no longer have it.

Our own people cannot narrow a post, in the client API there is no way to say it; other software may. What is read goes by
`visibility` anyhow: timelines, search, threads, boosts, notifications. What remains is here: who is no longer called loses
the right that a mention gives, streams take the post away from whom it is gone for, and a copy that nobody here may see any
more is not kept.
"""

from typing import Any

from sqlalchemy import Row, Select, bindparam, delete, or_, select

from activitypub.audience import Visibility
from node import contents, db, deletion, tags
from node.ids import PostId
from node.runtime import Tx
from node.schema import account, follow, mention, post
from node.schema.meta import Id
from node.visibility import visible_to

NARROWED = "narrowed"
"""In the data of a `delete` event: the post is still there, for those who may see it (`streams`)."""

_OF = bindparam("of", type_=Id)
_UNCALL = delete(mention).where(mention.c.post_id == _OF, ~db.among(mention.c.account_id, "kept"))
_CALLED = select(mention.c.account_id).where(mention.c.post_id == _OF)


def _readers() -> Select[Any]:
    followers = (
        select(follow.c.follower_id)
        .join(post, post.c.author_id == follow.c.target_id)
        .where(post.c.id == _OF, follow.c.state == "accepted")
    )
    here = (account.c.domain.is_(None), account.c.gone_at.is_(None))
    people = or_(account.c.id.in_(_CALLED), account.c.id.in_(followers))
    return (
        select(account.c.id).join_from(account, post, post.c.id == _OF).where(*here, people, visible_to(account.c.id))
    )


_SOMEBODY = _readers().limit(1)


def took_effect(tx: Tx, row: Row[Any], mention_ids: list[int]) -> bool:
    """After the stored post, `row` before the edit, became narrower. False if the copy is gone.

    `mention_ids` are those whom it calls now.
    """
    before = contents.mentioned(tx, PostId(row.id))
    tag_names = tags.names_of(tx, PostId(row.id))
    tx.execute(_UNCALL, {"of": row.id, "kept": sorted(set(mention_ids))})
    if tx.first(_SOMEBODY, {"of": row.id}) is None:
        ended = deletion.found(tx, row.iri)
        if ended is not None:
            deletion.remove(tx, ended)
        return False
    tx.emit(
        "delete",
        post_id=row.id,
        account_id=row.author_id,
        data={
            "id": row.id,
            "author_id": row.author_id,
            "visibility": row.visibility,
            "local_only": False,
            "tags": tag_names,
            "mentions": before,
            NARROWED: True,
        },
    )
    return True


def is_narrower(row: Row[Any], visibility: Visibility) -> bool:
    """Listed or not is no matter of who may have it."""
    return visibility >= Visibility.FOLLOWERS and visibility > row.visibility
