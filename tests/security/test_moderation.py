"""Suspension holds at ingest, at reading and at boosting (protocol section 8, CVE-2026-23961)."""

import pytest

from activitypub.errors import ProtocolError
from activitypub.vocabulary import PUBLIC
from node import accounts, social, timelines
from node.errors import NodeError, NotFound
from node.federation.network import Network
from node.paging import Page
from node.runtime import Node
from node.schema import post as post_table
from node.viewer import Viewer
from tests.node.federation.conftest import Post
from tests.security.world import World, make_world
from tests.support.remote_peer import RemotePeer
from tests.support.rows import count_of, id_of, rows_of


@pytest.fixture
async def world(
    node: Node, network: Network, post: Post, peer: RemotePeer, stranger: RemotePeer, alice: Viewer
) -> World:
    return await make_world(node, network, post, peer, stranger, alice)


async def home(world: World) -> set[str]:
    """Texts of what alice sees at home, boosted or not."""
    ids = set(await world.node.read_as(world.alice, timelines.home, Page(limit=40)))
    rows = await rows_of(world.node, post_table)
    shown = ids | {row.boost_of_id for row in rows if row.id in ids}
    return {row.content for row in rows if row.id in shown}


async def follow(world: World, iri: str) -> int:
    target = int((await world.node.read(accounts.known, iri)).id)
    await world.node.write_as(world.alice, social.follow, target)
    await world.node.write(lambda tx: social.record_accept(tx, id_of(world.alice), target))
    return target


@pytest.mark.parametrize("suspended", [False, True])
async def test_a_boost_does_not_bring_back_who_is_suspended(world: World, suspended: bool) -> None:
    """Eve boosts what bert wrote before, and what he wrote since. Neither shows; without the suspension both do."""
    await follow(world, world.eve)
    bert_id = int((await world.node.read(accounts.known, world.bert)).id)
    if suspended:
        await world.node.write(accounts.suspend, bert_id)
    new = world.peer.note(50, world.bert, "Since")
    for number, iri in enumerate((world.note["id"], new["id"])):
        await world.arrives(world.say("Announce", world.eve, iri, number, to=[PUBLIC]), by=world.eve)
    expected = set() if suspended else {"<p>As bert wrote it</p>", "<p>Since</p>"}
    assert (await home(world)) & {"<p>As bert wrote it</p>", "<p>Since</p>"} == expected


@pytest.mark.parametrize("suspended", [False, True])
async def test_nothing_of_the_suspended_is_fetched_into_a_thread(world: World, suspended: bool) -> None:
    bert_id = int((await world.node.read(accounts.known, world.bert)).id)
    if suspended:
        await world.node.write(accounts.suspend, bert_id)
    parent = world.peer.note(51, world.bert, "Parent")
    answer = world.peer.note(52, world.carl, "Answer", inReplyTo=parent["id"], tag=[
        {"type": "Mention", "href": world.alice_iri, "name": "@alice"}
    ], cc=[world.alice_iri])  # fmt: skip
    await world.arrives(world.say("Create", world.carl, answer, 1), by=world.carl)
    assert await count_of(world.node, post_table, post_table.c.iri == answer["id"]) == 1
    assert await count_of(world.node, post_table, post_table.c.iri == parent["id"]) == int(not suspended)
    if suspended:
        with pytest.raises((ProtocolError, NodeError)):
            await world.network.fetch_post(parent["id"])


@pytest.mark.parametrize("suspended", [False, True])
async def test_the_suspended_do_nothing_here(world: World, suspended: bool) -> None:
    """A key that is held in memory is no way round: the next activity is refused, or dropped by the worker."""
    bert_id = int((await world.node.read(accounts.known, world.bert)).id)
    if suspended:
        await world.node.write(accounts.suspend, bert_id)
    posts = await count_of(world.node, post_table)
    note = world.peer.note(53, world.bert, "Still here")
    outcome = await world.arrives(world.say("Create", world.bert, note, 1), by=world.bert)
    assert outcome.startswith("refused") is suspended
    assert await count_of(world.node, post_table) == posts + int(not suspended)


async def test_a_suspended_account_is_not_there_for_anybody(world: World) -> None:
    bert_id = int((await world.node.read(accounts.known, world.bert)).id)
    assert (await world.node.read_as(world.alice, accounts.by_handle, f"bert@{world.peer.domain}")).id == bert_id
    await world.node.write(accounts.suspend, bert_id)
    with pytest.raises(NotFound):
        await world.node.read_as(world.alice, accounts.by_handle, f"bert@{world.peer.domain}")
