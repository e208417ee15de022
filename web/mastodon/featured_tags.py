"""Tags that people show on their profiles.

GET    /api/v1/featured_tags · /suggestions
POST   /api/v1/featured_tags
DELETE /api/v1/featured_tags/{id}
GET    /api/v1/accounts/{id}/featured_tags
POST   /api/v1/tags/{name}/feature · unfeature
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import accounts, featured
from node.accounts.lookup import me
from node.federation import collections
from node.runtime import Tx
from web import identity as api
from web import params
from web.mastodon import answers, shapes, tags
from web.mastodon.entities import Renderer
from web.parts import parts_of
from web.responses import empty

WRITE = "write:accounts"
_PATH = "/api/v1/featured_tags"
_RULES: dict[str, Callable[[Tx, str], None]] = {"feature": featured.feature_tag, "unfeature": featured.unfeature_tag}


def routes() -> list[BaseRoute]:
    return [
        Route(_PATH, own),
        Route(_PATH, feature, methods=["POST"]),
        Route(f"{_PATH}/suggestions", suggestions),
        Route(f"{_PATH}/{{id}}", unfeature, methods=["DELETE"]),
        Route("/api/v1/accounts/{id}/featured_tags", of_account),
        *(Route(f"/api/v1/tags/{{name}}/{name}", change, methods=["POST"], name=name) for name in _RULES),
    ]


async def own(request: Request) -> Response:
    return await answers.read(request, "read:accounts", lambda tx, renderer: _shown(tx, renderer, me(tx)))


async def of_account(request: Request) -> Response:
    """Also of people of peers, whose tags are read from their node in the background."""
    account_id = params.path_id(request)
    answer = await answers.read(
        request, answers.to_read("read:accounts"), lambda tx, renderer: _shown(tx, renderer, account_id)
    )
    await collections.looked_at(parts_of(request).node, account_id)
    return answer


def _shown(tx: Tx, renderer: Renderer, account_id: int) -> bytes:
    row = accounts.get(tx, account_id)
    return msgspec.json.encode([_entity(one, row.url) for one in featured.of_account(tx, account_id)])


def _entity(row: Row[Any], profile: str) -> shapes.Json:
    """FeaturedTag: the count is a text and the time a date, as Mastodon writes them."""
    last = shapes.moment_or_none(row.last_at)
    return {
        "id": str(row.id),
        "name": row.display,
        "url": f"{profile}/tagged/{quote(row.name, safe='')}",
        "statuses_count": str(row.uses),
        "last_status_at": None if last is None else last[:10],
    }


async def feature(request: Request) -> Response:
    name = (await params.read(request)).text("name")
    return await answers.write(request, WRITE, lambda tx: featured.feature(tx, name), _one)


def _one(tx: Tx, _renderer: Renderer, featured_id: int) -> bytes:
    account = accounts.get(tx, me(tx))
    row = next(one for one in featured.of_account(tx, account.id) if one.id == featured_id)
    return msgspec.json.encode(_entity(row, account.url))


async def unfeature(request: Request) -> Response:
    await api.write(request, WRITE, featured.unfeature, params.path_id(request))
    return empty()


async def suggestions(request: Request) -> Response:
    return await answers.search(
        request, "read:accounts", lambda tx, renderer: tags.rendered(tx, renderer, featured.suggestions(tx))
    )


async def change(request: Request) -> Response:
    """The Tag, with what has changed. Idempotent."""
    name, rule = tags.named(request), _RULES[request.scope["route"].name]

    def work(tx: Tx) -> str:
        rule(tx, name)
        return name

    return await answers.write(request, WRITE, work, tags.shown)
