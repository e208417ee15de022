"""Who follows the author of a post on a third node finds the answers that they may see, although nobody sent them there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from activitypub.audience import Visibility
from node import posts, timelines
from node.federation import conversations
from node.paging import Page
from tests.support.live_company import founded, quiet, running

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("spread", ["company", "subscribed"])
async def test_opening_a_thread_brings_answers_that_were_not_sent_and_home_lacks_none(
    tmp_path: Path, new_database_url: Callable[[str, Path], str], spread: str
) -> None:
    nodes = founded(tmp_path, new_database_url, 3)
    pumps, seals, sales = nodes
    async with running(nodes, spread=spread, history_days=0):
        anna, bert, sara = await pumps.person("anna"), await seals.person("bert"), await sales.person("sara")
        for one, who in ((seals, bert), (sales, sara)):
            await one.follow(who, f"anna@{pumps.domain}")
        await quiet(nodes)
        root = await pumps.say(anna, "hello")
        await quiet(nodes)
        to_root = {"in_reply_to_id": await seals.id_of(root)}
        public = await seals.say(bert, "an answer", **to_root)
        quiet_one = await seals.say(bert, "a quiet answer", visibility=Visibility.UNLISTED, **to_root)
        few = await seals.say(bert, "for my followers", visibility=Visibility.FOLLOWERS, **to_root)
        await quiet(nodes)
        assert {public, quiet_one} <= await pumps.copies()
        sent = {public} if spread == "company" else set()
        assert await sales.copies() == {root} | sent

        # She follows nobody who answered: her home has the post alone, as it has with answers that are here.
        home = await sales.node.read_as(sara, timelines.home, Page(limit=20))
        assert home == [await sales.id_of(root)]
        here = await sales.id_of(root)
        await conversations.opened(sales.node, await sales.node.read_as(sara, posts.context, here))
        await quiet(nodes)
        shown = await sales.node.read_as(sara, posts.context, here)
        assert {await sales.iri(one) for one in shown.descendants} == {public, quiet_one}
        assert few not in await sales.copies()
        assert await sales.node.read_as(sara, timelines.home, Page(limit=20)) == home
