"""Quotes; they are made as any other post (statuses.py).

GET  /api/v1/statuses/{id}/quotes                                posts that quote it
POST /api/v1/statuses/{id}/quotes/{quoting_status_id}/revoke     of one's own post
PUT  /api/v1/statuses/{id}/interaction_policy                    quote_approval_policy: public, followers or nobody
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import posts, quotes
from node.errors import Invalid
from node.quotes import Policy
from node.runtime import Tx
from web import params
from web.mastodon import answers
from web.mastodon.entities import Renderer
from web.params import Params

WRITE = "write:statuses"
_PATH = "/api/v1/statuses/{id}"


def routes() -> list[BaseRoute]:
    return [
        Route(f"{_PATH}/quotes", quoting),
        Route(f"{_PATH}/quotes/{{quoting_status_id}}/revoke", revoke, methods=["POST"]),
        Route(f"{_PATH}/interaction_policy", change_policy, methods=["PUT"]),
    ]


async def quoting(request: Request) -> Response:
    return await answers.statuses(
        request, "read:statuses", quotes.quoting, params.path_id(request), params.page(request)
    )


async def revoke(request: Request) -> Response:
    post_id, quoting_id = params.path_id(request), params.path_id(request, "quoting_status_id")

    def work(tx: Tx) -> int:
        quotes.revoke(tx, post_id, quoting_id)
        return quoting_id

    return await answers.write(request, WRITE, work, _show)


def _show(tx: Tx, renderer: Renderer, post_id: int) -> bytes:
    return renderer.status(tx, posts.get(tx, post_id).id)


async def change_policy(request: Request) -> Response:
    post_id = params.path_id(request)
    form = await params.read(request)

    def work(tx: Tx) -> int:
        policy = asked_policy(form, "quote_approval_policy")
        if policy is None:
            raise Invalid("quote_approval_policy can't be blank", "quote_approval_policy")
        posts.source(tx, post_id)  # one's own, or NotFound
        quotes.set_policy(tx, post_id, policy)
        return post_id

    return await answers.status_after(request, WRITE, work)


def asked_policy(form: Params, name: str) -> Policy | None:
    """None when it is not said. Raises Invalid for a word that is none."""
    word = form.text(name)
    if not word:
        return None
    if word not in quotes.NAMES:
        raise Invalid(f"{name} must be one of {', '.join(quotes.NAMES)}", name)
    return quotes.NAMES[word]
