"""Filters, version 1: each keyword is a filter by itself.

GET POST         /api/v1/filters
GET PUT DELETE   /api/v1/filters/{id}

Of a filter of version 2 with several keywords, only the words can be changed here.
"""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import filters
from node.errors import Conflict, Invalid
from node.filters import Whole, Word
from node.runtime import Tx
from web import identity as api
from web import params
from web.mastodon import answers, shapes
from web.mastodon.entities import Renderer
from web.mastodon.filters import READ, WRITE, expiry
from web.mastodon.shapes import Json
from web.params import Params
from web.responses import empty

_PATH = "/api/v1/filters"
_SEVERAL = (
    "These parameters cannot be changed from this application because they apply to more than one filter keyword. Use a "
    "more recent application or the web interface."
)


def routes() -> list[BaseRoute]:
    return [
        Route(_PATH, own),
        Route(_PATH, create, methods=["POST"]),
        Route(f"{_PATH}/{{id}}", one),
        Route(f"{_PATH}/{{id}}", change, methods=["PUT"]),
        Route(f"{_PATH}/{{id}}", remove, methods=["DELETE"]),
    ]


async def own(request: Request) -> Response:
    def work(tx: Tx, _renderer: Renderer) -> bytes:
        return msgspec.json.encode([_entity(whole, row) for whole in filters.own(tx) for row in whole.keywords])

    return await answers.read(request, READ, work)


async def one(request: Request) -> Response:
    keyword_id = params.path_id(request)
    return await answers.read(request, READ, lambda tx, renderer: _one(tx, renderer, keyword_id))


async def create(request: Request) -> Response:
    form = await params.read(request)
    phrase, contexts, action = form.text("phrase"), form.texts("context"), _action(form)
    word, expires_at = Word(phrase, form.flag("whole_word")), expiry(request, form)

    def work(tx: Tx) -> int:
        _check(phrase)
        title = phrase[: filters.MAX_TITLE]
        made = filters.create(tx, title, contexts, action=action, expires_at=expires_at, words=[word])
        return int(filters.get(tx, made).keywords[0].id)

    return await answers.write(request, WRITE, work, _one)


async def change(request: Request) -> Response:
    keyword_id, form = params.path_id(request), await params.read(request)
    phrase, contexts = form.text("phrase"), form.texts("context")
    whole_word = form.boolean("whole_word", None)
    wanted: dict[str, Any] = {"contexts": contexts}
    if form.has("irreversible"):
        wanted["action"] = _action(form)
    if form.has("expires_in"):
        wanted["more"] = {"expires_at": expiry(request, form)}

    def work(tx: Tx) -> int:
        _check(phrase)
        whole = filters.get(tx, filters.keyword(tx, keyword_id).filter_id)
        if len(whole.keywords) > 1 and not _same(whole, wanted):
            raise Conflict(_SEVERAL)
        filters.change(tx, whole.row.id, words=[Word(phrase, whole_word, keyword_id)], **wanted)
        return keyword_id

    return await answers.write(request, WRITE, work, _one)


async def remove(request: Request) -> Response:
    """The keyword; with the last one its filter, unless posts are in it."""

    def work(tx: Tx, keyword_id: int) -> None:
        whole = filters.get(tx, filters.keyword(tx, keyword_id).filter_id)
        if len(whole.keywords) == 1 and not whole.posts:
            filters.remove(tx, whole.row.id)
        else:
            filters.remove_keyword(tx, keyword_id)

    await api.write(request, WRITE, work, params.path_id(request))
    return empty()


def _check(phrase: str) -> None:
    if not phrase.strip():
        raise Invalid("Phrase can't be blank", "phrase")


def _action(form: Params) -> str:
    return "hide" if form.flag("irreversible") else "warn"


def _same(whole: Whole, wanted: dict[str, Any]) -> bool:
    contexts = set(wanted["contexts"]) == set(filters.names(whole.row.contexts))
    expires = wanted.get("more", {"expires_at": whole.row.expires_at})["expires_at"] == whole.row.expires_at
    hides = wanted.get("action")
    return contexts and expires and (hides is None or (hides == "hide") == (whole.row.action == "hide"))


def _one(tx: Tx, _renderer: Renderer, keyword_id: int) -> bytes:
    row = filters.keyword(tx, keyword_id)
    return msgspec.json.encode(_entity(filters.get(tx, row.filter_id), row))


def _entity(whole: Whole, row: Any) -> Json:
    """V1::Filter."""
    return {
        "id": str(row.id),
        "phrase": row.keyword,
        "context": filters.names(whole.row.contexts),
        "whole_word": row.whole_word,
        "expires_at": shapes.moment_or_none(whole.row.expires_at),
        "irreversible": whole.row.action == "hide",
    }
