"""Signing up through a client, where `accounts.registration` is "open": POST /api/v1/accounts."""

from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import accounts, auth, keyring, passwords
from node.accounts import NewAccount
from node.errors import Forbidden, Invalid
from node.ids import AccountId
from node.runtime import Tx
from node.viewer import Viewer
from web import identity as api
from web import params
from web.identity import Access, spend
from web.parts import client_address, parts_of
from web.responses import json

BY_APP = Access("write:accounts", app=True)


def routes() -> list[BaseRoute]:
    return [Route("/api/v1/accounts", sign_up, methods=["POST"])]


async def sign_up(request: Request) -> Response:
    """A new person and a token for them, which is good at once. The caller holds an app's own token.

    403 unless sign-up is open; 422 names the field that is wrong.
    """
    app = await api.viewer(request, BY_APP)
    node = parts_of(request).node
    if node.settings.accounts.registration != "open":
        raise Forbidden("Signing up is not open here: ask the administrator of this department for an account")
    spend(request, "sign_in", client_address(request), node.settings.limits.sign_in_per_address)
    form = await params.read(request)
    if form.boolean("agreement", False) is not True:
        raise Invalid("must be accepted", "agreement")
    password = form.text("password")
    passwords.refuse_weak(password, minimum=node.settings.accounts.password_min_length)
    new = NewAccount(
        username=form.text("username"), email=form.text("email"), password_hash=await passwords.hash(password)
    )
    account_id, token, row = await node.write(_welcome, new, app)
    await keyring.ensure(node, account_id)
    return json(
        {"access_token": token, "token_type": "Bearer", "scope": row.scopes, "created_at": row.created_at // 1000}
    )


def _welcome(tx: Tx, new: NewAccount, app: Viewer) -> tuple[AccountId, str, Row[tuple[object, ...]]]:
    account_id = accounts.create(tx, new)
    if app.app_id is None:
        raise Forbidden()
    token, row = auth.issue(tx, app.app_id, account_id, app.scopes)
    return account_id, token, row
