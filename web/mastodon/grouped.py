"""Grouped notifications.

GET  /api/v2/notifications                 ?types[] ?exclude_types[] ?account_id ?grouped_types[] ?expand_accounts
GET  /api/v2/notifications/{key} · /{key}/accounts
POST /api/v2/notifications/{key}/dismiss
GET  /api/v2/notifications/unread_count    the same filters; newer than the marker of the notifications
"""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import grouping, markers
from node.errors import Invalid
from node.grouping import Group
from node.notifications import GROUPED
from node.runtime import Tx
from web import identity as api
from web import params
from web.mastodon import answers, emoji, shapes
from web.mastodon.entities import Renderer, array
from web.mastodon.notifications import READ, WRITE, reaction_as, wanted
from web.responses import empty

_PATH = "/api/v2/notifications"
_KEY = f"{_PATH}/{{key}}"
_EXPAND = ("full", "partial_avatars")
_PARTIAL = ("id", "acct", "url", "avatar", "avatar_static", "locked", "bot")
"""What is left of an Account in `partial_accounts` (entities/Account, PartialAccountWithAvatar)."""


def routes() -> list[BaseRoute]:
    return [
        Route(_PATH, page),
        Route(f"{_PATH}/unread_count", unread_count),
        Route(_KEY, one),
        Route(f"{_KEY}/accounts", accounts),
        Route(f"{_KEY}/dismiss", dismiss, methods=["POST"]),
    ]


async def page(request: Request) -> Response:
    asked = params.query(request)
    bounds, filters, grouped = params.page_of(asked, default=40, max=80), wanted(asked), _grouped(asked)
    expand, reaction = asked.text("expand_accounts") or "full", reaction_as(asked)
    if expand not in _EXPAND:
        raise Invalid(f"Invalid value for 'expand_accounts': '{expand}', allowed values are {', '.join(_EXPAND)}")

    def work(tx: Tx, renderer: Renderer) -> answers.Drawn:
        groups = grouping.page(tx, bounds, grouped=grouped, **filters)
        body = _results(tx, renderer, groups, reaction, is_partial=expand == "partial_avatars")
        return body, [group.row.id for group in groups]

    return await answers.page(request, READ, work, run=api.read)


async def one(request: Request) -> Response:
    key, reaction = answers.path_name(request, "key"), reaction_as(params.query(request))
    return await answers.search(
        request, READ, lambda tx, renderer: _results(tx, renderer, [grouping.get(tx, key)], reaction)
    )


async def accounts(request: Request) -> Response:
    key, bounds = answers.path_name(request, "key"), params.page(request, default=40, max=80)
    return await answers.accounts(request, READ, grouping.senders, key, bounds)


async def dismiss(request: Request) -> Response:
    await api.write(request, WRITE, grouping.dismiss, answers.path_name(request, "key"))
    return empty()


async def unread_count(request: Request) -> Response:
    asked = params.query(request)
    filters, grouped, limit = wanted(asked), _grouped(asked), asked.integer("limit", 100, lo=1, hi=1000) or 100

    def work(tx: Tx, _renderer: Renderer) -> bytes:
        after_id = markers.last_read(tx, "notifications")
        count = grouping.count(tx, after_id=after_id, limit=limit, grouped=grouped, **filters)
        return msgspec.json.encode({"count": count})

    return await answers.search(request, READ, work)


def _grouped(asked: params.Params) -> Collection[str]:
    return asked.texts("grouped_types") if asked.has("grouped_types") else GROUPED


def _results(tx: Tx, renderer: Renderer, groups: Sequence[Group], reaction: str, *, is_partial: bool = False) -> bytes:
    """GroupedNotificationsResults: every account and every post of the groups once."""
    rows = [group.row for group in groups]
    posts = list(dict.fromkeys(row.post_id for row in rows if row.post_id is not None))
    people = renderer.accounts_by_id(tx, [one for group in groups for one in group.sample])
    # Whoever stands first in a group is always shown whole.
    whole = {one for group in groups for one in (group.sample[:1] if is_partial else group.sample)}
    reports = renderer.reports(tx, [row.report_id for row in rows if row.report_id is not None])
    reacted = emoji.told(tx, rows, renderer.urls)
    parts = [
        b'{"accounts":' + array([body for id_, body in people.items() if id_ in whole]),
        b',"statuses":' + array(renderer.statuses(tx, posts)),
        b',"notification_groups":'
        + array([_group(group, reports, reacted.get(group.row.id, {}), reaction) for group in groups]),
    ]
    if is_partial:
        rest = [_partial(body) for id_, body in people.items() if id_ not in whole]
        parts.append(b',"partial_accounts":' + array(rest))
    return b"".join(parts) + b"}"


def _group(group: Group, reports: dict[int, bytes], reacted: dict[str, Any], reaction: str) -> bytes:
    row = group.row
    shown: dict[str, Any] = {
        "group_key": group.key,
        "notifications_count": group.count,
        "type": row.kind,
        "most_recent_notification_id": str(group.newest_id),
        "sample_account_ids": [str(one) for one in group.sample],
    }
    if reacted:
        shown |= {"type": reaction} | reacted
    if group.page is not None:
        oldest, newest, at = group.page
        shown |= {"page_min_id": str(oldest), "page_max_id": str(newest)}
        shown["latest_page_notification_at"] = shapes.moment(at)
    if row.post_id is not None:
        shown["status_id"] = str(row.post_id)
    if row.report_id in reports:
        shown["report"] = msgspec.Raw(reports[row.report_id])
    return msgspec.json.encode(shown)


def _partial(account: bytes) -> bytes:
    whole = msgspec.json.decode(account)
    return msgspec.json.encode({name: whole[name] for name in _PARTIAL})
