"""Fixtures of the tests that run whole nodes: `make_running_node`, and two of them that know each other."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node import setup
from tests.support.running import RunningNode, aside, free_port

Maker = Callable[..., RunningNode]
UNLIMITED = {"CORRIDOR_LIMITS__PER_ACCOUNT": "0", "CORRIDOR_LIMITS__POSTS_PER_ACCOUNT": "0"}


@pytest.fixture
def make_running_node(
    tmp_path: Path, request: pytest.FixtureRequest, new_database_url: Callable[[str, Path], str]
) -> Iterator[Maker]:
    """`make_running_node("Engineering", engine="sqlite")`: made as `corridor init --dev` does, not yet started."""
    numbers = itertools.count()
    made: list[RunningNode] = []

    def make(department: str, *, engine: str = "sqlite", **environment: str) -> RunningNode:
        folder, port = tmp_path / f"node{next(numbers)}", free_port()
        node = RunningNode(folder, port, {**UNLIMITED, **environment})
        new = setup.NewNode(folder, node.domain, department, dev=True)
        setup.write_files(new)
        url = new_database_url(engine, folder)
        if engine == "postgresql":
            node.environment["CORRIDOR_DATABASE__URL"] = url
        aside(setup.populate, node.settings)
        made.append(node)
        return node

    yield make
    for node in made:
        node.stop()


@pytest.fixture
def two_nodes(make_running_node: Maker, engine_name: str) -> tuple[RunningNode, RunningNode]:
    """Engineering and Field Service, running, on each engine in turn."""
    engineering = make_running_node("Engineering", engine=engine_name)
    field = make_running_node("Field Service", engine=engine_name)
    engineering.launch()
    field.launch()
    engineering.wait_until_up()
    field.wait_until_up()
    return engineering, field
