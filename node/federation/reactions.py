"""Favourites of peers' people, and undoing what is named by its id alone."""

from sqlalchemy import bindparam, select

from activitypub import authority, values
from activitypub.errors import Refused
from node import accounts, reactions
from node.errors import NotFound
from node.federation import follows, posts
from node.federation.inbound import Inbound
from node.runtime import Tx
from node.schema import account, favourite, post

_POST = select(post.c.id, post.c.boost_of_id).where(post.c.iri == bindparam("iri"))
_LIKE_BY_IRI = (
    select(favourite.c.post_id, account.c.iri.label("doer_iri"))
    .join(account, account.c.id == favourite.c.account_id)
    .where(favourite.c.iri == bindparam("iri"))
)


def on_like(tx: Tx, inbound: Inbound) -> None:
    """A favourite. Of a post that the sender may not see it is dropped, as if there were no such post (R46)."""
    fan = accounts.acting(tx, inbound.actor_iri)
    liked = tx.first(_POST, {"iri": inbound.object_iri})
    if liked is None:
        raise NotFound
    reactions.record_favourite(tx, fan.id, liked.id, inbound.activity.iri)


def on_undo_like(tx: Tx, inbound: Inbound) -> None:
    """By the id of the Like, or by what was liked: some servers give the id anew."""
    fan = accounts.acting(tx, inbound.actor_iri)
    if undo_by_iri(tx, fan.id, inbound):
        return
    liked = values.iri((inbound.activity.embedded or {}).get("object"))
    row = tx.first(_POST, {"iri": liked}) if liked is not None else None
    if row is not None:
        reactions.remove_favourite(tx, fan.id, row.id)


def undo_by_iri(tx: Tx, fan_id: int, inbound: Inbound) -> bool:
    """Undo the favourite whose Like is named. False if there is none."""
    stored = tx.first(_LIKE_BY_IRI, {"iri": inbound.activity.object})
    if stored is None:
        return False
    authority.may_undo(stored.doer_iri, inbound.actor_iri)
    return reactions.remove_favourite(tx, fan_id, stored.post_id)


def on_undo(tx: Tx, inbound: Inbound) -> None:
    """The original is named by its id alone, or is of a type we do not know: find out what it was."""
    if inbound.activity.object_type is not None:
        raise Refused(f"an undo of {inbound.activity.object_type[:50]}")
    fan, iri = accounts.acting(tx, inbound.actor_iri), inbound.object_iri
    if undo_by_iri(tx, fan.id, inbound):
        return
    follows.undo_by_iri(tx, inbound.actor_iri, iri) or posts.undo_by_iri(tx, inbound.actor_iri, iri)
