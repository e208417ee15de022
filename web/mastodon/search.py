"""Search.

    GET /api/v2/search            ?q ?type=accounts|statuses|hashtags ?resolve ?following ?account_id ?limit ?offset
    GET /api/v1/accounts/search   ?q ?resolve ?following ?limit ?offset

With `resolve`, an address or a handle that is not known here is asked for at its node, outside any transaction. What comes
of it is shown only to whom it may be shown.
"""

import re
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import accounts, posts, search, tags
from node.accounts.lookup import storable
from node.errors import Invalid, NotFound
from node.ids import AccountId
from node.runtime import Tx
from node.schema import account
from web import identity as api
from web import params
from web.mastodon import answers, lookups, shapes
from web.mastodon.entities import Renderer, array, composed
from web.mastodon.lookups import Found
from web.params import Params

ACCESS = "read:search"
TYPES = ("accounts", "statuses", "hashtags")
MAX_RESULTS = 40
MAX_OFFSET = 10_000
MAX_QUERY = 1000
_HANDLE = re.compile(r"@?[\w.-]+@[\w.-]+(?::\d{1,5})?")
_ADDRESS = re.compile(r"https?://\S+")


def routes() -> list[BaseRoute]:
    return [Route("/api/v2/search", everything), Route("/api/v1/accounts/search", people)]


@dataclass(frozen=True, slots=True)
class Asked:
    q: str
    types: tuple[str, ...]
    limit: int
    offset: int
    following: bool
    resolve: bool
    account_id: int | None
    max_id: int | None
    min_id: int | None

    @classmethod
    def of(cls, sent: Params, *, limit: int = 20, max: int = MAX_RESULTS) -> "Asked":
        kind = sent.text("type")
        if kind and kind not in TYPES:
            raise Invalid(f"type must be one of {', '.join(TYPES)}", "type")
        return cls(
            q=sent.required("q", max_len=MAX_QUERY).strip(),
            types=(kind,) if kind else TYPES,
            limit=sent.integer("limit", limit, lo=1, hi=max) or limit,
            offset=sent.integer("offset", 0, hi=MAX_OFFSET) or 0,
            following=sent.flag("following"),
            resolve=sent.flag("resolve"),
            account_id=sent.id("account_id"),
            max_id=sent.id("max_id"),
            min_id=sent.id("min_id"),
        )

    @property
    def is_address(self) -> bool:
        return _ADDRESS.fullmatch(self.q) is not None


async def everything(request: Request) -> Response:
    asked = Asked.of(params.query(request))
    found = await _resolved(request, ACCESS, asked)
    return await answers.search(request, ACCESS, lambda tx, renderer: _everything(tx, renderer, asked, found))


async def people(request: Request) -> Response:
    asked = Asked.of(params.query(request), limit=40, max=80)
    found = await _resolved(request, "read:accounts", asked)
    return await answers.found_accounts(request, "read:accounts", _people, asked, found)


async def _resolved(request: Request, scope: str, asked: Asked) -> Found | None:
    """What the query names, fetched if need be; only for somebody who may search."""
    if not asked.resolve or asked.offset:
        return None
    if asked.is_address:
        await api.viewer(request, scope)
        return await lookups.address(request, asked.q)
    if _HANDLE.fullmatch(asked.q):
        await api.viewer(request, scope)
        account_id = await lookups.person(request, asked.q.removeprefix("@"))
        return None if account_id is None else ("account", account_id)
    return None


def _everything(tx: Tx, renderer: Renderer, asked: Asked, found: Found | None) -> bytes:
    people = _people(tx, asked, found) if "accounts" in asked.types else []
    written = _posts(tx, asked, found) if "statuses" in asked.types else []
    named = _tags(tx, renderer, asked) if "hashtags" in asked.types else b"[]"
    return composed(
        {
            "accounts": array(renderer.accounts(tx, people)),
            "statuses": array(renderer.statuses(tx, written)),
            "hashtags": named,
        }
    )


def _people(tx: Tx, asked: Asked, found: Found | None) -> list[int]:
    if asked.is_address:
        at = found[1] if found is not None and found[0] == "account" else _person_at(tx, asked.q)
        return [] if at is None else _shown(tx, at)
    ids = accounts.search(tx, asked.q, limit=asked.limit, offset=asked.offset, following=asked.following)
    if found is None or asked.following:
        return ids
    return [*_shown(tx, found[1]), *(id_ for id_ in ids if id_ != found[1])][: asked.limit]


def _shown(tx: Tx, account_id: int) -> list[int]:
    try:
        row = accounts.get(tx, account_id)
    except NotFound:
        return []
    return [] if row.actor_type == "Application" else [account_id]


def _person_at(tx: Tx, address: str) -> int | None:
    if not storable(address):
        return None
    found: int | None = tx.scalar(
        account.select().with_only_columns(account.c.id).where((account.c.iri == address) | (account.c.url == address))
    )
    return found


def _posts(tx: Tx, asked: Asked, found: Found | None) -> list[int]:
    if asked.is_address:
        return _post_at(tx, asked.q, found)
    author = None if asked.account_id is None else AccountId(asked.account_id)
    bounds = {"max_id": asked.max_id, "min_id": asked.min_id}
    return list(search.posts(tx, asked.q, limit=asked.limit, offset=asked.offset, account_id=author, **bounds))


def _post_at(tx: Tx, address: str, found: Found | None) -> list[int]:
    if found is not None and found[0] == "post":
        try:
            return [posts.get(tx, found[1]).id]
        except NotFound:
            return []
    row = posts.by_iri(tx, address) if storable(address) else None
    return [] if row is None else [row.id]


def _tags(tx: Tx, renderer: Renderer, asked: Asked) -> bytes:
    if asked.is_address or any(map(str.isspace, asked.q)):
        return b"[]"
    rows = tags.search(tx, asked.q, limit=asked.limit, offset=asked.offset)
    ids = [row.id for row in rows]
    days, followed = tags.history(tx, ids), tags.followed(tx, ids)
    return msgspec.json.encode(
        [shapes.tag(row, renderer.urls, days[row.id], following=row.id in followed) for row in rows]
    )
