"""The `toot` command, unmodified, on two departments."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.support.clients import Toot, eventually
from tests.support.running import RunningNode

Pair = tuple[RunningNode, RunningNode]
pytestmark = pytest.mark.timeout(180)


async def test_two_people_on_two_nodes_use_toot(two_nodes: Pair, tmp_path: Path) -> None:
    engineering, field = two_nodes
    engineering.person("anna")
    field.person("tom")
    await asyncio.to_thread(_day, engineering, field, tmp_path)


def _day(engineering: RunningNode, field: RunningNode, folder: Path) -> None:
    anna, tom = Toot(engineering, "anna@example.org", folder / "anna"), Toot(field, "tom@example.org", folder / "tom")
    assert "anna" in anna("whoami")
    tom("follow", f"anna@{engineering.domain}")
    eventually(lambda: f"tom@{field.domain}" in anna("followers", "anna"), "the follow arrives")

    posted = anna("post", "The seal of the #pump leaks", "--json")
    post_id = _field(posted, "id")
    eventually(lambda: "seal of the" in tom("timelines", "home"), "the post arrives")
    copy = _field(tom("search", "seal", "--json"), "id", inside="statuses")
    tom("favourite", copy)
    tom("reblog", copy)
    tom("bookmark", copy)
    tom("post", f"@anna@{engineering.domain} seen here too", "--reply-to", copy)
    eventually(lambda: "seen here too" in anna("thread", post_id), "the answer arrives")
    shown = anna("notifications")
    assert all(word in shown for word in ("favourited your", "boosted your", "mentioned you", "now follows you"))
    assert "pump" in tom("search", "pump")
    assert "Toot scheduled for" in anna("post", "Maintenance of pump 3 begins now", "--scheduled-in", "1h")
    assert "must be in the future" in anna.fails("post", "too soon", "--scheduled-in", "1m")
    anna("delete", post_id)
    assert "not found" in anna.fails("thread", post_id).lower()


def _field(text: str, name: str, inside: str = "") -> str:
    data = json.loads(text)
    return str((data[inside][0] if inside else data)[name])
