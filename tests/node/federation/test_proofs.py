"""Integrity proofs between real nodes: what we send carries them, and what others pass on is believed for them alone."""

from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import update

from activitypub import keys, parse, proofs
from activitypub.audience import Visibility
from activitypub.errors import Refused, SignatureInvalid
from activitypub.vocabulary import PUBLIC
from node import accounts, keyring, posts, social
from node.federation import delivery, render
from node.federation.delivery import Target
from node.federation.dispatcher import Dispatcher
from node.federation.leases import Item
from node.federation.network import Network
from node.federation.proving import Prover
from node.federation.signers import ASKED_FOR_KEYS
from node.posts import Draft
from node.runtime import Node
from node.schema import account, account_key, activity, inbox_item, tombstone
from node.schema import follow as follows
from node.schema import post as post_table
from node.viewer import Viewer
from tests.node.federation.conftest import Post, deliver, pairs
from tests.support.clocks import Clock
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import count_of, id_of, rows_of

BERTS = keys.generate_ed25519()
OTHER = keys.generate_ed25519()


def multikey(iri: str, key: Ed25519PrivateKey = BERTS, fragment: str = "ed25519-key") -> Doc:
    return {
        "id": f"{iri}#{fragment}",
        "type": "Multikey",
        "controller": iri,
        "publicKeyMultibase": keys.multibase(key.public_key()),
    }


@pytest.fixture
def bert(peer: RemotePeer) -> str:
    """Somebody elsewhere who can prove what he says; not known here yet."""
    return peer.person("bert", assertionMethod=[multikey(f"{peer.base}/users/bert")])


@pytest.fixture
async def relay(peer: RemotePeer, network: Network) -> str:
    """Whoever passes things on."""
    iri = peer.person("relay")
    await network.actor(iri)
    return iri


def proven(doc: Doc, clock: Clock, *, key: Ed25519PrivateKey = BERTS, fragment: str = "ed25519-key") -> Doc:
    return proofs.sign(doc, key, method=f"{doc['actor']}#{fragment}", created=int(clock() * 1000))


def unserved(peer: RemotePeer, number: int, author: str, content: str = "Hello", **changes: Any) -> Doc:
    """A note that its origin does not hand out: believed, it was believed for its proof."""
    note = peer.note(number, author, content, **changes)
    del peer.documents[f"/notes/{number}"]
    return note


async def follow(node: Node, network: Network, follower: Viewer, iri: str) -> None:
    """Somebody here follows somebody there, so that his posts concern us."""
    target = await network.actor(iri)
    await node.write_as(follower, social.follow, target)
    await node.write(lambda tx: tx.execute(update(follows).values(state="accepted")))


# --- Coming in ----------------------------------------------------------------------------------------------------


async def test_what_another_passes_on_with_a_proof_is_taken_without_asking_its_origin(
    node: Node, peer: RemotePeer, bert: str, relay: str, alice: Viewer, network: Network, post: Post, clock: Clock
) -> None:
    await follow(node, network, alice, bert)
    note = unserved(peer, 1, bert, "By me")
    create = proven(peer.activity("Create", bert, note, to=[PUBLIC], number=1), clock)
    assert await post.arrives(peer, create, by=relay) == "done"
    (stored,) = await rows_of(node, post_table)
    assert (stored.iri, stored.content) == (note["id"], "<p>By me</p>")
    (row,) = await rows_of(node, inbox_item)
    assert (row.signer_iri, row.peer) == (bert, peer.domain)
    assert "/notes/1" not in peer.fetched


@pytest.mark.parametrize(
    "spoil",
    [
        lambda doc: doc["object"].update(content="<p>Changed</p>"),
        lambda doc: doc.update(cc=["https://elsewhere.example/users/eve"]),
        lambda doc: doc.pop("proof"),
        lambda doc: doc.update(proof=[doc["proof"], doc["proof"]]),
        lambda doc: doc["proof"].update(proofPurpose="authentication"),
    ],
    ids=["object", "audience", "no proof", "two proofs", "purpose"],
)
async def test_what_was_changed_on_the_way_is_a_rumour_at_best(
    node: Node,
    peer: RemotePeer,
    bert: str,
    relay: str,
    alice: Viewer,
    network: Network,
    post: Post,
    clock: Clock,
    spoil: Any,
) -> None:
    await follow(node, network, alice, bert)
    create = proven(peer.activity("Create", bert, unserved(peer, 1, bert), to=[PUBLIC], number=1), clock)
    spoil(create)
    with pytest.raises(Refused):
        await post.arrives(peer, create, by=relay)
    assert await count_of(node, post_table) == 0


@pytest.mark.parametrize(
    ("listed", "key", "fragment"),
    [(BERTS, OTHER, "ed25519-key"), (BERTS, BERTS, "unlisted"), (None, BERTS, "ed25519-key")],
    ids=["another key under his name", "a key that he does not list", "a key of somebody else"],
)
async def test_a_proof_counts_by_a_key_that_the_actor_lists(
    node: Node,
    peer: RemotePeer,
    relay: str,
    network: Network,
    post: Post,
    clock: Clock,
    listed: Ed25519PrivateKey | None,
    key: Ed25519PrivateKey,
    fragment: str,
) -> None:
    iri = f"{peer.base}/users/bert"
    # In the last case the document lists a key under an id of his whose controller is somebody else.
    method = multikey(iri) if listed else {**multikey(iri), "controller": f"{peer.base}/users/relay"}
    peer.person("bert", assertionMethod=[method])
    await network.actor(iri)
    forged = proven(peer.activity("Create", iri, unserved(peer, 1, iri), number=1), clock, key=key, fragment=fragment)
    with pytest.raises(Refused):
        await post.arrives(peer, forged, by=relay)


async def test_an_rsa_key_of_the_actor_makes_no_proof(
    peer: RemotePeer, relay: str, network: Network, post: Post, clock: Clock
) -> None:
    iri = f"{peer.base}/users/bert"
    pem = keys.to_pem(BERTS.public_key())
    peer.person("bert", publicKey={"id": f"{iri}#ed25519-key", "owner": iri, "publicKeyPem": pem})
    await network.actor(iri)
    create = proven(peer.activity("Create", iri, unserved(peer, 1, iri), number=1), clock)
    with pytest.raises(Refused):  # an Ed25519 key, but listed for HTTP signatures only
        await post.arrives(peer, create, by=relay)


@pytest.mark.parametrize("kind", ["Follow", "Block", "Like", "Announce", "Undo", "Move", "Accept"])
async def test_only_posts_are_taken_from_others_since_deeds_could_be_repeated(
    node: Node,
    peer: RemotePeer,
    bert: str,
    relay: str,
    alice: Viewer,
    network: Network,
    post: Post,
    clock: Clock,
    kind: str,
) -> None:
    deed = proven(peer.activity(kind, bert, node.urls.actor("alice"), number=1), clock)
    with pytest.raises(Refused):
        await post.arrives(peer, deed, by=relay)


@pytest.mark.parametrize("kind", ["Update", "Delete"])
async def test_nor_are_changes_of_the_actor_itself(
    node: Node, peer: RemotePeer, bert: str, relay: str, network: Network, post: Post, clock: Clock, kind: str
) -> None:
    await network.actor(bert)
    about = peer.actor("bert", name="Old name") if kind == "Update" else bert
    with pytest.raises(Refused):
        await post.arrives(peer, proven(peer.activity(kind, bert, about, number=1), clock), by=relay)
    (row,) = await rows_of(node, account, account.c.iri == bert)
    assert (row.display_name, row.gone_at) == ("", None)


async def test_an_actor_cannot_speak_for_another_however_well_proven(
    node: Node, peer: RemotePeer, bert: str, relay: str, alice: Viewer, network: Network, post: Post, clock: Clock
) -> None:
    await follow(node, network, alice, bert)
    stolen = unserved(peer, 1, peer.person("carla"))
    with pytest.raises(Refused):
        await post.arrives(peer, proven(peer.activity("Create", bert, stolen, number=1), clock), by=relay)


async def test_it_is_the_same_activity_whoever_brings_it(
    node: Node, peer: RemotePeer, bert: str, relay: str, alice: Viewer, network: Network, post: Post, clock: Clock
) -> None:
    await follow(node, network, alice, bert)
    create = proven(peer.activity("Create", bert, unserved(peer, 1, bert), to=[PUBLIC], number=1), clock)
    await post.arrives(peer, create, by=relay)
    request = peer.signed(create, node.urls.shared_inbox, by=bert)
    assert await network.receive(request) is False
    assert (await count_of(node, inbox_item), await count_of(node, post_table)) == (1, 1)


async def test_a_stranger_cannot_use_up_an_id_with_something_else(
    node: Node, peer: RemotePeer, bert: str, relay: str, alice: Viewer, network: Network, post: Post, clock: Clock
) -> None:
    """R44: what is stored under the actor is the actor's; a lie under the same id is stored under the liar, if at all."""
    await follow(node, network, alice, bert)
    create = proven(peer.activity("Create", bert, unserved(peer, 1, bert), to=[PUBLIC], number=1), clock)
    lie = {**create, "object": {**create["object"], "content": "<p>A lie</p>"}}
    with pytest.raises(Refused):
        await post.arrives(peer, lie, by=relay)
    assert await post.arrives(peer, create, by=relay) == "done"


async def test_what_is_replayed_after_it_was_deleted_stays_deleted(
    node: Node, peer: RemotePeer, bert: str, relay: str, alice: Viewer, network: Network, post: Post, clock: Clock
) -> None:
    await follow(node, network, alice, bert)
    note = unserved(peer, 1, bert)
    create = proven(peer.activity("Create", bert, note, to=[PUBLIC], number=1), clock)
    await post.arrives(peer, create, by=relay)
    assert await count_of(node, post_table) == 1
    await post.arrives(peer, peer.activity("Delete", bert, note["id"], number=2))
    await node.write(lambda tx: tx.execute(inbox_item.delete()))  # forgotten, as after a month
    await post.arrives(peer, create, by=relay)
    assert await count_of(node, post_table) == 0
    assert await count_of(node, tombstone) == 1


async def test_a_key_that_was_replaced_proves_nothing_any_more(
    node: Node, peer: RemotePeer, bert: str, relay: str, alice: Viewer, network: Network, post: Post, clock: Clock
) -> None:
    await follow(node, network, alice, bert)
    create = proven(peer.activity("Create", bert, unserved(peer, 1, bert), to=[PUBLIC], number=1), clock)
    peer.person("bert", assertionMethod=[multikey(bert, OTHER, "ed25519-key-2")])
    await network.actor(bert, fresh=True)
    with pytest.raises(Refused):
        await post.arrives(peer, create, by=relay)
    newer = proven(
        peer.activity("Create", bert, unserved(peer, 2, bert), number=2), clock, key=OTHER, fragment="ed25519-key-2"
    )
    assert await post.arrives(peer, newer, by=relay) == "done"


async def test_a_new_key_is_looked_up_once(
    node: Node, peer: RemotePeer, bert: str, relay: str, alice: Viewer, network: Network, post: Post, clock: Clock
) -> None:
    await follow(node, network, alice, bert)
    peer.person("bert", assertionMethod=[multikey(bert, OTHER, "ed25519-key-2")])
    newer = proven(
        peer.activity("Create", bert, unserved(peer, 2, bert), number=2), clock, key=OTHER, fragment="ed25519-key-2"
    )
    before = peer.fetched.count("/users/bert")
    assert await post.arrives(peer, newer, by=relay) == "done"
    assert peer.fetched.count("/users/bert") == before + 1


async def test_ever_new_key_ids_of_one_actor_do_not_make_us_read_it_each_time(
    peer: RemotePeer, bert: str, relay: str, network: Network, post: Post, clock: Clock
) -> None:
    await network.actor(bert)
    for number in range(ASKED_FOR_KEYS + 20):
        made_up = proven(
            peer.activity("Create", bert, unserved(peer, number, bert), number=number), clock, fragment=f"k{number}"
        )
        with pytest.raises(Refused):
            await post.arrives(peer, made_up, by=relay)
    assert peer.fetched.count("/users/bert") <= ASKED_FOR_KEYS + 1


async def test_the_suspended_are_not_heard_through_others_either(
    node: Node, peer: RemotePeer, bert: str, relay: str, alice: Viewer, network: Network, post: Post, clock: Clock
) -> None:
    await follow(node, network, alice, bert)
    suspend = update(account).where(account.c.iri == bert).values(suspended_at=node.now())
    await node.write(lambda tx: tx.execute(suspend))
    create = proven(peer.activity("Create", bert, unserved(peer, 1, bert), to=[PUBLIC], number=1), clock)
    with pytest.raises(Refused):
        await post.arrives(peer, create, by=relay)


# --- Going out ----------------------------------------------------------------------------------------------------


async def publish(node: Node, author: Viewer, peer: RemotePeer, text: str, **fields: Any) -> None:
    await node.write_as(author, posts.publish, Draft(text=text, **fields))


@pytest.fixture
async def fan(node: Node, peer: RemotePeer, alice: Viewer, network: Network) -> str:
    """Somebody elsewhere who follows alice."""
    iri = peer.person("fan")
    fan_id = await network.actor(iri)
    await node.write(lambda tx: social.record_follow(tx, fan_id, id_of(alice), iri=f"{iri}#follow"))
    return iri


async def test_a_post_goes_out_with_its_authors_proof(
    node: Node, peer: RemotePeer, alice: Viewer, fan: str, dispatcher: Dispatcher
) -> None:
    await publish(node, alice, peer, "Hello")
    await deliver(dispatcher)
    (sent,) = peer.received
    method = f"{node.urls.actor('alice')}#ed25519-key"
    proofs.verify(sent.activity, _public(alice_pair()), method=method, now=node.now())
    (row,) = await rows_of(node, activity)
    assert "proof" not in msgspec.json.decode(row.body)
    changed = {**sent.activity, "object": {**sent.activity["object"], "content": "<p>Bye</p>"}}
    with pytest.raises(SignatureInvalid):
        proofs.verify(changed, _public(alice_pair()), method=method, now=node.now())


async def test_every_delivery_and_every_process_sends_the_same_bytes(
    node: Node, peer: RemotePeer, alice: Viewer, network: Network, clock: Clock
) -> None:
    doc: Doc = {
        "id": f"{node.urls.actor('alice')}/x/1",
        "type": "Listen",
        "actor": node.urls.actor("alice"),
        "to": [PUBLIC],
    }
    to = [Target(f"{peer.base}/{name}", peer.domain) for name in ("one", "two")]
    await node.write(lambda tx: delivery.enqueue(tx, doc, actor_id=id_of(alice), about=doc["id"], key="k", to=to))
    await deliver(Dispatcher(node, network))
    bodies = {one.request.body for one in peer.received}
    assert [one.path for one in peer.received] == ["/one", "/two"]
    assert len(bodies) == 1
    clock.advance(5)
    (row,) = await rows_of(node, activity)
    item = Item(1, row.id, id_of(alice), to[0].inbox, "k", 1, row.body)
    assert await Prover(node, network.keys).activity(item) in bodies


async def test_a_direct_message_carries_none(
    node: Node, peer: RemotePeer, alice: Viewer, fan: str, dispatcher: Dispatcher
) -> None:
    await publish(node, alice, peer, f"@fan@{peer.domain} between us", visibility=Visibility.DIRECT)
    await deliver(dispatcher)
    (sent,) = peer.received
    assert "proof" not in sent.activity


async def test_a_follow_carries_none(
    node: Node, peer: RemotePeer, alice: Viewer, bert: str, network: Network, dispatcher: Dispatcher
) -> None:
    await follow(node, network, alice, bert)
    await deliver(dispatcher)
    assert [("proof" in one.activity, one.type) for one in peer.received] == [(False, "Follow")]


async def test_what_an_actor_of_ours_proves_another_node_believes(
    node: Node, peer: RemotePeer, alice: Viewer, fan: str, dispatcher: Dispatcher, network: Network
) -> None:
    """The loop closed: our own reader takes our own writer's proof, by the document that we serve."""
    await publish(node, alice, peer, "Hello")
    await deliver(dispatcher)
    actor = parse.actor(await node.read(render.actor, id_of(alice)))
    sent = peer.received[0].activity
    claim = proofs.presented(sent)
    assert claim is not None
    (key,) = [key for key in actor.keys if key.id == claim.method]
    assert key.owner == sent["actor"]
    proofs.verify(sent, keys.from_multibase(key.multibase or ""), method=claim.method, now=node.now())


async def test_the_document_of_a_person_carries_the_nodes_proof_and_is_signed_once(
    node: Node, alice: Viewer, network: Network
) -> None:
    doc = await node.read(render.actor, id_of(alice))
    vouched = await network.vouched(doc)
    assert await network.vouched(await node.read(render.actor, id_of(alice))) is vouched
    proofs.verify(vouched, _public(alice_pair()), method=f"{node.urls.node_actor}#ed25519-key", now=node.now())
    await node.write(lambda tx: tx.execute(update(account).values(display_name="Alice A.")))
    changed = await network.vouched(await node.read(render.actor, id_of(alice)))
    assert (changed["name"], changed["proof"] != vouched["proof"]) == ("Alice A.", True)


async def test_an_update_of_a_profile_holds_a_document_that_stands_by_itself(
    node: Node, peer: RemotePeer, alice: Viewer, fan: str, dispatcher: Dispatcher, network: Network
) -> None:
    await node.write(lambda tx: tx.outgoing.profile_changed(tx, id_of(alice)))
    await deliver(dispatcher)
    (sent,) = peer.received
    proofs.verify(
        sent.activity["object"], _public(alice_pair()), method=f"{node.urls.node_actor}#ed25519-key", now=node.now()
    )


async def test_the_nodes_own_document_carries_its_certificate(node: Node, network: Network) -> None:
    own = await node.read(accounts.node_actor)
    doc = await network.vouched(await node.read(render.actor, own.id))
    assert "proof" not in doc
    assert doc["nodeKeys"] == await node.read(keyring.certificate)
    identity = await rows_of(node, account_key, account_key.c.kind == keyring.IDENTITY)
    listed = [key["id"] for key in doc["assertionMethod"]]
    assert [row.iri in listed or row.public in str(doc["assertionMethod"]) for row in identity] == [False]


def alice_pair() -> str:
    """Everybody here has the same keys."""
    return next(pair.public for pair in pairs() if pair.kind == keyring.ED25519)


def _public(multibase: str) -> Any:
    return keys.from_multibase(multibase)
