"""Groups: who may write to one, what it takes and what it never takes, and how far a moderator's power reaches."""

from typing import Any

import pytest

from activitypub.audience import Visibility
from node import accounts, groups, posts, reactions, social, timelines
from node.errors import Forbidden, Invalid, NotFound
from node.groups import GroupChanges, NewGroup
from node.paging import Page
from node.posts import Changes
from node.runtime import Node
from node.schema import block, group_moderator, notification
from node.schema import post as post_table
from node.viewer import Viewer
from tests.support.actors import make_remote
from tests.support.grouping import join, make_group
from tests.support.people import make_person
from tests.support.posting import following, heard, say
from tests.support.rows import count_of, id_of, rows_of
from tests.support.statements import counted


@pytest.fixture
async def anna(node: Node) -> Viewer:
    return await make_person(node, "anna")


@pytest.fixture
async def tom(node: Node) -> Viewer:
    return await make_person(node, "tom")


@pytest.fixture
async def eve(node: Node) -> Viewer:
    return await make_person(node, "eve")


@pytest.fixture
async def pumps(node: Node, anna: Viewer, tom: Viewer) -> Viewer:
    """A group that anna made and tom is a member of."""
    group = await make_group(node, anna)
    await join(node, tom, group)
    return group


async def taken(node: Node, group: Viewer) -> list[int]:
    """Posts that the group has boosted."""
    rows = await rows_of(node, post_table, post_table.c.author_id == id_of(group))
    return [row.boost_of_id for row in rows]


async def group_of(node: Node, post_id: int) -> int | None:
    found: int | None = (await rows_of(node, post_table, post_table.c.id == post_id))[0].group_id
    return found


async def home(node: Node, who: Viewer) -> list[int]:
    found = await node.read_as(who, timelines.home, Page(40))
    return [(await rows_of(node, post_table, post_table.c.id == one))[0].boost_of_id or one for one in found]


# --- making


async def test_whoever_makes_a_group_moderates_it_and_is_a_member(node: Node, anna: Viewer, pumps: Viewer) -> None:
    row = await node.read_as(anna, groups.get, id_of(pumps))
    assert (row.actor_type, row.username, row.posting, row.bot) == ("Group", "pumps", "members", False)
    assert await node.read(groups.moderators, id_of(pumps)) == [id_of(anna)]
    assert row.followers_count == 2


async def test_nobody_makes_a_group_under_a_name_that_is_taken(node: Node, anna: Viewer, pumps: Viewer) -> None:
    for name in ("pumps", "anna", "not a name"):
        with pytest.raises(Invalid) as refused:
            await make_group(node, anna, name)
        assert refused.value.field == "username"


async def test_nobody_signs_in_as_a_group(node: Node, pumps: Viewer) -> None:
    with pytest.raises(NotFound):
        await node.read(accounts.login_of, id_of(pumps))


async def test_a_peer_makes_no_group_here(node: Node, pumps: Viewer) -> None:
    with pytest.raises(Forbidden):
        await make_group(node, await make_remote(node), "others")


async def test_only_moderators_change_a_group(node: Node, anna: Viewer, tom: Viewer, pumps: Viewer) -> None:
    changes = GroupChanges(display_name="All pumps", posting="moderators", locked=True, hidden=True, note="On #pumps")
    with pytest.raises(Forbidden):
        await node.write_as(tom, groups.change, id_of(pumps), changes)
    await node.write_as(anna, groups.change, id_of(pumps), changes)
    row = await node.read_as(anna, groups.get, id_of(pumps))
    assert (row.display_name, row.posting, row.locked, row.hidden) == ("All pumps", "moderators", True, True)
    assert "#<span>pumps" in row.note


async def test_a_hidden_group_is_listed_for_its_members_alone(
    node: Node, anna: Viewer, tom: Viewer, eve: Viewer
) -> None:
    secret = await make_group(node, anna, "secret", hidden=True)
    await join(node, tom, secret)

    async def listed(who: Viewer) -> list[int]:
        return [row.id for row in await node.read_as(who, groups.listing, limit=10)]

    assert await listed(tom) == [id_of(secret)]
    assert await listed(eve) == []


async def test_a_group_always_has_a_moderator(node: Node, anna: Viewer, tom: Viewer, pumps: Viewer) -> None:
    with pytest.raises(Invalid):
        await node.write_as(anna, groups.remove_moderator, id_of(pumps), id_of(anna))
    with pytest.raises(Forbidden):
        await node.write_as(tom, groups.add_moderator, id_of(pumps), id_of(tom))
    await node.write_as(anna, groups.add_moderator, id_of(pumps), id_of(tom))
    await node.write_as(tom, groups.remove_moderator, id_of(pumps), id_of(anna))
    assert await node.read(groups.moderators, id_of(pumps)) == [id_of(tom)]


async def test_people_of_peers_are_no_moderators(node: Node, anna: Viewer, pumps: Viewer) -> None:
    bert = await make_remote(node)
    with pytest.raises(Invalid):
        await node.write_as(anna, groups.add_moderator, id_of(pumps), id_of(bert))
    assert await count_of(node, group_moderator) == 1


async def test_the_end_of_a_group_leaves_what_its_members_wrote(
    node: Node, anna: Viewer, tom: Viewer, pumps: Viewer
) -> None:
    written = await say(node, tom, "@pumps hello")
    with pytest.raises(Forbidden):
        await node.write_as(tom, groups.delete, id_of(pumps))
    await node.write_as(anna, groups.delete, id_of(pumps))
    with pytest.raises(NotFound):
        await node.read_as(anna, groups.get, id_of(pumps))
    assert (await node.read_as(anna, posts.get, written)).id == written
    with pytest.raises(Invalid):  # a name is for ever
        await make_group(node, anna)


# --- what a group takes


async def test_a_members_post_that_names_the_group_is_boosted_to_its_members(
    node: Node, anna: Viewer, tom: Viewer, eve: Viewer, pumps: Viewer
) -> None:
    written = await say(node, tom, "The seal leaks, what now, @pumps?")
    assert await taken(node, pumps) == [written]
    assert await group_of(node, written) == id_of(pumps)
    assert await home(node, anna) == [written]
    assert await home(node, eve) == []


async def test_who_follows_the_author_too_sees_the_post_once(
    node: Node, anna: Viewer, tom: Viewer, pumps: Viewer
) -> None:
    await following(node, anna, tom)
    written = await say(node, tom, "@pumps once")
    assert await home(node, anna) == [written]
    assert await home(node, tom) == [written]
    # An ordinary boost by somebody followed is shown as ever.
    carl = await make_person(node, "carl")
    await following(node, anna, carl)
    await node.write_as(carl, reactions.boost, written)
    assert await home(node, anna) == [written, written]


@pytest.mark.parametrize("posting", ["members", "moderators"])
async def test_who_may_not_write_to_the_group_just_posts(
    node: Node, anna: Viewer, tom: Viewer, eve: Viewer, posting: str
) -> None:
    group = await make_group(node, anna, posting=posting)
    await join(node, tom, group)
    by = {name: await say(node, who, f"@pumps {name}") for name, who in (("anna", anna), ("tom", tom), ("eve", eve))}
    allowed = ["anna", "tom"] if posting == "members" else ["anna"]
    assert await taken(node, group) == [by[name] for name in allowed]
    assert [await group_of(node, id_) is not None for id_ in by.values()] == [name in allowed for name in by]


async def test_who_only_asked_to_come_in_is_no_member(node: Node, anna: Viewer, tom: Viewer) -> None:
    group = await make_group(node, anna, locked=True)
    await join(node, tom, group)
    await say(node, tom, "@pumps let me in")
    assert await taken(node, group) == []
    await node.write_as(anna, groups.answer_request, id_of(group), id_of(tom), accepted=True)
    written = await say(node, tom, "@pumps thank you")
    assert await taken(node, group) == [written]


@pytest.mark.parametrize(
    ("visibility", "boosted"),
    [
        (Visibility.PUBLIC, True),
        (Visibility.UNLISTED, True),
        (Visibility.FOLLOWERS, False),
        (Visibility.DIRECT, False),
    ],
)
async def test_only_what_is_for_all_is_taken(
    node: Node, tom: Viewer, pumps: Viewer, visibility: Visibility, boosted: bool
) -> None:
    await say(node, tom, "@pumps hello", visibility=visibility)
    rows = await rows_of(node, post_table, post_table.c.author_id == id_of(pumps))
    assert [row.visibility for row in rows] == ([visibility] if boosted else [])


async def test_a_department_post_is_boosted_within_the_department(node: Node, tom: Viewer, pumps: Viewer) -> None:
    await say(node, tom, "@pumps for us", local_only=True)
    (boost,) = await rows_of(node, post_table, post_table.c.author_id == id_of(pumps))
    assert boost.local_only


async def test_answers_belong_to_the_group_without_being_boosted(
    node: Node, anna: Viewer, tom: Viewer, pumps: Viewer
) -> None:
    written = await say(node, tom, "@pumps a question")
    answer = await say(node, anna, "@pumps @tom an answer", in_reply_to_id=written)
    aside = await say(node, anna, "@tom between us", in_reply_to_id=written, visibility=Visibility.DIRECT)
    assert await taken(node, pumps) == [written]
    assert [await group_of(node, one) for one in (answer, aside)] == [id_of(pumps), None]


async def test_an_answer_elsewhere_that_names_the_group_is_not_taken(node: Node, tom: Viewer, pumps: Viewer) -> None:
    other = await say(node, tom, "somewhere else")
    answer = await say(node, tom, "@pumps look here", in_reply_to_id=other)
    assert await taken(node, pumps) == []
    assert await group_of(node, answer) is None


async def test_a_post_goes_to_the_first_group_that_takes_it(
    node: Node, anna: Viewer, tom: Viewer, pumps: Viewer
) -> None:
    closed = await make_group(node, anna, "closed", posting="moderators")
    valves = await make_group(node, anna, "valves")
    await join(node, tom, valves)
    await join(node, tom, closed)
    written = await say(node, tom, "@closed @valves @pumps all of you")
    assert await group_of(node, written) == id_of(valves)
    assert [await taken(node, one) for one in (closed, valves, pumps)] == [[], [written], []]


async def test_a_post_that_comes_twice_is_boosted_once(node: Node, pumps: Viewer) -> None:
    bert = await make_remote(node)
    await following(node, bert, pumps)
    written = await heard(node, bert, mention_ids=[id_of(pumps)])
    first = await node.write(groups.arrived, written, [id_of(pumps)])
    again = await node.write(groups.arrived, written, [id_of(pumps)])
    assert (first, again) == (id_of(pumps), None)
    assert await taken(node, pumps) == [written]


async def test_boosts_and_what_groups_write_is_not_taken(node: Node, tom: Viewer, pumps: Viewer) -> None:
    other = await make_remote(node, "club", type="Group")
    await following(node, other, pumps)
    written = await heard(node, other, "<p>from a group</p>", mention_ids=[id_of(pumps)])
    boost = await node.write_as(tom, reactions.boost, written)
    assert await node.write(groups.arrived, written, [id_of(pumps)]) is None
    assert await node.write(groups.arrived, boost, [id_of(pumps)]) is None
    assert await taken(node, pumps) == []


async def test_nobody_is_notified_in_the_name_of_a_group(node: Node, tom: Viewer, pumps: Viewer) -> None:
    await say(node, tom, "@pumps hello")
    assert await count_of(node, notification, notification.c.account_id == id_of(pumps)) == 0


async def test_a_post_that_names_no_group_costs_nothing_more(node: Node, anna: Viewer, tom: Viewer) -> None:
    async def cost() -> int:
        with counted() as seen:
            await say(node, tom, "@anna hello")
        return len(seen)

    await cost()
    before = await cost()
    await make_group(node, anna)
    assert await cost() == before


# --- moderating


async def test_a_moderator_takes_a_post_out_and_it_stays_with_its_author(
    node: Node, anna: Viewer, tom: Viewer, eve: Viewer, pumps: Viewer
) -> None:
    written = await say(node, tom, "@pumps buy my car")
    for who in (tom, eve):
        with pytest.raises(Forbidden):
            await node.write_as(who, groups.remove_post, id_of(pumps), written)
    await node.write_as(anna, groups.remove_post, id_of(pumps), written)
    assert await taken(node, pumps) == []
    assert await group_of(node, written) is None
    assert (await node.read_as(tom, posts.get, written)).content
    await node.write_as(tom, posts.edit, written, Changes(text="@pumps buy my good car"))
    assert await node.write(groups.arrived, written, [id_of(pumps)]) is None


async def test_a_moderator_has_no_power_over_what_is_not_in_the_group(
    node: Node, anna: Viewer, tom: Viewer, pumps: Viewer
) -> None:
    other = await say(node, tom, "my own affair")
    with pytest.raises(NotFound):
        await node.write_as(anna, groups.remove_post, id_of(pumps), other)
    valves = await make_group(node, tom, "valves")
    elsewhere = await say(node, tom, "@valves hello")
    with pytest.raises(NotFound):
        await node.write_as(anna, groups.remove_post, id_of(pumps), elsewhere)
    with pytest.raises(Forbidden):
        await node.write_as(anna, groups.remove_post, id_of(valves), elsewhere)
    with pytest.raises(NotFound):  # a person is no group
        await node.write_as(anna, groups.remove_post, id_of(anna), other)


async def test_who_is_banned_is_out_and_stays_out(node: Node, anna: Viewer, tom: Viewer, pumps: Viewer) -> None:
    with pytest.raises(Forbidden):
        await node.write_as(tom, groups.ban, id_of(pumps), id_of(anna))
    with pytest.raises(Invalid):
        await node.write_as(anna, groups.ban, id_of(pumps), id_of(anna))
    await node.write_as(anna, groups.ban, id_of(pumps), id_of(tom))
    with pytest.raises(Forbidden):
        await join(node, tom, pumps)
    await say(node, tom, "@pumps I am still here")
    assert await taken(node, pumps) == []
    assert await count_of(node, block, block.c.account_id == id_of(anna)) == 0  # the group blocks, not the person
    assert await node.read_as(anna, groups.banned, id_of(pumps)) == [id_of(tom)]
    await node.write_as(anna, groups.unban, id_of(pumps), id_of(tom))
    await join(node, tom, pumps)
    written = await say(node, tom, "@pumps I am back")
    assert await taken(node, pumps) == [written]


async def test_somebody_who_was_removed_may_come_back(node: Node, anna: Viewer, tom: Viewer, pumps: Viewer) -> None:
    await node.write_as(anna, groups.remove_member, id_of(pumps), id_of(tom))
    await say(node, tom, "@pumps hello")
    assert await taken(node, pumps) == []
    await join(node, tom, pumps)


async def test_a_group_that_lost_its_moderators_is_looked_after_by_the_nodes(
    node: Node, anna: Viewer, eve: Viewer, pumps: Viewer
) -> None:
    await node.write_as(anna, accounts.delete_account, id_of(anna))
    with pytest.raises(Forbidden):
        await node.write_as(eve, groups.change, id_of(pumps), GroupChanges(display_name="Mine"))
    boss: Any = await make_person(node, "boss", roles=("employee", "admin"))
    await node.write_as(boss, groups.add_moderator, id_of(pumps), id_of(boss))
    assert await node.read(groups.moderators, id_of(pumps)) == [id_of(boss)]


async def test_following_and_leaving_are_those_of_any_account(node: Node, tom: Viewer, pumps: Viewer) -> None:
    await node.write_as(tom, social.unfollow, id_of(pumps))
    await say(node, tom, "@pumps goodbye")
    assert await taken(node, pumps) == []


async def test_the_node_makes_a_group_for_somebody(node: Node, anna: Viewer) -> None:
    with pytest.raises(Invalid):
        await node.write(groups.create, NewGroup(username="nobodys"))
    made = await node.write(groups.create, NewGroup(username="valves", locked=True), moderator_ids=[id_of(anna)])
    assert await node.read(groups.moderators, made) == [id_of(anna)]
