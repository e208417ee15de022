"""Reactions and custom emoji between two departments' nodes as processes, with real signatures."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tests.support.pictures import png
from tests.support.running import RunningNode, until


async def test_a_custom_emoji_and_reactions_travel_between_departments(
    two_nodes: tuple[RunningNode, RunningNode], tmp_path: Path
) -> None:
    engineering, field = two_nodes
    anna, tom = engineering.person("anna"), field.person("tom")
    (tmp_path / "pump.png").write_bytes(png())
    engineering.command("emoji", "add", "pump", str(tmp_path / "pump.png"))
    field.command("emoji", "add", "wrench", str(tmp_path / "pump.png"))
    await tom.follow(anna)
    posted = await anna.status("The :pump: leaks")
    copy = await tom.sees(posted["uri"])
    (shown,) = copy["emojis"]
    assert shown["shortcode"] == "pump"
    assert shown["url"].startswith(field.base)

    async def served() -> bool:
        async with httpx.AsyncClient() as client:
            return (await client.get(shown["url"])).status_code == 200

    await until(served, "the picture is fetched and served here")
    for name in ("🔥", "wrench"):
        await tom.post(f"/api/v1/statuses/{copy['id']}/react/{quote(name)}")

    async def names() -> list[Any]:
        seen = await anna.get(f"/api/v1/statuses/{posted['id']}")
        return [(one["name"], one["count"]) for one in seen["reactions"]]

    async def arrived() -> bool:
        return await names() == [("🔥", 1), (f"wrench@{field.domain}", 1)]

    await until(arrived, "both reactions arrive")
    told = [one for one in await anna.get("/api/v1/notifications") if one["type"] == "favourite"]
    assert [one["account"]["acct"] for one in told] == [tom.handle]
    assert (await anna.get(f"/api/v1/statuses/{posted['id']}"))["favourites_count"] == 0
    await tom.post(f"/api/v1/statuses/{copy['id']}/unreact/{quote('🔥')}")

    async def undone() -> bool:
        return await names() == [(f"wrench@{field.domain}", 1)]

    await until(undone, "the undoing arrives")
