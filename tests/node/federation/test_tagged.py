"""What is read of a tag that this node has begun to follow: the newest, of that peer's own people, within bounds."""

from typing import Any

import pytest

from node import social
from node.federation import tagged
from node.federation.network import Network
from node.runtime import Node
from node.schema import job, notification, post, tag_subscription
from node.viewer import Viewer
from tests.node.federation.conftest import Post, run_jobs
from tests.support.clocks import Clock
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import count_of, rows_of


@pytest.fixture
def federation(peer: RemotePeer) -> dict[str, Any]:
    chosen = {"mode": "allowlist", "allowlist": [peer.domain], "history_days": 0, "spread": "subscribed"}
    return {**chosen, "allow_loopback": True, "timeout_seconds": 5.0}


@pytest.fixture
async def asked(node: Node, network: Network, peer: RemotePeer, alice: Viewer) -> Doc:
    """Our Follow of the peer's #pump, which alice was the first to follow."""
    iri = f"{peer.base}/actor"
    own = peer.actor("node", kind="Application")
    own["publicKey"] = own["publicKey"] | {"id": f"{iri}#main-key", "owner": iri}
    peer.serve(own | {"id": iri, "inbox": iri + "/inbox"})
    await network.meet(peer.domain)
    await node.write_as(alice, social.follow_tag, "pump")
    (row,) = await rows_of(node, tag_subscription)
    return {"id": row.iri, "type": "Follow", "actor": node.urls.node_actor, "object": f"{peer.base}/tags/pump"}


def offers(peer: RemotePeer, *pages: list[Any]) -> None:
    iri = f"{peer.base}/tags/pump"
    peer.serve({"id": iri, "type": "OrderedCollection", "first": f"{iri}/0"})
    for number, items in enumerate(pages):
        page: Doc = {"id": f"{iri}/{number}", "type": "OrderedCollectionPage", "partOf": iri, "orderedItems": items}
        peer.serve(page | ({"next": f"{iri}/{number + 1}"} if number + 1 < len(pages) else {}))


def written(peer: RemotePeer, number: int, author: str, name: str = "Pump", **changes: Any) -> Doc:
    return peer.note(number, author, tag=[{"type": "Hashtag", "name": f"#{name}"}], **changes)


async def accepted(
    node: Node, network: Network, peer: RemotePeer, post_: Post, asked: Doc, number: int = 1
) -> set[str]:
    """Let the peer say yes; IRIs of the posts that are here afterwards."""
    answer = peer.activity("Accept", f"{peer.base}/actor", asked, number=number)
    assert await post_.arrives(peer, answer) == "done"
    await run_jobs(node, network)
    return {row.iri for row in await rows_of(node, post)}


async def test_what_was_written_before_is_read_after_the_answer_and_once(
    node: Node, network: Network, peer: RemotePeer, post: Post, asked: Doc, alice: Viewer
) -> None:
    bert = peer.person("bert")
    calling = [{"type": "Mention", "href": node.urls.actor("alice")}, {"type": "Hashtag", "name": "#pump"}]
    offers(peer, [written(peer, 3, bert), peer.note(2, bert, tag=calling)], [written(peer, 1, bert)])
    assert len(await accepted(node, network, peer, post, asked)) == 3
    assert await count_of(node, notification) == await count_of(node, job) == 0
    fetched = peer.fetched.count("/tags/pump")
    await accepted(node, network, peer, post, asked, number=2)
    assert peer.fetched.count("/tags/pump") == fetched == 1


async def test_a_collection_cannot_speak_for_others_nor_bring_what_nobody_asked_for(
    node: Node, network: Network, peer: RemotePeer, post: Post, asked: Doc
) -> None:
    bert = peer.person("bert")
    other = "https://other.example"
    items = [
        written(peer, 1, bert) | {"id": f"{other}/notes/1"},
        written(peer, 2, bert) | {"attributedTo": f"{other}/users/eve"},
        written(peer, 3, bert, "seal"),
        written(peer, 4, bert, to=[f"{bert}/followers"], cc=[]),
        f"{peer.base}/notes/5",
        {"type": "Note"},
        written(peer, 6, bert),
    ]
    offers(peer, items)
    assert await accepted(node, network, peer, post, asked) == {f"{peer.base}/notes/6"}


async def test_no_more_is_read_than_the_bounds(
    node: Node,
    network: Network,
    peer: RemotePeer,
    post: Post,
    asked: Doc,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tagged, "PAGES", 2)
    bert = peer.person("bert")
    offers(peer, *([written(peer, number, bert)] for number in range(5, 0, -1)))
    assert await accepted(node, network, peer, post, asked) == {f"{peer.base}/notes/{number}" for number in (5, 4)}
    assert "/tags/pump/2" not in peer.fetched


async def test_what_is_old_ends_it(node: Node, network: Network, peer: RemotePeer, post: Post, asked: Doc) -> None:
    """The clock stands in September 2026."""
    bert = peer.person("bert")
    offers(
        peer,
        [written(peer, 2, bert, published="2026-09-10T00:00:00Z")],
        [written(peer, 1, bert, published="2026-06-01T00:00:00Z")],
        [written(peer, 3, bert)],
    )
    assert await accepted(node, network, peer, post, asked) == {f"{peer.base}/notes/2"}
    assert "/tags/pump/2" not in peer.fetched


@pytest.mark.parametrize("answer", [404, 500])
async def test_a_peer_that_has_nothing_or_fails_hurts_nobody(
    node: Node, network: Network, peer: RemotePeer, post: Post, asked: Doc, answer: int
) -> None:
    peer.documents["/tags/pump"] = answer
    assert await accepted(node, network, peer, post, asked) == set()
    assert await count_of(node, job) == (1 if answer == 500 else 0)  # tried again later
