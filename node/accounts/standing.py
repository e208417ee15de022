"""What the administration says about a person: work, roles, password, suspension.

Every rule here checks the role of `tx.viewer` itself and leaves a line in the audit log; the node itself (command line,
worker) may do everything. Whatever ends a login also emits "kill", on which live streams close (CVE-2025-62175).
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import bindparam, delete, update

from node.accounts import indexing, lookup
from node.accounts.lookup import checked
from node.errors import Forbidden, Invalid, NotFound
from node.html import plain
from node.runtime import Tx
from node.schema import account, login, oauth_code, oauth_token, web_session
from node.viewer import Kind

ROLES = ("employee", "comms", "moderator", "auditor", "admin")
MAX_WORK = 200

_YEAR_10000 = 253_402_300_800_000
"""ms: from here on a moment could be stored, but not shown."""
_REVOKE_TOKENS = (
    update(oauth_token)
    .where(oauth_token.c.account_id == bindparam("of"), oauth_token.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("at"))
)
_DROP_CODES = delete(oauth_code).where(oauth_code.c.account_id == bindparam("of"), oauth_code.c.used_at.is_(None))
_DROP_SESSIONS = delete(web_session).where(web_session.c.account_id == bindparam("of"))


class WorkChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What is left out stays; None clears. `manager` is a handle; `away_until` in ms UTC."""

    title: str | UnsetType | None = UNSET
    department: str | UnsetType | None = UNSET
    manager: str | UnsetType | None = UNSET
    executive: bool | UnsetType = UNSET
    away_until: int | UnsetType | None = UNSET


def set_work(tx: Tx, account_id: int, changes: WorkChanges) -> None:
    """Title, department, manager, executive, away. The only source for "leaders", "manager" and "away" (design, 5)."""
    require_role(tx, "admin")
    row = _local_person(tx, account_id)
    values = _work_values(tx, changes)
    if values.get("manager_iri") == row.iri:
        raise Invalid("nobody is their own manager", "manager")
    values = {name: value for name, value in values.items() if getattr(row, name) != value}
    if not values:
        return
    _change(tx, account_id, values)
    tx.audit("account.work", f"account:{account_id}", values)
    tx.outgoing.profile_changed(tx, account_id)


def set_roles(tx: Tx, account_id: int, roles: Iterable[str]) -> None:
    require_role(tx, "admin")
    _local_person(tx, account_id)
    wanted = checked_roles(roles)
    tx.execute(update(login).where(login.c.account_id == account_id).values(roles=wanted))
    _change(tx, account_id, {})
    tx.audit("account.roles", f"account:{account_id}", {"roles": wanted})


def set_password(tx: Tx, account_id: int, password_hash: str) -> None:
    """By the person or an administrator. Ends every session and token: whoever had the old password is out."""
    if tx.viewer.account_id != account_id:
        require_role(tx, "admin")
    _local_person(tx, account_id)
    tx.execute(update(login).where(login.c.account_id == account_id).values(password_hash=password_hash))
    sign_out(tx, account_id)
    tx.audit("account.password", f"account:{account_id}")


def disable(tx: Tx, account_id: int) -> None:
    """The person can't sign in, and their tokens are refused until `enable`. The account and its posts stay."""
    require_role(tx, "admin")
    _local_person(tx, account_id)
    tx.execute(update(login).where(login.c.account_id == account_id).values(disabled_at=tx.now))
    tx.execute(_DROP_SESSIONS, {"of": account_id})
    tx.execute(_DROP_CODES, {"of": account_id})
    tx.emit("kill", account_id=account_id)
    tx.audit("account.disable", f"account:{account_id}")


def enable(tx: Tx, account_id: int) -> None:
    require_role(tx, "admin")
    _local_person(tx, account_id)
    tx.execute(update(login).where(login.c.account_id == account_id).values(disabled_at=None))
    tx.audit("account.enable", f"account:{account_id}")


def suspend(tx: Tx, account_id: int) -> None:
    """Hide an account, local or remote, and all it wrote; end its sessions and tokens. `unsuspend` shows it again."""
    require_role(tx, "moderator", "admin")
    row = lookup.get(tx, account_id)
    if row.iri == tx.urls.node_actor:
        raise Forbidden
    if row.suspended_at is not None:
        return
    _change(tx, account_id, {"suspended_at": tx.now})
    sign_out(tx, account_id)
    tx.audit("account.suspend", f"account:{account_id}", {"handle": row.handle})


def unsuspend(tx: Tx, account_id: int) -> None:
    require_role(tx, "moderator", "admin")
    row = lookup.get(tx, account_id)
    if row.suspended_at is None:
        return
    _change(tx, account_id, {"suspended_at": None})
    tx.audit("account.unsuspend", f"account:{account_id}", {"handle": row.handle})


def sign_out(tx: Tx, account_id: int) -> None:
    """End all sessions, tokens and live streams of an account."""
    tx.execute(_REVOKE_TOKENS, {"of": account_id, "at": tx.now})
    tx.execute(_DROP_CODES, {"of": account_id})
    tx.execute(_DROP_SESSIONS, {"of": account_id})
    tx.emit("kill", account_id=account_id)


def require_role(tx: Tx, *roles: str) -> None:
    """Forbidden unless the viewer has one of the roles, or is the node itself."""
    if tx.viewer.kind is not Kind.SYSTEM and not tx.viewer.roles.intersection(roles):
        raise Forbidden


def checked_roles(roles: Iterable[str]) -> list[str]:
    """In the order of ROLES, without repetitions. Invalid for none, or one that does not exist."""
    wanted = set(roles)
    if not wanted or not wanted <= set(ROLES):
        raise Invalid(f"must be some of {', '.join(ROLES)}", "role")
    return [role for role in ROLES if role in wanted]


def manager_iri(tx: Tx, handle: str) -> str:
    try:
        row = lookup.by_handle(tx, handle)
    except NotFound:
        raise Invalid(f"no account {handle!r} is known here", "manager") from None
    iri: str = row.iri
    return iri


def work_text(value: str | None, field: str) -> str | None:
    """Title or department on one line; None when there is nothing in it."""
    return plain(checked(value, field, MAX_WORK), limit=MAX_WORK) or None if value else None


def _work_values(tx: Tx, changes: WorkChanges) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if changes.title is not UNSET:
        values["title"] = work_text(changes.title, "title")
    if changes.department is not UNSET:
        values["department"] = work_text(changes.department, "department")
    if changes.manager is not UNSET:
        values["manager_iri"] = manager_iri(tx, changes.manager) if changes.manager else None
    if changes.executive is not UNSET:
        values["executive"] = changes.executive
    if changes.away_until is not UNSET:
        values["away_until"] = _moment(changes.away_until)
    return values


def _moment(value: int | None) -> int | None:
    if value is not None and not 0 <= value < _YEAR_10000:
        raise Invalid("is no time", "away_until")
    return value


def _local_person(tx: Tx, account_id: int) -> Any:
    row = lookup.get(tx, account_id)
    if row.domain is not None or row.iri == tx.urls.node_actor:
        raise NotFound
    return row


def _change(tx: Tx, account_id: int, values: dict[str, Any]) -> None:
    tx.execute(
        update(account).where(account.c.id == account_id).values(**values, rev=account.c.rev + 1, updated_at=tx.now)
    )
    indexing.index(tx, [account_id], values)
