"""`python -m benchmarks.bad_peers [--engine postgresql] [--pairs N] [--activities N]`: three bad peers among fifty.

One is dead, one hangs, one is slow.

One node, in this process, delivers to fifty peers that another process plays (benchmarks/playing.py). Runs with the three
and without them alternate; told are the CPU of the node for each delivery to the 47, and when the last of these arrived.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from sqlalchemy import delete, func, select, update

import migrations
from benchmarks import databases, playing
from benchmarks.playing import Played
from node import accounts, config, viewer
from node.assembly import open_network, open_node
from node.bell import DELIVERY
from node.federation import delivery
from node.federation.delivery import Target
from node.runtime import Node, Tx
from node.schema import activity, peer
from node.schema import delivery as delivery_table
from node.secrets import create_secret
from node.worker import Worker

GOOD = 47
LOOK_SECONDS, LOOKS = 0.1, 6000
"""Until the good peers have everything, ten minutes at the most."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bad_peers", description=__doc__)
    databases.add_engine(parser)
    parser.add_argument("--pairs", type=int, default=5, help="runs of either kind")
    parser.add_argument("--activities", type=int, default=20, help="for each peer and run")
    options = parser.parse_args()
    with databases.server(options.engine) as cluster, tempfile.TemporaryDirectory(prefix="corridor-bench-") as folder:
        url = databases.make(cluster, Path(folder, "node"))
        asyncio.run(_measure(Path(folder, "node"), url, options.pairs, options.activities))


async def _measure(home: Path, url: str, pairs: int, activities: int) -> None:
    async with playing.peers(GOOD, bad=True) as played:
        await _compare(home, url, played, pairs, activities)


async def _compare(home: Path, url: str, played: Played, pairs: int, activities: int) -> None:
    create_secret(home)
    federation = {"mode": "open", "allow_loopback": True, "timeout_seconds": 5.0}
    raw = {"node": {"domain": "bench.example", "department": "Bench", "scheme": "http"}, "federation": federation}
    settings = config.parse(raw | {"database": {"url": url}}, home=home)
    migrations.upgrade(settings)
    node = open_node(settings)
    await node.write(accounts.create_node_actor)
    new = accounts.NewAccount(username="anna", email="anna@bench.example", password_hash="x")
    author = viewer.person(await node.write(accounts.create, new)).account_id or 0
    network = await open_network(node)
    await network.ensure_keys(author)
    worker = Worker(node, network)
    running = asyncio.create_task(worker.run())
    figures: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    await _run(node, worker, author, played, activities, with_bad=False)  # warm
    for number in range(pairs):
        for with_bad in (True, False) if number % 2 else (False, True):
            begun, cpu = await _run(node, worker, author, played, activities, with_bad=with_bad)
            last = await played.last() - begun
            figures[with_bad].append((cpu * 1000 / (GOOD * activities), last))
            await worker.dispatcher.drain()
            await node.write(_forget)
    await worker.stop()
    await running
    await network.aclose()
    node.close()
    for with_bad, name in ((False, "47 good peers alone"), (True, "with the three bad ones")):
        cpus, lasts = zip(*figures[with_bad], strict=True)
        print(
            f"{name}: {statistics.median(cpus):.2f} ms CPU a delivery ({min(cpus):.2f} to {max(cpus):.2f}), "
            f"the last after {statistics.median(lasts):.2f} s ({min(lasts):.2f} to {max(lasts):.2f})"
        )
    ratios = [bad[0] / good[0] for bad, good in zip(figures[True], figures[False], strict=True)]
    later = [bad[1] - good[1] for bad, good in zip(figures[True], figures[False], strict=True)]
    print(f"CPU ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
    print(f"last delivery later by {statistics.median(later):.2f} s ({min(later):.2f} to {max(later):.2f})")


async def _run(
    node: Node, worker: Worker, author: int, played: Played, activities: int, *, with_bad: bool
) -> tuple[float, float]:
    """When it began (monotonic), and the CPU of this process until the good peers had everything."""
    listening = [*played.bad, *played.good] if with_bad else played.good
    to = [Target(f"http://127.0.0.1:{port}/inbox", f"127.0.0.1:{port}") for port in listening]

    def store(tx: Tx) -> None:
        for _ in range(activities):
            iri = f"{tx.urls.actor('anna')}/activities/listen/{tx.new_id()}"
            doc = {"id": iri, "type": "Listen", "actor": tx.urls.actor("anna"), "content": "x" * 1000}
            delivery.enqueue(tx, doc, actor_id=author, about=iri, key=iri, to=to)
        tx.rings.discard(DELIVERY)

    await node.write(store)
    good = [f"127.0.0.1:{port}" for port in played.good]
    waits = (
        select(func.count())
        .select_from(delivery_table.join(peer, peer.c.id == delivery_table.c.peer_id))
        .where(peer.c.domain.in_(good))
    )
    begun, cpu = time.monotonic(), time.process_time()
    node.bell.ring([DELIVERY])
    for _ in range(LOOKS):
        if not await node.read(lambda tx: tx.scalar(waits)):
            break
        await asyncio.sleep(LOOK_SECONDS)
    else:
        raise SystemExit("the good peers did not get everything: there is nothing to compare")
    return begun, time.process_time() - cpu


def _forget(tx: Tx) -> None:
    """What waits, and what was learnt of the peers."""
    tx.execute(delete(delivery_table))
    tx.execute(delete(activity))
    tx.execute(update(peer).values(failures=0, failing_since=None, next_attempt_at=None, ramp_from=None))


if __name__ == "__main__":
    main()
