"""One field for people, posts and tags; an address or a full handle is looked up at the department it belongs to."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from activitypub.errors import ProtocolError
from node import accounts, posts, search, tags
from node.errors import Invalid, NodeError, NotFound
from node.runtime import Tx
from web.pages import answers, people, shown, visit
from web.pages.people import Face
from web.pages.shown import Shown
from web.params import query
from web.parts import parts_of

PEOPLE = 8
TAGS = 8
POSTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    people: Sequence[Face] = ()
    tags: Sequence[Any] = ()
    posts: Sequence[Shown] = ()
    next_offset: int | None = None
    error: str = ""
    popular: Sequence[Face] = field(default_factory=tuple)
    """People who wrote last: shown before anything was searched for."""

    @property
    def is_empty(self) -> bool:
        return not (self.people or self.tags or self.posts)


async def find(request: Request) -> Response:
    asked = query(request)
    wanted = asked.text("q", max_len=400).strip()
    offset = asked.integer("offset", 0, hi=1000) or 0
    if _is_address(wanted):
        target = await _fetched(request, wanted)
        if target is not None:
            return answers.to(target)
    frame, found = await visit.look(request, _find, wanted, offset)
    return answers.page(
        request, "search.html", frame, status=422 if found.error else 200, found=found, q=wanted, offset=offset
    )


def _find(tx: Tx, wanted: str, offset: int) -> Found:
    if not wanted:
        return Found(popular=people.in_order(tx, accounts.directory(tx, limit=PEOPLE)))
    try:
        ids = search.posts(tx, wanted, limit=POSTS + 1, offset=offset)
    except Invalid as error:
        return Found(error=str(error))
    more = offset + POSTS if len(ids) > POSTS else None
    if offset:
        return Found(posts=shown.posts(tx, ids[:POSTS]), next_offset=more)
    return Found(
        people=people.in_order(tx, accounts.search(tx, wanted, limit=PEOPLE)),
        tags=tags.search(tx, wanted, limit=TAGS),
        posts=shown.posts(tx, ids[:POSTS]),
        next_offset=more,
    )


def _is_address(wanted: str) -> bool:
    """A URL, or a handle with its domain."""
    if any(map(str.isspace, wanted)):
        return False
    return wanted.startswith(("https://", "http://")) or wanted.removeprefix("@").count("@") == 1


async def _fetched(request: Request, wanted: str) -> str | None:
    """The page of what is at an address, fetched if need be; None if there is nothing, or nothing to be seen."""
    await visit.look(request, lambda tx: None)  # visitors do not make us ask around
    network = parts_of(request).network
    with contextlib.suppress(NodeError, ProtocolError):
        if wanted.startswith(("https://", "http://")):
            kind, id_ = await network.resolve_url(wanted)
        else:
            kind, id_ = "account", await network.resolve_handle(wanted)
        _, page = await visit.look(request, _page_of, kind, id_)
        return page
    return None


def _page_of(tx: Tx, kind: str, id_: int) -> str:
    if kind == "account":
        return people.face(tx, accounts.get(tx, id_)).path
    found = shown.posts(tx, [posts.get(tx, id_).id])
    if not found:
        raise NotFound()
    return found[0].path
