"""Polls of this node's people: what may be asked, who may vote and how often, edits, and the end."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from activitypub.audience import Visibility
from node import notifications, polls, posts, social
from node.assembly import open_node
from node.config import Settings
from node.errors import Forbidden, Invalid, NotFound
from node.paging import Page
from node.polls import Asked
from node.posts import Changes
from node.runtime import Node
from node.schema import job, notification, poll, poll_vote
from node.schema import post as post_table
from node.viewer import Viewer
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.polling import numbers
from tests.support.posting import following, say
from tests.support.rows import count_of, id_of, rows_of

WHEN = Asked(("Monday", "Tuesday", "Friday"), 3600)
SEVERAL = Asked(("Monday", "Tuesday", "Friday"), 3600, multiple=True)


@pytest.fixture
async def anna(node: Node) -> Viewer:
    return await make_person(node, "anna")


@pytest.fixture
async def bert(node: Node) -> Viewer:
    return await make_person(node, "bert")


@pytest.fixture
async def carl(node: Node) -> Viewer:
    return await make_person(node, "carl")


async def ask(node: Node, who: Viewer, asked: Asked = WHEN, **draft: Any) -> int:
    return await say(node, who, "When do we meet?", poll=asked, **draft)


async def vote(node: Node, who: Viewer, poll_id: int, *choices: int) -> None:
    await node.write_as(who, polls.vote, poll_id, choices)


async def due(node: Node, kind: str) -> list[int]:
    """When jobs of this kind run, in seconds from now."""
    return [(row.run_at - node.now()) // 1000 for row in await rows_of(node, job, job.c.kind == kind)]


# --- Asking


async def test_a_poll_is_stored_with_its_post(node: Node, anna: Viewer) -> None:
    post_id = await ask(node, anna, Asked((" Monday ", "", "Tuesday"), 3600, hide_totals=True))
    (row,) = await rows_of(node, poll)
    assert row.options == [{"title": "Monday", "votes": 0}, {"title": "Tuesday", "votes": 0}]
    assert (row.id, row.expires_at, row.hide_totals) == (post_id, node.now() + 3_600_000, True)
    (post,) = await rows_of(node, post_table)
    assert post.object_type == "Question"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(("a", "b"), 299), "Deadline is too soon"),
        (Asked(("a", "b"), 2_629_747), "Deadline is too far into the future"),
        (Asked(("a", "b"), None), "Deadline can't be blank"),
        (Asked(("a", " "), 3600), "Choices must have more than one item"),
        (Asked(tuple("abcde"), 3600), "Choices can't contain more than 4 items"),
        (Asked(("a", "b" * 51), 3600), "Choices cannot be longer than 50 characters each"),
        (Asked(("a", "a "), 3600), "Choices contain duplicate items"),
    ],
)
def test_what_cannot_be_asked_is_said_as_mastodon_says_it(asked: Asked, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        polls.checked(asked, has_media=False)


def test_the_limits_themselves_are_allowed() -> None:
    polls.checked(Asked(tuple("abcd"), 300), has_media=False)
    polls.checked(Asked(("a", "b" * 50), 2_629_746), has_media=False)


async def test_a_poll_with_pictures_is_refused_and_nothing_stored(node: Node, anna: Viewer) -> None:
    with pytest.raises(Invalid, match="not both"):
        await ask(node, anna, media_ids=[1])
    assert await count_of(node, post_table) == 0


# --- Voting


async def test_one_choice_counts_once(node: Node, anna: Viewer, bert: Viewer, carl: Viewer) -> None:
    poll_id = await ask(node, anna)
    await vote(node, bert, poll_id, 1)
    await vote(node, carl, poll_id, 1)
    for again in (1, 0):
        with pytest.raises(Invalid, match="You have already voted on this poll"):
            await vote(node, bert, poll_id, again)
    assert await numbers(node) == ([0, 2, 0], 2)


async def test_of_several_choices_each_counts_once_and_the_person_once(node: Node, anna: Viewer, bert: Viewer) -> None:
    poll_id = await ask(node, anna, SEVERAL)
    await vote(node, bert, poll_id, 0, 2, 2)
    with pytest.raises(Invalid, match="already voted"):
        await vote(node, bert, poll_id, 1, 2)
    assert await numbers(node) == ([1, 0, 1], 1)
    await vote(node, bert, poll_id, 1)
    assert await numbers(node) == ([1, 1, 1], 1)


async def test_several_choices_where_one_is_asked_for_are_none(node: Node, anna: Viewer, bert: Viewer) -> None:
    poll_id = await ask(node, anna)
    with pytest.raises(Invalid, match="already voted"):
        await vote(node, bert, poll_id, 0, 1)
    assert await numbers(node) == ([0, 0, 0], 0)


async def test_votes_at_once_count_once_each(node: Node, anna: Viewer, bert: Viewer, carl: Viewer) -> None:
    poll_id = await ask(node, anna)
    votes = [vote(node, who, poll_id, choice) for who in (bert, carl) for choice in (0, 1, 2)]
    outcomes = await asyncio.gather(*votes, return_exceptions=True)
    assert sum(isinstance(one, Invalid) for one in outcomes) == 4
    given, voters = await numbers(node)
    assert (sum(one or 0 for one in given), voters, await count_of(node, poll_vote)) == (2, 2, 2)


async def test_votes_that_two_processes_count_at_once_count_once_each(
    node: Node, settings: Settings, clock: Clock, anna: Viewer
) -> None:
    voters = [await make_person(node, f"voter{number}") for number in range(6)]
    poll_id = await ask(node, anna)
    other = open_node(settings, clock=clock)
    try:
        votes = [vote(one, who, poll_id, choice) for who in voters for choice, one in enumerate((node, other))]
        tallies = [one.write(polls.tally, poll_id) for one in (node, other)]
        outcomes = await asyncio.gather(*votes, *tallies, return_exceptions=True)
    finally:
        other.close()
    assert [type(one) for one in outcomes if one is not None] == [Invalid] * 6
    given, voted = await numbers(node)
    assert (sum(one or 0 for one in given), voted, await count_of(node, poll_vote)) == (6, 6, 6)


async def test_an_option_that_is_none_cannot_be_chosen(node: Node, anna: Viewer, bert: Viewer) -> None:
    poll_id = await ask(node, anna)
    for choice in (-1, 3, 10**9):
        with pytest.raises(Invalid, match="The chosen vote option does not exist"):
            await vote(node, bert, poll_id, choice)


async def test_nobody_votes_in_their_own_poll(node: Node, anna: Viewer) -> None:
    poll_id = await ask(node, anna)
    with pytest.raises(Invalid, match="You cannot vote in your own polls"):
        await vote(node, anna, poll_id, 0)


async def test_a_vote_counts_until_the_end_and_not_at_it(
    node: Node, clock: Clock, anna: Viewer, bert: Viewer, carl: Viewer
) -> None:
    poll_id = await ask(node, anna)
    clock.now += 3599
    await vote(node, bert, poll_id, 0)
    clock.now += 1
    with pytest.raises(Invalid, match="The poll has already ended"):
        await vote(node, carl, poll_id, 0)
    assert await numbers(node) == ([1, 0, 0], 1)


async def test_only_who_sees_a_poll_votes(node: Node, anna: Viewer, bert: Viewer, carl: Viewer) -> None:
    await following(node, bert, anna)
    poll_id = await ask(node, anna, visibility=Visibility.FOLLOWERS)
    await vote(node, bert, poll_id, 0)
    with pytest.raises(NotFound):
        await vote(node, carl, poll_id, 0)


async def test_a_block_either_way_takes_no_vote(node: Node, anna: Viewer, bert: Viewer, carl: Viewer) -> None:
    poll_id = await ask(node, anna)
    await node.write_as(anna, social.block, id_of(bert))
    await node.write_as(carl, social.block, id_of(anna))
    with pytest.raises(NotFound):
        await vote(node, bert, poll_id, 0)
    with pytest.raises(Forbidden):
        await vote(node, carl, poll_id, 0)
    assert await numbers(node) == ([0, 0, 0], 0)


# --- The numbers are told


async def test_many_votes_are_told_once(node: Node, anna: Viewer, bert: Viewer, carl: Viewer) -> None:
    poll_id = await ask(node, anna)
    await vote(node, bert, poll_id, 0)
    await vote(node, carl, poll_id, 0)
    assert await due(node, polls.TALLY_JOB) == [3]


async def test_a_vote_while_the_numbers_are_being_told_is_told_next(
    node: Node, anna: Viewer, bert: Viewer, carl: Viewer
) -> None:
    """The job that tells has not been put away yet when the next vote asks for one."""
    poll_id = await ask(node, anna)
    await vote(node, bert, poll_id, 0)
    await node.write(polls.tally, poll_id)
    await vote(node, carl, poll_id, 0)
    assert await count_of(node, job, job.c.kind == polls.TALLY_JOB) == 2


async def test_hidden_numbers_are_told_at_the_end_only(node: Node, anna: Viewer, bert: Viewer) -> None:
    poll_id = await ask(node, anna, Asked(("a", "b"), 3600, hide_totals=True))
    await vote(node, bert, poll_id, 0)
    assert await due(node, polls.TALLY_JOB) == []
    assert await due(node, polls.END_JOB) == [3600]


# --- The end


async def ended(node: Node, poll_id: int) -> None:
    last: int | None = 0
    while last is not None:
        last = await node.write(polls.end, poll_id, last)


async def told(node: Node, who: Viewer) -> list[tuple[str, int]]:
    return [(row.kind, row.from_id) for row in await node.read_as(who, notifications.page, Page())]


async def test_author_and_voters_are_told_of_the_end_once(
    node: Node, clock: Clock, anna: Viewer, bert: Viewer, carl: Viewer
) -> None:
    poll_id = await ask(node, anna)
    await vote(node, bert, poll_id, 0)
    await ended(node, poll_id)
    assert await count_of(node, notification) == 0  # not before it is over
    clock.now += 3600
    await ended(node, poll_id)
    (row,) = await rows_of(node, poll)
    assert row.told_at == node.now()
    for who in (anna, bert):
        assert await told(node, who) == [("poll", id_of(anna))]
    assert await told(node, carl) == []
    await node.write_as(bert, notifications.clear)
    await ended(node, poll_id)
    assert await told(node, bert) == []


async def test_many_voters_are_told_in_parts(
    node: Node, clock: Clock, anna: Viewer, bert: Viewer, carl: Viewer
) -> None:
    poll_id = await ask(node, anna)
    await vote(node, bert, poll_id, 0)
    await vote(node, carl, poll_id, 1)
    clock.now += 3600
    assert await node.write(polls.end, poll_id, 0, 1) == id_of(bert)
    assert await told(node, carl) == []
    await ended(node, poll_id)  # begun anew, as after a crash
    for who in (anna, bert, carl):
        assert await told(node, who) == [("poll", id_of(anna))]


# --- Edits


async def edit(node: Node, who: Viewer, post_id: int, **changes: Any) -> None:
    await node.write_as(who, posts.edit, post_id, Changes(**changes))


async def test_an_edit_of_the_words_keeps_the_poll_and_its_votes(node: Node, anna: Viewer, bert: Viewer) -> None:
    poll_id = await ask(node, anna)
    await vote(node, bert, poll_id, 0)
    await edit(node, anna, poll_id, text="When shall we meet?")
    assert await numbers(node) == ([1, 0, 0], 1)


async def test_the_same_choices_with_another_end_keep_the_votes(node: Node, anna: Viewer, bert: Viewer) -> None:
    poll_id = await ask(node, anna)
    await vote(node, bert, poll_id, 0)
    await edit(node, anna, poll_id, poll=Asked(WHEN.options, 7200, hide_totals=True))
    assert await numbers(node) == ([1, 0, 0], 1)
    assert await due(node, polls.END_JOB) == [3600, 7200]


@pytest.mark.parametrize("asked", [Asked(("Monday", "Sunday"), 3600), SEVERAL])
async def test_other_choices_or_ways_to_choose_are_voted_on_anew(
    node: Node, anna: Viewer, bert: Viewer, asked: Asked
) -> None:
    poll_id = await ask(node, anna)
    await vote(node, bert, poll_id, 0)
    await edit(node, anna, poll_id, poll=asked)
    assert await numbers(node) == ([0] * len(asked.options), 0)
    await vote(node, bert, poll_id, 1)
    states = await node.read_as(anna, posts.history, poll_id)
    assert [state.poll_options for state in states] == [list(WHEN.options), list(asked.options)]


async def test_a_poll_that_is_put_off_is_told_at_its_new_end(
    node: Node, clock: Clock, anna: Viewer, bert: Viewer
) -> None:
    poll_id = await ask(node, anna)
    await edit(node, anna, poll_id, poll=Asked(WHEN.options, 7200))
    clock.now += 3600
    await ended(node, poll_id)
    assert await told(node, anna) == []
    clock.now += 3600
    await ended(node, poll_id)
    assert await told(node, anna) == [("poll", id_of(anna))]


async def test_a_poll_can_be_taken_away_and_added(node: Node, anna: Viewer) -> None:
    post_id = await ask(node, anna)
    await edit(node, anna, post_id, poll=False)
    assert await count_of(node, poll) == 0
    await edit(node, anna, post_id, poll=WHEN)
    assert await numbers(node) == ([0, 0, 0], 0)
    kinds = await node.read(lambda tx: tx.scalars(select(post_table.c.object_type)))
    assert kinds == ["Question"]


async def test_pictures_cannot_join_a_poll_that_stays(node: Node, anna: Viewer) -> None:
    post_id = await ask(node, anna)
    with pytest.raises(Invalid, match="not both"):
        await edit(node, anna, post_id, media_ids=[1])
