"""Polls of peers' people: votes from here, and the numbers and the end as their node says (R56)."""

from typing import Any

import pytest

from node import accounts, notifications, polls, reactions, social
from node.federation.dispatcher import Dispatcher
from node.federation.network import Network
from node.paging import Page
from node.runtime import Node
from node.schema import job, poll, poll_vote, post_edit
from node.schema import post as post_table
from node.viewer import Viewer
from tests.node.federation.conftest import Post, deliver, run_jobs
from tests.support.clocks import Clock
from tests.support.polling import numbers
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import count_of, id_of, rows_of

ENDS = "2026-12-01T00:00:00Z"


async def account_id(node: Node, iri: str) -> int:
    return int((await node.read(accounts.known, iri)).id)


def asked_by(peer: RemotePeer, author: str, *votes: int | None, **changes: Any) -> Doc:
    options = [
        {"type": "Note", "name": name, "replies": {"type": "Collection", "totalItems": count}}
        for name, count in zip(("yes", "no"), votes, strict=True)
    ]
    return peer.note(1, author, type="Question", **({"oneOf": options, "endTime": ENDS} | changes))


@pytest.fixture
async def question(node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post) -> Doc:
    """Bert's poll, who is followed here."""
    bert_id = await account_id(node, bert)
    await node.write_as(alice, social.follow, bert_id)
    await node.write(lambda tx: social.record_accept(tx, id_of(alice), bert_id))
    asked = asked_by(peer, bert, 2, 0)
    await post.arrives(peer, peer.activity("Create", bert, asked, number=1, to=asked["to"], cc=asked["cc"]))
    return asked


async def poll_id(node: Node) -> int:
    return int((await rows_of(node, poll))[0].id)


async def test_a_vote_here_goes_to_the_author_alone(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, question: Doc, dispatcher: Dispatcher
) -> None:
    peer.received.clear()
    await node.write_as(alice, polls.vote, await poll_id(node), [1])
    await deliver(dispatcher)
    (arrived,) = [one for one in peer.received if one.type == "Create"]
    note = arrived.activity["object"]
    assert arrived.path == "/users/bert/inbox"
    assert (note["type"], note["name"], note["inReplyTo"]) == ("Note", "no", question["id"])
    assert (note["to"], arrived.activity["to"], "content" in note) == ([bert], [bert], False)
    (stored,) = await rows_of(node, poll_vote)
    assert stored.iri == note["id"]
    assert await count_of(node, post_table) == 1


async def test_a_vote_here_is_shown_at_once_and_then_what_the_author_says(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, question: Doc, post: Post
) -> None:
    await node.write_as(alice, polls.vote, await poll_id(node), [1])
    assert await numbers(node) == ([2, 1], None)
    said = asked_by(peer, bert, 5, 1, votersCount=6)
    await post.arrives(peer, peer.activity("Update", bert, said, number=2))
    assert await numbers(node) == ([5, 1], 6)
    assert await count_of(node, poll_vote) == 1


async def test_numbers_with_a_new_date_are_no_edit_and_new_words_are(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, question: Doc, post: Post
) -> None:
    post_id = (await rows_of(node, post_table))[0].id
    await node.write_as(alice, reactions.boost, post_id)
    said = asked_by(peer, bert, 5, 1, updated="2026-09-21T11:00:00Z")
    await post.arrives(peer, peer.activity("Update", bert, said, number=2))
    assert await numbers(node) == ([5, 1], None)
    assert await count_of(node, post_edit) == 0
    assert await node.read_as(alice, notifications.page, Page()) == []
    said = asked_by(peer, bert, 5, 1, updated="2026-09-21T11:00:00Z", content="<p>Well?</p>")
    await post.arrives(peer, peer.activity("Update", bert, said, number=3))
    assert await count_of(node, post_edit) == 1
    assert [row.kind for row in await node.read_as(alice, notifications.page, Page())] == ["update"]


async def test_other_options_by_an_edit_take_votes_anew(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, question: Doc, post: Post
) -> None:
    await node.write_as(alice, polls.vote, await poll_id(node), [1])
    said = asked_by(peer, bert, 0, 0, updated="2026-09-21T11:00:00Z")
    said["oneOf"][1]["name"] = "never"
    await post.arrives(peer, peer.activity("Update", bert, said, number=2))
    assert await numbers(node) == ([0, 0], None)
    await node.write_as(alice, polls.vote, await poll_id(node), [0])
    assert await numbers(node) == ([1, 0], None)


async def test_a_poll_that_comes_or_goes_with_an_edit_is_taken_over(
    node: Node, peer: RemotePeer, bert: str, question: Doc, post: Post
) -> None:
    plain = peer.note(1, bert, "Never mind", updated="2026-09-21T11:00:00Z")
    await post.arrives(peer, peer.activity("Update", bert, plain, number=2))
    assert await count_of(node, poll) == 0
    again = asked_by(peer, bert, 0, 0, updated="2026-09-21T11:30:00Z")
    await post.arrives(peer, peer.activity("Update", bert, again, number=3))
    assert await numbers(node) == ([0, 0], None)


async def test_voters_here_are_told_of_the_end_also_when_it_moves(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, question: Doc, post: Post, clock: Clock, network: Network
) -> None:
    await node.write_as(alice, polls.vote, await poll_id(node), [1])
    assert await count_of(node, job, job.c.kind == polls.END_JOB) == 1
    clock.now += 7200
    said = asked_by(peer, bert, 2, 1, closed="2026-09-21T15:20:00Z")
    await post.arrives(peer, peer.activity("Update", bert, said, number=2))
    clock.now += 61
    await run_jobs(node, network)
    told = await node.read_as(alice, notifications.page, Page())
    assert [(row.kind, row.from_id) for row in told] == [("poll", await account_id(node, bert))]


async def test_hidden_numbers_of_a_peer_are_not_taken_for_none(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, question: Doc, post: Post
) -> None:
    said = asked_by(peer, bert, None, None, votersCount=3)
    await post.arrives(peer, peer.activity("Update", bert, said, number=2))
    assert await numbers(node) == ([None, None], 3)
    await node.write_as(alice, polls.vote, await poll_id(node), [1])
    assert await numbers(node) == ([None, None], 4)


async def test_only_the_author_says_how_the_votes_stand(
    node: Node, peer: RemotePeer, bert: str, question: Doc, post: Post
) -> None:
    carl = peer.person("carl")
    forged = peer.activity("Update", carl, {**asked_by(peer, bert, 9, 9), "attributedTo": carl}, number=2)
    assert "refused" in await post.arrives(peer, forged)
    assert await numbers(node) == ([2, 0], None)
