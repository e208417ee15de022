"""Polls, which come from peers: GET /api/v1/polls/{id}. Making them and voting is not here yet."""

import msgspec
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import posts
from node.errors import NotFound
from node.runtime import Tx
from node.schema import poll
from web import params
from web.mastodon import answers, loading, shapes
from web.mastodon.entities import Renderer, reader


def routes() -> list[BaseRoute]:
    return [Route("/api/v1/polls/{id}", one)]


async def one(request: Request) -> Response:
    access = answers.to_read("read:statuses")
    return await answers.read(request, access, lambda tx, renderer: _one(tx, renderer, params.path_id(request)))


def _one(tx: Tx, _renderer: Renderer, poll_id: int) -> bytes:
    row = tx.first(select(poll).where(poll.c.id == poll_id))
    if row is None:
        raise NotFound()
    author = posts.get(tx, row.post_id).author_id
    viewer = reader(tx)
    own = None if viewer is None else loading.votes(tx, [viewer], [row.id]).get((viewer, row.id), [])
    return msgspec.json.encode(shapes.poll(row, tx.now, own, is_author=viewer == author))
