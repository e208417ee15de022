"""Every request with a good token counts as a use of it, whatever it comes to."""

from sqlalchemy import select

from node.runtime import Node
from node.schema import oauth_token
from tests.web.conftest import Served


async def used(node: Node) -> list[bool]:
    found = await node.read(lambda tx: tx.scalars(select(oauth_token.c.last_used_at).order_by(oauth_token.c.id)))
    return [at is not None for at in found]


async def test_requests_tell_when_a_token_was_used_and_no_request_waits_for_it(served: Served) -> None:
    people = [await served.person(name) for name in ("reads", "writes", "fails", "nothing", "wrong")]
    reads, writes, fails, _, wrong = people
    await served.http.get("/api/v1/timelines/home", headers=reads.bearer)
    await served.http.post("/api/v1/statuses", json={"status": "hello"}, headers=writes.bearer)
    assert (await served.http.get("/api/v1/statuses/1", headers=fails.bearer)).status_code == 404
    bad = {"Authorization": f"Bearer {wrong.token}x"}
    assert (await served.http.get("/api/v1/timelines/home", headers=bad)).status_code == 401
    assert await used(served.node) == [False] * 5
    await served.app.parts.token_uses.close()
    assert await used(served.node) == [True, True, True, False, False]
