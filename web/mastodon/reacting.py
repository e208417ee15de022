"""Reactions and custom emoji.

    GET    /api/v1/custom_emojis                                    open to everybody, like the instance's description
    POST   /api/v1/statuses/{id}/react/{emoji} · /unreact/{emoji}   as Glitch and Moshidon call it
    PUT    /api/v1/pleroma/statuses/{id}/reactions/{emoji}          as Pleroma's and Akkoma's clients do
    DELETE /api/v1/pleroma/statuses/{id}/reactions/{emoji}
    GET    /api/v1/pleroma/statuses/{id}/reactions
    GET    /api/v1/pleroma/statuses/{id}/reactions/{emoji}

`{emoji}` is an emoji, or the shortcode of a custom one, with or without colons, of a peer's with `@domain`.
"""

import hashlib
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import emoji, posts, reacting
from node.ids import PostId
from node.runtime import Tx
from web import identity as api
from web import params
from web.identity import OPEN
from web.mastodon import answers
from web.mastodon import emoji as shown
from web.mastodon.entities import Renderer, array, composed, reader
from web.parts import parts_of
from web.responses import JSONBytes

READ = answers.to_read("read:statuses")
WRITE = "write:favourites"
_STATUS = "/api/v1/statuses/{id}"
_PLEROMA = "/api/v1/pleroma/statuses/{id}/reactions"


def routes() -> list[BaseRoute]:
    return [
        Route("/api/v1/custom_emojis", custom_emojis),
        Route(f"{_STATUS}/react/{{emoji}}", react, methods=["POST"]),
        Route(f"{_STATUS}/unreact/{{emoji}}", unreact, methods=["POST"]),
        Route(_PLEROMA, reactions),
        Route(f"{_PLEROMA}/{{emoji}}", reactions),
        Route(f"{_PLEROMA}/{{emoji}}", react, methods=["PUT"]),
        Route(f"{_PLEROMA}/{{emoji}}", unreact, methods=["DELETE"]),
    ]


async def custom_emojis(request: Request) -> Response:
    urls = parts_of(request).urls
    rows = await api.read(request, OPEN, emoji.own)
    body = msgspec.json.encode([shown.entity(row, urls) for row in rows])
    headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"', "Cache-Control": "public, max-age=60"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return JSONBytes(body, headers=headers)


async def react(request: Request) -> Response:
    return await _change(request, reacting.react)


async def unreact(request: Request) -> Response:
    return await _change(request, reacting.unreact)


async def _change(request: Request, rule: Callable[[Tx, int, str], PostId]) -> Response:
    post_id, name = params.path_id(request), answers.path_name(request, "emoji")
    return await answers.write(request, WRITE, lambda tx: rule(tx, post_id, name), _show)


def _show(tx: Tx, renderer: Renderer, post_id: int) -> bytes:
    """Taking something back works also for a post that may not be seen any more; showing it does not."""
    return renderer.status(tx, posts.get(tx, post_id).id)


async def reactions(request: Request) -> Response:
    post_id = params.path_id(request)
    only = answers.path_name(request, "emoji") if "emoji" in request.path_params else None
    return await answers.read(request, READ, lambda tx, renderer: _reactions(tx, renderer, post_id, only))


def _reactions(tx: Tx, renderer: Renderer, post_id: int, only: str | None) -> bytes:
    """Each reaction with the people who left it."""
    original, people = reacting.people(tx, post_id)
    viewer = reader(tx)
    found = shown.reactions(tx, [original], [] if viewer is None else [viewer], renderer.urls)
    wanted = None if only is None else reacting.spellings(only)
    listed = []
    for one, name in zip(found.listed(original, viewer), found.names.get(original, ()), strict=True):
        if wanted is None or name in wanted:
            body = composed({"accounts": array(renderer.accounts(tx, people.get(name, [])))})
            listed.append(msgspec.json.encode(one)[:-1] + b"," + body[1:])
    return array(listed)
