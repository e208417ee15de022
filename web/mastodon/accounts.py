"""People.

GET   /api/v1/accounts/verify_credentials
PATCH /api/v1/accounts/update_credentials      pictures as uploads; ours: source[local_only]
GET   /api/v1/accounts?id[]=…                  several
GET   /api/v1/accounts/lookup?acct=…
GET   /api/v1/accounts/{id} · /statuses · /followers · /following
GET   /api/v1/directory
GET   /api/v1/preferences
DELETE /api/v1/profile/avatar · /header
"""

import dataclasses
from collections.abc import Sequence

import msgspec
from sqlalchemy import Select, bindparam, func, select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import accounts, db, quotes, social, timelines
from node.accounts import ProfileChanges
from node.accounts.lookup import me
from node.errors import Invalid
from node.federation import collections
from node.paging import Page
from node.runtime import Tx
from node.schema import account, follow
from web import identity as api
from web import params, uploads
from web.identity import Access
from web.mastodon import answers, shapes
from web.mastodon.entities import Renderer
from web.mastodon.quotes import asked_policy
from web.mastodon.statuses import asked_visibility
from web.params import Params
from web.parts import parts_of

READ = answers.to_read("read:accounts")
ME = Access(("profile", "read:accounts"))
WRITE = "write:accounts"
MAX_SEVERAL = 100
_PATH = "/api/v1/accounts"
_REQUESTS = select(func.count()).where(follow.c.target_id == bindparam("of"), follow.c.state == "pending")
_PRESENT: Select[tuple[int]] = select(account.c.id).where(
    db.among(account.c.id, "ids"), account.c.gone_at.is_(None), account.c.suspended_at.is_(None)
)


def routes() -> list[BaseRoute]:
    return [
        Route(f"{_PATH}/verify_credentials", verify_credentials),
        Route(f"{_PATH}/update_credentials", update_credentials, methods=["PATCH"]),
        Route(f"{_PATH}/lookup", lookup),
        Route(_PATH, several),
        Route(f"{_PATH}/{{id}}", one),
        Route(f"{_PATH}/{{id}}/statuses", statuses),
        Route(f"{_PATH}/{{id}}/followers", followers),
        Route(f"{_PATH}/{{id}}/following", following),
        Route("/api/v1/directory", directory),
        Route("/api/v1/preferences", preferences),
        Route("/api/v1/profile/avatar", remove_picture, methods=["DELETE"], name="avatar"),
        Route("/api/v1/profile/header", remove_picture, methods=["DELETE"], name="header"),
    ]


# --- oneself


async def verify_credentials(request: Request) -> Response:
    return await answers.read(request, ME, credentials)


def credentials(tx: Tx, renderer: Renderer) -> bytes:
    """CredentialAccount of the viewer."""
    own = me(tx)
    requests = tx.scalar(_REQUESTS, {"of": own})
    return renderer.credentials(tx, accounts.get(tx, own), accounts.login_of(tx, own), requests)


async def update_credentials(request: Request) -> Response:
    await api.viewer(request, WRITE)  # before an upload is read or an image decoded
    form = await params.read(request, uploads=True)
    changes = _changes(form)
    made: list[str] = []
    try:
        pictures: dict[str, str] = {}
        for name in ("avatar", "header"):
            file = form.file(name)
            if file is not None:
                image = await uploads.image(request, file)
                made += [image.file, image.preview]
                pictures[name] = image.file
        changes = dataclasses.replace(changes, avatar=pictures.get("avatar"), header=pictures.get("header"))
        await api.write(request, WRITE, accounts.update_profile, changes)
    except Exception:  # nothing was stored that would need the files
        await uploads.unlink(request, made)
        raise
    return await answers.read(request, WRITE, credentials)


def _changes(form: Params) -> ProfileChanges:
    """What was sent, the pictures aside."""
    defaults = form.group("source")
    return ProfileChanges(
        display_name=form.text_or_none("display_name"),
        note=form.text_or_none("note"),
        fields=_fields(form) if form.has("fields_attributes") else None,
        locked=form.boolean("locked", None),
        bot=form.boolean("bot", None),
        discoverable=form.boolean("discoverable", None),
        indexable=form.boolean("indexable", None),
        default_visibility=asked_visibility(defaults, "privacy"),
        default_sensitive=defaults.boolean("sensitive", None),
        default_language=defaults.text_or_none("language"),
        default_local_only=defaults.boolean("local_only", None),
        default_quote_policy=asked_policy(defaults, "quote_policy"),
    )


def _fields(form: Params) -> list[tuple[str, str]]:
    return [(one.text("name"), one.text("value")) for one in form.groups("fields_attributes")]


async def remove_picture(request: Request) -> Response:
    is_avatar = request.scope["route"].name == "avatar"
    changes = ProfileChanges(avatar="") if is_avatar else ProfileChanges(header="")
    await api.write(request, WRITE, accounts.update_profile, changes)
    return await answers.read(request, WRITE, credentials)


async def preferences(request: Request) -> Response:
    return await answers.read(request, "read:accounts", _preferences)


def _preferences(tx: Tx, _renderer: Renderer) -> bytes:
    login = accounts.login_of(tx, me(tx))
    return msgspec.json.encode(
        {
            "posting:default:visibility": shapes.VISIBILITIES[login.default_visibility],
            "posting:default:sensitive": login.default_sensitive,
            "posting:default:language": login.default_language,
            "posting:default:local_only": login.default_local_only,
            "posting:default:quote_policy": quotes.name_of(login.default_quote_policy),
            "reading:expand:media": "default",
            "reading:expand:spoilers": False,
            "reading:autoplay:gifs": False,
        }
    )


# --- others


async def one(request: Request) -> Response:
    account_id = params.path_id(request)
    answer = await answers.read(request, READ, lambda tx, renderer: _one(tx, renderer, account_id))
    await collections.looked_at(parts_of(request).node, account_id)
    return answer


def _one(tx: Tx, renderer: Renderer, account_id: int) -> bytes:
    return renderer.account(tx, accounts.get(tx, account_id).id)


async def several(request: Request) -> Response:
    asked = params.query(request)
    ids = list(dict.fromkeys(asked.ids("id") or asked.ids("ids")))[:MAX_SEVERAL]
    return await answers.found_accounts(request, READ, _present, ids)


def _present(tx: Tx, ids: Sequence[int]) -> list[int]:
    found = set(tx.scalars(_PRESENT, {"ids": ids})) if ids else set()
    return [id_ for id_ in ids if id_ in found]


async def lookup(request: Request) -> Response:
    acct = params.query(request).text("acct")
    if not acct:
        raise Invalid("acct can't be blank", "acct")
    return await answers.read(request, READ, lambda tx, renderer: renderer.account(tx, accounts.by_handle(tx, acct).id))


async def statuses(request: Request) -> Response:
    asked = params.query(request)
    account_id = params.path_id(request)
    answer = await answers.statuses(
        request,
        answers.to_read("read:statuses"),
        _statuses,
        account_id,
        params.page_of(asked),
        exclude_replies=asked.flag("exclude_replies"),
        exclude_reblogs=asked.flag("exclude_reblogs"),
        only_media=asked.flag("only_media"),
        pinned=asked.flag("pinned"),
        tagged=asked.text("tagged") or None,
    )
    if asked.flag("pinned"):
        await collections.looked_at(parts_of(request).node, account_id)
    return answer


def _statuses(
    tx: Tx,
    account_id: int,
    page: Page,
    *,
    exclude_replies: bool,
    exclude_reblogs: bool,
    only_media: bool,
    pinned: bool,
    tagged: str | None,
) -> Sequence[int]:
    if pinned and (page.max_id or page.since_id or page.min_id):
        return []  # all pinned posts are on the first page; a next one would show them again
    return timelines.account(
        tx,
        account_id,
        page,
        exclude_replies=exclude_replies,
        exclude_reblogs=exclude_reblogs,
        only_media=only_media,
        pinned=pinned,
        tagged=tagged,
    )


async def followers(request: Request) -> Response:
    page = params.page(request, default=40, max=80)
    return await answers.accounts(request, READ, _followers, params.path_id(request), page)


def _followers(tx: Tx, account_id: int, page: Page) -> list[tuple[int, int]]:
    return social.followers(tx, accounts.get(tx, account_id).id, page)


async def following(request: Request) -> Response:
    page = params.page(request, default=40, max=80)
    return await answers.accounts(request, READ, _following, params.path_id(request), page)


def _following(tx: Tx, account_id: int, page: Page) -> list[tuple[int, int]]:
    return social.following(tx, accounts.get(tx, account_id).id, page)


async def directory(request: Request) -> Response:
    asked = params.query(request)
    return await answers.found_accounts(
        request,
        READ,
        accounts.directory,
        limit=asked.integer("limit", 40, lo=1, hi=80) or 40,
        offset=asked.integer("offset", 0, hi=100_000) or 0,
        order="new" if asked.text("order") == "new" else "active",
        local=asked.flag("local"),
    )
