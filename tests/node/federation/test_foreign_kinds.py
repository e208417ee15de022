"""Kinds of other software's that are no posts of Mastodon's: chat messages are taken, what Lemmy's moderators do is not."""

import pytest
from sqlalchemy import select

from node import posts, social
from node.errors import NotFound
from node.runtime import Node
from node.schema import account, job
from node.schema import post as post_table
from node.viewer import Viewer
from tests.node.federation.conftest import Post
from tests.support.people import make_person
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import count_of, id_of, rows_of


def chat(peer: RemotePeer, author: str, to: list[str], number: int = 1) -> Doc:
    """As Pleroma sends it: `actor` in the place of `attributedTo`."""
    message = {
        "id": f"{peer.base}/objects/chat-{number}",
        "type": "ChatMessage",
        "actor": author,
        "to": to,
        "content": "The pump <b>leaks</b>",
        "published": "2026-09-21T10:00:00Z",
    }
    return peer.activity("Create", author, peer.serve(message), to=to, number=number)


async def test_a_chat_message_is_a_direct_post_for_the_one_it_is_for_alone(
    node: Node, peer: RemotePeer, alice: Viewer, bert: str, post: Post
) -> None:
    assert await post.arrives(peer, chat(peer, bert, [node.urls.actor("alice")])) == "done"
    (row,) = await rows_of(node, post_table)
    assert (row.object_type, row.visibility, row.content) == ("ChatMessage", 3, "The pump <b>leaks</b>")
    assert (await node.read_as(alice, posts.get, row.id)).id == row.id
    with pytest.raises(NotFound):
        await node.read_as(await make_person(node, "bob"), posts.get, row.id)
    delete = peer.activity("Delete", bert, {"id": row.iri, "type": "Tombstone"}, number=2)
    assert await post.arrives(peer, delete) == "done"
    assert await count_of(node, post_table) == 0


async def test_a_chat_message_to_nobody_here_or_to_everybody_is_not_kept(
    node: Node, peer: RemotePeer, alice: Viewer, bert: str, post: Post
) -> None:
    assert await post.arrives(peer, chat(peer, bert, [f"{bert}/followers"])) == "done"
    outcome = await post.arrives(peer, chat(peer, bert, ["as:Public"], 2))
    assert outcome.startswith("refused: a chat message")
    outcome = await post.arrives(peer, chat(peer, bert, [node.urls.actor("alice"), node.urls.actor("bob")], 3))
    assert outcome.startswith("refused: a chat message")
    assert await count_of(node, post_table) == 0


@pytest.mark.parametrize("kind", ["Lock", "Warn", "Resolve"])
async def test_what_a_lemmy_moderator_sends_is_dropped(
    node: Node, peer: RemotePeer, alice: Viewer, bert: str, post: Post, kind: str
) -> None:
    done = peer.activity(kind, bert, f"{peer.base}/post/1", number=1)
    assert await post.arrives(peer, done) == f"ignored: {kind}"
    undone = peer.activity("Undo", bert, done, number=2)
    assert (await post.arrives(peer, undone)).startswith("refused: ")


@pytest.mark.parametrize("kind", ["Lock", "Warn", "Resolve", "Add"])
async def test_what_a_lemmy_community_passes_on_of_it_is_dropped_and_nothing_is_fetched(
    node: Node, peer: RemotePeer, alice: Viewer, bert: str, post: Post, kind: str
) -> None:
    """Taken for a boost, the activity itself would be fetched."""
    community = peer.person("queues", kind="Group")
    await post.network.actor(community)
    ((group_id,),) = await node.read(lambda tx: tx.rows(select(account.c.id).where(account.c.iri == community)))
    await node.write(lambda tx: social.record_follow(tx, id_of(alice), group_id, iri=f"{community}/follows/1"))
    await node.write(lambda tx: social.record_accept(tx, id_of(alice), group_id))
    carried = peer.serve(peer.activity(kind, bert, f"{peer.base}/post/1", target=f"{community}/moderators", number=1))
    before, waiting = list(peer.fetched), await count_of(node, job)
    outcome = await post.arrives(peer, peer.activity("Announce", community, carried, number=2))
    assert outcome == f"refused: passed on by a group: {kind}"
    assert peer.fetched == before
    assert (await count_of(node, post_table), await count_of(node, job)) == (0, waiting)
