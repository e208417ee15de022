"""Every route of the Mastodon client API."""

from starlette.routing import BaseRoute

from web.mastodon import (
    absent,
    accounts,
    instance,
    media,
    notifications,
    polls,
    reactions,
    relations,
    search,
    sign_up,
    statuses,
    streaming,
    tags,
    timelines,
)


def routes() -> list[BaseRoute]:
    return [
        *accounts.routes(),
        *sign_up.routes(),
        *relations.routes(),
        *statuses.routes(),
        *reactions.routes(),
        *timelines.routes(),
        *notifications.routes(),
        *search.routes(),
        *tags.routes(),
        *media.routes(),
        *polls.routes(),
        *instance.routes(),
        *streaming.routes(),
        *absent.routes(),
    ]
