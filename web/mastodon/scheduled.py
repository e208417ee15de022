"""Posts that are published later. They are made by POST /api/v1/statuses with `scheduled_at`.

GET    /api/v1/scheduled_statuses · /{id}
PUT    /api/v1/scheduled_statuses/{id}       scheduled_at
DELETE /api/v1/scheduled_statuses/{id}
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import media, quotes, scheduling
from node.polls import Asked
from node.runtime import Tx
from web import identity as api
from web import params
from web.mastodon import answers, shapes
from web.mastodon.entities import Renderer, array
from web.responses import empty

READ, WRITE = "read:statuses", "write:statuses"
_PATH = "/api/v1/scheduled_statuses"


def routes() -> list[BaseRoute]:
    return [
        Route(_PATH, own),
        Route(f"{_PATH}/{{id}}", one),
        Route(f"{_PATH}/{{id}}", move, methods=["PUT"]),
        Route(f"{_PATH}/{{id}}", cancel, methods=["DELETE"]),
    ]


async def own(request: Request) -> Response:
    bounds = params.page(request)

    def work(tx: Tx, renderer: Renderer) -> answers.Drawn:
        rows = scheduling.own(tx, bounds)
        return array(_entities(tx, renderer, rows)), [row.id for row in rows]

    return await answers.page(request, READ, work)


async def one(request: Request) -> Response:
    scheduled_id = params.path_id(request)
    return await answers.read(request, READ, lambda tx, renderer: show(tx, renderer, scheduled_id))


async def move(request: Request) -> Response:
    scheduled_id, form = params.path_id(request), await params.read(request)
    at = form.moment("scheduled_at")

    def work(tx: Tx) -> int:
        if at is not None:  # as in Mastodon, nothing else of it can be changed
            scheduling.move(tx, scheduled_id, at)
        return scheduled_id

    return await answers.write(request, WRITE, work, show)


async def cancel(request: Request) -> Response:
    await api.write(request, WRITE, scheduling.cancel, params.path_id(request))
    return empty()


def show(tx: Tx, renderer: Renderer, scheduled_id: int) -> bytes:
    return _entities(tx, renderer, [scheduling.get(tx, scheduled_id)])[0]


def _entities(tx: Tx, renderer: Renderer, rows: Sequence[Row[Any]]) -> list[bytes]:
    pictures = media.reserved(tx, [row.id for row in rows])
    return [_entity(renderer, row, pictures.get(row.id, ())) for row in rows]


def _entity(renderer: Renderer, row: Row[Any], pictures: Sequence[Row[Any]]) -> bytes:
    """ScheduledStatus; ours: `error`, why it could not be published."""
    draft = scheduling.draft_of(row)
    policy = draft.quote_policy
    sent = {
        "text": draft.text,
        "poll": None if draft.poll is None else _poll(draft.poll),
        "media_ids": [str(id_) for id_ in draft.media_ids] or None,
        "sensitive": draft.sensitive,
        "spoiler_text": draft.spoiler or None,
        "visibility": None if draft.visibility is None else shapes.VISIBILITIES[draft.visibility],
        "local_only": draft.local_only,
        "language": draft.language,
        # As text, which Mastodon's documentation calls a number: ids are beyond what JavaScript can count.
        "in_reply_to_id": shapes.id_or_none(draft.in_reply_to_id),
        "quoted_status_id": shapes.id_or_none(draft.quoted_id),
        "quote_approval_policy": next((name for name, value in quotes.NAMES.items() if value == policy), None),
        "application_id": draft.app_id,
        "scheduled_at": None,
        "idempotency": None,
        "with_rate_limit": False,
    }
    shown = {
        "id": str(row.id),
        "scheduled_at": shapes.moment(row.scheduled_at),
        "params": sent,
        "media_attachments": [msgspec.Raw(renderer.attachment(one)) for one in pictures],
        "error": row.last_error,
    }
    return msgspec.json.encode(shown)


def _poll(asked: Asked) -> shapes.Json:
    return {
        "options": list(asked.options),
        "expires_in": asked.expires_in,
        "multiple": asked.multiple,
        "hide_totals": asked.hide_totals,
    }
