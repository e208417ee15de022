"""Follow, Accept, Reject, Undo and Block, each with the near miss that must change nothing."""

import pytest
from sqlalchemy import select

from activitypub.errors import Refused
from node import accounts, social
from node.federation.dispatcher import Dispatcher
from node.federation.network import Network
from node.runtime import Node
from node.schema import account, block, follow, notification
from node.viewer import Viewer
from tests.node.federation.conftest import Post, deliver
from tests.support.remote_peer import RemotePeer
from tests.support.rows import count_of, id_of, rows_of


def actor_of(node: Node, name: str = "alice") -> str:
    return node.urls.actor(name)


async def test_a_follow_is_stored_accepted_and_told(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, dispatcher: Dispatcher
) -> None:
    asked = peer.activity("Follow", bert, actor_of(node), number=1)
    assert await post.arrives(peer, asked) == "done"
    (row,) = await rows_of(node, follow)
    assert (row.target_id, row.state, row.iri) == (id_of(alice), "accepted", asked["id"])
    assert [one.kind for one in await rows_of(node, notification)] == ["follow"]
    await deliver(dispatcher)
    (answer,) = peer.received
    assert (answer.path, answer.type) == ("/users/bert/inbox", "Accept")
    assert answer.activity["object"]["id"] == asked["id"]


async def test_a_locked_account_answers_only_after_its_person_has(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, dispatcher: Dispatcher
) -> None:
    await node.write(lambda tx: tx.execute(account.update().where(account.c.id == id_of(alice)).values(locked=True)))
    await post.arrives(peer, peer.activity("Follow", bert, actor_of(node), number=1))
    await deliver(dispatcher)
    assert ([row.state for row in await rows_of(node, follow)], peer.received) == (["pending"], [])
    (row,) = await rows_of(node, follow)
    await node.write_as(alice, social.accept_request, row.follower_id)
    await deliver(dispatcher)
    assert [one.type for one in peer.received] == ["Accept"]


async def test_a_repeated_follow_is_answered_again_and_stored_once(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, dispatcher: Dispatcher
) -> None:
    for number in (1, 2):
        await post.arrives(peer, peer.activity("Follow", bert, actor_of(node), number=number))
    await deliver(dispatcher)
    assert await count_of(node, follow) == 1
    assert [one.activity["object"]["id"][-1] for one in peer.received] == ["1", "2"]


async def test_a_blocked_actor_is_refused_and_no_follow_is_stored(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, dispatcher: Dispatcher
) -> None:
    bert_id = (await node.read(accounts.known, bert)).id
    await node.write_as(alice, social.block, bert_id)
    await post.arrives(peer, peer.activity("Follow", bert, actor_of(node), number=1))
    await deliver(dispatcher)
    assert await count_of(node, follow) == 0
    assert sorted(one.type for one in peer.received) == ["Block", "Reject"]


async def test_the_node_itself_cannot_be_followed(node: Node, peer: RemotePeer, bert: str, post: Post) -> None:
    await post.arrives(peer, peer.activity("Follow", bert, node.urls.node_actor, number=1))
    assert await count_of(node, follow) == 0


async def asked_by_alice(node: Node, alice: Viewer, bert: str) -> str:
    """IRI of alice's Follow of bert."""
    bert_id = (await node.read(accounts.known, bert)).id
    await node.write_as(alice, social.follow, bert_id)
    return str((await rows_of(node, follow))[0].iri)


async def test_an_accept_by_the_one_who_was_asked_counts(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, dispatcher: Dispatcher
) -> None:
    iri = await asked_by_alice(node, alice, bert)
    await deliver(dispatcher)
    assert [one.type for one in peer.received] == ["Follow"]
    assert (await rows_of(node, follow))[0].state == "pending"
    await post.arrives(peer, peer.activity("Accept", bert, peer.received[0].activity, number=1))
    assert [(row.state, row.iri) for row in await rows_of(node, follow)] == [("accepted", iri)]


async def test_an_accept_by_somebody_else_of_the_same_server_changes_nothing(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, network: Network
) -> None:
    iri = await asked_by_alice(node, alice, bert)
    eve = peer.person("eve")
    await network.actor(eve)
    outcome = await post.arrives(peer, peer.activity("Accept", eve, iri, number=1))
    assert outcome.startswith("refused")
    assert (await rows_of(node, follow))[0].state == "pending"


async def test_an_accept_that_names_other_parties_changes_nothing(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    iri = await asked_by_alice(node, alice, bert)
    other = {"id": iri, "type": "Follow", "actor": actor_of(node, "mallory"), "object": bert}
    assert (await post.arrives(peer, peer.activity("Accept", bert, other, number=1))).startswith("refused")
    assert (await rows_of(node, follow))[0].state == "pending"


async def test_a_reject_ends_the_follow_also_later(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    iri = await asked_by_alice(node, alice, bert)
    await post.arrives(peer, peer.activity("Accept", bert, iri, number=1))
    await post.arrives(peer, peer.activity("Reject", bert, iri, number=2))
    assert await count_of(node, follow) == 0
    assert (await node.read(accounts.get, id_of(alice))).following_count == 0


@pytest.mark.parametrize("form", ["embedded", "by id", "with another id"])
async def test_an_undo_ends_the_follow(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, form: str
) -> None:
    asked = peer.activity("Follow", bert, actor_of(node), number=1)
    await post.arrives(peer, asked)
    undone = {
        "embedded": {key: value for key, value in asked.items() if key != "@context"},
        "by id": asked["id"],
        "with another id": {**asked, "id": f"{peer.base}/activities/follow/99"},
    }[form]
    assert await post.arrives(peer, peer.activity("Undo", bert, undone, number=2)) == "done"
    assert await count_of(node, follow) == 0


async def test_an_undo_of_somebody_elses_follow_changes_nothing(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, network: Network
) -> None:
    asked = peer.activity("Follow", bert, actor_of(node), number=1)
    await post.arrives(peer, asked)
    eve = peer.person("eve")
    await network.actor(eve)
    undo = peer.activity("Undo", eve, asked["id"], number=2)
    assert (await post.arrives(peer, undo)).startswith("refused")
    with pytest.raises(Refused):  # with the original sent along, it is refused at the door
        await post.arrives(peer, peer.activity("Undo", eve, asked, number=3))
    assert await count_of(node, follow) == 1


async def test_a_block_severs_and_its_undo_forgets_it(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    await post.arrives(peer, peer.activity("Follow", bert, actor_of(node), number=1))
    blocked = peer.activity("Block", bert, actor_of(node), number=2)
    assert await post.arrives(peer, blocked) == "done"
    assert (await count_of(node, follow), await count_of(node, block)) == (0, 1)
    await post.arrives(peer, peer.activity("Undo", bert, blocked, number=3))
    assert await count_of(node, block) == 0


async def test_a_block_of_somebody_elsewhere_is_not_stored(
    node: Node, peer: RemotePeer, bert: str, post: Post, network: Network
) -> None:
    eve = peer.person("eve")
    await network.actor(eve)
    assert (await post.arrives(peer, peer.activity("Block", bert, eve, number=1))).startswith("refused")
    assert await count_of(node, block) == 0


async def test_what_people_here_do_is_told_and_undone_elsewhere(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher
) -> None:
    bert_id = await node.read(lambda tx: tx.scalar(select(account.c.id).where(account.c.iri == bert)))
    for rule in (social.follow, social.unfollow, social.block, social.unblock):
        await node.write_as(alice, rule, bert_id)
    await deliver(dispatcher)
    told = [(one.type, one.activity["object"]) for one in peer.received]
    assert [kind for kind, _ in told if kind != "Undo"] == ["Follow", "Block"]
    undone = {about["type"]: about["id"] for kind, about in told if kind == "Undo"}
    originals = {one.type: one.activity["id"] for one in peer.received if one.type != "Undo"}
    assert undone == originals
