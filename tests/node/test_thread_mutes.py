"""Muted threads: no notifications from them, also when a late parent joins them to another."""

import pytest

from activitypub.audience import Visibility
from node import accounts, notifications, posts, reactions, thread_mutes
from node.errors import NotFound
from node.paging import Page
from node.posts import Changes
from node.runtime import Node
from node.schema import conversation_mute, post
from node.viewer import Viewer
from tests.support.actors import make_remote
from tests.support.people import make_person
from tests.support.posting import heard, say
from tests.support.rows import count_of, id_of, rows_of
from tests.support.statements import counted


@pytest.fixture
async def anna(node: Node) -> Viewer:
    return await make_person(node, "anna")


@pytest.fixture
async def bert(node: Node) -> Viewer:
    return await make_person(node, "bert")


async def kinds(node: Node, who: Viewer) -> list[str]:
    return [row.kind for row in await node.read_as(who, notifications.page, Page(100))]


async def test_a_muted_thread_tells_nothing_and_another_does(node: Node, anna: Viewer, bert: Viewer) -> None:
    muted, other = await say(node, anna, "one"), await say(node, anna, "two")
    deep = await say(node, bert, "an answer", in_reply_to_id=muted)
    for _ in range(2):
        await node.write_as(anna, thread_mutes.mute, deep)
    for root in (muted, other):
        answer = await say(node, bert, "@anna look", in_reply_to_id=root)
        await node.write_as(bert, reactions.favourite, root)
        await node.write_as(bert, reactions.boost, root)
        await node.write_as(bert, posts.edit, answer, Changes(text="@anna look again"))
        about = {row.post_id for row in await node.read_as(anna, notifications.page, Page(100))}
        assert about == (set() if root == muted else {root, answer})
    assert sorted(await kinds(node, anna)) == ["favourite", "mention", "reblog"]
    await node.write_as(anna, thread_mutes.unmute, muted)
    await say(node, bert, "@anna once more", in_reply_to_id=muted)
    assert len(await kinds(node, anna)) == 4


async def test_one_persons_mute_is_nobody_elses(node: Node, anna: Viewer, bert: Viewer) -> None:
    root = await say(node, anna, "one")
    await node.write_as(bert, thread_mutes.mute, root)
    await say(node, bert, "@anna an answer", in_reply_to_id=root)
    assert await kinds(node, anna) == ["mention"]


async def test_a_boost_stands_for_what_it_boosts_and_what_is_not_seen_is_not_found(
    node: Node, anna: Viewer, bert: Viewer
) -> None:
    root = await say(node, anna, "one")
    boost = await node.write_as(bert, reactions.boost, root)
    await node.write_as(bert, thread_mutes.mute, boost)
    (row,) = await rows_of(node, conversation_mute)
    assert (row.account_id, row.conversation_id) == (id_of(bert), root)
    hidden = await say(node, anna, "for me", visibility=Visibility.DIRECT)
    for rule in (thread_mutes.mute, thread_mutes.unmute):
        for unseen in (hidden, 99):
            with pytest.raises(NotFound):
                await node.write_as(bert, rule, unseen)


async def test_a_late_parent_moves_mutes_and_makes_one_of_two(node: Node, anna: Viewer, bert: Viewer) -> None:
    tom = await make_remote(node)
    root = await heard(node, tom, "<p>the root</p>")
    late = "https://field.example/posts/late"
    below = await heard(node, tom, "<p>below</p>", in_reply_to_iri=late)
    await node.write_as(anna, thread_mutes.mute, below)
    await node.write_as(anna, thread_mutes.mute, root)
    await node.write_as(bert, thread_mutes.mute, below)
    (above,) = await rows_of(node, post, post.c.id == root)
    await heard(node, tom, "<p>late</p>", iri=late, in_reply_to_iri=above.iri)
    assert {row.conversation_id for row in await rows_of(node, post)} == {root}
    found = {(row.account_id, row.conversation_id) for row in await rows_of(node, conversation_mute)}
    assert found == {(id_of(anna), root), (id_of(bert), root)}


async def test_mutes_cost_publishing_no_statement_and_go_with_the_account(
    node: Node, anna: Viewer, bert: Viewer
) -> None:
    root = await say(node, anna, "one")
    await say(node, bert, "@anna warm", in_reply_to_id=root)
    with counted() as before:
        await say(node, bert, "@anna two", in_reply_to_id=root)
    await node.write_as(bert, thread_mutes.mute, root)
    with counted() as after:
        await say(node, bert, "@anna three", in_reply_to_id=root)
    assert len(after) == len(before)
    await node.write_as(bert, accounts.delete_account, id_of(bert))
    assert await count_of(node, conversation_mute) == 0
