"""Documents that went wrong: one or several places of a JSON document changed, by a random number generator with a seed."""

import copy
import random
from collections.abc import Iterator
from typing import Any

LARGE = 20_000
"""Places, or characters: whole documents repeated within one another would soon be gigabytes."""

ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    2**63 - 1,
    2**64,
    1e308,
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\U0010ffff",
    "\u202egpj.exe",
    "x" * 20_000,
    "9" * 400,
    [],
    {},
    [[]],
    [None],
    [None, None],
    {"id": None},
    {"type": "Link", "href": "https://a.example/"},
    {"@value": "x", "@language": "en"},
    {"en": "x", "": None, "x" * 100: 1},
    "as:Public",
    "Public",
    "https://www.w3.org/ns/activitystreams#Public",
    "http://",
    "http://[::1",
    "https://user@a.example/x",
    "https://a.example/\\x",
    "https://xn--\u00fc.example/",
    "javascript:alert(1)",
    "data:,x",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:60+99:99",
    "2026-02-30T25:00:00Z",
    "Person",
    "Note",
    "Tombstone",
    "Follow",
    ["Create", "Delete"],
    ["Note", "Person"],
]


def mutant(document: Any, rng: random.Random, others: list[Any]) -> Any:
    """A changed copy. `others` are values worth putting anywhere: ids of other people, of ours, whole documents."""
    changed = copy.deepcopy(document)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
        places = list(_places(changed))
        if not places:
            return changed
        holder, key = rng.choice(places)
        _change(holder, key, rng, changed, others)
        if _is_large(changed):
            break
    return changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)


def _is_large(value: Any) -> bool:
    size = 0
    for holder, key in _places(value):
        inner = holder[key]
        size += 1 + (len(inner) // 10 if isinstance(inner, str) else 0)
        if size > LARGE:
            return True
    return False


def _change(holder: Any, key: Any, rng: random.Random, whole: Any, others: list[Any]) -> None:
    value = holder[key]
    match rng.randrange(9):
        case 0:
            del holder[key]
        case 1 | 2:
            holder[key] = copy.deepcopy(rng.choice(ODD))
        case 3 | 4:
            holder[key] = copy.deepcopy(rng.choice(others))
        case 5:
            holder[key] = [value] * rng.choice([1, 2, 60])
        case 6:
            for _ in range(rng.choice([1, 3, 70])):
                value = rng.choice([[value], {"id": value}, {"type": "Link", "href": value}, {"@value": value}])
            holder[key] = value
        case 7:
            holder[key] = copy.deepcopy(whole)
        case 8:
            name = rng.choice(
                ["type", "id", "actor", "object", "attributedTo", "to", "tag", "inReplyTo", "name", "url"]
            )
            if isinstance(holder, dict):
                holder[name] = copy.deepcopy(value)
            else:
                holder.append(copy.deepcopy(value))
