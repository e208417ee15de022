"""Direct conversations: kept as posts come, change, join threads and go; each seen by its owner alone."""

from typing import Any

import pytest
from sqlalchemy import Row, delete

from activitypub.audience import Visibility
from node import accounts, directs, eventlog, posts, social, streams
from node.errors import NotFound
from node.ids import PostId
from node.paging import Page
from node.posts import Changes
from node.runtime import Node
from node.schema import direct_conversation
from node.streams import Listeners
from node.viewer import Viewer
from tests.support.actors import make_remote
from tests.support.people import make_person
from tests.support.posting import heard, say
from tests.support.rows import count_of, id_of
from tests.support.statements import counted

ALL = Page(100)


@pytest.fixture
async def people(node: Node) -> list[Viewer]:
    return [await make_person(node, name) for name in ("anna", "bert", "carl")]


async def whisper(node: Node, who: Viewer, text: str, **fields: Any) -> PostId:
    return await say(node, who, text, visibility=Visibility.DIRECT, **fields)


async def talks(node: Node, who: Viewer, page: Page = ALL) -> list[Row[Any]]:
    return await node.read_as(who, directs.page, page)


async def state(node: Node, who: Viewer) -> list[tuple[int, bool, list[int]]]:
    """(last post, unread, the others) of each conversation."""
    return [(row.last_post_id, row.unread, row.participants) for row in await talks(node, who)]


async def test_a_direct_post_is_unread_for_whom_it_calls_and_an_answer_moves_it_up(
    node: Node, people: list[Viewer]
) -> None:
    anna, bert, carl = people
    a, b, c = [id_of(one) for one in people]
    first = await whisper(node, anna, "@bert hello")
    other = await whisper(node, anna, "@carl hello")
    await say(node, anna, "@bert for all")
    await say(node, anna, "@bert for followers", visibility=Visibility.FOLLOWERS)
    assert await state(node, anna) == [(other, False, [c]), (first, False, [b])]
    assert await state(node, bert) == [(first, True, [a])]
    answer = await whisper(node, bert, "@anna @carl hello", in_reply_to_id=first)
    assert await state(node, anna) == [(answer, True, [b, c]), (other, False, [c])]
    assert await state(node, bert) == [(answer, False, [a, c])]
    assert await state(node, carl) == [(answer, True, [a, b]), (other, True, [a])]
    assert await node.read_as(anna, directs.posts, ALL) == [answer, other, first]
    assert await node.read_as(carl, directs.posts, ALL) == [answer, other]
    assert [row.last_post_id for row in await talks(node, anna, Page(1, max_id=answer))] == [other]
    assert [row.last_post_id for row in await talks(node, anna, Page(1, min_id=other))] == [answer]


async def test_a_conversation_is_read_and_removed_by_its_owner_alone(node: Node, people: list[Viewer]) -> None:
    anna, bert, _carl = people
    first = await whisper(node, anna, "@bert hello")
    (berts,), (annas,) = await talks(node, bert), await talks(node, anna)
    for rule in (directs.get, directs.read, directs.remove):
        for wrong in (berts.id, 99):
            with pytest.raises(NotFound):
                await node.write_as(anna, rule, wrong)
    await node.write_as(bert, directs.read, berts.id)
    assert [unread for _, unread, _ in await state(node, bert)] == [False]
    await node.write_as(anna, directs.remove, annas.id)
    assert (await talks(node, anna), len(await talks(node, bert))) == ([], 1)
    answer = await whisper(node, bert, "@anna once more", in_reply_to_id=first)
    assert await state(node, anna) == [(answer, True, [id_of(bert)])]


async def test_a_deleted_post_gives_way_to_the_one_before_and_the_last_ends_it(
    node: Node, people: list[Viewer]
) -> None:
    anna, bert, carl = people
    first = await whisper(node, anna, "@bert hello")
    among_two = await whisper(node, bert, "@carl between us", in_reply_to_id=first)
    last = await whisper(node, bert, "@anna hello", in_reply_to_id=first)
    await node.write_as(bert, posts.delete, last)
    assert [one for one, _, _ in await state(node, anna)] == [first]
    assert [one for one, _, _ in await state(node, bert)] == [among_two]
    await node.write_as(anna, posts.delete, first)
    assert await talks(node, anna) == []
    assert [one for one, _, _ in await state(node, carl)] == [among_two]


async def test_an_edit_calls_people_in_and_rings_nobody_else(node: Node, people: list[Viewer]) -> None:
    anna, bert, carl = people
    first = await whisper(node, anna, "@bert hello")
    (row,) = await talks(node, bert)
    await node.write_as(bert, directs.read, row.id)
    await node.write_as(anna, posts.edit, first, Changes(text="@bert @carl hello"))
    assert [(last, unread) for last, unread, _ in await state(node, carl)] == [(first, True)]
    assert [(last, unread) for last, unread, _ in await state(node, bert)] == [(first, False)]


async def test_whom_one_muted_begins_no_conversation_and_what_is_not_seen_is_not_shown(
    node: Node, people: list[Viewer]
) -> None:
    anna, bert, carl = people
    await node.write_as(anna, social.mute, id_of(bert))
    await whisper(node, bert, "@anna hello")
    assert await talks(node, anna) == []
    await whisper(node, carl, "@anna hello")
    assert len(await talks(node, anna)) == 1
    await node.write(accounts.suspend, id_of(carl))
    assert await talks(node, anna) == []
    assert await node.read_as(anna, directs.posts, ALL) == []


async def test_a_late_parent_makes_one_conversation_of_two(node: Node, people: list[Viewer]) -> None:
    anna, bert, _carl = people
    tom = await make_remote(node)
    calls = {"visibility": Visibility.DIRECT, "mention_ids": [id_of(anna)]}
    late, root_iri = "https://field.example/posts/late", "https://field.example/posts/root"
    root = await heard(node, tom, "<p>root</p>", iri=root_iri, **calls)
    below = await heard(node, tom, "<p>below</p>", in_reply_to_iri=late, **calls)
    only = {"visibility": Visibility.DIRECT, "mention_ids": [id_of(bert)]}
    berts = await heard(node, tom, "<p>bert's</p>", in_reply_to_iri=late, **only)
    assert len(await talks(node, anna)) == 2
    await heard(node, tom, "<p>late</p>", iri=late, in_reply_to_iri=root_iri, created_at=node.now() - 60_000, **calls)
    assert await state(node, anna) == [(max(root, below), True, [id_of(tom)])]
    (row,) = await talks(node, bert)
    assert (row.last_post_id, row.conversation_id) == (berts, root)


async def test_old_direct_posts_are_entered_quietly_by_the_job(node: Node, people: list[Viewer]) -> None:
    anna, bert, _carl = people
    first = await whisper(node, anna, "@bert hello")
    await say(node, anna, "@bert for all")
    await node.write(lambda tx: tx.execute(delete(direct_conversation)) and None)
    cursor = await node.read(eventlog.begin)
    assert await node.write(directs.index, 0) is None
    assert await state(node, bert) == [(first, False, [id_of(anna)])]
    before = await state(node, anna)
    assert await node.write(directs.index, 0) is None
    assert await state(node, anna) == before
    everybody = Listeners(direct=[id_of(one) for one in people])
    assert not (await node.read(streams.take, cursor, everybody)).conversations


async def test_the_stream_tells_each_of_their_own_and_nobody_of_others(node: Node, people: list[Viewer]) -> None:
    anna, bert, carl = people
    cursor = await node.read(eventlog.begin)
    await whisper(node, anna, "@bert hello")
    everybody = Listeners(direct=[id_of(one) for one in people])
    found = (await node.read(streams.take, cursor, everybody)).conversations
    assert [(row.account_id, row.unread) for row in found] == [(id_of(anna), False), (id_of(bert), True)]
    assert (await node.read(streams.take, cursor, Listeners(direct=[id_of(carl)]))).conversations == []
    await node.write_as(anna, social.block, id_of(bert))
    found = (await node.read(streams.take, cursor, everybody)).conversations
    assert [row.account_id for row in found] == [id_of(anna)]


async def test_posts_that_are_not_direct_cost_nothing_more(node: Node, people: list[Viewer]) -> None:
    anna, _bert, _carl = people
    await say(node, anna, "warm @bert")
    with counted() as run:
        post_id = await say(node, anna, "plain @bert")
        await node.write_as(anna, posts.edit, post_id, Changes(text="other @bert @carl"))
        await node.write_as(anna, posts.delete, post_id)
    assert not [one for one in run if "direct_conversation" in one]


async def test_conversations_go_with_their_owner(node: Node, people: list[Viewer]) -> None:
    anna, bert, _carl = people
    await whisper(node, anna, "@bert hello")
    await node.write_as(bert, accounts.delete_account, id_of(bert))
    assert await count_of(node, direct_conversation) == 1
    assert await count_of(node, direct_conversation, direct_conversation.c.account_id == id_of(bert)) == 0
