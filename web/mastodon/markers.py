"""How far somebody has read, for all their devices.

GET  /api/v1/markers   ?timeline[]=home|notifications
POST /api/v1/markers   home[last_read_id], notifications[last_read_id]
"""

from collections.abc import Collection
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import markers
from node.errors import Invalid
from node.runtime import Tx
from web import params
from web.mastodon import answers, shapes
from web.mastodon.entities import Renderer

READ, WRITE = "read:statuses", "write:statuses"
_PATH = "/api/v1/markers"


def routes() -> list[BaseRoute]:
    return [Route(_PATH, own), Route(_PATH, save, methods=["POST"])]


async def own(request: Request) -> Response:
    timelines = params.query(request).texts("timeline")
    return await answers.read(request, READ, lambda tx, renderer: _encoded(tx, renderer, timelines))


async def save(request: Request) -> Response:
    form = await params.read(request)
    positions = {name: _position(form, name) for name in markers.TIMELINES if form.has(name)}
    return await answers.write(request, WRITE, lambda tx: markers.save(tx, positions), _encoded)


def _position(form: params.Params, name: str) -> int:
    last_read_id = form.group(name).id("last_read_id")
    if last_read_id is None:
        raise Invalid("Last read can't be blank", f"{name}[last_read_id]")
    return last_read_id


def _encoded(tx: Tx, _renderer: Renderer, timelines: Collection[str]) -> bytes:
    found: dict[str, Any] = {
        name: {
            "last_read_id": str(row.last_read_id),
            "version": row.version,
            "updated_at": shapes.moment(row.updated_at),
        }
        for name, row in markers.own(tx, timelines).items()
    }
    return msgspec.json.encode(found)
