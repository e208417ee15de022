"""Create, Update, Delete, Announce and Like, both ways, each with the near miss that must change nothing."""

from typing import Any

import pytest

from activitypub.audience import Visibility
from activitypub.errors import Refused
from activitypub.vocabulary import PUBLIC
from node import accounts, posts, reactions, social
from node.federation.dispatcher import Dispatcher
from node.federation.network import Network
from node.posts import Changes, Draft
from node.runtime import Node
from node.schema import favourite, mention, notification, poll, tombstone
from node.schema import post as post_table
from node.viewer import Viewer, remote
from tests.node.federation.conftest import Post, deliver, run_jobs
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import count_of, id_of, rows_of


async def account_id(node: Node, iri: str) -> int:
    return int((await node.read(accounts.known, iri)).id)


@pytest.fixture
async def followed(node: Node, alice: Viewer, bert: str) -> str:
    """Bert, whom alice follows."""
    bert_id = await account_id(node, bert)
    await node.write_as(alice, social.follow, bert_id)
    await node.write(lambda tx: social.record_accept(tx, id_of(alice), bert_id))
    return bert


@pytest.fixture
async def follower(node: Node, alice: Viewer, bert: str) -> str:
    """Bert, who follows alice."""
    bert_id = await account_id(node, bert)
    await node.write(lambda tx: social.record_follow(tx, bert_id, id_of(alice), iri=f"{bert}/follows/1"))
    return bert


def create(peer: RemotePeer, note: Doc, number: int = 1) -> Doc:
    return peer.activity("Create", note["attributedTo"], note, number=number, to=note["to"], cc=note.get("cc", []))


async def stored(node: Node) -> list[Any]:
    return list(await rows_of(node, post_table))


async def publish(node: Node, alice: Viewer, text: str = "Hello", **draft: Any) -> Any:
    post_id = await node.write_as(alice, posts.publish, Draft(text, **draft))
    return await node.read(posts.get, post_id)


# --- Create


async def test_a_post_by_somebody_followed_here_is_stored_and_made_safe(
    node: Node, peer: RemotePeer, followed: str, post: Post
) -> None:
    note = peer.note(1, followed, 'Hi<script>x</script> <a href="javascript:x">y</a>', summary="careful")
    assert await post.arrives(peer, create(peer, note)) == "done"
    (row,) = await stored(node)
    assert (row.iri, row.visibility, row.spoiler, row.local) == (note["id"], Visibility.PUBLIC, "careful", False)
    assert "script" not in row.content
    assert "Hi" in row.content


async def test_a_stranger_to_everybody_here_is_not_stored_in_an_open_network(
    node: Node, peer: RemotePeer, bert: str, post: Post
) -> None:
    await post.arrives(peer, create(peer, peer.note(1, bert)))
    assert await stored(node) == []


class TestAmongChosenPeers:
    @pytest.fixture
    def federation(self, peer: RemotePeer) -> dict[str, Any]:
        return {"mode": "allowlist", "allowlist": [peer.domain], "allow_loopback": True}

    async def test_every_public_post_is_taken(self, node: Node, peer: RemotePeer, bert: str, post: Post) -> None:
        await post.arrives(peer, create(peer, peer.note(1, bert)))
        assert len(await stored(node)) == 1

    async def test_a_post_for_followers_is_not_when_nobody_here_is_one(
        self, node: Node, peer: RemotePeer, bert: str, post: Post
    ) -> None:
        await post.arrives(peer, create(peer, peer.note(1, bert, to=[f"{bert}/followers"], cc=[])))
        assert await stored(node) == []


async def test_a_mention_brings_a_post_in_and_is_told(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    iri = node.urls.actor("alice")
    tag = {"type": "Mention", "href": iri, "name": "@alice@eng.example"}
    await post.arrives(peer, create(peer, peer.note(1, bert, tag=[tag], to=[iri], cc=[])))
    (row,) = await stored(node)
    assert row.visibility == Visibility.DIRECT
    assert [one.account_id for one in await rows_of(node, mention)] == [id_of(alice)]
    assert [one.kind for one in await rows_of(node, notification)] == ["mention"]


async def test_a_direct_post_reaches_whom_it_is_addressed_to_even_unmentioned(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    await post.arrives(peer, create(peer, peer.note(1, bert, to=[node.urls.actor("alice")], cc=[])))
    (row,) = await stored(node)
    assert await node.read_as(alice, posts.get, row.id)


async def test_an_answer_to_a_post_here_is_stored_without_any_follow(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    parent = await publish(node, alice)
    await post.arrives(peer, create(peer, peer.note(1, bert, inReplyTo=parent.iri)))
    assert {row.in_reply_to_id for row in await stored(node)} == {None, parent.id}


async def test_a_post_in_the_name_of_somebody_else_is_refused_at_the_door(
    node: Node, peer: RemotePeer, followed: str, post: Post, network: Network
) -> None:
    eve = peer.person("eve")
    await network.actor(eve)
    forged = peer.activity("Create", eve, peer.note(1, followed), number=1)
    with pytest.raises(Refused):
        await post.arrives(peer, forged)
    assert await stored(node) == []


async def test_a_late_create_of_a_deleted_post_stays_dead(
    node: Node, peer: RemotePeer, followed: str, post: Post
) -> None:
    note = peer.note(1, followed)
    await post.arrives(peer, peer.activity("Delete", followed, {"id": note["id"], "type": "Tombstone"}, number=1))
    await post.arrives(peer, create(peer, note, 2))
    assert await stored(node) == []


async def test_what_it_answers_is_fetched_up_the_thread(
    node: Node, peer: RemotePeer, followed: str, post: Post, network: Network
) -> None:
    eve = peer.person("eve")
    for number in range(1, 4):
        more = {"inReplyTo": f"{peer.base}/notes/{number - 1}"} if number > 1 else {}
        peer.note(number, eve, **more)
    await post.arrives(peer, create(peer, peer.note(4, followed, inReplyTo=f"{peer.base}/notes/3")))
    await run_jobs(node, network)
    rows = {row.iri[-1]: row for row in await stored(node)}
    assert sorted(rows) == ["1", "2", "3", "4"]
    assert {row.conversation_id for row in rows.values()} == {rows["1"].id}


class TestWithShallowThreads:
    @pytest.fixture
    def federation(self) -> dict[str, Any]:
        return {"mode": "open", "allow_loopback": True, "fetch_depth": 2}

    async def test_no_more_ancestors_are_fetched_than_the_settings_say(
        self, node: Node, peer: RemotePeer, followed: str, post: Post, network: Network
    ) -> None:
        for number in range(1, 6):
            peer.note(number, followed, **({"inReplyTo": f"{peer.base}/notes/{number - 1}"} if number > 1 else {}))
        await post.arrives(peer, create(peer, peer.note(6, followed, inReplyTo=f"{peer.base}/notes/5")))
        await run_jobs(node, network)
        assert sorted(row.iri[-1] for row in await stored(node)) == ["4", "5", "6"]


async def test_a_poll_is_shown_and_its_tallies_follow(node: Node, peer: RemotePeer, followed: str, post: Post) -> None:
    def options(*votes: int) -> list[Doc]:
        named = zip(("yes", "no"), votes, strict=True)
        return [{"type": "Note", "name": name, "replies": {"totalItems": count}} for name, count in named]

    asked = peer.note(1, followed, type="Question", oneOf=options(0, 0), endTime="2026-12-01T00:00:00Z")
    await post.arrives(peer, create(peer, asked))
    (before,) = await rows_of(node, poll)
    assert [one["title"] for one in before.options] == ["yes", "no"]
    tallied = {**asked, "oneOf": options(3, 1), "votersCount": 4}
    await post.arrives(peer, peer.activity("Update", followed, tallied, number=2))
    (after,) = await rows_of(node, poll)
    assert ([one["votes"] for one in after.options], after.voters_count) == ([3, 1], 4)


async def test_a_vote_is_never_shown_as_a_reply(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    parent = await publish(node, alice)
    vote = peer.note(1, bert, inReplyTo=parent.iri, name="yes", to=[node.urls.actor("alice")])
    del vote["content"]
    await post.arrives(peer, create(peer, vote))
    assert len(await stored(node)) == 1


# --- Update and Delete


async def test_an_edit_changes_words_and_never_widens_the_audience(
    node: Node, peer: RemotePeer, followed: str, post: Post
) -> None:
    note = peer.note(1, followed, "Old", to=[f"{followed}/followers"], cc=[])
    await post.arrives(peer, create(peer, note))
    edited = {**note, "content": "<p>New</p>", "updated": "2026-09-21T12:00:00Z", "to": [PUBLIC]}
    assert await post.arrives(peer, peer.activity("Update", followed, edited, number=2)) == "done"
    (row,) = await stored(node)
    assert ("New" in row.content, row.visibility) == (True, Visibility.FOLLOWERS)


async def test_an_edit_by_somebody_else_of_the_same_server_changes_nothing(
    node: Node, peer: RemotePeer, followed: str, post: Post, network: Network
) -> None:
    note = peer.note(1, followed, "Old")
    await post.arrives(peer, create(peer, note))
    eve = peer.person("eve")
    await network.actor(eve)
    edited = {**note, "attributedTo": eve, "content": "<p>New</p>", "updated": "2026-09-21T12:00:00Z"}
    assert (await post.arrives(peer, peer.activity("Update", eve, edited, number=2))).startswith("refused")
    assert "Old" in (await stored(node))[0].content


async def test_only_the_author_deletes(
    node: Node, peer: RemotePeer, followed: str, post: Post, network: Network
) -> None:
    note = peer.note(1, followed)
    await post.arrives(peer, create(peer, note))
    eve = peer.person("eve")
    await network.actor(eve)
    assert (await post.arrives(peer, peer.activity("Delete", eve, note["id"], number=2))).startswith("refused")
    assert len(await stored(node)) == 1
    assert await post.arrives(peer, peer.activity("Delete", followed, note["id"], number=3)) == "done"
    assert (await stored(node), await count_of(node, tombstone)) == ([], 1)


async def test_a_post_of_ours_cannot_be_touched_from_outside(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    ours = await publish(node, alice)
    for kind in ("Delete", "Update"):
        with pytest.raises(Refused):
            await post.arrives(peer, peer.activity(kind, bert, {"id": ours.iri, "type": "Note"}, number=1))
    assert len(await stored(node)) == 1


# --- Announce and Like


async def test_a_boost_of_an_unknown_post_fetches_it_from_its_origin(
    node: Node, peer: RemotePeer, followed: str, post: Post
) -> None:
    eve = peer.person("eve")
    note = peer.note(1, eve, "Truth")
    lie = {**note, "content": "<p>Lie</p>"}
    boosted = peer.activity("Announce", followed, lie, number=1, to=[PUBLIC])
    assert await post.arrives(peer, boosted) == "done"
    original, boost = sorted(await stored(node), key=lambda row: row.boost_of_id is not None)
    assert "Truth" in original.content
    assert (boost.boost_of_id, boost.iri) == (original.id, boosted["id"])
    assert (await node.read(posts.get, original.id)).boosts_count == 1


async def test_a_boost_of_a_post_that_is_not_public_is_dropped(
    node: Node, peer: RemotePeer, followed: str, post: Post
) -> None:
    eve = peer.person("eve")
    note = peer.note(1, eve, to=[f"{eve}/followers"], cc=[])
    outcome = await post.arrives(peer, peer.activity("Announce", followed, note["id"], number=1, to=[PUBLIC]))
    assert outcome.startswith("refused")
    assert all(row.boost_of_id is None for row in await stored(node))


@pytest.mark.parametrize("form", ["embedded", "by id", "with another id"])
async def test_an_undone_boost_is_gone(node: Node, peer: RemotePeer, followed: str, post: Post, form: str) -> None:
    note = peer.note(1, followed)
    boosted = peer.activity("Announce", followed, note["id"], number=1, to=[PUBLIC])
    await post.arrives(peer, boosted)
    undone = {
        "embedded": boosted,
        "by id": boosted["id"],
        "with another id": {**boosted, "id": f"{peer.base}/activities/announce/99"},
    }[form]
    await post.arrives(peer, peer.activity("Undo", followed, undone, number=2))
    assert [row.boost_of_id for row in await stored(node)] == [None]


@pytest.mark.parametrize(
    ("draft", "counted"),
    [
        ({}, 1),
        ({"visibility": Visibility.FOLLOWERS}, 0),
        ({"visibility": Visibility.DIRECT}, 0),
        ({"local_only": True}, 0),
    ],
)
async def test_only_who_may_see_a_post_can_like_or_boost_it(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, draft: dict[str, Any], counted: int
) -> None:
    ours = await publish(node, alice, **draft)
    await post.arrives(peer, peer.activity("Like", bert, ours.iri, number=1))
    await post.arrives(peer, peer.activity("Announce", bert, ours.iri, number=2, to=[PUBLIC]))
    row = await node.read(posts.get, ours.id)
    assert (row.favourites_count, row.boosts_count) == (counted, counted)
    assert await count_of(node, favourite) == counted


@pytest.mark.parametrize("form", ["embedded", "by id", "with another id"])
async def test_an_undone_like_is_gone_and_only_its_own(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, network: Network, form: str
) -> None:
    eve = peer.person("eve")
    await network.actor(eve)
    ours = await publish(node, alice)
    likes = [peer.activity("Like", fan, ours.iri, number=number) for number, fan in enumerate((bert, eve))]
    for like in likes:
        await post.arrives(peer, like)
    undone = {
        "embedded": likes[0],
        "by id": likes[0]["id"],
        "with another id": {**likes[0], "id": f"{peer.base}/activities/like/99"},
    }[form]
    await post.arrives(peer, peer.activity("Undo", bert, undone, number=7))
    (left,) = await rows_of(node, favourite)
    assert left.iri == likes[1]["id"]
    outcome = await post.arrives(peer, peer.activity("Undo", bert, likes[1]["id"], number=8))
    assert outcome.startswith("refused")
    assert await count_of(node, favourite) == 1


# --- What leaves


async def kinds(peer: RemotePeer, dispatcher: Dispatcher) -> list[tuple[str, str]]:
    await deliver(dispatcher)
    return [(one.type, one.path) for one in peer.received]


async def test_a_public_post_goes_to_the_shared_inbox_once(
    node: Node, peer: RemotePeer, follower: str, alice: Viewer, dispatcher: Dispatcher, network: Network
) -> None:
    eve = await network.actor(peer.person("eve"))
    await node.write(lambda tx: social.record_follow(tx, eve, id_of(alice)))
    ours = await publish(node, alice, "Hi #kafka @bert@" + peer.domain)
    assert await kinds(peer, dispatcher) == [("Create", "/inbox")]
    note = peer.received[0].activity["object"]
    assert (note["id"], note["to"]) == (ours.iri, [PUBLIC])
    assert follower in note["cc"]
    assert {tag["type"] for tag in note["tag"]} == {"Mention", "Hashtag"}


async def test_a_direct_post_goes_to_personal_inboxes_of_those_mentioned_only(
    node: Node, peer: RemotePeer, follower: str, alice: Viewer, dispatcher: Dispatcher, network: Network
) -> None:
    await network.actor(peer.person("eve"))
    await publish(node, alice, f"psst @eve@{peer.domain}", visibility=Visibility.DIRECT)
    assert await kinds(peer, dispatcher) == [("Create", "/users/eve/inbox")]
    assert peer.received[0].activity["to"] == [f"{peer.base}/users/eve"]


@pytest.mark.parametrize("deed", ["post", "reply", "boost", "favourite", "edit", "delete"])
async def test_nothing_about_a_post_of_the_department_leaves(
    node: Node, peer: RemotePeer, follower: str, alice: Viewer, dispatcher: Dispatcher, deed: str
) -> None:
    ours = await publish(node, alice, "Only us", local_only=True)
    rules: dict[str, Any] = {
        "reply": lambda tx: posts.publish(tx, Draft("Yes", in_reply_to_id=ours.id)),
        "boost": lambda tx: reactions.boost(tx, ours.id),
        "favourite": lambda tx: reactions.favourite(tx, ours.id),
        "edit": lambda tx: posts.edit(tx, ours.id, Changes(text="Only us two")),
        "delete": lambda tx: posts.delete(tx, ours.id),
    }
    if deed in rules:
        await node.write_as(alice, rules[deed])
    assert await kinds(peer, dispatcher) == []


async def test_an_edit_and_a_deletion_reach_everybody_who_has_a_copy(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher, post: Post, clock: Any
) -> None:
    ours = await publish(node, alice)
    await post.arrives(peer, peer.activity("Like", bert, ours.iri, number=1))
    clock.advance(5)
    await node.write_as(alice, posts.edit, ours.id, Changes(text="Better"))
    assert await kinds(peer, dispatcher) == [("Update", "/inbox")]
    await node.write_as(alice, posts.delete, ours.id)
    assert await kinds(peer, dispatcher) == [("Update", "/inbox"), ("Delete", "/inbox")]
    assert peer.received[-1].activity["object"]["type"] == "Tombstone"


async def test_new_words_for_followers_do_not_reach_who_is_none_any_more(
    node: Node, peer: RemotePeer, follower: str, alice: Viewer, dispatcher: Dispatcher, post: Post, clock: Any
) -> None:
    ours = await publish(node, alice, visibility=Visibility.FOLLOWERS)
    await post.arrives(peer, peer.activity("Like", follower, ours.iri, number=1))
    assert (await node.read(posts.get, ours.id)).favourites_count == 1
    await deliver(dispatcher)
    bert_id = await account_id(node, follower)
    await node.write(lambda tx: social.record_unfollow(tx, bert_id, id_of(alice)))
    clock.advance(5)
    await node.write_as(alice, posts.edit, ours.id, Changes(text="Secret"))
    await node.write_as(alice, posts.delete, ours.id)
    assert [kind for kind, _ in await kinds(peer, dispatcher)] == ["Create", "Delete"]


async def test_a_post_deleted_before_it_left_never_leaves(
    node: Node, peer: RemotePeer, follower: str, alice: Viewer, dispatcher: Dispatcher
) -> None:
    ours = await publish(node, alice)
    await node.write_as(alice, posts.delete, ours.id)
    assert await kinds(peer, dispatcher) == []


async def test_boosts_and_favourites_are_told_and_undone(
    node: Node, peer: RemotePeer, followed: str, alice: Viewer, dispatcher: Dispatcher, post: Post
) -> None:
    note = peer.note(1, followed)
    await post.arrives(peer, create(peer, note))
    (row,) = await stored(node)
    await deliver(dispatcher)
    peer.received.clear()
    await node.write_as(alice, reactions.favourite, row.id)
    await node.write_as(alice, reactions.boost, row.id)
    await deliver(dispatcher)
    await node.write_as(alice, reactions.unfavourite, row.id)
    await node.write_as(alice, reactions.unboost, row.id)
    await deliver(dispatcher)
    sent = {one.type: one.activity for one in peer.received if one.type != "Undo"}
    undone = [one.activity["object"] for one in peer.received if one.type == "Undo"]
    assert sorted(sent) == ["Announce", "Like"]
    assert all(one.get("object") == note["id"] for one in sent.values())
    assert {one["id"] for one in undone} == {one["id"] for one in sent.values()}


async def test_a_remote_viewer_of_the_test_is_one(node: Node, bert: str) -> None:
    """The fixture's account is of the peer, or the tests above would prove nothing."""
    row = await node.read(accounts.known, bert)
    assert row.domain is not None
    assert remote(row.id, row.domain).is_local is False
