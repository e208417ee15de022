"""Three departments' nodes as processes become one company, with the commands that administrators type."""

import asyncio
import os
import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.running import Person, RunningNode, corridor, until
from tests.system.conftest import Maker

pytestmark = pytest.mark.timeout(300)


class Office:
    """The company administrator, at a terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run("init", str(folder), "--company", "Acme")

    def lists(self, *nodes: RunningNode) -> None:
        for node in nodes:
            self._run("add", "--dir", str(self.folder), *shlex.split(node.command("roster", "identity")))

    def strikes(self, node: RunningNode) -> None:
        self._run("remove", node.domain, "--dir", str(self.folder))

    def signs(self) -> str:
        """The file with the invitation."""
        self._run("sign", "--dir", str(self.folder))
        return str(self.folder / "invitation.txt")

    def _run(self, *words: str) -> None:
        corridor("roster", *words, env={**os.environ, "CORRIDOR_COMPANY_PASSPHRASE": "hush"})


async def test_a_company_is_founded_grows_and_puts_a_department_out(
    make_running_node: Maker, tmp_path: Path, engine_name: str
) -> None:
    engineering, field, sales = (
        make_running_node(name, engine=engine_name if name == "Engineering" else "sqlite", **IN_COMPANY)
        for name in ("Engineering", "Field Service", "Sales")
    )
    anna, tom, vera = engineering.person("anna"), field.person("tom"), sales.person("vera")
    for node in (engineering, field, sales):
        node.launch()
    for node in (engineering, field, sales):
        node.wait_until_up()
    assert "has not joined" in (await health(engineering))["degraded"][0]

    office = await asyncio.to_thread(Office, tmp_path / "acme")
    office.lists(engineering, field)
    invitation = office.signs()
    for node in (engineering, field):
        assert "is one of Acme" in node.command("join", invitation)  # beside the running server
    await until(lambda: holds(engineering, "ok"), "engineering serves as one of the company")
    await until(lambda: holds(field, "ok"), "so does field service")
    await tom.follow(anna)
    first = await anna.status("The seal of #pump leaks")
    await tom.sees(first["uri"])
    assert await finds(vera, anna) == []  # not one of the company yet

    office.lists(sales)
    sales.command("join", office.signs())  # and nobody tells the others by hand
    await until(lambda: can_find(anna, vera), "engineering has heard of sales", 30)
    await until(lambda: can_find(tom, vera), "field service has heard of sales", 30)
    await vera.follow(anna)
    await anna.follow(vera)
    second = await anna.status("And it leaks again")
    await vera.sees(second["uri"])

    office.strikes(sales)
    engineering.command("join", office.signs())
    await until(lambda: counted(anna, followers=1, following=0), "the follows from and to sales ended", 30)
    third = await anna.status("Only for those who stayed")
    await tom.sees(third["uri"])
    from_outside = await vera.status(f"@{anna.handle} does anybody hear me?")
    await asyncio.sleep(3)
    assert third["uri"] not in {one["uri"] for one in await vera.get("/api/v1/timelines/home")}
    told = await anna.get("/api/v1/notifications")
    assert from_outside["uri"] not in {one["status"]["uri"] for one in told if "status" in one}
    async with anna.client() as client:
        refused = await client.post("/api/v1/statuses", json={"status": f"@{vera.handle} are you there?"})
        assert (refused.status_code, "cannot be reached" in refused.text) == (422, True)
    listed = engineering.command("peers", "list")
    assert f"{field.domain}  active" in listed
    assert "on the roster: Field Service (member)" in listed


IN_COMPANY = {"CORRIDOR_FEDERATION__MODE": "roster"}


async def health(node: RunningNode) -> Any:
    async with httpx.AsyncClient() as http:
        return (await http.get(node.base + "/healthz")).json()


async def holds(node: RunningNode, status: str) -> bool:
    said = await health(node)
    return said["status"] == status and "degraded" not in said


async def finds(who: Person, whom: Person) -> list[Any]:
    found: list[Any] = await who.get("/api/v1/accounts/search", q=whom.handle, resolve="true")
    return found


async def can_find(who: Person, whom: Person) -> bool:
    return bool(await finds(who, whom))


async def counted(person: Person, *, followers: int, following: int) -> bool:
    me = await person.get("/api/v1/accounts/verify_credentials")
    return (me["followers_count"], me["following_count"]) == (followers, following)
