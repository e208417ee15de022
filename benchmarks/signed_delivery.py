"""`python -m benchmarks.signed_delivery [--engine postgresql] [--pairs N]`: what a delivery costs, by kind of signature.

Two nodes in this process publish in turns, each a post for 200 followers with inboxes of their own at fifty peers, which
another process plays. They are the same but for one thing: at the second, all peers have said that they take Ed25519. Told
is the CPU of this process from the post until everything is delivered, for each delivery: writing and storing the activity,
its proof, leases, signatures, HTTP, recording. The floors are what the two signatures alone cost here.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, insert, select

import migrations
from activitypub import parse
from benchmarks import databases, floors, playing
from benchmarks.playing import Played
from node import accounts, config, posts, social, viewer
from node.assembly import open_network, open_node
from node.federation.network import Network
from node.runtime import Node, Tx
from node.schema import delivery, peer
from node.secrets import create_secret
from node.viewer import Viewer
from node.worker import Worker
from tests.support import postgres
from tests.support.actors import actor_document

HOSTS, FOLLOWERS = 50, 200
LOOK_SECONDS, LOOKS = 0.02, 3000
"""Until everything is delivered, a minute at the most."""
WAITING = select(func.count()).select_from(delivery)


@dataclass
class Side:
    name: str
    node: Node
    network: Network
    worker: Worker
    running: asyncio.Task[None]
    author: Viewer
    cpu_ms: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signed_delivery", description=__doc__)
    databases.add_engine(parser)
    parser.add_argument("--pairs", type=int, default=15, help="posts of either node")
    options = parser.parse_args()
    before = floors.measure()
    with databases.server(options.engine) as cluster:
        sides = asyncio.run(_measure(cluster, options.pairs))
    _tell(sides, before, floors.measure())


async def _measure(cluster: postgres.Cluster | None, pairs: int) -> list[Side]:
    with tempfile.TemporaryDirectory(prefix="corridor-bench-") as folder:
        async with playing.peers(HOSTS) as played:
            homes = [Path(folder, name) for name in ("rsa", "ed25519")]
            sides = [await _side(home, databases.make(cluster, home), played) for home in homes]
            for number in range(-2, pairs):  # the first two warm up
                for side in sides if number % 2 else reversed(sides):
                    cpu_ms = await _publish(side)
                    if number >= 0:
                        side.cpu_ms.append(cpu_ms)
            for side in sides:
                await side.worker.stop()
                await side.running
                await side.network.aclose()
                side.node.close()
    return sides


def _tell(sides: list[Side], before: dict[str, list[float]], after: dict[str, list[float]]) -> None:
    for name in ("RSA-2048 sign", "Ed25519 sign"):
        print(f"floor, {name}: {floors.summary(before[name] + after[name])} ms")
    for side in sides:
        print(f"{side.name}: {floors.summary(side.cpu_ms)} ms CPU a delivery")
    rsa, ed25519 = sides
    ratios = [one / other for one, other in zip(ed25519.cpu_ms, rsa.cpu_ms, strict=True)]
    print(f"ed25519 to rsa, turn by turn: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


async def _side(home: Path, url: str, played: Played) -> Side:
    name = home.name
    create_secret(home)
    raw = {
        "node": {"domain": "bench.example", "department": "Bench", "scheme": "http"},
        "database": {"url": url},
        "federation": {"mode": "open", "allow_loopback": True},
    }
    settings = config.parse(raw, home=home)
    migrations.upgrade(settings)
    node = open_node(settings)
    await node.write(accounts.create_node_actor)
    new = accounts.NewAccount(username="anna", email="anna@bench.example", password_hash="x")
    author = viewer.person(await node.write(accounts.create, new), roles=frozenset(), scopes=frozenset({"write"}))
    await node.write(_follow, author.account_id or 0, played.good)
    await node.write(_know, played.good, "ed25519" if name == "ed25519" else None)
    network = await open_network(node)
    await network.ensure_keys(author.account_id or 0)
    worker = Worker(node, network)
    return Side(name, node, network, worker, asyncio.create_task(worker.run()), author)


def _know(tx: Tx, ports: list[int], flavour: str | None) -> None:
    rows = [{"domain": f"127.0.0.1:{port}", "flavour": flavour, "created_at": tx.now} for port in ports]
    tx.execute(insert(peer), rows)


def _follow(tx: Tx, author: int, ports: list[int]) -> None:
    for number in range(FOLLOWERS):
        domain = f"127.0.0.1:{ports[number % HOSTS]}"
        base = f"http://{domain}/users/f{number}"
        own = {name: f"{base}/{name}" for name in ("inbox", "outbox", "followers", "following")}
        document = actor_document(f"f{number}", domain=domain, id=base, url=base, endpoints=None, **own)
        document["publicKey"] |= {"id": f"{base}#main-key", "owner": base}
        follower = accounts.store_remote(tx, parse.actor(document), domain=domain)
        social.record_follow(tx, follower, author)


async def _publish(side: Side) -> float:
    """CPU of this process, ms a delivery."""
    begun = time.process_time()
    await side.node.write_as(side.author, posts.publish, posts.Draft("The pump leaks again #pump"))
    for _ in range(LOOKS):
        await asyncio.sleep(LOOK_SECONDS)
        if not await side.node.read(lambda tx: tx.scalar(WAITING)):
            return (time.process_time() - begun) * 1000 / FOLLOWERS
    raise SystemExit("not everything was delivered: there is nothing to compare")


if __name__ == "__main__":
    main()
