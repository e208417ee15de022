"""Follows, blocks and mutes: what is stored, counted and told."""

from dataclasses import fields
from functools import partial
from typing import Any

import pytest

from node import accounts, notifications, social
from node.accounts import ProfileChanges
from node.errors import Forbidden, Invalid, NotFound
from node.paging import Page
from node.runtime import Node
from node.schema import block, follow, mute, notification
from node.social import FollowState, Relationship
from node.viewer import NOBODY, Viewer
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.rows import count_of, id_of, rows_of, sent


async def counts(node: Node, who: Viewer) -> tuple[int, int]:
    """(followers, following)"""
    row = await node.read(accounts.get, id_of(who))
    return row.followers_count, row.following_count


async def told(node: Node, who: Viewer) -> list[tuple[str, int]]:
    rows = await node.read_as(who, notifications.page, Page())
    return [(row.kind, row.from_id) for row in rows]


async def relation(node: Node, viewer: Viewer, other: Viewer) -> Relationship:
    (found,) = await node.read_as(viewer, social.relationships, [id_of(other)])
    return found


def flags(found: Relationship) -> set[str]:
    names = (one.name for one in fields(found) if one.name not in ("id", "muting_expires_at"))
    return {name for name in names if getattr(found, name)}


async def locked_person(node: Node, name: str) -> Viewer:
    person = await make_person(node, name)
    await node.write_as(person, accounts.update_profile, ProfileChanges(locked=True))
    return person


# --- Following people of this node --------------------------------------------------------------------------------


async def test_an_unlocked_colleague_is_followed_at_once(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    assert await node.write_as(anna, social.follow, id_of(bea)) is FollowState.ACCEPTED
    assert (await counts(node, anna), await counts(node, bea)) == ((0, 1), (1, 0))
    assert await told(node, bea) == [("follow", id_of(anna))]
    assert flags(await relation(node, anna, bea)) == {"following", "showing_reblogs"}
    assert flags(await relation(node, bea, anna)) == {"followed_by"}
    assert await sent(node) == []


async def test_following_twice_changes_only_what_is_said(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await node.write_as(anna, lambda tx: social.follow(tx, id_of(bea), boosts=False, notify=True))
    assert flags(await relation(node, anna, bea)) == {"following", "notifying"}
    assert await node.write_as(anna, social.follow, id_of(bea)) is FollowState.ACCEPTED
    assert flags(await relation(node, anna, bea)) == {"following", "notifying"}
    await node.write_as(anna, lambda tx: social.follow(tx, id_of(bea), boosts=True, notify=False))
    assert flags(await relation(node, anna, bea)) == {"following", "showing_reblogs"}
    assert await counts(node, bea) == (1, 0)
    assert len(await told(node, bea)) == 1


async def test_a_locked_colleague_is_asked(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await locked_person(node, "bea")
    assert await node.write_as(anna, social.follow, id_of(bea)) is FollowState.PENDING
    assert (await counts(node, anna), await counts(node, bea)) == ((0, 0), (0, 0))
    assert await told(node, bea) == [("follow_request", id_of(anna))]
    assert "requested" in flags(await relation(node, anna, bea))
    assert flags(await relation(node, bea, anna)) == {"requested_by"}
    assert [who for _, who in await node.read_as(bea, social.follow_requests, Page())] == [anna.account_id]
    assert await node.read_as(bea, social.followers, id_of(bea), Page()) == []


async def test_a_request_is_accepted_once(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await locked_person(node, "bea")
    await node.write_as(anna, social.follow, id_of(bea))
    await node.write_as(bea, social.accept_request, id_of(anna))
    assert (await counts(node, anna), await counts(node, bea)) == ((0, 1), (1, 0))
    assert await told(node, bea) == [("follow", id_of(anna))]
    with pytest.raises(NotFound):
        await node.write_as(bea, social.accept_request, id_of(anna))
    assert await counts(node, bea) == (1, 0)


async def test_a_rejected_request_leaves_nothing(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await locked_person(node, "bea")
    await node.write_as(anna, social.follow, id_of(bea))
    await node.write_as(bea, social.reject_request, id_of(anna))
    assert await count_of(node, follow) == 0
    assert await told(node, bea) == []
    with pytest.raises(NotFound):
        await node.write_as(bea, social.reject_request, id_of(anna))


async def test_nobody_answers_requests_to_somebody_else(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await locked_person(node, "bea")
    eve = await make_person(node, "eve")
    await node.write_as(anna, social.follow, id_of(bea))
    for rule in (social.accept_request, social.reject_request):
        with pytest.raises(NotFound):
            await node.write_as(eve, rule, id_of(anna))
    assert [row.state for row in await rows_of(node, follow)] == ["pending"]


async def test_unfollowing_takes_everything_back_and_may_be_repeated(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await node.write_as(anna, social.follow, id_of(bea))
    await node.write_as(anna, social.unfollow, id_of(bea))
    await node.write_as(anna, social.unfollow, id_of(bea))
    assert (await counts(node, anna), await counts(node, bea)) == ((0, 0), (0, 0))
    assert await told(node, bea) == []
    with pytest.raises(NotFound):
        await node.write_as(anna, social.unfollow, 12345)


async def test_a_follower_can_be_removed_and_may_come_back(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await node.write_as(anna, social.follow, id_of(bea))
    await node.write_as(bea, social.remove_follower, id_of(anna))
    assert (await counts(node, anna), await counts(node, bea)) == ((0, 0), (0, 0))
    await node.write_as(bea, social.remove_follower, id_of(anna))
    assert await node.write_as(anna, social.follow, id_of(bea)) is FollowState.ACCEPTED


async def test_whom_nobody_can_follow(node: Node) -> None:
    anna, bea, gone = await make_person(node, "anna"), await make_person(node, "bea"), await make_person(node, "gone")
    node_actor = (await node.read(accounts.node_actor)).id
    await node.write(accounts.delete_account, id_of(gone))
    for target in (id_of(anna), node_actor):
        with pytest.raises(Forbidden):
            await node.write_as(anna, social.follow, target)
    await node.write(accounts.suspend, id_of(bea))
    for target in (id_of(bea), id_of(gone), 12345):
        with pytest.raises(NotFound):
            await node.write_as(anna, social.follow, target)
    with pytest.raises(Forbidden):
        await node.write_as(NOBODY, social.follow, id_of(anna))
    assert await count_of(node, follow) == 0


async def test_a_block_either_way_forbids_following(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await node.write_as(bea, social.block, id_of(anna))
    for follower, target in ((anna, bea), (bea, anna)):
        with pytest.raises(Forbidden):
            await node.write_as(follower, social.follow, id_of(target))
    await node.write_as(bea, social.unblock, id_of(anna))
    assert await node.write_as(anna, social.follow, id_of(bea)) is FollowState.ACCEPTED


# --- Following people of peers ------------------------------------------------------------------------------------


async def test_a_person_of_a_peer_is_asked_and_answers_later(node: Node) -> None:
    anna, bert = await make_person(node, "anna"), await make_remote(node, "bert")
    assert await node.write_as(anna, social.follow, id_of(bert)) is FollowState.PENDING
    (row,) = await rows_of(node, follow)
    assert row.iri == f"https://eng.example/users/anna/activities/follow/{row.id}"
    assert await sent(node) == ["Follow"]
    assert await node.write(social.record_accept, id_of(anna), id_of(bert)) is True
    assert await node.write(social.record_accept, id_of(anna), id_of(bert)) is True
    assert (await counts(node, anna), await counts(node, bert)) == ((0, 1), (1, 0))


async def test_nobody_accepts_what_was_never_asked(node: Node) -> None:
    anna, bert = await make_person(node, "anna"), await make_remote(node, "bert")
    assert await node.write(social.record_accept, id_of(anna), id_of(bert)) is False
    assert await node.write(social.record_reject, id_of(anna), id_of(bert)) is False
    assert await counts(node, anna) == (0, 0)


async def test_a_peer_can_refuse_a_follow_it_had_accepted(node: Node) -> None:
    anna, bert = await make_person(node, "anna"), await make_remote(node, "bert")
    await node.write_as(anna, social.follow, id_of(bert))
    await node.write(social.record_accept, id_of(anna), id_of(bert))
    assert await node.write(social.record_reject, id_of(anna), id_of(bert)) is True
    assert (await counts(node, anna), await counts(node, bert)) == ((0, 0), (0, 0))


async def test_unfollowing_a_person_of_a_peer_is_told(node: Node) -> None:
    anna, bert = await make_person(node, "anna"), await make_remote(node, "bert")
    await node.write_as(anna, social.follow, id_of(bert))
    await node.write(social.record_accept, id_of(anna), id_of(bert))
    await node.write_as(anna, social.unfollow, id_of(bert))
    assert (await sent(node))[-1] == "Undo"
    assert await counts(node, bert) == (0, 0)


async def test_somebody_who_moved_away_is_not_followed(node: Node) -> None:
    anna = await make_person(node, "anna")
    bert = await make_remote(node, "bert", movedTo="https://sales.example/users/bert")
    with pytest.raises(Forbidden):
        await node.write_as(anna, social.follow, id_of(bert))


async def test_a_repeated_follow_by_a_peer_is_one_follow_with_its_newest_id(node: Node) -> None:
    anna, bert = await make_person(node, "anna"), await make_remote(node, "bert")

    async def record(iri: str) -> social.Follow:
        return await node.write(lambda tx: social.record_follow(tx, id_of(bert), id_of(anna), iri=iri))

    first = await record("https://field.example/f/1")
    assert (first.pending, first.follower_id, first.target_id) == (False, bert.account_id, anna.account_id)
    assert await record("https://field.example/f/2") == first
    assert [row.iri for row in await rows_of(node, follow)] == ["https://field.example/f/2"]
    assert await counts(node, anna) == (1, 0)
    assert await told(node, anna) == [("follow", id_of(bert))]
    assert await sent(node) == []


async def test_two_follows_cannot_share_an_id(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    bert = await make_remote(node, "bert")
    for target in (anna, bea):
        await node.write(partial(social.record_follow, iri="https://f.example/1"), id_of(bert), id_of(target))
    assert [(row.target_id, row.iri) for row in await rows_of(node, follow)] == [
        (anna.account_id, "https://f.example/1"),
        (bea.account_id, None),
    ]


async def test_a_locked_person_answers_a_peer(node: Node) -> None:
    anna, bert, carl = await locked_person(node, "anna"), await make_remote(node), await make_remote(node, "carl")
    for remote in (bert, carl):
        made = await node.write(social.record_follow, id_of(remote), id_of(anna))
        assert made.pending
    await node.write_as(anna, social.accept_request, id_of(bert))
    await node.write_as(anna, social.reject_request, id_of(carl))
    assert await sent(node) == ["Accept", "Reject"]
    await node.write_as(anna, social.remove_follower, id_of(bert))
    assert await sent(node) == ["Accept", "Reject", "Reject"]
    assert await counts(node, anna) == (0, 0)


async def test_the_suspended_the_blocked_and_ourselves_cannot_follow_from_a_peer(node: Node) -> None:
    anna, bert = await make_person(node, "anna"), await make_remote(node, "bert")

    async def record(follower: Viewer, target: Viewer) -> Any:
        return await node.write(social.record_follow, id_of(follower), id_of(target))

    await node.write(accounts.suspend, id_of(bert))
    with pytest.raises(Forbidden):
        await record(bert, anna)
    await node.write(accounts.unsuspend, id_of(bert))
    await node.write_as(anna, social.block, id_of(bert))
    with pytest.raises(Forbidden):
        await record(bert, anna)
    await node.write_as(anna, social.unblock, id_of(bert))
    await node.write(accounts.suspend, id_of(anna))
    with pytest.raises(NotFound):
        await record(bert, anna)
    await node.write(accounts.unsuspend, id_of(anna))
    assert (await record(bert, anna)).pending is False
    assert await node.write(social.record_unfollow, id_of(bert), id_of(anna)) is True
    assert await node.write(social.record_unfollow, id_of(bert), id_of(anna)) is False
    assert await counts(node, anna) == (0, 0)


# --- Blocks -------------------------------------------------------------------------------------------------------


async def test_a_block_severs_both_ways_and_takes_back_notifications(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await node.write_as(anna, social.follow, id_of(bea))
    await node.write_as(bea, social.follow, id_of(anna))
    await node.write_as(anna, social.block, id_of(bea))
    await node.write_as(anna, social.block, id_of(bea))
    assert (await counts(node, anna), await counts(node, bea)) == ((0, 0), (0, 0))
    assert await count_of(node, notification) == 0
    assert await count_of(node, block) == 1
    assert flags(await relation(node, anna, bea)) == {"blocking"}
    assert flags(await relation(node, bea, anna)) == {"blocked_by"}
    assert await node.read(social.blocks, id_of(anna), id_of(bea)) is True
    assert await node.read(social.blocks, id_of(bea), id_of(anna)) is False


async def test_blocking_a_person_of_a_peer_tells_it_all(node: Node) -> None:
    anna, bert = await make_person(node, "anna"), await make_remote(node, "bert")
    await node.write_as(anna, social.follow, id_of(bert))
    await node.write(social.record_accept, id_of(anna), id_of(bert))
    await node.write(social.record_follow, id_of(bert), id_of(anna))
    await node.write_as(anna, social.block, id_of(bert))
    kinds = await sent(node)
    assert kinds[0] == "Follow"
    assert sorted(kinds[1:]) == ["Block", "Reject", "Undo"]
    assert await count_of(node, follow) == 0
    await node.write_as(anna, social.unblock, id_of(bert))
    assert (await sent(node))[-1] == "Undo"
    assert await count_of(node, block) == 0


async def test_nobody_blocks_themselves_or_somebody_who_is_not_there(node: Node) -> None:
    anna = await make_person(node, "anna")
    with pytest.raises(Forbidden):
        await node.write_as(anna, social.block, id_of(anna))
    for rule in (social.block, social.unblock, social.mute, social.unmute, social.remove_follower):
        with pytest.raises(NotFound):
            await node.write_as(anna, rule, 12345)


async def test_a_block_by_a_peer_severs_and_is_told_to_nobody(node: Node) -> None:
    anna, bert = await make_person(node, "anna"), await make_remote(node, "bert")
    await node.write_as(anna, social.follow, id_of(bert))
    await node.write(social.record_accept, id_of(anna), id_of(bert))
    await node.write(social.record_follow, id_of(bert), id_of(anna))
    before = await sent(node)
    for _ in range(2):
        await node.write(lambda tx: social.record_block(tx, id_of(bert), id_of(anna), iri="https://f.example/b"))
    assert (await counts(node, anna), await counts(node, bert)) == ((0, 0), (0, 0))
    assert await sent(node) == before
    assert "blocked_by" in flags(await relation(node, anna, bert))
    with pytest.raises(Forbidden):
        await node.write_as(anna, social.follow, id_of(bert))
    assert await node.write(social.record_unblock, id_of(bert), id_of(anna)) is True
    assert await node.write(social.record_unblock, id_of(bert), id_of(anna)) is False
    assert await node.write_as(anna, social.follow, id_of(bert)) is FollowState.PENDING


# --- Mutes --------------------------------------------------------------------------------------------------------


async def test_a_mute_hides_and_severs_nothing(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await node.write_as(anna, social.follow, id_of(bea))
    await node.write_as(anna, social.mute, id_of(bea))
    assert flags(await relation(node, anna, bea)) == {
        "following",
        "showing_reblogs",
        "muting",
        "muting_notifications",
    }
    assert flags(await relation(node, bea, anna)) == {"followed_by"}
    await node.write_as(anna, lambda tx: social.mute(tx, id_of(bea), hide_notifications=False))
    assert "muting_notifications" not in flags(await relation(node, anna, bea))
    assert await count_of(node, mute) == 1
    await node.write_as(anna, social.unmute, id_of(bea))
    await node.write_as(anna, social.unmute, id_of(bea))
    assert "muting" not in flags(await relation(node, anna, bea))


async def test_a_mute_ends_by_itself(node: Node, clock: Clock) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await node.write_as(anna, lambda tx: social.mute(tx, id_of(bea), seconds=60))
    found = await relation(node, anna, bea)
    assert (found.muting, found.muting_expires_at) == (True, node.now() + 60_000)
    assert [who for _, who in await node.read_as(anna, social.muted, Page())] == [bea.account_id]
    clock.advance(60)
    assert not (await relation(node, anna, bea)).muting
    assert await node.read_as(anna, social.muted, Page()) == []


async def test_a_mute_has_a_sane_length_and_is_of_somebody_else(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    for seconds in (-1, 2**62):
        with pytest.raises(Invalid):
            await node.write_as(anna, partial(social.mute, seconds=seconds), id_of(bea))
    with pytest.raises(Forbidden):
        await node.write_as(anna, social.mute, id_of(anna))


# --- Lists --------------------------------------------------------------------------------------------------------


async def test_followers_are_paged_newest_first_without_the_suspended(node: Node, clock: Clock) -> None:
    star = await make_person(node, "star")
    fans = []
    for name in ("a", "b", "c", "d"):
        fan = await make_person(node, name)
        clock.advance(1)
        await node.write_as(fan, social.follow, id_of(star))
        fans.append(id_of(fan))
    await node.write(accounts.suspend, fans[1])
    page = await node.read_as(star, social.followers, id_of(star), Page(limit=2))
    assert [who for _, who in page] == [fans[3], fans[2]]
    older = await node.read_as(star, social.followers, id_of(star), Page(limit=2, max_id=page[-1][0]))
    assert [who for _, who in older] == [fans[0]]
    newer = await node.read_as(star, social.followers, id_of(star), Page(limit=1, min_id=older[-1][0]))
    assert [who for _, who in newer] == [fans[2]]


async def test_whom_an_account_blocks_gets_none_of_its_lists(node: Node) -> None:
    anna, bea, carl = [await make_person(node, name) for name in ("anna", "bea", "carl")]
    await node.write_as(bea, social.follow, id_of(anna))
    await node.write_as(anna, social.follow, id_of(bea))
    await node.write_as(anna, social.block, id_of(carl))
    for rule in (social.followers, social.following):
        assert await node.read_as(carl, rule, id_of(anna), Page()) == []
        assert [who for _, who in await node.read_as(bea, rule, id_of(anna), Page())] == [bea.account_id]
    assert [who for _, who in await node.read_as(anna, social.blocked, Page())] == [carl.account_id]


async def test_relationships_come_in_the_order_asked_without_the_unknown(node: Node) -> None:
    anna, bea, carl = [await make_person(node, name) for name in ("anna", "bea", "carl")]
    ids = [id_of(carl), 12345, id_of(bea), id_of(carl), id_of(anna)]
    found = await node.read_as(anna, social.relationships, ids)
    assert [one.id for one in found] == [carl.account_id, bea.account_id, anna.account_id]
    assert all(not flags(one) for one in found)
    assert await node.read_as(anna, social.relationships, []) == []


# --- Tags ---------------------------------------------------------------------------------------------------------


async def test_a_tag_is_followed_under_every_spelling(node: Node) -> None:
    anna = await make_person(node, "anna")
    kafka = await node.write_as(anna, social.follow_tag, "Kafka")
    assert await node.write_as(anna, social.follow_tag, "#ＫＡＦＫＡ") == kafka
    rust = await node.write_as(anna, social.follow_tag, "rust")
    assert await node.read_as(anna, social.followed_tags, Page()) == [rust, kafka]
    await node.write_as(anna, social.unfollow_tag, "KAFKA")
    await node.write_as(anna, social.unfollow_tag, "KAFKA")
    assert await node.read_as(anna, social.followed_tags, Page()) == [rust]
    with pytest.raises(Invalid):
        await node.write_as(anna, social.follow_tag, "#")
    with pytest.raises(NotFound):
        await node.write_as(anna, social.unfollow_tag, "never")
