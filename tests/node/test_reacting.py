"""Reactions of people here: what is stored, counted, told and sent."""

import pytest

from activitypub.audience import Visibility
from node import accounts, emoji, notifications, posts, reacting, reactions, removal, social
from node.emoji import IN_TEXT
from node.errors import Forbidden, Invalid, NotFound
from node.imaging import Image
from node.paging import Page
from node.runtime import Node
from node.schema import emoji as emoji_table
from node.schema import media, reaction
from node.viewer import NOBODY, Viewer
from tests.support.actors import make_remote
from tests.support.people import make_person
from tests.support.posting import heard, say
from tests.support.rows import count_of, id_of, rows_of, sent
from tests.support.statements import counted

PICTURE = Image("a" * 48 + ".png", "image/png", 32, 32, False, "b" * 48 + ".jpg", "image/jpeg", 32, 32, "x" * 6)


async def told(node: Node, who: Viewer) -> list[tuple[str, int]]:
    return [(row.kind, row.from_id) for row in await node.read_as(who, notifications.page, Page())]


async def test_a_reaction_is_stored_counted_and_told_once(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await say(node, anna, "hello")
    for written in ("❤", "❤️", "👍"):
        assert await node.write_as(bea, reacting.react, post_id, written) == post_id
    assert [row.name for row in await rows_of(node, reaction)] == ["❤️", "👍"]
    row = await node.read(posts.get, post_id)
    assert (row.reactions_count, row.favourites_count, row.rev) == (2, 0, 0)
    assert await told(node, anna) == [("reaction", id_of(bea))]
    assert await sent(node) == []


async def test_the_notification_goes_with_the_last_reaction(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await say(node, anna, "hello")
    for written in ("❤", "👍"):
        await node.write_as(bea, reacting.react, post_id, written)
    await node.write_as(bea, reacting.unreact, post_id, "👍")
    assert await told(node, anna) == [("reaction", id_of(bea))]
    for _ in range(2):
        assert await node.write_as(bea, reacting.unreact, post_id, "❤") == post_id
    assert await told(node, anna) == []
    assert (await node.read(posts.get, post_id)).reactions_count == 0


@pytest.mark.parametrize("written", ["", "yes", ":unknown:", "❤❤", "pump@field.example", "x" * 5000, ":", "\x00"])
async def test_what_is_no_emoji_is_invalid(node: Node, written: str) -> None:
    anna = await make_person(node, "anna")
    post_id = await say(node, anna, "hello")
    with pytest.raises(Invalid):
        await node.write_as(anna, reacting.react, post_id, written)
    assert await count_of(node, reaction) == 0


async def test_twenty_different_ones_are_enough(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await say(node, anna, "hello")
    faces = [chr(0x1F600 + number) for number in range(reacting.MOST + 1)]
    for face in faces[:-1]:
        await node.write_as(anna, reacting.react, post_id, face)
    with pytest.raises(Invalid):
        await node.write_as(anna, reacting.react, post_id, faces[-1])
    assert await node.write_as(anna, reacting.react, post_id, faces[0]) == post_id
    assert await node.write_as(bea, reacting.react, post_id, faces[-1]) == post_id
    assert (await node.read(posts.get, post_id)).reactions_count == reacting.MOST + 1


async def test_what_one_may_not_see_cannot_be_reacted_to(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    secret = await say(node, anna, "mine", visibility=Visibility.FOLLOWERS)
    open_one = await say(node, anna, "for all")
    for rule in (reacting.react, reacting.unreact):
        with pytest.raises(NotFound):
            await node.write_as(bea, rule, secret, "👍")
        with pytest.raises(Forbidden):
            await node.write_as(NOBODY, rule, open_one, "👍")
    with pytest.raises(NotFound):
        await node.read_as(bea, reacting.people, secret)
    assert await count_of(node, reaction) == 0


async def test_a_reaction_to_a_boost_is_one_to_the_post_and_may_be_taken_back_unseen(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await say(node, anna, "hello")
    boost_id = await node.write_as(anna, reactions.boost, post_id)
    assert await node.write_as(bea, reacting.react, boost_id, "👍") == post_id
    await node.write_as(anna, social.block, id_of(bea))
    assert await node.write_as(bea, reacting.unreact, boost_id, "👍") == post_id
    assert await count_of(node, reaction) == 0


async def test_a_reaction_to_a_peers_post_is_sent_to_its_author_as_a_like_with_content(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    post_id = await heard(node, far)
    await node.write_as(anna, reacting.react, post_id, "👍")
    assert await sent(node) == ["Like"]
    await node.write_as(anna, reacting.unreact, post_id, "👍")
    assert await count_of(node, reaction) == 0


async def test_a_custom_emoji_is_known_by_its_node(node: Node) -> None:
    anna = await make_person(node, "anna")
    post_id = await say(node, anna, "hello")
    await node.write(emoji.add, "pump", PICTURE, "Machines")
    for written in (":pump:", "pump"):
        await node.write_as(anna, reacting.react, post_id, written)
    (row,) = await rows_of(node, reaction)
    (made,) = await rows_of(node, emoji_table)
    assert (row.name, row.emoji_id) == (":pump:", made.id)
    await node.write(emoji.disable, "pump")
    assert await node.read(reacting.numbers, [post_id]) == {}
    with pytest.raises(Invalid):
        await node.write_as(anna, reacting.react, post_id, "pump")
    assert await node.write_as(anna, reacting.unreact, post_id, "pump") == post_id
    assert await count_of(node, reaction) == 0


async def test_reactions_of_a_deleted_account_are_taken_out_and_no_longer_counted(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await say(node, anna, "hello")
    await node.write_as(bea, reacting.react, post_id, "👍")
    await node.write_as(anna, reacting.react, post_id, "👍")
    await node.write_as(bea, accounts.delete_account, id_of(bea))
    while await node.write(removal.purge, id_of(bea)):
        pass
    assert [row.account_id for row in await rows_of(node, reaction)] == [id_of(anna)]
    assert (await node.read(posts.get, post_id)).reactions_count == 1


async def test_removed_and_added_again_an_emoji_keeps_its_address_and_old_files_are_retired(node: Node) -> None:
    first = await node.write(emoji.add, "pump", PICTURE)
    await node.write(emoji.remove, "pump")
    with pytest.raises(NotFound):
        await node.read(lambda tx: emoji.picture(tx, first, still=False))
    with pytest.raises(NotFound):
        await node.write(emoji.remove, "pump")
    assert await node.read(emoji.own) == []
    other = Image("c" * 48 + ".gif", "image/gif", 32, 32, True, "d" * 48 + ".jpg", "image/jpeg", 32, 32, "x" * 6)
    assert await node.write(emoji.add, "pump", other) == first
    assert await node.read(lambda tx: emoji.picture(tx, first, still=True)) == other.preview
    assert [row.file for row in await rows_of(node, media)] == [PICTURE.file]


@pytest.mark.parametrize("shortcode", ["", "a", "x" * 31, "a b", "ä_ö", "a:b", "../x", "a-b"])
async def test_a_shortcode_of_ours_is_plain(node: Node, shortcode: str) -> None:
    with pytest.raises(Invalid):
        await node.write(emoji.add, shortcode, PICTURE)
    assert await count_of(node, emoji_table) == 0


def test_a_shortcode_in_a_text_stands_by_itself() -> None:
    assert IN_TEXT.findall(":pump: (:valve:)\n:oil_1:") == ["pump", "valve", "oil_1"]
    assert IN_TEXT.findall("at 10:30:15, a:pump:, :pump:s, ::pump::, :a:, :pump :, https://x.example:80:") == []


async def test_a_text_without_emoji_costs_no_statement(node: Node) -> None:
    with counted() as run:
        found = await node.read(lambda tx: emoji.named(tx, [(None, emoji.codes("See https://a.example/ at 10:30"))]))
    assert (found, run) == ({}, [])
