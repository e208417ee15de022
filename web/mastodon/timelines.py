"""Timelines.

GET /api/v1/timelines/home
GET /api/v1/timelines/public          ?local ?remote ?only_media
GET /api/v1/timelines/tag/{hashtag}   the same, ?any[] ?all[] ?none[]
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import timelines
from web import params
from web.mastodon import answers

READ = answers.to_read("read:statuses")
MAX_TAGS = 4
"""Further tags of each kind that one may ask for together, as in Mastodon."""


def routes() -> list[BaseRoute]:
    return [
        Route("/api/v1/timelines/home", home),
        Route("/api/v1/timelines/public", public),
        Route("/api/v1/timelines/tag/{hashtag}", tag),
    ]


async def home(request: Request) -> Response:
    return await answers.statuses(request, "read:statuses", timelines.home, params.page(request))


async def public(request: Request) -> Response:
    asked = params.query(request)
    return await answers.statuses(
        request,
        READ,
        timelines.public,
        params.page_of(asked),
        local=asked.flag("local"),
        remote=asked.flag("remote"),
        only_media=asked.flag("only_media"),
    )


async def tag(request: Request) -> Response:
    asked = params.query(request)
    return await answers.statuses(
        request,
        READ,
        timelines.tag,
        answers.path_name(request, "hashtag"),
        params.page_of(asked),
        any=asked.texts("any")[:MAX_TAGS],
        all=asked.texts("all")[:MAX_TAGS],
        none=asked.texts("none")[:MAX_TAGS],
        local=asked.flag("local"),
        remote=asked.flag("remote"),
        only_media=asked.flag("only_media"),
    )
