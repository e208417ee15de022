"""What actors say about themselves: changes of the profile, the end of the account, a move."""

import contextlib
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from activitypub import authority, parse
from activitypub.documents import Actor
from activitypub.errors import Refused
from activitypub.vocabulary import host
from node import accounts, groups, social
from node.errors import Forbidden, NotFound
from node.federation import certified, emoji
from node.federation.inbound import Inbound
from node.ids import AccountId
from node.runtime import Tx
from node.schema import account, follow, meta
from node.viewer import person, remote

MOVE_JOB = "move"
MOVE_PAUSE_MS = 7 * 86_400_000
"""How long an account that has moved must stay where it is (protocol R55)."""

_BY_IRI = select(account.c.id, account.c.domain, account.c.gone_at).where(account.c.iri == bindparam("iri"))
_FOLLOWED_HERE = select(follow.c.target_id).where(follow.c.follower_id == bindparam("follower_id"))
_LOCAL_FOLLOWERS = (
    select(follow.c.follower_id)
    .join(account, account.c.id == follow.c.follower_id)
    .where(follow.c.target_id == bindparam("of"), account.c.domain.is_(None), follow.c.state == "accepted")
    .order_by(follow.c.id)
    .limit(bindparam("limit"))
)


def store(tx: Tx, actor: Actor, *, domain: str | None = None) -> AccountId:
    """Keep what an actor's own document says. The domain of a handle that was verified once stays; or it is `domain`.

    Raises Refused for what the roster does not let us believe, Unknown for the node's actor if that must be read first.
    """
    actor = certified.believed(tx, actor)
    if domain is None:
        known = tx.first(_BY_IRI, {"iri": actor.iri})
        domain = (known.domain if known is not None else None) or host(actor.iri)
    account_id = accounts.store_remote(tx, actor, domain=domain)
    if actor.emojis:
        emoji.learn(tx, domain, actor.iri, actor.emojis)
    if actor.type == "Group":
        groups.remember(tx, account_id, actor.moderators)
    return account_id


def on_update(tx: Tx, inbound: Inbound) -> None:
    """A profile, or its keys, changed (R28). Of strangers it is dropped: nobody here shows them."""
    accounts.acting(tx, inbound.actor_iri)
    doc = authority.vouched(inbound.activity)
    if doc is None:
        raise Refused("an update of an actor that is not sent along")
    store(tx, parse.actor(doc))


def on_delete(tx: Tx, inbound: Inbound) -> None:
    """The account is deleted by its owner, and with it everything it wrote (R43: actor and object are the same)."""
    gone(tx, inbound.actor_iri)


def gone(tx: Tx, iri: str) -> None:
    """The remote account does not exist any more. Does nothing for one that is not stored, or known to be gone."""
    row = tx.first(_BY_IRI, {"iri": iri})
    if row is None or row.gone_at is not None or row.domain is None:
        return
    tx.viewer = remote(row.id, row.domain)
    accounts.delete_account(tx, row.id)


def missing(tx: Tx, account_id: int) -> None:
    """The account's address knows nothing of it: it follows nobody here any more. What it wrote stays."""
    for target_id in tx.scalars(_FOLLOWED_HERE, {"follower_id": account_id}):
        social.record_unfollow(tx, account_id, target_id)


# --- Move ---------------------------------------------------------------------------------------------------------


def on_move(tx: Tx, inbound: Inbound) -> None:
    """A job looks at the new account afresh (R55); nothing is believed of what is sent along."""
    mover = accounts.acting(tx, inbound.actor_iri)
    target = inbound.activity.target
    if target is None:
        raise Refused("a move to nowhere")
    if tx.first(_LOCAL_FOLLOWERS, {"of": mover.id, "limit": 1}) is None:
        return
    moved_at = tx.scalar(select(meta.c.value).where(meta.c.key == _moved_key(mover)))
    if moved_at is not None and int(moved_at) > tx.now - MOVE_PAUSE_MS and mover.moved_to_iri != target:
        raise Refused("it has moved only just now")
    tx.enqueue(MOVE_JOB, {"from": mover.iri, "to": target}, dedupe=f"move:{mover.id}")


def moved(tx: Tx, mover_iri: str, target: Actor) -> None:
    """Store a move whose target was fetched just now. Raises Refused unless the target names the old account."""
    mover = accounts.acting(tx, mover_iri)
    authority.may_move(mover.iri, target)
    if target.moved_to is not None:
        raise Refused("the new account has moved on itself")
    tx.execute(update(account).where(account.c.id == mover.id).values(moved_to_iri=target.iri, rev=account.c.rev + 1))
    tx.execute(meta.delete().where(meta.c.key == _moved_key(mover)))
    tx.execute(meta.insert().values(key=_moved_key(mover), value=str(tx.now)))


def follow_along(tx: Tx, mover_iri: str, target_iri: str, limit: int = 25) -> int:
    """Let some of the local followers follow the new account instead; answers how many. Call it until it answers 0."""
    mover, target = accounts.known(tx, mover_iri), accounts.known(tx, target_iri)
    followers = tx.scalars(_LOCAL_FOLLOWERS, {"of": mover.id, "limit": limit})
    system = tx.viewer
    for follower_id in followers:
        tx.viewer = person(follower_id)
        with contextlib.suppress(Forbidden, NotFound):  # blocked, or the person themself
            social.follow(tx, target.id)
        social.unfollow(tx, mover.id)
    tx.viewer = system
    return len(followers)


def _moved_key(mover: Row[Any]) -> str:
    return f"moved:{mover.id}"
