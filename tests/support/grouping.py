"""Groups for tests."""

from typing import Any

from node import groups, social
from node.groups import NewGroup
from node.runtime import Node
from node.viewer import Viewer, person
from tests.support.rows import id_of


async def make_group(node: Node, maker: Viewer, username: str = "pumps", **fields: Any) -> Viewer:
    """A group, as the viewer that it acts as. `fields` are those of `groups.NewGroup`."""
    return person(await node.write_as(maker, groups.create, NewGroup(username=username, **fields)))


async def join(node: Node, who: Viewer, group: Viewer) -> None:
    await node.write_as(who, social.follow, id_of(group))
