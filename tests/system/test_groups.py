"""A group whose members sit in two departments, over real signatures."""

import pytest

from tests.support.running import Person, RunningNode, until

PATH = "/api/corridor/v1/groups"
pytestmark = pytest.mark.timeout(180)


async def test_people_of_two_departments_talk_in_one_group(two_nodes: tuple[RunningNode, RunningNode]) -> None:
    engineering, field = two_nodes
    anna, tom, eve = engineering.person("anna"), field.person("tom"), field.person("eve")
    group = await anna.post(PATH, username="pumps", display_name="All about pumps")
    handle = f"pumps@{engineering.domain}"
    copy = await tom.find(handle)
    seen = await tom.get(f"/api/v1/accounts/{copy['id']}")
    assert (seen["group"], seen["bot"]) == (True, False)
    await tom.post(f"/api/v1/accounts/{copy['id']}/follow")

    async def joined() -> bool:
        (relation,) = await tom.get("/api/v1/accounts/relationships", **{"id[]": copy["id"]})
        return bool(relation["following"])

    await until(joined, "the group lets a member in")

    from_anna = await anna.status("@pumps the seal leaks")
    await until(lambda: _at_home(tom, from_anna["uri"], handle), "the group's post is at home elsewhere")
    from_tom = await tom.status(f"@{handle} here too")
    await until(lambda: _at_home(anna, from_tom["uri"], "pumps"), "what a member wrote elsewhere is at home")
    assert [status["uri"] for status in await eve.home()] == []  # no member

    aside = await anna.status("@pumps for us alone", local_only=True)
    answer = await anna.status("@pumps and this", in_reply_to_id=from_anna["id"])

    async def answered() -> bool:
        thread = (await tom.get(f"/api/v1/statuses/{await _id(tom, from_anna['uri'])}/context"))["descendants"]
        return [status["uri"] for status in thread] == [answer["uri"]]

    await until(answered, "an answer in the group's thread arrives")
    boosted = [status["reblog"]["uri"] for status in await tom.home() if status["reblog"]]
    assert boosted.count(from_anna["uri"]) == 1
    assert answer["uri"] not in boosted
    assert aside["uri"] not in boosted

    await anna.call("DELETE", f"{PATH}/{group['id']}/posts/{from_anna['id']}")
    copy_id = await _id(tom, from_anna["uri"])

    async def taken_out() -> bool:
        return from_anna["uri"] not in [status["reblog"]["uri"] for status in await tom.home() if status["reblog"]]

    await until(taken_out, "what a moderator took out leaves the homes of members elsewhere")
    assert (await tom.get(f"/api/v1/statuses/{copy_id}"))["uri"] == from_anna["uri"]

    await anna.call("DELETE", f"{PATH}/{group['id']}")

    async def gone() -> bool:
        async with tom.client() as client:
            return (await client.get(f"/api/v1/accounts/{copy['id']}")).status_code == 404

    await until(gone, "the group is gone elsewhere too")


async def _at_home(person: Person, uri: str, group: str) -> bool:
    found = [status for status in await person.home() if status["reblog"] and status["reblog"]["uri"] == uri]
    return [status["account"]["acct"] for status in found] == [group]


async def _id(person: Person, uri: str) -> str:
    found = await person.get("/api/v2/search", q=uri, resolve="true", type="statuses")
    return str(found["statuses"][0]["id"])
