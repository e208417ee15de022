"""Polls of ours and votes of peers (R56): what counts, who is told, and the near miss that does not count."""

from typing import Any

import pytest

from activitypub.audience import Visibility
from activitypub.errors import Malformed, Refused
from activitypub.vocabulary import PUBLIC
from node import accounts, notifications, posts, social
from node.federation import render
from node.federation.dispatcher import Dispatcher
from node.federation.network import Network
from node.paging import Page
from node.polls import Asked
from node.posts import Changes, Draft
from node.runtime import Node
from node.schema import post as post_table
from node.viewer import Viewer
from tests.node.federation.conftest import Post, deliver, run_jobs
from tests.support.clocks import Clock
from tests.support.polling import numbers
from tests.support.posting import say
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import count_of, id_of, rows_of, sent

WHEN = Asked(("Monday", "Tuesday"), 3600)


async def account_id(node: Node, iri: str) -> int:
    return int((await node.read(accounts.known, iri)).id)


async def follow(node: Node, follower_iri: str, target: Viewer) -> None:
    follower = await account_id(node, follower_iri)
    await node.write(lambda tx: social.record_follow(tx, follower, id_of(target), iri=f"{follower_iri}/follows/1"))


async def ask(node: Node, who: Viewer, asked: Asked = WHEN, **draft: Any) -> Any:
    """The row of a post with a poll."""
    post_id = await say(node, who, "When do we meet?", poll=asked, **draft)
    return await node.read(posts.get, post_id)


def vote(peer: RemotePeer, voter: str, question: str, choice: str, number: int = 1, **changes: Any) -> Doc:
    note = {
        "id": f"{voter}#votes/{number}",
        "type": "Note",
        "name": choice,
        "attributedTo": voter,
        "inReplyTo": question,
        "to": [question.split("/statuses")[0]],
        **changes,
    }
    return peer.activity("Create", voter, note, number=number, to=note["to"], id=f"{voter}#votes/{number}/activity")


# --- Votes that arrive


async def test_a_vote_counts_and_is_no_post(node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post) -> None:
    question = await ask(node, alice)
    assert await post.arrives(peer, vote(peer, bert, question.iri, "Tuesday")) == "done"
    assert await numbers(node) == ([0, 1], 1)
    (row,) = await rows_of(node, post_table)
    assert (row.id, row.replies_count) == (question.id, 0)
    assert await node.read_as(alice, notifications.page, Page()) == []


async def test_a_vote_delivered_twice_counts_once(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    question = await ask(node, alice)
    doc = vote(peer, bert, question.iri, "Monday")
    await post.arrives(peer, doc)
    await post.arrives(peer, {**doc, "id": f"{bert}#again"})
    await post.arrives(peer, vote(peer, bert, question.iri, "Tuesday", 2))
    assert await numbers(node) == ([1, 0], 1)


async def test_votes_come_one_by_one_and_several_at_once_are_refused(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    """Every known server sends a Create for each choice; which of several objects was signed for would be a guess."""
    question = await ask(node, alice, Asked(WHEN.options, 3600, multiple=True))
    both = [vote(peer, bert, question.iri, choice, number) for number, choice in enumerate(WHEN.options, 1)]
    with pytest.raises(Malformed, match="more than one object"):
        await post.arrives(peer, both[0] | {"id": f"{bert}#both", "object": [one["object"] for one in both]})
    assert await numbers(node) == ([0, 0], 0)
    assert await post.arrives(peer, both[0] | {"object": [both[0]["object"]]}) == "done"
    assert await numbers(node) == ([1, 0], 1)


async def test_of_several_choices_one_vote_counts_for_each(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    question = await ask(node, alice, Asked(WHEN.options, 3600, multiple=True))
    for number, choice in enumerate(("Monday", "Tuesday", "Tuesday"), 1):
        await post.arrives(peer, vote(peer, bert, question.iri, choice, number))
    await post.arrives(peer, vote(peer, bert, question.iri, "Monday", 2))
    assert await numbers(node) == ([1, 1], 1)


async def test_a_vote_for_no_option_is_ignored(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    question = await ask(node, alice)
    for number, choice in enumerate(("Sunday", "monday", "Monday ", "0"), 1):
        assert await post.arrives(peer, vote(peer, bert, question.iri, choice, number)) == "done"
    assert await numbers(node) == ([0, 0], 0)


async def test_a_vote_after_the_end_is_ignored(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, clock: Clock
) -> None:
    question = await ask(node, alice)
    carl = peer.person("carl")
    clock.now += 3599
    await post.arrives(peer, vote(peer, bert, question.iri, "Monday"))
    clock.now += 1
    await post.arrives(peer, vote(peer, carl, question.iri, "Monday", 2))
    assert await numbers(node) == ([1, 0], 1)


async def test_only_followers_vote_in_a_poll_for_followers(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    await follow(node, bert, alice)
    carl = peer.person("carl")
    question = await ask(node, alice, visibility=Visibility.FOLLOWERS)
    assert await post.arrives(peer, vote(peer, bert, question.iri, "Monday")) == "done"
    assert "refused" in await post.arrives(peer, vote(peer, carl, question.iri, "Monday", 2))
    assert await numbers(node) == ([1, 0], 1)


async def test_nobody_elsewhere_votes_in_a_poll_of_the_department(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    await follow(node, bert, alice)
    question = await ask(node, alice, local_only=True)
    assert "refused" in await post.arrives(peer, vote(peer, bert, question.iri, "Monday"))
    assert await numbers(node) == ([0, 0], 0)


async def test_who_is_blocked_or_suspended_does_not_vote(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, network: Network
) -> None:
    question = await ask(node, alice)
    carl = peer.person("carl")
    await network.actor(carl)
    blocked, suspended = await account_id(node, bert), await account_id(node, carl)
    await node.write_as(alice, social.block, blocked)
    assert "refused" in await post.arrives(peer, vote(peer, bert, question.iri, "Monday"))
    arrived = vote(peer, carl, question.iri, "Monday", 2)
    await network.receive(peer.signed(arrived, node.urls.shared_inbox, by=carl))
    await node.write(accounts.suspend, suspended)
    await post.work()
    assert "refused" in await post.outcome(arrived["id"])
    assert await numbers(node) == ([0, 0], 0)


async def test_a_vote_in_the_name_of_somebody_else_does_not_count(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    question = await ask(node, alice)
    carl = peer.person("carl")
    forgeries: list[Doc] = [{"attributedTo": carl}, {"id": "http://elsewhere.example/votes/1"}]
    for changes in forgeries:
        with pytest.raises(Refused, match=r"somebody else|another origin"):
            await post.arrives(peer, vote(peer, bert, question.iri, "Monday", **changes))
    assert await numbers(node) == ([0, 0], 0)


async def test_a_vote_that_is_fetched_or_updated_does_not_count(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, network: Network
) -> None:
    question = await ask(node, alice)
    note = peer.note(1, bert, name="Monday", inReplyTo=question.iri, to=[node.urls.actor("alice")])
    del note["content"]
    await post.arrives(peer, peer.activity("Update", bert, note, number=1))
    await post.arrives(peer, peer.activity("Create", bert, note["id"], number=2))
    assert await numbers(node) == ([0, 0], 0)
    assert await count_of(node, post_table) == 1


async def test_a_note_that_names_an_option_and_says_something_is_an_answer(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post
) -> None:
    question = await ask(node, alice)
    said = vote(peer, bert, question.iri, "Monday", content="<p>Monday</p>", to=[PUBLIC])
    await post.arrives(peer, said)
    assert await numbers(node) == ([0, 0], 0)
    assert await count_of(node, post_table) == 2


async def test_a_vote_is_not_passed_on(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, dispatcher: Dispatcher, clock: Clock
) -> None:
    third = RemotePeer(clock)
    await third.start()
    try:
        cleo = third.person("cleo")
        await post.network.actor(cleo)
        await follow(node, cleo, alice)
        question = await ask(node, alice, Asked(WHEN.options, 3600, hide_totals=True))
        await deliver(dispatcher)
        assert [one.type for one in third.received] == ["Create"]
        to = [PUBLIC, f"{node.urls.actor('alice')}/followers"]
        doc = vote(peer, bert, question.iri, "Monday", to=to)
        assert await post.arrives(peer, doc | {"to": to}) == "done"
        await deliver(dispatcher)
        assert await numbers(node) == ([1, 0], 1)
        assert len(third.received) == 1
    finally:
        await third.stop()


# --- Polls of ours on the wire


async def test_a_poll_goes_out_as_a_question(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher
) -> None:
    await follow(node, bert, alice)
    await ask(node, alice, Asked(WHEN.options, 3600, multiple=True))
    await deliver(dispatcher)
    question = peer.received[-1].activity["object"]
    empty = {"type": "Collection", "totalItems": 0}
    assert question["type"] == "Question"
    assert question["anyOf"] == [{"type": "Note", "name": name, "replies": empty} for name in WHEN.options]
    assert (question["votersCount"], "closed" in question, "oneOf" in question) == (0, False, False)
    assert question["endTime"] == "2026-09-21T15:13:20Z"


async def test_votes_of_a_while_are_told_in_one_update_also_to_who_voted_unasked(
    node: Node,
    peer: RemotePeer,
    bert: str,
    alice: Viewer,
    post: Post,
    dispatcher: Dispatcher,
    clock: Clock,
    network: Network,
) -> None:
    question = await ask(node, alice, visibility=Visibility.UNLISTED)
    await post.arrives(peer, vote(peer, bert, question.iri, "Monday"))
    await post.arrives(peer, vote(peer, peer.person("carl"), question.iri, "Tuesday", 2))
    await run_jobs(node, network)
    assert await sent(node) == []
    clock.now += 3
    await run_jobs(node, network)
    await deliver(dispatcher)
    (update,) = [one.activity for one in peer.received]
    assert [one["replies"]["totalItems"] for one in update["object"]["oneOf"]] == [1, 1]
    assert (update["type"], update["object"]["votersCount"]) == ("Update", 2)
    assert update["object"]["updated"] > update["object"]["published"]


async def test_numbers_of_a_poll_for_followers_reach_followers_only(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, clock: Clock, network: Network
) -> None:
    await follow(node, bert, alice)
    question = await ask(node, alice, visibility=Visibility.FOLLOWERS)
    await post.arrives(peer, vote(peer, bert, question.iri, "Monday"))
    bert_id = await account_id(node, bert)
    await node.write(lambda tx: social.record_unfollow(tx, bert_id, id_of(alice)))
    clock.now += 3
    await run_jobs(node, network)
    assert await sent(node) == ["Create"]


async def test_hidden_numbers_are_nowhere_before_the_end(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, clock: Clock, network: Network
) -> None:
    await follow(node, bert, alice)
    question = await ask(node, alice, Asked(WHEN.options, 3600, hide_totals=True))
    await post.arrives(peer, vote(peer, bert, question.iri, "Monday"))
    before = await node.read(render.note, question.id)
    assert [one["replies"] for one in before["oneOf"]] == [{"type": "Collection"}] * 2
    clock.now += 3600
    assert await sent(node) == ["Create"]
    await run_jobs(node, network)
    assert await sent(node) == ["Create", "Update"]
    after = await node.read(render.note, question.id)
    assert [one["replies"]["totalItems"] for one in after["oneOf"]] == [1, 0]
    assert after["closed"] == after["endTime"]


async def test_nothing_of_a_poll_of_the_department_leaves(
    node: Node, bert: str, alice: Viewer, clock: Clock, network: Network
) -> None:
    await follow(node, bert, alice)
    await ask(node, alice, local_only=True)
    clock.now += 3600
    await run_jobs(node, network)
    assert await sent(node) == []


async def test_an_edit_of_ours_sends_the_poll_anew(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, post: Post, dispatcher: Dispatcher
) -> None:
    await follow(node, bert, alice)
    mine = await ask(node, alice)
    await post.arrives(peer, vote(peer, bert, mine.iri, "Monday"))
    await node.write_as(alice, posts.edit, mine.id, Changes(poll=Asked(("Monday", "Sunday"), 3600)))
    await deliver(dispatcher)
    question = next(one.activity["object"] for one in peer.received if one.type == "Update")
    assert [(one["name"], one["replies"]["totalItems"]) for one in question["oneOf"]] == [("Monday", 0), ("Sunday", 0)]
    await node.write_as(alice, posts.publish, Draft("plain"))
