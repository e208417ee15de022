"""Favourites, boosts, bookmarks, pins: what is stored, counted and told."""

import pytest

from activitypub.audience import Visibility
from node import accounts, notifications, posts, reactions, social, timelines
from node.errors import Forbidden, Invalid, NotFound
from node.paging import Page
from node.runtime import Node
from node.schema import bookmark, favourite, login, pin, post, tombstone
from node.viewer import NOBODY, Viewer
from tests.support.actors import make_remote
from tests.support.people import make_person
from tests.support.posting import following, heard, say
from tests.support.rows import count_of, id_of, rows_of, sent


async def told(node: Node, who: Viewer) -> list[tuple[str, int]]:
    return [(row.kind, row.from_id) for row in await node.read_as(who, notifications.page, Page())]


async def test_a_favourite_is_counted_and_told_once(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await say(node, anna, "hello")
    for _ in range(2):
        assert await node.write_as(bea, reactions.favourite, post_id) == post_id
    row = await node.read(posts.get, post_id)
    assert (row.favourites_count, row.rev) == (1, 0)
    assert await told(node, anna) == [("favourite", id_of(bea))]
    assert [who for _, who in await node.read_as(anna, reactions.favourited_by, post_id, Page())] == [id_of(bea)]
    assert [id_ for _, id_ in await node.read_as(bea, reactions.favourites, Page())] == [post_id]


async def test_a_favourite_taken_back_leaves_nothing(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await say(node, anna, "hello")
    await node.write_as(bea, reactions.favourite, post_id)
    for _ in range(2):
        assert await node.write_as(bea, reactions.unfavourite, post_id) == post_id
    assert (await node.read(posts.get, post_id)).favourites_count == 0
    assert await count_of(node, favourite) == 0
    assert await told(node, anna) == []


async def test_a_favourite_of_a_peers_post_is_sent(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    post_id = await heard(node, far)
    await node.write_as(anna, reactions.favourite, post_id)
    assert await sent(node) == ["Like"]
    await node.write_as(anna, reactions.unfavourite, post_id)
    assert await count_of(node, favourite) == 0


async def test_what_one_may_not_see_cannot_be_reacted_to(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    secret = await say(node, anna, "mine", visibility=Visibility.FOLLOWERS)
    for rule in (
        reactions.favourite,
        reactions.unfavourite,
        reactions.boost,
        reactions.unboost,
        reactions.bookmark,
        reactions.unbookmark,
        reactions.pin,
        reactions.unpin,
    ):
        for post_id in (secret, 4711):
            with pytest.raises(NotFound):
                await node.write_as(bea, rule, post_id)
    with pytest.raises(Forbidden):
        await node.write_as(NOBODY, reactions.favourite, secret)
    for reader in (reactions.favourited_by, reactions.boosted_by):
        with pytest.raises(NotFound):
            await node.read_as(bea, reader, secret, Page())


async def test_a_reaction_to_a_boost_is_one_to_the_post(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await say(node, anna, "hello")
    boost_id = await node.write_as(bea, reactions.boost, post_id)
    assert await node.write_as(anna, reactions.favourite, boost_id) == post_id
    assert await node.write_as(anna, reactions.bookmark, boost_id) == post_id
    second = await node.write_as(anna, reactions.boost, boost_id)
    assert (await node.read(posts.get, second)).boost_of_id == post_id
    assert await node.write_as(anna, reactions.unfavourite, boost_id) == post_id
    assert await node.write_as(anna, reactions.unbookmark, boost_id) == post_id
    assert (await count_of(node, favourite), await count_of(node, bookmark)) == (0, 0)


async def test_a_boost_stands_in_timelines_and_is_counted_and_told_once(node: Node) -> None:
    anna, bea, fan = [await make_person(node, name) for name in ("anna", "bea", "fan")]
    await following(node, fan, bea)
    post_id = await say(node, anna, "hello")
    boost_id = await node.write_as(bea, reactions.boost, post_id)
    assert await node.write_as(bea, reactions.boost, post_id) == boost_id
    assert (await node.read(posts.get, post_id)).boosts_count == 1
    assert await told(node, anna) == [("reblog", id_of(bea))]
    assert await node.read_as(fan, timelines.home, Page()) == [boost_id]
    assert [who for _, who in await node.read_as(anna, reactions.boosted_by, post_id, Page())] == [id_of(bea)]
    assert (await node.read(accounts.get, id_of(bea))).posts_count == 1
    row = await node.read(posts.get, boost_id)
    assert (row.content, row.iri) == ("", f"https://eng.example/users/bea/statuses/{boost_id}")


async def test_a_boost_taken_back_leaves_nothing(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await say(node, anna, "hello")
    await node.write_as(bea, reactions.boost, post_id)
    for _ in range(2):
        assert await node.write_as(bea, reactions.unboost, post_id) == post_id
    assert (await node.read(posts.get, post_id)).boosts_count == 0
    assert (await node.read(accounts.get, id_of(bea))).posts_count == 0
    assert (await count_of(node, post), await count_of(node, tombstone)) == (1, 0)
    assert await told(node, anna) == []
    assert (await node.read(posts.get, await node.write_as(bea, reactions.boost, post_id))).boost_of_id == post_id


@pytest.mark.parametrize(
    ("original", "asked", "stored"),
    [
        (Visibility.PUBLIC, None, Visibility.PUBLIC),
        (Visibility.PUBLIC, Visibility.FOLLOWERS, Visibility.FOLLOWERS),
        (Visibility.UNLISTED, Visibility.PUBLIC, Visibility.UNLISTED),
        (Visibility.FOLLOWERS, Visibility.PUBLIC, Visibility.FOLLOWERS),
    ],
)
async def test_a_boost_is_no_wider_than_the_post(
    node: Node, original: Visibility, asked: Visibility | None, stored: Visibility
) -> None:
    anna = await make_person(node, "anna")
    post_id = await say(node, anna, "mine", visibility=original)
    boost_id = await node.write_as(anna, reactions.boost, post_id, asked)
    assert (await node.read(posts.get, boost_id)).visibility == stored


async def test_followers_only_posts_of_others_and_direct_posts_are_not_passed_on(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await following(node, bea, anna)
    narrow = await say(node, anna, "for followers", visibility=Visibility.FOLLOWERS)
    direct = await say(node, anna, "for @bea", visibility=Visibility.DIRECT)
    for who, post_id in ((bea, narrow), (bea, direct), (anna, direct)):
        with pytest.raises(NotFound):
            await node.write_as(who, reactions.boost, post_id)
    with pytest.raises(Invalid):
        await node.write_as(anna, reactions.boost, narrow, Visibility.DIRECT)
    await node.write_as(anna, reactions.boost, narrow)


async def test_the_boost_of_a_department_post_stays_in_the_department(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    await following(node, far, anna)
    post_id = await say(node, anna, "between us", local_only=True)
    boost_id = await node.write_as(anna, reactions.boost, post_id)
    assert (await node.read(posts.get, boost_id)).local_only
    with pytest.raises(NotFound):
        await node.read_as(far, posts.get, boost_id)
    assert await sent(node) == []


async def test_a_person_who_usually_writes_directly_boosts_for_followers(node: Node) -> None:
    anna = await make_person(node, "anna")
    await node.write(lambda tx: tx.execute(login.update().values(default_visibility=Visibility.DIRECT)))
    post_id = await say(node, anna, "mine", visibility=Visibility.PUBLIC)
    assert (await node.read(posts.get, await node.write_as(anna, reactions.boost, post_id))).visibility == 2


async def test_a_bookmark_of_what_was_hidden_since_can_be_removed(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await say(node, anna, "hello")
    await node.write_as(bea, reactions.bookmark, post_id)
    await node.write_as(bea, reactions.favourite, post_id)
    await node.write_as(anna, social.block, id_of(bea))
    assert await node.read_as(bea, reactions.bookmarks, Page()) == []
    assert await node.write_as(bea, reactions.unbookmark, post_id) == post_id
    assert await node.write_as(bea, reactions.unfavourite, post_id) == post_id
    assert (await count_of(node, favourite), await count_of(node, bookmark)) == (0, 0)


async def test_lists_page_by_when_it_was_done(node: Node) -> None:
    anna = await make_person(node, "anna")
    made = [await say(node, anna, str(number)) for number in range(5)]
    for post_id in reversed(made):
        await node.write_as(anna, reactions.bookmark, post_id)
    first = await node.read_as(anna, reactions.bookmarks, Page(2))
    assert [id_ for _, id_ in first] == made[:2]
    second = await node.read_as(anna, reactions.bookmarks, Page(2, max_id=first[-1][0]))
    assert [id_ for _, id_ in second] == made[2:4]
    back = await node.read_as(anna, reactions.bookmarks, Page(2, min_id=second[-1][0]))
    assert [id_ for _, id_ in back] == made[1:3]


async def test_five_posts_are_pinned_at_the_most_and_only_ones_own(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    made = [await say(node, anna, str(number)) for number in range(6)]
    for post_id in (*made[:5], made[0]):
        await node.write_as(anna, reactions.pin, post_id)
    direct = await say(node, anna, "psst", visibility=Visibility.DIRECT)
    boost_id = await node.write_as(anna, reactions.boost, made[0])
    theirs = await say(node, bea, "hers")
    await node.write_as(anna, reactions.unpin, made[4])
    for post_id in (direct, boost_id, theirs):
        with pytest.raises(Invalid):
            await node.write_as(anna, reactions.pin, post_id)
    await node.write_as(anna, reactions.pin, made[4])
    with pytest.raises(Invalid):
        await node.write_as(anna, reactions.pin, made[5])
    assert await count_of(node, pin) == 5


# --- From peers ---------------------------------------------------------------------------------------------------


async def test_a_peers_favourite_is_recorded_once(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    post_id = await say(node, anna, "hello")
    like = "https://field.example/likes/1"
    assert await node.write(reactions.record_favourite, id_of(far), post_id, like)
    assert not await node.write(reactions.record_favourite, id_of(far), post_id, like)
    assert not await node.write(reactions.record_favourite, id_of(far), post_id, "https://field.example/likes/2")
    assert (await node.read(posts.get, post_id)).favourites_count == 1
    assert await told(node, anna) == [("favourite", id_of(far))]
    assert await node.write(reactions.remove_favourite, id_of(far), post_id)
    assert not await node.write(reactions.remove_favourite, id_of(far), post_id)
    assert (await node.read(posts.get, post_id)).favourites_count == 0


@pytest.mark.parametrize("secret", [{"visibility": Visibility.FOLLOWERS}, {"local_only": True}])
async def test_a_peers_favourite_of_what_they_may_not_see_is_dropped(
    node: Node, secret: dict[str, Visibility | bool]
) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    post_id = await say(node, anna, "secret", **secret)
    assert not await node.write(reactions.record_favourite, id_of(far), post_id, None)
    assert await rows_of(node, favourite) == []
    assert await told(node, anna) == []
