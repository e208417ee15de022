"""Features of Mastodon that Corridor does not have answer as Mastodon does with the feature switched off.

GET    /api/v1/annual_reports · /{year} · /{year}/state
POST   /api/v1/annual_reports/{year}/read · /{year}/generate
GET    /api/v1/collections/{id} · /api/v1/accounts/{id}/collections · /api/v1/accounts/{id}/in_collections
POST   /api/v1/collections · /{id}/items · /{id}/items/{item_id}/revoke
PATCH  /api/v1/collections/{id}
DELETE /api/v1/collections/{id} · /{id}/items/{item_id}
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import accounts
from node.errors import Forbidden, NotFound
from web import identity as api
from web import params
from web.identity import Access
from web.mastodon import answers
from web.responses import json

_REPORTS = "/api/v1/annual_reports"
_COLLECTIONS = "/api/v1/collections"


def routes() -> list[BaseRoute]:
    return [
        Route(_REPORTS, no_reports),
        Route(f"{_REPORTS}/{{year}}", no_report),
        Route(f"{_REPORTS}/{{year}}/state", ineligible),
        Route(f"{_REPORTS}/{{year}}/read", none_to_read, methods=["POST"]),
        Route(f"{_REPORTS}/{{year}}/generate", none_to_read, methods=["POST"]),
        Route(_COLLECTIONS, refused, methods=["POST"]),
        Route(f"{_COLLECTIONS}/{{id}}", no_collection),
        Route(f"{_COLLECTIONS}/{{id}}", refused, methods=["PATCH", "DELETE"]),
        Route(f"{_COLLECTIONS}/{{id}}/items", refused, methods=["POST"]),
        Route(f"{_COLLECTIONS}/{{id}}/items/{{item_id}}", refused, methods=["DELETE"]),
        Route(f"{_COLLECTIONS}/{{id}}/items/{{item_id}}/revoke", refused, methods=["POST"]),
        Route("/api/v1/accounts/{id}/collections", no_collections),
        Route("/api/v1/accounts/{id}/in_collections", in_no_collections),
    ]


async def no_reports(request: Request) -> Response:
    await api.viewer(request, "read:accounts")
    return json({"annual_reports": [], "accounts": [], "statuses": []})


async def no_report(request: Request) -> Response:
    await api.viewer(request, "read:accounts")
    raise NotFound()


async def ineligible(request: Request) -> Response:
    await api.viewer(request, "read:accounts")
    return json({"state": "ineligible"})


async def none_to_read(request: Request) -> Response:
    await api.viewer(request, "write:accounts")
    raise NotFound()


async def no_collection(request: Request) -> Response:
    await api.viewer(request, answers.to_read("read:collections"))
    raise NotFound()


async def refused(request: Request) -> Response:
    await api.viewer(request, "write:collections")
    raise Forbidden()


async def no_collections(request: Request) -> Response:
    return await _none(request, answers.to_read("read:collections"))


async def in_no_collections(request: Request) -> Response:
    return await _none(request, Access("read:collections"))


async def _none(request: Request, access: Access) -> Response:
    await api.read(request, access, accounts.get, params.path_id(request))
    return json({"collections": []})
