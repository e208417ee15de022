"""`corridor demo` as somebody starts it who has just cloned the repository."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from activitypub import roster as rosters
from activitypub.roster import Member
from node import config
from node import founding as node_founding
from tests.support.ports import free_port
from tests.support.rosters import identity
from tests.support.running import corridor
from web.demo import company, founding, story

pytestmark = pytest.mark.timeout(240)


def free_port_base() -> int:
    """A base whose three ports are free, and nobody else's."""
    while True:
        ports = [free_port() for _ in range(4)]
        if ports[3] - ports[0] == 3:
            return ports[0]


class Demo:
    """A demo in a process of its own."""

    def __init__(self, folder: Path, base: int, *arguments: str) -> None:
        self.folder = folder
        self.base = base
        self.output = folder.parent / f"output-{time.monotonic_ns()}.txt"
        command = [sys.executable, "-m", "web.cli.main", "demo", "--dir", str(folder), "--port-base", str(base)]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--pace", "0", *arguments], stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, words: str, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while words not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.1)

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(40)

    def servers(self) -> list[str]:
        """Command lines of the nodes' processes that run."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue
                if "serve" in line and str(self.folder) in line:
                    found.append(line)
        return found

    def get(self, name: str, path: str) -> Any:
        """What somebody's client gets."""
        person = next(one for one in company.PEOPLE if one.key == name)
        number = next(one.number for one in company.DEPARTMENTS if one.key == person.department)
        token = json.loads((self.folder / "demo.json").read_text())["tokens"][name]
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.get(f"http://localhost:{self.base + number}{path}", headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "demo"


def test_the_demo_tells_its_story_stops_cleanly_and_goes_on_from_there(folder: Path) -> None:
    demo = Demo(folder, free_port_base())
    try:
        demo.wait_for("The story is told")
        assert "left out" not in demo.said()
        assert "Ready after" in demo.said()
        assert company.PASSWORD in demo.said()
        assert len(demo.servers()) == 3
        home = demo.get("tom", "/api/v1/timelines/home?limit=40")
        seen = {status["account"]["acct"] for status in home}
        assert f"anna@localhost:{demo.base + 1}" in seen
        tagged = demo.get("eva", "/api/v1/timelines/tag/customers")
        assert {status["account"]["username"] for status in tagged} == {"jonas", "carla"}
        for status in home:
            assert "Canteen" not in status["content"]
        assert demo.get("anna", "/api/v1/accounts/verify_credentials")["followers_count"] >= 5
        assert_it_is_a_company_like_any(demo)
        assert demo.stop(signal.SIGINT) == 0
    finally:
        demo.process.kill()
    assert demo.servers() == []
    assert "Stopped" in demo.said()

    again = Demo(folder, demo.base)
    try:
        again.wait_for("The story is told", 60)
        assert "An ordinary week" not in again.said()
        everything = again.get("tom", "/api/v1/timelines/home?limit=40")
        assert [status["uri"] for status in everything] == [status["uri"] for status in home]
        assert again.stop(signal.SIGTERM) == 0
    finally:
        again.process.kill()
    assert again.servers() == []

    other = corridor("demo", "--dir", str(folder), "--port-base", str(free_port_base()), check=False)
    assert other.returncode == 1
    assert "--reset" in other.stderr


def assert_it_is_a_company_like_any(demo: Demo) -> None:
    """One signed roster of three that nobody is let past, and nothing that only a test set-up may have but http."""
    signed = rosters.parse((demo.folder / "company" / "roster.json").read_bytes())
    rosters.verify(signed, signed.signer)
    assert [one.domain for one in signed.nodes] == [f"localhost:{demo.base + number}" for number in (1, 2, 3)]
    for department in company.DEPARTMENTS:
        settings = config.load(demo.folder / department.key / "corridor.toml")
        assert (settings.federation.mode, settings.company.key) == ("roster", signed.signer)
        assert (settings.federation.authorized_fetch, settings.federation.allow_loopback) == (True, False)
        assert settings.accounts.registration == "closed"
        with pytest.raises(config.ConfigError, match=r'with node.scheme = "http": these'):
            config.refuse_unsafe(settings, "0.0.0.0")
        base = f"http://localhost:{demo.base + department.number}"
        person = next(one for one in company.PEOPLE if one.department == department.key).key
        found = httpx.get(f"{base}/.well-known/webfinger?resource=acct:{person}@{base.removeprefix('http://')}")
        headers = {"Accept": "application/activity+json"}
        iri = next(link["href"] for link in found.json()["links"] if link["rel"] == "self")
        assert httpx.get(iri, headers=headers).status_code == 401
        health = httpx.get(f"{base}/healthz").json()
        assert (health["status"], "degraded" in health) == ("ok", False)


def test_a_roster_about_to_expire_is_signed_anew_and_one_that_holds_is_left_alone(folder: Path) -> None:
    home = folder / founding.FOLDER
    members = [Member("localhost:8001", "Engineering", identity(1)), Member("localhost:8002", "Field", identity(2))]
    first = founding.signed(home, members)
    assert founding.signed(home, members) == first
    assert founding.signed(home, members[::-1]) == first
    node_founding.sign(home, now=int(time.time() * 1000), passphrase=lambda: "", days=29)
    assert founding.signed(home, members).version == 3
    more = [*members, Member("localhost:8003", "Communications", identity(3))]
    grown = founding.signed(home, more)
    assert (grown.version, list(grown.nodes), grown.signer) == (4, more, first.signer)


def test_a_stop_while_it_is_being_made_leaves_nothing_running(folder: Path) -> None:
    demo = Demo(folder, free_port_base())
    try:
        demo.wait_for("Starting the nodes")
        assert demo.stop(signal.SIGTERM) == 0
    finally:
        demo.process.kill()
    assert demo.servers() == []
    lost = folder / "field" / "corridor.db"
    lost.unlink()
    again = corridor("demo", "--dir", str(folder), "--port-base", str(demo.base), check=False)
    assert again.returncode == 1
    assert f"{lost.parent} has lost its database" in again.stderr
    assert "--reset" in again.stderr
    assert not lost.exists()


@pytest.mark.parametrize("moment", ["Starting the nodes", "Ready after"])
def test_a_demo_that_is_killed_takes_its_servers_with_it(folder: Path, moment: str) -> None:
    demo = Demo(folder, free_port_base())
    try:
        demo.wait_for(moment)
        time.sleep(1)
        assert len(demo.servers()) == 3  # as long as the demo lives, so do they
    finally:
        demo.process.kill()
        demo.process.wait(10)
    end = time.monotonic() + 15
    while demo.servers() and time.monotonic() < end:
        time.sleep(0.1)
    assert demo.servers() == []
    for log in folder.glob("*/server.log") if moment == "Ready after" else ():
        assert "stopped" in log.read_text().splitlines()[-1]  # in order: nothing is left half done


def test_a_port_in_use_is_a_clear_error_before_anything_is_made(folder: Path) -> None:
    base = free_port_base()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", base + 2))
        listener.listen()
        done = corridor("demo", "--dir", str(folder), "--port-base", str(base), check=False)
    assert done.returncode == 1
    assert str(base + 2) in done.stderr
    assert "--port-base" in done.stderr
    assert "Traceback" not in done.stderr
    assert not folder.exists()


def test_reset_removes_a_demo_and_nothing_else(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    for arguments in ((), ("--reset",)):
        base = str(free_port_base())
        done = corridor("demo", "--dir", str(folder), "--port-base", base, *arguments, check=False)
        assert done.returncode == 1
        assert "no demo" in done.stderr
    assert os.listdir(folder) == ["thesis.txt"]


def test_steps_have_names_of_their_own_and_name_what_exists() -> None:
    steps = [*(step for _, steps in story.OPENING for step in steps), *story.NOW]
    names = [story.name_of(step) for step in steps]
    assert len(set(names)) == len(names)
    people = {person.key for person in company.PEOPLE}
    told: set[str] = set()
    for step in steps:
        if isinstance(step, story.Post):
            assert step.who in people
            assert step.answers is None or step.answers in told
            step.text.format_map(dict.fromkeys(people, ""))
            told.add(step.key)
        elif isinstance(step, story.React):
            assert step.post in told
            assert set(step.who) <= people
