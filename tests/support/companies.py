"""A made-up company and what its people wrote, in the form that `corridor import` reads; the same for the same seed."""

import datetime
import gzip
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOPICS = ("pump", "seal", "valve", "k8s", "kafka", "gearbox", "fm200", "ポンプ", "pompe_à_chaleur")
VERBS = ("leaks", "is fixed", "needs a review", "shipped", "fails above 80 °C", "was measured again", "is late")
START = datetime.datetime(2020, 1, 1, 8, 0, tzinfo=datetime.UTC)

Line = dict[str, Any]


@dataclass(frozen=True)
class Company:
    """`departments` names the people of each; `lines` are their posts in the order of time."""

    departments: dict[str, list[str]]
    lines: list[Line]

    def department_of(self, person: str) -> str:
        return next(name for name, people in self.departments.items() if person in people)

    def write(self, path: Path) -> Path:
        return write(path, self.lines)


def company(
    seed: int = 1, *, departments: Iterable[str] = ("pumps", "seals", "sales"), people: int = 6, posts: int = 200
) -> Company:
    """Few write much and many little, as in life; about one boost and two favourites to two posts, across departments."""
    chance = random.Random(seed)
    staff = {name: [f"{name[:2]}{seed}{number:02x}" for number in range(people)] for name in departments}
    everybody = [person for members in staff.values() for person in members]
    weights = [1 / (1 + rank) for rank in range(len(everybody))]
    moment, lines = START, list[Line]()
    for number in range(posts):
        moment += datetime.timedelta(seconds=chance.randrange(0, 40_000))
        author = chance.choices(everybody, weights)[0]
        home = next(name for name, members in staff.items() if author in members)
        lines.append(_line(chance, f"s{seed}p{number}", author, home, moment, [p for p in everybody if p != author]))
    return Company(staff, lines)


def _line(
    chance: random.Random, ref: str, author: str, home: str, moment: datetime.datetime, others: list[str]
) -> Line:
    topics = chance.sample(TOPICS, chance.randrange(1, 3))
    line: Line = {
        "id": ref,
        "author": author,
        "node": home,
        "created_at": moment.isoformat().replace("+00:00", "Z"),
        "text": f"The {topics[0]} #{topics[0]} {chance.choice(VERBS)}: <b>{chance.randrange(10**6)}</b>",
        "tags": topics,
    }
    if chance.random() < 0.4:
        line["boosts"] = chance.sample(others, chance.randrange(1, 3))
    if chance.random() < 0.6:
        line["favourites"] = chance.sample(others, chance.randrange(1, 4))
    if chance.random() < 0.2:
        line["links"] = [f"https://docs.example/{topics[0]}/{chance.randrange(100)}"]
    return line


def write(path: Path, lines: Iterable[Line | str]) -> Path:
    """As JSON lines; a string stands for itself. Compressed if the name ends in .gz."""
    text = "".join((line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)) + "\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path
