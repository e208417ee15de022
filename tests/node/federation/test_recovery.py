"""After a restore, peers' histories are asked for once, from a while before the backup on."""

import pytest
from sqlalchemy import insert

from node.federation import history, peers, recovery
from node.restoring import CATCH_UP_FROM
from node.runtime import Node
from node.schema import job, meta, peer, peer_history
from tests.support.rows import count_of, rows_of

TAKEN_AT = 1_789_900_000_000


@pytest.fixture(autouse=True)
async def known(node: Node) -> None:
    states = {"a.example": peers.ACTIVE, "b.example": peers.ACTIVE, "c.example": peers.BLOCKED, "d.example": peers.GONE}
    rows = [{"domain": domain, "state": state, "created_at": 1} for domain, state in states.items()]
    await node.write(lambda tx: tx.execute(insert(peer), rows))


async def restored(node: Node) -> None:
    row = {"key": CATCH_UP_FROM, "value": str(TAKEN_AT)}
    await node.write(lambda tx: tx.execute(insert(meta), row))


async def test_every_peer_is_asked_once_for_what_came_after_the_backup(node: Node) -> None:
    await restored(node)
    assert await node.write(recovery.catch_up) == 2
    asked = await rows_of(node, job, job.c.kind == history.READ_JOB)
    assert sorted(row.payload["peer"] for row in asked) == ["a.example", "b.example"]
    assert {row.until for row in await rows_of(node, peer_history)} == {TAKEN_AT - recovery.MARGIN_MS}
    assert await node.write(recovery.catch_up) == 0
    assert await count_of(node, job, job.c.kind == history.READ_JOB) == 2


async def test_a_history_that_was_read_before_is_read_again(node: Node) -> None:
    (first, *_) = await rows_of(node, peer, peer.c.domain == "a.example")
    done = {"peer_id": first.id, "done": True, "until": 1, "updated_at": 1}
    await node.write(lambda tx: tx.execute(insert(peer_history), done))
    await restored(node)
    await node.write(recovery.catch_up)
    (row,) = await rows_of(node, peer_history, peer_history.c.peer_id == first.id)
    assert (row.done, row.until) == (False, TAKEN_AT - recovery.MARGIN_MS)


async def test_a_node_that_was_not_restored_asks_nobody(node: Node) -> None:
    assert await node.write(recovery.catch_up) == 0
    assert await count_of(node, job, job.c.kind == history.READ_JOB) == 0
