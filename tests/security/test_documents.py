"""Whose word a document is: where it came from decides, never what it says of itself (protocol R36, R40, R42, section 8)."""

import pytest

from activitypub.errors import ProtocolError
from activitypub.vocabulary import AP_TYPE, AS_CONTEXT, PUBLIC
from node import accounts
from node.errors import NodeError
from node.federation.network import Network
from node.runtime import Node
from node.schema import account
from node.schema import post as post_table
from node.viewer import Viewer
from tests.node.federation.conftest import Post
from tests.security.conftest import LyingPeer
from tests.security.world import World, change, make_world
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import count_of, rows_of

PROFILE = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'


@pytest.fixture
async def world(
    node: Node, network: Network, post: Post, peer: LyingPeer, stranger: RemotePeer, alice: Viewer
) -> World:
    return await make_world(node, network, post, peer, stranger, alice)


async def contents(node: Node) -> list[str]:
    return [row.content for row in await rows_of(node, post_table) if not row.local and row.boost_of_id is None]


TYPES = {
    AP_TYPE: True,
    PROFILE: True,
    f"{AP_TYPE}; charset=utf-8": True,
    "application/json": False,
    "application/ld+json": False,
    "text/html": False,
    "image/png": False,
    "application/octet-stream": False,
    "text/plain; profile=application/activity+json": False,
}


async def test_only_what_is_called_activitystreams_is_a_document(
    node: Node, network: Network, peer: LyingPeer, bert: str
) -> None:
    """An upload on the peer's server that reads like a note of bert's is none (CVE-2024-25623)."""
    for number, (kind, is_one) in enumerate(TYPES.items()):
        note = peer.note(number, bert, "Forged by whoever may upload files there")
        peer.types[f"/notes/{number}"] = kind
        if is_one:
            await network.fetch_post(note["id"])
        else:
            with pytest.raises(ProtocolError):
                await network.fetch_post(note["id"])
        assert await count_of(node, post_table, post_table.c.iri == note["id"]) == int(is_one), kind


async def test_a_document_is_of_the_place_where_it_is(
    node: Node, network: Network, peer: LyingPeer, stranger: RemotePeer, bert: str
) -> None:
    """Mallory serves a note and an actor that claim bert's server, and redirects to what he has written."""
    mallory = stranger.person("mallory")
    claimed = {**peer.note(1, bert, "Words in bert's mouth"), "url": f"{stranger.base}/notes/1"}
    del peer.documents["/notes/1"]
    stranger.documents["/notes/1"] = claimed
    stranger.documents["/users/bert"] = {**peer.actor("bert"), "name": "Not bert"}
    stranger.documents["/notes/2"] = {**claimed, "id": f"{stranger.base}/notes/2"}
    for path in ("/notes/1", "/users/bert", "/notes/2"):
        with pytest.raises((ProtocolError, NodeError)):
            await network.learn(stranger.base + path)
    assert await contents(node) == []
    assert (await node.read(accounts.known, bert)).display_name != "Not bert"

    stranger.note(3, mallory, "My own words")  # the same place, the same form, but its own
    await network.learn(f"{stranger.base}/notes/3")
    peer.note(1, bert, "Words of bert")
    stranger.documents["/notes/1"] = claimed
    await network.learn(f"{peer.base}/notes/1")
    assert await contents(node) == ["<p>My own words</p>", "<p>Words of bert</p>"]


async def test_what_is_sent_along_in_a_boost_is_only_a_pointer(world: World) -> None:
    """The origin's words are stored, whatever the booster sends along (CVE-2024-23832 and its kin)."""
    truth = world.peer.note(5, world.carl, "Truth")
    lie = {**truth, "content": "<p>Lie</p>"}
    boost = world.say("Announce", world.bert, lie, 1, to=[PUBLIC])
    assert await world.arrives(boost, by=world.bert) == "done"
    assert "<p>Truth</p>" in await contents(world.node)
    assert "<p>Lie</p>" not in await contents(world.node)


def with_ld_signature(doc: Doc, creator: str) -> Doc:
    """As Mastodon signs what it lets others pass on; the value does not matter to whom never looks at it."""
    signature = {
        "type": "RsaSignature2017",
        "creator": f"{creator}#main-key",
        "created": "2026-09-21T10:00:00Z",
        "signatureValue": "c2lnbmVk" * 40,
    }
    context = [AS_CONTEXT, "https://w3id.org/security/v1", {"Hashtag": "as:Hashtag"}]
    return {**doc, "@context": context, "signature": signature}


async def test_a_json_ld_signature_vouches_for_nothing(world: World) -> None:
    """Passed on with one, an answer is looked up at its origin as it would be without (R36, CVE-2026-42462)."""
    truth = world.peer.note(6, world.eve, "Truth", inReplyTo=world.ours)
    lie = world.say("Create", world.eve, {**truth, "content": "<p>Lie</p>"}, 1)
    outcome = await world.arrives(with_ld_signature(lie, world.eve), by=world.bert)
    assert outcome.startswith("done: looked up")
    unserved = {**truth, "id": f"{world.peer.base}/notes/7", "content": "<p>Another lie</p>"}
    before = await world.picture()
    await world.arrives(with_ld_signature(world.say("Create", world.eve, unserved, 2), world.eve), by=world.bert)
    assert change(before, await world.picture()) == {}
    assert "<p>Truth</p>" in await contents(world.node)
    assert not [text for text in await contents(world.node) if "ie</p>" in text]


HIDDEN = {
    "@graph": lambda doc: {"@context": AS_CONTEXT, "@graph": [doc], "id": doc["id"], "type": "Create"},
    "@included": lambda doc: {"@context": AS_CONTEXT, "id": doc["id"], "type": "Arrive", "@included": [doc]},
    "@reverse": lambda doc: {"@context": AS_CONTEXT, "id": doc["id"], "type": "Arrive", "@reverse": {"object": doc}},
    "@nest": lambda doc: {"@context": AS_CONTEXT, "id": doc["id"], "type": "Arrive", "@nest": doc},
    "@id and @type": lambda doc: {"@id": doc["id"], "@type": "Create", "actor": doc["actor"], "object": doc["object"]},
    "full IRIs": lambda doc: {f"{AS_CONTEXT}#{name}": value for name, value in doc.items()},
}


@pytest.mark.parametrize("form", HIDDEN)
async def test_what_only_a_json_ld_processor_would_find_is_not_there(world: World, form: str) -> None:
    """One reading: plain JSON. What hides behind keywords of JSON-LD is nobody's activity (CVE-2026-46349)."""
    honest = world.say("Create", world.bert, world.peer.note(8, world.bert, "Plain"), 1, to=[PUBLIC])
    before = await world.picture()
    hidden = HIDDEN[form](honest) | ({} if form == "full IRIs" else {"actor": world.bert})
    await world.arrives({**hidden, "id": honest["id"] + "0"}, by=world.bert)
    assert change(before, await world.picture()) == {}
    assert await world.arrives(honest, by=world.bert) == "done"
    assert "<p>Plain</p>" in await contents(world.node)


async def test_a_context_changes_no_meaning_and_is_never_fetched(world: World) -> None:
    """A context that swaps terms, and one to be fetched: the first has no effect, the second nobody asks for."""
    context = [
        f"{world.peer.base}/contexts/evil",
        {"actor": "as:object", "content": "as:summary", "attributedTo": {"@id": "as:to", "@type": "@id"}},
    ]
    note = {**world.peer.note(9, world.bert, "Said"), "@context": context}
    activity = {**world.say("Create", world.bert, note, 1, to=[PUBLIC]), "@context": context}
    assert await world.arrives(activity, by=world.bert) == "done"
    assert "<p>Said</p>" in await contents(world.node)
    assert [path for path in world.peer.fetched if "contexts" in path] == []


async def test_a_key_given_twice_in_one_object_is_an_error(world: World) -> None:
    """Two parsers could read two documents: `actor` twice is refused, once is read."""
    honest = world.say("Like", world.eve, world.ours, 1)
    body = (
        f'{{"id": "{honest["id"]}", "type": "Like", "actor": "{world.eve}", '
        f'"object": "{world.note["id"]}", "object": "{world.ours}"}}'
    ).encode()
    request = world.peer.signed(body, world.node.urls.shared_inbox, by=world.eve)
    with pytest.raises(ProtocolError):
        await world.network.receive(request)
    assert await world.arrives(honest, by=world.eve) == "done"


async def test_an_actor_is_stored_under_the_name_of_its_server(
    node: Node, network: Network, peer: LyingPeer, stranger: RemotePeer, bert: str
) -> None:
    """Mallory's handle is of mallory's server, whatever the document or a WebFinger answer claims (CVE-2023-42451)."""
    iri = stranger.person("bert")
    stranger.handles[f"acct:bert@{stranger.domain}"] = {
        "subject": f"acct:bert@{peer.domain}",
        "links": [{"rel": "self", "type": AP_TYPE, "href": iri}],
    }
    with pytest.raises((ProtocolError, NodeError)):
        await network.resolve_handle(f"bert@{stranger.domain}")
    await network.actor(iri)
    stored = {row.iri: row.domain for row in await rows_of(node, account) if row.domain}
    assert stored == {bert: peer.domain, iri: stranger.domain}
    assert await network.resolve_handle(f"bert@{peer.domain}") == (await node.read(accounts.known, bert)).id
