"""`corridor rule`."""

from pathlib import Path

import pytest

from tests.cli.conftest import Corridor


def test_rules_are_added_listed_moved_and_removed(corridor: Corridor, eng: Path) -> None:
    assert "Rule 1" in corridor("rule", "add", "Name no customers", "--hint", "Not even by their logo").out
    corridor("rule", "add", "Be kind")
    corridor("rule", "move", "2", "1")
    assert (
        "1. Be kind (id 2)\n2. Name no customers (id 1): Not even by their logo\n2 rules"
        in corridor("rule", "list").out
    )
    corridor("rule", "remove", "1")
    assert corridor("rule", "list", "--json").json == [{"id": 2, "text": "Be kind", "hint": ""}]


@pytest.mark.parametrize("words", [("remove", "9"), ("move", "9", "1"), ("add", " "), ("add", "x" * 301)])
def test_what_cannot_be_is_refused(corridor: Corridor, small: Path, words: tuple[str, ...]) -> None:
    assert corridor("rule", *words, status=1).err.startswith("corridor: ")
