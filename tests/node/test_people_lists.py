"""Lists of people: whose they are, what they show, and how an exclusive one keeps its members out of the home."""

import itertools
from typing import Any

import pytest

from activitypub.audience import Visibility
from node import accounts, eventlog, lists, posts, reactions, social, streams, timelines
from node.accounts import ProfileChanges
from node.errors import Conflict, Invalid, NotFound
from node.ids import PostId
from node.paging import Page
from node.runtime import Node
from node.schema import follow, people_list, people_list_member
from node.streams import Listeners
from node.viewer import Viewer
from tests.support.actors import make_remote
from tests.support.people import make_person
from tests.support.posting import following, heard, say
from tests.support.rows import count_of, id_of, rows_of

ALL = Page(100)


@pytest.fixture
async def people(node: Node) -> list[Viewer]:
    """Anna follows bert, carl and dora, but not emil."""
    made = [await make_person(node, name) for name in ("anna", "bert", "carl", "dora", "emil")]
    for one in made[1:4]:
        await following(node, made[0], one)
    return made


async def make_list(node: Node, owner: Viewer, *members: Viewer, **fields: Any) -> int:
    list_id = await node.write_as(owner, lists.create, "colleagues", **fields)
    await node.write_as(owner, lists.add, list_id, [id_of(one) for one in members])
    return list_id


async def shown(node: Node, owner: Viewer, list_id: int, page: Page = ALL) -> list[PostId]:
    return await node.read_as(owner, timelines.people_list, list_id, page)


async def home(node: Node, who: Viewer) -> list[PostId]:
    return await node.read_as(who, timelines.home, ALL)


async def test_a_list_shows_its_members_posts_and_no_others(node: Node, people: list[Viewer]) -> None:
    anna, bert, carl, _dora, emil = people
    list_id = await make_list(node, anna, bert)
    one = await say(node, bert, "one")
    few = await say(node, bert, "@anna for followers", visibility=Visibility.FOLLOWERS)
    await say(node, bert, "@anna for you", visibility=Visibility.DIRECT)
    theirs = await say(node, carl, "not in the list")
    boost = await node.write_as(bert, reactions.boost, theirs)
    muted = await say(node, emil, "of somebody muted")
    await node.write_as(bert, reactions.boost, muted)
    await node.write_as(anna, social.mute, id_of(emil))
    assert await shown(node, anna, list_id) == [boost, few, one]
    assert await shown(node, anna, list_id, Page(1, max_id=boost)) == [few]
    assert await shown(node, anna, list_id, Page(1, min_id=one)) == [few]
    await node.write_as(anna, social.follow, id_of(bert), boosts=False)
    assert await shown(node, anna, list_id) == [few, one]


@pytest.mark.parametrize(("policy", "seen"), [("none", ""), ("list", "c"), ("followed", "cd")])
async def test_the_policy_says_whose_posts_may_be_answered(
    node: Node, people: list[Viewer], policy: str, seen: str
) -> None:
    anna, bert, carl, *_ = people
    list_id = await make_list(node, anna, bert, carl, replies=policy)
    answers: dict[str, PostId] = {}
    for letter, who in zip("abcde", people, strict=True):
        asked = await say(node, who, f"a question of {letter}")
        answers[letter] = await say(node, bert, f"an answer to {letter}", in_reply_to_id=asked)
    found = await shown(node, anna, list_id)
    assert {letter for letter, id_ in answers.items() if id_ in found} == {*"ab", *seen}


async def test_only_people_whom_one_follows_can_be_put_into_a_list(node: Node, people: list[Viewer]) -> None:
    anna, bert, carl, _dora, emil = people
    list_id = await make_list(node, anna, bert)
    for ids in ([id_of(emil)], [id_of(carl), id_of(emil)], [id_of(carl), 1]):
        with pytest.raises(NotFound):
            await node.write_as(anna, lists.add, list_id, ids)
    with pytest.raises(Conflict, match="Account has already been taken"):
        await node.write_as(anna, lists.add, list_id, [id_of(carl), id_of(bert)])
    assert await count_of(node, people_list_member) == 1
    await node.write_as(anna, lists.add, list_id, [id_of(carl), id_of(anna), id_of(carl)])
    found = await node.read_as(anna, lists.members, list_id, None)
    assert [who for _, who in found] == [id_of(anna), id_of(carl), id_of(bert)]
    (first,) = await node.read_as(anna, lists.members, list_id, Page(1))
    (second,) = await node.read_as(anna, lists.members, list_id, Page(1, max_id=first[0]))
    assert [first, second] == found[:2]
    own = await say(node, anna, "of my own")
    assert own in await shown(node, anna, list_id)
    await node.write_as(emil, accounts.update_profile, ProfileChanges(locked=True))
    await node.write_as(anna, social.follow, id_of(emil))
    with pytest.raises(NotFound):
        await node.write_as(anna, lists.add, list_id, [id_of(emil)])
    await node.write_as(emil, social.accept_request, id_of(anna))
    await node.write_as(anna, lists.add, list_id, [id_of(emil)])


async def test_whom_one_follows_no_more_leaves_the_lists_of_oneself_alone(node: Node, people: list[Viewer]) -> None:
    anna, bert, carl, dora, emil = people
    await following(node, emil, bert)
    berts = await make_list(node, emil, bert)
    list_id = await make_list(node, anna, bert, carl, dora)
    await node.write_as(anna, social.unfollow, id_of(bert))
    await node.write_as(carl, social.block, id_of(anna))
    await node.write_as(dora, social.remove_follower, id_of(anna))
    assert await node.read_as(anna, lists.members, list_id, None) == []
    assert len(await node.read_as(emil, lists.members, berts, None)) == 1


async def test_a_list_is_its_owners_alone(node: Node, people: list[Viewer]) -> None:
    anna, bert, *_ = people
    list_id = await make_list(node, anna, bert)
    calls: list[tuple[Any, ...]] = [
        (lists.get, list_id),
        (lists.change, list_id),
        (lists.remove, list_id),
        (lists.members, list_id, None),
        (lists.add, list_id, [id_of(bert)]),
        (lists.take_out, list_id, [id_of(bert)]),
        (timelines.people_list, list_id, ALL),
    ]
    for rule, *args in calls:
        with pytest.raises(NotFound):
            await node.write_as(bert, rule, *args)
    assert await node.read_as(bert, lists.own) == []
    assert await node.read_as(bert, lists.containing, id_of(bert)) == []
    assert [row.id for row in await node.read_as(anna, lists.containing, id_of(bert))] == [list_id]
    assert (await count_of(node, people_list), await count_of(node, people_list_member)) == (1, 1)


async def test_titles_policies_and_numbers_have_limits(
    node: Node, people: list[Viewer], monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, *_ = people
    for title in ("", "  ", "x" * (lists.MAX_TITLE + 1)):
        with pytest.raises(Invalid, match="Title"):
            await node.write_as(anna, lists.create, title)
    with pytest.raises(Invalid, match="'some' is not a valid replies_policy"):
        await node.write_as(anna, lists.create, "x", replies="some")
    monkeypatch.setattr(lists, "MAX_LISTS", 2)
    for _ in range(2):
        await node.write_as(anna, lists.create, "x" * lists.MAX_TITLE)
    with pytest.raises(Conflict, match="maximum number of lists"):
        await node.write_as(anna, lists.create, "one too many")


async def test_an_exclusive_list_leaves_the_home_and_its_stream_alike(node: Node, people: list[Viewer]) -> None:
    anna, bert, carl, *_ = people
    list_id = await make_list(node, anna, bert, exclusive=True)
    other = await make_list(node, anna, bert, exclusive=True)

    async def brought() -> tuple[bool, bool, bool]:
        cursor = await node.read(eventlog.begin)
        post_id = await say(node, bert, "hello")
        batch = await node.read(streams.take, cursor, Listeners(home=[id_of(anna)], lists={list_id: id_of(anna)}))
        (news,) = batch.news
        in_home = post_id in await home(node, anna)
        in_list = post_id in await shown(node, anna, list_id)
        assert (id_of(anna) in news.home, list_id in news.lists) == (in_home, in_list)
        return in_home, in_list, bool(await rows_of(node, follow, follow.c.off_home.is_(True)))

    assert await brought() == (False, True, True)
    boost = await node.write_as(carl, reactions.boost, (await shown(node, anna, list_id))[0])
    assert boost in await home(node, anna)
    await node.write_as(anna, lists.change, other, exclusive=False)
    assert await brought() == (False, True, True)
    await node.write_as(anna, lists.change, list_id, exclusive=False)
    assert await brought() == (True, True, False)
    await node.write_as(anna, lists.change, other, exclusive=True)
    assert await brought() == (False, True, True)
    await node.write_as(anna, lists.take_out, other, [id_of(bert)])
    assert await brought() == (True, True, False)
    await node.write_as(anna, lists.add, other, [id_of(bert)])
    await node.write_as(anna, lists.remove, other)
    assert await brought() == (True, True, False)
    assert id_of(carl) not in {one.target_id for one in await rows_of(node, follow) if one.off_home}


async def test_a_list_stream_brings_what_the_list_shows(node: Node, people: list[Viewer]) -> None:
    anna, bert, carl, dora, emil = people
    field = await make_remote(node)
    await following(node, anna, field)
    made = {policy: await make_list(node, anna, bert, dora, field, replies=policy) for policy in lists.REPLIES}
    cursor = await node.read(eventlog.begin)
    first = [await say(node, who, "a question") for who in people]
    for who, visibility in itertools.product((bert, carl), Visibility):
        await say(node, who, f"@anna {visibility.name}", visibility=visibility)
    for who, parent in itertools.product((bert, emil), first):
        await say(node, who, "an answer", in_reply_to_id=parent)
        await node.write_as(who, reactions.boost, parent)
    await heard(node, field, "<p>from a peer</p>")
    owner = id_of(anna)
    batch = await node.read(streams.take, cursor, Listeners(lists=dict.fromkeys(made.values(), owner)))
    for list_id in made.values():
        found = [one.post_id for one in batch.news if list_id in one.lists]
        assert sorted(found) == sorted(await shown(node, anna, list_id))
        assert len(found) > 8
    gone = await shown(node, anna, made["list"])
    await node.write_as(bert, posts.delete, first[1])
    news = (await node.read(streams.take, batch.cursor, Listeners(lists={made["list"]: owner}))).news
    assert [(one.kind, one.post_id in gone) for one in news if made["list"] in one.lists]


async def test_lists_go_with_their_owner_and_memberships_with_the_member(node: Node, people: list[Viewer]) -> None:
    anna, bert, carl, *_ = people
    await make_list(node, anna, bert, carl)
    await node.write_as(bert, accounts.delete_account, id_of(bert))
    assert await count_of(node, people_list_member) == 1
    await node.write_as(anna, accounts.delete_account, id_of(anna))
    assert (await count_of(node, people_list), await count_of(node, people_list_member)) == (0, 0)
