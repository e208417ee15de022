"""Who signed, who is behind a handle, what is at an address: over loopback, with the near misses of each rule."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from activitypub import keys, signatures
from activitypub.errors import FetchFailed, KeyUnavailable, Malformed, ProtocolError, Refused, SignatureInvalid
from activitypub.signatures import Flavour, Request
from node import accounts, posts
from node.errors import NotFound
from node.federation import peers, signers
from node.federation.network import Network, open_network
from node.posts import Draft
from node.runtime import Node
from node.schema import account, account_key
from node.schema import peer as peer_table
from node.viewer import Kind, Viewer
from tests.support.clocks import Clock
from tests.support.remote_peer import Doc, RemotePeer, rsa_key
from tests.support.rows import count_of, id_of, rows_of


def get(node: Node, peer: RemotePeer, by: str, *, key: int = 0, flavour: Flavour = Flavour.CAVAGE) -> Request:
    return peer.signed(b"", f"{node.urls.base}/users/alice", by=by, key=key, flavour=flavour, method="GET")


# --- Signers


@pytest.mark.parametrize("flavour", list(Flavour))
async def test_an_unknown_signer_is_fetched_once_and_then_known(
    node: Node, peer: RemotePeer, network: Network, flavour: Flavour
) -> None:
    bert = peer.person("bert")
    for _ in range(3):
        signer = await network.signer(get(node, peer, bert, flavour=flavour))
    assert (signer.iri, signer.domain, signer.viewer.kind) == (bert, peer.domain, Kind.REMOTE)
    assert peer.fetched == ["/users/bert"]
    fresh = await open_network(node)
    await fresh.signer(get(node, peer, bert, flavour=flavour))
    await fresh.aclose()
    assert peer.fetched == ["/users/bert"]


async def test_the_peers_own_actor_stands_for_its_people_and_a_bot_does_not(
    node: Node, peer: RemotePeer, network: Network
) -> None:
    own, bot = peer.person("127.0.0.1", kind="Application"), peer.person("bot", kind="Application")
    assert (await network.signer(get(node, peer, own))).viewer.kind is Kind.PEER
    assert (await network.signer(get(node, peer, bot))).viewer.kind is Kind.REMOTE


async def test_a_changed_key_is_fetched_once_and_the_old_one_stops_working(
    node: Node, peer: RemotePeer, bert: str, network: Network
) -> None:
    await network.signer(get(node, peer, bert))
    peer.person("bert", key=1)
    await network.signer(get(node, peer, bert, key=1))
    with pytest.raises(SignatureInvalid):
        await network.signer(get(node, peer, bert, key=0))


async def test_forged_signatures_do_not_make_us_fetch_again_and_again(
    node: Node, peer: RemotePeer, bert: str, network: Network
) -> None:
    peer.fetched.clear()
    for _ in range(5):
        with pytest.raises(SignatureInvalid):
            await network.signer(get(node, peer, bert, key=1))
    assert len(peer.fetched) == 1


async def test_a_key_that_cannot_be_had_is_not_asked_for_again_at_once(
    node: Node, peer: RemotePeer, network: Network
) -> None:
    for _ in range(3):
        with pytest.raises(KeyUnavailable) as caught:
            await network.signer(get(node, peer, f"{peer.base}/users/nobody"))
    assert (caught.value.gone, peer.fetched) == (True, ["/users/nobody"])


async def test_a_key_document_of_its_own_counts_if_its_owner_lists_it(
    node: Node, peer: RemotePeer, network: Network
) -> None:
    key_id = f"{peer.base}/users/bert/key#main-key"
    iri = peer.person("bert")
    listed = {**peer.actor("bert")["publicKey"], "id": f"{peer.base}/users/bert/key"}
    peer.person("bert", publicKey=listed)
    peer.documents["/users/bert/key"] = {"type": "Key", **listed}
    request = peer.signed(b"", f"{node.urls.base}/users/alice", by=f"{peer.base}/users/bert/key", method="GET")
    assert key_id in str(request.headers)
    with pytest.raises(KeyUnavailable):  # named with a fragment that nobody lists
        await network.signer(request)
    peer.serve({"type": "Key", **listed, "id": f"{peer.base}/users/eve/key", "owner": iri})
    with pytest.raises(KeyUnavailable):  # it claims an owner who does not list it
        await network.signer(
            peer.signed(b"", f"{node.urls.base}/users/alice", by=f"{peer.base}/users/eve/key", method="GET")
        )
    assert await count_of(node, account_key, account_key.c.iri.contains("eve")) == 0


async def test_a_suspended_signer_is_refused(node: Node, peer: RemotePeer, bert: str, network: Network) -> None:
    bert_id = (await node.read(accounts.known, bert)).id
    await network.signer(get(node, peer, bert))
    await node.write(accounts.suspend, bert_id)
    fresh = await open_network(node)
    with pytest.raises(Refused):
        await fresh.signer(get(node, peer, bert))
    await fresh.aclose()


async def test_a_suspension_takes_effect_within_a_minute_in_a_process_that_held_the_key(
    node: Node, peer: RemotePeer, bert: str, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signers, "HELD_SECONDS", 0.05)
    await network.signer(get(node, peer, bert))
    await node.write(accounts.suspend, (await node.read(accounts.known, bert)).id)
    await asyncio.sleep(0.1)
    with pytest.raises(Refused):
        await network.signer(get(node, peer, bert))


class TestAmongChosenPeers:
    @pytest.fixture
    def federation(self) -> dict[str, Any]:
        return {"mode": "allowlist", "allowlist": ["other.example"], "allow_loopback": True}

    async def test_nothing_is_fetched_for_who_is_not_one(self, node: Node, peer: RemotePeer, network: Network) -> None:
        bert = peer.person("bert")
        attempts: list[Any] = [
            network.signer(get(node, peer, bert)),
            network.actor(bert),
            network.resolve_handle(f"bert@{peer.domain}"),
            network.resolve_url(bert),
            network.fetch_post(f"{peer.base}/notes/1"),
            network.learn(bert),
        ]
        for attempt in attempts:
            with pytest.raises(Refused):
                await attempt
        assert peer.fetched == []
        with pytest.raises(FetchFailed):  # nor by a redirect, or whatever else reaches the client itself
            await network.client.fetch(bert)
        assert peer.fetched == []


class TestWithoutFederation:
    @pytest.fixture
    def federation(self) -> dict[str, Any]:
        return {"mode": "off", "allow_loopback": True}

    async def test_nobody_is_a_peer(self, node: Node, peer: RemotePeer, network: Network) -> None:
        with pytest.raises(Refused):
            await network.actor(peer.person("bert"))


class TestWithListedLoopbackPeers:
    @pytest.fixture
    def federation(self, peer: RemotePeer) -> dict[str, Any]:
        return {"mode": "open", "allow_loopback": True, "private_peers": [f"127.0.0.1:{peer.port + 1}"]}

    async def test_another_port_of_loopback_stays_closed(self, peer: RemotePeer, network: Network) -> None:
        with pytest.raises(FetchFailed):
            await network.actor(peer.person("bert"))
        assert peer.fetched == []


# --- Actors and handles


async def test_a_handle_is_resolved_once(node: Node, peer: RemotePeer, network: Network) -> None:
    peer.person("bert")
    found = [await network.resolve_handle(f"@Bert@{peer.domain}"), await network.resolve_handle(f"bert@{peer.domain}")]
    row = await node.read(accounts.get, found[0])
    assert found[0] == found[1]
    assert row.handle == f"bert@{peer.domain}"
    assert len(peer.fetched) == 2


async def test_a_handle_here_needs_no_network(node: Node, peer: RemotePeer, alice: Viewer, network: Network) -> None:
    assert await network.resolve_handle("alice@eng.example") == id_of(alice)
    with pytest.raises(NotFound):
        await network.resolve_handle("nobody@eng.example")
    with pytest.raises(Malformed):
        await network.resolve_handle("no handle")


async def test_a_handle_that_the_actor_does_not_go_by_is_refused(
    node: Node, peer: RemotePeer, network: Network
) -> None:
    peer.person("bert")
    eve = peer.person("eve")
    answer: Any = peer.handles[f"acct:bert@{peer.domain}"]
    answer["links"][0]["href"] = eve
    with pytest.raises(Refused):
        await network.resolve_handle(f"bert@{peer.domain}")
    assert await count_of(node, account, account.c.domain == peer.domain) == 0


async def test_an_unknown_handle_is_not_found(peer: RemotePeer, network: Network) -> None:
    with pytest.raises(NotFound):
        await network.resolve_handle(f"nobody@{peer.domain}")


async def test_an_old_profile_is_read_again_and_a_silent_peer_does_not_hide_it(
    node: Node, peer: RemotePeer, bert: str, network: Network, clock: Clock
) -> None:
    bert_id = await network.actor(bert)
    clock.advance(node.settings.federation.refetch_seconds + 1)
    peer.person("bert", name="Bert the Second")
    await network.actor(bert)
    assert (await node.read(accounts.get, bert_id)).display_name == "Bert the Second"
    clock.advance(node.settings.federation.refetch_seconds + 1)
    await peer.stop()
    assert await network.actor(bert) == bert_id


async def test_many_who_ask_at_once_make_one_request(peer: RemotePeer, network: Network) -> None:
    bert = peer.person("bert")
    found = await asyncio.gather(*(network.actor(bert) for _ in range(10)))
    assert (len(set(found)), peer.fetched) == (1, ["/users/bert"])


# --- Addresses


async def test_addresses_of_all_kinds_lead_to_what_they_name(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, network: Network
) -> None:
    note = peer.note(1, bert)
    ours = await node.write_as(alice, posts.publish, Draft("Hello"))
    row = await node.read(posts.get, ours)
    kind, post_id = await network.resolve_url(note["id"])
    assert (kind, (await node.read(posts.get, post_id)).iri) == ("post", note["id"])
    assert await network.resolve_url(bert) == ("account", await network.actor(bert))
    assert await network.resolve_url(row.iri) == ("post", ours)
    assert await network.resolve_url(row.url) == ("post", ours)
    assert await network.resolve_url(f"{node.urls.base}/@alice") == ("account", id_of(alice))


@pytest.mark.parametrize(
    "url", ["nonsense", "javascript:alert(1)", "http://eng.example/nothing", "http://eng.example/@x/1"]
)
async def test_an_address_of_nothing_is_not_found(network: Network, url: str) -> None:
    with pytest.raises(NotFound):
        await network.resolve_url(url)


@pytest.mark.parametrize(
    "changes",
    [
        {"attributedTo": "http://elsewhere.example/users/bert"},
        {"id": "http://elsewhere.example/notes/1"},
        {"attributedTo": None},
        {"type": "Key"},
    ],
)
async def test_a_document_that_its_origin_may_not_speak_for_is_not_stored(
    node: Node, peer: RemotePeer, bert: str, network: Network, changes: Doc
) -> None:
    path = peer.note(1, bert)["id"].removeprefix(peer.base)
    document: Any = peer.documents[path]
    peer.documents[path] = {name: value for name, value in {**document, **changes}.items() if value is not None}
    with pytest.raises(ProtocolError):
        await network.fetch_post(f"{peer.base}{path}")


async def test_a_post_of_ours_is_never_fetched(node: Node, network: Network) -> None:
    with pytest.raises(NotFound):
        await network.fetch_post(f"{node.urls.base}/users/alice/statuses/1")


# --- What is remembered of peers


async def test_the_signature_that_a_peer_takes_is_remembered_in_the_database(
    node: Node, peer: RemotePeer, network: Network
) -> None:
    await node.write(peers.ids, [peer.domain])
    rfc_9421 = "https://datatracker.ietf.org/doc/html/rfc9421"
    generator = {"type": "Application", "implements": [{"href": rfc_9421, "name": "RFC-9421"}]}
    await network.actor(peer.person("bert", generator=generator))
    await network.store_flavours()
    (row,) = await rows_of(node, peer_table, peer_table.c.domain == peer.domain)
    assert row.flavour == "rfc9421"


async def test_an_actor_document_lists_the_keys_that_ensure_keys_made(node: Node, network: Network) -> None:
    from node.federation import render
    from tests.support.people import make_person

    bob = await make_person(node, "bob")
    await asyncio.gather(*(network.ensure_keys(id_of(bob)) for _ in range(3)))
    doc = await node.read(render.actor, id_of(bob))
    public = keys.public_from_pem(doc["publicKey"]["publicKeyPem"])
    private = (await network.keys.signing_key(id_of(bob))).private
    assert keys.to_pem(private.public_key()) == keys.to_pem(public)
    assert doc["assertionMethod"][0]["publicKeyMultibase"].startswith("z6Mk")
    assert await count_of(node, account_key, account_key.c.account_id == id_of(bob)) == 2


def test_the_keys_of_the_test_peer_differ() -> None:
    assert rsa_key(0) is not rsa_key(1)


# --- Which signatures a peer gets

_LOOPBACK = {"mode": "open", "allow_loopback": True, "timeout_seconds": 5.0}


@pytest.mark.parametrize(
    ("federation", "tried"),
    [
        ({**_LOOPBACK, "signature": "rfc9421"}, [Flavour.RFC9421]),
        ({**_LOOPBACK, "signature": "cavage"}, [Flavour.CAVAGE]),
        ({**_LOOPBACK, "signature": "auto"}, [Flavour.CAVAGE, Flavour.RFC9421]),
    ],
)
async def test_a_signature_that_the_settings_name_is_the_only_one_that_is_tried(
    node: Node, peer: RemotePeer, network: Network, tried: list[Flavour]
) -> None:
    peer.respond = lambda _: web.Response(status=401)
    key = await network.keys.signing_key((await node.read(accounts.node_actor)).id)
    delivered = await network.client.deliver(f"{peer.base}/inbox", b'{"type": "Follow"}', key)
    assert (delivered.status, delivered.flavour) == (401, tried[0])
    assert [signatures.presented(one.request, **_seen_by(peer)).flavour for one in peer.received] == tried


def _seen_by(peer: RemotePeer) -> dict[str, Any]:
    return {"authority": peer.domain, "scheme": "http", "now": peer.clock()}
