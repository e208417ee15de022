"""Followers synchronisation: what is said with deliveries, who may read the list, and how a difference is mended."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select, update

from activitypub import signatures, synchronisation
from activitypub.audience import Visibility
from activitypub.errors import Refused
from activitypub.synchronisation import HEADER, Claim
from activitypub.vocabulary import Iri
from node import accounts, posts, social, viewer
from node.errors import NotFound
from node.federation import synchronisation as followers
from node.federation.dispatcher import Dispatcher
from node.federation.network import Network
from node.posts import Draft
from node.runtime import Node
from node.schema import account, follow, job
from node.viewer import Viewer
from tests.node.federation.conftest import Post, deliver, run_jobs
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.remote_peer import RemotePeer
from tests.support.rows import count_of, id_of, rows_of


@pytest.fixture
async def other_peer(clock: Clock) -> AsyncIterator[RemotePeer]:
    started = RemotePeer(clock)
    await started.start()
    yield started
    await started.stop()


async def follows(node: Node, network: Network, iri: str, target: Viewer) -> None:
    """Somebody of a peer follows one of ours."""
    follower = await network.actor(iri)
    await node.write(lambda tx: social.record_follow(tx, follower, id_of(target)))


async def followed_by(node: Node, target_iri: str, who: Viewer, *, accepted: bool = True) -> None:
    """One of ours follows somebody of a peer."""
    target_id = (await node.read(accounts.known, target_iri)).id
    await node.write_as(who, social.follow, target_id)
    if accepted:
        await node.write(lambda tx: social.record_accept(tx, id_of(who), target_id))


async def followers_of(node: Node, iri: str) -> list[str]:
    target = account.alias("target")
    statement = (
        select(account.c.username)
        .join(follow, follow.c.follower_id == account.c.id)
        .join(target, target.c.id == follow.c.target_id)
        .where(target.c.iri == iri, follow.c.state == "accepted")
        .order_by(account.c.username)
    )
    return list(await node.read(lambda tx: tx.scalars(statement)))


# --- What we say


async def test_a_delivery_to_followers_carries_the_digest_of_those_there_and_the_signature_covers_it(
    node: Node,
    network: Network,
    peer: RemotePeer,
    other_peer: RemotePeer,
    bert: str,
    alice: Viewer,
    dispatcher: Dispatcher,
    clock: Clock,
) -> None:
    carla, dora = peer.person("carla"), other_peer.person("dora")
    for iri in (bert, carla, dora):
        await follows(node, network, iri, alice)
    await node.write_as(alice, posts.publish, Draft("Hello"))
    await deliver(dispatcher)
    for there, iris in ((peer, [bert, carla]), (other_peer, [dora])):
        request = there.received[-1].request
        (said,) = [value for name, value in request.headers if name == HEADER.lower()]
        collection = node.urls.followers("alice")
        assert synchronisation.parse(said) == Claim(
            Iri(collection), Iri(f"{collection}_synchronization"), synchronisation.digest(iris)
        )
        found = signatures.presented(request, authority=there.domain, scheme="http", now=clock())
        assert HEADER.lower() in found.covered


async def test_the_digest_follows_the_followers(
    node: Node, network: Network, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher
) -> None:
    await follows(node, network, bert, alice)
    said = []
    for number in range(3):
        if number == 1:
            await follows(node, network, peer.person("carla"), alice)
        if number == 2:
            bert_id = (await node.read(accounts.known, bert)).id
            await node.write(social.record_unfollow, bert_id, id_of(alice))
        await node.write_as(alice, posts.publish, Draft(f"Hello {number}"))
        await deliver(dispatcher)
        said.append(dict(peer.received[-1].request.headers)[HEADER.lower()])
    digests = [synchronisation.parse(one).digest for one in said]
    carla = f"{peer.base}/users/carla"
    assert digests == [synchronisation.digest(iris) for iris in ([bert], [bert, carla], [carla])]


async def test_what_is_not_for_followers_says_nothing_of_them(
    node: Node, network: Network, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher
) -> None:
    await follows(node, network, bert, alice)
    bert_id = (await node.read(accounts.known, bert)).id
    await node.write_as(alice, posts.publish, Draft(f"@bert@{peer.domain} psst", visibility=Visibility.DIRECT))
    await node.write_as(alice, social.follow, bert_id)
    await deliver(dispatcher)
    assert len(peer.received) == 2
    assert all(HEADER.lower() not in dict(one.request.headers) for one in peer.received)


async def test_a_host_reads_its_own_people_of_the_list_and_nobody_elses(
    node: Node, network: Network, peer: RemotePeer, other_peer: RemotePeer, bert: str, alice: Viewer
) -> None:
    dora = other_peer.person("dora")
    for iri in (bert, dora):
        await follows(node, network, iri, alice)
    for there, iris in ((peer, [bert]), (other_peer, [dora])):
        doc = await node.read_as(viewer.peer(there.domain), followers.partial_collection, "alice")
        assert (doc["orderedItems"], doc["totalItems"]) == (iris, 1)
    nobody = await node.read_as(viewer.peer("third.example"), followers.partial_collection, "alice")
    assert (nobody["orderedItems"], nobody["totalItems"]) == ([], 0)
    for unsigned in (viewer.NOBODY, viewer.SYSTEM, alice):
        with pytest.raises(NotFound):
            await node.read_as(unsigned, followers.partial_collection, "alice")


# --- What we hear


class World:
    """Bert of the peer, whose followers here are alice and bob; what his host says of them is up to the test."""

    def __init__(self, node: Node, network: Network, peer: RemotePeer, bert: str, post: Post, clock: Clock) -> None:
        self.node, self.network, self.peer, self.bert, self.post, self.clock = node, network, peer, bert, post, clock
        self.collection = f"{bert}/followers"
        self.url = f"{bert}/followers_for_you"
        self._number = 0

    def lists(self, *iris: str, **changes: Any) -> None:
        doc = {"id": self.url, "type": "OrderedCollection", "orderedItems": list(iris)}
        doc = {name: value for name, value in (doc | changes).items() if value is not None}
        self.peer.documents[self.url.removeprefix(self.peer.base)] = doc

    async def says(self, text: str | None = None, *iris: str, count: int = 1) -> None:
        """Bert writes a post; its delivery carries the header."""
        if text is None:
            text = Claim(Iri(self.collection), Iri(self.url), synchronisation.digest(iris)).header()
        self._number += 1
        note = self.peer.note(self._number, self.bert)
        activity = self.peer.activity("Create", self.bert, note, number=self._number, to=note["to"], cc=note["cc"])
        sent = self.peer.signed(activity, self.node.urls.shared_inbox, by=self.bert)
        headers = [*sent.headers, *[(HEADER.lower(), text)] * count]
        assert await self.network.receive(signatures.Request(sent.method, sent.target, headers, sent.body))
        await self.post.work()

    async def settles(self) -> None:
        self.clock.advance(followers.PATIENCE_MS / 1000 + 1)
        await run_jobs(self.node, self.network)

    async def jobs(self) -> int:
        return await count_of(self.node, job, job.c.kind == followers.SYNC_JOB)


@pytest.fixture
async def bob(node: Node) -> Viewer:
    return await make_person(node, "bob")


@pytest.fixture
async def world(
    node: Node, network: Network, peer: RemotePeer, bert: str, post: Post, clock: Clock, alice: Viewer, bob: Viewer
) -> World:
    for one in (alice, bob):
        await followed_by(node, bert, one)
    return World(node, network, peer, bert, post, clock)


def iris(node: Node, *names: str) -> list[str]:
    return [node.urls.actor(name) for name in names]


async def test_where_both_agree_nothing_is_fetched(world: World, node: Node) -> None:
    world.lists()
    await world.says(None, *iris(node, "alice", "bob"))
    await world.settles()
    assert await followers_of(node, world.bert) == ["alice", "bob"]
    assert world.url.removeprefix(world.peer.base) not in world.peer.fetched


async def test_a_follow_that_the_other_side_does_not_know_ends(
    world: World, node: Node, dispatcher: Dispatcher
) -> None:
    world.lists(*iris(node, "alice"))
    await world.says(None, *iris(node, "alice"))
    assert await followers_of(node, world.bert) == ["alice", "bob"]  # not before the list itself says so
    await world.settles()
    assert await followers_of(node, world.bert) == ["alice"]
    (row,) = await rows_of(node, account, account.c.iri == world.bert)
    assert row.followers_count == 1
    world.peer.received.clear()
    await deliver(dispatcher)
    assert [one.type for one in world.peer.received if one.type == "Undo"] == []


async def test_a_follow_that_only_the_other_side_knows_is_undone_there(
    world: World, node: Node, dispatcher: Dispatcher
) -> None:
    await make_person(node, "carol")
    named = iris(node, "alice", "bob", "carol", "nobody")
    world.lists(*named)
    await world.says(None, *named)
    await world.settles()
    assert await followers_of(node, world.bert) == ["alice", "bob"]
    world.peer.received.clear()
    await deliver(dispatcher)
    (undo,) = [one.activity for one in world.peer.received if one.type == "Undo"]
    assert (undo["actor"], undo["object"]["type"]) == (node.urls.actor("carol"), "Follow")
    assert (undo["object"]["actor"], undo["object"]["object"]) == (node.urls.actor("carol"), world.bert)


async def test_a_request_whose_answer_was_lost_is_accepted(world: World, node: Node) -> None:
    carol = await make_person(node, "carol")
    await followed_by(node, world.bert, carol, accepted=False)
    named = iris(node, "alice", "bob", "carol")
    world.lists(*named)
    await world.says(None, *named)
    await world.settles()
    assert await followers_of(node, world.bert) == ["alice", "bob", "carol"]


async def test_a_request_that_nobody_answered_yet_is_left_alone(world: World, node: Node) -> None:
    carol = await make_person(node, "carol")
    await followed_by(node, world.bert, carol, accepted=False)
    world.lists(*iris(node, "alice"))
    await world.says(None, *iris(node, "alice"))
    await world.settles()
    assert await followers_of(node, world.bert) == ["alice"]
    assert await count_of(node, follow, follow.c.state == "pending") == 1


async def test_a_follow_accepted_while_the_list_was_read_is_kept(world: World, node: Node) -> None:
    bert_id = (await node.read(accounts.known, world.bert)).id
    before = await _ids(node, "alice")
    await node.write(followers.agree, bert_id, before, iris(node, "alice"))
    assert await followers_of(node, world.bert) == ["alice", "bob"]
    await node.write(followers.agree, bert_id, await _ids(node, "alice", "bob"), iris(node, "alice"))
    assert await followers_of(node, world.bert) == ["alice"]


async def _ids(node: Node, *names: str) -> list[int]:
    statement = select(account.c.id).where(account.c.username.in_(names), account.c.domain.is_(None))
    return list(await node.read(lambda tx: tx.scalars(statement)))


async def test_of_people_of_other_hosts_nothing_is_believed(
    world: World, node: Node, network: Network, other_peer: RemotePeer, dispatcher: Dispatcher
) -> None:
    dora = other_peer.person("dora")
    await network.actor(dora)
    world.lists(*iris(node, "alice", "bob"), dora, f"{world.peer.base}/users/bert", node.urls.node_actor)
    await world.says(None, *iris(node, "alice"))
    await world.settles()
    await deliver(dispatcher)
    assert await followers_of(node, world.bert) == ["alice", "bob"]
    assert [one.type for one in world.peer.received if one.type == "Undo"] == []
    assert other_peer.received == []


@pytest.mark.parametrize("which", ["collection", "url"])
async def test_a_header_about_somebody_else_is_ignored(
    world: World, node: Node, other_peer: RemotePeer, which: str
) -> None:
    world.peer.person("carla")
    for value in (f"{world.peer.base}/users/carla/followers", f"{other_peer.base}/followers", node.urls.node_actor):
        if which == "url" and value.startswith(world.peer.base):
            continue  # on its own host the actor says where
        parts = {"collection": world.collection, "url": world.url} | {which: value}
        claim = Claim(Iri(parts["collection"]), Iri(parts["url"]), synchronisation.digest([]))
        await world.says(claim.header())
    assert await world.jobs() == 0
    await world.says(None, *iris(node, "alice"))
    assert await world.jobs() == 1


async def test_a_header_that_cannot_be_read_or_comes_twice_costs_no_post(world: World, node: Node) -> None:
    for text in ("", "garbage", 'collectionId="x", url="y", digest="z"', "\x00", "ü" * 10):
        await world.says(text)
    await world.says(None, *iris(node, "alice"), count=2)
    assert await world.jobs() == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"orderedItems": None},
        {"orderedItems": [], "totalItems": 2},
        {"orderedItems": [], "first": "https://x.example/page"},
        {"orderedItems": [], "next": "https://x.example/page"},
        {"orderedItems": {"a": 1}},
        {"type": "Note"},
        {"type": "OrderedCollectionPage"},
    ],
)
async def test_a_list_that_is_not_there_as_a_whole_ends_no_follow(
    world: World, node: Node, changes: dict[str, Any]
) -> None:
    world.lists(**changes)
    await world.says(None)
    await world.settles()
    assert world.url.removeprefix(world.peer.base) in world.peer.fetched
    assert await followers_of(node, world.bert) == ["alice", "bob"]
    with pytest.raises(Refused):
        followers.listed_in({"type": "OrderedCollection", "orderedItems": []} | changes | _nothing(changes))


def _nothing(changes: dict[str, Any]) -> dict[str, Any]:
    return {"orderedItems": None} if "orderedItems" in changes and changes["orderedItems"] is None else {}


async def test_an_empty_list_is_one(world: World, node: Node) -> None:
    world.lists(orderedItems=None, totalItems=0)
    await world.says(None)
    await world.settles()
    assert await followers_of(node, world.bert) == []


async def test_a_host_is_asked_once_in_a_while_however_often_it_differs(world: World, node: Node) -> None:
    world.lists(*iris(node, "alice", "bob"))
    for _ in range(3):
        await world.says(None, *iris(node, "alice"))
        await world.settles()
    assert world.peer.fetched.count(world.url.removeprefix(world.peer.base)) == 1


async def test_a_list_that_cannot_be_fetched_changes_nothing(world: World, node: Node) -> None:
    world.peer.documents[world.url.removeprefix(world.peer.base)] = 404
    await world.says(None)
    await world.settles()
    assert await followers_of(node, world.bert) == ["alice", "bob"]


async def test_an_account_that_is_gone_or_ours_is_not_compared(world: World, node: Node, alice: Viewer) -> None:
    await node.write(followers.agree, id_of(alice), [], iris(node, "bob"))
    await node.write(followers.agree, 1, [], iris(node, "bob"))
    await node.write(
        lambda tx: tx.execute(update(account).where(account.c.iri == world.bert).values(followers_iri=None))
    )
    await world.says(None)
    assert await world.jobs() == 0
