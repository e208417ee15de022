"""The inbox: durable, bounded, in order, and never undone by what a stranger sends."""

import asyncio
from typing import Any

import pytest

from activitypub import parse
from activitypub.errors import Malformed, Refused, SignatureInvalid
from activitypub.vocabulary import PUBLIC
from node import accounts, posts, social
from node.db import insert_or_ignore
from node.errors import Unavailable
from node.federation import inbox, peers
from node.federation.network import Network
from node.posts import Draft
from node.runtime import Node
from node.schema import account, follow, inbox_item
from node.schema import peer as peer_table
from node.schema import post as post_table
from node.viewer import Viewer
from tests.node.federation.conftest import Post
from tests.support.clocks import Clock
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import count_of, id_of, rows_of


async def send(node: Node, network: Network, peer: RemotePeer, activity: Doc | bytes, by: str) -> bool:
    return await network.receive(peer.signed(activity, node.urls.shared_inbox, by=by))


async def test_an_activity_is_on_disk_when_it_is_accepted_and_stored_once(
    node: Node, peer: RemotePeer, bert: str, network: Network
) -> None:
    activity = peer.activity("Follow", bert, node.urls.actor("alice"), number=1)
    assert await send(node, network, peer, activity, bert) is True
    assert await send(node, network, peer, activity, bert) is False
    (row,) = await rows_of(node, inbox_item)
    assert (row.signer_iri, row.activity_iri, row.peer) == (bert, activity["id"], peer.domain)


async def test_a_processed_activity_is_remembered_without_its_body(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, network: Network
) -> None:
    activity = peer.activity("Follow", bert, node.urls.actor("alice"), number=1)
    await post.arrives(peer, activity)
    (row,) = await rows_of(node, inbox_item)
    assert (row.body, row.next_at, row.outcome) == (None, None, "done")
    assert await send(node, network, peer, activity, bert) is False


async def test_a_stranger_cannot_use_up_the_ids_of_others(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, network: Network
) -> None:
    eve = peer.person("eve")
    await network.actor(eve)
    activity = peer.activity("Follow", bert, node.urls.actor("alice"), number=1)
    assert await send(node, network, peer, {**activity, "actor": eve}, eve) is True
    assert await send(node, network, peer, activity, bert) is True


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"type": "Follow"}', b'{"a":1,"a":2}', b"\xff", b"[" * 9000])
async def test_what_is_no_activity_is_malformed(
    node: Node, peer: RemotePeer, bert: str, network: Network, body: bytes
) -> None:
    with pytest.raises(Malformed):
        await send(node, network, peer, body, bert)
    assert await count_of(node, inbox_item) == 0


async def test_an_unknown_type_is_taken_and_dropped(node: Node, peer: RemotePeer, bert: str, post: Post) -> None:
    assert await post.arrives(peer, peer.activity("Arrive", bert, bert, number=1)) == "ignored: Arrive"


async def test_an_activity_in_the_name_of_another_is_refused(
    node: Node, peer: RemotePeer, bert: str, network: Network
) -> None:
    eve = peer.person("eve")
    await network.actor(eve)
    with pytest.raises(Refused):
        await send(node, network, peer, peer.activity("Follow", bert, node.urls.actor("alice"), number=1), eve)
    request = peer.signed(peer.activity("Follow", bert, bert, number=1), node.urls.shared_inbox, by=bert, key=1)
    with pytest.raises(SignatureInvalid):
        await network.receive(request)
    assert await count_of(node, inbox_item) == 0


class TestWithALimit:
    @pytest.fixture
    def federation(self) -> dict[str, Any]:
        return {"mode": "open", "allow_loopback": True, "inbox_limit_per_peer": 3}

    async def test_a_peer_that_sends_too_much_is_told_to_wait_and_no_other(
        self, node: Node, peer: RemotePeer, bert: str, network: Network
    ) -> None:
        for number in range(3):
            await send(node, network, peer, peer.activity("Arrive", bert, bert, number=number), bert)
        with pytest.raises(Unavailable):
            await send(node, network, peer, peer.activity("Arrive", bert, bert, number=9), bert)
        assert await node.write(inbox.receive, "https://other.example/a", "other.example", None, b"{}") is True


async def test_a_blocked_peer_is_refused_and_what_waits_of_it_is_dropped(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, network: Network
) -> None:
    await send(node, network, peer, peer.activity("Follow", bert, node.urls.actor("alice"), number=1), bert)
    await node.write(peers.block, peer.domain)
    network.forget_blocks()
    with pytest.raises(Refused):
        await send(node, network, peer, peer.activity("Follow", bert, node.urls.actor("alice"), number=2), bert)
    await Post(node, network).work()
    assert await count_of(node, follow) == 0
    assert [row.outcome for row in await rows_of(node, inbox_item)] == ["refused: the peer is blocked"]
    await node.write(peers.unblock, peer.domain)
    network.forget_blocks()
    assert (
        await Post(node, network).arrives(peer, peer.activity("Follow", bert, node.urls.actor("alice"), number=3))
        == "done"
    )


async def test_a_suspended_actor_is_refused(node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post) -> None:
    bert_id = (await node.read(accounts.known, bert)).id
    await node.write(accounts.suspend, bert_id)
    with pytest.raises(Refused):
        await post.arrives(peer, peer.activity("Follow", bert, node.urls.actor("alice"), number=1))
    assert await count_of(node, follow) == 0


async def test_later_activities_of_a_signer_wait_for_what_the_first_needs(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, network: Network, post: Post
) -> None:
    """A boost whose post has to be fetched, and its Undo right behind: in the end there must be no boost."""
    bert_id = (await node.read(accounts.known, bert)).id
    await node.write_as(alice, social.follow, bert_id)
    await node.write(lambda tx: social.record_accept(tx, id_of(alice), bert_id))
    note = peer.note(1, peer.person("eve"))
    boost = peer.activity("Announce", bert, note["id"], number=1, to=[PUBLIC])
    for activity in (boost, peer.activity("Undo", bert, boost, number=2)):
        await send(node, network, peer, activity, bert)
    peer.delay = 0.1
    await post.work()
    assert [row.outcome for row in await rows_of(node, inbox_item)] == ["done", "done"]
    assert [row.boost_of_id for row in await rows_of(node, post_table)] == [None]


async def test_one_peer_that_hangs_does_not_hold_up_another_signer(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, network: Network, post: Post
) -> None:
    bert_id = (await node.read(accounts.known, bert)).id
    await node.write_as(alice, social.follow, bert_id)
    await node.write(lambda tx: social.record_accept(tx, id_of(alice), bert_id))
    eve = peer.person("eve")
    await network.actor(eve)
    note = peer.note(1, eve)
    await send(node, network, peer, peer.activity("Announce", bert, note["id"], number=1, to=[PUBLIC]), bert)
    await send(node, network, peer, peer.activity("Follow", eve, node.urls.actor("alice"), number=2), eve)
    peer.delay = 30
    await asyncio.wait_for(post.processor.step(), 5)
    assert [row.state for row in await rows_of(node, follow, follow.c.target_id == id_of(alice))] == ["accepted"]
    post.processor.cancel()
    peer.delay = 0


async def test_what_cannot_be_fetched_now_is_tried_again_later(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, network: Network, post: Post, clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("node.federation.fetching.FAILED_SECONDS", 0.0)
    bert_id = (await node.read(accounts.known, bert)).id
    await node.write_as(alice, social.follow, bert_id)
    await node.write(lambda tx: social.record_accept(tx, id_of(alice), bert_id))
    note = peer.note(1, bert)
    path = note["id"].removeprefix(peer.base)
    peer.documents[path] = 503
    boost = peer.activity("Announce", bert, note["id"], number=1, to=[PUBLIC])
    assert (await post.arrives(peer, boost)).startswith("failed: FetchFailed")
    peer.documents[path] = note
    await post.work()
    assert await count_of(node, post_table) == 0  # not before its time
    clock.advance(60)
    await post.work()
    assert await post.outcome(boost["id"]) == "done"
    assert await count_of(node, post_table) == 2


async def test_a_poisonous_activity_is_given_up_and_the_others_go_on(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, network: Network, clock: Clock, post: Post,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """What we did not foresee, made to happen: a handler that fails on one activity."""

    def broken(_tx: Any, _inbound: Any) -> None:
        raise ZeroDivisionError

    handlers = {**inbox.HANDLERS, ("Flag", "Actor"): broken}
    monkeypatch.setattr(inbox, "HANDLERS", handlers)
    poison = peer.activity("Flag", bert, [node.urls.actor("alice")], number=1)
    await send(node, network, peer, poison, bert)
    assert await post.arrives(peer, peer.activity("Follow", bert, node.urls.actor("alice"), number=2)) == "done"
    for _ in range(inbox.ATTEMPTS):
        clock.advance(86_400)
        await post.work()
    assert (await post.outcome(poison["id"])).startswith("given up: failed: ZeroDivisionError")
    assert await node.read(inbox.is_due) is False


async def test_half_a_handler_leaves_nothing(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks_off(tx: Any, inbound: Any) -> None:
        row = {"domain": "half.example", "created_at": tx.now}
        tx.execute(insert_or_ignore(tx.dialect, peer_table, ["domain"]), row)
        raise ZeroDivisionError

    monkeypatch.setattr(inbox, "HANDLERS", {**inbox.HANDLERS, ("Follow", "Actor"): breaks_off})
    await post.arrives(peer, peer.activity("Follow", bert, node.urls.actor("alice"), number=1))
    assert await count_of(node, peer_table, peer_table.c.domain == "half.example") == 0


# --- Passed on for others


async def test_a_forwarded_answer_is_taken_from_its_origin_and_not_as_sent(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, network: Network, post: Post
) -> None:
    parent = await node.read(posts.get, await node.write_as(alice, posts.publish, Draft("Hello")))
    eve = peer.person("eve")
    note = peer.note(1, eve, "Truth", inReplyTo=parent.iri)
    lie = peer.activity("Create", eve, {**note, "content": "<p>Lie</p>"}, number=1)
    assert (await post.arrives(peer, lie, by=bert)).startswith("done: looked up")
    stored = [row for row in await rows_of(node, post_table) if not row.local]
    assert [row.content for row in stored] == ["<p>Truth</p>"]


async def test_a_forwarded_deletion_is_believed_only_if_the_origin_says_the_same(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, network: Network, post: Post
) -> None:
    parent = await node.read(posts.get, await node.write_as(alice, posts.publish, Draft("Hello")))
    eve = peer.person("eve")
    note = peer.note(1, eve, inReplyTo=parent.iri)
    await network.fetch_post(note["id"])
    await post.arrives(peer, peer.activity("Delete", eve, note["id"], number=1), by=bert)
    assert await count_of(node, post_table) == 2
    peer.documents[note["id"].removeprefix(peer.base)] = 410
    await post.arrives(peer, peer.activity("Delete", eve, note["id"], number=2), by=bert)
    assert await count_of(node, post_table) == 1


async def test_something_forwarded_about_nothing_we_know_is_refused(
    node: Node, peer: RemotePeer, bert: str, network: Network
) -> None:
    eve = peer.person("eve")
    with pytest.raises(Refused):
        await send(node, network, peer, peer.activity("Create", eve, peer.note(1, eve), number=1), bert)
    assert "/notes/1" not in peer.fetched


# --- Farewells


async def test_a_delete_by_an_unknown_actor_who_is_gone_is_dropped_quietly(
    node: Node, peer: RemotePeer, network: Network
) -> None:
    eve = peer.person("eve")
    peer.documents["/users/eve"] = 410
    assert await send(node, network, peer, peer.activity("Delete", eve, eve, number=1), eve) is False
    assert await count_of(node, inbox_item) == 0


async def test_a_known_actor_whose_key_is_gone_with_it_is_deleted(
    node: Node, peer: RemotePeer, bert: str, network: Network
) -> None:
    bert_id = (await node.read(accounts.known, bert)).id
    peer.documents["/users/bert"] = 410
    request = peer.signed(peer.activity("Delete", bert, bert, number=1), node.urls.shared_inbox, by=bert, key=1)
    assert await network.receive(request) is False
    (row,) = await rows_of(node, account, account.c.id == bert_id)
    assert row.gone_at is not None


async def test_nobody_is_deleted_while_the_actor_can_still_be_read(
    node: Node, peer: RemotePeer, bert: str, network: Network
) -> None:
    request = peer.signed(peer.activity("Delete", bert, bert, number=1), node.urls.shared_inbox, by=bert, key=1)
    with pytest.raises(SignatureInvalid):
        await network.receive(request)
    assert await node.read(accounts.known, bert)


def test_every_handled_activity_is_one_that_kind_of_can_name() -> None:
    named = {("Undo", "Activity"), ("Announce", "Activity")}
    carried = {
        "id": "https://a.example/2",
        "type": "Announce",
        "actor": "https://a.example/x",
        "object": {"type": "Like"},
    }
    assert inbox.kind_of(parse.activity(carried)) == "Activity"
    for kind, about in inbox.HANDLERS:
        follow_of_tag = {"id": "https://a.example/f", "type": "Follow", "object": "https://b.example/tags/pump"}
        embedded: Any = {
            "Actor": {"id": "https://a.example/x", "type": "Person"},
            "Tag": follow_of_tag["object"] if kind == "Follow" else follow_of_tag,
        }.get(about, {"id": "https://a.example/x", "type": "Note" if about == "Post" else about})
        doc = {"id": "https://a.example/1", "type": kind, "actor": "https://a.example/x", "object": embedded}
        if about == "Post":
            doc["actor"] = "https://a.example/y"
        named.add((kind, inbox.kind_of(parse.activity(doc))))
    assert named == set(inbox.HANDLERS)
