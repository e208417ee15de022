"""Every route of the Mastodon client API."""

from starlette.routing import BaseRoute

from web.mastodon import (
    absent,
    accounts,
    directs,
    featured_tags,
    filters,
    filters_v1,
    grouped,
    instance,
    lists,
    markers,
    media,
    notifications,
    polls,
    quotes,
    reacting,
    reactions,
    relations,
    scheduled,
    search,
    sign_up,
    statuses,
    streaming,
    suggestions,
    tags,
    thread_mutes,
    timelines,
)


def routes() -> list[BaseRoute]:
    return [
        *accounts.routes(),
        *sign_up.routes(),
        *relations.routes(),
        *suggestions.routes(),
        *statuses.routes(),
        *scheduled.routes(),
        *reactions.routes(),
        *reacting.routes(),
        *thread_mutes.routes(),
        *timelines.routes(),
        *lists.routes(),
        *markers.routes(),
        *filters.routes(),
        *filters_v1.routes(),
        *directs.routes(),
        *notifications.routes(),
        *search.routes(),
        *tags.routes(),
        *featured_tags.routes(),
        *media.routes(),
        *polls.routes(),
        *quotes.routes(),
        *instance.routes(),
        *streaming.routes(),
        *absent.routes(),
        *grouped.routes(),  # after /api/v2/notifications/policy
    ]
