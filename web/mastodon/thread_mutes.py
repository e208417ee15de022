"""POST /api/v1/statuses/{id}/mute · unmute: no notifications from a thread."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import thread_mutes
from web import params
from web.mastodon import answers

WRITE = "write:mutes"
_RULES = {"mute": thread_mutes.mute, "unmute": thread_mutes.unmute}


def routes() -> list[BaseRoute]:
    return [Route(f"/api/v1/statuses/{{id}}/{name}", change, methods=["POST"], name=name) for name in _RULES]


async def change(request: Request) -> Response:
    """The Status, with what has changed. Idempotent."""
    post_id, rule = params.path_id(request), _RULES[request.scope["route"].name]
    return await answers.status_after(request, WRITE, lambda tx: rule(tx, post_id))
