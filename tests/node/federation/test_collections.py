"""Pinned posts and featured tags, told to peers and heard from them (R43, R59)."""

from typing import Any

import pytest

from activitypub.audience import Visibility
from node import accounts, featured, reactions, timelines
from node.federation import collections
from node.federation.dispatcher import Dispatcher
from node.federation.network import Network
from node.paging import Page
from node.runtime import Node
from node.schema import account, featured_tag, pin
from node.schema import post as post_table
from node.viewer import Viewer
from tests.node.federation.conftest import Post, deliver, run_jobs
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.posting import following, say
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import count_of, id_of, rows_of

HASHTAG = {"type": "Hashtag", "name": "#Pump", "href": "https://x.example/tags/pump"}


@pytest.fixture
async def bert(peer: RemotePeer, network: Network) -> str:
    return await known(peer, network, "bert")


async def known(peer: RemotePeer, network: Network, name: str) -> str:
    base = f"{peer.base}/users/{name}/collections"
    iri = peer.person(name, featured=f"{base}/featured", featuredTags=f"{base}/tags")
    await network.actor(iri)
    return iri


async def id_at(node: Node, iri: str) -> int:
    return int((await node.read(accounts.known, iri)).id)


async def pinned(node: Node, iri: str) -> list[str]:
    """IRIs of what somebody here sees pinned, the first on top."""
    viewer = await make_person(node, f"v{node.ids.next(node.now())}"[-12:])
    ids = await node.read_as(viewer, timelines.account, await id_at(node, iri), Page(40), pinned=True)
    found = {row.id: row.iri for row in await rows_of(node, post_table)}
    return [found[id_] for id_ in ids]


async def tags_of(node: Node, iri: str) -> list[str]:
    account_id = await id_at(node, iri)
    return [row.name for row in await node.read(featured.names, account_id)]


def change(peer: RemotePeer, kind: str, actor: str, about: Any, *, of: str = "featured", number: int = 1) -> Doc:
    target = of if of.startswith("http") else f"{actor}/collections/{of}"
    return peer.activity(kind, actor, about, target=target, number=number)


# --- heard


async def test_a_post_is_pinned_and_taken_off_by_its_author(
    post: Post, peer: RemotePeer, network: Network, bert: str, node: Node
) -> None:
    note = peer.note(1, bert)
    await network.fetch_post(note["id"])
    for number in (2, 3):
        said = change(peer, "Add", bert, note["id"], number=number)
        assert await post.arrives(peer, said) == "done"
    assert await pinned(node, bert) == [note["id"]]
    assert await count_of(node, pin) == 1
    for number in (4, 5):
        assert await post.arrives(peer, change(peer, "Remove", bert, note["id"], number=number)) == "done"
    assert await pinned(node, bert) == []


async def test_an_unknown_post_that_is_pinned_is_fetched_from_its_origin(
    post: Post, peer: RemotePeer, bert: str, node: Node, alice: Viewer
) -> None:
    note = peer.note(1, bert, "Start here")
    assert "refused" in await post.arrives(peer, change(peer, "Add", bert, note["id"]))  # nobody here follows bert
    assert await count_of(node, post_table) == 0
    target = Viewer(alice.kind, (await node.read(accounts.known, bert)).id, domain=peer.domain)
    await following(node, alice, target)
    assert await post.arrives(peer, change(peer, "Add", bert, note["id"], number=2)) == "done"
    assert await pinned(node, bert) == [note["id"]]


async def test_nobody_pins_for_others_or_what_others_wrote(
    post: Post, peer: RemotePeer, network: Network, bert: str, node: Node
) -> None:
    """Each differs in one thing from what `test_a_post_is_pinned_…` sends."""
    carla = await known(peer, network, "carla")
    mine, hers = peer.note(1, bert), peer.note(2, carla)
    for note in (mine, hers):
        await network.fetch_post(note["id"])
    for number, said in enumerate(
        (
            change(peer, "Add", bert, mine["id"], of=f"{carla}/collections/featured", number=10),
            change(peer, "Add", bert, mine["id"], of=f"{bert}/collections/other", number=11),
            change(peer, "Add", bert, mine["id"], of="tags", number=12),
            change(peer, "Add", bert, hers["id"], number=13),
            change(peer, "Add", bert, "https://elsewhere.example/notes/1", number=14),
            change(peer, "Add", bert, HASHTAG, number=15),
            change(peer, "Add", bert, HASHTAG, of=f"{carla}/collections/tags", number=16),
        )
    ):
        assert (await post.arrives(peer, said)).startswith("refused"), number
    assert await count_of(node, pin) == await count_of(node, featured_tag) == 0
    await post.arrives(peer, change(peer, "Add", carla, hers["id"], number=20))
    removal = change(peer, "Remove", bert, hers["id"], of=f"{carla}/collections/featured", number=21)
    assert (await post.arrives(peer, removal)).startswith("refused")
    assert await pinned(node, carla) == [hers["id"]]


async def test_a_direct_post_is_not_pinned(post: Post, peer: RemotePeer, bert: str, node: Node, alice: Viewer) -> None:
    to = node.urls.actor("alice")
    note = peer.note(1, bert, to=[to], cc=[], tag=[{"type": "Mention", "href": to, "name": "@alice"}])
    await post.arrives(peer, peer.activity("Create", bert, note, number=1))
    assert await count_of(node, post_table) == 1
    assert (await post.arrives(peer, change(peer, "Add", bert, note["id"], number=2))).startswith("refused")
    assert await count_of(node, pin) == 0


async def test_a_tag_is_featured_and_taken_off(post: Post, peer: RemotePeer, bert: str, node: Node) -> None:
    for number in (1, 2):
        assert await post.arrives(peer, change(peer, "Add", bert, HASHTAG, of="tags", number=number)) == "done"
    assert await tags_of(node, bert) == ["pump"]
    assert await post.arrives(peer, change(peer, "Remove", bert, HASHTAG, of="tags", number=3)) == "done"
    assert await tags_of(node, bert) == []


@pytest.mark.parametrize(
    "broken", [{"type": "Hashtag"}, {"type": "Hashtag", "name": "#"}, {"type": "Hashtag", "id": 5}]
)
async def test_a_tag_without_a_name_is_none(post: Post, peer: RemotePeer, bert: str, node: Node, broken: Doc) -> None:
    outcome = await post.arrives(peer, change(peer, "Add", bert, broken, of="tags"))
    assert outcome.startswith("refused")
    assert await count_of(node, featured_tag) == 0


# --- read


def serve_collections(peer: RemotePeer, bert: str, pins: list[Any], tags: list[Any]) -> None:
    for name, items in (("featured", pins), ("tags", tags)):
        peer.serve({"id": f"{bert}/collections/{name}", "type": "OrderedCollection", "orderedItems": items})


async def test_a_profile_that_is_looked_at_is_read_once_an_hour(
    node: Node, network: Network, peer: RemotePeer, bert: str, clock: Clock
) -> None:
    first, second = peer.note(1, bert, "First"), peer.note(2, bert, "Second")
    peer.person("mallory")
    foreign = peer.note(3, f"{peer.base}/users/mallory", "Not mine")
    serve_collections(peer, bert, [second, first["id"], foreign["id"], "https://x.example/1", 7], [HASHTAG, "x", {}])
    account_id = await id_at(node, bert)
    for _ in range(3):
        await collections.looked_at(node, account_id)
        await run_jobs(node, network)
    assert await pinned(node, bert) == [second["id"], first["id"]]
    assert await tags_of(node, bert) == ["pump"]
    assert peer.fetched.count("/users/bert/collections/featured") == 1

    serve_collections(peer, bert, [first["id"]], [])
    await node.write(collections.want, account_id)
    await run_jobs(node, network)
    assert peer.fetched.count("/users/bert/collections/featured") == 1
    clock.now += 3601
    await node.write(collections.want, account_id)
    await run_jobs(node, network)
    assert await pinned(node, bert) == [first["id"]]
    assert await tags_of(node, bert) == []


async def test_what_is_embedded_in_a_collection_is_only_a_pointer(
    node: Node, network: Network, peer: RemotePeer, bert: str
) -> None:
    real = peer.note(1, bert, "As it is")
    serve_collections(peer, bert, [real | {"content": "<p>As it was made up</p>"}], [])
    await collections.looked_at(node, await id_at(node, bert))
    await run_jobs(node, network)
    (row,) = await rows_of(node, post_table)
    assert row.content == "<p>As it is</p>"


async def test_a_collection_without_end_is_cut_off(node: Node, network: Network, peer: RemotePeer, bert: str) -> None:
    notes = [peer.note(number, bert)["id"] for number in range(1, 60)]
    serve_collections(peer, bert, notes, [{"type": "Hashtag", "name": f"#t{number}"} for number in range(60)])
    await collections.looked_at(node, await id_at(node, bert))
    await run_jobs(node, network)
    assert await count_of(node, pin) == collections.MOST_PINS
    assert await count_of(node, post_table) == collections.MOST_PINS
    assert await count_of(node, featured_tag) == featured.MOST_OF_PEERS


async def test_a_collection_that_cannot_be_had_changes_nothing(
    node: Node, network: Network, peer: RemotePeer, bert: str, post: Post, clock: Clock
) -> None:
    await post.arrives(peer, change(peer, "Add", bert, HASHTAG, of="tags"))
    account_id = await id_at(node, bert)
    await node.write(collections.want, account_id)
    await run_jobs(node, network)
    assert await tags_of(node, bert) == ["pump"]
    (row,) = await rows_of(node, account, account.c.id == account_id)
    assert row.featured_at == node.now()


async def test_looking_at_ones_own_people_asks_nobody(node: Node, network: Network, alice: Viewer) -> None:
    await collections.looked_at(node, id_of(alice))
    await run_jobs(node, network)
    assert (await rows_of(node, account, account.c.id == id_of(alice)))[0].featured_at is None


# --- told


async def test_followers_elsewhere_are_told_of_pins_and_tags(
    node: Node, network: Network, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher
) -> None:
    await following(node, Viewer(alice.kind, (await node.read(accounts.known, bert)).id, domain=peer.domain), alice)
    open_, few = await say(node, alice, "open"), await say(node, alice, "few", visibility=Visibility.FOLLOWERS)
    ours = await say(node, alice, "ours", local_only=True)
    await deliver(dispatcher)
    peer.received.clear()
    for post_id in (open_, few, ours):
        await node.write_as(alice, reactions.pin, post_id)
        await node.write_as(alice, reactions.pin, post_id)
    await node.write_as(alice, featured.feature, "Pump")
    await node.write_as(alice, reactions.unpin, open_)
    await deliver(dispatcher)
    me = node.urls.actor("alice")
    told = {(one.type, str(one.activity["object"])): one.activity for one in peer.received}
    hashtag = str({"type": "Hashtag", "name": "#Pump", "href": node.urls.tag_collection("pump")})
    first = node.urls.post("alice", open_)
    assert set(told) == {("Add", first), ("Add", node.urls.post("alice", few)), ("Add", hashtag), ("Remove", first)}
    assert {doc["target"] for (_, about), doc in told.items() if about != hashtag} == {node.urls.featured("alice")}
    assert told["Add", hashtag]["target"] == node.urls.featured_tags("alice")
    assert told["Add", node.urls.post("alice", few)]["to"] == [f"{me}/followers"]
    assert "cc" not in told["Add", node.urls.post("alice", few)]
