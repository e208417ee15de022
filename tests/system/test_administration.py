"""What an administrator does beside a running server: import, backup and restore, asking whether a peer is there."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.support.companies import company
from tests.support.running import Person, RunningNode, corridor, stopping, until

Maker = Callable[..., RunningNode]
pytestmark = pytest.mark.timeout(180)


async def test_two_departments_test_each_other(two_nodes: tuple[RunningNode, RunningNode]) -> None:
    engineering, field = two_nodes
    said = json.loads(await asyncio.to_thread(engineering.command, "peers", "test", field.domain, "--json"))
    assert said["healthy"]
    assert [one["check"] for one in said["checks"]] == ["allowed", "reach", "clock", "signature"]


async def test_a_node_that_does_not_run_is_refused_by_its_peer(make_running_node: Maker) -> None:
    """The peer would have to fetch our key, and nobody answers."""
    engineering, field = make_running_node("Engineering"), make_running_node("Field Service")
    field.start()
    words = ("peers", "test", field.domain, "--config", engineering.config)
    said = await asyncio.to_thread(corridor, *words, check=False)
    assert said.returncode == 1
    assert "FAULT  signature: " in said.stdout
    assert f"can it reach {engineering.base}/actor" in said.stdout


async def test_a_file_is_imported_beside_a_running_server(make_running_node: Maker, tmp_path: Path) -> None:
    node = make_running_node("Engineering")
    anna = node.person("anna")
    node.start()
    made = company(posts=1500)
    file = made.write(tmp_path / "in.jsonl.gz")
    importing = asyncio.create_task(asyncio.to_thread(node.command, "import", str(file), "--json"))
    posted: list[str] = []
    while not importing.done():
        posted.append((await anna.status(f"meanwhile {len(posted)}"))["uri"])
    assert json.loads(await importing)["stored"]["posts"] == 1500
    assert posted
    assert {one["uri"] for one in await anna.whole_home()} == set(posted)
    last = made.lines[-1]
    found = await anna.get("/api/v2/search", q=last["author"], type="accounts")
    statuses = await anna.get(f"/api/v1/accounts/{found['accounts'][0]['id']}/statuses", exclude_reblogs="true")
    assert statuses[0]["created_at"].startswith(last["created_at"].removesuffix("Z"))
    assert statuses[0]["reblogs_count"] == len(last.get("boosts", ()))


async def test_a_backup_of_a_running_server_becomes_a_server_with_all_that_was_answered(
    make_running_node: Maker, engine_name: str, tmp_path: Path, new_database_url: Callable[[str, Path], str]
) -> None:
    node = make_running_node("Engineering", engine=engine_name)
    anna = node.person("anna")
    node.start()
    answered: list[str] = []
    writing = asyncio.create_task(_write_on(anna, answered))
    await until(_at_least(answered, 40), "forty posts are written")
    before = set(answered)
    await asyncio.to_thread(node.command, "backup", str(tmp_path / "b.tar.gz"))
    writing.cancel()
    await asyncio.to_thread(node.stop)

    restored = RunningNode(tmp_path / "restored", node.port, dict(node.environment))
    if engine_name == "postgresql":
        restored.environment["CORRIDOR_DATABASE__URL"] = _emptied(new_database_url("postgresql", tmp_path))
    restored.command("restore", str(tmp_path / "b.tar.gz"))
    async with stopping(restored):
        restored.start()
        again = Person(restored, "anna", anna.token)
        kept = {one["uri"] for one in await again.whole_home()}
        assert before <= kept <= set(answered)
        posted = await again.status("and on it goes")
        assert posted["uri"] not in kept
        said = corridor("doctor", "--config", restored.config, env={**os.environ, **restored.environment})
        assert "The node is healthy." in said.stdout


def _emptied(url: str) -> str:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return url


def _at_least(answered: list[str], number: int) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return len(answered) >= number

    return check


async def _write_on(person: Person, answered: list[str]) -> None:
    while True:
        answered.append((await person.status(f"number {len(answered)}"))["uri"])
