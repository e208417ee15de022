"""`python -m benchmarks.full_queue [--engine postgresql] [--queued N]`: does a full delivery queue slow a post?

Two nodes in this process, the same but for what waits for delivery: nothing at one, N deliveries at the other, for peers
that are away. Both publish the same posts for the same twenty peers, in turns of twenty, so that whatever else the machine
does meets both. Then what the worker does once a second, once a window and once a minute.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text, update

import migrations
from activitypub import parse
from benchmarks import databases
from node import accounts, config, posts, social, viewer
from node.assembly import open_node
from node.federation import delivery, leases
from node.runtime import Node, Tx
from node.schema import activity, peer
from node.schema import delivery as delivery_table
from node.secrets import create_secret
from node.viewer import Viewer
from tests.support import postgres
from tests.support.actors import actor_document

PEERS = 20
TURNS, AT_A_TURN = 20, 20


@dataclass
class Side:
    """One of the two nodes, and how long each of its posts took (ms)."""

    name: str
    node: Node
    author: Viewer
    took: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_queue", description=__doc__)
    databases.add_engine(parser)
    parser.add_argument("--queued", type=int, default=100_000)
    options = parser.parse_args()
    with databases.server(options.engine) as cluster, tempfile.TemporaryDirectory(prefix="corridor-bench-") as folder:
        asyncio.run(_measure(Path(folder), cluster, options.queued))


async def _measure(folder: Path, cluster: postgres.Cluster | None, queued: int) -> None:
    homes = [folder / name for name in ("empty", "full")]
    empty, full = [await _side(home, home.name, databases.make(cluster, home)) for home in homes]
    await full.node.write(_fill, full.author, queued)
    for side in (empty, full):
        await side.node.write(lambda tx: tx.execute(text("ANALYZE")))
        await _publish(side, AT_A_TURN)
        side.took.clear()
    ratios = []
    for turn in range(TURNS):
        for side in (empty, full) if turn % 2 else (full, empty):
            await _publish(side, AT_A_TURN)
        ratios.append(statistics.median(full.took[-AT_A_TURN:]) / statistics.median(empty.took[-AT_A_TURN:]))
    for side in (empty, full):
        low, median, high = statistics.quantiles(side.took, n=4)
        print(f"{side.name}: a post {median:.2f} ms (quartiles {low:.2f} to {high:.2f})")
    quartiles = statistics.quantiles(ratios, n=4)
    print(f"full to empty, turn by turn: {quartiles[1]:.3f} (quartiles {quartiles[0]:.3f} to {quartiles[2]:.3f})")
    for name, rule in _chores():
        print(f"{name}: empty {await _timed(empty.node, rule):.2f} ms, full {await _timed(full.node, rule):.2f} ms")
    for side in (empty, full):
        side.node.close()


def _chores() -> list[tuple[str, Callable[[Tx], Any]]]:
    def a_window(tx: Tx) -> None:
        for held in leases.lease(tx, 1):
            leases.record(tx, held, leases.Outcome(), 0)

    return [
        ("is something due (once a second)", leases.is_due),
        ("a window leased and given back", a_window),
        ("what is too old (once a minute)", delivery.expire),
        ("what nobody waits for (once a minute)", lambda tx: delivery.prune(tx, before=0)),
    ]


async def _timed(node: Node, rule: Callable[[Tx], Any]) -> float:
    took = []
    for _ in range(9):
        begun = time.perf_counter()
        await node.write(rule)
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)


async def _side(folder: Path, name: str, url: str) -> Side:
    create_secret(folder)
    raw = {
        "node": {"domain": "bench.example", "department": "Bench"},
        "database": {"url": url},
        "federation": {"mode": "open"},
    }
    settings = config.parse(raw, home=folder)
    migrations.upgrade(settings)
    node = open_node(settings)
    await node.write(accounts.create_node_actor)
    new = accounts.NewAccount(username="anna", email="anna@bench.example", password_hash="x")
    author = viewer.person(await node.write(accounts.create, new), roles=frozenset(), scopes=frozenset({"write"}))
    for number in range(PEERS):
        domain = f"peer{number}.example"
        found = parse.actor(actor_document("bert", domain=domain))
        follower = await node.write(accounts.store_remote, found, domain=domain)
        await node.write(social.record_follow, follower, author.account_id or 0)
    return Side(name, node, author, [])


async def _publish(side: Side, number: int) -> None:
    for _ in range(number):
        begun = time.perf_counter()
        await side.node.write_as(side.author, posts.publish, posts.Draft("The pump leaks again #pump"))
        side.took.append((time.perf_counter() - begun) * 1000)


def _fill(tx: Tx, author: Viewer, queued: int) -> None:
    """As many deliveries, to twenty peers that have been away for an hour and are not to be tried now."""
    ids = [tx.new_id() for _ in range(queued // PEERS)]
    known = tx.scalars(peer.select().with_only_columns(peer.c.id)) or _peers(tx)
    for at in range(0, len(ids), 500):
        chunk = ids[at : at + 500]
        tx.execute(insert(activity), [_activity(tx, author, id_) for id_ in chunk])
        rows = [_delivery(tx, id_, number, peer_id) for id_ in chunk for number, peer_id in enumerate(known)]
        tx.execute(insert(delivery_table), rows)
    away = {"failures": 9, "failing_since": tx.now, "next_attempt_at": tx.now + 3_600_000}
    tx.execute(update(peer).values(**away))


def _peers(tx: Tx) -> list[int]:
    rows = [{"domain": f"peer{number}.example", "created_at": tx.now} for number in range(PEERS)]
    tx.execute(insert(peer), rows)
    return tx.scalars(peer.select().with_only_columns(peer.c.id))


def _activity(tx: Tx, author: Viewer, id_: int) -> dict[str, Any]:
    iri = f"https://bench.example/users/anna/statuses/{id_}"
    about = {"actor_id": author.account_id, "kind": "Create", "object_iri": iri, "body": b"x" * 1500}
    return {"id": id_, "iri": f"{iri}/activity", "created_at": tx.now, **about}


def _delivery(tx: Tx, activity_id: int, number: int, peer_id: int) -> dict[str, Any]:
    return {
        "activity_id": activity_id,
        "peer_id": peer_id,
        "inbox": f"https://peer{number}.example/inbox",
        "ordering_key": str(activity_id),
        "next_at": tx.now,
        "expires_at": tx.now + 7 * 86_400_000,
    }


if __name__ == "__main__":
    main()
