"""Lists of posts: home, the department's and the company's timeline, a tag, bookmarks, favourites."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from node import reactions, tags, timelines
from node.errors import NotFound
from node.paging import Page
from node.runtime import Tx
from node.text import normalise_tag
from web.pages import answers, compose, shown, visit
from web.pages.compose import Box
from web.pages.shown import Shown
from web.params import page

PER_PAGE = 20


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of posts. `older` is the cursor of the next one, None at the end; `is_first` if nothing is newer."""

    posts: Sequence[Shown]
    older: int | None
    is_first: bool


def listed(tx: Tx, ids: Sequence[int], asked: Page) -> Listed:
    """Posts whose ids are their cursors too. `ids` is one more than a page if there are more."""
    return cursored(tx, [(id_, id_) for id_ in ids], asked)


def cursored(tx: Tx, found: Sequence[tuple[int, int]], asked: Page) -> Listed:
    """The same of (cursor, post id)."""
    kept = found[:PER_PAGE]
    older = kept[-1][0] if len(found) > PER_PAGE else None
    posts: dict[int, Shown] = {}
    for one in shown.posts(tx, [id_ for _, id_ in kept]):
        posts.setdefault(one.id, one)  # what several boosted is shown once, where it came last
    return Listed(list(posts.values()), older, asked.max_id is None)


def asked_page(request: Request) -> Page:
    """The page that the address asks for, and one post more: whether there is a next one."""
    return Page(PER_PAGE + 1, page(request).max_id)


async def home(request: Request) -> Response:
    asked = asked_page(request)

    def rule(tx: Tx) -> tuple[Listed, Box | None]:
        return listed(tx, timelines.home(tx, asked), asked), compose.empty(tx)

    frame, (posts, box) = await visit.look(request, rule)
    return answers.page(request, "home.html", frame, listed=posts, box=box)


async def local(request: Request) -> Response:
    asked = asked_page(request)

    def rule(tx: Tx) -> Listed:
        return listed(tx, timelines.public(tx, asked, local=True), asked)

    frame, posts = await visit.look_openly(request, rule)
    return answers.page(request, "public.html", frame, listed=posts, is_local=True)


async def company(request: Request) -> Response:
    asked = asked_page(request)

    def rule(tx: Tx) -> Listed:
        return listed(tx, timelines.public(tx, asked), asked)

    frame, posts = await visit.look(request, rule)
    return answers.page(request, "public.html", frame, listed=posts, is_local=False)


async def bookmarks(request: Request) -> Response:
    return await _own(request, reactions.bookmarks, "bookmarks")


async def favourites(request: Request) -> Response:
    return await _own(request, reactions.favourites, "favourites")


async def _own(request: Request, rule: Callable[[Tx, Page], Sequence[tuple[int, int]]], kind: str) -> Response:
    asked = asked_page(request)
    frame, posts = await visit.look(request, lambda tx: cursored(tx, rule(tx, asked), asked))
    return answers.page(request, "own.html", frame, listed=posts, kind=kind)


async def tag(request: Request) -> Response:
    """A tag's page, also of a tag that nobody has used yet: it can be followed before."""
    name = normalise_tag(request.path_params["name"])
    if not name or len(name) > tags.NAME_LENGTH:
        raise NotFound()
    asked = asked_page(request)
    frame, (posts, about) = await visit.look_openly(request, _tag, name, asked)
    return answers.page(request, "tag.html", frame, listed=posts, **about)


def _tag(tx: Tx, name: str, asked: Page) -> tuple[Listed, dict[str, Any]]:
    posts = listed(tx, timelines.tag(tx, name, asked), asked)
    row = tags.seen(tx, name)
    days = tags.history(tx, [row.id])[row.id] if row is not None else []
    about = {
        "name": name,
        "display": row.display if row is not None else name,
        "is_followed": row is not None and row.id in tags.followed(tx, [row.id]),
        "uses": sum(one.uses for one in days),
        "most_people": max((one.accounts for one in days), default=0),
    }
    return posts, about
