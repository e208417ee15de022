"""The two nodes of tests/system, for tests with clients that we did not make."""

from tests.system.conftest import make_running_node, two_nodes

__all__ = ["make_running_node", "two_nodes"]
