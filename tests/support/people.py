"""People for tests."""

from typing import Any

from node import accounts, viewer
from node.runtime import Node
from node.viewer import Viewer


async def make_person(node: Node, username: str, **fields: Any) -> Viewer:
    """A local person, as a viewer with every scope. `fields` are those of `accounts.NewAccount`."""
    new = accounts.NewAccount(
        username=username,
        email=fields.pop("email", f"{username}@example.org"),
        password_hash=fields.pop("password_hash", "x"),
        **fields,
    )
    account_id = await node.write(accounts.create, new)
    scopes = frozenset({"read", "write", "follow", "push"})
    return viewer.person(account_id, roles=frozenset(new.roles), scopes=scopes)
