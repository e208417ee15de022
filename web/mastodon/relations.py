"""Who follows, blocks and mutes whom.

POST /api/v1/accounts/{id}/note · endorse · unendorse (and pin · unpin, as they were called)
GET  /api/v1/endorsements · /api/v1/accounts/{id}/endorsements
POST /api/v1/accounts/{id}/follow · unfollow · block · unblock · mute · unmute · remove_from_followers
GET  /api/v1/accounts/relationships?id[]=…
GET  /api/v1/accounts/familiar_followers?id[]=…
GET  /api/v1/blocks · /api/v1/mutes · /api/v1/follow_requests
POST /api/v1/follow_requests/{id}/authorize · reject       {id} is the account's
POST /api/v1/reports
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Select, bindparam, select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import db, moderation, notes, social
from node.accounts.lookup import me
from node.errors import Invalid, NotFound
from node.paging import Page
from node.runtime import Tx
from node.schema import account, follow, report
from web import params
from web.identity import Access
from web.mastodon import answers, shapes
from web.mastodon.entities import Renderer, array, composed, report_entity

FOLLOWS = "write:follows"
MAX_SEVERAL = 100
MAX_FAMILIAR = 5
_PATH = "/api/v1/accounts"
_SIMPLE: dict[str, tuple[str, Callable[[Tx, int], Any]]] = {
    "unfollow": (FOLLOWS, social.unfollow),
    "remove_from_followers": (FOLLOWS, social.remove_follower),
    "block": ("write:blocks", social.block),
    "unblock": ("write:blocks", social.unblock),
    "unmute": ("write:mutes", social.unmute),
    "endorse": ("write:accounts", social.endorse),
    "unendorse": ("write:accounts", social.unendorse),
    "pin": ("write:accounts", social.endorse),
    "unpin": ("write:accounts", social.unendorse),
    "authorize": (FOLLOWS, social.accept_request),
    "reject": (FOLLOWS, social.reject_request),
}
_ANSWERS = ("authorize", "reject")
_THEIRS = follow.alias("theirs")
_FAMILIAR: Select[Any] = (
    select(_THEIRS.c.target_id, _THEIRS.c.follower_id)
    .join(follow, (follow.c.target_id == _THEIRS.c.follower_id) & (follow.c.follower_id == bindparam("viewer")))
    .join(account, account.c.id == _THEIRS.c.follower_id)
    .where(
        db.among(_THEIRS.c.target_id, "ids"),
        _THEIRS.c.state == "accepted",
        follow.c.state == "accepted",
        account.c.suspended_at.is_(None),
    )
    .order_by(_THEIRS.c.id.desc())
    .limit(1000)
)


def routes() -> list[BaseRoute]:
    simple = [name for name in _SIMPLE if name not in _ANSWERS]
    return [
        Route(f"{_PATH}/relationships", relationships),
        Route(f"{_PATH}/familiar_followers", familiar_followers),
        Route(f"{_PATH}/{{id}}/follow", follow_account, methods=["POST"]),
        Route(f"{_PATH}/{{id}}/mute", mute, methods=["POST"]),
        Route(f"{_PATH}/{{id}}/note", note, methods=["POST"]),
        *(Route(f"{_PATH}/{{id}}/{name}", change, methods=["POST"], name=name) for name in simple),
        Route("/api/v1/follow_requests", follow_requests),
        *(Route(f"/api/v1/follow_requests/{{id}}/{name}", change, methods=["POST"], name=name) for name in _ANSWERS),
        Route("/api/v1/endorsements", own_endorsements),
        Route(f"{_PATH}/{{id}}/endorsements", endorsements),
        Route("/api/v1/blocks", blocks),
        Route("/api/v1/mutes", mutes),
        Route("/api/v1/reports", file_report, methods=["POST"]),
    ]


async def relationships(request: Request) -> Response:
    asked = params.query(request)
    ids = (asked.ids("id") or asked.ids("ids"))[:MAX_SEVERAL]
    suspended = asked.flag("with_suspended")

    def rule(tx: Tx, renderer: Renderer) -> bytes:
        return renderer.relationships(social.relationships(tx, ids, suspended=suspended))

    return await answers.read(request, "read:follows", rule)


async def change(request: Request) -> Response:
    scope, rule = _SIMPLE[request.scope["route"].name]
    return await answers.relationship_after(request, scope, params.path_id(request), rule)


async def follow_account(request: Request) -> Response:
    form = await params.read(request)
    boosts, notify = form.boolean("reblogs", None), form.boolean("notify", None)

    def rule(tx: Tx, account_id: int) -> None:
        social.follow(tx, account_id, boosts=boosts, notify=notify)

    return await answers.relationship_after(request, FOLLOWS, params.path_id(request), rule)


async def note(request: Request) -> Response:
    comment = (await params.read(request)).text("comment")

    def rule(tx: Tx, account_id: int) -> None:
        notes.write(tx, account_id, comment)

    return await answers.relationship_after(request, "write:accounts", params.path_id(request), rule)


async def mute(request: Request) -> Response:
    form = await params.read(request)
    hide = form.flag("notifications", True)
    seconds = form.integer("duration", 0, clamp=False) or 0

    def rule(tx: Tx, account_id: int) -> None:
        social.mute(tx, account_id, hide_notifications=hide, seconds=seconds)

    return await answers.relationship_after(request, "write:mutes", params.path_id(request), rule)


async def own_endorsements(request: Request) -> Response:
    page = params.page(request, default=40, max=80)
    return await answers.accounts(request, "read:accounts", lambda tx: social.endorsed(tx, me(tx), page))


async def endorsements(request: Request) -> Response:
    page = params.page(request, default=40, max=80)
    return await answers.accounts(
        request, answers.to_read("read:accounts"), social.endorsed, params.path_id(request), page
    )


async def blocks(request: Request) -> Response:
    page = params.page(request, default=40, max=80)
    return await answers.accounts(request, Access(("read:blocks", "follow")), social.blocked, page)


async def mutes(request: Request) -> Response:
    page = params.page(request, default=40, max=80)
    return await answers.page(
        request, Access(("read:mutes", "follow")), lambda tx, renderer: _muted(tx, renderer, page)
    )


def _muted(tx: Tx, renderer: Renderer, page: Page) -> answers.Drawn:
    """MutedAccount: who is muted, and until when. Laid over the kept bytes, which are the same for every reader."""
    pairs = social.muted(tx, page)
    people = [id_ for _, id_ in pairs]
    ends = social.mutes_end(tx, people)
    shown = [
        b'%b,"mute_expires_at":%b}' % (one[:-1], msgspec.json.encode(shapes.moment_or_none(ends[id_])))
        for id_, one in zip(people, renderer.accounts(tx, people), strict=True)
    ]
    return array(shown), [cursor for cursor, _ in pairs]


async def follow_requests(request: Request) -> Response:
    page = params.page(request, default=40, max=80)
    return await answers.accounts(request, Access(("read:follows", "follow")), social.follow_requests, page)


async def familiar_followers(request: Request) -> Response:
    asked = params.query(request)
    ids = list(dict.fromkeys(asked.ids("id") or asked.ids("ids")))[:MAX_SEVERAL]
    return await answers.read(request, "read:follows", lambda tx, renderer: _familiar(tx, renderer, ids))


def _familiar(tx: Tx, renderer: Renderer, ids: Sequence[int]) -> bytes:
    """Of those whom the viewer follows, some who follow each of these."""
    found: dict[int, list[int]] = {id_: [] for id_ in ids}
    for row in tx.rows(_FAMILIAR, {"viewer": me(tx), "ids": ids}) if ids else ():
        if len(found[row.target_id]) < MAX_FAMILIAR:
            found[row.target_id].append(row.follower_id)
    people = list(dict.fromkeys(id_ for some in found.values() for id_ in some))
    shown = dict(zip(people, renderer.accounts(tx, people), strict=True))
    return array(
        [
            composed({"id": b'"%d"' % id_, "accounts": array([shown[one] for one in some])})
            for id_, some in found.items()
        ]
    )


async def file_report(request: Request) -> Response:
    form = await params.read(request)
    target = form.id("account_id")
    if target is None:
        raise Invalid("account_id can't be blank", "account_id")
    ids, comment, forward = form.ids("status_ids"), form.text("comment"), form.flag("forward")
    category, rule_ids = form.text("category") or "other", form.ids("rule_ids")
    if form.ids("collection_ids"):  # nobody has any
        raise NotFound()

    def work(tx: Tx) -> int:
        return moderation.file_report(tx, target, ids, comment, forward=forward, category=category, rule_ids=rule_ids)

    def show(tx: Tx, renderer: Renderer, report_id: int) -> bytes:
        row = tx.first(select(report).where(report.c.id == report_id))
        if row is None:
            raise NotFound()
        return report_entity(row, renderer.account(tx, target))

    return await answers.write(request, "write:reports", work, show)
