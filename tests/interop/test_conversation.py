"""A node of ours and servers on other people's implementations: everything that two people do, both ways, really signed.

Fedify (JavaScript) speaks RFC 9421 first and draft-cavage second, bovine (Python) draft-cavage. `make interop` installs
them.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from activitypub.vocabulary import AP_TYPE
from tests.conftest import missing
from tests.interop.counterparts import COMMANDS, Counterpart
from tests.support.running import Person, RunningNode, until
from tests.system.conftest import make_running_node

__all__ = ["make_running_node"]

Maker = Callable[..., RunningNode]
pytestmark = [pytest.mark.interop, pytest.mark.timeout(180), pytest.mark.xdist_group("interop")]


@pytest.fixture(params=list(COMMANDS))
def counterpart(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Counterpart]:
    nells = Counterpart(request.param, tmp_path)
    try:
        nells.start()
        yield nells
    finally:
        nells.stop()


@pytest.fixture
def node(make_running_node: Maker) -> RunningNode:
    """In secure mode, with any peer allowed."""
    made = make_running_node("Engineering")
    made.start()
    return made


@pytest.fixture
def alice(node: RunningNode) -> Person:
    return node.person("alice")


def inbox(alice: Person) -> str:
    return f"{alice.node.base}/inbox"


def iri(alice: Person) -> str:
    return f"{alice.node.base}/users/{alice.name}"


async def relation(alice: Person, account: dict[str, Any]) -> dict[str, Any]:
    answer = await alice.get("/api/v1/accounts/relationships", **{"id[]": account["id"]})
    return dict(answer[0])


async def found(alice: Person, handle: str) -> dict[str, Any]:
    """Nell as alice finds her: a search gives up after a moment, and a machine with much to do is slow to answer."""
    seen: list[dict[str, Any]] = []

    async def there() -> bool:
        answer = await alice.get("/api/v2/search", q=handle, resolve="true", type="accounts")
        seen[:] = answer["accounts"]
        return bool(seen)

    await until(there, f"{handle} is found", seconds=45)
    return seen[0]


async def befriended(alice: Person, counterpart: Counterpart) -> dict[str, Any]:
    """Nell as alice sees her, after each has followed the other."""
    nell = await found(alice, counterpart.handle)
    await alice.post(f"/api/v1/accounts/{nell['id']}/follow")
    await counterpart.receives("Follow", object_id=counterpart.nell)
    follow = await counterpart.sends("Follow", iri(alice), inbox(alice))

    async def both() -> bool:
        now = await relation(alice, nell)
        return bool(now["following"] and now["followed_by"])

    await until(both, "the two follow each other")
    await counterpart.receives("Accept", object_id=follow["id"])
    return nell


async def test_people_find_and_follow_each_other_and_part_again(alice: Person, counterpart: Counterpart) -> None:
    nell = await befriended(alice, counterpart)
    assert nell["display_name"].startswith("Nell on")
    assert nell["acct"] == counterpart.handle

    await alice.post(f"/api/v1/accounts/{nell['id']}/unfollow")
    await counterpart.receives("Undo", object_type="Follow")
    follow = {
        "id": f"{counterpart.base}/activities/0",
        "type": "Follow",
        "actor": counterpart.nell,
        "object": iri(alice),
    }
    await counterpart.sends("Undo", follow, inbox(alice))

    async def parted() -> bool:
        now = await relation(alice, nell)
        return not (now["following"] or now["followed_by"])

    await until(parted, "neither follows the other")


async def test_what_alice_does_arrives_there(alice: Person, counterpart: Counterpart) -> None:
    nell = await befriended(alice, counterpart)
    posted = await alice.status(f"A valve is stuck #pumps @{counterpart.handle}", spoiler_text="machines")
    created = await counterpart.receives("Create", object_id=posted["uri"])
    assert created["actor"] == iri(alice)
    assert "A valve is stuck" in created["object"]["content"]
    assert created["object"]["summary"] == "machines"
    read = await counterpart.control("fetch", url=posted["uri"])
    assert (read["id"], read["type"]) == (posted["uri"], "Note")
    assert "A valve is stuck" in read["content"]

    await alice.call("PUT", f"/api/v1/statuses/{posted['id']}", json={"status": "It is free again"})
    updated = await counterpart.receives("Update", object_id=posted["uri"])
    assert "free again" in updated["object"]["content"]

    note = await counterpart.note("Which valve?", inReplyTo=posted["uri"])
    await counterpart.sends("Create", note, inbox(alice), to=note["to"], cc=note["cc"])
    theirs = await alice.sees(note["id"])
    assert theirs["in_reply_to_id"] == posted["id"]

    reply = await alice.status(f"@{counterpart.handle} the third", in_reply_to_id=theirs["id"])
    await counterpart.receives("Create", object_id=reply["uri"], object_inReplyTo=note["id"])
    await alice.post(f"/api/v1/statuses/{theirs['id']}/favourite")
    await counterpart.receives("Like", object_id=note["id"])
    await alice.post(f"/api/v1/statuses/{theirs['id']}/reblog")
    await counterpart.receives("Announce", object_id=note["id"])
    await alice.post(f"/api/v1/statuses/{theirs['id']}/unfavourite")
    await counterpart.receives("Undo", object_type="Like")
    await alice.post(f"/api/v1/statuses/{theirs['id']}/unreblog")
    await counterpart.receives("Undo", object_type="Announce")

    await alice.call("DELETE", f"/api/v1/statuses/{reply['id']}")
    await counterpart.receives("Delete", object_id=reply["uri"])
    assert (await relation(alice, nell))["following"]


async def test_what_nell_does_arrives_here(alice: Person, counterpart: Counterpart) -> None:
    await befriended(alice, counterpart)
    note = await counterpart.note("Seen at three customers")
    await counterpart.sends("Create", note, inbox(alice), to=note["to"], cc=note["cc"])
    seen = await alice.sees(note["id"])
    assert "three customers" in seen["content"]
    assert (seen["visibility"], seen["account"]["acct"]) == ("public", counterpart.handle)

    edited = {**note, "content": "<p>Seen at four customers</p>", "updated": "2099-01-01T00:00:00Z"}
    await counterpart.sends("Update", edited, inbox(alice), to=note["to"])

    async def changed() -> bool:
        now = await alice.get(f"/api/v1/statuses/{seen['id']}")
        return "four" in now["content"] and now["edited_at"] is not None

    await until(changed, "the edit arrives")

    ours = await alice.status("Who knows about seals?")
    liked = await counterpart.sends("Like", ours["uri"], inbox(alice))
    boosted = await counterpart.sends("Announce", ours["uri"], inbox(alice), to=note["to"], cc=note["cc"])
    answer = await counterpart.note("I do", inReplyTo=ours["uri"], tag=[{"type": "Mention", "href": iri(alice)}])
    await counterpart.sends("Create", answer, inbox(alice), to=answer["to"], cc=answer["cc"])

    def counts(*expected: int) -> Callable[[], Any]:
        async def counted() -> bool:
            now = await alice.get(f"/api/v1/statuses/{ours['id']}")
            return (now["favourites_count"], now["reblogs_count"], now["replies_count"]) == expected

        return counted

    await until(counts(1, 1, 1), "favourite, boost and answer arrive")
    kinds = {one["type"] for one in await alice.get("/api/v1/notifications")}
    assert {"follow", "favourite", "reblog", "mention"} <= kinds
    await counterpart.sends("Undo", {key: liked[key] for key in ("id", "type", "actor", "object")}, inbox(alice))
    await counterpart.sends("Undo", {key: boosted[key] for key in ("id", "type", "actor", "object")}, inbox(alice))
    await counterpart.sends("Delete", {"id": answer["id"], "type": "Tombstone"}, inbox(alice), to=answer["to"])
    await until(counts(0, 0, 0), "favourite, boost and answer are gone")


async def test_nell_votes_in_alices_poll(alice: Person, counterpart: Counterpart) -> None:
    await befriended(alice, counterpart)
    asked = await alice.status("Which valve sticks?", poll={"options": ["left", "right"], "expires_in": 3600})
    created = await counterpart.receives("Create", object_id=asked["uri"], object_type="Question")
    assert [option["name"] for option in created["object"]["oneOf"]] == ["left", "right"]

    vote = await counterpart.note("", inReplyTo=asked["uri"], name="right", to=iri(alice), cc=[])
    del vote["content"]
    await counterpart.sends("Create", vote, inbox(alice), to=iri(alice))

    async def counted() -> bool:
        poll = await alice.get(f"/api/v1/polls/{asked['poll']['id']}")
        return [option["votes_count"] for option in poll["options"]] == [0, 1]

    await until(counted, "the vote is counted")
    told = await counterpart.receives("Update", object_id=asked["uri"])
    assert [option["replies"]["totalItems"] for option in told["object"]["oneOf"]] == [0, 1]
    assert (await alice.get(f"/api/v1/statuses/{asked['id']}"))["replies_count"] == 0


async def test_alice_votes_in_nells_poll(alice: Person, counterpart: Counterpart) -> None:
    await befriended(alice, counterpart)

    def options(*votes: int) -> list[dict[str, Any]]:
        named = zip(("old", "new"), votes, strict=True)
        return [
            {"type": "Note", "name": name, "replies": {"type": "Collection", "totalItems": number}}
            for name, number in named
        ]

    question = await counterpart.note(
        "Which seal?", kind="Question", oneOf=options(0, 0), endTime="2099-01-01T00:00:00Z", votersCount=0
    )
    await counterpart.sends("Create", question, inbox(alice), to=question["to"], cc=question["cc"])
    seen = await alice.sees(question["id"])
    await alice.post(f"/api/v1/polls/{seen['poll']['id']}/votes", choices=[1])
    vote = await counterpart.receives("Create", object_inReplyTo=question["id"])
    assert vote["object"]["name"] == "new"
    assert not vote["object"].get("content")

    tally = {**question, "oneOf": options(4, 5), "votersCount": 9}
    await counterpart.sends("Update", tally, inbox(alice), to=question["to"])

    async def taken_over() -> bool:
        poll = await alice.get(f"/api/v1/polls/{seen['poll']['id']}")
        return [option["votes_count"] for option in poll["options"]] == [4, 5] and bool(poll["own_votes"] == [1])

    await until(taken_over, "nell's numbers arrive")


async def test_a_block_ends_it(alice: Person, counterpart: Counterpart) -> None:
    nell = await befriended(alice, counterpart)
    await alice.post(f"/api/v1/accounts/{nell['id']}/block")
    await counterpart.receives("Block", object_id=counterpart.nell)
    ours = await alice.status("Not for nell")
    await counterpart.sends("Like", ours["uri"], inbox(alice))
    await counterpart.sends("Follow", iri(alice), inbox(alice))
    await counterpart.receives("Reject")
    now = await alice.get(f"/api/v1/statuses/{ours['id']}")
    assert now["favourites_count"] == 0
    assert not (await relation(alice, nell))["followed_by"]

    await alice.post(f"/api/v1/accounts/{nell['id']}/unblock")
    await counterpart.receives("Undo", object_type="Block")
    await counterpart.sends("Block", iri(alice), inbox(alice))

    async def blocked() -> bool:
        return bool((await relation(alice, nell))["blocked_by"])

    await until(blocked, "her block is known here")


async def test_both_sides_read_only_what_is_signed_for(alice: Person, counterpart: Counterpart) -> None:
    """Secure mode against secure mode: each fetches the other's posts with a signature, and nobody does without."""
    await befriended(alice, counterpart)
    posted = await alice.status("For peers")
    assert (await counterpart.control("fetch", url=posted["uri"]))["id"] == posted["uri"]
    assert (await counterpart.control("fetch", url=iri(alice)))["type"] == "Person"
    note = await counterpart.note("For peers, too")
    answer = await alice.get("/api/v2/search", q=note["id"], resolve="true", type="statuses")
    assert [status["uri"] for status in answer["statuses"]] == [note["id"]]
    async with httpx.AsyncClient(headers={"Accept": AP_TYPE}) as nobody:
        assert (await nobody.get(posted["uri"])).status_code == 401
        assert (await nobody.get(note["id"])).status_code == 401


def test_the_counterparts_are_there_in_ci() -> None:
    for name, (interpreter, _, installed) in COMMANDS.items():
        if not (interpreter.exists() and installed.exists()):
            missing(f"{name} is not installed: make interop")
