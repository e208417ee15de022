"""Accounts: people of this node, its own actor, and the people of peers.

lookup     one account by id, handle or IRI
creation   new people of this node, the node's actor
profile    what people say about themselves
standing   what the administration says about them: work, roles, passwords, suspension
remote     what peers say about their people
removal    deleting an account for good
finding    directory, mentions
indexing   under which words people are written down
searching  finding them by these
"""

from node.accounts.creation import KEYS_JOB, NewAccount, create, create_node_actor
from node.accounts.finding import directory, resolve, unknown_handles
from node.accounts.indexing import INDEX_JOB, index, index_next
from node.accounts.lookup import (
    acting,
    by_handle,
    count_posts,
    get,
    known,
    local_by_iri,
    local_people,
    login_of,
    node_actor,
    normal_handle,
)
from node.accounts.profile import ProfileChanges, update_profile
from node.accounts.remote import store_remote
from node.accounts.removal import PURGE_JOB, delete_account
from node.accounts.searching import search
from node.accounts.standing import (
    ROLES,
    WorkChanges,
    disable,
    enable,
    require_role,
    set_password,
    set_roles,
    set_work,
    suspend,
    unsuspend,
)

__all__ = [
    "INDEX_JOB",
    "KEYS_JOB",
    "PURGE_JOB",
    "ROLES",
    "NewAccount",
    "ProfileChanges",
    "WorkChanges",
    "acting",
    "by_handle",
    "count_posts",
    "create",
    "create_node_actor",
    "delete_account",
    "directory",
    "disable",
    "enable",
    "get",
    "index",
    "index_next",
    "known",
    "local_by_iri",
    "local_people",
    "login_of",
    "node_actor",
    "normal_handle",
    "require_role",
    "resolve",
    "search",
    "set_password",
    "set_roles",
    "set_work",
    "store_remote",
    "suspend",
    "unknown_handles",
    "unsuspend",
    "update_profile",
]
