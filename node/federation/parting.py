"""What happens when a node is no longer on the roster: nothing more is sent to it, and follows from and to it end.

What its people wrote stays (or goes: `company.removed_content`). It is done by a job, in steps short enough for the
writer, and stops by itself when the node is back on the roster. Admission ends by itself, with the roster.
"""

from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, or_, select, update

from node import accounts, db, emoji, removal, social
from node.runtime import Tx
from node.schema import (
    account,
    delivery,
    favourite,
    follow,
    peer,
    peer_history,
    post,
    reaction,
    tag_subscriber,
    tag_subscription,
)

PART_JOB = "company.part"
"""Kind of the job; payload {"domain": str, "content": bool}. False for `content`: whatever the settings say, it stays."""

DELIVERIES = 500
FOLLOWS = 100
FACES = 100

_FREED = (
    update(peer)
    .where(peer.c.domain == bindparam("of"))
    .values(
        lease_token=peer.c.lease_token + 1,
        lease_until=None,
        failures=0,
        failing_since=None,
        next_attempt_at=None,
        ramp_from=None,
        last_error=None,
        certificate=None,
    )
)
_PEER = select(peer.c.id).where(peer.c.domain == bindparam("of"))
_WAITING = delete(delivery).where(
    delivery.c.id.in_(select(delivery.c.id).where(delivery.c.peer_id == bindparam("peer")).limit(DELIVERIES))
)
_THEIRS = tuple(
    delete(table).where(table.c.peer_id == bindparam("peer"))
    for table in (tag_subscriber, tag_subscription, peer_history)
)
_FOLLOWS = (
    select(follow.c.follower_id, follow.c.target_id)
    .join(account, or_(account.c.id == follow.c.follower_id, account.c.id == follow.c.target_id))
    .where(account.c.domain == bindparam("of"))
    .limit(FOLLOWS)
)
_AUTHOR = (
    select(account.c.id)
    .where(
        account.c.domain == bindparam("of"),
        or_(
            exists().where(post.c.author_id == account.c.id),
            exists().where(and_(favourite.c.account_id == account.c.id)),
            exists().where(and_(reaction.c.account_id == account.c.id)),
        ),
    )
    .limit(1)
)
_WITH_A_FACE = (
    select(account.c.id)
    .where(
        account.c.domain == bindparam("of"),
        or_(
            account.c.fetched_at.is_not(None), account.c.discoverable, account.c.display_name != ""
        ),  # an import fetches none
    )
    .order_by(account.c.id)
    .limit(FACES)
)
_FACELESS = (
    update(account)
    .where(db.among(account.c.id, "ids"))
    .values(
        display_name="",
        note="",
        fields=[],
        avatar=None,
        header=None,
        title=None,
        department=None,
        manager_iri=None,
        executive=False,
        away_until=None,
        discoverable=False,
        fetched_at=None,  # should the node come back, its people are read anew
        rev=account.c.rev + 1,
    )
)


def begin(tx: Tx, domain: str, *, content: bool) -> None:
    """The node is off the roster: whoever is sending to it is stopped at once, the rest is for the job."""
    tx.execute(_FREED, {"of": domain})
    tx.enqueue(PART_JOB, {"domain": domain, "content": content}, dedupe=f"{PART_JOB}:{domain}")
    tx.audit("peer.removed", domain)


def step(tx: Tx, domain: str, *, content: bool) -> bool:
    """A step; True if there is more to do: call it again in a new transaction. The roster must have been read anew."""
    if tx.node.company.admits(domain):
        return False  # it came back
    if _deliveries(tx, domain) or _follows(tx, domain):
        return True
    return content and tx.settings.company.removed_content == "remove" and _content(tx, domain)


def _deliveries(tx: Tx, domain: str) -> bool:
    peer_id = tx.scalar(_PEER, {"of": domain})
    if peer_id is None:
        return False
    for statement in _THEIRS:
        tx.execute(statement, {"peer": peer_id})
    return tx.execute(_WAITING, {"peer": peer_id}).rowcount > 0


def _follows(tx: Tx, domain: str) -> bool:
    rows: Any = tx.rows(_FOLLOWS, {"of": domain})
    for row in rows:
        social.record_unfollow(tx, row.follower_id, row.target_id)
    return bool(rows)


def _content(tx: Tx, domain: str) -> bool:
    account_id = tx.scalar(_AUTHOR, {"of": domain})
    if account_id is not None:
        removal.purge(tx, account_id)
        return True
    ids = tx.scalars(_WITH_A_FACE, {"of": domain})
    if ids:
        tx.execute(_FACELESS, {"ids": ids})
        accounts.index(tx, ids)
    return bool(ids) or emoji.depart(tx, domain)
