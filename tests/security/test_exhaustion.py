"""Hostile input never costs more than it brings (protocol section 8, resource exhaustion)."""

import pytest

from activitypub.errors import FetchFailed, ProtocolError
from activitypub.vocabulary import PUBLIC
from node.errors import NodeError
from node.federation import fetching
from node.federation.network import Network
from node.runtime import Node
from node.schema import mention
from node.schema import post as post_table
from node.viewer import Viewer
from tests.node.federation.conftest import Post, run_jobs
from tests.security.conftest import LyingPeer
from tests.security.world import World, make_world
from tests.support.remote_peer import RemotePeer
from tests.support.rows import count_of


@pytest.fixture
async def world(
    node: Node, network: Network, post: Post, peer: LyingPeer, stranger: RemotePeer, alice: Viewer
) -> World:
    return await make_world(node, network, post, peer, stranger, alice)


async def test_people_whom_nobody_knows_are_not_fetched_because_they_are_mentioned(world: World) -> None:
    """A hundred names in a post are not a hundred requests; who is known is mentioned all the same."""
    crowd = [f"{world.stranger.base}/users/nobody{number}" for number in range(99)]
    tags = [{"type": "Mention", "href": iri, "name": "@x"} for iri in [world.alice_iri, *crowd]]
    note = world.peer.note(2, world.bert, tag=tags, to=[PUBLIC, *crowd], cc=[world.alice_iri])
    world.stranger.fetched.clear()
    assert await world.arrives(world.say("Create", world.bert, note, 1), by=world.bert) == "done"
    assert world.stranger.fetched == []
    assert await count_of(world.node, mention) == 1


async def test_a_host_is_asked_for_so_many_documents_and_another_is_still_asked(
    network: Network, peer: LyingPeer, stranger: RemotePeer
) -> None:
    refused = 0
    for number in range(int(fetching.BURST) + 60):
        with pytest.raises(FetchFailed) as failed:
            await network.learn(f"{peer.base}/nothing/{number}")
        refused += failed.value.status is None
    assert refused > 0
    assert len(peer.fetched) < fetching.BURST + 60
    await network.actor(stranger.person("mallory"))


async def test_a_thread_in_a_circle_ends(world: World) -> None:
    """Two posts that answer each other are two posts, fetched once each; a line of them is fetched to its end."""
    first = world.peer.note(11, world.bert, inReplyTo=f"{world.peer.base}/notes/12")
    world.peer.note(12, world.bert, inReplyTo=first["id"])
    world.peer.fetched.clear()
    before = await count_of(world.node, post_table)
    await world.network.fetch_thread(first["id"])
    await run_jobs(world.node, world.network)
    assert sorted(world.peer.fetched) == ["/notes/11", "/notes/12"]
    assert await count_of(world.node, post_table) == before + 2


async def test_a_boost_of_a_boost_of_a_boost_is_not_followed(world: World) -> None:
    for number in range(20, 30):
        about = f"{world.peer.base}/boosts/{number + 1}"
        world.peer.documents[f"/boosts/{number}"] = {
            **world.say("Announce", world.bert, about, number),
            "id": f"{world.peer.base}/boosts/{number}",
        }
    world.peer.fetched.clear()
    outcome = await world.arrives(
        world.say("Announce", world.bert, f"{world.peer.base}/boosts/20", 1, to=[PUBLIC]), by=world.bert
    )
    assert outcome.startswith("refused")
    assert len(world.peer.fetched) == 1
    fine = world.peer.note(31, world.carl)
    assert await world.arrives(world.say("Announce", world.bert, fine["id"], 2, to=[PUBLIC]), by=world.bert) == "done"


async def test_what_leads_round_in_circles_is_given_up(world: World) -> None:
    """Documents whose ids name each other, and redirects to themselves, end at once and are remembered as failures."""
    peer = world.peer
    assert isinstance(peer, LyingPeer)
    a, b = f"{peer.base}/ring/a", f"{peer.base}/ring/b"
    peer.documents["/ring/a"] = {**peer.note(40, world.bert), "id": b}
    peer.documents["/ring/b"] = {**peer.note(40, world.bert), "id": a}
    peer.redirects["/ring/c"] = f"{peer.base}/ring/c"
    peer.fetched.clear()
    for address in (a, f"{peer.base}/ring/c"):
        for _ in range(5):
            with pytest.raises((ProtocolError, NodeError)):
                await world.network.learn(address)
    assert len(peer.fetched) <= 3
    await world.network.learn(peer.note(41, world.bert)["id"])
