"""People: profiles of this department and of others, and who follows whom."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from markupsafe import Markup
from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response

from activitypub.errors import ProtocolError
from node import accounts, featured, social, timelines
from node.accounts.finding import acct
from node.errors import NodeError, NotFound
from node.federation import collections
from node.paging import Page
from node.runtime import Tx
from node.social import Relationship
from web.pages import answers, moments, people, shown, visit
from web.pages.people import Face
from web.pages.shown import Shown
from web.pages.timelines import PER_PAGE, Listed, asked_page, listed
from web.parts import parts_of

TABS = ("posts", "replies", "media")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    face: Face
    header: str
    note: Markup
    fields: Sequence[tuple[str, Markup]]
    manager: Face | None
    origin: str | None
    """Where a peer shows this person; None for our own."""
    full_handle: str
    joined: str
    locked: bool
    posts: int
    following: int
    followers: int
    relation: Relationship | None
    is_me: bool
    is_group: bool
    tags: Sequence[tuple[str, str]]
    """What they feature: (as written, address of their posts with it)."""


async def profile(request: Request) -> Response:
    """`/@name` and `/@name@domain`; `?tab=` posts, replies, media."""
    handle: str = request.path_params["handle"]
    tab = request.query_params.get("tab", "posts")
    if tab not in TABS:
        raise NotFound()
    asked = asked_page(request)
    try:
        frame, (person, posts, pinned) = await visit.look_openly(request, _profile, handle, tab, asked)
    except NotFound:
        if not await _learn(request, handle):
            raise
        frame, (person, posts, pinned) = await visit.look_openly(request, _profile, handle, tab, asked)
    await collections.looked_at(parts_of(request).node, person.face.id)
    return answers.page(request, "profile.html", frame, profile=person, listed=posts, pinned=pinned, tab=tab, tabs=TABS)


async def _learn(request: Request, handle: str) -> bool:
    """Ask another department for somebody who is not known here yet. False if there is nobody."""
    domain = handle.removeprefix("@").partition("@")[2]
    parts = parts_of(request)
    if not domain or domain.casefold() == parts.urls.domain:
        return False
    await visit.look(request, lambda tx: None)  # visitors do not make us ask around
    with contextlib.suppress(NodeError, ProtocolError):
        await parts.network.resolve_handle(handle)
        return True
    return False


def _profile(tx: Tx, handle: str, tab: str, asked: Page) -> tuple[Profile, Listed, Sequence[Shown]]:
    row = _person(tx, handle)
    ids = timelines.account(
        tx, row.id, asked, exclude_replies=tab == "posts", exclude_reblogs=tab == "media", only_media=tab == "media"
    )
    top = tab == "posts" and asked.max_id is None
    pinned = shown.posts(tx, timelines.account(tx, row.id, Page(5), pinned=True)) if top else []
    return about(tx, row), listed(tx, ids, asked), pinned


def _person(tx: Tx, handle: str) -> Row[Any]:
    """Visitors get to see the people of this department only."""
    row = accounts.by_handle(tx, handle)
    if row.domain is not None and tx.viewer.account_id is None:
        raise NotFound()
    return row


def about(tx: Tx, row: Row[Any]) -> Profile:
    me = tx.viewer.account_id
    relation = social.relationships(tx, [row.id]) if me is not None and me != row.id else []
    return Profile(
        face=people.face(tx, row),
        header=people.picture(row.header, row.domain) or "/static/header.png",
        note=shown.linked(row.note),
        fields=[(one.get("name", ""), shown.linked(one.get("value", ""))) for one in row.fields],
        manager=people.by_iri(tx, row.manager_iri) if row.manager_iri else None,
        origin=row.url if row.domain is not None and row.url.startswith(("https://", "http://")) else None,
        full_handle=f"@{row.username}@{row.domain or tx.urls.domain}",
        joined=moments.day(row.created_at, tx.now),
        locked=bool(row.locked),
        posts=row.posts_count,
        following=row.following_count,
        followers=row.followers_count,
        relation=relation[0] if relation else None,
        is_me=row.id == me,
        is_group=row.actor_type == "Group",
        tags=_tags(tx, row),
    )


def _tags(tx: Tx, row: Row[Any]) -> list[tuple[str, str]]:
    path = people.path(acct(row))
    return [(one.display, f"{path}/tagged/{quote(one.name, safe='')}") for one in featured.names(tx, row.id)]


async def tagged(request: Request) -> Response:
    """`/@name/tagged/tag`: what somebody wrote about it."""
    handle, name, asked = request.path_params["handle"], request.path_params["name"], asked_page(request)

    def read(tx: Tx) -> tuple[Profile, Listed]:
        row = _person(tx, handle)
        ids = timelines.account(tx, row.id, asked, exclude_reblogs=True, tagged=name)
        return about(tx, row), listed(tx, ids, asked)

    frame, (person, posts) = await visit.look_openly(request, read)
    return answers.page(request, "profile.html", frame, profile=person, listed=posts, pinned=[], tab="", tabs=TABS)


async def followers(request: Request) -> Response:
    return await _people(request, social.followers, "followers")


async def following(request: Request) -> Response:
    return await _people(request, social.following, "following")


async def _people(request: Request, rule: Callable[[Tx, int, Page], list[tuple[int, int]]], kind: str) -> Response:
    asked = asked_page(request)

    def read(tx: Tx) -> tuple[Face, list[Face], int | None]:
        row = accounts.by_handle(tx, request.path_params["handle"])
        found = rule(tx, row.id, asked)
        older = found[PER_PAGE - 1][0] if len(found) > PER_PAGE else None
        return people.face(tx, row), people.in_order(tx, [id_ for _, id_ in found[:PER_PAGE]]), older

    frame, (person, listed_people, older) = await visit.look(request, read)
    return answers.page(request, "people.html", frame, person=person, people=listed_people, kind=kind, older=older)
