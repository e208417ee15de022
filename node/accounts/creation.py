"""New people of this node, and the actor of the node itself."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, select

from node.accounts import indexing, standing
from node.accounts.lookup import checked, storable
from node.errors import Invalid
from node.html import plain
from node.ids import AccountId
from node.runtime import Tx
from node.schema import account, login

MAX_USERNAME = 30
MAX_DISPLAY_NAME = 100
KEYS_JOB = "account.keys"
"""Payload: {"account_id": int}. Makes its keys, which take too long for a transaction."""
RESERVED = frozenset({"actor", "catchup", "corridor", "everyone", "experts", "here", "radar"})
"""Names of the node's own accounts, and those that would read as an address to all."""

_USERNAME = re.compile(r"[a-z0-9_]+(?:[.-]+[a-z0-9_]+)*")
# No more than mistakes in typing: whether an address exists only a mail to it can tell.
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f\ud800-\udfff]{1,64}@[^\s@\x00-\x1f\x7f\ud800-\udfff]{1,255}")

_HANDLE_TAKEN = select(account.c.id).where(account.c.handle == bindparam("handle"))
_EMAIL_TAKEN = select(login.c.account_id).where(login.c.email == bindparam("email"))
_INSERT_ACCOUNT = insert(account)
_INSERT_LOGIN = insert(login)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """A person to be. `manager` is a handle; `department` None is this node's; `created_at` in ms, None is now."""

    username: str
    email: str
    password_hash: str
    roles: Sequence[str] = ("employee",)
    display_name: str = ""
    title: str | None = None
    department: str | None = None
    manager: str | None = None
    executive: bool = False
    created_at: int | None = None


def create(tx: Tx, new: NewAccount) -> AccountId:
    """A new local person who can sign in at once. A job makes the keys.

    Raises Invalid, with the field's name, for anything that is malformed or taken.
    """
    username = _free_username(tx, new.username)
    email = _free_email(tx, new.email)
    roles = standing.checked_roles(new.roles)
    created_at = tx.now if new.created_at is None else min(new.created_at, tx.now)
    account_id = AccountId(tx.new_id(created_at))
    row = _local_row(tx, account_id, username, created_at) | {
        "display_name": plain(checked(new.display_name, "display_name", MAX_DISPLAY_NAME), limit=MAX_DISPLAY_NAME),
        "title": standing.work_text(new.title, "title"),
        "department": standing.work_text(new.department, "department") or tx.settings.node.department,
        "manager_iri": standing.manager_iri(tx, new.manager) if new.manager else None,
        "executive": new.executive,
    }
    tx.execute(_INSERT_ACCOUNT, row)
    credentials = {
        "account_id": account_id,
        "email": email,
        "password_hash": new.password_hash,
        "roles": roles,
        "default_local_only": tx.settings.accounts.default_local_only,
        "created_at": created_at,
    }
    tx.execute(_INSERT_LOGIN, credentials)
    indexing.index(tx, [account_id])
    tx.enqueue(KEYS_JOB, {"account_id": account_id}, dedupe=f"{KEYS_JOB}:{account_id}")
    tx.audit("account.create", f"account:{account_id}", {"handle": username, "roles": roles})
    return account_id


def create_node_actor(tx: Tx) -> AccountId:
    """The actor of the node itself, which signs what no person sends. Returns the one that is there, if any."""
    existing = tx.scalar(select(account.c.id).where(account.c.iri == tx.urls.node_actor))
    if existing is not None:
        return AccountId(existing)
    account_id = AccountId(tx.new_id())
    username = tx.settings.node.domain.partition(":")[0]
    boxes = {"inbox": tx.urls.shared_inbox, "outbox": None, "followers_iri": None, "following_iri": None}
    row = _local_row(tx, account_id, username, tx.now) | boxes
    row |= {"iri": tx.urls.node_actor, "url": tx.urls.base, "featured_iri": None, "actor_type": "Application"}
    row |= {"display_name": tx.settings.title, "bot": True, "locked": True, "discoverable": False, "indexable": False}
    tx.execute(_INSERT_ACCOUNT, row)
    return account_id


def create_group_actor(tx: Tx, username: str, display_name: str, *, locked: bool, discoverable: bool) -> AccountId:
    """The account of a group: like a person's, but without a login. Raises Invalid as `create` does."""
    username = _free_username(tx, username)
    account_id = AccountId(tx.new_id())
    row = _local_row(tx, account_id, username, tx.now) | {
        "display_name": plain(checked(display_name, "display_name", MAX_DISPLAY_NAME), limit=MAX_DISPLAY_NAME),
        "actor_type": "Group",
        "department": tx.settings.node.department,
        "locked": locked,
        "discoverable": discoverable,
        "indexable": False,
    }
    tx.execute(_INSERT_ACCOUNT, row)
    indexing.index(tx, [account_id])
    tx.enqueue(KEYS_JOB, {"account_id": account_id}, dedupe=f"{KEYS_JOB}:{account_id}")
    return account_id


def _local_row(tx: Tx, account_id: int, username: str, created_at: int) -> dict[str, Any]:
    return {
        "id": account_id,
        "username": username,
        "domain": None,
        "handle": username,
        "iri": tx.urls.actor(username),
        "url": tx.urls.profile(username),
        "inbox": tx.urls.inbox(username),
        "shared_inbox": tx.urls.shared_inbox,
        "outbox": tx.urls.outbox(username),
        "followers_iri": tx.urls.followers(username),
        "following_iri": tx.urls.following(username),
        "featured_iri": tx.urls.featured(username),
        "created_at": created_at,
        "updated_at": created_at,
    }


def _free_username(tx: Tx, value: str) -> str:
    username = value.strip().lower()
    if not 1 <= len(username) <= MAX_USERNAME:
        raise Invalid(f"must have 1 to {MAX_USERNAME} characters", "username")
    if not _USERNAME.fullmatch(username):
        raise Invalid("may hold letters a to z, digits, '_', and '.' or '-' between them", "username")
    if username in RESERVED:
        raise Invalid("is reserved", "username")
    if tx.first(_HANDLE_TAKEN, {"handle": username}) is not None:
        raise Invalid("has already been taken", "username")
    return username


def _free_email(tx: Tx, value: str) -> str:
    email = value.strip().casefold()
    if not storable(email) or not _EMAIL.fullmatch(email):
        raise Invalid("is not an e-mail address", "email")
    if tx.first(_EMAIL_TAKEN, {"email": email}) is not None:
        raise Invalid("has already been taken", "email")
    return email
