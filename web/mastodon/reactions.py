"""What people do with posts.

    POST /api/v1/statuses/{id}/favourite · unfavourite · reblog · unreblog · bookmark · unbookmark · pin · unpin
    GET  /api/v1/statuses/{id}/favourited_by · reblogged_by
    GET  /api/v1/favourites · /api/v1/bookmarks

All but reblog answer the post itself, also when a boost of it was named; reblog answers the boost.
"""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import posts, reactions
from node.ids import PostId
from node.runtime import Tx
from web import params
from web.mastodon import answers
from web.mastodon.entities import Renderer
from web.mastodon.statuses import asked_visibility

READ = answers.to_read("read:statuses")
_PATH = "/api/v1/statuses/{id}"
_RULES: dict[str, tuple[str, Callable[[Tx, int], PostId]]] = {
    "favourite": ("write:favourites", reactions.favourite),
    "unfavourite": ("write:favourites", reactions.unfavourite),
    "bookmark": ("write:bookmarks", reactions.bookmark),
    "unbookmark": ("write:bookmarks", reactions.unbookmark),
    "pin": ("write:accounts", reactions.pin),
    "unpin": ("write:accounts", reactions.unpin),
    "unreblog": ("write:statuses", reactions.unboost),
}


def routes() -> list[BaseRoute]:
    return [
        *(Route(f"{_PATH}/{name}", react, methods=["POST"], name=name) for name in _RULES),
        Route(f"{_PATH}/reblog", reblog, methods=["POST"]),
        Route(f"{_PATH}/favourited_by", favourited_by),
        Route(f"{_PATH}/reblogged_by", reblogged_by),
        Route("/api/v1/favourites", favourites),
        Route("/api/v1/bookmarks", bookmarks),
    ]


async def react(request: Request) -> Response:
    scope, rule = _RULES[request.scope["route"].name]
    post_id = params.path_id(request)

    def work(tx: Tx) -> PostId:
        return rule(tx, post_id)

    return await answers.write(request, scope, work, _show)


def _show(tx: Tx, renderer: Renderer, post_id: int) -> bytes:
    """Taking something back works also for a post that may not be seen any more; showing it does not."""
    return renderer.status(tx, posts.get(tx, post_id).id)


async def reblog(request: Request) -> Response:
    form = await params.read(request)
    visibility = asked_visibility(form, "visibility")
    post_id = params.path_id(request)
    return await answers.status_after(request, "write:statuses", lambda tx: reactions.boost(tx, post_id, visibility))


async def favourited_by(request: Request) -> Response:
    post_id, page = params.path_id(request), params.page(request, default=40, max=80)
    return await answers.accounts(request, READ, reactions.favourited_by, post_id, page)


async def reblogged_by(request: Request) -> Response:
    post_id, page = params.path_id(request), params.page(request, default=40, max=80)
    return await answers.accounts(request, READ, reactions.boosted_by, post_id, page)


async def favourites(request: Request) -> Response:
    return await answers.statuses_by_cursor(request, "read:favourites", reactions.favourites, params.page(request))


async def bookmarks(request: Request) -> Response:
    return await answers.statuses_by_cursor(request, "read:bookmarks", reactions.bookmarks, params.page(request))
