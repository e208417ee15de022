"""Deleting an account: out of sight at once, gone for good step by step, never back."""

import pytest
from sqlalchemy import select

from node import accounts, auth, media, notifications, posts, reactions, removal, social
from node.accounts import ProfileChanges
from node.errors import NotFound
from node.paging import Page
from node.posts import Draft
from node.runtime import Node
from node.schema import (
    account,
    account_key,
    block,
    favourite,
    follow,
    job,
    login,
    mute,
    notification,
    oauth_token,
    post,
    tombstone,
    web_session,
)
from node.schema import media as media_table
from node.viewer import Viewer
from tests.node.test_media import image
from tests.support.actors import make_remote
from tests.support.people import make_person
from tests.support.rows import count_of, id_of, rows_of, sent


async def purge(node: Node, who: Viewer) -> int:
    steps = 1
    while await node.write(removal.purge, id_of(who)):
        steps += 1
    return steps


async def test_an_account_leaves_an_empty_row_a_tombstone_and_a_job(node: Node) -> None:
    anna = await make_person(node, "anna", title="Engineer", display_name="Anna")
    await node.write_as(anna, accounts.update_profile, ProfileChanges(note="me", avatar="face.png"))
    await node.write(auth.make_token, id_of(anna))
    await node.write(auth.open_session, id_of(anna))
    await node.write_as(anna, accounts.delete_account, id_of(anna))
    with pytest.raises(NotFound):
        await node.read(accounts.get, id_of(anna))
    row = await node.read(lambda tx: tx.first(select(account).where(account.c.id == id_of(anna))))
    assert row is not None
    assert (row.gone_at, row.suspended_at) == (node.now(), node.now())
    assert (row.display_name, row.note, row.note_source, row.avatar, row.title) == ("", "", "", None, None)
    for table in (login, oauth_token, web_session):
        assert await count_of(node, table) == 0
    (grave,) = await rows_of(node, tombstone)
    assert (grave.iri, grave.former_type) == ("https://eng.example/users/anna", "Person")
    (todo,) = [one for one in await rows_of(node, job) if one.kind != accounts.KEYS_JOB]
    assert (todo.kind, todo.payload) == (accounts.PURGE_JOB, {"account_id": anna.account_id})
    assert [one.file for one in await rows_of(node, media_table)] == ["face.png"]
    with pytest.raises(NotFound):
        await node.write(accounts.delete_account, id_of(anna))


async def test_ties_are_cut_and_the_counts_of_others_follow(node: Node) -> None:
    anna, bea, carl = [await make_person(node, name) for name in ("anna", "bea", "carl")]
    await node.write_as(anna, social.follow, id_of(bea))
    await node.write_as(bea, social.follow, id_of(anna))
    await node.write_as(carl, social.follow, id_of(bea))
    await node.write_as(anna, social.block, id_of(carl))
    await node.write_as(carl, social.mute, id_of(anna))
    await node.write(accounts.delete_account, id_of(anna))
    row = await node.read(accounts.get, id_of(bea))
    assert (row.followers_count, row.following_count) == (1, 0)
    assert await count_of(node, follow) == 1
    assert await count_of(node, block) == 0
    assert await count_of(node, mute) == 0
    kinds = {(one.account_id, one.from_id) for one in await rows_of(node, notification)}
    assert kinds == {(bea.account_id, carl.account_id)}


async def test_posts_are_out_of_sight_at_once_and_gone_after_the_job(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    media_id = await node.write_as(anna, media.create, image())
    parent = await node.write_as(bea, posts.publish, Draft("parent"))
    first = await node.write_as(anna, posts.publish, Draft("one @bea", media_ids=(media_id,)))
    await node.write_as(anna, posts.publish, Draft("reply", in_reply_to_id=parent))
    for number in range(removal.POSTS):
        await node.write_as(anna, posts.publish, Draft(f"number {number}"))
    await node.write_as(bea, reactions.boost, first)
    await node.write_as(anna, reactions.boost, parent)
    await node.write_as(anna, reactions.favourite, parent)
    await node.write(accounts.delete_account, id_of(anna))
    with pytest.raises(NotFound):
        await node.read_as(bea, posts.get, first)
    assert await node.read_as(bea, notifications.page, Page()) == []
    assert await purge(node, anna) > 2
    assert [row.id for row in await rows_of(node, post)] == [parent]
    (left,) = await rows_of(node, post)
    assert (left.replies_count, left.boosts_count, left.favourites_count) == (0, 0, 0)
    assert await count_of(node, favourite) == 0
    assert (await node.read(accounts.get, id_of(bea))).posts_count == 1
    assert await count_of(node, tombstone, tombstone.c.former_type == "Note") == removal.POSTS + 2
    assert [one.post_id for one in await rows_of(node, media_table)] == [None]
    assert await purge(node, anna) == 1


async def test_the_end_of_an_account_is_told_once(node: Node) -> None:
    anna, bert = await make_person(node, "anna"), await make_remote(node, "bert")
    await node.write(social.record_follow, id_of(bert), id_of(anna))
    await node.write_as(anna, posts.publish, Draft("one @bert@field.example"))
    assert await sent(node) == ["Create"]
    await node.write(accounts.delete_account, id_of(anna))
    await purge(node, anna)
    assert (await sent(node)).count("Delete") == 1


async def test_keys_stay_for_the_last_delivery(node: Node) -> None:
    anna = await make_person(node, "anna")
    row = {"account_id": id_of(anna), "iri": "https://eng.example/users/anna#k", "kind": "rsa", "public": "PEM"}
    await node.write(lambda tx: tx.execute(account_key.insert(), row | {"created_at": tx.now}).rowcount)
    await node.write(accounts.delete_account, id_of(anna))
    assert await count_of(node, account_key) == 1


async def test_a_peers_account_ends_by_its_own_word_also_when_suspended(node: Node) -> None:
    bert, carl = await make_remote(node, "bert"), await make_remote(node, "carl")
    await node.write(accounts.suspend, id_of(bert))
    for who in (bert, carl):
        await node.write_as(who, accounts.delete_account, id_of(who))
    assert await count_of(node, account, account.c.gone_at.is_not(None)) == 2
    assert await sent(node) == []
    with pytest.raises(NotFound):
        await node.write(accounts.unsuspend, id_of(bert))
