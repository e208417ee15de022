"""Events that people come to, over our own API. An event is a post: its id is that of the status.

    GET    /api/corridor/v1/events                        what is not over and the viewer may see; ?limit=&offset=
    POST   /api/corridor/v1/events                        title, starts_at; and see below
    GET    /api/corridor/v1/events/{id}
    PATCH  /api/corridor/v1/events/{id}                   one's own
    POST   /api/corridor/v1/events/{id}/cancel            one's own
    POST   /api/corridor/v1/events/{id}/join · leave
    GET    /api/corridor/v1/events/{id}/guests            accounts; ?state=asked for its author
    POST   /api/corridor/v1/events/{id}/guests/{account_id}/accept · refuse
    GET    /api/corridor/v1/events/{id}/event.ics         for a calendar

Sent are `title`, `starts_at`, `ends_at`, `timezone`, `place`, `link`, `join_mode` (free, restricted, external), `capacity`,
`state` (confirmed, tentative, cancelled); `status` is the description; a new one takes `visibility`, `local_only`,
`language` and `spoiler_text` as posts do. An event in JSON:

    {"id", "title", "starts_at", "ends_at", "timezone", "place", "link", "join_mode", "state", "capacity", "guests_count",
     "joined" (null, "asked", "accepted"), "may_join", "is_mine", "url", "post" (Status)}

Posts are deleted as all posts are: DELETE /api/v1/statuses/{id}.
"""

from collections.abc import Callable
from typing import Any

from msgspec import json as msgspec_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import gatherings, posts
from node.attending import ACCEPTED, ASKED
from node.errors import Invalid
from node.gatherings import Gathering
from node.posts import Draft
from node.runtime import Tx
from web import identity as api
from web import params, plans
from web.mastodon import answers, shapes
from web.mastodon.entities import Renderer, array, composed
from web.mastodon.statuses import asked_visibility
from web.parts import parts_of

READ = "read:statuses"
WRITE = "write:statuses"
_PATH = "/api/corridor/v1/events"
_RULES: dict[str, Callable[[Tx, int], Any]] = {
    "cancel": gatherings.cancel,
    "join": gatherings.join,
    "leave": gatherings.leave,
}


def routes() -> list[BaseRoute]:
    return [
        Route(_PATH, coming),
        Route(_PATH, create, methods=["POST"]),
        Route(f"{_PATH}/{{id}}", one),
        Route(f"{_PATH}/{{id}}", edit, methods=["PATCH"]),
        Route(f"{_PATH}/{{id}}/guests", guests),
        Route(f"{_PATH}/{{id}}/guests/{{account_id}}/accept", decide, methods=["POST"], name="accept"),
        Route(f"{_PATH}/{{id}}/guests/{{account_id}}/refuse", decide, methods=["POST"], name="refuse"),
        Route(f"{_PATH}/{{id}}/event.ics", calendar),
        *(Route(f"{_PATH}/{{id}}/{name}", act, methods=["POST"], name=name) for name in _RULES),
    ]


# --- reading


async def coming(request: Request) -> Response:
    asked = params.query(request)
    limit, offset = asked.integer("limit", 20, lo=1, hi=80) or 20, asked.integer("offset", 0, hi=10_000) or 0
    return await answers.search(request, READ, lambda tx, renderer: _coming(tx, renderer, limit, offset))


def _coming(tx: Tx, renderer: Renderer, limit: int, offset: int) -> bytes:
    found = gatherings.coming(tx, limit=limit, offset=offset)
    shown = renderer.statuses(tx, [one.id for one in found])
    return array([_entity(one, post, tx.now) for one, post in zip(found, shown, strict=True)])


async def one(request: Request) -> Response:
    return await answers.read(request, READ, lambda tx, renderer: _one(tx, renderer, params.path_id(request)))


def _one(tx: Tx, renderer: Renderer, post_id: int) -> bytes:
    found = gatherings.get(tx, post_id)
    return _entity(found, renderer.status(tx, found.id), tx.now)


def _entity(found: Gathering, post: bytes, now: int) -> bytes:
    event = found.plan.event
    shape = {
        "id": str(found.id),
        "title": found.plan.title,
        "starts_at": shapes.moment(event.starts_at),
        "ends_at": shapes.moment_or_none(event.ends_at),
        "timezone": event.timezone,
        "place": event.place,
        "link": event.link,
        "join_mode": event.join_mode,
        "state": event.status,
        "capacity": event.capacity,
        "guests_count": event.guests,
        "joined": found.state,
        "may_join": found.may_join(now),
        "is_mine": found.is_mine,
        "url": found.url,
    }
    return composed({name: msgspec_json.encode(value) for name, value in shape.items()} | {"post": post})


async def guests(request: Request) -> Response:
    post_id, page = params.path_id(request), params.page(request, default=40, max=80)
    state = params.query(request).text("state") or ACCEPTED
    if state not in (ACCEPTED, ASKED):
        raise Invalid(f"state must be {ACCEPTED} or {ASKED}", "state")
    return await answers.accounts(request, READ, gatherings.guests, post_id, page, state)


async def calendar(request: Request) -> Response:
    found = await api.read(request, READ, gatherings.get, params.path_id(request))
    return plans.calendar_file(found, parts_of(request).node.now())


# --- writing


async def create(request: Request) -> Response:
    form = await params.read(request)
    plan = plans.asked(form)
    draft = Draft(
        text=form.text("status"),
        spoiler=form.text("spoiler_text"),
        visibility=asked_visibility(form, "visibility"),
        local_only=form.boolean("local_only", None),
        language=form.text("language") or None,
        idempotency_key=request.headers.get("idempotency-key") or None,
    )
    limit = answers.Limit(request, "posts", parts_of(request).settings.limits.posts_per_account)

    def work(tx: Tx) -> int:
        limit.spend(tx.viewer.account_id or 0)
        return gatherings.create(tx, plan, draft)

    return await answers.write(request, WRITE, work, _one)


async def edit(request: Request) -> Response:
    form, post_id = await params.read(request), params.path_id(request)

    def work(tx: Tx) -> int:
        posts.source(tx, post_id)
        plan = plans.asked(form, gatherings.get(tx, post_id).plan)
        gatherings.edit(tx, post_id, plan, form.text_or_none("status"))
        return post_id

    return await answers.write(request, WRITE, work, _one)


async def act(request: Request) -> Response:
    rule, post_id = _RULES[request.scope["route"].name], params.path_id(request)

    def work(tx: Tx) -> int:
        rule(tx, post_id)
        return post_id

    return await answers.write(request, WRITE, work, _one)


async def decide(request: Request) -> Response:
    post_id, account_id = params.path_id(request), params.path_id(request, "account_id")
    accept = request.scope["route"].name == "accept"

    def work(tx: Tx) -> int:
        gatherings.decide(tx, post_id, account_id, accept=accept)
        return post_id

    return await answers.write(request, WRITE, work, _one)
