"""Clients that we did not make, logged in as a person would: Mastodon.py and the `toot` command.

`Client` is a face that both have, for tests that do the same with either.
"""

import json
import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mastodon import Mastodon

from tests.support.browser import authorize
from tests.support.running import PASSWORD, RunningNode

T = TypeVar("T")
SCOPES = ["read", "write", "follow"]
PAGE = 40
Statuses = Any
"""Lists of statuses, as the client gives them: mappings with the names of the client API."""


def log_in(node: RunningNode, login: str) -> Mastodon:
    """Mastodon.py with a token from the real code flow; `login` is a name or an e-mail address."""
    client_id, client_secret = Mastodon.create_app("corridor tests", api_base_url=node.base, scopes=SCOPES)
    client = Mastodon(client_id=client_id, client_secret=client_secret, api_base_url=node.base)
    url = client.auth_request_url(scopes=SCOPES, allow_http=True)
    client.log_in(code=authorize(url, login, PASSWORD), scopes=SCOPES, allow_http=True)
    return client


class Toot:
    """toot with a configuration folder of its own, logged in by its own browser login."""

    def __init__(self, node: RunningNode, login: str, folder: Path) -> None:
        self.environment = {**os.environ, "XDG_CONFIG_HOME": str(folder), "HOME": str(folder), "NO_COLOR": "1"}
        self._log_in(node, login)

    def __call__(self, *arguments: str) -> str:
        done = self._run(*arguments)
        assert done.returncode == 0, f"toot {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

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

    def _log_in(self, node: RunningNode, login: str) -> None:
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
            process.stdin.write(authorize(url, login, PASSWORD) + "\n")
            process.stdin.flush()
            rest = process.stdout.read()
            assert process.wait(30) == 0, said + rest


def eventually(check: Callable[[], T], what: str, seconds: float = 15) -> T:
    """The first true answer of `check`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := check():
            return found
        time.sleep(0.1)
    raise AssertionError(f"did not happen: {what}")


# --- two clients with one face


class Client(ABC):
    """What both clients can do; pages are the newest PAGE statuses."""

    @abstractmethod
    def home(self) -> Statuses: ...

    @abstractmethod
    def public(self, *, local: bool) -> Statuses: ...

    @abstractmethod
    def tag(self, name: str) -> Statuses: ...

    @abstractmethod
    def history(self, acct: str) -> Statuses:
        """Everything of an account, page by page to its end."""

    @abstractmethod
    def search(self, q: str, kind: str) -> Any:
        """`kind` is accounts, statuses or hashtags."""

    @abstractmethod
    def status(self, status_id: str) -> Any: ...

    @abstractmethod
    def answers(self, status_id: str) -> Statuses: ...

    @abstractmethod
    def post(self, text: str, answers: str | None = None) -> Any: ...

    @abstractmethod
    def boost(self, status_id: str) -> None: ...

    @abstractmethod
    def favourite(self, status_id: str) -> None: ...

    @abstractmethod
    def follow(self, acct: str) -> None: ...


@dataclass
class WithMastodonPy(Client):
    api: Mastodon

    def home(self) -> Statuses:
        return self.api.timeline_home(limit=PAGE)

    def public(self, *, local: bool) -> Statuses:
        return self.api.timeline_public(limit=PAGE, local=local)

    def tag(self, name: str) -> Statuses:
        return self.api.timeline_hashtag(name, limit=PAGE)

    def history(self, acct: str) -> Statuses:
        account = self.api.account_lookup(acct)
        return self.api.fetch_remaining(self.api.account_statuses(account, limit=PAGE))

    def search(self, q: str, kind: str) -> Any:
        return getattr(self.api.search_v2(q, result_type=kind), kind)

    def status(self, status_id: str) -> Any:
        return self.api.status(status_id)

    def answers(self, status_id: str) -> Statuses:
        return self.api.status_context(status_id).descendants

    def post(self, text: str, answers: str | None = None) -> Any:
        return self.api.status_post(text, in_reply_to_id=answers)

    def boost(self, status_id: str) -> None:
        assert self.api.status_reblog(status_id).reblog.reblogged

    def favourite(self, status_id: str) -> None:
        assert self.api.status_favourite(status_id).favourited

    def follow(self, acct: str) -> None:
        self.api.account_follow(self.api.account_search(acct, resolve=True)[0])


@dataclass
class WithToot(Client):
    toot: Toot

    def home(self) -> Statuses:
        return self._page("home")

    def public(self, *, local: bool) -> Statuses:
        return self._page("public", *(["--local"] if local else []))

    def tag(self, name: str) -> Statuses:
        return self._page("tag", name)

    def history(self, acct: str) -> Statuses:
        found: list[Any] = []
        while page := self._page("account", acct, *(["--max-id", found[-1]["id"]] if found else [])):
            found += page
        return found

    def search(self, q: str, kind: str) -> Any:
        return self.toot.json("search", q, "--type", kind)[kind]

    def status(self, status_id: str) -> Any:
        return self.toot.json("status", status_id)

    def answers(self, status_id: str) -> Statuses:
        return self.toot.json("thread", status_id)["descendants"]

    def post(self, text: str, answers: str | None = None) -> Any:
        reply = ["--reply-to", answers] if answers else []
        return self.toot.json("post", text, *reply)

    def boost(self, status_id: str) -> None:
        self.toot("reblog", status_id)

    def favourite(self, status_id: str) -> None:
        self.toot("favourite", status_id)

    def follow(self, acct: str) -> None:
        self.toot("follow", acct)

    def _page(self, *words: str) -> Statuses:
        return self.toot.json("timelines", *words, "--limit", str(PAGE))
