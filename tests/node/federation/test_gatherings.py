"""Events across nodes: what a peer's Event becomes, and Join, Leave and their answers, both ways."""

from typing import Any

import pytest

from activitypub.audience import Visibility
from activitypub.documents import Event
from activitypub.errors import Refused
from node import accounts, gatherings, posts, social
from node.attending import ACCEPTED, ASKED, COUNT_AFTER_MS
from node.errors import Invalid, NotFound
from node.federation.dispatcher import Dispatcher
from node.federation.network import Network
from node.ids import PostId
from node.plans import Plan
from node.posts import Draft
from node.runtime import Node
from node.schema import attendance, gathering
from node.viewer import Viewer
from tests.node.federation.conftest import Post, deliver, run_jobs
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.posting import following
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import count_of, id_of, rows_of

START = 1_790_100_000_000
WHEN = {"startTime": "2026-09-22T20:00:00+02:00", "timezone": "Europe/Berlin"}


def party(peer: RemotePeer, author: str, number: int = 1, **changes: Any) -> Doc:
    said: Doc = {"type": "Event", "name": "Party", "url": f"{peer.base}/e/{number}", "joinMode": "free", **WHEN}
    said |= {"location": {"type": "Place", "name": "Hall 3"}}
    return peer.serve(peer.note(number, author, "Come all", **said) | changes)


@pytest.fixture
async def bert_here(node: Node, bert: str, peer: RemotePeer, alice: Viewer) -> Viewer:
    """bert, who follows alice and is followed by her."""
    viewer = Viewer(alice.kind, (await node.read(accounts.known, bert)).id, domain=peer.domain)
    await following(node, viewer, alice)
    await following(node, alice, viewer)
    return viewer


async def invite(node: Node, who: Viewer, *, visibility: Visibility | None = None, **fields: Any) -> PostId:
    plan = Plan("Workshop", Event(starts_at=START, **fields))
    return await node.write_as(who, gatherings.create, plan, Draft("Bring tools", visibility=visibility))


async def known_party(node: Node, network: Network, peer: RemotePeer, bert: str, **changes: Any) -> tuple[Doc, PostId]:
    doc = party(peer, bert, changes.pop("number", 1), **changes)
    return doc, await network.fetch_post(doc["id"])


# --- theirs


async def test_an_event_is_a_post_with_title_time_place_and_link(
    node: Node, network: Network, peer: RemotePeer, bert: str
) -> None:
    _, post_id = await known_party(node, network, peer, bert, content="<p>Hi</p><script>x</script>", name="<i>P</i>&")
    row = await node.read(posts.get, post_id)
    link = f"{peer.base}/e/1"
    assert row.content == (
        '<p class="gathering"><strong>P&amp;</strong><br>2026-09-22 20:00 (Europe/Berlin)<br>Hall 3<br>'
        f'<a href="{link}" target="_blank" rel="nofollow noopener noreferrer">{link}</a></p><p>Hi</p>'
    )
    (stored,) = await rows_of(node, gathering)
    assert (stored.title, stored.starts_at, stored.join_mode) == ("P&", START, "free")


async def test_an_event_without_a_time_is_shown_as_other_posts_with_a_title(
    node: Node, network: Network, peer: RemotePeer, bert: str
) -> None:
    _, post_id = await known_party(node, network, peer, bert, startTime="soon")
    assert "<p><strong>Party</strong></p>" in (await node.read(posts.get, post_id)).content
    assert await count_of(node, gathering) == 0


async def test_an_edit_by_its_author_moves_the_event_and_one_by_somebody_else_does_not(
    node: Node, network: Network, peer: RemotePeer, bert: str, post: Post
) -> None:
    doc, post_id = await known_party(node, network, peer, bert)
    mallory = peer.person("mallory")
    await network.actor(mallory)
    moved = doc | {"updated": "2026-09-21T12:00:00Z", "location": {"type": "Place", "name": "Hall 9"}}
    with pytest.raises(Refused):
        await post.arrives(peer, peer.activity("Update", mallory, moved, number=1))
    foreign = moved | {"attributedTo": mallory}
    assert (await post.arrives(peer, peer.activity("Update", mallory, foreign, number=2))).startswith("refused")
    assert (await rows_of(node, gathering))[0].place == "Hall 3"
    assert await post.arrives(peer, peer.activity("Update", bert, moved, number=3)) == "done"
    assert (await rows_of(node, gathering))[0].place == "Hall 9"
    assert "Hall 9" in (await node.read(posts.get, post_id)).content
    counted = moved | {"participantCount": 12}
    assert await post.arrives(peer, peer.activity("Update", bert, counted, number=4)) == "done"
    old = doc | {"participantCount": 3, "updated": "2026-09-20T12:00:00Z"}
    await post.arrives(peer, peer.activity("Update", bert, old, number=5))
    assert (await rows_of(node, gathering))[0].guests_count == 12
    assert (await node.read(posts.get, post_id)).rev == 1


async def test_a_join_of_ours_counts_when_its_author_accepts_it(
    node: Node, network: Network, peer: RemotePeer, bert: str, post: Post, alice: Viewer, dispatcher: Dispatcher
) -> None:
    doc, post_id = await known_party(node, network, peer, bert)
    mallory = peer.person("mallory")
    await network.actor(mallory)
    await node.write_as(alice, gatherings.join, post_id)
    await deliver(dispatcher)
    join = peer.received[-1].activity
    assert (join["type"], join["object"], join["to"]) == ("Join", doc["id"], [bert])
    asked = {name: join[name] for name in ("id", "type", "actor", "object")}

    async def state() -> str | None:
        return (await node.read_as(alice, gatherings.get, post_id)).state

    for number, said in enumerate(
        (
            peer.activity("Accept", mallory, asked, number=10),
            peer.activity("Accept", mallory, asked["id"], number=11),
            peer.activity("Accept", bert, asked | {"id": f"{asked['id']}0"}, number=12),
            peer.activity("Accept", bert, asked | {"object": f"{peer.base}/notes/2"}, number=13),
            peer.activity("Accept", bert, asked | {"actor": node.urls.actor("eve")}, number=14),
            peer.activity("Accept", bert, asked | {"id": doc["id"]}, number=15),
        )
    ):
        assert (await post.arrives(peer, said)).startswith("refused"), number
        assert await state() == ASKED
    for number in (20, 21):
        assert await post.arrives(peer, peer.activity("Accept", bert, asked, number=number)) == "done"
        assert await state() == ACCEPTED
    assert await post.arrives(peer, peer.activity("Reject", bert, asked["id"], number=22)) == "done"
    assert await state() is None
    assert (await post.arrives(peer, peer.activity("Accept", bert, asked, number=23))).startswith("refused")


# --- ours


async def test_an_event_of_ours_goes_out_as_an_event(
    node: Node, bert_here: Viewer, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher
) -> None:
    post_id = await invite(node, alice, place="Hall 3", link="https://meet.example/1", capacity=5)
    await deliver(dispatcher)
    doc = peer.received[-1].activity["object"]
    assert (doc["type"], doc["name"], doc["content"]) == ("Event", "Workshop", "<p>Bring tools</p>")
    assert doc["startTime"] == "2026-09-22T18:00:00Z"
    assert doc["location"] == [
        {"type": "Place", "name": "Hall 3"},
        {"type": "VirtualLocation", "url": "https://meet.example/1"},
    ]
    assert (doc["joinMode"], doc["maximumAttendeeCapacity"], doc["participantCount"]) == ("free", 5, 0)
    assert doc["url"] == node.urls.post_page("alice", post_id)
    await node.write_as(alice, gatherings.cancel, post_id)
    await deliver(dispatcher)
    update = peer.received[-1].activity
    assert (update["type"], update["object"]["ical:status"]) == ("Update", "CANCELLED")


async def test_somebody_elsewhere_joins_and_leaves(
    node: Node,
    network: Network,
    bert: str,
    bert_here: Viewer,
    peer: RemotePeer,
    post: Post,
    alice: Viewer,
    dispatcher: Dispatcher,
    clock: Clock,
) -> None:
    post_id = await invite(node, alice, capacity=1)
    await deliver(dispatcher)
    peer.received.clear()
    event = node.urls.post("alice", post_id)
    for number in (1, 2):
        assert await post.arrives(peer, peer.activity("Join", bert, event, number=number)) == "done"
    await deliver(dispatcher)
    answers = [one.activity for one in peer.received]
    assert [one["type"] for one in answers] == ["Accept", "Accept"]
    assert answers[0]["object"] == {
        "id": f"{peer.base}/activities/join/1",
        "type": "Join",
        "actor": bert,
        "object": event,
    }
    assert (await node.read(gatherings.get, post_id)).plan.event.guests == 1
    carl = await make_person(node, "carl")
    peer.received.clear()
    clock.now += COUNT_AFTER_MS / 1000
    await run_jobs(node, network)
    await deliver(dispatcher)
    assert [(one.type, one.activity["object"]["participantCount"]) for one in peer.received] == [("Update", 1)]
    for number in (3, 4):
        assert await post.arrives(peer, peer.activity("Leave", bert, event, number=number)) == "done"
    assert await count_of(node, attendance) == 0
    assert await node.write_as(carl, gatherings.join, post_id) == ACCEPTED
    peer.received.clear()
    assert await post.arrives(peer, peer.activity("Join", bert, event, number=5)) == "done"
    await deliver(dispatcher)
    assert [one.type for one in peer.received] == ["Reject"]
    assert await count_of(node, attendance) == 1


async def test_an_author_lets_people_of_peers_in_or_not(
    node: Node, bert: str, bert_here: Viewer, peer: RemotePeer, post: Post, alice: Viewer, dispatcher: Dispatcher
) -> None:
    post_id = await invite(node, alice, join_mode="restricted")
    await deliver(dispatcher)
    peer.received.clear()
    await post.arrives(peer, peer.activity("Join", bert, node.urls.post("alice", post_id), number=1))
    await deliver(dispatcher)
    assert peer.received == []
    await node.write_as(alice, gatherings.decide, post_id, id_of(bert_here), accept=True)
    await node.write_as(alice, gatherings.decide, post_id, id_of(bert_here), accept=False)
    await deliver(dispatcher)
    assert [one.type for one in peer.received] == ["Accept", "Reject"]
    assert await count_of(node, attendance) == 0


async def test_a_join_of_what_one_may_not_see_is_dropped_without_an_answer(
    node: Node,
    network: Network,
    bert: str,
    bert_here: Viewer,
    peer: RemotePeer,
    post: Post,
    alice: Viewer,
    dispatcher: Dispatcher,
) -> None:
    carla = peer.person("carla")
    await network.actor(carla)
    few = await invite(node, alice, visibility=Visibility.FOLLOWERS)
    ours = await node.write_as(
        alice, gatherings.create, Plan("Ours", Event(starts_at=START)), Draft("x", local_only=True)
    )
    note = await node.write_as(alice, posts.publish, Draft("no event"))
    await deliver(dispatcher)
    peer.received.clear()
    assert await post.arrives(peer, peer.activity("Join", bert, node.urls.post("alice", few), number=1)) == "done"
    for number, (who, post_id) in enumerate(((carla, few), (bert, ours), (bert, note)), start=2):
        said = peer.activity("Join", who, node.urls.post("alice", post_id), number=number)
        assert (await post.arrives(peer, said)).startswith("refused")
    await node.write_as(alice, social.block, id_of(bert_here))
    open_ = await invite(node, alice)
    said = peer.activity("Join", bert, node.urls.post("alice", open_), number=9)
    assert (await post.arrives(peer, said)).startswith("refused")
    await deliver(dispatcher)
    about = [(one.type, one.activity["object"]) for one in peer.received]
    answers = [kind for kind, what in about if isinstance(what, dict) and what["type"] == "Join"]
    assert answers == ["Accept", "Reject"]  # of the first alone: let in, and out by the block
    assert await rows_of(node, attendance) == []


async def test_nobody_leaves_for_somebody_else(
    node: Node, network: Network, bert: str, bert_here: Viewer, peer: RemotePeer, post: Post, alice: Viewer
) -> None:
    carla = peer.person("carla")
    await network.actor(carla)
    post_id = await invite(node, alice)
    event = node.urls.post("alice", post_id)
    await post.arrives(peer, peer.activity("Join", bert, event, number=1))
    await post.arrives(peer, peer.activity("Leave", carla, event, number=2))
    assert await count_of(node, attendance) == 1
    with pytest.raises(NotFound):
        await node.write_as(await make_person(node, "eve"), gatherings.decide, post_id, id_of(bert_here), accept=False)


async def test_blocking_a_guest_of_a_peer_ends_that_they_come(
    node: Node, bert: str, bert_here: Viewer, peer: RemotePeer, post: Post, alice: Viewer, dispatcher: Dispatcher
) -> None:
    post_id = await invite(node, alice)
    await post.arrives(peer, peer.activity("Join", bert, node.urls.post("alice", post_id), number=1))
    await deliver(dispatcher)
    peer.received.clear()
    await node.write_as(alice, social.block, id_of(bert_here))
    await deliver(dispatcher)
    said = [one.activity for one in peer.received if one.type == "Reject" and one.activity["object"]["type"] == "Join"]
    assert [one["object"]["id"] for one in said] == [f"{peer.base}/activities/join/1"]
    assert await count_of(node, attendance) == 0
    assert (await node.read_as(alice, gatherings.get, post_id)).plan.event.guests == 0


async def test_who_blocks_the_author_of_a_peers_event_leaves_it(
    node: Node, network: Network, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher
) -> None:
    doc, post_id = await known_party(node, network, peer, bert)
    await node.write_as(alice, gatherings.join, post_id)
    await deliver(dispatcher)
    peer.received.clear()
    await node.write_as(alice, social.block, (await node.read(accounts.known, bert)).id)
    await deliver(dispatcher)
    assert ("Leave", doc["id"]) in [(one.type, one.activity["object"]) for one in peer.received]
    assert await count_of(node, attendance) == 0


async def test_a_block_by_somebody_elsewhere_ends_it_without_a_word(
    node: Node,
    network: Network,
    bert: str,
    bert_here: Viewer,
    peer: RemotePeer,
    post: Post,
    alice: Viewer,
    dispatcher: Dispatcher,
) -> None:
    post_id = await invite(node, alice)
    await post.arrives(peer, peer.activity("Join", bert, node.urls.post("alice", post_id), number=1))
    _, theirs = await known_party(node, network, peer, bert)
    await node.write_as(alice, gatherings.join, theirs)
    await deliver(dispatcher)
    peer.received.clear()
    assert await post.arrives(peer, peer.activity("Block", bert, node.urls.actor("alice"), number=2)) == "done"
    await deliver(dispatcher)
    assert [one.type for one in peer.received if one.type in ("Leave", "Reject")] == []
    assert await count_of(node, attendance) == 0


async def test_an_event_that_says_nothing_of_joining_can_be_joined(
    node: Node, network: Network, peer: RemotePeer, bert: str, alice: Viewer
) -> None:
    _, post_id = await known_party(node, network, peer, bert, joinMode=None)
    assert await node.write_as(alice, gatherings.join, post_id) == ASKED  # until its author answers
    _, elsewhere = await known_party(
        node, network, peer, bert, number=2, joinMode=None, externalParticipationUrl="https://tickets.example/1"
    )
    with pytest.raises(Invalid, match="at its own page"):
        await node.write_as(alice, gatherings.join, elsewhere)
