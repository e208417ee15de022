"""Which key a delivery is signed with, and what happens when it is turned away (R28, R30, R32)."""

from typing import Any

import pytest
from aiohttp import web

from activitypub import keys, signatures
from activitypub.errors import FetchFailed
from activitypub.signatures import VerifyKey
from activitypub.vocabulary import RFC_9421, RFC_9421_ED25519, Iri
from node import accounts, keyring
from node.federation import peers
from node.federation.network import Network, open_network
from node.keyring import KeyPair
from node.runtime import Node
from node.schema import account_key
from node.schema import peer as peer_table
from node.viewer import Viewer
from tests.node.federation.conftest import pairs
from tests.support.remote_peer import Delivery, RemotePeer
from tests.support.rows import id_of, rows_of

BODY = b'{"type":"Listen"}'


@pytest.fixture(scope="module")
def newer() -> list[KeyPair]:
    return keyring.generate()


def seen(peer: RemotePeer, number: int = -1) -> signatures.Presented:
    request = peer.received[number].request
    return signatures.presented(request, authority=peer.domain, scheme="http", now=peer.clock())


async def advertise(node: Node, network: Network, peer: RemotePeer) -> None:
    """Somebody's document says what the peer's server reads."""
    await node.write(peers.ids, [peer.domain])
    implemented = [{"href": href, "name": href} for href in (RFC_9421, RFC_9421_ED25519)]
    await network.actor(peer.person("bert", generator={"type": "Application", "implements": implemented}))


async def send(network: Network, sender: Viewer, peer: RemotePeer) -> int:
    return (await network.sender.deliver(id_of(sender), f"{peer.base}/inbox?of=all", BODY)).status


async def test_whoever_says_nothing_gets_rsa(network: Network, peer: RemotePeer, alice: Viewer, node: Node) -> None:
    assert await send(network, alice, peer) == 202
    assert seen(peer).key_id == f"{node.urls.actor('alice')}#main-key"


async def test_whoever_advertises_ed25519_gets_it_and_the_query_is_signed(
    network: Network, peer: RemotePeer, alice: Viewer, node: Node
) -> None:
    await advertise(node, network, peer)
    assert await send(network, alice, peer) == 202
    found = seen(peer)
    assert (found.key_id, found.flavour) == (f"{node.urls.actor('alice')}#ed25519-key", signatures.Flavour.RFC9421)
    multibase = next(pair.public for pair in pairs() if pair.kind == keyring.ED25519)
    found.verify(VerifyKey(Iri(found.key_id), Iri(node.urls.actor("alice")), keys.from_multibase(multibase)))
    assert f"{peer.base}/inbox?of=all" in found.base.decode()
    assert len(peer.received) == 1


async def test_that_is_remembered_over_a_restart(network: Network, peer: RemotePeer, alice: Viewer, node: Node) -> None:
    await advertise(node, network, peer)
    await network.store_flavours()
    (row,) = await rows_of(node, peer_table, peer_table.c.domain == peer.domain)
    assert row.flavour == "ed25519"
    again = await open_network(node)
    try:
        await send(again, alice, peer)
    finally:
        await again.aclose()
    assert seen(peer).key_id.endswith("#ed25519-key")


async def test_whoever_turns_ed25519_away_gets_rsa_and_nothing_else_from_then_on(
    network: Network, peer: RemotePeer, alice: Viewer, node: Node
) -> None:
    await advertise(node, network, peer)
    peer.respond = lambda one: web.Response(status=401 if "ed25519" in _signature_input(one) else 202)
    assert await send(network, alice, peer) == 202
    before = len(peer.received)
    assert await send(network, alice, peer) == 202
    assert len(peer.received) == before + 1
    await network.store_flavours()
    (row,) = await rows_of(node, peer_table, peer_table.c.domain == peer.domain)
    assert row.flavour != "ed25519"


async def test_a_peer_that_refuses_everything_still_takes_ed25519_tomorrow(
    network: Network, peer: RemotePeer, alice: Viewer, node: Node
) -> None:
    await advertise(node, network, peer)
    peer.respond = lambda _: web.Response(status=403)
    assert await send(network, alice, peer) == 403
    peer.respond = lambda _: web.Response(status=202)
    await send(network, alice, peer)
    assert seen(peer).key_id.endswith("#ed25519-key")


class TestCavageOnly:
    @pytest.fixture
    def federation(self) -> dict[str, Any]:
        return {"mode": "open", "allow_loopback": True, "timeout_seconds": 5.0, "signature": "cavage"}

    async def test_a_setting_that_names_the_old_signatures_is_obeyed(
        self, network: Network, peer: RemotePeer, alice: Viewer, node: Node
    ) -> None:
        await advertise(node, network, peer)
        await send(network, alice, peer)
        assert seen(peer).flavour is signatures.Flavour.CAVAGE


async def test_a_key_that_was_replaced_meanwhile_is_turned_away_once_and_nothing_is_lost(
    network: Network, peer: RemotePeer, alice: Viewer, node: Node, newer: list[KeyPair]
) -> None:
    """The server has the old key in memory while `corridor keys rotate` runs beside it."""
    assert await send(network, alice, peer) == 202
    await node.write(keyring.rotate, id_of(alice), newer)
    valid = {row.iri for row in await rows_of(node, account_key, account_key.c.revoked_at.is_(None))}
    peer.respond = lambda one: web.Response(status=202 if _key_id(peer, one) in valid else 401)
    assert await send(network, alice, peer) == 202
    assert seen(peer).key_id in valid
    before = len(peer.received)
    assert await send(network, alice, peer) == 202
    assert len(peer.received) == before + 1


async def test_documents_are_asked_for_with_the_newest_key_of_the_node(
    network: Network, peer: RemotePeer, node: Node, newer: list[KeyPair]
) -> None:
    own = (await node.read(accounts.node_actor)).id
    before = (await network.keys.signing_key(own)).id
    await node.write(keyring.rotate, own, newer)
    iri = peer.person("carla")
    doc = peer.documents.pop("/users/carla")
    peer.documents["/users/carla"] = 401
    asked = network.keys.held(own)
    assert asked is not None
    assert asked.id == before
    with pytest.raises(FetchFailed, match="401"):
        await network.actor(iri)
    renewed = network.keys.held(own)
    assert renewed is not None
    assert renewed.id != before
    peer.documents["/users/carla"] = doc
    assert await network.actor(iri, fresh=True)


def _key_id(peer: RemotePeer, one: Delivery) -> str:
    return signatures.presented(one.request, authority=peer.domain, scheme="http", now=peer.clock()).key_id


def _signature_input(one: Delivery) -> str:
    return dict(one.request.headers).get("signature-input", "")
