"""What is read of a peer's past: what that peer's own people did, and nothing else."""

from typing import Any

import pytest

from activitypub.collections import Cursor
from activitypub.vocabulary import PUBLIC
from node import viewer
from node.federation import history, published
from node.federation.network import Network
from node.runtime import Node, Tx
from node.schema import event, job, notification, peer_history, post
from node.viewer import Viewer
from tests.node.federation.conftest import Post, run_jobs
from tests.support.clocks import Clock
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import count_of, rows_of
from tests.support.statements import counted

DAY_MS = 86_400_000


@pytest.fixture
def federation(peer: RemotePeer) -> dict[str, Any]:
    return {"mode": "allowlist", "allowlist": [peer.domain], "allow_loopback": True, "timeout_seconds": 5.0}


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(history, "PAUSE_MS", 0)


def offers(peer: RemotePeer, *pages: list[Doc]) -> None:
    """Serve a history of these pages by a node's actor."""
    own, iri = peer.actor("node", kind="Application"), f"{peer.base}/history"
    peer.serve(own | {"id": f"{peer.base}/actor", "history": iri})
    peer.serve({"id": iri, "type": "OrderedCollection", "first": f"{iri}/0"})
    for number, items in enumerate(pages):
        page: Doc = {"id": f"{iri}/{number}", "type": "OrderedCollectionPage", "partOf": iri, "orderedItems": items}
        peer.serve(page | ({"next": f"{iri}/{number + 1}"} if number + 1 < len(pages) else {}))


def written(peer: RemotePeer, number: int, author: str, **changes: Any) -> Doc:
    note = peer.note(number, author, f"number {number}", **changes)
    return peer.activity("Create", author, note, number=number, published=note["published"], to=note["to"])


async def read(node: Node, network: Network, domain: str, since: int = 0) -> set[str]:
    """IRIs of all posts that are here afterwards."""
    await node.write(history.want, domain, since)
    await run_jobs(node, network)
    return {row.iri for row in await rows_of(node, post)}


async def test_pages_are_read_to_the_end_and_the_author_is_looked_up(
    node: Node, network: Network, peer: RemotePeer, alice: Viewer
) -> None:
    bert = peer.person("bert")
    called = {"tag": [{"type": "Mention", "href": node.urls.actor("alice")}]}
    pages = [[written(peer, 3, bert, **called), written(peer, 2, bert)], [written(peer, 1, bert)]]
    offers(peer, *pages)
    assert await read(node, network, peer.domain) == {f"{peer.base}/notes/{number}" for number in (1, 2, 3)}
    (row,) = await rows_of(node, peer_history)
    assert (row.done, row.taken, row.next_iri) == (True, 3, None)
    assert await count_of(node, notification) == 0
    assert await count_of(node, job) == 0


async def test_what_was_boosted_in_the_past_is_fetched_and_told_to_nobody(
    node: Node, network: Network, peer: RemotePeer, alice: Viewer
) -> None:
    bert, carl = peer.person("bert"), peer.person("carl")
    called = {"tag": [{"type": "Mention", "href": node.urls.actor("alice")}]}
    create = written(peer, 3, bert, **called)
    peer.serve(create["object"])
    boost = peer.activity("Announce", carl, create["object"]["id"], number=4, published=create["published"])
    offers(peer, [boost | {"to": create["to"]}])
    assert {f"{peer.base}/notes/3"} < await read(node, network, peer.domain)
    assert await count_of(node, notification) == 0
    assert await count_of(node, event, event.c.kind == "update") == 0


async def test_the_same_post_that_is_delivered_tells_whom_it_mentions(
    node: Node, network: Network, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    called = {"tag": [{"type": "Mention", "href": node.urls.actor("alice")}]}
    await post.arrives(peer, written(peer, 3, bert, **called))
    assert await count_of(node, notification) == 1


async def test_a_page_cannot_speak_for_others(node: Node, network: Network, peer: RemotePeer) -> None:
    """Each of these but the last is one step off."""
    bert = peer.person("bert")
    other = "https://other.example"
    foreign_actor = written(peer, 1, bert) | {"actor": f"{other}/users/eve"}
    foreign_id = written(peer, 2, bert) | {"id": f"{other}/activities/2"}
    foreign_note = written(peer, 3, bert)
    foreign_note["object"] = foreign_note["object"] | {"id": f"{other}/notes/3"}
    of_ours = written(peer, 4, bert) | {"actor": node.urls.actor("alice")}
    by_another = written(peer, 5, bert)
    by_another["object"] = by_another["object"] | {"attributedTo": f"{peer.base}/users/eve"}
    deleting = peer.activity("Delete", bert, f"{peer.base}/notes/7", number=6)
    good = written(peer, 7, bert)
    offers(peer, [foreign_actor, foreign_id, foreign_note, of_ours, by_another, deleting, good, {"x": 1}, good["id"]])
    assert await read(node, network, peer.domain) == {f"{peer.base}/notes/7"}


async def test_what_is_not_public_is_not_taken_from_history(node: Node, network: Network, peer: RemotePeer) -> None:
    bert = peer.person("bert")
    followers = f"{bert}/followers"
    offers(
        peer,
        [written(peer, 1, bert, to=[followers], cc=[PUBLIC]), written(peer, 2, bert, to=[followers], cc=[])],
    )
    assert await read(node, network, peer.domain) == set()


async def test_reading_ends_where_it_is_old_enough(
    node: Node, network: Network, peer: RemotePeer, clock: Clock
) -> None:
    bert = peer.person("bert")
    old = [written(peer, number, bert, published=f"2026-0{9 - number}-01T00:00:00Z") for number in (1, 2, 3, 4)]
    offers(peer, *([one] for one in old))
    since = int(clock()) * 1000 - 80 * DAY_MS  # the first of August is within, the first of July is not
    assert len(await read(node, network, peer.domain, since)) == 2
    assert "/history/2" not in peer.fetched


async def test_it_goes_on_after_a_halt_where_it_was(
    node: Node, network: Network, peer: RemotePeer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGES", 1)
    bert = peer.person("bert")
    offers(peer, [written(peer, 2, bert)], [written(peer, 1, bert)])
    second = peer.documents["/history/1"]
    peer.documents["/history/1"] = 500
    assert len(await read(node, network, peer.domain)) == 1
    (row,) = await rows_of(node, peer_history)
    assert (row.done, row.next_iri) == (False, f"{peer.base}/history/1")

    peer.documents["/history/1"] = second
    fetched = peer.fetched.count("/history/0")
    clock.advance(history.AGAIN_MS / 1000 + 1)
    await node.write(history.begin)
    await run_jobs(node, network)
    assert await count_of(node, post) == 2
    assert peer.fetched.count("/history/0") == fetched
    assert await count_of(node, peer_history, peer_history.c.done) == 1


@pytest.mark.parametrize("astray", ["https://other.example/history", "itself"])
async def test_pages_that_lead_astray_are_not_followed(
    node: Node, network: Network, peer: RemotePeer, astray: str
) -> None:
    bert = peer.person("bert")
    offers(peer, [written(peer, 1, bert)])
    page = peer.documents["/history/0"]
    assert isinstance(page, dict)
    page["next"] = page["id"] if astray == "itself" else astray
    assert len(await read(node, network, peer.domain)) == 1
    assert peer.fetched.count("/history/0") == 1
    assert await count_of(node, peer_history, peer_history.c.done) == 1


async def test_a_peer_that_offers_none_is_not_asked_again(node: Node, network: Network, peer: RemotePeer) -> None:
    peer.serve(peer.actor("node", kind="Application") | {"id": f"{peer.base}/actor"})
    assert await read(node, network, peer.domain) == set()
    await node.write(history.begin)
    assert await count_of(node, job) == 0


async def test_a_page_of_ours_is_found_by_indexes(node: Node) -> None:
    """A node has twenty times as many copies as posts of its own; nothing walks through them."""
    if not node.settings.is_sqlite:
        pytest.skip("PostgreSQL plans by the number of rows")

    def plans(tx: Tx) -> list[str]:
        tx.viewer = viewer.peer("field.example")
        with counted() as seen:
            published.history(tx, Cursor(before=10**18))
        walks = [one for one in seen if "ORDER BY post.id DESC" in one]
        assert len(walks) == 2
        found = []
        for one in walks:
            bound = tuple(0 for _ in range(one.count("?")))
            rows = tx.conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", bound)
            found.append(" ".join(str(row[3]) for row in rows))
        return found

    of_posts, of_boosts = await node.read(plans)
    assert "ix_post_public_local " in of_posts
    assert "ix_post_public_local_boost" in of_boosts
