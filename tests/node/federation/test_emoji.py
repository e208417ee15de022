"""Custom emoji of peers: what is learnt of documents, how pictures come here, and what is refused."""

from typing import Any

import pytest

from activitypub.documents import Emoji
from activitypub.vocabulary import Iri
from node import emoji
from node.errors import NotFound
from node.federation import emoji as wire
from node.federation import render
from node.federation.network import Network
from node.runtime import Node
from node.schema import emoji as emoji_table
from node.viewer import NOBODY, Viewer
from tests.node.federation.conftest import run_jobs
from tests.node.federation.test_reacting import tagged
from tests.node.test_reacting import PICTURE
from tests.support.actors import make_remote
from tests.support.pictures import moving_gif, png
from tests.support.posting import say
from tests.support.remote_peer import RemotePeer
from tests.support.rows import count_of, id_of, rows_of


async def files(node: Node) -> list[str]:
    return sorted(path.suffix for path in node.settings.media_dir.iterdir()) if node.settings.media_dir.exists() else []


async def fetched(node: Node) -> Any:
    (row,) = await rows_of(node, emoji_table)
    return row


@pytest.fixture(autouse=True)
def media_folder(node: Node) -> None:
    node.settings.media_dir.mkdir(exist_ok=True)


async def test_the_emoji_of_a_post_is_learnt_and_its_picture_fetched(
    node: Node, network: Network, peer: RemotePeer, bert: str
) -> None:
    peer.documents["/files/blob.png"] = png()
    note = peer.note(1, bert, "I like :blob:", tag=[tagged(peer)])
    await network.fetch_post(note["id"])
    await run_jobs(node, network)
    row = await fetched(node)
    assert (row.shortcode, row.domain, row.iri, row.wanted) == ("blob", peer.domain, f"{peer.base}/emoji/blob", False)
    assert await node.read(lambda tx: emoji.picture(tx, row.id, still=True)) == row.file
    assert await files(node) == [".png"]


async def test_a_moving_picture_keeps_one_that_does_not(node: Node, network: Network, peer: RemotePeer) -> None:
    peer.documents["/files/blob.png"] = moving_gif()
    await node.write(emoji.learn, peer.domain, [Emoji("blob", f"{peer.base}/files/blob.png")])
    await run_jobs(node, network)
    row = await fetched(node)
    assert row.still is not None
    assert row.still != row.file
    assert len(await files(node)) == 2


@pytest.mark.parametrize(
    "served", [404, 500, b"<svg onload='x'/>", b"\x89PNG\r\n\x1a\nbroken", png() + b" " * emoji.MAX_BYTES]
)
async def test_what_is_no_picture_of_the_size_is_not_kept_nor_asked_for_again_at_once(
    node: Node, network: Network, peer: RemotePeer, served: Any
) -> None:
    peer.documents["/files/blob.png"] = served
    said = [Emoji("blob", f"{peer.base}/files/blob.png")]
    for _ in range(2):
        await node.write(emoji.learn, peer.domain, said)
        await run_jobs(node, network)
    row = await fetched(node)
    assert (row.file, row.wanted, row.failed_at) == (None, False, node.now())
    assert peer.fetched.count("/files/blob.png") <= 2  # two flavours of signature, one knock each
    assert await files(node) == []
    with pytest.raises(NotFound):
        await node.read(lambda tx: emoji.picture(tx, row.id, still=False))


async def test_after_an_hour_a_failure_is_tried_again_when_the_emoji_is_used(
    node: Node, network: Network, peer: RemotePeer, clock: Any
) -> None:
    said = [Emoji("blob", f"{peer.base}/files/blob.png")]
    await node.write(emoji.learn, peer.domain, said)
    await run_jobs(node, network)
    peer.documents["/files/blob.png"] = png()
    clock.advance(2 * emoji.RETRY_MS / 1000)
    await node.write(emoji.learn, peer.domain, said)
    await run_jobs(node, network)
    assert (await fetched(node)).file is not None


async def test_a_newer_picture_replaces_an_older_one_and_never_the_other_way(
    node: Node, network: Network, peer: RemotePeer
) -> None:
    peer.documents |= {"/files/1.png": png(), "/files/2.png": png("blue")}
    old, new = (Emoji("blob", f"{peer.base}/files/{n}.png", None, 1000 * n) for n in (1, 2))
    seen = []
    for said in (old, new, old):
        await node.write(emoji.learn, peer.domain, [said])
        await run_jobs(node, network)
        seen.append(await fetched(node))
    assert [row.image_url for row in seen] == [old.url, new.url, new.url]
    assert seen[0].file != seen[1].file == seen[2].file
    assert len({row.id for row in seen}) == 1


async def test_a_document_of_another_server_does_not_speak_of_a_peers_emoji(
    node: Node, network: Network, peer: RemotePeer, bert: str
) -> None:
    theirs = tagged(peer, id="https://elsewhere.example/emoji/blob")
    note = peer.note(1, bert, "I like :blob:", tag=[theirs])
    await network.fetch_post(note["id"])
    assert await count_of(node, emoji_table) == 0


async def test_what_a_peer_may_fill_here_is_bounded(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [Emoji(f"one_{number}", "https://a.example/x.png") for number in range(100)]
    assert len(await node.write(emoji.learn, "a.example", many)) == emoji.MAX_PER_DOCUMENT
    monkeypatch.setattr(emoji, "MAX_PER_PEER", 66)
    assert len(await node.write(emoji.learn, "a.example", many[60:])) == 4 + 2
    assert await count_of(node, emoji_table) == 66
    strange = [Emoji(code, "https://b.example/x.png") for code in ("a", "a b", "../../x", "x" * 128, "é_é")]
    assert await node.write(emoji.learn, "b.example", strange) == {}


async def test_two_domains_never_share_an_emoji_by_its_id(node: Node) -> None:
    said = [Emoji("blob", "https://a.example/x.png", Iri("https://a.example/emoji/1"))]
    await node.write(emoji.learn, "a.example", said)
    await node.write(emoji.learn, "b.example", said)
    rows = await rows_of(node, emoji_table)
    assert [(row.domain, row.iri) for row in rows] == [("a.example", "https://a.example/emoji/1"), ("b.example", None)]


async def test_an_actors_emoji_is_learnt_with_the_actor(node: Node, network: Network, peer: RemotePeer) -> None:
    await network.actor(peer.person("cleo", name="Cleo :blob:", tag=[tagged(peer)]))
    assert [row.shortcode for row in await rows_of(node, emoji_table)] == ["blob"]


async def test_our_posts_and_actors_carry_the_emoji_that_they_name(node: Node, alice: Viewer) -> None:
    ours = await node.write(emoji.add, "pump", PICTURE)
    await node.write(emoji.add, "valve", PICTURE)
    post_id = await say(node, alice, "The :pump: and the :unknown: at 10:30:15")
    note = await node.read(render.note, post_id)
    assert [(one["type"], one["name"], one["id"]) for one in note["tag"]] == [
        ("Emoji", ":pump:", node.urls.emoji(ours))
    ]
    assert "tag" not in await node.read(render.actor, id_of(alice))


async def test_an_emoji_object_is_for_those_who_sign(node: Node) -> None:
    ours = await node.write(emoji.add, "pump", PICTURE)
    bert = await make_remote(node)
    document = await node.read_as(bert, wire.document, ours)
    assert (document["id"], document["type"], document["name"]) == (node.urls.emoji(ours), "Emoji", ":pump:")
    with pytest.raises(NotFound):
        await node.read_as(NOBODY, wire.document, ours)
    theirs = (await node.write(emoji.learn, "a.example", [Emoji("blob", "https://a.example/x.png")]))["blob"]
    with pytest.raises(NotFound):
        await node.read_as(bert, wire.document, theirs)
