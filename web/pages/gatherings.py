"""Events: the coming ones, one with its guests, and the form to make or change one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from activitypub.audience import Visibility
from node import accounts, gatherings, plans, posts
from node.attending import ACCEPTED, ASKED
from node.errors import Invalid, NotFound
from node.gatherings import Gathering
from node.paging import Page
from node.posts import Draft
from node.runtime import Tx
from web import plans as sent
from web.identity import spend
from web.pages import answers, people, shown, visit
from web.pages.people import Face
from web.pages.shown import REACH
from web.params import Params, path_id, read
from web.parts import parts_of

PER_PAGE = 30
MOST_GUESTS = 200
ACTS = {"join": gatherings.join, "leave": gatherings.leave, "cancel": gatherings.cancel}
MODES = {
    "free": "Whoever wants to comes",
    "restricted": "I decide who comes",
    "external": "One signs up at the link",
}
_FIELDS = ("title", "starts_at", "ends_at", "timezone", "place", "link", "join_mode", "capacity", "text")


@dataclass(frozen=True, slots=True)
class Shown:
    """An event with the words for it."""

    found: Gathering
    author: Face
    times: str
    path: str
    """Of its thread."""
    content: Markup
    is_over: bool
    may_join: bool


async def index(request: Request) -> Response:
    """What is coming; `?offset=` for what comes after that."""
    word = request.query_params.get("offset", "0")
    offset = int(word) if word.isascii() and word.isdigit() and len(word) < 6 else 0

    def coming(tx: Tx) -> list[Shown]:
        return _shown(tx, gatherings.coming(tx, limit=PER_PAGE + 1, offset=offset))

    frame, found = await visit.look(request, coming)
    later = offset + PER_PAGE if len(found) > PER_PAGE else None
    return answers.page(request, "events.html", frame, events=found[:PER_PAGE], later=later, offset=offset)


async def one(request: Request) -> Response:
    post_id = path_id(request)

    def look(tx: Tx) -> tuple[Shown, Sequence[Face], Sequence[Face]]:
        found = gatherings.get(tx, post_id)
        asking = _guests(tx, post_id, ASKED) if found.is_mine else []
        return _shown(tx, [found])[0], _guests(tx, post_id, ACCEPTED), asking

    frame, (event, coming, asking) = await visit.look(request, look)
    return answers.page(request, "event.html", frame, event=event, guests=coming, asking=asking)


def _guests(tx: Tx, post_id: int, state: str) -> Sequence[Face]:
    return people.in_order(tx, [id_ for _, id_ in gatherings.guests(tx, post_id, Page(MOST_GUESTS), state)])


def _shown(tx: Tx, found: Sequence[Gathering]) -> list[Shown]:
    faces = people.faces(tx, sorted({one.author_id for one in found}))
    return [
        Shown(
            found=one,
            author=faces[one.author_id],
            times=plans.times(one.plan.event),
            path=f"{faces[one.author_id].path}/{one.id}",
            content=shown.linked(one.content),
            is_over=one.is_over(tx.now),
            may_join=one.may_join(tx.now),
        )
        for one in found
    ]


async def calendar(request: Request) -> Response:
    _, found = await visit.look(request, gatherings.get, path_id(request))
    return sent.calendar_file(found, parts_of(request).node.now())


# --- writing


async def form(request: Request) -> Response:
    def defaults(tx: Tx) -> dict[str, Any]:
        login = accounts.login_of(tx, tx.viewer.account_id or 0)
        usual = Visibility(login.default_visibility).name.lower()
        return {"visibility": usual, "local_only": bool(login.default_local_only)}

    frame, values = await visit.look(request, defaults)
    return _form(request, frame, values)


async def create(request: Request) -> Response:
    typed = await read(request)
    person = await visit.signed_in(request, typed)
    parts = parts_of(request)
    try:
        visibility = _visibility(typed.text("visibility"))
        draft = Draft(_lines(typed), visibility=visibility, local_only=typed.flag("local_only"))
        plan = sent.asked(typed)
        spend(request, "posts", person.account_id, parts.settings.limits.posts_per_account)
        post_id = await parts.node.write_as(person.viewer, gatherings.create, plan, draft)
    except Invalid as error:
        frame, _ = await visit.look(request, lambda tx: None)
        values = _typed(typed) | {"visibility": typed.text("visibility"), "local_only": typed.flag("local_only")}
        return _form(request, frame, values, error=str(error))
    return answers.to(f"/events/{post_id}")


async def change_form(request: Request) -> Response:
    post_id = path_id(request)
    frame, values = await visit.look(request, _stored, post_id)
    return _form(request, frame, values, post_id=post_id)


async def change(request: Request) -> Response:
    post_id, typed = path_id(request), await read(request)
    person = await visit.signed_in(request, typed)

    def work(tx: Tx) -> None:
        posts.source(tx, post_id)
        plan = sent.asked(typed, gatherings.get(tx, post_id).plan)
        gatherings.edit(tx, post_id, plan, _lines(typed))

    try:
        await parts_of(request).node.write_as(person.viewer, work)
    except Invalid as error:
        frame, _ = await visit.look(request, lambda tx: None)
        return _form(request, frame, _typed(typed), post_id=post_id, error=str(error))
    return answers.to(f"/events/{post_id}")


def _stored(tx: Tx, post_id: int) -> dict[str, Any]:
    row = posts.source(tx, post_id)
    plan = gatherings.get(tx, post_id).plan
    event = plan.event
    return {
        "title": plan.title,
        "starts_at": sent.local(event.starts_at, event.timezone),
        "ends_at": sent.local(event.ends_at, event.timezone),
        "timezone": event.timezone or "UTC",
        "place": event.place,
        "link": event.link or "",
        "join_mode": event.join_mode,
        "capacity": event.capacity or "",
        "text": row.text,
    }


def _typed(typed: Params) -> dict[str, Any]:
    return {name: typed.text(name) for name in _FIELDS}


def _form(
    request: Request, frame: Any, values: Mapping[str, Any], *, post_id: int | None = None, error: str = ""
) -> Response:
    usual = dict.fromkeys(_FIELDS, "") | {"timezone": "UTC", "join_mode": "free"}
    choices = [(one.name.lower(), REACH[one][1]) for one in Visibility if one != Visibility.DIRECT]
    return answers.page(
        request,
        "event_form.html",
        frame,
        status=422 if error else 200,
        values=usual | {"visibility": "public", "local_only": False} | dict(values),
        post_id=post_id,
        error=error,
        modes=MODES,
        choices=choices,
    )


def _lines(typed: Params) -> str:
    return typed.text("text").replace("\r\n", "\n")


def _visibility(name: str) -> Visibility | None:
    if name and name.upper() not in Visibility.__members__:
        raise Invalid("This is not a way to be seen.", "visibility")
    return Visibility[name.upper()] if name else None


async def act(request: Request) -> Response:
    """Join, leave, call off: a button each."""
    rule = ACTS.get(request.path_params["act"])
    if rule is None:
        raise NotFound()
    return await _do(request, rule)


async def on_guest(request: Request) -> Response:
    word, account_id = request.path_params["act"], path_id(request, "account_id")
    if word not in ("accept", "refuse"):
        raise NotFound()
    return await _do(request, gatherings.decide, account_id, accept=word == "accept")


async def _do(request: Request, rule: Any, *more: Any, **options: Any) -> Response:
    post_id, typed = path_id(request), await read(request)
    person = await visit.signed_in(request, typed)
    await parts_of(request).node.write_as(person.viewer, rule, post_id, *more, **options)
    return answers.back(typed, f"/events/{post_id}")
