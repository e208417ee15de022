"""What was taken back: deletions and undone boosts, kept for a while for peers that lose them with a backup.

A peer that was brought back has copies again of what is gone; nobody else can tell it, since of narrow posts nothing is
left but this. `missed` hands it on.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, select

from activitypub.audience import Visibility
from node.federation import peers, spread
from node.federation.delivery import Target
from node.ids import floor_id
from node.runtime import Tx
from node.schema import retraction
from node.schema.meta import Id

KEPT_DAYS = 90

_INSERT = retraction.insert()
_OLD = (
    select(retraction.c.id)
    .where(retraction.c.id < bindparam("first", type_=Id))
    .order_by(retraction.c.id)
    .limit(bindparam("limit"))
)
_DROP = delete(retraction).where(retraction.c.id.in_(_OLD))


def keep(tx: Tx, doc: Mapping[str, Any], to: Sequence[Target], visibility: int, *, told_all: bool = True) -> None:
    """Remember a Delete or Undo by whom it was sent to. One row where every chosen peer was told, which costs the least.

    `told_all` is False if some of them had not heard of the post and so were left out.
    """
    body = msgspec.json.encode(doc)
    if told_all and visibility <= Visibility.UNLISTED and spread.everyone(tx).whole:
        tx.execute(_INSERT, {"id": tx.new_id(), "peer_id": None, "body": body})
        return
    told = sorted(peers.ids(tx, {one.domain for one in to}, draining=True).values())
    if told:
        tx.execute(_INSERT, [{"id": tx.new_id(), "peer_id": peer_id, "body": body} for peer_id in told])


def prune(tx: Tx, *, before: int, limit: int) -> int:
    """Forget what was taken back before `before` (ms); answers how many."""
    return tx.execute(_DROP, {"first": floor_id(before), "limit": limit}).rowcount
