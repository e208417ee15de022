"""Lists of people.

GET    /api/v1/lists · /{id} · /{id}/accounts (?limit=0: all) · /api/v1/accounts/{id}/lists
POST   /api/v1/lists · /{id}/accounts
PUT    /api/v1/lists/{id}
DELETE /api/v1/lists/{id} · /{id}/accounts
GET    /api/v1/timelines/list/{id}
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import lists, timelines
from node.runtime import Tx
from web import identity as api
from web import params
from web.mastodon import answers, shapes
from web.mastodon.entities import Renderer, array
from web.responses import JSONBytes, empty

READ, WRITE = "read:lists", "write:lists"
_PATH = "/api/v1/lists"


def routes() -> list[BaseRoute]:
    return [
        Route(_PATH, own),
        Route(_PATH, create, methods=["POST"]),
        Route(f"{_PATH}/{{id}}", one),
        Route(f"{_PATH}/{{id}}", change, methods=["PUT"]),
        Route(f"{_PATH}/{{id}}", remove, methods=["DELETE"]),
        Route(f"{_PATH}/{{id}}/accounts", members),
        Route(f"{_PATH}/{{id}}/accounts", add, methods=["POST"]),
        Route(f"{_PATH}/{{id}}/accounts", take_out, methods=["DELETE"]),
        Route("/api/v1/accounts/{id}/lists", containing),
        Route("/api/v1/timelines/list/{id}", timeline),
    ]


async def own(request: Request) -> Response:
    return await answers.read(request, READ, lambda tx, _renderer: _encoded(lists.own(tx)))


async def containing(request: Request) -> Response:
    account_id = params.path_id(request)
    return await answers.read(request, READ, lambda tx, _renderer: _encoded(lists.containing(tx, account_id)))


async def one(request: Request) -> Response:
    list_id = params.path_id(request)
    return await answers.read(request, READ, lambda tx, renderer: _one(tx, renderer, list_id))


async def create(request: Request) -> Response:
    form = await params.read(request)
    title, replies = form.text("title"), form.text("replies_policy") or "list"
    exclusive = form.flag("exclusive")
    return await answers.write(
        request, WRITE, lambda tx: lists.create(tx, title, replies=replies, exclusive=exclusive), _one
    )


async def change(request: Request) -> Response:
    list_id, form = params.path_id(request), await params.read(request)
    title, replies = form.text_or_none("title"), form.text_or_none("replies_policy")
    exclusive = form.boolean("exclusive", None)
    return await answers.write(
        request, WRITE, lambda tx: lists.change(tx, list_id, title=title, replies=replies, exclusive=exclusive), _one
    )


async def remove(request: Request) -> Response:
    await api.write(request, WRITE, lists.remove, params.path_id(request))
    return empty()


async def members(request: Request) -> Response:
    list_id, asked = params.path_id(request), params.query(request)
    if asked.integer("limit", hi=params.LAST_ID) != 0:
        return await answers.accounts(request, READ, lists.members, list_id, params.page_of(asked, default=40, max=80))

    def everybody(tx: Tx, renderer: Renderer) -> bytes:
        return array(renderer.accounts(tx, [account_id for _, account_id in lists.members(tx, list_id, None)]))

    return await answers.search(request, READ, everybody)


async def add(request: Request) -> Response:
    list_id, form = params.path_id(request), await params.read(request)
    await api.write(request, WRITE, lists.add, list_id, form.ids("account_ids"))
    return empty()


async def take_out(request: Request) -> Response:
    list_id, form = params.path_id(request), await params.read(request)
    await api.write(request, WRITE, lists.take_out, list_id, form.ids("account_ids"))
    return empty()


async def timeline(request: Request) -> JSONBytes:
    return await answers.statuses(request, READ, timelines.people_list, params.path_id(request), params.page(request))


def _one(tx: Tx, _renderer: Renderer, list_id: int) -> bytes:
    return msgspec.json.encode(_entity(lists.get(tx, list_id)))


def _encoded(rows: Sequence[Row[Any]]) -> bytes:
    return msgspec.json.encode([_entity(row) for row in rows])


def _entity(row: Row[Any]) -> shapes.Json:
    """List."""
    return {
        "id": str(row.id),
        "title": row.title,
        "replies_policy": row.replies_policy,
        "exclusive": row.exclusive,
    }
