"""A node that was brought back from a backup gets what its peers' people wrote since."""

from pathlib import Path

from tests.support.running import RunningNode, corridor, until
from tests.system.conftest import Maker


async def test_what_a_peer_wrote_since_the_backup_comes_back(make_running_node: Maker, tmp_path: Path) -> None:
    engineering, field = make_running_node("Engineering"), make_running_node("Field Service")
    engineering.start()
    field.start()
    alice, bert = engineering.person("alice"), field.person("bert")
    await alice.follow(bert)
    before = await bert.status("Before the backup")
    await alice.sees(before["uri"])
    file = tmp_path / "backup.tar.gz"
    engineering.command("backup", str(file))
    lost = [await bert.status(f"After the backup {number}") for number in range(3)]
    for status in lost:
        await alice.sees(status["uri"])
    engineering.stop()

    restored = RunningNode(tmp_path / "restored", engineering.port, engineering.environment)
    corridor("restore", str(file), "--config", restored.config)
    assert restored.settings.node.domain == engineering.domain
    restored.start()
    try:
        alice.node = restored
        for status in lost:
            await alice.sees(status["uri"], 30)
        late = await bert.status("And on it goes")
        await alice.sees(late["uri"])
        assert await alice.get("/api/v1/notifications") == []
        again = await alice.whole_home()
        assert len({one["uri"] for one in again}) == len(again) == 5

        async def begun() -> bool:
            return "histories are read" in restored.log()

        await until(begun, "the log says so")
    finally:
        restored.stop()
