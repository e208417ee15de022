"""Whom public posts go to without being asked, what that costs, and who may ask for tags."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from activitypub.audience import Visibility
from activitypub.roster import Member, Roster
from node import posts, social
from node.federation import recipients, spread, subscriptions
from node.federation.network import Network
from node.posts import Changes
from node.runtime import Node
from node.schema import activity, delivery, job, tag_subscriber, tag_subscription
from node.viewer import Viewer
from node.worker import keep_up
from tests.node.federation.conftest import Post, run_jobs
from tests.support.people import make_person
from tests.support.posting import say
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import count_of, rows_of, sent
from tests.support.statements import counted


@pytest.fixture
def changes() -> dict[str, Any]:
    """Settings of the section besides who is a peer; a test may give its own by `parametrize`."""
    return {}


@pytest.fixture
def federation(peer: RemotePeer, changes: dict[str, Any]) -> dict[str, Any]:
    chosen = {"mode": "allowlist", "allowlist": [peer.domain], "history_days": 0}
    return {**chosen, "allow_loopback": True, "timeout_seconds": 5.0, **changes}


@pytest.fixture
async def met(node: Node, network: Network, peer: RemotePeer) -> str:
    """The peer's node actor, which was looked up by the worker; its IRI."""
    iri = f"{peer.base}/actor"
    own = peer.actor("node", kind="Application")
    own["publicKey"] = own["publicKey"] | {"id": f"{iri}#main-key", "owner": iri}
    peer.serve(own | {"id": iri, "inbox": iri + "/inbox"})
    await node.write(keep_up)
    await run_jobs(node, network)
    return iri


async def inboxes(node: Node) -> list[str]:
    return [row.inbox for row in await rows_of(node, delivery)]


# --- To the whole company -----------------------------------------------------------------------------------------


async def test_a_public_post_goes_to_a_peer_of_whom_nobody_is_known(
    node: Node, peer: RemotePeer, met: str, alice: Viewer
) -> None:
    await say(node, alice, "hello")
    assert await inboxes(node) == [f"{peer.base}/inbox"]


@pytest.mark.parametrize(
    "draft",
    [{"visibility": Visibility.UNLISTED}, {"visibility": Visibility.FOLLOWERS}, {"local_only": True}],
    ids=["unlisted", "followers", "department"],
)
async def test_nothing_else_does(node: Node, met: str, alice: Viewer, draft: dict[str, Any]) -> None:
    await say(node, alice, "hello", **draft)
    assert await inboxes(node) == []


@pytest.mark.parametrize("changes", [{"mode": "open"}])
async def test_where_anybody_may_come_only_those_who_asked_get_it(node: Node, met: str, alice: Viewer) -> None:
    await say(node, alice, "hello")
    assert await inboxes(node) == []


@pytest.mark.parametrize("changes", [{"spread": "subscribed"}])
async def test_by_subscription_a_post_stays_but_its_changes_go_wherever_a_copy_may_be(
    node: Node, met: str, alice: Viewer
) -> None:
    post_id = await say(node, alice, "hello #pump")
    assert await inboxes(node) == []
    await node.write_as(alice, posts.edit, post_id, Changes(text="hello again #pump"))
    assert await sent(node) == ["Update"]
    few = await say(node, alice, "for few", visibility=Visibility.FOLLOWERS)
    await node.write_as(alice, posts.edit, few, Changes(text="for fewer"))
    await node.write_as(alice, posts.delete, few)
    assert await sent(node) == ["Update"]
    await node.write_as(alice, posts.delete, post_id)
    assert await sent(node) == ["Update", "Delete"]


async def test_a_peer_gets_one_delivery_however_many_follow_there(
    node: Node, network: Network, peer: RemotePeer, met: str, alice: Viewer, post: Post
) -> None:
    for number in range(3):
        person = peer.person(f"p{number}")
        asked = peer.activity("Follow", person, node.urls.actor("alice"), number=number)
        await post.arrives(peer, asked)
    await node.write(lambda tx: tx.execute(delivery.delete()))
    await say(node, alice, f"hello @p1@{peer.domain}")
    assert await inboxes(node) == [f"{peer.base}/inbox"]


async def test_whom_nobody_knows_is_looked_up_and_a_stranger_is_not(
    node: Node, network: Network, peer: RemotePeer
) -> None:
    assert (await node.read(spread.everyone)).unknown == {peer.domain}
    await node.write(keep_up)
    await node.write(keep_up)
    (row,) = await rows_of(node, job, job.c.kind == spread.MEET_JOB)
    assert row.payload == {"peer": peer.domain}


@pytest.mark.parametrize("changes", [{"mode": "roster", "allowlist": []}])
async def test_by_a_roster_every_node_on_it_is_reached_from_the_first_post(node: Node, alice_alone: Viewer) -> None:
    """Nobody has to be met: nodes of ours have their inbox at the same path."""

    def hold(*domains: str) -> None:
        nodes = tuple(Member(domain, domain, "z6Mk") for domain in domains)
        later = node.now() + 86_400_000
        node.company.hold(Roster("Acme", len(domains), node.now(), later, nodes, "z6Mk", None, b""))

    hold(node.settings.node.domain, "seals.example", "sales.example")
    await say(node, alice_alone, "hello")
    assert await inboxes(node) == ["http://sales.example/inbox", "http://seals.example/inbox"]
    hold(node.settings.node.domain, "seals.example")
    await say(node, alice_alone, "again")
    assert (await inboxes(node))[2:] == ["http://seals.example/inbox"]
    hold("seals.example", "sales.example")  # this node was removed
    await say(node, alice_alone, "and again")
    assert len(await inboxes(node)) == 3


@pytest.fixture
async def alice_alone(node: Node) -> Viewer:
    """Somebody of a node that has no network."""
    return await make_person(node, "alice")


async def test_publishing_to_all_asks_the_database_no_more_than_publishing_to_followers(
    node: Node, met: str, alice: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread, "LOOK_SECONDS", 60.0)
    await say(node, alice, "once, to fill what is kept in memory")
    with counted() as to_all:
        await say(node, alice, "hello")
    before = await count_of(node, delivery)
    monkeypatch.setattr(spread, "of_public", lambda _tx: spread.Reach())
    monkeypatch.setattr(recipients, "_TO_FOLLOWERS", select(delivery.c.inbox).distinct())  # as if the peer followed
    with counted() as to_followers:
        await say(node, alice, "hello")
    assert await count_of(node, delivery) == before + 1
    assert len(to_all) <= len(to_followers)


# --- Tags ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def follows(node: Node, peer: RemotePeer, met: str) -> Doc:
    """The peer's node follows #pump here."""
    return peer.activity("Follow", met, node.urls.tag_collection("pump"), number=1)


async def test_a_peers_node_may_follow_a_tag_and_is_answered_each_time(
    node: Node, peer: RemotePeer, met: str, follows: Doc, post: Post
) -> None:
    assert await post.arrives(peer, follows) == "done"
    assert await post.arrives(peer, follows | {"id": follows["id"] + "0"}) == "done"
    (row,) = await rows_of(node, tag_subscriber)
    assert (row.iri, row.inbox) == (follows["id"] + "0", f"{peer.base}/inbox")
    assert await sent(node) == ["Accept", "Accept"]
    undone = peer.activity("Undo", met, follows, number=2)
    assert await post.arrives(peer, undone) == "done"
    assert await rows_of(node, tag_subscriber) == []


async def test_a_person_may_not_follow_a_tag_nor_end_what_the_node_follows(
    node: Node, peer: RemotePeer, bert: str, met: str, follows: Doc, post: Post
) -> None:
    by_bert = peer.activity("Follow", bert, follows["object"], number=3)
    assert (await post.arrives(peer, by_bert)).startswith("refused: tags are followed by a node's own actor")
    assert await rows_of(node, tag_subscriber) == []
    await post.arrives(peer, follows)
    undone = peer.activity("Undo", bert, follows | {"actor": bert}, number=4)
    assert (await post.arrives(peer, undone)).startswith("refused")
    assert await count_of(node, tag_subscriber) == 1


@pytest.mark.parametrize("path", ["/tags/", "/tags/Pump", "/tags/pump/more", "/tags/%20", "/tags/pump?x=1"])
async def test_what_is_no_tag_of_ours_is_not_followed(
    node: Node, peer: RemotePeer, met: str, post: Post, path: str
) -> None:
    asked = peer.activity("Follow", met, f"{node.urls.base}{path}", number=5)
    assert (await post.arrives(peer, asked)).startswith("refused")
    assert await rows_of(node, tag_subscriber) == []


async def test_a_peer_may_follow_only_so_many_tags(
    node: Node, peer: RemotePeer, follows: Doc, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "TAGS", 1)
    await post.arrives(peer, follows)
    more = follows | {"id": follows["id"] + "1", "object": node.urls.tag_collection("seal")}
    assert (await post.arrives(peer, more)).startswith("refused: too many tags")


@pytest.mark.parametrize("changes", [{"spread": "subscribed"}])
class TestAsking:
    @pytest.fixture
    async def asked(self, node: Node, met: str, alice: Viewer) -> Doc:
        """Our Follow of the peer's tag."""
        await node.write_as(alice, social.follow_tag, "Pump")
        (row,) = await rows_of(node, activity)
        doc: Doc = json.loads(row.body)
        return doc

    async def test_the_first_who_follows_a_tag_has_it_asked_for_and_the_last_has_it_ended(
        self, node: Node, peer: RemotePeer, met: str, alice: Viewer, asked: Doc
    ) -> None:
        assert (asked["object"], asked["to"]) == (f"{peer.base}/tags/pump", [met])
        bob = await make_person(node, "bob")
        await node.write_as(bob, social.follow_tag, "pump")
        await node.write_as(alice, social.unfollow_tag, "pump")
        await node.write(keep_up)
        assert await sent(node) == ["Follow"]
        await node.write_as(bob, social.unfollow_tag, "pump")
        assert await sent(node) == ["Follow", "Undo"]
        assert await rows_of(node, tag_subscription) == []

    async def test_only_the_node_that_was_asked_may_answer(
        self, node: Node, peer: RemotePeer, bert: str, met: str, asked: Doc, post: Post
    ) -> None:
        by_bert = peer.activity("Accept", bert, asked, number=1)
        assert (await post.arrives(peer, by_bert)).startswith("refused: an answer by somebody else")
        of_another = peer.activity("Accept", met, asked | {"id": asked["id"] + "0"}, number=2)
        assert (await post.arrives(peer, of_another)).startswith("refused")
        assert [row.state for row in await rows_of(node, tag_subscription)] == ["asked"]
        assert await post.arrives(peer, peer.activity("Accept", met, asked, number=3)) == "done"
        assert [row.state for row in await rows_of(node, tag_subscription)] == ["accepted"]
        assert await post.arrives(peer, peer.activity("Reject", met, asked, number=4)) == "done"
        assert [row.state for row in await rows_of(node, tag_subscription)] == ["rejected"]

    async def test_without_an_answer_it_is_asked_again_a_day_later(self, node: Node, asked: Doc, clock: Any) -> None:
        await node.write(keep_up)
        assert await sent(node) == ["Follow"]
        clock.advance(86_401)
        await node.write(keep_up)
        assert await sent(node) == ["Follow", "Follow"]
        assert await count_of(node, tag_subscription) == 1

    async def test_of_what_comes_only_what_was_asked_for_is_kept(
        self, node: Node, peer: RemotePeer, bert: str, asked: Doc, post: Post
    ) -> None:
        def created(number: int, tag: str) -> Doc:
            note = peer.note(number, bert, tag=[{"type": "Hashtag", "name": f"#{tag}"}])
            return peer.activity("Create", bert, note, number=number)

        await post.arrives(peer, created(11, "PUMP"))
        await post.arrives(peer, created(12, "seal"))
        kept = await node.read(lambda tx: [posts.by_iri(tx, f"{peer.base}/notes/{n}") is not None for n in (11, 12)])
        assert kept == [True, False]
