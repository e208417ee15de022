"""Threads of peers' people are made whole, within bounds, from the origin of each post; ours can be read as a whole."""

from typing import Any

import pytest
from sqlalchemy import select

from activitypub.audience import Visibility
from activitypub.collections import Cursor
from node import posts, viewer
from node.errors import NotFound
from node.federation import conversations, published
from node.federation.network import Network
from node.ids import PostId
from node.runtime import Node
from node.schema import account, job
from node.schema import post as posted
from node.viewer import Viewer
from tests.node.federation.conftest import Post, run_jobs
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.posting import following, heard, say
from tests.support.remote_peer import RemotePeer
from tests.support.rows import count_of, rows_of

Doc = dict[str, Any]


def collection(peer: RemotePeer, path: str, items: list[str]) -> str:
    """Serve a collection with one page; its IRI."""
    iri, page = f"{peer.base}{path}", f"{peer.base}{path}/1"
    peer.serve({"id": page, "type": "OrderedCollectionPage", "partOf": iri, "orderedItems": items})
    peer.serve({"id": iri, "type": "OrderedCollection", "first": page})
    return iri


def thread(peer: RemotePeer, author: str, **root: Any) -> list[str]:
    """Serve a post, two answers to it, and an answer to the first of these; their IRIs."""
    made = [peer.note(1, author, "root", replies=f"{peer.base}/r/1", **root)]
    for number, above in ((2, 1), (3, 1), (4, 2)):
        answers = f"{peer.base}/notes/{above}"
        made.append(peer.note(number, author, replies=f"{peer.base}/r/{number}", inReplyTo=answers))
    collection(peer, "/r/1", [made[1]["id"], made[2]["id"]])
    collection(peer, "/r/2", [made[3]["id"]])
    return [str(one["id"]) for one in made]


async def looked_at(node: Node, network: Network, post_id: int) -> set[str]:
    """Open the thread around a post and let the jobs run; IRIs of all posts that are here then."""
    await conversations.opened(node, await node.read(posts.context, post_id))
    await run_jobs(node, network)
    return {row.iri for row in await rows_of(node, posted)}


# --- Theirs -------------------------------------------------------------------------------------------------------


async def test_a_thread_that_is_opened_is_fetched_by_its_context(
    node: Node, network: Network, peer: RemotePeer, bert: str
) -> None:
    iris = thread(peer, bert, context=f"{peer.base}/context/1")
    collection(peer, "/context/1", iris)
    root = await network.fetch_post(iris[0])
    assert await looked_at(node, network, root) == set(iris)
    rows = {row.iri: row for row in await rows_of(node, posted)}
    assert {row.conversation_id for row in rows.values()} == {root}
    assert rows[iris[3]].in_reply_to_id == rows[iris[1]].id
    assert rows[iris[0]].context_iri == rows[iris[3]].context_iri == f"{peer.base}/context/1"
    assert not [path for path in peer.fetched if path.startswith("/r/")]


async def test_without_a_context_of_its_own_the_replies_are_followed(
    node: Node, network: Network, peer: RemotePeer, bert: str
) -> None:
    iris = thread(peer, bert, context="https://elsewhere.example/context/1")
    root = await network.fetch_post(iris[0])
    assert await looked_at(node, network, root) == set(iris)


async def test_a_thread_is_looked_up_once_in_ten_minutes(
    node: Node, network: Network, peer: RemotePeer, bert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    iris = thread(peer, bert)
    root = await network.fetch_post(iris[0])
    await looked_at(node, network, root)
    before = len(peer.fetched)
    await looked_at(node, network, root)
    await node.write(conversations.want, root)
    await run_jobs(node, network)
    assert len(peer.fetched) == before

    monkeypatch.setattr(conversations, "DEBOUNCE_SECONDS", 0.0)
    node.part(conversations.Recent).add("asked", root)
    await looked_at(node, network, root)
    assert len(peer.fetched) > before


async def test_another_process_of_the_node_does_not_look_again_within_ten_minutes(
    node: Node, network: Network, peer: RemotePeer, bert: str, clock: Clock
) -> None:
    root = await network.fetch_post(thread(peer, bert)[0])

    async def asked_by_another() -> int:
        """What another process stores that has nothing in memory of it."""
        await node.write(conversations.want, root)
        waiting = await count_of(node, job, job.c.kind == conversations.FETCH_JOB)
        await node.write(lambda tx: tx.execute(job.delete()))
        return waiting

    assert [await asked_by_another() for _ in range(2)] == [1, 0]
    clock.advance(conversations.DEBOUNCE_SECONDS - 1)
    assert await asked_by_another() == 0
    clock.advance(1)
    assert [await asked_by_another() for _ in range(2)] == [1, 0]
    now = node.now()
    assert await node.write(lambda tx: conversations.prune(tx, before=now, limit=10)) == 0
    assert await node.write(lambda tx: conversations.prune(tx, before=now + 1, limit=10)) == 1


async def test_an_answer_out_of_an_unknown_thread_brings_the_thread(
    node: Node, network: Network, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    iris = thread(peer, bert)
    author = await node.read(lambda tx: tx.scalar(select(account.c.id).where(account.c.iri == bert)))
    await following(node, alice, viewer.remote(author, peer.domain))
    last = peer.note(9, bert, "late", inReplyTo=iris[3])
    await post.arrives(peer, peer.activity("Create", bert, last, number=1))
    await run_jobs(node, network)
    assert {row.iri for row in await rows_of(node, posted)} == {*iris, last["id"]}


async def test_what_a_collection_claims_is_not_believed(
    node: Node, network: Network, peer: RemotePeer, bert: str
) -> None:
    """Neither words sent along with it nor posts that do not belong to the thread."""
    iris = thread(peer, bert, context=f"{peer.base}/context/1")
    stray = peer.note(20, bert, "of another thread")
    orphan = peer.note(21, bert, "answers nothing here", inReplyTo=f"{peer.base}/notes/999")
    forged = {"id": iris[1], "type": "Note", "attributedTo": bert, "content": "forged", "inReplyTo": iris[0]}
    collection(peer, "/context/1", [stray["id"], orphan["id"], "https://unknown.invalid/notes/1"])
    page = peer.documents["/context/1/1"]
    assert isinstance(page, dict)
    page["orderedItems"].append(forged)
    root = await network.fetch_post(iris[0])
    assert await looked_at(node, network, root) == {iris[0], iris[1]}
    assert "forged" not in (await rows_of(node, posted))[-1].content


async def test_no_more_is_fetched_for_a_thread_than_the_bound(
    node: Node, network: Network, peer: RemotePeer, bert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "ITEMS", 5)
    root_iri = peer.note(1, bert, replies=f"{peer.base}/r/1")["id"]
    answers = [peer.note(number, bert, inReplyTo=root_iri)["id"] for number in range(2, 30)]
    collection(peer, "/r/1", answers)
    root = await network.fetch_post(root_iri)
    assert len(await looked_at(node, network, root)) == 5


async def test_a_thread_of_ours_alone_asks_nobody(node: Node, network: Network, alice: Viewer) -> None:
    root = await say(node, alice, "hello")
    await say(node, alice, "myself", in_reply_to_id=root)
    await conversations.opened(node, await node.read(posts.context, root))
    assert await count_of(node, job, job.c.kind == conversations.FETCH_JOB) == 0


# --- Ours ---------------------------------------------------------------------------------------------------------


async def test_our_threads_are_collections_that_show_each_signer_what_they_may_see(node: Node, alice: Viewer) -> None:
    bert = await make_remote(node, "bert")
    root = await say(node, alice, "hello")
    answer = await say(node, alice, "more", in_reply_to_id=root)
    theirs = await heard(node, bert, in_reply_to_iri=node.urls.post("alice", root))
    third = await say(node, alice, "and more", in_reply_to_id=theirs)
    few = await say(node, alice, "for few", in_reply_to_id=root, visibility=Visibility.FOLLOWERS)
    await say(node, alice, "among us", in_reply_to_id=root, local_only=True)
    iri = node.urls.context(node.urls.post("alice", root))

    for id_ in (root, answer, third):
        assert (await note(node, id_))["context"] == iri
    whole = await node.read_as(bert, published.conversation, "alice", root, None)
    assert (whole["id"], whole["type"], whole["attributedTo"]) == (iri, "OrderedCollection", node.urls.actor("alice"))
    shown = {await iri_of(node, id_) for id_ in (root, answer, theirs, third)}
    assert await listed(node, bert, root) == shown == await listed(node, viewer.peer("field.example"), root)
    await following(node, bert, alice)
    assert await listed(node, bert, root) == shown | {await iri_of(node, few)}

    for id_ in (answer, few):
        with pytest.raises(NotFound):
            await listed(node, bert, id_)
    hidden = await say(node, alice, "among us", local_only=True)
    with pytest.raises(NotFound):
        await listed(node, bert, hidden)


async def test_an_answer_to_a_peers_post_belongs_to_the_conversation_that_it_names(node: Node, alice: Viewer) -> None:
    bert = await make_remote(node, "bert")
    context = "https://field.example/context/1"
    theirs = await heard(node, bert, context_iri=context)
    nameless = await heard(node, bert, content="<p>no context</p>")
    answer = await say(node, alice, "hello", in_reply_to_id=theirs)
    assert (await note(node, answer))["context"] == context
    assert "context" not in await note(node, await say(node, alice, "hello", in_reply_to_id=nameless))
    # What begins a thread says where it belongs, not what answers.
    strayed = await heard(node, bert, in_reply_to_iri=await iri_of(node, answer), context_iri="https://x.example/c")
    assert (await note(node, await say(node, alice, "yes", in_reply_to_id=strayed)))["context"] == context


async def note(node: Node, post_id: PostId) -> Doc:
    return await node.read_as(viewer.peer("field.example"), published.note, "alice", post_id)


async def listed(node: Node, who: Viewer, post_id: PostId) -> set[str]:
    page = await node.read_as(who, published.conversation, "alice", post_id, Cursor())
    return set(page["orderedItems"])


async def iri_of(node: Node, post_id: int) -> str:
    return str((await node.read(posts.get, post_id)).iri)
