"""Every activity in its honest form, and the same one by somebody who may not say it (protocol R17, R27, R40-R47).

The near misses share the honest one's world and must leave every table as it was; then the honest one must change it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from activitypub.vocabulary import PUBLIC
from node.federation.network import Network
from node.runtime import Node
from node.viewer import Viewer
from tests.node.federation.conftest import Post
from tests.security.world import World, change, make_world
from tests.support.remote_peer import Doc, RemotePeer

HONEST = 200


@pytest.fixture
async def world(
    node: Node, network: Network, post: Post, peer: RemotePeer, stranger: RemotePeer, alice: Viewer
) -> World:
    return await make_world(node, network, post, peer, stranger, alice)


@dataclass(frozen=True)
class Case:
    """`about`: the activity's object, and more properties. `anybodys`: others may say the same in their own name.

    `lies`: further near misses, signed by their own actor.
    """

    kind: str
    by: str
    about: Callable[[World], Any]
    anybodys: bool = False
    more: Callable[[World], Doc] = lambda _: {}
    lies: Callable[[World], list[Doc]] = lambda _: []

    def honest(self, world: World, number: int = HONEST, **changes: Any) -> Doc:
        actor = getattr(world, self.by)
        return world.say(self.kind, actor, self.about(world), number, **self.more(world)) | changes


def new_note(world: World, **changes: Any) -> Doc:
    """A note of bert's that his server does not serve yet, so that nobody can vouch for it but bert."""
    note = world.peer.note(2, world.bert, "New", **changes)
    del world.peer.documents["/notes/2"]
    return note


def edited(world: World, **changes: Any) -> Doc:
    return {**world.note, "content": "<p>Edited</p>", "updated": "2026-09-21T11:00:00Z", **changes}


def create_lies(world: World) -> list[Doc]:
    elsewhere = {**new_note(world), "id": f"{world.stranger.base}/notes/2"}
    by_mallory = {**new_note(world), "attributedTo": world.mallory}
    in_our_name = {**new_note(world), "id": f"{world.node.urls.base}/users/alice/statuses/1"}
    return [
        world.say("Create", world.bert, elsewhere, 1),
        world.say("Create", world.bert, by_mallory, 2),
        world.say("Create", world.bert, {**new_note(world), "attributedTo": world.eve}, 3),
        world.say("Create", world.bert, in_our_name, 4),
    ]


def update_lies(world: World) -> list[Doc]:
    ours = edited(world, id=world.ours, attributedTo=world.alice_iri)
    stolen = edited(world, attributedTo=[world.eve])
    return [
        world.say("Update", world.bert, ours, 1),
        world.say("Update", world.bert, edited(world, id=world.ours), 2),
        world.say("Update", world.eve, stolen, 3),
        world.say("Update", world.eve, edited(world, attributedTo=[world.bert, world.eve]), 4),
    ]


def delete_lies(world: World) -> list[Doc]:
    return [
        world.say("Delete", world.bert, world.ours, 1),
        world.say("Delete", world.bert, {"id": world.ours, "type": "Tombstone"}, 2),
        world.say("Delete", world.bert, world.alice_iri, 3),
        world.say("Delete", world.bert, world.eve, 4),
    ]


def accept_lies(world: World) -> list[Doc]:
    def follow(**changes: Any) -> Doc:
        return {"id": world.asked, "type": "Follow", "actor": world.alice_iri, "object": world.carl, **changes}

    return [
        world.say("Accept", world.eve, follow(object=world.eve), 1),
        world.say("Accept", world.carl, follow(actor=world.bert), 2),
        world.say("Accept", world.carl, follow(id=f"{world.node.urls.base}/never/asked"), 3),
        world.say("Accept", world.carl, f"{world.node.urls.base}/never/asked", 4),
    ]


def actor_lies(world: World) -> list[Doc]:
    other_name = world.peer.actor("eve", name="Bertram the Great")
    moved_box = {**world.peer.actor("bert", name="Bertram"), "id": world.alice_iri}
    return [world.say("Update", world.bert, other_name, 1), world.say("Update", world.bert, moved_box, 2)]


def undo_of(kind: str, number: int) -> Callable[[World], Doc]:
    return lambda world: {
        "id": f"{world.peer.base}/activities/{kind.lower()}/{number}",
        "type": kind,
        "actor": world.bert,
        "object": world.ours,
    }


def undo_lies(world: World) -> list[Doc]:
    """By id alone, which names nobody, by a neighbour and by a stranger."""
    ids = [f"{world.peer.base}/activities/{what}" for what in ("announce/101", "like/102")] + [
        f"{world.bert}/follows/1"
    ]
    return [
        world.say("Undo", who, iri, number)
        for number, (who, iri) in enumerate((who, iri) for who in (world.eve, world.mallory) for iri in ids)
    ]


CASES = {
    "Create": Case("Create", "bert", new_note, lies=create_lies),
    "Update of a post": Case("Update", "bert", edited, lies=update_lies),
    "Update of an actor": Case("Update", "bert", lambda w: w.peer.actor("bert", name="Bertram"), lies=actor_lies),
    "Delete of a post": Case("Delete", "bert", lambda w: w.note["id"], lies=delete_lies),
    "Delete of an actor": Case("Delete", "bert", lambda w: w.bert, lies=delete_lies),
    "Accept": Case("Accept", "carl", lambda w: w.asked, lies=accept_lies),
    "Reject": Case("Reject", "carl", lambda w: w.asked),
    "Undo of a follow": Case(
        "Undo",
        "bert",
        lambda w: {"id": f"{w.bert}/follows/1", "type": "Follow", "actor": w.bert, "object": w.alice_iri},
        lies=undo_lies,
    ),
    "Undo of a boost": Case("Undo", "bert", undo_of("Announce", 101), lies=undo_lies),
    "Undo of a like": Case("Undo", "bert", undo_of("Like", 102), lies=undo_lies),
    "Move": Case("Move", "bert", lambda w: w.bert, more=lambda w: {"target": w.peer.person("bertram")}),
    "Follow": Case("Follow", "eve", lambda w: w.alice_iri, anybodys=True),
    "Like": Case("Like", "eve", lambda w: w.ours, anybodys=True),
    "Announce": Case("Announce", "eve", lambda w: w.ours, anybodys=True, more=lambda _: {"to": [PUBLIC]}),
    "Block": Case("Block", "eve", lambda w: w.alice_iri, anybodys=True),
    "Flag": Case("Flag", "eve", lambda w: [w.alice_iri, w.ours], anybodys=True),
}


def near_misses(case: Case, world: World) -> list[tuple[str, Doc, str]]:
    """(what is wrong with it, the activity, who signs it)."""
    honest = getattr(world, case.by)
    neighbour = world.carl if honest == world.eve else world.eve
    misses = [
        ("a stranger signs in the name of another", case.honest(world, 201), world.mallory),
        ("a neighbour signs in the name of another", case.honest(world, 202), neighbour),
        ("two actors, signed by one", case.honest(world, 203, actor=[honest, neighbour]), neighbour),
        ("two actors, signed by the other", case.honest(world, 204, actor=[neighbour, honest]), honest),
        ("an id of another server", case.honest(world, 205, id=f"{world.stranger.base}/x/205"), honest),
        ("an id of ours", case.honest(world, 206, id=f"{world.node.urls.base}/x/206"), honest),
        ("the actor is one of ours", case.honest(world, 207, actor=world.alice_iri), honest),
        ("the actor has a fragment", case.honest(world, 208, actor=f"{honest}#main-key"), honest),
        ("about nothing", case.honest(world, 209, object=None), honest),
    ]
    if not case.anybodys:
        misses += [
            ("a neighbour in its own name", case.honest(world, 210, actor=neighbour), neighbour),
            (
                "a stranger in its own name",
                case.honest(world, 211, actor=world.mallory, id=f"{world.stranger.base}/x/211"),
                world.mallory,
            ),
        ]
    lies = [(f"lie {number}", lie, lie["actor"]) for number, lie in enumerate(case.lies(world))]
    return misses + lies


@pytest.mark.parametrize("name", CASES)
async def test_whoever_may_say_it_is_believed_and_nobody_else(world: World, name: str) -> None:
    case = CASES[name]
    for wrong, activity, signer in near_misses(case, world):
        before = await world.picture()
        outcome = await world.arrives(activity, by=signer)
        assert change(before, await world.picture()) == {}, f"{wrong}: {outcome}"
    before = await world.picture()
    activity = case.honest(world)
    if name == "Move":
        world.peer.person("bertram", alsoKnownAs=[world.bert])
    assert await world.arrives(activity, by=getattr(world, case.by)) == "done"
    assert change(before, await world.picture()) != {}
