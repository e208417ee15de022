"""A node that is brought back from a backup gets what was for it meanwhile: also what was not public, and no more."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from activitypub.audience import Visibility
from node import posts, reactions, social
from node.federation import recovery
from node.posts import Changes
from node.restoring import CATCH_UP_FROM
from node.schema import favourite, follow, meta, notification, peer_history, post
from node.viewer import Viewer
from tests.support.live_company import LiveNode, founded, quiet, running
from tests.support.rows import count_of, rows_of

NewDatabase = Callable[[str, Path], str]
pytestmark = pytest.mark.timeout(180)


async def copied(one: LiveNode, file: Path) -> int:
    """Take a copy of the database of a node, which is stopped for it; as of when it is (ms)."""
    at = one.node.now()
    await one.stop()
    shutil.copy(one.folder / "corridor.db", file)
    return at


async def brought_back(one: LiveNode, file: Path) -> None:
    await one.stop()
    for path in one.folder.glob("corridor.db*"):
        path.unlink()
    shutil.copy(file, one.folder / "corridor.db")


async def mark(one: LiveNode, taken_at: int) -> None:
    """What `corridor restore` leaves, and the worker looks for when it starts."""
    row = {"key": CATCH_UP_FROM, "value": str(taken_at)}
    await one.node.write(lambda tx: tx.execute(insert(meta), row))
    await one.node.write(recovery.catch_up)


async def words(one: LiveNode) -> dict[str, str]:
    """What is here from elsewhere, by IRI."""
    rows = await rows_of(one.node, post, post.c.local.is_(False))
    return {row.iri: row.content for row in rows}


async def edited(one: LiveNode, who: Viewer, iri: str, text: str) -> None:
    await one.node.write_as(who, posts.edit, await one.id_of(iri), Changes(text=text))


async def deleted(one: LiveNode, who: Viewer, iri: str) -> None:
    await one.node.write_as(who, posts.delete, await one.id_of(iri))


@pytest.mark.parametrize("spread", ["company", "subscribed"])
async def test_what_was_for_its_people_comes_back_and_nothing_else(
    tmp_path: Path, new_database_url: NewDatabase, monkeypatch: pytest.MonkeyPatch, spread: str
) -> None:
    monkeypatch.setattr(recovery, "MARGIN_MS", 0)
    monkeypatch.setattr("node.federation.missed.PAGE", 3)
    nodes = founded(tmp_path, new_database_url, 3)
    pumps, seals, sales = nodes
    async with running(nodes, spread=spread, history_days=0):
        anna, hugo = await pumps.person("anna"), await pumps.person("hugo")
        bert, sara = await seals.person("bert"), await sales.person("sara")
        await seals.follow(bert, f"anna@{pumps.domain}")
        await sales.follow(sara, f"hugo@{pumps.domain}")
        await seals.node.write_as(bert, social.follow_tag, "pump")
        theirs = await seals.say(bert, f"@anna@{pumps.domain} hello")
        await quiet(nodes)
        few = {"visibility": Visibility.FOLLOWERS}
        early = [await pumps.say(anna, f"early {number}", **few) for number in range(2)]
        for_sales = await pumps.say(hugo, "early, for others", **few)
        boosted = await pumps.say(anna, "boosted before")
        await pumps.node.write_as(anna, reactions.boost, await pumps.id_of(boosted))
        await quiet(nodes)

        taken_at = await copied(seals, tmp_path / "backup.db")
        await seals.start(nodes, spread=spread, history_days=0)
        for number in range(4):
            await pumps.say(anna, f"for all {number}")
        await pumps.say(hugo, "#pump by somebody who is not followed")
        await pumps.say(anna, "quietly", visibility=Visibility.UNLISTED)
        await pumps.say(anna, "for few", **few)
        await pumps.say(anna, f"a word, @bert@{seals.domain}", visibility=Visibility.DIRECT)
        await edited(pumps, anna, early[0], "early, and better")
        await edited(pumps, hugo, for_sales, "early, for others, and better")
        await deleted(pumps, anna, early[1])
        await pumps.node.write_as(anna, reactions.unboost, await pumps.id_of(boosted))
        await pumps.node.write_as(anna, reactions.favourite, await pumps.id_of(theirs))
        for who, fields in ((hugo, few), (anna, {"local_only": True}), (anna, {"visibility": Visibility.DIRECT})):
            await pumps.say(who, "nobody there may see this", **fields)
        await pumps.say(anna, f"a word, @sara@{sales.domain}", visibility=Visibility.DIRECT)
        await quiet(nodes)
        before, others = await words(seals), await words(sales)
        expected = {"early, and better", "quietly", "for few", "a word", "for all 3", "#pump", "boosted before"}
        assert all(any(text.lstrip("#") in one for one in before.values()) for text in expected)
        assert not any("early 1" in one or "others" in one or "nobody" in one for one in before.values())
        called = await count_of(seals.node, notification, notification.c.kind == "mention")

        await brought_back(seals, tmp_path / "backup.db")
        await seals.start(nodes, spread=spread, history_days=0)
        old = await words(seals)
        assert early[1] in old
        assert len(old) < len(before)
        await mark(seals, taken_at)
        await quiet(nodes)
        assert await words(seals) == before
        assert await words(sales) == others
        assert await count_of(seals.node, notification, notification.c.kind == "mention") == called == 1
        assert await count_of(seals.node, favourite) == 1
        assert {row.done for row in await rows_of(seals.node, peer_history)} == {True}
        assert await seals.node.read(lambda tx: len(tx.scalars(select(follow.c.id)))) == 1
