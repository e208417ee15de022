"""Reactions of peers' people, each rule with its near miss: EmojiReact, Like with content, and their Undo."""

from typing import Any

import pytest

from activitypub.audience import Visibility
from activitypub.errors import Refused
from node import emoji, posts, reacting
from node.federation.dispatcher import Dispatcher
from node.federation.network import Network
from node.runtime import Node
from node.schema import emoji as emoji_table
from node.schema import favourite, notification, reaction
from node.viewer import Viewer
from tests.node.federation.conftest import Post, deliver
from tests.node.test_reacting import PICTURE
from tests.support.posting import say
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import count_of, id_of, rows_of


@pytest.fixture
async def about(node: Node, alice: Viewer) -> str:
    """IRI of a post of Alice's."""
    return node.urls.post("alice", await say(node, alice, "hello"))


def react(peer: RemotePeer, by: str, about: str, content: str | None, kind: str = "EmojiReact", **more: Any) -> Doc:
    words = {} if content is None else {"content": content}
    return peer.activity(kind, by, about, **words, **more)


def tagged(peer: RemotePeer, shortcode: str = "blob", **changes: Any) -> Doc:
    """The Emoji object of a peer's."""
    icon = {"type": "Image", "mediaType": "image/png", "url": f"{peer.base}/files/{shortcode}.png"}
    emoji_doc = {"id": f"{peer.base}/emoji/{shortcode}", "type": "Emoji", "name": f":{shortcode}:", "icon": icon}
    return emoji_doc | {"updated": "2026-01-01T00:00:00Z"} | changes


async def stored(node: Node) -> tuple[list[str], int]:
    """(names of reactions, number of favourites)."""
    return [row.name for row in await rows_of(node, reaction)], await count_of(node, favourite)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("EmojiReact", {"content": "🔥"}),
        ("Like", {"content": "🔥"}),
        ("Like", {"_misskey_reaction": "🔥"}),
        ("Like", {"content": " 🔥 ", "_misskey_reaction": "👍"}),
    ],
)
async def test_a_reaction_is_stored_and_told(
    node: Node, peer: RemotePeer, bert: str, post: Post, about: str, kind: str, words: Doc
) -> None:
    assert await post.arrives(peer, peer.activity(kind, bert, about, number=1, **words)) == "done"
    assert await post.arrives(peer, peer.activity(kind, bert, about, number=2, **words)) == "done"
    assert await stored(node) == (["🔥"], 0)
    assert [row.kind for row in await rows_of(node, notification)] == ["reaction"]


@pytest.mark.parametrize(
    ("kind", "content"), [("Like", None), ("EmojiReact", None), ("EmojiReact", "yes"), ("Like", "🔥🔥")]
)
async def test_what_is_no_emoji_is_a_favourite(
    node: Node, peer: RemotePeer, bert: str, post: Post, about: str, kind: str, content: str | None
) -> None:
    asked = react(peer, bert, about, content, kind, number=1)
    assert await post.arrives(peer, asked) == "done"
    assert await stored(node) == ([], 1)
    assert await post.arrives(peer, peer.activity("Undo", bert, asked, number=2)) == "done"
    assert await stored(node) == ([], 0)


async def test_one_too_many_is_a_favourite_and_so_is_its_undo(
    node: Node, peer: RemotePeer, bert: str, post: Post, about: str
) -> None:
    for number in range(reacting.MOST):
        await post.arrives(peer, react(peer, bert, about, chr(0x1F600 + number), number=number))
    more = react(peer, bert, about, "🔥", number=99)
    await post.arrives(peer, more)
    names, favourites = await stored(node)
    assert (len(names), favourites) == (reacting.MOST, 1)
    await post.arrives(peer, peer.activity("Undo", bert, more, number=100))
    assert (len((await stored(node))[0]), (await stored(node))[1]) == (reacting.MOST, 0)


@pytest.mark.parametrize("named", ["by id", "embedded", "without its id"])
async def test_a_reaction_is_undone_by_its_id_or_by_what_it_was(
    node: Node, peer: RemotePeer, bert: str, post: Post, about: str, named: str
) -> None:
    asked = react(peer, bert, about, "🔥", number=1)
    await post.arrives(peer, asked)
    await post.arrives(peer, react(peer, bert, about, "👍", number=2))
    await post.arrives(peer, react(peer, bert, about, None, "Like", number=3))
    original: Any = {"by id": asked["id"], "embedded": asked}.get(named, asked | {"id": f"{peer.base}/activities/new"})
    assert await post.arrives(peer, peer.activity("Undo", bert, original, number=4)) == "done"
    assert await stored(node) == (["👍"], 1)


async def test_nobody_undoes_what_somebody_else_left(
    node: Node, network: Network, peer: RemotePeer, bert: str, post: Post, about: str
) -> None:
    eve = peer.person("eve")
    await network.actor(eve)
    asked = react(peer, bert, about, "🔥", number=1)
    await post.arrives(peer, asked)
    for number, original in enumerate([asked["id"], asked | {"actor": eve}], 10):
        outcome = await post.arrives(peer, peer.activity("Undo", eve, original, number=number))
        assert outcome.startswith("refused")
    with pytest.raises(Refused):
        await post.arrives(peer, peer.activity("Undo", eve, asked, number=15))
    await post.arrives(peer, react(peer, eve, about, "🔥", number=20))
    assert await post.arrives(peer, peer.activity("Undo", eve, f"{peer.base}/activities/other", number=21)) == "done"
    assert (await stored(node))[0] == ["🔥", "🔥"]


async def test_a_plain_favourite_outlives_the_undo_of_a_reaction_that_is_not_here(
    node: Node, peer: RemotePeer, bert: str, post: Post, about: str
) -> None:
    await post.arrives(peer, react(peer, bert, about, None, "Like", number=1))
    await post.arrives(peer, peer.activity("Undo", bert, react(peer, bert, about, "🔥", "Like", number=2), number=3))
    assert await stored(node) == ([], 1)


async def test_who_may_not_see_the_post_leaves_nothing(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    narrow: list[dict[str, Any]] = [{"visibility": Visibility.FOLLOWERS}, {"local_only": True}]
    for number, fields in enumerate(narrow):
        hidden = node.urls.post("alice", await say(node, alice, f"mine {number}", **fields))
        await post.arrives(peer, react(peer, bert, hidden, "🔥", number=number))
        await post.arrives(peer, react(peer, bert, hidden, "nonsense", number=10 + number))
    assert await stored(node) == ([], 0)
    outcome = await post.arrives(peer, react(peer, bert, node.urls.post("alice", 1), "🔥", number=20))
    assert outcome.startswith("refused")


# --- custom emoji -------------------------------------------------------------------------------------------------


async def test_a_custom_emoji_of_the_senders_server_is_learnt(
    node: Node, peer: RemotePeer, bert: str, post: Post, about: str
) -> None:
    asked = react(peer, bert, about, ":blob:", number=1, tag=tagged(peer))
    assert await post.arrives(peer, asked) == "done"
    assert await stored(node) == ([f":blob@{peer.domain}:"], 0)
    (known,) = await rows_of(node, emoji_table)
    assert (known.domain, known.shortcode, known.wanted) == (peer.domain, "blob", True)
    await node.write(emoji.disable, "blob", peer.domain)
    await post.arrives(peer, peer.activity("Undo", bert, asked, number=2))
    assert await stored(node) == ([], 0)
    await post.arrives(peer, react(peer, bert, about, ":blob:", number=3, tag=tagged(peer)))
    assert await stored(node) == ([], 1)  # what is disabled is a favourite


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ":other:"},
        {"id": "https://elsewhere.example/emoji/blob"},
        {"icon": None},
        {"icon": {"type": "Image", "url": "javascript:alert(1)"}},
    ],
)
async def test_a_custom_emoji_that_nobody_vouches_for_is_a_favourite(
    node: Node, peer: RemotePeer, bert: str, post: Post, about: str, changes: Doc
) -> None:
    await post.arrives(peer, react(peer, bert, about, ":blob:", number=1, tag=tagged(peer, **changes)))
    assert await stored(node) == ([], 1)


async def test_an_emoji_of_ours_comes_back_as_ours(
    node: Node, peer: RemotePeer, bert: str, post: Post, about: str
) -> None:
    ours = await node.write(emoji.add, "pump", PICTURE)
    tag = tagged(peer, "pump", id=node.urls.emoji(ours))
    await post.arrives(peer, react(peer, bert, about, ":pump:", number=1, tag=tag))
    assert await stored(node) == ([":pump:"], 0)
    for number, id_ in enumerate(["0", "x", "-1", "9" * 40, f"{ours}/image"], 2):
        near = tagged(peer, "pump", id=f"{node.urls.base}/emojis/{id_}")
        await post.arrives(peer, react(peer, bert, about, ":pump:", number=number, tag=near))
    assert await stored(node) == ([":pump:"], 1)
    assert [row.domain for row in await rows_of(node, emoji_table)] == [""]


async def test_ours_are_sent_as_a_like_that_says_which_emoji_and_undone(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, network: Network, dispatcher: Dispatcher
) -> None:
    note = peer.note(1, bert)
    post_id = await network.fetch_post(note["id"])
    ours = await node.write(emoji.add, "pump", PICTURE)
    await node.write_as(alice, reacting.react, post_id, "pump")
    await deliver(dispatcher)
    (like,) = [one.activity for one in peer.received]
    assert (like["type"], like["object"], like["content"]) == ("Like", note["id"], ":pump:")
    (tag,) = like["tag"]
    assert (tag["type"], tag["id"], tag["name"]) == ("Emoji", node.urls.emoji(ours), ":pump:")
    assert tag["icon"]["url"] == node.urls.emoji_image(ours)
    await node.write_as(alice, reacting.unreact, post_id, "pump")
    await deliver(dispatcher)
    assert [one.type for one in peer.received] == ["Like", "Undo"]
    assert peer.received[1].activity["object"]["id"] == like["id"]
    assert (await node.read(posts.get, post_id)).reactions_count == 0
    assert await count_of(node, reaction, reaction.c.account_id == id_of(alice)) == 0
