"""Groups of departments and projects (FEP-1b12). A group is an account of the type Group that nobody signs in to.

making      a new group, what it says of itself, its end
standing    who moderates a group, who is kept out, who asks to come in; acting in a group's name
posting     which posts a group takes, and what it passes on to its members

Its members are its followers. What it takes it boosts: so members see it at home in every client.
"""

from node.groups.making import GroupChanges, NewGroup, change, create, delete, get, listing, local_ids, remember
from node.groups.posting import announced, arrived, claimed, leave, published, remove_post
from node.groups.standing import (
    acting_as,
    add_moderator,
    answer_request,
    ban,
    banned,
    is_moderator,
    looked_after,
    moderators,
    remove_member,
    remove_moderator,
    requests,
    require_moderator,
    unban,
)

__all__ = [
    "GroupChanges",
    "NewGroup",
    "acting_as",
    "add_moderator",
    "announced",
    "answer_request",
    "arrived",
    "ban",
    "banned",
    "change",
    "claimed",
    "create",
    "delete",
    "get",
    "is_moderator",
    "leave",
    "listing",
    "local_ids",
    "looked_after",
    "moderators",
    "published",
    "remember",
    "remove_member",
    "remove_moderator",
    "remove_post",
    "requests",
    "require_moderator",
    "unban",
]
