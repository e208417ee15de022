"""Discovery: WebFinger, host-meta, NodeInfo, OAuth metadata. Open to everybody; says nothing about posts."""

from collections.abc import Sequence
from importlib.metadata import version as package_version
from typing import Any

from sqlalchemy import func, select
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from activitypub import nodeinfo, webfinger
from activitypub.errors import Malformed
from activitypub.vocabulary import Iri, normal_authority
from node import accounts, auth
from node.errors import NotFound
from node.runtime import Tx
from node.schema import account
from web.errors import BadRequest
from web.parts import parts_of
from web.responses import json

SOFTWARE = "corridor"
VERSION = package_version("corridor")
_CACHE = {"Cache-Control": "max-age=300"}
_PEOPLE = select(func.count().label("people"), func.coalesce(func.sum(account.c.posts_count), 0).label("posts")).where(
    account.c.domain.is_(None), account.c.actor_type == "Person", account.c.gone_at.is_(None)
)


def routes() -> list[BaseRoute]:
    return [
        Route("/.well-known/webfinger", answer_webfinger),
        Route("/.well-known/host-meta", host_meta),
        Route("/.well-known/host-meta.json", host_meta_json),
        Route("/.well-known/nodeinfo", nodeinfo_links),
        Route("/nodeinfo/{version}", answer_nodeinfo),
        Route("/.well-known/oauth-authorization-server", oauth_metadata),
        Route("/.well-known/change-password", change_password),
    ]


async def answer_webfinger(request: Request) -> Response:
    """RFC 7033. 400 without a resource that can be read, 404 for everybody who is not of this node."""
    resource = request.query_params.get("resource", "")
    if not resource:
        raise BadRequest("The parameter resource is missing")
    try:
        asked = webfinger.parse_resource(resource)
    except Malformed as error:
        raise BadRequest("The parameter resource cannot be read") from error
    found = await parts_of(request).node.read(describe, asked)
    wanted = request.query_params.getlist("rel")
    if wanted:
        found["links"] = [link for link in found["links"] if link["rel"] in wanted]
    response = json(found, headers=_CACHE)
    response.headers["Content-Type"] = webfinger.JRD_TYPE
    return response


def describe(tx: Tx, asked: webfinger.Handle | Iri) -> dict[str, Any]:
    """The JRD of a person of this node, or of the node itself. Raises NotFound."""
    row = _named(tx, asked) if isinstance(asked, webfinger.Handle) else _addressed(tx, asked)
    if row.domain is not None or row.suspended_at is not None or row.gone_at is not None:
        raise NotFound()
    handle = webfinger.Handle(row.username, tx.urls.domain)
    is_node = row.iri == tx.urls.node_actor
    return webfinger.jrd(handle, Iri(row.iri), profile=None if is_node else row.url)


def _named(tx: Tx, handle: webfinger.Handle) -> Any:
    if handle.host != normal_authority(tx.urls.domain, tx.settings.node.scheme):
        raise NotFound()
    if handle.username.casefold() in (tx.urls.domain, tx.urls.domain.partition(":")[0]):
        return accounts.node_actor(tx)
    return accounts.by_handle(tx, handle.username)


def _addressed(tx: Tx, iri: Iri) -> Any:
    address = iri.rstrip("/")
    if address in (tx.urls.base, tx.urls.node_actor):
        return accounts.node_actor(tx)
    username = address.removeprefix(f"{tx.urls.base}/@")
    if username != address and "/" not in username and "@" not in username:
        return accounts.by_handle(tx, username)
    return accounts.local_by_iri(tx, address)


async def host_meta(request: Request) -> Response:
    body = webfinger.host_meta(parts_of(request).urls.base)
    return Response(body, media_type=webfinger.XRD_TYPE, headers=_CACHE)


async def host_meta_json(request: Request) -> Response:
    template = f"{parts_of(request).urls.base}/.well-known/webfinger?resource={{uri}}"
    return json({"links": [{"rel": "lrdd", "type": webfinger.JRD_TYPE, "template": template}]}, headers=_CACHE)


async def nodeinfo_links(request: Request) -> Response:
    return json(nodeinfo.discovery(parts_of(request).urls.base), headers=_CACHE)


async def answer_nodeinfo(request: Request) -> Response:
    version: str = request.path_params["version"]
    if version not in nodeinfo.VERSIONS:
        raise NotFound()
    parts = parts_of(request)
    people, posts = await parts.node.read(_count)
    settings = parts.settings
    info = nodeinfo.NodeInfo(
        software=SOFTWARE,
        version=VERSION,
        open_registrations=settings.accounts.registration == "open",
        users=people,
        posts=posts,
        node_name=settings.title,
    )
    more = {"nodeDescription": settings.node.description, "department": settings.node.department}
    response = json(nodeinfo.document(info, version=version, metadata=more), headers=_CACHE)
    response.headers["Content-Type"] = nodeinfo.content_type(version)
    return response


def _count(tx: Tx) -> tuple[int, int]:
    row = tx.first(_PEOPLE)
    return (int(row.people), int(row.posts)) if row is not None else (0, 0)


async def oauth_metadata(request: Request) -> Response:
    """RFC 8414. Clients use PKCE if S256 is listed here."""
    base = parts_of(request).urls.base
    return json(
        {
            "issuer": f"{base}/",
            "authorization_endpoint": f"{base}/oauth/authorize",
            "token_endpoint": f"{base}/oauth/token",
            "revocation_endpoint": f"{base}/oauth/revoke",
            "userinfo_endpoint": f"{base}/oauth/userinfo",
            "app_registration_endpoint": f"{base}/api/v1/apps",
            "scopes_supported": scopes(),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
        },
        headers=_CACHE,
    )


def scopes() -> Sequence[str]:
    return sorted(auth.SCOPES)


async def change_password(_request: Request) -> Response:
    return RedirectResponse("/settings/password", 302)
