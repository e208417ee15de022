"""Documents that other software really sent, as other people's tests carry them (`make interop` brings the packages).

None of them is in this repository. JSON files are read; of Python files the literals alone, nothing of them is run.
"""

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from activitypub import parse
from tests.conftest import missing

CAPTURES = Path(__file__).parent / ".captures"
SOURCES = {
    "apmodel": "apmodel-*/tests/data/*.json",
    "cattle_grid": "cattle_grid/extensions/examples/*/test_*.py",
    "federation": "federation/tests/fixtures/payloads/activitypub.py",
    "muck_out": "muck_out-*/docs/assets/*.json",
    "muck_out.examples": "muck_out-*/muck_out/testing/examples.py",
    "toolkit": "django_activitypub_toolkit-*/activitypub/tests/fixtures/documents/*/*.json",
}
"""Package: where its documents are."""

NO_JSON = {"takahe.follow_activity"}
"""A stray letter in it."""

Doc = dict[str, Any]


def documents() -> dict[str, Doc]:
    """All of them by name: `PACKAGE/FILE` (for the toolkit `PACKAGE/FOLDER.FILE`), or `PACKAGE/VARIABLE` of Python files.

    What is missing altogether skips the test; in CI it is an error.
    """
    found = {}
    for package, pattern in SOURCES.items():
        paths = sorted(CAPTURES.glob(pattern))
        if not paths:
            missing(f"documents of {package} are not installed: make interop")
        for path in paths:
            for name, doc in _of_python(path) if path.suffix == ".py" else _of_json(path, package):
                found[f"{package}/{name}"] = doc
    return found


def _of_json(path: Path, package: str) -> Iterator[tuple[str, Doc]]:
    name = f"{path.parent.name}.{path.stem}" if package == "toolkit" else path.stem
    if name not in NO_JSON:
        yield name, parse.load(path.read_bytes())


def _of_python(path: Path) -> Iterator[tuple[str, Doc]]:
    """Dictionaries with a context that are assigned to a name, or returned by a function."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield from _literal(node.targets[0].id, node.value)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for line in node.body:
                if isinstance(line, ast.Return):
                    yield from _literal(node.name, line.value)


def _literal(name: str, node: ast.expr | None) -> Iterator[tuple[str, Doc]]:
    if not isinstance(node, ast.Dict):
        return
    try:
        doc = ast.literal_eval(node)
    except ValueError:  # made of something else than literals
        return
    if "@context" in doc:
        yield name, doc
