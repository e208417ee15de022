"""OAuth 2 for client apps: registration, authorization with PKCE, tokens (RFC 6749, 7636, 7009; client-api.md).

    POST /api/v1/apps                         register a client
    GET  /api/v1/apps/verify_credentials      which app a token belongs to
    GET  /oauth/authorize                     sign in, then decide (pages, no script)
    POST /oauth/authorize                     either form of these pages
    POST /oauth/token                         authorization_code, client_credentials
    POST /oauth/revoke
    GET  /oauth/userinfo                      who the token stands for (OpenID Connect's claims)

An unknown client or a redirect URI that it has not registered gets an error page and is never redirected to. Errors of
the last three are `{"error", "error_description"}`. What goes wrong says nothing about whether an account exists.
"""

import base64
import binascii
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from sqlalchemy import Row, select
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from node import accounts, auth, passwords
from node.errors import Forbidden, Invalid, NodeError, Unauthorized
from node.runtime import Tx
from node.schema import account, oauth_app
from node.secrets import token_hash
from node.viewer import Viewer
from web import consent
from web import identity as api
from web.consent import Request as Asked
from web.errors import OAuthError
from web.identity import Access, spend
from web.params import Params, read
from web.parts import client_address, parts_of
from web.responses import empty, json
from web.sessions import check_csrf, check_sign_in, remember

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_ANY_TOKEN = Access(None, app=True)


def routes() -> list[BaseRoute]:
    return [
        Route("/api/v1/apps", create_app, methods=["POST"]),
        Route("/api/v1/apps/verify_credentials", verify_app),
        Route("/oauth/authorize", authorize),
        Route("/oauth/authorize", decide, methods=["POST"]),
        Route("/oauth/token", token, methods=["POST"]),
        Route("/oauth/revoke", revoke, methods=["POST"]),
        Route("/oauth/userinfo", userinfo, methods=["GET", "POST"]),
    ]


# --- apps --------------------------------------------------------------------


async def create_app(request: Request) -> Response:
    parts = parts_of(request)
    spend(request, "apps", client_address(request), parts.settings.limits.apps_per_address)
    form = await read(request)
    uris = [line for sent in form.texts("redirect_uris") for line in sent.split()]
    made = await parts.node.write(
        auth.register_app,
        form.text("client_name"),
        uris,
        form.text_or_none("scopes"),
        form.text_or_none("website"),
    )
    secret = {"client_id": made.client_id, "client_secret": made.client_secret, "client_secret_expires_at": 0}
    shown = _app_json(made.id, made.name, made.website, made.redirect_uris, made.scopes)
    return json(shown | secret, headers=_NO_STORE)


async def verify_app(request: Request) -> Response:
    return json(await api.read(request, _ANY_TOKEN, _own_app))


def _own_app(tx: Tx) -> dict[str, Any]:
    row = tx.first(select(oauth_app).where(oauth_app.c.id == tx.viewer.app_id))
    if row is None:
        raise Unauthorized()
    return _app_json(row.id, row.name, row.website, row.redirect_uris, row.scopes)


def _app_json(id_: int, name: str, website: str | None, uris: Any, scopes: str) -> dict[str, Any]:
    return {
        "id": str(id_),
        "name": name,
        "website": website,
        "scopes": scopes.split(),
        "redirect_uris": list(uris),
        "redirect_uri": "\n".join(uris),
        "vapid_key": "",
    }


# --- authorization -----------------------------------------------------------


async def authorize(request: Request) -> Response:
    """The sign-in form, or for somebody signed in the question whether the app may."""
    return await _authorize(request, await read(request), error=None)


async def _authorize(request: Request, form: Params, *, error: str | None) -> Response:
    parts = parts_of(request)
    try:
        asked = Asked.of(form)
        app = await parts.node.read(_app_of, asked)
    except NodeError as wrong:
        return consent.refused(request, str(wrong))
    problem = asked.problem(app)
    if problem is not None:
        return consent.send_back(request, asked, problem)
    person = None if asked.force_login or error else await _person(request)
    if person is None:
        return consent.sign_in_form(request, app, asked, error=error, username=form.text("username", max_len=400))
    return consent.question(request, app, asked, person.username, person.csrf)


def _app_of(tx: Tx, asked: Asked) -> Row[Any]:
    """The client, if the redirect URI is one of its own. Raises Unauthorized, Invalid."""
    app = auth.app_by_client_id(tx, asked.client_id)
    if asked.redirect_uri not in app.redirect_uris:
        raise Invalid("The address that the app wants to be sent back to is not one that it has registered.")
    return app


async def decide(request: Request) -> Response:
    """Takes both forms: the one with a password signs in, the other one decides."""
    form = await read(request)
    if form.has("password"):
        return await _sign_in(request, form)
    person = await _person(request)
    if person is None:
        return await _authorize(request, form, error=None)
    check_csrf(form.text("csrf"), person.csrf)
    try:
        asked = Asked.of(form)
        app = await parts_of(request).node.read(_app_of, asked)
    except NodeError as wrong:
        return consent.refused(request, str(wrong))
    if form.text("decision") != "approve":
        return consent.send_back(request, asked, {"error": "access_denied", "error_description": "Refused"})
    code = await parts_of(request).node.write_as(person.viewer, _grant, app, asked)
    if asked.redirect_uri == auth.OUT_OF_BAND:
        return consent.code_page(request, app, code)
    return consent.send_back(request, asked, {"code": code})


def _grant(tx: Tx, app: Row[Any], asked: Asked) -> str:
    return auth.grant_code(tx, app, asked.redirect_uri, asked.scope, asked.challenge, asked.method)


async def _sign_in(request: Request, form: Params) -> Response:
    parts = parts_of(request)
    check_sign_in(request, parts.settings, form.text("csrf"))
    spend(request, "sign-in", client_address(request), parts.settings.limits.sign_in_per_address)
    try:
        account_id = await passwords.sign_in(parts.node, form.text("username", max_len=400), form.text("password"))
        session, _csrf = await parts.node.write(auth.open_session, account_id)
    except Unauthorized as error:
        return await _authorize(request, form, error=str(error))
    # Sent on to the question by GET, so that reloading the page sends no password again.
    response = RedirectResponse(consent.again(Asked.of(form)), 303, _NO_STORE)
    remember(response, parts.settings, session)
    return response


class _SignedIn(NamedTuple):
    viewer: Viewer
    csrf: str
    username: str


async def _person(request: Request) -> _SignedIn | None:
    """Who is signed in with this browser."""
    parts = parts_of(request)
    cookie = consent.session_token(request)
    if cookie is None:
        return None
    try:
        return await parts.node.read(_session, token_hash(cookie))
    except Unauthorized:
        return None


def _session(tx: Tx, hash_: str) -> _SignedIn:
    found = auth.session(tx, hash_)
    name = tx.scalar(select(account.c.username).where(account.c.id == found.viewer.account_id))
    return _SignedIn(found.viewer, found.csrf, name)


# --- tokens ------------------------------------------------------------------


async def token(request: Request) -> Response:
    form = await read(request)
    client_id, client_secret = _client(request, form)
    grant = form.text("grant_type")
    node = parts_of(request).node
    try:
        if grant == "authorization_code":
            given = await node.write(_exchange, client_id, client_secret, form)
        elif grant == "client_credentials":
            given = await node.write(_credentials, client_id, client_secret, form)
        else:
            raise OAuthError("unsupported_grant_type", "This grant type is not supported: use authorization_code")
    except Unauthorized as error:
        raise OAuthError("invalid_client", str(error), 401) from error
    except Invalid as error:
        raise OAuthError("invalid_scope" if error.field == "scope" else "invalid_grant", str(error)) from error
    if given is None:
        raise OAuthError("invalid_grant", "The code was used before; the token that it gave is revoked.")
    text, row = given
    answer = {
        "access_token": text,
        "token_type": "Bearer",
        "scope": row.scopes,
        "created_at": row.created_at // 1000,
    }
    return json(answer, headers=_NO_STORE)


def _exchange(tx: Tx, client_id: str, client_secret: str, form: Params) -> tuple[str, Row[Any]] | None:
    app = auth.client(tx, client_id, client_secret)
    verifier = form.text("code_verifier") or None
    return auth.exchange_code(tx, app, form.text("code"), form.text("redirect_uri"), verifier)


def _credentials(tx: Tx, client_id: str, client_secret: str, form: Params) -> tuple[str, Row[Any]]:
    app = auth.client(tx, client_id, client_secret)
    return auth.client_credentials(tx, app, form.text_or_none("scope"))


async def revoke(request: Request) -> Response:
    """RFC 7009: an unknown token is revoked already."""
    form = await read(request)
    client_id, client_secret = _client(request, form)
    try:
        await parts_of(request).node.write(_revoke, client_id, client_secret, form.text("token"))
    except Unauthorized as error:
        raise OAuthError("invalid_client", str(error), 401) from error
    except Forbidden as error:
        raise OAuthError("unauthorized_client", str(error), 403) from error
    return empty()


def _revoke(tx: Tx, client_id: str, client_secret: str, text: str) -> None:
    auth.revoke(tx, auth.client(tx, client_id, client_secret), text)


def _client(request: Request, form: Params) -> tuple[str, str]:
    """Client id and secret, of the Authorization header (Basic) or of the body."""
    header = request.headers.get("authorization", "")
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return form.text("client_id", max_len=500), form.text("client_secret", max_len=500)
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise OAuthError("invalid_client", "The Authorization header cannot be read", 401) from error
    return unquote_plus(name), unquote_plus(secret)


async def userinfo(request: Request) -> Response:
    return json(await api.read(request, Access(("profile", "read:accounts")), _userinfo), headers=_NO_STORE)


def _userinfo(tx: Tx) -> dict[str, Any]:
    row = accounts.get(tx, tx.viewer.account_id or 0)
    return {
        "iss": f"{tx.urls.base}/",
        "sub": row.iri,
        "name": row.display_name or row.username,
        "preferred_username": row.username,
        "profile": row.url,
        "picture": tx.urls.media(row.avatar) if row.avatar else tx.urls.static("avatar.png"),
    }
