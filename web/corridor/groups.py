"""Groups of departments and projects, over our own API. People join and leave by following them, in any client.

    GET    /api/corridor/v1/groups                                   in order; ?limit=&after_id=&local=&mine=
    POST   /api/corridor/v1/groups                                   username display_name note posting locked hidden
    GET    /api/corridor/v1/groups/{id}
    PATCH  /api/corridor/v1/groups/{id}                              display_name note posting locked hidden
    DELETE /api/corridor/v1/groups/{id}                              for good
    GET    /api/corridor/v1/groups/{id}/members                      accounts, paged by Link
    DELETE /api/corridor/v1/groups/{id}/members/{account_id}         may ask to come back
    GET    /api/corridor/v1/groups/{id}/moderators
    POST   /api/corridor/v1/groups/{id}/moderators                   account_id
    DELETE /api/corridor/v1/groups/{id}/moderators/{account_id}
    GET    /api/corridor/v1/groups/{id}/requests                     who wants to come in, paged by Link
    POST   /api/corridor/v1/groups/{id}/requests/{account_id}/accept · reject
    GET    /api/corridor/v1/groups/{id}/bans
    POST   /api/corridor/v1/groups/{id}/bans                         account_id
    DELETE /api/corridor/v1/groups/{id}/bans/{account_id}
    DELETE /api/corridor/v1/groups/{id}/posts/{post_id}              out of the group; the post stays

Reading takes `read:accounts`, making and changing `write:accounts`, members and bans `write:follows`. What is for moderators
is 403 for others; groups of peers are 404 there. A group in JSON:

    {"id", "account" (Account), "posting" (members | moderators), "hidden", "locked", "local", "members_count", "member",
     "requested", "moderator"}
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import groups, social
from node.groups import GroupChanges, NewGroup
from node.paging import Page
from node.runtime import Tx
from web import identity as api
from web import params
from web.mastodon import answers
from web.mastodon.answers import Limit
from web.mastodon.entities import Renderer, array, composed
from web.responses import JSONBytes, empty

READ, WRITE, FOLLOWS = "read:accounts", "write:accounts", "write:follows"
MADE = 10
"""Groups that one person may make in five minutes: each gets keys of its own, and a name that is never given again."""
_PATH = "/api/corridor/v1/groups"
_MAX_PAGE = 200


def routes() -> list[BaseRoute]:
    one = f"{_PATH}/{{id}}"
    return [
        Route(_PATH, list_groups),
        Route(_PATH, make_group, methods=["POST"]),
        Route(one, get_group),
        Route(one, change_group, methods=["PATCH"]),
        Route(one, delete_group, methods=["DELETE"]),
        Route(f"{one}/members", list_members),
        Route(f"{one}/members/{{account_id}}", _on_account(groups.remove_member), methods=["DELETE"]),
        Route(f"{one}/moderators", _list_accounts(groups.moderators)),
        Route(f"{one}/moderators", _add_account(groups.add_moderator), methods=["POST"]),
        Route(f"{one}/moderators/{{account_id}}", _on_account(groups.remove_moderator), methods=["DELETE"]),
        Route(f"{one}/requests", list_requests),
        Route(f"{one}/requests/{{account_id}}/accept", _on_account(_accept), methods=["POST"]),
        Route(f"{one}/requests/{{account_id}}/reject", _on_account(_reject), methods=["POST"]),
        Route(f"{one}/bans", _list_accounts(groups.banned)),
        Route(f"{one}/bans", _add_account(groups.ban), methods=["POST"]),
        Route(f"{one}/bans/{{account_id}}", _on_account(groups.unban), methods=["DELETE"]),
        Route(f"{one}/posts/{{post_id}}", remove_post, methods=["DELETE"]),
    ]


# --- groups


async def list_groups(request: Request) -> Response:
    asked = params.query(request)
    limit = asked.integer("limit", 50, lo=1, hi=_MAX_PAGE) or 50
    after_id, local, mine = asked.id("after_id") or 0, asked.flag("local"), asked.flag("mine")

    def rule(tx: Tx, renderer: Renderer) -> bytes:
        found = groups.listing(tx, limit=limit, after_id=after_id, local=local, mine=mine)
        return array(_shown(tx, renderer, found))

    return await answers.search(request, READ, rule)


async def get_group(request: Request) -> Response:
    group_id = params.path_id(request)
    return await answers.read(request, READ, lambda tx, renderer: _one(tx, renderer, group_id))


async def make_group(request: Request) -> Response:
    form = await params.read(request)
    new = NewGroup(
        username=form.required("username"),
        display_name=form.text("display_name"),
        note=form.text("note"),
        posting=form.text("posting") or "members",
        locked=form.flag("locked"),
        hidden=form.flag("hidden"),
    )
    limit = Limit(request, "groups", MADE)

    def rule(tx: Tx) -> int:
        limit.spend(tx.viewer.account_id or 0)
        return groups.create(tx, new)

    return await answers.write(request, WRITE, rule, _one)


async def change_group(request: Request) -> Response:
    group_id, form = params.path_id(request), await params.read(request)
    changes = GroupChanges(
        display_name=form.text_or_none("display_name"),
        note=form.text_or_none("note"),
        posting=form.text_or_none("posting"),
        locked=form.boolean("locked", None),
        hidden=form.boolean("hidden", None),
    )

    def rule(tx: Tx) -> int:
        groups.change(tx, group_id, changes)
        return group_id

    return await answers.write(request, WRITE, rule, _one)


async def delete_group(request: Request) -> Response:
    await api.write(request, WRITE, groups.delete, params.path_id(request))
    return empty()


def _one(tx: Tx, renderer: Renderer, group_id: int) -> bytes:
    return _shown(tx, renderer, [groups.get(tx, group_id)])[0]


def _shown(tx: Tx, renderer: Renderer, rows: Sequence[Row[Any]]) -> list[bytes]:
    ids = [row.id for row in rows]
    accounts = dict(zip(ids, renderer.accounts(tx, ids), strict=True))
    relations = {one.id: one for one in social.relationships(tx, ids)}
    looked_after = groups.looked_after(tx, ids)
    return [
        composed(
            {
                "id": b'"%d"' % row.id,
                "account": accounts[row.id],
                **{
                    name: msgspec.json.encode(value)
                    for name, value in {
                        "posting": row.posting,
                        "hidden": row.hidden,
                        "locked": row.locked,
                        "local": row.domain is None,
                        "members_count": row.followers_count,
                        "member": relations[row.id].following,
                        "requested": relations[row.id].requested,
                        "moderator": row.domain is None and row.id in looked_after,
                    }.items()
                },
            }
        )
        for row in rows
    ]


# --- people of a group


async def list_members(request: Request) -> Response:
    page = params.page(request, default=40, max=80)
    return await answers.accounts(request, READ, _members, params.path_id(request), page)


def _members(tx: Tx, group_id: int, page: Page) -> list[tuple[int, int]]:
    return social.followers(tx, groups.get(tx, group_id).id, page)


async def list_requests(request: Request) -> Response:
    page = params.page(request, default=40, max=80)
    return await answers.accounts(request, READ, groups.requests, params.path_id(request), page)


def _accept(tx: Tx, group_id: int, account_id: int) -> None:
    groups.answer_request(tx, group_id, account_id, accepted=True)


def _reject(tx: Tx, group_id: int, account_id: int) -> None:
    groups.answer_request(tx, group_id, account_id, accepted=False)


def _list_accounts(rule: Callable[[Tx, int], Sequence[int]]) -> Callable[[Request], Any]:
    async def listed(request: Request) -> Response:
        return await answers.found_accounts(request, READ, _of_group, rule, params.path_id(request))

    return listed


def _of_group(tx: Tx, rule: Callable[[Tx, int], Sequence[int]], group_id: int) -> Sequence[int]:
    return rule(tx, groups.get(tx, group_id).id)


def _on_account(rule: Callable[[Tx, int, int], None]) -> Callable[[Request], Any]:
    """With the account in the path. Answers with the group."""

    async def act(request: Request) -> Response:
        return await _act(request, rule, params.path_id(request, "account_id"))

    return act


def _add_account(rule: Callable[[Tx, int, int], None]) -> Callable[[Request], Any]:
    """With the account in the body."""

    async def act(request: Request) -> Response:
        form = await params.read(request)
        form.required("account_id")
        return await _act(request, rule, form.id("account_id") or 0)

    return act


async def _act(request: Request, rule: Callable[[Tx, int, int], None], account_id: int) -> JSONBytes:
    group_id = params.path_id(request)

    def work(tx: Tx) -> int:
        rule(tx, group_id, account_id)
        return group_id

    return await answers.write(request, FOLLOWS, work, _one)


async def remove_post(request: Request) -> Response:
    group_id, post_id = params.path_id(request), params.path_id(request, "post_id")
    await api.write(request, FOLLOWS, groups.remove_post, group_id, post_id)
    return empty()
