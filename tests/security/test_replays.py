"""What was signed once is worth one delivery, at one place, for a while (protocol R22-R27, R44, R86)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from activitypub.errors import ProtocolError, SignatureInvalid
from activitypub.signatures import Flavour, Request
from activitypub.vocabulary import PUBLIC
from node.federation.network import Network
from node.runtime import Node
from node.schema import favourite, inbox_item, notification
from node.viewer import Viewer
from tests.node.federation.conftest import Post
from tests.security.world import World, change, make_world
from tests.support.clocks import Clock
from tests.support.remote_peer import RemotePeer
from tests.support.rows import count_of


@pytest.fixture
async def world(
    node: Node, network: Network, post: Post, peer: RemotePeer, stranger: RemotePeer, alice: Viewer
) -> World:
    return await make_world(node, network, post, peer, stranger, alice)


def without(request: Request, *names: str) -> Request:
    return replace(request, headers=[(name, value) for name, value in request.headers if name not in names])


def header(request: Request, wanted: str, change: Callable[[str], str]) -> Request:
    changed = [(name, change(value) if name == wanted else value) for name, value in request.headers]
    assert changed != request.headers
    return replace(request, headers=changed)


STOLEN: dict[str, Callable[[Request], Request]] = {
    "another inbox": lambda one: replace(one, target="/users/alice/inbox"),
    "another method": lambda one: replace(one, method="PUT"),
    "a query": lambda one: replace(one, target=one.target + "?x=1"),
    "another body": lambda one: replace(one, body=one.body.replace(b"Like", b"Flag")),
    "a body with a space more": lambda one: replace(one, body=one.body + b" "),
    "no body": lambda one: replace(one, body=b""),
    "another host": lambda one: header(one, "host", lambda _: "sales.example"),
    "no digest": lambda one: without(one, "digest", "content-digest"),
    "no signature": lambda one: without(one, "signature", "signature-input"),
    "a signature twice": lambda one: replace(
        one, headers=[*one.headers, *((n, v) for n, v in one.headers if n == "signature")]
    ),
}


@pytest.mark.parametrize("flavour", list(Flavour))
async def test_a_signature_is_for_one_request(world: World, flavour: Flavour) -> None:
    like = world.say("Like", world.eve, world.ours, 1)
    request = world.peer.signed(like, world.node.urls.shared_inbox, by=world.eve, flavour=flavour)
    before = await count_of(world.node, inbox_item)
    for theft, altered in STOLEN.items():
        with pytest.raises(ProtocolError):
            await world.network.receive(altered(request))
        assert await count_of(world.node, inbox_item) == before, theft
    assert await world.network.receive(request) is True


@pytest.mark.parametrize("flavour", list(Flavour))
async def test_what_comes_again_is_stored_once(world: World, flavour: Flavour) -> None:
    like = world.say("Like", world.eve, world.ours, 1)
    request = world.peer.signed(like, world.node.urls.shared_inbox, by=world.eve, flavour=flavour)
    told, liked = await count_of(world.node, notification), await count_of(world.node, favourite)
    assert [await world.network.receive(request) for _ in range(3)] == [True, False, False]
    await world.post.work()
    assert await world.network.receive(request) is False
    await world.post.work()
    assert await count_of(world.node, favourite) == liked + 1
    assert await count_of(world.node, notification) == told + 1


async def test_a_recorded_request_is_worthless_the_next_day(world: World, clock: Clock) -> None:
    like = world.say("Like", world.eve, world.ours, 1)
    early = world.peer.signed(like, world.node.urls.shared_inbox, by=world.eve)
    clock.advance(13 * 3_600)
    with pytest.raises(SignatureInvalid):
        await world.network.receive(early)
    assert await world.network.receive(world.peer.signed(like, world.node.urls.shared_inbox, by=world.eve)) is True


async def test_the_same_deed_under_another_id_is_done_once(world: World) -> None:
    """Ids of activities keep a delivery from counting twice; what is stored keeps the deed from it (R86)."""
    note = world.peer.note(3, world.bert, "Once", inReplyTo=world.ours)
    pictures = []
    for number in range(3):
        assert await world.arrives(world.say("Create", world.bert, note, number), by=world.bert) == "done"
        await world.arrives(world.say("Like", world.eve, world.ours, number), by=world.eve)
        await world.arrives(world.say("Announce", world.eve, world.ours, number, to=[PUBLIC]), by=world.eve)
        pictures.append(await world.picture())
    assert change(pictures[0], pictures[1]) == change(pictures[0], pictures[2]) == {}
