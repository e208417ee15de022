"""After a backup was brought back: what peers' people wrote since then is asked for again.

`corridor restore` leaves a mark in the database, which says as of when it is. Peers delivered what came later, and will not
do so again by themselves; asked, they say what it was (see `missed`). Follows that are known on one side only are mended
by followers synchronisation. Our people's posts that were due since then wait to be looked at (`scheduling.doubt`).
"""

import structlog
from sqlalchemy import delete, select

from node import scheduling
from node.federation import history, peers
from node.restoring import CATCH_UP_FROM, RESTORED_AT
from node.runtime import Tx
from node.schema import meta, peer

log = structlog.get_logger(__name__)

MARGIN_MS = 3_600_000
"""Clocks differ, and what was written just before the backup may have been on its way."""


def catch_up(tx: Tx) -> int:
    """Have what every peer sent since the backup read, if this database is one; answers of how many. Once."""
    mark = select(meta.c.value).where(meta.c.key == CATCH_UP_FROM)
    since = tx.scalar(mark)
    if since is None:
        return 0
    tx.execute(delete(meta).where(meta.c.key == CATCH_UP_FROM))
    restored_at = tx.scalar(select(meta.c.value).where(meta.c.key == RESTORED_AT))
    scheduling.doubt(tx, int(since), tx.now if restored_at is None else int(restored_at))
    domains = tx.scalars(select(peer.c.domain).where(peer.c.state == peers.ACTIVE).order_by(peer.c.domain))
    asked = [domain for domain in domains if peers.admits(tx.node, domain)]
    for domain in asked:
        history.want(tx, domain, int(since) - MARGIN_MS, missed=True)
    log.info("restored from a backup: peers' histories are read", peers=len(asked), since=int(since))
    return len(asked)
