"""Update, Delete and Move of actors, and Flag, each with the near miss that must change nothing."""

import pytest
from sqlalchemy import update

from activitypub.errors import ProtocolError, Refused
from node import accounts, moderation, posts, social
from node.accounts import ProfileChanges
from node.federation.dispatcher import Dispatcher
from node.federation.network import Network, open_network
from node.posts import Draft
from node.runtime import Node
from node.schema import account, follow, notification, report, tombstone
from node.schema import post as post_table
from node.viewer import Viewer
from tests.node.federation.conftest import Post, deliver, run_jobs
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.remote_peer import RemotePeer
from tests.support.rows import count_of, id_of, rows_of


async def account_row(node: Node, iri: str) -> object:
    (row,) = await rows_of(node, account, account.c.iri == iri)
    return row


async def test_a_changed_profile_is_taken_over_with_its_work(
    node: Node, peer: RemotePeer, bert: str, post: Post
) -> None:
    said = peer.actor("bert", name="Bert <b>B</b>", jobTitle="Technician", executive=True)
    assert await post.arrives(peer, peer.activity("Update", bert, said, number=1)) == "done"
    row = await node.read(accounts.known, bert)
    assert (row.display_name, row.title, row.executive) == ("Bert B", "Technician", True)


async def test_a_profile_of_somebody_else_is_refused_at_the_door(
    node: Node, peer: RemotePeer, bert: str, post: Post, network: Network
) -> None:
    eve = peer.person("eve")
    await network.actor(eve)
    with pytest.raises(Refused):
        await post.arrives(peer, peer.activity("Update", eve, peer.actor("bert", name="Eve"), number=1))
    assert (await node.read(accounts.known, bert)).display_name != "Eve"


async def test_a_deleted_account_is_gone_with_its_posts_and_stays_so(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, network: Network
) -> None:
    await network.fetch_post(peer.note(1, bert)["id"])
    bert_id = (await node.read(accounts.known, bert)).id
    await node.write(lambda tx: social.record_follow(tx, bert_id, id_of(alice)))
    assert await post.arrives(peer, peer.activity("Delete", bert, bert, number=1)) == "done"
    await run_jobs(node, network)
    assert (await count_of(node, follow), await count_of(node, post_table)) == (0, 0)
    assert await count_of(node, tombstone, tombstone.c.iri == bert) == 1
    asked = peer.activity("Follow", bert, node.urls.actor("alice"), number=2)
    assert (await post.arrives(peer, asked)).startswith("refused")  # here the key was still at hand
    fresh = await open_network(node)
    with pytest.raises(ProtocolError):
        await fresh.receive(peer.signed({**asked, "id": f"{asked['id']}0"}, node.urls.shared_inbox, by=bert))
    await fresh.aclose()
    assert await count_of(node, follow) == 0


async def test_nobody_buries_what_another_of_the_same_server_is_yet_to_write(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, network: Network
) -> None:
    eve, later = peer.person("eve"), peer.person("later")
    await network.actor(eve)
    note = peer.note(1, bert)
    for number, iri in enumerate((note["id"], later)):
        await post.arrives(peer, peer.activity("Delete", eve, iri, number=number))
    assert await network.fetch_post(note["id"])
    assert await network.actor(later)


async def test_nobody_deletes_an_account_of_another(
    node: Node, peer: RemotePeer, bert: str, post: Post, network: Network
) -> None:
    eve = peer.person("eve")
    await network.actor(eve)
    outcome = await post.arrives(peer, peer.activity("Delete", eve, bert, number=1))
    assert outcome.startswith("refused")
    assert await node.read(accounts.known, bert)


async def test_a_profile_here_is_told_to_followers_and_only_the_last_of_many_changes(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher
) -> None:
    bert_id = (await node.read(accounts.known, bert)).id
    await node.write(lambda tx: social.record_follow(tx, bert_id, id_of(alice)))
    for name in ("Alice A", "Alice B"):
        await node.write_as(alice, accounts.update_profile, ProfileChanges(display_name=name))
    await deliver(dispatcher)
    assert [(one.type, one.activity["object"]["name"]) for one in peer.received] == [("Update", "Alice B")]


async def test_a_deleted_account_here_is_told_to_every_peer(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher, network: Network
) -> None:
    await node.write_as(alice, posts.publish, Draft("Hello"))
    await node.write_as(alice, accounts.delete_account, id_of(alice))
    await run_jobs(node, network)
    await deliver(dispatcher)
    assert [(one.type, one.activity["object"]) for one in peer.received] == [("Delete", node.urls.actor("alice"))]


# --- Move


@pytest.fixture
async def followed(node: Node, alice: Viewer, bert: str) -> str:
    bert_id = (await node.read(accounts.known, bert)).id
    await node.write_as(alice, social.follow, bert_id)
    await node.write(lambda tx: social.record_accept(tx, id_of(alice), bert_id))
    return bert


async def targets(node: Node) -> list[str]:
    by_id = {row.id: row.iri for row in await rows_of(node, account)}
    return [by_id[row.target_id] for row in await rows_of(node, follow)]


async def test_a_move_takes_followers_along(
    node: Node, peer: RemotePeer, followed: str, post: Post, network: Network
) -> None:
    new = peer.person("bertram", alsoKnownAs=[followed])
    assert await post.arrives(peer, peer.activity("Move", followed, followed, target=new, number=1)) == "done"
    await run_jobs(node, network)
    assert await targets(node) == [new]
    assert (await node.read(accounts.known, followed)).moved_to_iri == new


async def test_a_move_to_an_account_that_does_not_know_the_old_one_moves_nobody(
    node: Node, peer: RemotePeer, followed: str, post: Post, network: Network
) -> None:
    new = peer.person("bertram")
    claimed = {**peer.actor("bertram"), "alsoKnownAs": [followed]}
    await post.arrives(peer, peer.activity("Move", followed, followed, target=claimed, number=1))
    await run_jobs(node, network)
    assert new not in await targets(node)
    assert (await node.read(accounts.known, followed)).moved_to_iri is None


async def test_an_account_that_has_just_moved_stays_where_it_is(
    node: Node, peer: RemotePeer, followed: str, alice: Viewer, post: Post, network: Network, clock: Clock
) -> None:
    first, second = (peer.person(name, alsoKnownAs=[followed]) for name in ("first", "second"))
    await post.arrives(peer, peer.activity("Move", followed, followed, target=first, number=1))
    await run_jobs(node, network)
    bob = await make_person(node, "bob")
    bert_id = (await node.read(accounts.known, followed)).id
    await node.write(lambda tx: tx.execute(update(account).where(account.c.id == bert_id).values(moved_to_iri=None)))
    await node.write_as(bob, social.follow, bert_id)
    await node.write(lambda tx: social.record_accept(tx, id_of(bob), bert_id))
    await post.arrives(peer, peer.activity("Move", followed, followed, target=second, number=2))
    await run_jobs(node, network)
    assert second not in await targets(node)
    clock.advance(8 * 86_400)
    await post.arrives(peer, peer.activity("Move", followed, followed, target=second, number=3))
    await run_jobs(node, network)
    assert second in await targets(node)


# --- Flag


async def test_a_report_reaches_moderators_and_not_the_one_reported(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    moderator = await make_person(node, "mo", roles=("moderator",))
    ours = await node.read(posts.get, await node.write_as(alice, posts.publish, Draft("Hello")))
    flag = peer.activity("Flag", bert, [node.urls.actor("alice"), ours.iri], content="Rude", number=1)
    assert await post.arrives(peer, flag) == "done"
    (stored,) = await rows_of(node, report)
    assert (stored.target_id, list(stored.post_ids), stored.comment) == (id_of(alice), [ours.id], "Rude")
    told = [(row.kind, row.account_id) for row in await rows_of(node, notification)]
    assert told == [("admin.report", id_of(moderator))]


async def test_a_report_about_nobody_of_ours_is_refused(node: Node, peer: RemotePeer, bert: str, post: Post) -> None:
    assert (await post.arrives(peer, peer.activity("Flag", bert, [bert], number=1))).startswith("refused")
    assert await count_of(node, report) == 0


async def test_a_report_by_a_person_here_is_forwarded_in_the_nodes_name(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher
) -> None:
    bert_id = (await node.read(accounts.known, bert)).id
    await node.write_as(alice, moderation.file_report, bert_id, (), "Rude", forward=True)
    await deliver(dispatcher)
    (flag,) = peer.received
    assert (flag.type, flag.activity["actor"]) == ("Flag", node.urls.node_actor)
    assert "alice" not in str(flag.activity)
