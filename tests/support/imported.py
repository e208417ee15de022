"""A company whose file every one of its nodes imports, two departments to a node; and what must then be at which node."""

import datetime
import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tests.support.companies import Company, Line, company
from tests.support.running import RunningNode

FOLDED = {"Engineering": ("pumps", "seals"), "Commerce": ("sales", "field"), "Works": ("gears", "motors")}
"""Departments of the file by the node that takes them."""

Kind = Literal["boosts", "favourites"]
Status = Mapping[str, Any]
Entry = tuple[str, str, datetime.datetime]
"""In a timeline: who boosted it ("" for the post itself), its author, when it was written."""


def made_up(seed: int = 7, *, posts: int) -> Company:
    """Its best writers are spread over the nodes, and no author wrote twice in the same second."""
    made = company(seed, departments=("pumps", "sales", "gears", "seals", "field", "motors"), posts=posts)
    assert len({(one["author"], one["created_at"]) for one in made.lines}) == posts
    return made


@dataclass(frozen=True)
class ImportedCompany:
    """`nodes` are the running nodes by their names in FOLDED; `file` is what they import."""

    company: Company
    file: Path
    nodes: dict[str, RunningNode]

    def take_in(self, name: str) -> None:
        """`corridor import` as the administrator of that node calls it."""
        words = [word for department in FOLDED[name] for word in ("--node", department)]
        for other in FOLDED.keys() - {name}:
            for department in FOLDED[other]:
                words += ["--peer", f"{department}={self.nodes[other].domain}"]
        self.nodes[name].command("import", str(self.file), *words)

    # --- who is where

    @cached_property
    def authors(self) -> frozenset[str]:
        """Who has an account: people who wrote nothing have no department in the file."""
        return frozenset(line["author"] for line in self.company.lines)

    @cached_property
    def _homes(self) -> dict[str, str]:
        departments = self.company.departments
        return {person: name for name, folded in FOLDED.items() for one in folded for person in departments[one]}

    def home(self, person: str) -> str:
        return self._homes[person]

    def next_to(self, name: str, steps: int = 1) -> str:
        names = list(FOLDED)
        return names[(names.index(name) + steps) % len(names)]

    def writers(self, name: str) -> list[str]:
        """The people of a node, who wrote most first."""
        count: dict[str, int] = {}
        for line in self.company.lines:
            if self.home(line["author"]) == name:
                count[line["author"]] = count.get(line["author"], 0) + 1
        return sorted(count, key=lambda person: (-count[person], person))

    def acct(self, person: str, seen_from: str) -> str:
        home = self.home(person)
        return person if home == seen_from else f"{person}@{self.nodes[home].domain}"

    # --- what is where

    def endorsers(self, line: Line, kind: Kind, at: str) -> set[str]:
        """Whose boosts or favourites of a post are known at a node: all at the author's, elsewhere its own people's."""
        known = self.authors.intersection(line.get(kind, ()))
        return {one for one in known if at in (self.home(line["author"]), self.home(one))}

    def is_at(self, line: Line, at: str) -> bool:
        """At its author's node, and where somebody boosted or favourited it."""
        if self.home(line["author"]) == at:
            return True
        return bool(self.endorsers(line, "boosts", at) or self.endorsers(line, "favourites", at))

    def lines_at(self, at: str) -> Iterator[Line]:
        """Newest first."""
        return (line for line in reversed(self.company.lines) if self.is_at(line, at))

    def entries(self, person: str, at: str) -> set[Entry]:
        """What a node shows of a person: their posts, and what they boosted."""
        own = {written(line) for line in self.lines_at(at) if line["author"] == person}
        return own | {
            (person, *written(line)[1:]) for line in self.lines_at(at) if person in self.endorsers(line, "boosts", at)
        }


def written(line: Line) -> Entry:
    return "", line["author"], datetime.datetime.fromisoformat(line["created_at"])


def entry(status: Status) -> Entry:
    """Of a status as a client gives it; times are strings with toot and datetimes with Mastodon.py."""
    original = status["reblog"] or status
    at = original["created_at"]
    moment = datetime.datetime.fromisoformat(at) if isinstance(at, str) else at
    booster = status["account"]["username"] if status["reblog"] else ""
    return booster, original["account"]["username"], moment


def plain(status: Status) -> str:
    """Its text without the markup."""
    return html.unescape(re.sub(r"<[^>]*>", "", status["content"]))
