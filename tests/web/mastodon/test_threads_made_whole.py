"""Opening a thread of a peer's person, in a client or on a page, has the rest of it looked up."""

from activitypub.audience import Visibility
from node.federation.conversations import FETCH_JOB
from node.schema import job
from tests.support.actors import make_remote
from tests.support.posting import heard
from tests.support.rows import rows_of
from tests.web.mastodon.conftest import User


async def test_a_thread_that_came_from_elsewhere_is_looked_up_once(anna: User) -> None:
    theirs = await heard(anna.node, await make_remote(anna.node, "bert"))
    for _ in range(2):
        found = await anna.get(f"/api/v1/statuses/{theirs}/context")
        assert found == {"ancestors": [], "descendants": []}
    jobs = await rows_of(anna.node, job, job.c.kind == FETCH_JOB)
    assert [row.payload for row in jobs] == [{"conversation": theirs}]


async def test_a_thread_that_was_written_here_is_not(anna: User) -> None:
    own = await anna.status()
    await anna.status(in_reply_to_id=own["id"])
    await anna.get(f"/api/v1/statuses/{own['id']}/context")
    assert await rows_of(anna.node, job, job.c.kind == FETCH_JOB) == []


async def test_a_thread_that_one_may_not_see_is_not(anna: User) -> None:
    bert = await make_remote(anna.node, "bert")
    hidden = await heard(anna.node, bert, visibility=Visibility.DIRECT)
    assert (await anna.send("GET", f"/api/v1/statuses/{hidden}/context")).status_code == 404
    assert await rows_of(anna.node, job, job.c.kind == FETCH_JOB) == []
