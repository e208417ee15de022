"""How far posts go in a company of real nodes: every copy that is expected, and no other."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from activitypub.audience import Visibility
from node import posts, reactions, social
from node.posts import Changes
from node.runtime import Tx
from node.schema import account, event, notification, peer_history, post, tag_subscriber, tag_subscription, tombstone
from tests.support.live_company import LiveNode, founded, quiet, running
from tests.support.rows import count_of, rows_of

NewDatabase = Callable[[str, Path], str]
pytestmark = pytest.mark.timeout(180)


async def copies(nodes: Sequence[LiveNode]) -> list[set[str]]:
    await quiet(nodes)
    return [await one.copies() for one in nodes]


async def content_of(node: LiveNode, iri: str) -> str:
    row = await node.node.read(posts.by_iri, iri)
    return "" if row is None else str(row.content)


async def test_what_is_public_reaches_every_node_and_all_else_only_whom_it_is_for(
    tmp_path: Path, new_database_url: NewDatabase
) -> None:
    nodes = founded(tmp_path, new_database_url, 4)
    pumps, seals, sales, field = nodes
    async with running(nodes):
        anna, bert = await pumps.person("anna"), await seals.person("bert")
        await seals.follow(bert, f"anna@{pumps.domain}")
        await quiet(nodes)
        public = await pumps.say(anna, "for all #pump")
        unlisted = await pumps.say(anna, "quietly", visibility=Visibility.UNLISTED)
        followers = await pumps.say(anna, "for few", visibility=Visibility.FOLLOWERS)
        await pumps.say(anna, "among us", local_only=True)
        assert await copies(nodes) == [set(), {public, unlisted, followers}, {public}, {public}]

        direct = await seals.say(bert, f"@anna@{pumps.domain} a word", visibility=Visibility.DIRECT)
        boost = await seals.node.write_as(bert, reactions.boost, await seals.id_of(public))
        boosted = f"{await seals.iri(boost)}/activity"
        after = await copies(nodes)
        assert after[0] == {direct, boosted}
        assert after[2] == after[3] == {public, boosted}

        # Edits and deletions go wherever a copy may be, and make none where there is none.
        await pumps.node.write_as(anna, posts.edit, await pumps.id_of(public), Changes(text="for everybody #pump"))
        await pumps.node.write_as(anna, posts.edit, await pumps.id_of(unlisted), Changes(text="quieter"))
        assert await copies(nodes) == after
        for one in (seals, sales, field):
            assert "for everybody" in await content_of(one, public)
        assert "quieter" in await content_of(seals, unlisted)

        await pumps.node.write_as(anna, posts.delete, await pumps.id_of(public))
        assert await copies(nodes) == [{direct}, {unlisted, followers}, set(), set()]
        assert await count_of(field.node, tombstone, tombstone.c.iri == public) == 1


async def test_a_node_that_joins_reads_what_was_before_and_nobody_is_told(
    tmp_path: Path, new_database_url: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.federation.published.PAGE", 5)
    *old, new = nodes = founded(tmp_path, new_database_url, 5)
    written: set[str] = set()
    async with running(old):
        people = [await one.person(f"p{number}") for number, one in enumerate(old)]
        for number in range(12):
            written.add(await old[0].say(people[0], f"number {number} #pump"))
        root = await old[0].say(people[0], f"hello @ivan@{new.domain}")
        await quiet(old)
        answer = await old[1].say(people[1], "an answer", in_reply_to_id=await old[1].id_of(root))
        boost = await old[2].node.write_as(people[2], reactions.boost, await old[2].id_of(root))
        written |= {root, answer, f"{await old[2].iri(boost)}/activity"}
        await old[0].say(people[0], "quietly", visibility=Visibility.UNLISTED)
        await old[0].say(people[0], "for few", visibility=Visibility.FOLLOWERS)
        await old[0].say(people[0], "among us", local_only=True)
        await quiet(old)

    async with running(nodes):
        await quiet(nodes)
        assert await new.copies() == written
        rows = await rows_of(new.node, post)
        assert [row.id for row in sorted(rows, key=lambda row: (row.created_at, row.id))] == [row.id for row in rows]
        theirs = {row.iri: row.created_at for row in await rows_of(old[0].node, post)}
        assert all(row.created_at == theirs[row.iri] for row in rows if row.object_type == "Note")
        threaded = next(row for row in rows if row.iri == answer)
        assert threaded.conversation_id == next(row.id for row in rows if row.iri == root)
        assert await count_of(new.node, notification) == 0
        assert await count_of(new.node, event, event.c.kind == "update") == 0
        assert [row.done for row in await rows_of(new.node, peer_history)] == [True] * 4

        # What is new comes by itself, once, and reading again changes nothing.
        live = await old[0].say(people[0], "news")
        await quiet(nodes)
        await new.node.write(lambda tx: _again(tx, old[0].domain))
        assert (await copies(nodes))[-1] == written | {live}


def _again(tx: Tx, domain: str) -> None:
    tx.enqueue("history.read", {"peer": domain, "since": 0})


async def test_history_is_for_peers_alone_and_is_read_only_as_far_as_is_wanted(
    tmp_path: Path, new_database_url: NewDatabase
) -> None:
    from node import viewer
    from node.errors import NotFound
    from node.federation import history, published

    one, other = nodes = founded(tmp_path, new_database_url, 2)
    async with running(nodes, history_days=0):
        await one.person("anna")
        await other.person("bert")
        await quiet(nodes)
        assert await rows_of(other.node, peer_history) == []
        with pytest.raises(NotFound):
            await one.node.read_as(viewer.NOBODY, published.history, None)
        with pytest.raises(NotFound):
            await one.node.read_as(viewer.Viewer(viewer.Kind.NOBODY, anonymous_read=True), published.history, None)
        assert (await one.node.read_as(viewer.peer(other.domain), published.history, None))["first"]
        await other.node.write(history.want, "stranger.example", 0)
        assert await count_of(other.node, peer_history) == 1


async def test_by_subscription_only_those_who_asked_get_a_post(tmp_path: Path, new_database_url: NewDatabase) -> None:
    nodes = founded(tmp_path, new_database_url, 3)
    pumps, seals, sales = nodes
    async with running(nodes, spread="subscribed"):
        anna, bert = await pumps.person("anna"), await seals.person("bert")
        before = await pumps.say(anna, "#pump before")
        await pumps.say(anna, "#pump quietly, before", visibility=Visibility.UNLISTED)
        await pumps.say(anna, "#seal before")
        assert await copies(nodes) == [set(), set(), set()]

        await seals.node.write_as(bert, social.follow_tag, "Pump")
        await quiet(nodes)
        assert {row.state for row in await rows_of(seals.node, tag_subscription)} == {"accepted"}
        assert await count_of(pumps.node, tag_subscriber) == await count_of(sales.node, tag_subscriber) == 1
        # The newest that was written before comes to the node that asked, and nobody is told of it.
        assert await copies(nodes) == [set(), {before}, set()]
        assert await count_of(seals.node, notification) == 0
        assert await count_of(seals.node, event, event.c.kind == "update") == 0
        await pumps.node.write_as(anna, posts.delete, await pumps.id_of(before))
        tagged = await pumps.say(anna, "#PUMP leaks")
        other = await pumps.say(anna, "#seal holds")
        await pumps.say(anna, "#pump quietly", visibility=Visibility.UNLISTED)
        assert await copies(nodes) == [set(), {tagged}, set()]

        # What was sent to few is taken back from all, and edits make no copy where nobody asked.
        await pumps.node.write_as(anna, posts.edit, await pumps.id_of(other), Changes(text="#seal holds on"))
        assert await copies(nodes) == [set(), {tagged}, set()]
        await pumps.node.write_as(anna, posts.delete, await pumps.id_of(tagged))
        assert await copies(nodes) == [set(), set(), set()]

        await seals.node.write_as(bert, social.unfollow_tag, "pump")
        await quiet(nodes)
        assert await rows_of(seals.node, tag_subscription) == []
        assert await count_of(pumps.node, tag_subscriber) == await count_of(sales.node, tag_subscriber) == 0
        await pumps.say(anna, "#pump again")
        assert await copies(nodes) == [set(), set(), set()]


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_twenty_nodes_have_every_expected_copy_and_no_other(
    tmp_path: Path, new_database_url: NewDatabase
) -> None:
    """Every pair follows; 2,000 posts, of which some are for followers, some for the department, some are taken back."""
    nodes = founded(tmp_path, new_database_url, 20)
    for_all: list[set[str]] = []
    async with running(nodes):
        people = [await one.person(f"p{number}") for number, one in enumerate(nodes)]
        for one, who in zip(nodes, people, strict=True):
            for number, other in enumerate(nodes):
                if other is not one:
                    await one.follow(who, f"p{number}@{other.domain}")
        await quiet(nodes, 600)
        for one, who in zip(nodes, people, strict=True):
            here: set[str] = set()
            for number in range(100):
                if number % 10 == 9:
                    await one.say(who, f"among us {number}", local_only=True)
                    continue
                few = Visibility.FOLLOWERS if number % 10 == 8 else Visibility.PUBLIC
                iri = await one.say(who, f"number {number} #t{number % 7}", visibility=few)
                if number % 10 == 7:
                    await one.node.write_as(who, posts.delete, await one.id_of(iri))
                else:
                    here.add(iri)
            for_all.append(here)
        await quiet(nodes, 3000)
        for number, one in enumerate(nodes):
            expected = set().union(*(theirs for index, theirs in enumerate(for_all) if index != number))
            assert await one.copies() == expected
            authors = select(account.c.id).where(account.c.domain.is_not(None), account.c.actor_type == "Person")
            assert len(await one.node.read(lambda tx: tx.scalars(authors))) == 19  # noqa: B023
