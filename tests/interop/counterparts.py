"""Servers on other people's implementations, as processes on loopback, and how to tell them what to do."""

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from activitypub.vocabulary import AS_CONTEXT, PUBLIC
from tests.conftest import missing
from tests.support.ports import free_port

HERE = Path(__file__).parent
BIN = HERE / ".venv" / "bin"
Doc = dict[str, Any]

COMMANDS = {
    "fedify": (BIN / "node", HERE / "fedify" / "server.mjs", HERE / "fedify" / "node_modules" / "@fedify" / "fedify"),
    "bovine": (BIN / "python", HERE / "bovine" / "server.py", BIN / "python"),
}
"""Name: the interpreter, the server, and what tells that it is installed (`make interop`)."""


@dataclass
class Counterpart:
    """Nell, an actor of another implementation. What she receives was verified by it, what she sends is signed by it."""

    name: str
    folder: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def domain(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        return f"http://{self.domain}"

    @property
    def nell(self) -> str:
        return f"{self.base}/users/nell"

    @property
    def handle(self) -> str:
        return f"nell@{self.domain}"

    def start(self) -> None:
        interpreter, server, installed = COMMANDS[self.name]
        if not installed.exists():
            missing(f"{self.name} is not installed: make interop")
        with (self.folder / f"{self.name}.log").open("wb") as log:
            command = [str(interpreter), str(server), str(self.port)]
            environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, cwd=server.parent, start_new_session=True
            )
        end = time.monotonic() + 30
        while "ready" not in self.log():
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError(f"{self.name} did not start:\n{self.log()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the whole group: `node` of the Python package is a script that starts the real one."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def log(self) -> str:
        return (self.folder / f"{self.name}.log").read_text(errors="replace")

    async def control(self, what: str, **said: Any) -> Any:
        async with httpx.AsyncClient(timeout=30) as http:
            answer = await http.post(f"{self.base}/control/{what}", json=said)
        assert answer.status_code == 200, f"{self.name}: {what} gave {answer.status_code}: {answer.text}\n{self.log()}"
        return answer.json()

    async def sends(self, kind: str, about: Any, inbox: str, **more: Any) -> Doc:
        """Nell does something; the activity."""
        activity = {
            "@context": [AS_CONTEXT, "https://w3id.org/security/v1"],
            "id": f"{self.base}/activities/{next(self._numbers)}",
            "type": kind,
            "actor": self.nell,
            "object": about,
            **more,
        }
        await self.control("send", activity=activity, inbox=inbox)
        return activity

    async def note(self, content: str, *, kind: str = "Note", **more: Any) -> Doc:
        """A public object of nell's, served to whoever signs for it."""
        document = {
            "@context": AS_CONTEXT,
            "id": f"{self.base}/{kind.lower()}s/{next(self._numbers)}",
            "type": kind,
            "attributedTo": self.nell,
            "content": f"<p>{content}</p>",
            "published": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "to": PUBLIC,
            "cc": f"{self.nell}/followers",
            **more,
        }
        await self.control("serve", document=document)
        return document

    async def receives(self, kind: str, seconds: float = 45, **properties: Any) -> Doc:
        """Wait for an activity of this kind with these properties: `object_id="…"` reads `object`, embedded or not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            received = await self.control("received")
            for activity in reversed(received):
                if activity["type"] == kind and all(_reads(activity, *one) for one in properties.items()):
                    found: Doc = activity
                    return found
            await asyncio.sleep(0.1)
        kinds = [(one["type"], one.get("object")) for one in await self.control("received")]
        raise AssertionError(f"{self.name} did not receive {kind} {properties} but {kinds}\n{self.log()[-2000:]}")


def _reads(activity: Doc, name: str, expected: Any) -> bool:
    """True if the property is `expected`; a name like `object_inReplyTo` goes into what is embedded."""
    value: Any = activity
    for step in name.split("_"):
        if step == "id":
            value = value.get("id") if isinstance(value, dict) else value
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return bool(value == expected)
