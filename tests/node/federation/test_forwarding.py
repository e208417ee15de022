"""Answers to our people's posts, passed on to their followers elsewhere (protocol R70)."""

from typing import Any

import pytest

from activitypub import keys, proofs
from activitypub.vocabulary import PUBLIC
from node import posts, social
from node.federation.dispatcher import Dispatcher
from node.federation.network import Network
from node.posts import Draft
from node.runtime import Node
from node.schema import delivery, inbox_item
from node.viewer import Viewer
from tests.node.federation.conftest import Post, deliver
from tests.support.clocks import Clock
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import count_of, id_of

BERTS = keys.generate_ed25519()


@pytest.fixture
async def third(clock: Clock) -> Any:
    """Another server, where a follower of alice is."""
    started = RemotePeer(clock)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def bert(peer: RemotePeer, network: Network) -> str:
    """Who answers. He follows alice as well, on his own server."""
    iri = f"{peer.base}/users/bert"
    multibase = keys.multibase(BERTS.public_key())
    method = {"id": f"{iri}#ed", "type": "Multikey", "controller": iri, "publicKeyMultibase": multibase}
    peer.person("bert", assertionMethod=[method])
    await network.actor(iri)
    return iri


@pytest.fixture
async def alices(node: Node, alice: Viewer, network: Network, third: RemotePeer, peer: RemotePeer, bert: str) -> str:
    """The IRI of a post of alice, who has a follower on either server. Nothing of it is under way any more."""
    for follower in (third.person("carla"), bert):
        follower_id = await network.actor(follower)
        await node.write(social.record_follow, follower_id, id_of(alice), iri=f"{follower}#follow")
    post_id = await node.write_as(alice, posts.publish, Draft(text="How?"))
    await node.write(lambda tx: tx.execute(delivery.delete()))
    return node.urls.post("alice", post_id)


def followers(node: Node) -> str:
    return node.urls.actor("alice") + "/followers"


def answer(node: Node, peer: RemotePeer, bert: str, parent: str, **changes: Any) -> Doc:
    """The Create of a public reply, addressed to alice's followers as well."""
    note = peer.note(1, bert, "Like this", inReplyTo=parent, cc=[f"{bert}/followers", followers(node)])
    cc = [f"{bert}/followers", followers(node)]
    return {**peer.activity("Create", bert, note, to=[PUBLIC], cc=cc, number=1), **changes}


def proven(doc: Doc, clock: Clock) -> Doc:
    return proofs.sign(doc, BERTS, method=f"{doc['actor']}#ed", created=int(clock() * 1000))


async def test_an_answer_reaches_the_authors_followers_as_it_came(
    node: Node,
    peer: RemotePeer,
    third: RemotePeer,
    bert: str,
    alices: str,
    post: Post,
    dispatcher: Dispatcher,
    clock: Clock,
) -> None:
    doc = proven(answer(node, peer, bert, alices), clock)
    request = peer.signed(doc, node.urls.shared_inbox, by=bert)
    await post.network.receive(request)
    await post.work()
    await deliver(dispatcher)
    (passed_on,) = third.received
    assert passed_on.request.body == request.body
    assert f'keyId="{node.urls.actor("alice")}#' in dict(passed_on.request.headers)["signature"]
    assert peer.received == []


async def test_it_is_passed_on_once_however_often_it_comes(
    node: Node,
    peer: RemotePeer,
    third: RemotePeer,
    bert: str,
    alices: str,
    post: Post,
    dispatcher: Dispatcher,
    clock: Clock,
) -> None:
    doc = proven(answer(node, peer, bert, alices), clock)
    for _ in range(2):
        await post.network.receive(peer.signed(doc, node.urls.shared_inbox, by=bert))
        await post.work()
    await deliver(dispatcher)
    assert len(third.received) == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 1),
        ({"cc": []}, 0),
        ({"cc": ["http://eng.example/users/nobody/followers"]}, 0),
        ({"type": "Announce"}, 0),
    ],
    ids=["addressed to them", "not addressed to them", "to the followers of somebody else", "no post"],
)
async def test_only_what_is_addressed_to_the_authors_followers(
    node: Node,
    peer: RemotePeer,
    third: RemotePeer,
    bert: str,
    alices: str,
    post: Post,
    dispatcher: Dispatcher,
    clock: Clock,
    changes: dict[str, Any],
    expected: int,
) -> None:
    await post.arrives(peer, proven(answer(node, peer, bert, alices, **changes), clock))
    await deliver(dispatcher)
    assert len([one for one in third.received if one.activity["actor"] == bert]) == expected


async def test_only_what_answers_a_post_of_ours(
    node: Node,
    peer: RemotePeer,
    third: RemotePeer,
    bert: str,
    alices: str,
    post: Post,
    dispatcher: Dispatcher,
    clock: Clock,
) -> None:
    await post.arrives(peer, proven(answer(node, peer, bert, f"{peer.base}/notes/9"), clock))
    await deliver(dispatcher)
    assert third.received == []


async def test_without_a_proof_a_public_answer_goes_on_as_a_hint_and_a_private_one_not_at_all(
    node: Node, peer: RemotePeer, third: RemotePeer, bert: str, alices: str, post: Post, dispatcher: Dispatcher
) -> None:
    await post.arrives(peer, answer(node, peer, bert, alices))
    await deliver(dispatcher)
    assert [one.type for one in third.received] == ["Create"]
    note = peer.note(2, bert, "Psst", inReplyTo=alices, to=[followers(node)], cc=[])
    await post.arrives(peer, peer.activity("Create", bert, note, to=[followers(node)], cc=[], number=2))
    await deliver(dispatcher)
    assert len(third.received) == 1


async def test_the_edit_and_the_end_of_an_answer_follow_it(
    node: Node,
    peer: RemotePeer,
    third: RemotePeer,
    bert: str,
    alices: str,
    post: Post,
    dispatcher: Dispatcher,
    clock: Clock,
) -> None:
    created = proven(answer(node, peer, bert, alices), clock)
    await post.arrives(peer, created)
    note = {**created["object"], "content": "<p>Or so</p>", "updated": "2026-09-21T11:00:00Z"}
    around = {"to": [PUBLIC], "cc": [followers(node)]}
    await post.arrives(peer, proven(peer.activity("Update", bert, note, **around, number=2), clock))
    await post.arrives(peer, proven(peer.activity("Delete", bert, note["id"], **around, number=3), clock))
    await deliver(dispatcher)
    assert [one.type for one in third.received] == ["Create", "Update", "Delete"]


async def test_not_back_to_whoever_brought_it(
    node: Node,
    peer: RemotePeer,
    third: RemotePeer,
    bert: str,
    alices: str,
    post: Post,
    dispatcher: Dispatcher,
    clock: Clock,
) -> None:
    doc = proven(answer(node, peer, bert, alices), clock)
    await post.arrives(third, doc, by=f"{third.base}/users/carla")
    await deliver(dispatcher)
    assert (await count_of(node, inbox_item), third.received, peer.received) == (1, [], [])


async def test_an_answer_by_somebody_whom_the_author_blocks_is_not_passed_on(
    node: Node,
    peer: RemotePeer,
    third: RemotePeer,
    bert: str,
    alice: Viewer,
    alices: str,
    post: Post,
    dispatcher: Dispatcher,
    clock: Clock,
    network: Network,
) -> None:
    bert_id = await network.actor(bert)
    await node.write_as(alice, social.block, bert_id)
    await node.write(lambda tx: tx.execute(delivery.delete()))
    await post.arrives(peer, proven(answer(node, peer, bert, alices), clock))
    await deliver(dispatcher)
    assert third.received == []
