"""Notifications: what happened around one's posts and oneself, newest first."""

from collections.abc import Sequence
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from node import notifications, social
from node.paging import Page
from node.runtime import Tx
from web.pages import answers, moments, people, shown, visit
from web.pages.moments import Moment
from web.pages.people import Face
from web.pages.shown import Shown
from web.pages.timelines import PER_PAGE, asked_page
from web.parts import parts_of

_WORDS = {
    "mention": ("reply", "mentioned you"),
    "status": ("bell", "posted"),
    "reblog": ("boost", "boosted your post"),
    "favourite": ("star", "favourited your post"),
    "reaction": ("star", "reacted to your post"),
    "follow": ("person", "follows you"),
    "follow_request": ("person", "asks to follow you"),
    "poll": ("bell", "ran a poll that has ended"),
    "update": ("bell", "edited a post that you boosted"),
    "quote": ("reply", "quoted your post"),
    "join": ("person", "comes to your event"),
    "join_request": ("person", "asks to come to your event"),
    "quoted_update": ("bell", "edited a post that you quoted"),
    "admin.report": ("bell", "reported something"),
}
_WHOLE = ("mention", "status", "quote")
"""Kinds that show the post itself, so that one can answer at once; the others show its beginning."""
_SEEN_SECONDS = 365 * 86_400


class Told(NamedTuple):
    id: int
    kind: str
    said: tuple[str, str]
    who: Face
    post: Shown | None
    at: Moment

    @property
    def icon(self) -> str:
        return self.said[0]

    @property
    def words(self) -> str:
        return self.said[1]

    @property
    def is_whole(self) -> bool:
        return self.post is not None and self.kind in _WHOLE


class Listing(NamedTuple):
    told: Sequence[Told]
    requests: Sequence[Face]
    older: int | None


async def page(request: Request) -> Response:
    asked = asked_page(request)
    frame, found = await visit.look(request, _told, asked)
    seen = visit.last_seen(request)
    response = answers.page(request, "notifications.html", frame, found=found, seen=seen, is_first=asked.max_id is None)
    newest = found.told[0].id if found.told else 0
    if newest > seen:
        parts = parts_of(request)
        response.set_cookie(
            visit.seen_cookie(parts),
            str(newest),
            max_age=_SEEN_SECONDS,
            secure=parts.settings.node.scheme == "https",
            httponly=True,
            samesite="lax",
        )
    return response


def _told(tx: Tx, asked: Page) -> Listing:
    rows = notifications.page(tx, asked)
    older = rows[PER_PAGE - 1].id if len(rows) > PER_PAGE else None
    rows = rows[:PER_PAGE]
    faces = people.faces(tx, [row.from_id for row in rows])
    posts = {one.id: one for one in shown.posts(tx, {row.post_id for row in rows if row.post_id is not None})}
    told = [
        Told(
            row.id,
            row.kind,
            _WORDS.get(row.kind, ("bell", row.kind)),
            faces[row.from_id],
            posts.get(row.post_id),
            moments.moment(row.created_at, tx.now),
        )
        for row in rows
        if row.from_id in faces and row.kind != "follow_request"
    ]
    waiting = social.follow_requests(tx, Page(PER_PAGE)) if asked.max_id is None else []
    return Listing(told, people.in_order(tx, [id_ for _, id_ in waiting]), older)
