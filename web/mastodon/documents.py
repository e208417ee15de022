"""What a node says in writing, and that it is up.

GET /api/v1/instance/privacy_policy · /terms_of_service[/{date}] · /api/oembed · /health
"""

from html import escape
from typing import Any

from sqlalchemy import Row, Select, bindparam, select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from activitypub.audience import Visibility
from node import accounts, sight
from node.errors import NotFound
from node.html import to_text
from node.runtime import Tx
from node.schema import account, post
from node.sight import Sight
from web import identity as api
from web import params
from web.identity import OPEN, Access
from web.mastodon import shapes
from web.parts import parts_of
from web.privacy import PRIVACY
from web.responses import json

OEMBED_WIDTH = 400
OEMBED_SECONDS = 86_400

_MAX_URL = 2000
_VISITORS = Access(None, anonymous=True, app=True)


def routes() -> list[BaseRoute]:
    return [
        Route("/api/v1/instance/privacy_policy", privacy_policy),
        Route("/api/v1/instance/terms_of_service", no_terms),
        Route("/api/v1/instance/terms_of_service/{date}", no_terms),
        Route("/api/oembed", oembed),
        Route("/health", health),
    ]


async def privacy_policy(request: Request) -> Response:
    made = await api.read(request, OPEN, lambda tx: accounts.node_actor(tx).created_at)
    content = "".join(f"<p>{paragraph}</p>" for paragraph in PRIVACY)
    return json({"updated_at": shapes.moment(made), "content": content})


async def no_terms(request: Request) -> Response:
    """404, as in Mastodon where there are none: what holds between colleagues is not said here."""
    await api.read(request, OPEN, lambda _tx: None)
    raise NotFound()


async def health(_request: Request) -> Response:
    """That the process answers; /healthz says more."""
    return json({"status": "UP"}, headers={"Cache-Control": "no-store"})


async def oembed(request: Request) -> Response:
    """How a post of this node is put into another page: as a quotation with a link, without a frame or a script.

    404 for what is no public post of a person here. Where visitors may not read, a token is needed.
    """
    asked = params.query(request)
    url = asked.required("url", max_len=_MAX_URL)
    width = asked.integer("maxwidth", OEMBED_WIDTH, lo=1, hi=10_000)
    height = asked.integer("maxheight", None, lo=1, hi=10_000)
    title = parts_of(request).settings.title
    base = parts_of(request).settings.base
    shown = await api.read(request, _VISITORS, _embedded, url)
    sized = {"provider_name": title, "provider_url": f"{base}/", "cache_age": OEMBED_SECONDS}
    return json({"type": "rich", "version": "1.0"} | shown | sized | {"width": width, "height": height})


def _embedded(tx: Tx, url: str) -> dict[str, Any]:
    base = tx.urls.base + "/"
    last = url.removeprefix(base).partition("?")[0].partition("#")[0].rpartition("/")[2]
    found = None
    if url.startswith(base) and last.isascii() and last.isdigit() and len(last) < 19:
        found = sight.first(tx, _post, {"of": int(last)})
    if found is None or url.partition("?")[0].partition("#")[0] not in (found.url, found.iri):
        raise NotFound()
    name = found.display_name or found.username
    link = f'<a href="{found.url}">{escape(name)} (@{found.username})</a>'
    return {
        "title": f"{name}: {found.spoiler or to_text(found.content)[:100]}",
        "author_name": name,
        "author_url": tx.urls.profile(found.username),
        "html": f'<blockquote cite="{found.url}">{_said(found)}<footer>{link}</footer></blockquote>',
    }


def _said(found: Row[Any]) -> str:
    """Behind a content warning nobody looks without wanting to."""
    return f"<p>{escape(found.spoiler)}</p>" if found.spoiler else str(found.content)


def _post(eyes: Sight) -> Select[Any]:
    """A post of this node that is public, whoever asks, and visible to them."""
    return (
        select(post.c.url, post.c.iri, post.c.content, post.c.spoiler)
        .add_columns(account.c.username, account.c.display_name)
        .join(account, account.c.id == post.c.author_id)
        .where(
            post.c.id == bindparam("of"),
            post.c.local,
            post.c.boost_of_id.is_(None),
            post.c.visibility.in_((Visibility.PUBLIC, Visibility.UNLISTED)),
            eyes.visible(post),
        )
    )
