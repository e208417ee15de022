"""Direct conversations.

GET    /api/v1/conversations          paged by the last post, which only Link tells
POST   /api/v1/conversations/{id}/read
DELETE /api/v1/conversations/{id}
GET    /api/v1/timelines/direct
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import directs
from node.runtime import Tx
from web import identity as api
from web import params
from web.mastodon import answers
from web.mastodon.conversations import rendered
from web.mastodon.entities import Renderer, array
from web.responses import empty

READ, WRITE = "read:statuses", "write:conversations"
_PATH = "/api/v1/conversations"


def routes() -> list[BaseRoute]:
    return [
        Route(_PATH, page),
        Route(f"{_PATH}/{{id}}", remove, methods=["DELETE"]),
        Route(f"{_PATH}/{{id}}/read", read, methods=["POST"]),
        Route("/api/v1/timelines/direct", timeline),
    ]


async def page(request: Request) -> Response:
    asked = params.page(request)

    def work(tx: Tx, renderer: Renderer) -> answers.Drawn:
        rows = directs.page(tx, asked)
        return array(rendered(renderer, tx, rows)), [row.last_post_id for row in rows]

    return await answers.page(request, READ, work)


async def read(request: Request) -> Response:
    conversation_id = params.path_id(request)
    return await answers.write(request, WRITE, lambda tx: directs.read(tx, conversation_id), _one)


def _one(tx: Tx, renderer: Renderer, conversation_id: int) -> bytes:
    return rendered(renderer, tx, [directs.get(tx, conversation_id)])[0]


async def remove(request: Request) -> Response:
    await api.write(request, WRITE, directs.remove, params.path_id(request))
    return empty()


async def timeline(request: Request) -> Response:
    return await answers.statuses(request, READ, directs.posts, params.page(request))
