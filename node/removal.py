"""What is left of a deleted account: its posts and reactions, taken out in small steps.

`accounts.delete_account` has put them out of sight already; this is the work of the job `accounts.PURGE_JOB`.
"""

from sqlalchemy import bindparam, delete, select, update

from node import attending, deletion, reacting
from node.runtime import Tx
from node.schema import bookmark, favourite, featured_tag, idempotency, pin, post, reaction
from node.schema.meta import Id

POSTS = 20
FAVOURITES = 200

_OF = bindparam("of", type_=Id)
_POSTS = select(post.c.iri).where(post.c.author_id == _OF).order_by(post.c.id.desc()).limit(POSTS)
_FAVOURITES = (
    select(favourite.c.id, favourite.c.post_id)
    .where(favourite.c.account_id == _OF)
    .order_by(favourite.c.post_id)
    .limit(FAVOURITES)
)
_REACTIONS = select(reaction.c.post_id, reaction.c.name).where(reaction.c.account_id == _OF).limit(FAVOURITES)
_UNFAVOURITE = delete(favourite).where(favourite.c.id == bindparam("favourite", type_=Id))
_UNCOUNT = (
    update(post)
    .where(post.c.id == bindparam("favoured", type_=Id), post.c.favourites_count > 0)
    .values(favourites_count=post.c.favourites_count - 1)
)
_REST = tuple(delete(table).where(table.c.account_id == _OF) for table in (bookmark, pin, idempotency, featured_tag))


def purge(tx: Tx, account_id: int) -> bool:
    """One step, short enough for the writer. True if there is more to do: call it again in a new transaction."""
    return _posts(tx, account_id) or _favourites(tx, account_id) or _reactions(tx, account_id) or _rest(tx, account_id)


def _posts(tx: Tx, account_id: int) -> bool:
    iris = tx.scalars(_POSTS, {"of": account_id})
    for iri in iris:
        row = deletion.found(tx, iri)
        if row is not None:
            deletion.remove(tx, row)
    return bool(iris)


def _favourites(tx: Tx, account_id: int) -> bool:
    rows = tx.rows(_FAVOURITES, {"of": account_id})
    if not rows:
        return False
    tx.execute(_UNCOUNT, [{"favoured": row.post_id} for row in rows])
    tx.execute(_UNFAVOURITE, [{"favourite": row.id} for row in rows])
    return True


def _reactions(tx: Tx, account_id: int) -> bool:
    rows = tx.rows(_REACTIONS, {"of": account_id})
    for row in rows:
        reacting.remove(tx, account_id, row.post_id, row.name)
    return bool(rows)


def _rest(tx: Tx, account_id: int) -> bool:
    attending.forget(tx, account_id)
    for statement in _REST:
        tx.execute(statement, {"of": account_id})
    return False
