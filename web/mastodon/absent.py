"""What this node does not have yet answers as Mastodon does when there is nothing, so that no client stops for it.

Each line below goes when its feature comes. Calls that would store something are not here: they are 404, and a client
that shows the error tells the truth.
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import accounts
from web import identity as api
from web import params
from web.identity import Access
from web.mastodon import answers
from web.responses import JSONBytes

_EMPTY_LISTS = {
    "/api/v1/announcements": None,
    "/api/v1/domain_blocks": "read:blocks",
    "/api/v1/notifications/requests": "read:notifications",
}
_TRENDS = ("/api/v1/trends", "/api/v1/trends/tags", "/api/v1/trends/statuses", "/api/v1/trends/links")
_OF_ACCOUNTS = ("identity_proofs",)
_TAKES_ALL = {
    "for_not_following": "accept",
    "for_not_followers": "accept",
    "for_new_accounts": "accept",
    "for_private_mentions": "accept",
    "for_limited_accounts": "accept",
    "summary": {"pending_requests_count": 0, "pending_notifications_count": 0},
}


def routes() -> list[BaseRoute]:
    return [
        *(Route(path, empty_list) for path in _EMPTY_LISTS),
        *(Route(path, no_trends) for path in _TRENDS),
        *(Route(f"/api/v1/accounts/{{id}}/{name}", nothing_of_account) for name in _OF_ACCOUNTS),
        Route("/api/v2/notifications/policy", policy),
    ]


async def empty_list(request: Request) -> Response:
    await api.viewer(request, Access(_EMPTY_LISTS[request.url.path]))
    return JSONBytes(b"[]")


async def no_trends(request: Request) -> Response:
    await api.viewer(request, Access(None, anonymous=True, app=True))
    return JSONBytes(b"[]")


async def nothing_of_account(request: Request) -> Response:
    await api.read(request, answers.to_read("read:accounts"), accounts.get, params.path_id(request))
    return JSONBytes(b"[]")


async def policy(request: Request) -> Response:
    await api.viewer(request, "read:notifications")
    return JSONBytes(msgspec.json.encode(_TAKES_ALL))
