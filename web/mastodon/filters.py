"""Filters, version 2.

GET POST         /api/v2/filters
GET PUT DELETE   /api/v2/filters/{id}
GET POST         /api/v2/filters/{id}/keywords · /statuses
GET PUT DELETE   /api/v2/filters/keywords/{id}
GET DELETE       /api/v2/filters/statuses/{id}
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import filters
from node.filters import Whole, Word
from node.runtime import Tx
from web import identity as api
from web import params
from web.mastodon import answers, filtered
from web.mastodon.entities import Renderer
from web.mastodon.shapes import Json
from web.params import Params
from web.parts import parts_of
from web.responses import empty

READ, WRITE = "read:filters", "write:filters"
MAX_SECONDS = 100 * 366 * 86_400
_PATH = "/api/v2/filters"


def routes() -> list[BaseRoute]:
    return [
        Route(_PATH, own),
        Route(_PATH, create, methods=["POST"]),
        Route(f"{_PATH}/keywords/{{id}}", keyword),
        Route(f"{_PATH}/keywords/{{id}}", change_keyword, methods=["PUT"]),
        Route(f"{_PATH}/keywords/{{id}}", remove_keyword, methods=["DELETE"]),
        Route(f"{_PATH}/statuses/{{id}}", post),
        Route(f"{_PATH}/statuses/{{id}}", remove_post, methods=["DELETE"]),
        Route(f"{_PATH}/{{id}}", one),
        Route(f"{_PATH}/{{id}}", change, methods=["PUT"]),
        Route(f"{_PATH}/{{id}}", remove, methods=["DELETE"]),
        Route(f"{_PATH}/{{id}}/keywords", keywords),
        Route(f"{_PATH}/{{id}}/keywords", add_keyword, methods=["POST"]),
        Route(f"{_PATH}/{{id}}/statuses", posts),
        Route(f"{_PATH}/{{id}}/statuses", add_post, methods=["POST"]),
    ]


async def own(request: Request) -> Response:
    return await answers.read(request, READ, lambda tx, _renderer: _encode([_entity(row) for row in filters.own(tx)]))


async def one(request: Request) -> Response:
    filter_id = params.path_id(request)
    return await answers.read(request, READ, lambda tx, renderer: _one(tx, renderer, filter_id))


async def create(request: Request) -> Response:
    form = await params.read(request)
    title, contexts, action = form.text("title"), form.texts("context"), form.text("filter_action") or "warn"
    words, expires_at = _words(form), expiry(request, form)
    return await answers.write(
        request,
        WRITE,
        lambda tx: filters.create(tx, title, contexts, action=action, expires_at=expires_at, words=words),
        _one,
    )


async def change(request: Request) -> Response:
    filter_id, form = params.path_id(request), await params.read(request)
    title, action = form.text_or_none("title"), form.text_or_none("filter_action")
    contexts = form.texts("context") if form.has("context") else None
    words = _words(form)
    more = {"expires_at": expiry(request, form)} if form.has("expires_in") else {}
    return await answers.write(
        request,
        WRITE,
        lambda tx: filters.change(tx, filter_id, title=title, contexts=contexts, action=action, more=more, words=words),
        _one,
    )


async def remove(request: Request) -> Response:
    return await _removed(request, filters.remove)


async def keywords(request: Request) -> Response:
    filter_id = params.path_id(request)
    return await answers.read(
        request, READ, lambda tx, _renderer: _encode([_keyword(row) for row in filters.get(tx, filter_id).keywords])
    )


async def add_keyword(request: Request) -> Response:
    filter_id, form = params.path_id(request), await params.read(request)
    text, whole_word = form.text("keyword"), form.flag("whole_word", True)
    return await answers.write(
        request, WRITE, lambda tx: filters.add_keyword(tx, filter_id, text, whole_word=whole_word), _one_keyword
    )


async def keyword(request: Request) -> Response:
    keyword_id = params.path_id(request)
    return await answers.read(request, READ, lambda tx, renderer: _one_keyword(tx, renderer, keyword_id))


async def change_keyword(request: Request) -> Response:
    keyword_id, form = params.path_id(request), await params.read(request)
    text, whole_word = form.text_or_none("keyword"), form.boolean("whole_word", None)
    return await answers.write(
        request, WRITE, lambda tx: filters.change_keyword(tx, keyword_id, text, whole_word), _one_keyword
    )


async def remove_keyword(request: Request) -> Response:
    return await _removed(request, filters.remove_keyword)


async def posts(request: Request) -> Response:
    filter_id = params.path_id(request)
    return await answers.read(
        request, READ, lambda tx, _renderer: _encode([_post(row) for row in filters.get(tx, filter_id).posts])
    )


async def add_post(request: Request) -> Response:
    filter_id, form = params.path_id(request), await params.read(request)
    post_id = form.id("status_id") or 0
    return await answers.write(request, WRITE, lambda tx: filters.add_post(tx, filter_id, post_id), _one_post)


async def post(request: Request) -> Response:
    id_ = params.path_id(request)
    return await answers.read(request, READ, lambda tx, renderer: _one_post(tx, renderer, id_))


async def remove_post(request: Request) -> Response:
    return await _removed(request, filters.remove_post)


def expiry(request: Request, form: Params) -> int | None:
    """`expires_in`, seconds from now, as ms since 1970; None, empty or absent: never."""
    seconds = form.integer("expires_in", hi=MAX_SECONDS, clamp=False)
    return None if seconds is None else parts_of(request).node.now() + seconds * 1000


async def _removed(request: Request, rule: Callable[[Tx, int], None]) -> Response:
    await api.write(request, WRITE, rule, params.path_id(request))
    return empty()


def _words(form: Params) -> list[Word]:
    return [
        Word(one.text_or_none("keyword"), one.boolean("whole_word", None), one.id("id"), one.flag("_destroy"))
        for one in form.groups("keywords_attributes", max_items=filters.MAX_KEYWORDS)
    ]


def _encode(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _one(tx: Tx, _renderer: Renderer, filter_id: int) -> bytes:
    return _encode(_entity(filters.get(tx, filter_id)))


def _one_keyword(tx: Tx, _renderer: Renderer, keyword_id: int) -> bytes:
    return _encode(_keyword(filters.keyword(tx, keyword_id)))


def _one_post(tx: Tx, _renderer: Renderer, id_: int) -> bytes:
    return _encode(_post(filters.filtered_post(tx, id_)))


def _entity(whole: Whole) -> Json:
    """Filter."""
    parts: dict[str, Sequence[Json]] = {
        "keywords": [_keyword(row) for row in whole.keywords],
        "statuses": [_post(row) for row in whole.posts],
    }
    return filtered.entity(whole.row) | parts


def _keyword(row: Row[Any]) -> Json:
    """FilterKeyword."""
    return {"id": str(row.id), "keyword": row.keyword, "whole_word": row.whole_word}


def _post(row: Row[Any]) -> Json:
    """FilterStatus."""
    return {"id": str(row.id), "status_id": str(row.post_id)}
