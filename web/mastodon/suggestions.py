"""Whom one might want to follow.

GET    /api/v2/suggestions        ?limit; with why
GET    /api/v1/suggestions        the accounts alone
DELETE /api/v1/suggestions/{id}   never again; {} also for whom there is not, as Mastodon has it
"""

from contextlib import suppress

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import social
from node.errors import NotFound
from node.runtime import Tx
from web import identity as api
from web import params
from web.mastodon import answers
from web.mastodon.entities import Renderer, array
from web.responses import empty

READ = "read:accounts"
_OLD_NAMES = {"featured": "staff", "friends_of_friends": "past_interactions"}
"""`source`, as it was said before there were several; everything else was "global"."""


def routes() -> list[BaseRoute]:
    return [
        Route("/api/v2/suggestions", explained),
        Route("/api/v1/suggestions", accounts),
        Route("/api/v1/suggestions/{id}", dismiss, methods=["DELETE"]),
    ]


async def explained(request: Request) -> Response:
    limit = _limit(request)

    def work(tx: Tx, renderer: Renderer) -> bytes:
        found = social.suggest(tx, limit)
        shown = renderer.accounts(tx, [one.account_id for one in found])
        return array([_entity(one, body) for one, body in zip(found, shown, strict=True)])

    return await answers.search(request, READ, work)


async def accounts(request: Request) -> Response:
    limit = _limit(request)
    return await answers.found_accounts(request, READ, lambda tx: [one.account_id for one in social.suggest(tx, limit)])


async def dismiss(request: Request) -> Response:
    target_id = 0
    with suppress(NotFound):
        target_id = params.path_id(request)
    await api.write(request, READ, social.dismiss_suggestion, target_id)
    return empty()


def _limit(request: Request) -> int:
    return params.query(request).integer("limit", 40, lo=1, hi=80) or 40


def _entity(one: social.Suggestion, account: bytes) -> bytes:
    """Suggestion."""
    first = _OLD_NAMES.get(one.sources[0], "global")
    return msgspec.json.encode({"source": first, "sources": one.sources, "account": msgspec.Raw(account)})
