"""The node's identity, the certificate of its working keys, and rotating keys."""

import asyncio
from typing import Any

import pytest

from activitypub import certificates, keys, proofs
from activitypub.certificates import Certificate
from activitypub.errors import Malformed, Refused, SignatureInvalid
from node import accounts, keyring
from node.errors import NotFound
from node.federation import render
from node.keyring import ED25519, IDENTITY, RSA, KeyPair, Keyring
from node.runtime import Node
from node.schema import account, account_key, audit_entry
from node.secrets import SecretError, Vault
from node.viewer import Viewer
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.rows import id_of, rows_of


@pytest.fixture(scope="module")
def pairs() -> list[list[KeyPair]]:
    return [keyring.generate(), keyring.generate()]


@pytest.fixture
async def own(node: Node, pairs: list[list[KeyPair]]) -> int:
    """The node's own actor, with keys."""
    account_id = (await node.read(accounts.node_actor)).id
    await node.write(keyring.store, account_id, pairs[0])
    return int(account_id)


@pytest.fixture
async def anna(node: Node, pairs: list[list[KeyPair]]) -> Viewer:
    person = await make_person(node, "anna")
    await node.write(keyring.store, id_of(person), pairs[0])
    return person


def read(node: Node, doc: Any, identity: str) -> Certificate:
    domain = node.settings.node.domain
    return certificates.read(doc, identity=identity, domain=domain, now=node.now())


# --- Identity and certificate -------------------------------------------------------------------------------------


async def test_a_node_has_one_identity_for_good(node: Node, own: int) -> None:
    with pytest.raises(NotFound):
        await node.read(keyring.identity)
    first = await node.write(keyring.ensure_identity)
    assert (await node.write(keyring.ensure_identity)).multibase == first.multibase
    assert (await node.read(keyring.identity)).multibase == first.multibase
    assert first.did == f"did:key:{first.multibase}"


async def test_the_identity_is_sealed_and_listed_by_no_actor(node: Node, own: int) -> None:
    identity = await node.write(keyring.ensure_identity)
    (row,) = await rows_of(node, account_key, account_key.c.kind == IDENTITY)
    with pytest.raises(SecretError):
        keyring.opened(Vault(b"x" * 32), row.iri, row.private)
    doc = await node.read(render.actor, own)
    listed = [doc["publicKey"]["id"], *(key["publicKeyMultibase"] for key in doc["assertionMethod"])]
    assert row.iri not in listed
    assert identity.multibase not in listed


async def test_the_certificate_lists_the_keys_that_the_nodes_actor_lists(node: Node, own: int) -> None:
    assert await node.read(keyring.certificate) is None
    identity = await node.write(keyring.ensure_identity)
    doc = await node.read(keyring.certificate)
    certificate = read(node, doc, identity.multibase)
    actor = await node.read(render.actor, own)
    assert {key_id for key_id, _ in certificate.keys} == {
        actor["publicKey"]["id"],
        actor["assertionMethod"][0]["id"],
    }
    assert certificate.multibase(actor["assertionMethod"][0]["id"]) == actor["assertionMethod"][0]["publicKeyMultibase"]
    assert certificate.multibase(actor["publicKey"]["id"]) is None
    assert await node.read(keyring.certificate) == doc


async def test_its_serial_number_rises_with_each_rotation(
    node: Node, own: int, clock: Clock, pairs: list[list[KeyPair]]
) -> None:
    identity = await node.write(keyring.ensure_identity)
    before = read(node, await node.read(keyring.certificate), identity.multibase)
    clock.advance(60)
    await node.write(keyring.rotate, own, pairs[1])
    after = read(node, await node.read(keyring.certificate), identity.multibase)
    assert after.serial > before.serial
    assert not set(after.keys) & set(before.keys)


async def test_a_certificate_is_believed_by_its_identity_and_for_its_node_alone(node: Node, own: int) -> None:
    identity = await node.write(keyring.ensure_identity)
    doc = await node.read(keyring.certificate)
    assert doc is not None
    stranger = keys.multibase(keys.generate_ed25519().public_key())
    with pytest.raises(SignatureInvalid):
        read(node, doc, stranger)
    with pytest.raises(Refused):
        certificates.read(doc, identity=identity.multibase, domain="other.example", now=node.now())
    with pytest.raises(SignatureInvalid):
        read(node, {**doc, "domain": "other.example"}, identity.multibase)
    with pytest.raises(Malformed):
        read(node, {**doc, "type": "CorridorRoster"}, identity.multibase)


@pytest.mark.parametrize(
    "changes",
    [
        {"serial": 0},
        {"serial": 1.5},
        {"serial": True},
        {"serial": "1"},
        {"keys": []},
        {"keys": {}},
        {"keys": ["x"]},
        {"keys": [{"id": "https://a.example/actor#k"}]},
        {"keys": [{"id": "no address", "publicKeyPem": "x"}]},
        {"keys": [{"id": "https://a.example/actor#k", "publicKeyMultibase": "zabc"}]},
        {"keys": [{"id": "https://a.example/actor#k", "publicKeyMultibase": ["z"]}]},
        {"keys": [{"id": "https://a.example/actor#k", "publicKeyPem": "x"}] * 2},
        {"keys": [{"id": f"https://a.example/actor#{n}", "publicKeyPem": "x"} for n in range(21)]},
    ],
    ids=lambda changes: str(changes)[:40],
)
async def test_a_strange_certificate_is_malformed_even_if_its_identity_signed_it(
    node: Node, own: int, changes: dict[str, Any]
) -> None:
    identity = await node.write(keyring.ensure_identity)
    doc = await node.read(keyring.certificate)
    assert doc is not None
    strange = proofs.sign({**doc, **changes}, identity.private, method=identity.did, created=node.now())
    with pytest.raises(Malformed):
        read(node, strange, identity.multibase)


async def test_a_new_identity_certifies_the_same_keys(node: Node, own: int) -> None:
    old = await node.write(keyring.ensure_identity)
    new = await node.write(keyring.new_identity)
    assert new.multibase != old.multibase
    assert (await node.read(keyring.identity)).multibase == new.multibase
    doc = await node.read(keyring.certificate)
    assert read(node, doc, new.multibase).keys
    with pytest.raises(SignatureInvalid):
        read(node, doc, old.multibase)


# --- Rotation -----------------------------------------------------------------------------------------------------


async def test_rotation_replaces_both_keys_and_destroys_the_old_ones(
    node: Node, anna: Viewer, clock: Clock, pairs: list[list[KeyPair]]
) -> None:
    before = await node.read(render.actor, id_of(anna))
    (row,) = await rows_of(node, account, account.c.id == id_of(anna))
    clock.advance(1)
    await node.write(keyring.rotate, id_of(anna), pairs[1])
    after = await node.read(render.actor, id_of(anna))
    for listed in ("publicKey", "assertionMethod"):
        assert str(before[listed]) != str(after[listed])
    rows = await rows_of(node, account_key, account_key.c.account_id == id_of(anna))
    assert [(row.kind, row.private is None, row.revoked_at is not None) for row in rows] == [
        (RSA, True, True),
        (ED25519, True, True),
        (RSA, False, False),
        (ED25519, False, False),
    ]
    assert len({row.iri for row in rows}) == 4
    (changed,) = await rows_of(node, account, account.c.id == id_of(anna))
    assert changed.rev == row.rev + 1
    assert [entry.target for entry in await rows_of(node, audit_entry, audit_entry.c.action == "keys.rotate")] == [
        node.urls.actor("anna")
    ]


async def test_a_rotation_leaves_the_identity_alone(node: Node, own: int, pairs: list[list[KeyPair]]) -> None:
    identity = await node.write(keyring.ensure_identity)
    await node.write(keyring.rotate, own, pairs[1])
    assert (await node.read(keyring.identity)).multibase == identity.multibase


async def test_after_a_rotation_nothing_is_missing_and_no_first_key_comes_back(
    node: Node, anna: Viewer, pairs: list[list[KeyPair]]
) -> None:
    await node.write(keyring.rotate, id_of(anna), pairs[1])
    assert not await node.read(keyring.missing, id_of(anna))
    await node.write(keyring.store, id_of(anna), pairs[0])
    listed = await node.read(keyring.listing, id_of(anna))
    assert [key.revoked_at is None for key in listed] == [False, False, True, True]


async def test_nobody_elsewhere_has_keys_to_rotate(node: Node, pairs: list[list[KeyPair]]) -> None:
    with pytest.raises(NotFound):
        await node.write(keyring.rotate, 1, pairs[1])


async def test_a_process_that_holds_the_old_key_gets_the_new_one_when_it_is_turned_away(
    node: Node, anna: Viewer, clock: Clock, pairs: list[list[KeyPair]]
) -> None:
    ring = Keyring(node)
    old = await ring.signing_key(id_of(anna))
    assert await ring.renewed(old, id_of(anna)) is None
    await node.write(keyring.rotate, id_of(anna), pairs[1])
    assert (await ring.signing_key(id_of(anna))).id == old.id
    new = await ring.renewed(old, id_of(anna))
    assert new is not None
    assert new.id != old.id
    assert (await ring.signing_key(id_of(anna))).id == new.id == getattr(ring.held(id_of(anna)), "id", None)


async def test_both_kinds_of_key_are_held_apart(node: Node, anna: Viewer) -> None:
    ring = Keyring(node)
    rsa, ed25519 = await asyncio.gather(ring.signing_key(id_of(anna)), ring.signing_key(id_of(anna), ED25519))
    assert (rsa.id, ed25519.id) == tuple(f"{node.urls.actor('anna')}#{name}" for name in ("main-key", "ed25519-key"))


async def test_the_holders_of_keys_are_the_people_here_and_the_node(node: Node, own: int, anna: Viewer) -> None:
    await node.write(keyring.ensure_identity)
    await make_person(node, "keyless")
    assert sorted(await node.read(keyring.holders)) == sorted([own, id_of(anna)])
