"""Answers to our people's posts, passed on to their followers elsewhere (protocol R70)."""

from dataclasses import dataclass
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
from tests.support.remote_peer import Delivery, Doc, RemotePeer
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


@dataclass(frozen=True)
class Scene:
    """Bert, of `peer`, answers `parent`, alice's post; `third` is where another follower of hers is."""

    node: Node
    peer: RemotePeer
    third: RemotePeer
    bert: str
    parent: str
    post: Post
    dispatcher: Dispatcher
    clock: Clock

    @property
    def followers(self) -> str:
        return self.node.urls.actor("alice") + "/followers"

    def answer(self, parent: str | None = None, **changes: Any) -> Doc:
        """The Create of a public reply, addressed to alice's followers as well."""
        cc = [f"{self.bert}/followers", self.followers]
        note = self.peer.note(1, self.bert, "Like this", inReplyTo=parent or self.parent, cc=cc)
        return {**self.peer.activity("Create", self.bert, note, to=[PUBLIC], cc=cc, number=1), **changes}

    def proven(self, doc: Doc) -> Doc:
        return proofs.sign(doc, BERTS, method=f"{doc['actor']}#ed", created=int(self.clock() * 1000))

    async def passed_on(self) -> list[Delivery]:
        """What `third` has got, when all is sent that waits."""
        await deliver(self.dispatcher)
        return self.third.received


@pytest.fixture
def scene(
    node: Node,
    peer: RemotePeer,
    third: RemotePeer,
    bert: str,
    alices: str,
    post: Post,
    dispatcher: Dispatcher,
    clock: Clock,
) -> Scene:
    return Scene(node, peer, third, bert, alices, post, dispatcher, clock)


async def test_an_answer_reaches_the_authors_followers_as_it_came(scene: Scene) -> None:
    request = scene.peer.signed(scene.proven(scene.answer()), scene.node.urls.shared_inbox, by=scene.bert)
    await scene.post.network.receive(request)
    await scene.post.work()
    (passed_on,) = await scene.passed_on()
    assert passed_on.request.body == request.body
    assert f'keyId="{scene.node.urls.actor("alice")}#' in dict(passed_on.request.headers)["signature"]
    assert scene.peer.received == []


async def test_it_is_passed_on_once_however_often_it_comes(scene: Scene) -> None:
    doc = scene.proven(scene.answer())
    for _ in range(2):
        await scene.post.network.receive(scene.peer.signed(doc, scene.node.urls.shared_inbox, by=scene.bert))
        await scene.post.work()
    assert len(await scene.passed_on()) == 1


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
    scene: Scene, changes: dict[str, Any], expected: int
) -> None:
    await scene.post.arrives(scene.peer, scene.proven(scene.answer(**changes)))
    assert len([one for one in await scene.passed_on() if one.activity["actor"] == scene.bert]) == expected


async def test_only_what_answers_a_post_of_ours(scene: Scene) -> None:
    await scene.post.arrives(scene.peer, scene.proven(scene.answer(f"{scene.peer.base}/notes/9")))
    assert await scene.passed_on() == []


async def test_without_a_proof_a_public_answer_goes_on_as_a_hint_and_a_private_one_not_at_all(scene: Scene) -> None:
    await scene.post.arrives(scene.peer, scene.answer())
    assert [one.type for one in await scene.passed_on()] == ["Create"]
    private: dict[str, Any] = {"to": [scene.followers], "cc": []}
    note = scene.peer.note(2, scene.bert, "Psst", inReplyTo=scene.parent, **private)
    await scene.post.arrives(scene.peer, scene.peer.activity("Create", scene.bert, note, **private, number=2))
    assert len(await scene.passed_on()) == 1


async def test_the_edit_and_the_end_of_an_answer_follow_it(scene: Scene) -> None:
    created = scene.proven(scene.answer())
    await scene.post.arrives(scene.peer, created)
    note = {**created["object"], "content": "<p>Or so</p>", "updated": "2026-09-21T11:00:00Z"}
    for number, (kind, about) in enumerate((("Update", note), ("Delete", note["id"])), start=2):
        said = scene.peer.activity(kind, scene.bert, about, to=[PUBLIC], cc=[scene.followers], number=number)
        await scene.post.arrives(scene.peer, scene.proven(said))
    assert [one.type for one in await scene.passed_on()] == ["Create", "Update", "Delete"]


async def test_not_back_to_whoever_brought_it(scene: Scene) -> None:
    await scene.post.arrives(scene.third, scene.proven(scene.answer()), by=f"{scene.third.base}/users/carla")
    assert await scene.passed_on() == []
    assert (await count_of(scene.node, inbox_item), scene.peer.received) == (1, [])


async def test_an_answer_by_somebody_whom_the_author_blocks_is_not_passed_on(
    scene: Scene, alice: Viewer, network: Network
) -> None:
    await scene.node.write_as(alice, social.block, await network.actor(scene.bert))
    await scene.node.write(lambda tx: tx.execute(delivery.delete()))
    await scene.post.arrives(scene.peer, scene.proven(scene.answer()))
    assert await scene.passed_on() == []
