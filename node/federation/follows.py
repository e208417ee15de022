"""Follow, its answers and its Undo; blocks."""

from typing import Any

from sqlalchemy import Row, bindparam, select

from activitypub import authority, values
from activitypub.errors import Refused
from activitypub.vocabulary import Iri
from node import accounts, social
from node.errors import NotFound
from node.federation import outgoing
from node.federation.inbound import Inbound
from node.runtime import Tx
from node.schema import account, block, follow

_FOLLOWER, _FOLLOWED = account.alias("follower"), account.alias("followed")
_FOLLOW_BY_IRI = (
    select(
        follow.c.follower_id,
        follow.c.target_id,
        _FOLLOWER.c.iri.label("follower_iri"),
        _FOLLOWER.c.domain.label("follower_domain"),
        _FOLLOWED.c.iri.label("followed_iri"),
    )
    .select_from(
        follow.join(_FOLLOWER, _FOLLOWER.c.id == follow.c.follower_id).join(
            _FOLLOWED, _FOLLOWED.c.id == follow.c.target_id
        )
    )
    .where(follow.c.iri == bindparam("iri"))
)
_BLOCK_BY_IRI = (
    select(block.c.account_id, block.c.target_id, account.c.iri.label("blocker_iri"))
    .join(account, account.c.id == block.c.account_id)
    .where(block.c.iri == bindparam("iri"))
)


def on_follow(tx: Tx, inbound: Inbound) -> None:
    """Record a follow of a local account; accept at once unless it is locked.

    ActivityPub §7.5. Idempotent: a repeated Follow is answered again, not stored twice.
    """
    followed = accounts.local_by_iri(tx, inbound.object_iri)
    follower = accounts.acting(tx, inbound.actor_iri)
    asked = {"id": inbound.iri, "type": "Follow", "actor": follower.iri, "object": followed.iri}
    if followed.actor_type == "Application" or social.blocks(tx, followed.id, follower.id):
        outgoing.answer_follow(tx, asked, followed_id=followed.id, follower_id=follower.id, accepted=False)
        return
    made = social.record_follow(tx, follower.id, followed.id, iri=inbound.iri)
    if not made.pending:
        outgoing.answer_follow(tx, asked, followed_id=followed.id, follower_id=follower.id, accepted=True)


def on_accept(tx: Tx, inbound: Inbound) -> None:
    """The one we asked to follow says yes. Only for a Follow that we sent, by its id and both its parties (R43)."""
    asked = _asked(tx, inbound)
    social.record_accept(tx, asked.follower_id, asked.target_id)


def on_reject(tx: Tx, inbound: Inbound) -> None:
    """No, or no longer."""
    asked = _asked(tx, inbound)
    social.record_reject(tx, asked.follower_id, asked.target_id)


def on_undo_follow(tx: Tx, inbound: Inbound) -> None:
    """By the id of the Follow, or by whom it was of: some servers give the id anew."""
    follower = accounts.acting(tx, inbound.actor_iri)
    stored = tx.first(_FOLLOW_BY_IRI, {"iri": inbound.activity.object})
    if stored is not None:
        authority.may_undo(stored.follower_iri, inbound.actor_iri)
        social.record_unfollow(tx, follower.id, stored.target_id)
        return
    followed = accounts.local_by_iri(tx, _object_of_original(inbound))
    social.record_unfollow(tx, follower.id, followed.id)


def on_block(tx: Tx, inbound: Inbound) -> None:
    """Somebody elsewhere blocks one of ours: follows end, and what they write is no longer shown to that person (R53)."""
    blocked = accounts.local_by_iri(tx, inbound.object_iri)
    blocker = accounts.acting(tx, inbound.actor_iri)
    social.record_block(tx, blocker.id, blocked.id, iri=inbound.activity.iri)


def on_undo_block(tx: Tx, inbound: Inbound) -> None:
    blocker = accounts.acting(tx, inbound.actor_iri)
    stored = tx.first(_BLOCK_BY_IRI, {"iri": inbound.activity.object})
    if stored is not None:
        authority.may_undo(stored.blocker_iri, inbound.actor_iri)
        social.record_unblock(tx, blocker.id, stored.target_id)
        return
    blocked = accounts.local_by_iri(tx, _object_of_original(inbound))
    social.record_unblock(tx, blocker.id, blocked.id)


def undo_by_iri(tx: Tx, actor_iri: str, iri: str) -> bool:
    """Undo a follow or block that is named by its id alone. False if there is none. Refused if it is somebody else's."""
    for statement, doer, by, undo in (
        (_FOLLOW_BY_IRI, "follower_iri", "follower_id", social.record_unfollow),
        (_BLOCK_BY_IRI, "blocker_iri", "account_id", social.record_unblock),
    ):
        stored = tx.first(statement, {"iri": iri})
        if stored is not None:
            authority.may_undo(getattr(stored, doer), Iri(actor_iri))
            undo(tx, getattr(stored, by), stored.target_id)
            return True
    return False


def _asked(tx: Tx, inbound: Inbound) -> Row[Any]:
    stored = tx.first(_FOLLOW_BY_IRI, {"iri": inbound.object_iri})
    if stored is None or stored.follower_domain is not None:
        raise NotFound("no such follow of ours")
    authority.may_answer(stored.followed_iri, inbound.actor_iri)
    embedded = inbound.activity.embedded or {}
    for name, expected in (("actor", stored.follower_iri), ("object", stored.followed_iri)):
        if embedded.get(name) is not None and values.iri(embedded[name]) != expected:
            raise Refused("an answer that names other parties than the follow has")
    return stored


def _object_of_original(inbound: Inbound) -> Iri:
    original = values.iri((inbound.activity.embedded or {}).get("object"))
    if original is None:
        raise Refused("an undo that does not say of what")
    return original
