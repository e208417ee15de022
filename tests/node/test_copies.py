"""Copies of what peers' people post: once, in place, never wider, and dead when deleted."""

from typing import Any

import pytest

from activitypub.audience import Visibility
from activitypub.documents import Attachment, Option, Poll
from node import accounts, media, notifications, posts, search, tags
from node.copies import links
from node.errors import Forbidden, NotFound, Unknown
from node.ids import millis_of
from node.paging import Page
from node.posts import RemotePost
from node.runtime import Node
from node.schema import account, event, poll, post, post_edit, tombstone
from node.viewer import Viewer
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.posting import following, hear, heard, say
from tests.support.rows import count_of, id_of, rows_of
from tests.support.statements import counted

DAY = 86_400_000
NOTE = "https://field.example/notes/1"
ANNOUNCE = "https://field.example/announces/1"


def new(node: Node, who: Viewer, **fields: Any) -> RemotePost:
    usual: dict[str, Any] = {
        "iri": NOTE,
        "visibility": Visibility.PUBLIC,
        "created_at": node.now(),
        "content": "<p>hello</p>",
    }
    return RemotePost(author_id=id_of(who), **(usual | fields))


async def told(node: Node, who: Viewer) -> list[tuple[str, int | None]]:
    return [(row.kind, row.post_id) for row in await node.read_as(who, notifications.page, Page())]


async def row_of(node: Node, post_id: int | None) -> Any:
    assert post_id is not None
    return await node.read(posts.get, post_id)


# --- Storing ------------------------------------------------------------------------------------------------------


async def test_a_post_is_stored_once_with_all_that_belongs_to_it(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    said = new(
        node,
        far,
        content='<p>About <a href="https://x.example/a?b=1&amp;c=2">this</a></p>',
        mention_ids=[id_of(anna)],
        tags=["Kafka", "ＫＡＦＫＡ"],
        attachments=[Attachment(url="https://field.example/1.png", media_type="image/png")],
        created_at=node.now() - 5000,
    )
    post_id = await node.write(posts.store_remote, said)
    assert post_id is not None
    assert await node.write(posts.store_remote, said) == post_id
    assert await count_of(node, post) == 1
    row = await row_of(node, post_id)
    assert (row.local, row.created_at, millis_of(post_id)) == (False, node.now() - 5000, node.now() - 5000)
    assert await node.read(tags.names_of, post_id) == ["kafka"]
    assert [one.remote_url for one in (await node.read(media.of_posts, [post_id]))[post_id]] == [
        "https://field.example/1.png"
    ]
    assert await node.read_as(anna, search.posts, "about this") == [post_id]
    assert await told(node, anna) == [("mention", post_id)]
    assert (await node.read(accounts.get, id_of(far))).posts_count == 1


async def test_a_post_from_the_future_is_from_now(node: Node) -> None:
    far = await make_remote(node)
    row = await row_of(node, await hear(node, far, created_at=node.now() + 9 * DAY, edited_at=node.now() + 9 * DAY))
    assert (row.created_at, row.edited_at, millis_of(row.id)) == (node.now(), node.now(), node.now())


async def test_history_that_is_fetched_is_no_news(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    days = int(node.settings.federation.delivery_days)
    late = await hear(node, far, name="late", created_at=node.now() - (days - 1) * DAY, mention_ids=[id_of(anna)])
    await hear(node, far, name="old", created_at=node.now() - (days + 1) * DAY, mention_ids=[id_of(anna)])
    assert await told(node, anna) == [("mention", late)]


async def test_nothing_is_kept_of_those_who_are_suspended_gone_or_unknown(node: Node) -> None:
    far, gone = await make_remote(node, "far"), await make_remote(node, "gone")
    await node.write(accounts.suspend, id_of(far))
    await node.write(accounts.delete_account, id_of(gone))
    assert await hear(node, far, name="1") is None
    assert await hear(node, gone, name="2") is None
    assert await count_of(node, post) == 0
    with pytest.raises(Unknown):
        await node.write(
            posts.store_remote, RemotePost(iri=NOTE, author_id=1, visibility=Visibility.PUBLIC, created_at=0)
        )


async def test_a_local_account_has_no_copies(node: Node) -> None:
    anna = await make_person(node, "anna")
    assert await node.write(posts.store_remote, new(node, anna)) is None


async def test_a_poll_comes_along(node: Node) -> None:
    far = await make_remote(node)
    asked = Poll(options=(Option("yes", 3), Option("no", 1)), ends_at=node.now() + DAY, voters=4)
    post_id = await heard(node, far, object_type="Question", poll=asked)
    (row,) = await rows_of(node, poll)
    assert (row.post_id, row.voters_count, row.expires_at) == (post_id, 4, node.now() + DAY)
    assert row.options == [{"title": "yes", "votes": 3}, {"title": "no", "votes": 1}]


async def test_storing_a_post_costs_few_statements(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    await heard(node, far, name="0", tags=["kafka"])
    with counted() as plain:
        await heard(node, far, name="1", tags=["kafka"])
    root = await row_of(node, await say(node, anna, "root"))
    with counted() as answer:
        await heard(node, far, name="2", tags=["kafka"], in_reply_to_iri=root.iri)
    assert len(plain) <= 9, "\n".join(plain)
    assert len(answer) <= 12, "\n".join(answer)


def test_links_are_those_of_the_text_alone() -> None:
    html = (
        '<p><a href="https://a.example/?x=1&amp;y=2" rel="nofollow">a</a>'
        '<a href="https://b.example/@bob" class="u-url mention">@bob</a>'
        '<a class="mention hashtag" href="https://b.example/tags/t">#t</a>'
        '<a href="mailto:x@y.example">mail</a></p>'
    )
    assert links(html) == ["https://a.example/?x=1&y=2"]


# --- Threads ------------------------------------------------------------------------------------------------------


async def test_a_late_parent_joins_the_threads_that_waited_for_it(node: Node) -> None:
    far = await make_remote(node)
    base = "https://field.example/n/"
    leaf = await heard(node, far, iri=base + "3", in_reply_to_iri=base + "2")
    below = await heard(node, far, iri=base + "4", in_reply_to_iri=base + "3")
    middle = await heard(node, far, iri=base + "2", in_reply_to_iri=base + "1")
    root = await heard(node, far, iri=base + "1")
    rows = {row.id: row for row in await rows_of(node, post)}
    assert {row.conversation_id for row in rows.values()} == {root}
    assert [rows[id_].in_reply_to_id for id_ in (root, middle, leaf, below)] == [None, root, middle, leaf]
    assert [rows[id_].replies_count for id_ in (root, middle, leaf, below)] == [1, 1, 1, 0]
    assert (await node.read(posts.context, leaf)).ancestors == [root, middle]
    assert (await node.read(posts.context, root)).descendants == [middle, leaf, below]


async def test_a_circle_of_answers_stays_open(node: Node) -> None:
    far = await make_remote(node)
    one, two, self = (f"https://field.example/circle/{n}" for n in range(3))
    first = await heard(node, far, iri=one, in_reply_to_iri=two)
    second = await heard(node, far, iri=two, in_reply_to_iri=one)
    alone = await heard(node, far, iri=self, in_reply_to_iri=self)
    assert (await row_of(node, first)).in_reply_to_id is None
    assert (await row_of(node, second)).in_reply_to_id == first
    assert (await row_of(node, alone)).in_reply_to_id is None
    assert (await node.read(posts.context, first)).descendants == [second]
    assert (await node.read(posts.context, second)).ancestors == [first]


@pytest.mark.parametrize(
    "secret", [{"local_only": True}, {"visibility": Visibility.FOLLOWERS}, {"visibility": Visibility.DIRECT}]
)
async def test_nobody_writes_into_a_thread_that_they_may_not_see(node: Node, secret: dict[str, Any]) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    root = await say(node, anna, "secret", **secret)
    row = await row_of(node, await hear(node, far, in_reply_to_iri=(await row_of(node, root)).iri))
    assert (row.in_reply_to_id, row.conversation_id) == (None, row.id)
    assert (await row_of(node, root)).replies_count == 0
    assert (await node.read_as(anna, posts.context, root)).descendants == []


async def test_a_follower_answers_a_followers_only_post(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    await following(node, far, anna)
    root = await say(node, anna, "for followers", visibility=Visibility.FOLLOWERS)
    row = await row_of(node, await hear(node, far, in_reply_to_iri=(await row_of(node, root)).iri))
    assert row.in_reply_to_id == root


# --- Boosts -------------------------------------------------------------------------------------------------------


async def test_a_peers_boost_is_counted_and_told_once(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    post_id = await say(node, anna, "hello")
    boost_id = await heard(node, far, "", iri=ANNOUNCE, boost_of_id=post_id)
    assert await heard(node, far, "", iri=ANNOUNCE + "2", boost_of_id=post_id) == boost_id
    assert (await row_of(node, post_id)).boosts_count == 1
    assert await told(node, anna) == [("reblog", post_id)]
    assert await node.write(posts.delete_remote, ANNOUNCE, "https://field.example/users/bert")
    assert (await row_of(node, post_id)).boosts_count == 0
    assert await told(node, anna) == []
    assert await hear(node, far, "", iri=ANNOUNCE, boost_of_id=post_id) is None


@pytest.mark.parametrize(
    "secret", [{"local_only": True}, {"visibility": Visibility.FOLLOWERS}, {"visibility": Visibility.DIRECT}]
)
async def test_a_boost_of_what_is_not_public_is_dropped(node: Node, secret: dict[str, Any]) -> None:
    """R46. A follower sees a followers-only post and still may not pass it on."""
    anna, far = await make_person(node, "anna"), await make_remote(node)
    await following(node, far, anna)
    post_id = await say(node, anna, "secret", **secret)
    assert await hear(node, far, "", iri=ANNOUNCE, boost_of_id=post_id) is None
    assert (await row_of(node, post_id)).boosts_count == 0
    assert await told(node, anna) == []


async def test_a_boost_is_no_wider_than_the_post(node: Node) -> None:
    far = await make_remote(node)
    post_id = await heard(node, far, visibility=Visibility.UNLISTED)
    boost_id = await heard(node, far, "", iri=ANNOUNCE, boost_of_id=post_id, visibility=Visibility.PUBLIC)
    assert (await row_of(node, boost_id)).visibility == Visibility.UNLISTED


# --- Edits --------------------------------------------------------------------------------------------------------


async def test_a_newer_edit_is_taken_over_and_the_old_state_kept(node: Node, clock: Clock) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    post_id = await heard(node, far, iri=NOTE, tags=["old"])
    clock.advance(60)
    edited = new(node, far, content="<p>changed</p>", edited_at=node.now(), tags=["new"], mention_ids=[id_of(anna)])
    assert await node.write(posts.update_remote, post_id, edited)
    row = await row_of(node, post_id)
    assert (row.content, row.edited_at, row.rev) == ("<p>changed</p>", node.now(), 1)
    assert [one.content for one in await node.read(posts.history, post_id)] == ["<p>hello</p>", "<p>changed</p>"]
    assert await node.read(tags.names_of, post_id) == ["new"]
    assert await told(node, anna) == [("mention", post_id)]
    assert await node.read(search.posts, "changed") == [post_id]
    assert [one.kind for one in await rows_of(node, event, event.c.post_id == post_id)] == ["update", "status.update"]


@pytest.mark.parametrize("age", [None, 0, -1000])
async def test_an_edit_that_is_not_newer_is_ignored(node: Node, clock: Clock, age: int | None) -> None:
    far = await make_remote(node)
    post_id = await heard(node, far, iri=NOTE)
    clock.advance(60)
    first = node.now()
    assert await node.write(posts.update_remote, post_id, new(node, far, content="<p>1</p>", edited_at=first))
    stale = new(node, far, content="<p>2</p>", edited_at=None if age is None else first + age)
    assert not await node.write(posts.update_remote, post_id, stale)
    assert (await row_of(node, post_id)).content == "<p>1</p>"
    assert await count_of(node, post_edit) == 1


async def test_an_edit_from_the_future_does_not_block_later_ones(node: Node, clock: Clock) -> None:
    far = await make_remote(node)
    post_id = await heard(node, far, iri=NOTE)
    clock.advance(60)
    await node.write(posts.update_remote, post_id, new(node, far, content="<p>1</p>", edited_at=node.now() + 9 * DAY))
    clock.advance(60)
    assert await node.write(posts.update_remote, post_id, new(node, far, content="<p>2</p>", edited_at=node.now()))


async def test_an_edit_may_narrow_the_audience_but_not_widen_it(node: Node, clock: Clock) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    root = await say(node, anna, "root")
    called: dict[str, Any] = {"mention_ids": [id_of(anna)]}
    post_id = await heard(node, far, iri=NOTE, in_reply_to_iri=(await row_of(node, root)).iri, **called)
    for asked, stored, posts_count, replies_count in (
        (Visibility.FOLLOWERS, Visibility.FOLLOWERS, 1, 0),
        (Visibility.PUBLIC, Visibility.FOLLOWERS, 1, 0),
        (Visibility.DIRECT, Visibility.DIRECT, 0, 0),
    ):
        clock.advance(60)
        await node.write(posts.update_remote, post_id, new(node, far, visibility=asked, edited_at=node.now(), **called))
        assert (await row_of(node, post_id)).visibility == stored
        assert (await node.read(accounts.get, id_of(far))).posts_count == posts_count
        assert (await row_of(node, root)).replies_count == replies_count
    await node.write(posts.delete_remote, NOTE, "https://field.example/users/bert")
    assert (await node.read(accounts.get, id_of(far))).posts_count == 0
    assert (await row_of(node, root)).replies_count == 0


async def test_nobody_else_edits_a_post_nor_any_of_ours(node: Node, clock: Clock) -> None:
    anna, far, foe = await make_person(node, "anna"), await make_remote(node), await make_remote(node, "foe")
    post_id, ours = await heard(node, far, iri=NOTE), await say(node, anna, "ours")
    clock.advance(60)
    assert not await node.write(posts.update_remote, post_id, new(node, foe, content="<p>x</p>", edited_at=node.now()))
    iri = (await row_of(node, ours)).iri
    theft = new(node, anna, iri=iri, content="<p>x</p>", edited_at=node.now())
    assert not await node.write(posts.update_remote, ours, theft)
    assert (await row_of(node, ours)).text == "ours"


async def test_votes_are_taken_over_without_an_edit(node: Node, clock: Clock) -> None:
    far = await make_remote(node)

    def asked(yes: int, title: str = "yes") -> dict[str, Any]:
        options = (Option(title, yes), Option("no", 1))
        return {"object_type": "Question", "poll": Poll(options=options, ends_at=node.now() + DAY, voters=yes + 1)}

    end = asked(1)
    post_id = await heard(node, far, iri=NOTE, **end)
    clock.advance(60)
    assert await node.write(posts.update_remote, post_id, new(node, far, **asked(2)))
    assert not await node.write(posts.update_remote, post_id, new(node, far, **asked(2)))
    assert not await node.write(posts.update_remote, post_id, new(node, far, **asked(9, "maybe")))
    (row,) = await rows_of(node, poll)
    assert ([one["votes"] for one in row.options], row.voters_count) == ([2, 1], 3)
    assert ((await row_of(node, post_id)).edited_at, await count_of(node, post_edit)) == (None, 0)
    assert await node.write(posts.update_remote, post_id, new(node, far, edited_at=node.now(), **asked(0, "maybe")))
    (row,) = await rows_of(node, poll)
    assert [one["title"] for one in row.options] == ["maybe", "no"]
    assert (await node.read(posts.history, post_id))[0].poll_options == ["yes", "no"]


# --- Deletes ------------------------------------------------------------------------------------------------------


async def test_a_deleted_post_stays_dead(node: Node) -> None:
    far = await make_remote(node)
    await heard(node, far, iri=NOTE)
    bert = "https://field.example/users/bert"
    assert await node.write(posts.delete_remote, NOTE, bert)
    assert not await node.write(posts.delete_remote, NOTE, bert)
    assert await hear(node, far, iri=NOTE) is None
    (grave,) = await rows_of(node, tombstone)
    assert (grave.iri, grave.author_iri, grave.post_id) == (NOTE, bert, None)
    assert (await count_of(node, post), (await rows_of(node, account))[-1].posts_count) == (0, 0)


async def test_a_delete_that_comes_before_the_post_holds(node: Node) -> None:
    far = await make_remote(node)
    assert not await node.write(posts.delete_remote, NOTE, "https://field.example/users/bert")
    assert await hear(node, far, iri=NOTE) is None


async def test_only_the_author_deletes(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    post_id, ours = await heard(node, far, iri=NOTE), await say(node, anna, "ours")
    iri = (await row_of(node, ours)).iri
    for target, who in (
        (NOTE, "https://field.example/users/foe"),
        (iri, "https://field.example/users/bert"),
        (iri, "https://eng.example/users/anna"),  # nobody outside speaks for our people
        ("https://other.example/notes/9", "https://field.example/users/bert"),
    ):
        with pytest.raises(Forbidden):
            await node.write(posts.delete_remote, target, who)
    assert await count_of(node, tombstone) == 0
    await row_of(node, post_id)
    await row_of(node, ours)


async def test_a_post_is_found_by_its_iri_by_those_who_may_see_it(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    post_id = await heard(node, far, iri=NOTE, visibility=Visibility.FOLLOWERS)
    assert await node.read_as(anna, posts.by_iri, NOTE) is None
    await following(node, anna, far)
    row = await node.read_as(anna, posts.by_iri, NOTE)
    assert row is not None
    assert row.id == post_id
    with pytest.raises(NotFound):
        await node.read_as(await make_person(node, "bea"), posts.get, post_id)
