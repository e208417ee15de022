"""What a person is told.

GET  /api/v1/notifications            ?types[] ?exclude_types[] ?account_id
GET  /api/v1/notifications/{id}
POST /api/v1/notifications/clear · /{id}/dismiss · /dismiss (id in the body)
GET  /api/v1/notifications/unread_count   the same filters; newer than the marker of the notifications
"""

from typing import TypedDict

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import markers, notifications
from node.errors import NotFound
from node.reacting import KIND
from node.runtime import Tx
from web import identity as api
from web import params
from web.mastodon import answers
from web.mastodon.entities import Renderer, array
from web.responses import empty

READ = "read:notifications"
WRITE = "write:notifications"
FAVOURITE = "favourite"
REACTIONS = ("pleroma:emoji_reaction", KIND)
"""Names under which clients ask for reactions. To those that do not, a reaction is a favourite, with `emoji` beside it:
nobody misses one, and no client meets a kind that it does not know."""
_PATH = "/api/v1/notifications"


class Wanted(TypedDict):
    """What `notifications.page` and the like are asked for."""

    kinds: frozenset[str] | None
    exclude: frozenset[str]
    from_account: int | None


def routes() -> list[BaseRoute]:
    return [
        Route(_PATH, page),
        Route(f"{_PATH}/clear", clear, methods=["POST"]),
        Route(f"{_PATH}/dismiss", dismiss_named, methods=["POST"]),
        Route(f"{_PATH}/unread_count", unread_count),
        Route(f"{_PATH}/{{id}}", one),
        Route(f"{_PATH}/{{id}}/dismiss", dismiss, methods=["POST"]),
    ]


async def page(request: Request) -> Response:
    asked = params.query(request)
    bounds, filters, reaction = params.page_of(asked, default=40, max=80), wanted(asked), reaction_as(asked)

    def work(tx: Tx, renderer: Renderer) -> answers.Drawn:
        rows = notifications.page(tx, bounds, **filters)
        return array(renderer.notifications(tx, rows, reaction_as=reaction)), [row.id for row in rows]

    return await answers.page(request, READ, work, run=api.read)


def wanted(asked: params.Params) -> Wanted:
    kinds, excluded = frozenset(asked.texts("types")), _with_reactions(frozenset(asked.texts("exclude_types")))
    if not kinds:
        excluded |= notifications.OWN  # a client might stumble over a kind that it did not ask for
    return {"kinds": _with_reactions(kinds) or None, "exclude": excluded, "from_account": asked.id("account_id")}


def reaction_as(asked: params.Params) -> str:
    """The name under which this client knows reactions."""
    named = frozenset(asked.texts("types"))
    return next((name for name in REACTIONS if name in named), FAVOURITE)


def _with_reactions(kinds: frozenset[str]) -> frozenset[str]:
    return kinds | {KIND} if kinds & {FAVOURITE, *REACTIONS} else kinds


async def one(request: Request) -> Response:
    return await answers.read(request, READ, lambda tx, renderer: _one(tx, renderer, params.path_id(request)))


def _one(tx: Tx, renderer: Renderer, notification_id: int) -> bytes:
    return renderer.notifications(tx, [notifications.get(tx, notification_id)])[0]


async def clear(request: Request) -> Response:
    await api.write(request, WRITE, notifications.clear)
    return empty()


async def dismiss(request: Request) -> Response:
    await api.write(request, WRITE, notifications.dismiss, params.path_id(request))
    return empty()


async def dismiss_named(request: Request) -> Response:
    """The older spelling."""
    named = (await params.read(request)).id("id")
    if named is None:
        raise NotFound()
    await api.write(request, WRITE, notifications.dismiss, named)
    return empty()


async def unread_count(request: Request) -> Response:
    asked = params.query(request)
    filters, limit = wanted(asked), asked.integer("limit", 100, lo=1, hi=1000) or 100

    def work(tx: Tx, _renderer: Renderer) -> bytes:
        after_id = markers.last_read(tx, "notifications")
        return msgspec.json.encode({"count": notifications.count(tx, after_id=after_id, limit=limit, **filters)})

    return await answers.search(request, READ, work)
