"""`corridor import` beside a server that people use meanwhile."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mastodon import Mastodon

from tests.support.clients import PAGE, log_in
from tests.support.companies import write
from tests.support.imported import entry, made_up, written
from tests.system.conftest import Maker

pytestmark = [pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def test_a_file_is_imported_while_the_server_is_in_use(
    make_running_node: Maker, engine_name: str, tmp_path: Path
) -> None:
    """Nobody is refused meanwhile; what the server keeps rendered is right afterwards, also what a second file adds."""
    made = made_up(posts=1000)
    file, whole = tmp_path / "bare.jsonl", made.write(tmp_path / "whole.jsonl")
    write(file, [{key: value for key, value in line.items() if key != "boosts"} for line in made.lines])
    node = make_running_node("Engineering", engine=engine_name)
    node.start()
    name = made.lines[0]["author"]
    node.person(name)
    api = log_in(node, f"{name}@example.org")
    with Busy(api) as first:
        node.command("import", str(file))
    assert first.posted
    found = list(api.fetch_remaining(api.timeline_public(limit=PAGE)))
    own, imported = found[: len(first.posted)], found[len(first.posted) :]
    assert [one.id for one in own] == first.posted[::-1]
    assert list(map(entry, imported)) == list(map(written, made.lines[::-1]))
    assert {one.reblogs_count for one in found} == {0}
    wrote = Counter(line["author"] for line in made.lines)
    assert _numbers(found) == wrote + Counter({name: len(first.posted)})

    with Busy(api) as second:
        node.command("import", str(whole))
    boosts = [wrote.keys() & set(line.get("boosts", ())) for line in made.lines]
    found = list(api.fetch_remaining(api.timeline_public(limit=PAGE)))
    assert [one.reblogs_count for one in found[: -len(boosts) - 1 : -1]] == list(map(len, boosts))
    posted = Counter({name: len(first.posted) + len(second.posted)})
    assert _numbers(found) == wrote + posted + Counter(person for boosters in boosts for person in boosters)


def _numbers(found: Sequence[Any]) -> Counter[str]:
    """How much each has written and boosted, as clients are told."""
    return Counter({one.account.username: one.account.statuses_count for one in found})


class Busy:
    """Somebody who posts and reads all the while; an error of theirs is raised at the end."""

    def __init__(self, api: Mastodon) -> None:
        self._api = api
        self._done = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self.posted: list[Any] = []

    def __enter__(self) -> "Busy":
        self._work = self._pool.submit(self._run)
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._pool.shutdown()
        self._work.result()

    def _run(self) -> None:
        while not self._done.is_set():
            self.posted.append(self._api.status_post(f"meanwhile {len(self.posted)}").id)
            self._api.timeline_public(limit=PAGE)
            self._api.timeline_home(limit=PAGE)
            time.sleep(0.02)
