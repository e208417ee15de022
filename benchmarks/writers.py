"""`python -m benchmarks.writers [--database URL] [--callers N]`: posts in one process, by one account and by sixteen.

Without `--database` on a PostgreSQL of its own that syncs at each commit. The figures behind ADR 0011.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import migrations
from node import accounts, config, posts, viewer
from node.assembly import open_node
from node.runtime import Node
from node.secrets import create_secret
from node.viewer import Viewer
from tests.support import postgres

POSTS = 200


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.writers", description=__doc__)
    parser.add_argument("--database", default="", help="empty database; default: a PostgreSQL made for this")
    parser.add_argument("--callers", type=int, default=8)
    options = parser.parse_args()
    cluster = None if options.database else postgres.start(durable=True)
    try:
        asyncio.run(_measure(options.database or (cluster.url() if cluster else ""), options.callers))
    finally:
        if cluster is not None:
            cluster.stop()


async def _measure(url: str, callers: int) -> None:
    with tempfile.TemporaryDirectory(prefix="corridor-bench-") as name:
        create_secret(Path(name))
        raw = {"node": {"domain": "bench.example", "department": "Bench"}, "database": {"url": url}}
        settings = config.parse(raw, home=Path(name))
        migrations.upgrade(settings)
        node = open_node(settings)
        try:
            people = [await _person(node, f"p{number}") for number in range(16)]
            for label, who in (("one account", people[:1]), ("sixteen accounts", people)):
                for at_once in (1, callers):
                    print(f"{label}, {at_once} at once: {await _post(node, who, at_once)}")
        finally:
            node.close()


async def _person(node: Node, name: str) -> Viewer:
    new = accounts.NewAccount(username=name, email=f"{name}@bench.example", password_hash="x")
    return viewer.person(await node.write(accounts.create, new), roles=frozenset(), scopes=frozenset({"write"}))


async def _post(node: Node, who: list[Viewer], at_once: int) -> str:
    took: list[float] = []

    async def caller(number: int) -> None:
        for turn in range(POSTS // at_once):
            begun = time.perf_counter()
            author = who[(number + turn * at_once) % len(who)]
            await node.write_as(author, posts.publish, posts.Draft(f"The pump leaks again #tag{turn}, says {number}"))
            took.append(time.perf_counter() - begun)

    reruns = node.storage.figures.reruns
    begun = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(at_once)))
    wall = time.perf_counter() - begun
    return (
        f"median {statistics.median(took) * 1000:.1f} ms, at most {max(took) * 1000:.0f} ms, "
        f"{len(took) / wall:.0f} a second, {node.storage.figures.reruns - reruns} re-runs"
    )


if __name__ == "__main__":
    main()
