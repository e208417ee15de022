"""`serve` as a process: it starts, says why it cannot, and stops quickly and cleanly."""

import asyncio
import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from node import config
from tests.support.running import RunningNode, corridor, free_port
from web.server import ServeError, run


@pytest.fixture
def made(tmp_path: Path) -> Iterator[RunningNode]:
    """A node that `init` made; not started."""
    node = RunningNode(tmp_path / "node", free_port(), {"CORRIDOR_LOG__FORMAT": "json"})
    corridor("init", str(node.folder), "--domain", node.domain, "--department", "Engineering", "--dev")
    yield node
    node.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_stops_within_three_seconds_with_success(made: RunningNode, number: signal.Signals) -> None:
    made.start()
    assert httpx.get(made.base + "/livez").json() == {"status": "ok"}
    assert made.process is not None
    since = time.monotonic()
    made.process.send_signal(number)
    assert made.process.wait(10) == 0, made.log()
    assert time.monotonic() - since < 3
    log = [json.loads(line) for line in made.log().splitlines()]
    assert log[-1]["event"] == "stopped"
    assert not [line for line in log if line["level"] in ("error", "critical")]


def test_a_refused_socket_is_one_line_without_its_token(made: RunningNode) -> None:
    made.start()
    before = len(made.log().splitlines())
    wanted = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    for path, version in (("/api/v1/streaming?access_token=hunter2", 13), ("/nowhere", 13), ("/api/v1/streaming", 12)):
        with socket.create_connection(("127.0.0.1", made.port), timeout=10) as client:
            head = [
                f"GET {path} HTTP/1.1",
                f"Host: {made.domain}",
                *wanted,
                f"Sec-WebSocket-Version: {version}",
                "",
                "",
            ]
            client.sendall("\r\n".join(head).encode())
            while client.recv(4096):
                pass
    assert made.stop() == 0
    said = [json.loads(line) for line in made.log().splitlines()[before:]]
    refusals = [line for line in said if line["event"].startswith("websocket connection rejected")]
    assert [line["event"].partition("(")[2][:3] for line in refusals] == ["401", "403", "400"]
    assert {line["level"] for line in said} == {"info"}
    assert "hunter2" not in made.log()


async def test_open_streams_and_idle_connections_do_not_hold_up_a_stop(made: RunningNode) -> None:
    made.start()
    anna = made.person("anna")
    async with anna.client() as client, client.stream("GET", "/api/v1/streaming/user") as stream:
        assert stream.status_code == 200
        idle = socket.create_connection(("127.0.0.1", made.port))
        process = made.process
        assert process is not None
        since = time.monotonic()
        process.terminate()
        assert await asyncio.to_thread(process.wait, 10) == 0, made.log()
        assert time.monotonic() - since < 3
        idle.close()
    made.process = None


def test_a_port_in_use_is_one_clear_line(made: RunningNode) -> None:
    with socket.create_server(("127.0.0.1", made.port)):
        done = corridor("serve", "--config", made.config, "--port", str(made.port), check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"port {made.port}" in done.stderr


def test_one_process_owns_a_sqlite_file(made: RunningNode) -> None:
    settings = config.load(Path(made.config))
    for role, processes in (("web", 1), ("worker", 1), ("all", 2)):
        with pytest.raises(ServeError, match="PostgreSQL"):
            run(settings, host="127.0.0.1", port=made.port, role=role, processes=processes)  # type: ignore[arg-type]


def test_a_process_that_dies_is_started_anew(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Two processes on PostgreSQL: one is killed, the node goes on, and a stop ends all of them."""
    make_url = request.getfixturevalue("new_database_url")
    node = RunningNode(tmp_path / "node", free_port())
    corridor("init", str(node.folder), "--domain", node.domain, "--department", "Engineering", "--dev")
    node.environment = {"CORRIDOR_DATABASE__URL": make_url("postgresql", tmp_path), "CORRIDOR_SERVER__PROCESSES": "2"}
    node.command("migrate")
    node.start()
    try:
        assert node.process is not None
        before = children(node.process.pid)
        assert len(before) == 2
        victim = before[0]
        subprocess.run(["kill", "-KILL", str(victim)], check=True)
        end = time.monotonic() + 20
        while time.monotonic() < end and (victim in children(node.process.pid) or len(children(node.process.pid)) < 2):
            time.sleep(0.1)
        assert len(children(node.process.pid)) == 2
        node.wait_until_up()
        everybody = children(node.process.pid)
        assert node.stop() == 0, node.log()
        assert not [pid for pid in everybody if Path(f"/proc/{pid}").exists()]
    finally:
        node.stop()


def test_processes_that_cannot_start_end_the_server_with_a_failure(tmp_path: Path) -> None:
    node = RunningNode(tmp_path / "node", free_port())
    corridor("init", str(node.folder), "--domain", node.domain, "--department", "Engineering", "--dev")
    settings = config.load(Path(node.config))
    nowhere = msgspec.structs.replace(settings.database, url="postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    broken = msgspec.structs.replace(settings, database=nowhere)
    assert run(broken, host="127.0.0.1", port=node.port, processes=2) == 1


def children(parent: int) -> list[int]:
    """Serving children of a process; the resource tracker of multiprocessing aside."""
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in listed if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
