"""Administration of this node's people, over our own API: role admin, scopes `admin:read:accounts`, `admin:write:accounts`.

    GET   /api/corridor/v1/admin/accounts                list, oldest first; ?limit=&after_id=
    GET   /api/corridor/v1/admin/accounts/{id}           one account; {id} may be a user name
    PATCH /api/corridor/v1/admin/accounts/{id}           title department manager executive away_until roles[]
    POST  /api/corridor/v1/admin/accounts/{id}/disable   may not sign in, tokens refused
    POST  /api/corridor/v1/admin/accounts/{id}/enable

Every change leaves a line in the audit log. An account in JSON:

    {"id", "username", "acct", "display_name", "email", "roles": [], "title", "department", "manager" (handle or null),
     "executive", "away_until" (RFC 3339 or null), "disabled", "suspended", "created_at", "last_sign_in_at"}
"""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import UNSET
from sqlalchemy import Row, select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from activitypub.build import timestamp
from node import accounts
from node.accounts import WorkChanges
from node.errors import NotFound
from node.runtime import Tx
from node.schema import account, login
from web import identity as api
from web import params
from web.identity import Access
from web.params import Params
from web.responses import json

READ = Access("admin:read:accounts", role="admin")
WRITE = Access("admin:write:accounts", role="admin")
_PATH = "/api/corridor/v1/admin/accounts"
_MAX_PAGE = 200


def routes() -> list[BaseRoute]:
    return [
        Route(_PATH, list_accounts),
        Route(f"{_PATH}/{{id}}", get_account),
        Route(f"{_PATH}/{{id}}", change_account, methods=["PATCH"]),
        Route(f"{_PATH}/{{id}}/disable", disable_account, methods=["POST"]),
        Route(f"{_PATH}/{{id}}/enable", enable_account, methods=["POST"]),
    ]


async def list_accounts(request: Request) -> Response:
    asked = params.query(request)
    limit = asked.integer("limit", 50, lo=1, hi=_MAX_PAGE) or 50
    return json(await api.read(request, READ, _list, limit, asked.id("after_id") or 0))


def _list(tx: Tx, limit: int, after_id: int) -> list[dict[str, Any]]:
    return _shown(tx, accounts.local_people(tx, limit=limit, after_id=after_id))


async def get_account(request: Request) -> Response:
    return json(await api.read(request, READ, _get, request.path_params["id"]))


def _get(tx: Tx, key: str) -> dict[str, Any]:
    """Of a person of this node, by id or user name. Raises NotFound."""
    return _shown(tx, accounts.local_people(tx, limit=1, after_id=_local_id(tx, key) - 1))[0]


def _local_id(tx: Tx, key: str) -> int:
    by_id = key.isascii() and key.isdigit() and len(key) == 18  # ids have eighteen digits, user names rarely do
    row = accounts.get(tx, int(key)) if by_id else accounts.by_handle(tx, key)
    if row.domain is not None or tx.first(select(login.c.account_id).where(login.c.account_id == row.id)) is None:
        raise NotFound()
    return int(row.id)


async def change_account(request: Request) -> Response:
    sent = await params.read(request)
    work, roles = _work(sent), sent.texts("roles") if sent.has("roles") else None
    return json(await api.write(request, WRITE, _change, request.path_params["id"], work, roles))


def _change(tx: Tx, key: str, work: WorkChanges, roles: Sequence[str] | None) -> dict[str, Any]:
    account_id = _local_id(tx, key)
    accounts.set_work(tx, account_id, work)
    if roles is not None:
        accounts.set_roles(tx, account_id, roles)
    return _get(tx, str(account_id))


async def disable_account(request: Request) -> Response:
    return json(await api.write(request, WRITE, _switch, request.path_params["id"], accounts.disable))


async def enable_account(request: Request) -> Response:
    return json(await api.write(request, WRITE, _switch, request.path_params["id"], accounts.enable))


def _switch(tx: Tx, key: str, rule: Callable[[Tx, int], None]) -> dict[str, Any]:
    account_id = _local_id(tx, key)
    rule(tx, account_id)
    return _get(tx, str(account_id))


def _work(sent: Params) -> WorkChanges:
    """What was sent is changed; an empty text or null clears."""
    return WorkChanges(
        title=sent.text_or_none("title") if sent.has("title") else UNSET,
        department=sent.text_or_none("department") if sent.has("department") else UNSET,
        manager=sent.text_or_none("manager") if sent.has("manager") else UNSET,
        executive=sent.flag("executive") if sent.has("executive") else UNSET,
        away_until=sent.moment("away_until") if sent.has("away_until") else UNSET,
    )


def _shown(tx: Tx, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    managers = _handles(tx, {row.manager_iri for row in rows if row.manager_iri})
    return [
        {
            "id": str(row.id),
            "username": row.username,
            "acct": row.username,
            "display_name": row.display_name,
            "email": row.email,
            "roles": row.roles,
            "title": row.title,
            "department": row.department,
            "manager": managers.get(row.manager_iri),
            "executive": row.executive,
            "away_until": _time(row.away_until),
            "disabled": row.disabled_at is not None,
            "suspended": row.suspended_at is not None,
            "created_at": _time(row.created_at),
            "last_sign_in_at": _time(row.last_sign_in_at),
        }
        for row in rows
    ]


def _handles(tx: Tx, iris: set[str]) -> dict[str, str]:
    if not iris:
        return {}
    return {
        row.iri: row.handle for row in tx.rows(select(account.c.iri, account.c.handle).where(account.c.iri.in_(iris)))
    }


def _time(moment: int | None) -> str | None:
    return None if moment is None else timestamp(moment)
