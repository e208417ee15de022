"""Tags, and following them.

GET  /api/v1/tags/{name}
POST /api/v1/tags/{name}/follow · unfollow
GET  /api/v1/followed_tags
"""

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import featured, social, tags
from node.errors import NotFound
from node.paging import Page
from node.runtime import Tx
from node.schema import tag
from node.text import find_tags, normalise_tag
from web import params
from web.mastodon import answers, shapes
from web.mastodon.entities import Renderer, reader

READ = answers.to_read("read:statuses")
_PATH = "/api/v1/tags/{name}"
_RULES: dict[str, Callable[[Tx, str], Any]] = {"follow": social.follow_tag, "unfollow": social.unfollow_tag}


def routes() -> list[BaseRoute]:
    return [
        Route(_PATH, one),
        *(Route(f"{_PATH}/{name}", change, methods=["POST"], name=name) for name in _RULES),
        Route("/api/v1/followed_tags", followed_tags),
    ]


async def one(request: Request) -> Response:
    name = named(request)
    return await answers.read(request, READ, lambda tx, renderer: shown(tx, renderer, name))


def named(request: Request) -> str:
    """The tag in the path, without '#'. NotFound for what no text could hold as one tag."""
    name = answers.path_name(request, "name").lstrip("#＃")
    found = list(find_tags(f"#{name}"))
    if len(found) != 1 or found[0].display != name:
        raise NotFound()
    return name


def shown(tx: Tx, renderer: Renderer, name: str) -> bytes:
    """Tag, also of one that nobody has used."""
    normal = normalise_tag(name)
    found = tags.seen(tx, name)
    if found is None:
        return msgspec.json.encode(shapes.unused_tag(normal, name, renderer.urls, tx.now - tx.now % tags.DAY))
    return rendered(tx, renderer, [found])[1:-1]


def rendered(tx: Tx, renderer: Renderer, rows: Any) -> bytes:
    """A list of Tags; `rows` have id, name and display."""
    ids = [row.id for row in rows]
    days = tags.history(tx, ids)
    listed = [shapes.tag(row, renderer.urls, days[row.id], following=None) for row in rows]
    if reader(tx) is not None:
        followed, on_profile = tags.followed(tx, ids), featured.among(tx, ids)
        for row, tag in zip(rows, listed, strict=True):
            tag |= {"following": row.id in followed, "featuring": row.id in on_profile}
    return msgspec.json.encode(listed)


async def change(request: Request) -> Response:
    name, rule = named(request), _RULES[request.scope["route"].name]

    def work(tx: Tx) -> str:
        rule(tx, name)
        return name

    return await answers.write(request, "write:follows", work, shown)


async def followed_tags(request: Request) -> Response:
    bounds = params.page(request, default=100, max=200)
    return await answers.page(request, "read:follows", lambda tx, renderer: _followed(tx, renderer, bounds))


def _followed(tx: Tx, renderer: Renderer, bounds: Page) -> answers.Drawn:
    ids = social.followed_tags(tx, bounds)
    rows = {row.id: row for row in tx.rows(select(tag).where(tag.c.id.in_(ids)))} if ids else {}
    return rendered(tx, renderer, [rows[id_] for id_ in ids]), ids
