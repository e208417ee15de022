"""Polls, which are written with a post (statuses.py).

GET  /api/v1/polls/{id}
POST /api/v1/polls/{id}/votes      choices[]: places in the list of options, from 0
"""

from typing import Literal

import msgspec
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import polls, posts
from node.errors import Invalid, NotFound
from node.polls import Asked
from node.runtime import Tx
from node.schema import poll
from web import params
from web.mastodon import answers, emoji, loading, shapes
from web.mastodon.entities import Renderer, reader
from web.params import Params

_NO_CHOICE = -1
"""Stands for what is no place in a list: there is no such option."""


def routes() -> list[BaseRoute]:
    return [
        Route("/api/v1/polls/{id}", one),
        Route("/api/v1/polls/{id}/votes", vote, methods=["POST"]),
    ]


async def one(request: Request) -> Response:
    access = answers.to_read("read:statuses")
    return await answers.read(request, access, lambda tx, renderer: _one(tx, renderer, params.path_id(request)))


async def vote(request: Request) -> Response:
    poll_id = params.path_id(request)
    choices = choices_of(await params.read(request))
    return await answers.write(
        request,
        "write:statuses",
        lambda tx: polls.vote(tx, poll_id, choices),
        lambda tx, renderer, id_: _one(tx, renderer, id_),
    )


def choices_of(form: Params) -> list[int]:
    """`choices` as clients send them, numbers or texts."""
    sent = form.texts("choices", max_items=100, max_len=20)
    return [int(choice) if choice.isascii() and choice.isdigit() else _NO_CHOICE for choice in sent if choice != ""]


def asked_poll(form: Params) -> Asked | Literal[False] | None:
    """The poll that a post is sent with: None if nothing is said of one, False if there is to be none."""
    if not form.has("poll"):
        return None
    if form["poll"] in (None, ""):
        return False
    sent = form.group("poll")
    if not sent:
        raise Invalid("Validation failed: Choices can't be blank", "poll")
    return Asked(
        options=sent.texts("options", max_items=100, max_len=1000),
        expires_in=sent.integer("expires_in"),
        multiple=sent.flag("multiple"),
        hide_totals=sent.flag("hide_totals"),
    )


def _one(tx: Tx, renderer: Renderer, poll_id: int) -> bytes:
    row = tx.first(select(poll).where(poll.c.id == poll_id))
    if row is None:
        raise NotFound()
    author = posts.get(tx, row.post_id).author_id
    viewer = reader(tx)
    own = None if viewer is None else loading.votes(tx, [viewer], [row.id]).get((viewer, row.id), [])
    emojis = emoji.of_posts(tx, {row.post_id: [one["title"] for one in row.options]}, renderer.urls).get(
        row.post_id, []
    )
    return msgspec.json.encode(shapes.poll(row, tx.now, own, is_author=viewer == author) | {"emojis": emojis})
