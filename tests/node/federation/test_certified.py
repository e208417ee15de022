"""A company with a roster: whoever sits at a department's address without its identity is not believed (ADR 0013)."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activitypub import certificates, keys, proofs
from activitypub.documents import PublicKey
from activitypub.errors import ProtocolError, Refused, SignatureInvalid
from activitypub.roster import Member
from activitypub.vocabulary import Iri
from node.federation import company
from node.federation.company import Verified
from node.federation.network import Network
from node.runtime import Node
from node.schema import account, account_key
from node.schema import peer as peer_table
from node.viewer import Viewer
from tests.node.federation.conftest import Post
from tests.support.clocks import Clock
from tests.support.remote_peer import Doc, RemotePeer, rsa_key
from tests.support.rosters import Company
from tests.support.rows import count_of, id_of, rows_of


@pytest.fixture
def federation() -> dict[str, Any]:
    return {"mode": "roster", "allow_loopback": True, "timeout_seconds": 5.0}


@dataclass
class Department:
    """The node at the peer's address, with keys of its own. `serial` rises when its working keys change."""

    peer: RemotePeer
    identity: Ed25519PrivateKey = field(default_factory=keys.generate_ed25519)
    working: Ed25519PrivateKey = field(default_factory=keys.generate_ed25519)
    serial: int = 1_700_000_000_000

    @property
    def actor(self) -> Iri:
        return Iri(f"{self.peer.base}/actor")

    @property
    def key_id(self) -> Iri:
        return Iri(f"{self.actor}#ed25519-key-{self.serial}")

    def rotate(self) -> None:
        self.working, self.serial = keys.generate_ed25519(), self.serial + 1
        self.serve()

    def certificate(self) -> Doc:
        rsa = PublicKey(id=Iri(f"{self.actor}#main-key"), owner=self.actor, pem=keys.to_pem(rsa_key(0).public_key()))
        multibase = keys.multibase(self.working.public_key())
        ed25519 = PublicKey(id=self.key_id, owner=self.actor, multibase=multibase)
        return certificates.make(self.peer.domain, [rsa, ed25519], serial=self.serial, identity=self.identity)

    def document(self, **changes: Any) -> Doc:
        multibase = keys.multibase(self.working.public_key())
        own = {"id": self.key_id, "type": "Multikey", "controller": self.actor, "publicKeyMultibase": multibase}
        name = self.peer.domain.partition(":")[0]
        doc = self.peer.actor(name, kind="Application", assertionMethod=[own], nodeKeys=self.certificate())
        rsa = {**doc["publicKey"], "id": f"{self.actor}#main-key", "owner": self.actor}
        return {**doc, "id": self.actor, "inbox": f"{self.peer.base}/inbox", "publicKey": rsa, **changes}

    def serve(self, **changes: Any) -> None:
        self.peer.serve(self.document(**changes))

    def vouched(self, doc: Doc) -> Doc:
        return proofs.sign(doc, self.working, method=self.key_id, created=self.serial)

    def person(self, name: str = "bert", **changes: Any) -> str:
        iri = self.peer.person(name, **changes)
        self.peer.serve(self.vouched(self.peer.documents[f"/users/{name}"]))  # type: ignore[arg-type]
        return iri


@pytest.fixture
async def field_service(node: Node, network: Network, peer: RemotePeer, clock: Clock) -> Department:
    """A department on the roster."""
    there = Department(peer)
    there.serve()
    await put_on_roster(node, clock, there, 1)
    return there


async def put_on_roster(node: Node, clock: Clock, there: Department, version: int) -> None:
    acme = Company(int(clock() * 1000))
    await node.write(company.found_trust, acme.public)
    own = Member(node.settings.node.domain, "Engineering", keys.multibase(keys.generate_ed25519().public_key()))
    identity = keys.multibase(there.identity.public_key())
    found = acme.roster(version, [own, Member(there.peer.domain, "Field Service", identity)])
    await company.receive(node, Verified(found), "invitation")


async def keys_of(node: Node, iri: str) -> list[str]:
    (row,) = await rows_of(node, account, account.c.iri == iri)
    return [key.iri for key in await rows_of(node, account_key, account_key.c.account_id == row.id)]


async def test_a_node_with_the_pinned_identity_and_its_people_are_believed(
    node: Node, network: Network, field_service: Department, peer: RemotePeer, post: Post, alice: Viewer
) -> None:
    bert = field_service.person()
    activity = peer.activity("Follow", bert, node.urls.actor("alice"), number=1)
    assert await post.arrives(peer, activity) == "done"
    assert set(await keys_of(node, field_service.actor)) == {f"{field_service.actor}#main-key", field_service.key_id}


async def test_a_key_that_is_listed_but_not_certified_is_left_out(
    node: Node, network: Network, field_service: Department
) -> None:
    own = {"id": f"{field_service.actor}#main-key", "owner": field_service.actor}
    field_service.serve(publicKey={**own, "publicKeyPem": keys.to_pem(rsa_key(1).public_key())})
    await network.actor(field_service.actor)
    assert await keys_of(node, field_service.actor) == [field_service.key_id]


@pytest.mark.parametrize("thief", ["other identity", "no certificate", "other keys", "other domain"])
async def test_whoever_has_only_the_address_is_not(
    node: Node, network: Network, field_service: Department, peer: RemotePeer, thief: str
) -> None:
    impostor = Department(peer)
    if thief == "other identity":
        impostor.serve()
    elif thief == "no certificate":
        impostor.serve(nodeKeys=None)
    elif thief == "other keys":  # the true certificate, copied, beside keys of the thief's
        impostor.serial += 1
        own = {
            "id": f"{impostor.actor}#x",
            "owner": impostor.actor,
            "publicKeyPem": keys.to_pem(rsa_key(1).public_key()),
        }
        impostor.serve(nodeKeys=field_service.certificate(), publicKey=own)
    else:
        impostor.serve(nodeKeys={**field_service.certificate(), "domain": "other.example"})
    with pytest.raises(Refused):
        await network.actor(impostor.actor)
    assert await count_of(node, account, account.c.iri == impostor.actor) == 0


async def test_a_thief_cannot_invent_people_nor_give_them_keys(
    node: Node, network: Network, field_service: Department, peer: RemotePeer, post: Post, alice: Viewer
) -> None:
    bert = field_service.person()
    await network.actor(bert)
    # The address is another's now: bert's document with a key of the thief's, not vouched for, or by the thief's own key.
    impostor = Department(peer)
    for document in (peer.actor("bert", key=1), impostor.vouched(peer.actor("bert", key=1))):
        peer.serve(document)
        peer.person("mallory", key=1)
        for iri in (bert, f"{peer.base}/users/mallory"):
            with pytest.raises(ProtocolError):
                await network.actor(iri, fresh=True)
    activity = peer.activity("Follow", bert, node.urls.actor("alice"), number=1)
    with pytest.raises(ProtocolError):
        await post.arrives(peer, activity, key=1)
    assert await post.arrives(peer, activity) == "done"
    assert await count_of(node, account, account.c.username == "mallory") == 0


async def test_a_document_that_was_changed_is_not_vouched_for(
    network: Network, field_service: Department, peer: RemotePeer
) -> None:
    bert = field_service.person()
    peer.serve({**peer.documents["/users/bert"], "executive": True})  # type: ignore[dict-item]
    with pytest.raises(SignatureInvalid):
        await network.actor(bert)


async def test_working_keys_change_without_a_new_roster(
    node: Node, network: Network, field_service: Department, peer: RemotePeer
) -> None:
    await network.actor(field_service.person())
    before = await keys_of(node, field_service.actor)
    field_service.rotate()
    carla = field_service.person("carla")
    await network.actor(carla)  # vouched for by a key that is not known yet: the node's document is read anew
    assert await keys_of(node, field_service.actor) != before
    assert await keys_of(node, carla)


async def test_the_old_certificate_does_not_come_back(
    node: Node, network: Network, field_service: Department, peer: RemotePeer
) -> None:
    old = field_service.document()
    await network.actor(field_service.actor)
    field_service.rotate()
    await network.actor(field_service.actor, fresh=True)
    current = await keys_of(node, field_service.actor)
    peer.serve(old)
    with pytest.raises(Refused, match="older keys"):
        await network.actor(field_service.actor, fresh=True)
    assert await keys_of(node, field_service.actor) == current


async def test_an_update_of_a_person_is_believed_if_the_node_vouches_for_it(
    node: Node, network: Network, field_service: Department, peer: RemotePeer, post: Post
) -> None:
    bert = field_service.person()
    await network.actor(bert)
    changed = peer.actor("bert", name="Bert B.")
    refused = await post.arrives(peer, peer.activity("Update", bert, changed, number=1))
    assert "not vouched for" in refused
    vouched = field_service.vouched(changed)
    assert await post.arrives(peer, peer.activity("Update", bert, vouched, number=2)) == "done"
    (row,) = await rows_of(node, account, account.c.iri == bert)
    assert row.display_name == "Bert B."


async def test_a_new_identity_on_the_roster_makes_everything_be_read_anew(
    node: Node, network: Network, field_service: Department, peer: RemotePeer, post: Post, alice: Viewer, clock: Clock
) -> None:
    bert = field_service.person()
    await network.actor(bert)
    renewed = Department(peer, serial=1)  # found again from nothing: its clock counts for nothing
    renewed.serve()
    await put_on_roster(node, clock, renewed, 2)
    activity = peer.activity("Follow", bert, node.urls.actor("alice"), number=1)
    with pytest.raises(ProtocolError):  # vouched for by the old one
        await post.arrives(peer, activity)
    renewed.person()
    peer.fetched.clear()
    assert await post.arrives(peer, {**activity, "id": f"{activity['id']}/2"}) == "done"
    (row,) = await rows_of(node, peer_table, peer_table.c.domain == peer.domain)
    assert '"serial": 1,' in row.certificate


async def test_a_node_of_the_company_gets_ed25519_without_having_asked_for_it(
    node: Node, network: Network, field_service: Department, peer: RemotePeer, alice: Viewer
) -> None:
    inbox = f"{peer.base}/inbox"
    assert (await network.sender.deliver(id_of(alice), inbox, b"{}")).status == 202
    peer.respond = lambda one: web.Response(status=202 if "rsa-sha256" in str(one.request.headers) else 401)
    assert (await network.sender.deliver(id_of(alice), inbox, b"{}")).status == 202
    assert (await network.sender.deliver(id_of(alice), inbox, b"{}")).status == 202
    signed_with = ["#ed25519-key" in str(one.request.headers) for one in peer.received]
    assert signed_with == [True, True, False, False]
