"""The `toot` command, unmodified, on two departments."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.browser import authorize
from tests.support.running import PASSWORD, RunningNode

Pair = tuple[RunningNode, RunningNode]
pytestmark = pytest.mark.timeout(180)


class Toot:
    """toot with a configuration folder of its own, logged in by its own browser login."""

    def __init__(self, node: RunningNode, name: str, folder: Path) -> None:
        self.environment = {**os.environ, "XDG_CONFIG_HOME": str(folder), "HOME": str(folder), "NO_COLOR": "1"}
        self._log_in(node, name)

    def __call__(self, *arguments: str) -> str:
        done = self._run(*arguments)
        assert done.returncode == 0, f"toot {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def fails(self, *arguments: str) -> str:
        done = self._run(*arguments)
        assert done.returncode != 0, done.stdout
        return done.stderr + done.stdout

    def _run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(Path(sys.executable).with_name("toot")), *arguments]
        return subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )

    def _log_in(self, node: RunningNode, name: str) -> None:
        """`toot login` prints the address to open, and asks for the code."""
        command = [str(Path(sys.executable).with_name("toot")), "login", "--instance", node.base]
        environment = {**self.environment, "BROWSER": "true", "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(
            command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")  # "Open link in default browser? [Y/n]"
            process.stdin.flush()
            said = ""
            while "oauth/authorize" not in said.rsplit("\n", 1)[0]:
                line = process.stdout.readline()
                assert line, said
                said += line
            url = next(word for word in said.split() if "/oauth/authorize" in word)
            process.stdin.write(authorize(url, f"{name}@example.org", PASSWORD) + "\n")
            process.stdin.flush()
            rest = process.stdout.read()
            assert process.wait(30) == 0, said + rest


async def test_two_people_on_two_nodes_use_toot(two_nodes: Pair, tmp_path: Path) -> None:
    engineering, field = two_nodes
    engineering.person("anna")
    field.person("tom")
    await asyncio.to_thread(_day, engineering, field, tmp_path)


def _day(engineering: RunningNode, field: RunningNode, folder: Path) -> None:
    anna, tom = Toot(engineering, "anna", folder / "anna"), Toot(field, "tom", folder / "tom")
    assert "anna" in anna("whoami")
    tom("follow", f"anna@{engineering.domain}")
    _eventually(lambda: f"tom@{field.domain}" in anna("followers", "anna"))

    posted = anna("post", "The seal of the #pump leaks", "--json")
    post_id = _field(posted, "id")
    _eventually(lambda: "seal of the" in tom("timelines", "home"))
    copy = _field(tom("search", "seal", "--json"), "id", inside="statuses")
    tom("favourite", copy)
    tom("reblog", copy)
    tom("bookmark", copy)
    tom("post", f"@anna@{engineering.domain} seen here too", "--reply-to", copy)
    _eventually(lambda: "seen here too" in anna("thread", post_id))
    shown = anna("notifications")
    assert all(word in shown for word in ("favourited your", "boosted your", "mentioned you", "now follows you"))
    assert "pump" in tom("search", "pump")
    anna("delete", post_id)
    assert "not found" in anna.fails("thread", post_id).lower()


def _field(text: str, name: str, inside: str = "") -> str:
    data = json.loads(text)
    return str((data[inside][0] if inside else data)[name])


def _eventually(check: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return
        time.sleep(0.2)
    raise AssertionError("did not happen")
