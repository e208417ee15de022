"""What a node that was restored takes of what peers say it missed: what they could have delivered, and no more."""

from typing import Any

import pytest

from node.federation import history
from node.federation.network import Network
from node.runtime import Node
from node.schema import favourite, follow, job, notification, peer_history, post
from node.viewer import Viewer
from tests.node.federation.conftest import run_jobs
from tests.support.clocks import Clock
from tests.support.posting import say
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import count_of, rows_of

SINCE = 1_789_000_000_000


@pytest.fixture
def federation(peer: RemotePeer) -> dict[str, Any]:
    chosen = {"mode": "allowlist", "allowlist": [peer.domain], "history_days": 0, "spread": "subscribed"}
    return {**chosen, "allow_loopback": True, "timeout_seconds": 5.0}


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(history, "PAUSE_MS", 0)


def offers(peer: RemotePeer, *pages: list[Doc]) -> None:
    """Serve these pages as what was missed since SINCE."""
    iri = f"{peer.base}/history"
    peer.serve(peer.actor("node", kind="Application") | {"id": f"{peer.base}/actor", "history": iri})
    whole = {"id": f"{iri}?since={SINCE}", "type": "OrderedCollection", "first": f"{iri}/0"}
    peer.documents["/history"] = whole  # this peer serves by the path alone
    for number, items in enumerate(pages):
        page: Doc = {"id": f"{iri}/{number}", "type": "OrderedCollectionPage", "orderedItems": items}
        peer.serve(page | ({"next": f"{iri}/{number + 1}"} if number + 1 < len(pages) else {}))


async def catch_up(node: Node, network: Network, peer: RemotePeer) -> set[str]:
    """IRIs of peers' posts that are here afterwards."""
    await node.write(lambda tx: history.want(tx, peer.domain, SINCE, missed=True))
    await run_jobs(node, network)
    return {row.iri for row in await rows_of(node, post, post.c.local.is_(False))}


def direct(peer: RemotePeer, number: int, author: str, to: str) -> Doc:
    mention = [{"type": "Mention", "href": to}]
    note = peer.note(number, author, f"number {number}", to=[to], cc=[], tag=mention)
    return peer.activity("Create", author, note, number=number, to=[to], cc=[])


async def test_a_direct_post_comes_back_with_its_notification_and_a_deleted_one_goes(
    node: Node, network: Network, peer: RemotePeer, alice: Viewer
) -> None:
    bert, to = peer.person("bert"), node.urls.actor("alice")
    gone = f"{peer.base}/notes/2"
    tombstone = peer.activity("Delete", bert, {"id": gone, "type": "Tombstone"}, number=9)
    offers(peer, [direct(peer, 1, bert, to), direct(peer, 2, bert, to)], [], [tombstone])
    assert await catch_up(node, network, peer) == {f"{peer.base}/notes/1"}
    assert await count_of(node, notification) == 1
    (row,) = await rows_of(node, peer_history)
    assert (row.done, row.missed, row.taken) == (True, True, 4)
    assert await catch_up(node, network, peer) == {f"{peer.base}/notes/1"}
    assert await count_of(node, notification) == 1


async def test_a_peer_speaks_for_its_own_people_alone_and_only_of_what_is_taken_here(
    node: Node, network: Network, peer: RemotePeer, alice: Viewer
) -> None:
    """Each but the last is one step off."""
    bert, to = peer.person("bert"), node.urls.actor("alice")
    mine = await say(node, alice, "hello")
    ours = node.urls.post("alice", mine)
    eve = "https://other.example/users/eve"
    to_nobody = direct(peer, 4, bert, "https://other.example/users/olga")
    items = [
        direct(peer, 1, bert, to) | {"actor": eve},
        peer.activity("Delete", bert, ours, number=2),
        peer.activity("Delete", eve, f"{peer.base}/notes/7", number=3),
        to_nobody,
        peer.activity("Follow", bert, to, number=5),
        peer.activity("Like", bert, f"{ours}0", number=6),
        peer.activity("Undo", bert, {"id": "x", "type": "Like", "actor": eve, "object": ours}, number=8),
        direct(peer, 7, bert, to),
        peer.activity("Like", bert, ours, number=10),
    ]
    offers(peer, items)
    assert await catch_up(node, network, peer) == {f"{peer.base}/notes/7"}
    assert await count_of(node, post, post.c.iri == ours) == 1
    assert await count_of(node, follow) == 0
    assert await count_of(node, favourite) == 1


async def test_a_peer_that_knows_nothing_of_it_is_not_read_as_if_it_did(
    node: Node, network: Network, peer: RemotePeer, alice: Viewer
) -> None:
    bert = peer.person("bert")
    offers(peer, [direct(peer, 1, bert, node.urls.actor("alice"))])
    whole = peer.documents["/history"]
    assert isinstance(whole, dict)
    whole["id"] = f"{peer.base}/history"
    assert await catch_up(node, network, peer) == set()
    assert await count_of(node, job) == 0


async def test_empty_pages_without_an_end_come_to_one(
    node: Node, network: Network, peer: RemotePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "ITEMS", 3)
    offers(peer, *([] for _ in range(10)))
    assert await catch_up(node, network, peer) == set()
    assert [row.done for row in await rows_of(node, peer_history)] == [True]
    assert "/history/3" not in peer.fetched


async def test_it_goes_on_after_a_halt_also_where_no_history_is_read(
    node: Node, network: Network, peer: RemotePeer, alice: Viewer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGES", 1)
    bert, to = peer.person("bert"), node.urls.actor("alice")
    offers(peer, [direct(peer, 1, bert, to)], [direct(peer, 2, bert, to)])
    second = peer.documents["/history/1"]
    peer.documents["/history/1"] = 500
    assert len(await catch_up(node, network, peer)) == 1
    peer.documents["/history/1"] = second
    await node.write(lambda tx: tx.execute(job.delete()))
    await node.write(history.begin)
    assert await count_of(node, job) == 0
    clock.advance(history.AGAIN_MS / 1000 + 1)
    await node.write(history.begin)
    await run_jobs(node, network)
    assert await count_of(node, post) == 2
