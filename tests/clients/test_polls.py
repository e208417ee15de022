"""A poll asked with `toot` in one department and voted on with Mastodon.py in another, both unmodified."""

import asyncio
import json
from pathlib import Path

import pytest
from mastodon import MastodonAPIError

from tests.support.clients import Toot, eventually, log_in
from tests.support.running import RunningNode
from tests.system.conftest import Maker

pytestmark = [pytest.mark.timeout(180), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


async def test_a_poll_of_toot_is_voted_on_with_mastodon_py(make_running_node: Maker, tmp_path: Path) -> None:
    engineering, field = make_running_node("Engineering"), make_running_node("Field Service")
    for node in (engineering, field):
        node.launch()
    for node in (engineering, field):
        node.wait_until_up()
    engineering.person("anna")
    field.person("tom")
    await asyncio.to_thread(_day, engineering, field, tmp_path)


def _day(engineering: RunningNode, field: RunningNode, folder: Path) -> None:
    anna, tom = Toot(engineering, "anna@example.org", folder / "anna"), log_in(field, "tom@example.org")
    tom.account_follow(tom.account_search(f"anna@{engineering.domain}", resolve=True)[0])
    eventually(lambda: "tom" in anna("followers", "anna"), "the follow arrives")
    options = "--poll-option", "Monday", "--poll-option", "Tuesday", "--poll-expires-in", "1 day"
    posted = json.loads(anna("post", "When do we meet?", *options, "--json"))
    copy = eventually(lambda: [s for s in tom.timeline_home() if s.uri == posted["uri"]], "the poll arrives")[0]
    voted = tom.poll_vote(copy.poll, [1])
    assert (voted.voted, voted.own_votes, voted.votes_count) == (True, [1], 1)
    with pytest.raises(MastodonAPIError, match="You have already voted on this poll"):
        tom.poll_vote(copy.poll, [0])
    eventually(lambda: "100%" in anna("status", posted["id"]), "the vote arrives")

    made = tom.status_post("Which pump?", poll=tom.make_poll(["P7", "P8"], expires_in=86_400, hide_totals=True))
    assert [one.votes_count for one in made.poll.options] == [None, None]
