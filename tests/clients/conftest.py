"""The nodes of tests/system, for tests with clients that we did not make; and three that imported one company."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.imported import FOLDED, ImportedCompany, made_up
from tests.system.conftest import Maker, make_running_node, two_nodes

__all__ = ["make_running_node", "two_nodes"]


@pytest.fixture
def import_company(make_running_node: Maker, engine_name: str, tmp_path: Path) -> Callable[[int], ImportedCompany]:
    """`import_company(900)`: so many posts, imported into three nodes on each engine in turn, which then run."""

    def make(posts: int) -> ImportedCompany:
        made = made_up(posts=posts)
        nodes = {name: make_running_node(name, engine=engine_name) for name in FOLDED}
        company = ImportedCompany(made, made.write(tmp_path / "company.jsonl.gz"), nodes)
        with ThreadPoolExecutor(len(nodes)) as pool:
            list(pool.map(company.take_in, nodes))
        for node in nodes.values():
            node.launch()
        for node in nodes.values():
            node.wait_until_up()
        return company

    return make
