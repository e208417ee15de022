"""docs/security.md names functions and tests that exist, so that no rule loses its place or its proof unnoticed."""

import ast
import importlib
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "docs" / "security.md"
ROW = re.compile(r"^\| ([^|]*) \| ([^|]+) \| `([\w.]+):([\w.]+)` \| (.+) \|$", re.MULTILINE)

RULES = ROW.findall(PAGE.read_text())


def test_the_page_has_a_rule_for_every_class_of_attack() -> None:
    sections = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]
    with_rules = [section.splitlines()[0] for section in sections if "| tests |" in section]
    assert len(with_rules) >= 13
    for section in sections:
        table = [line for line in section.splitlines() if line.startswith("| ") and "| tests |" not in line]
        if section.splitlines()[0] in with_rules:
            assert table
            assert all(ROW.fullmatch(line) for line in table), [line for line in table if not ROW.fullmatch(line)]


@pytest.mark.parametrize(("rule", "module", "name"), [(rule, module, name) for _, rule, module, name, _ in RULES])
def test_every_rule_lives_where_the_page_says(rule: str, module: str, name: str) -> None:
    found: object = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    assert callable(found), rule


def test_every_rule_is_proved_by_tests_that_exist() -> None:
    defined: dict[str, set[str]] = {}
    missing = []
    for _, rule, _, _, tests in RULES:
        named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", tests)
        assert named, rule
        for path, test in named:
            if path not in defined:
                defined[path] = _tests_of(TESTS / path)
            if test not in defined[path]:
                missing.append(f"{path}::{test}")
    assert missing == []


def _tests_of(path: Path) -> set[str]:
    """Names of the test functions of a file, those in classes too."""
    if not path.exists():
        return set()
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
