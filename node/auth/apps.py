"""Clients that people let in. All are confidential, as in Mastodon: each gets a secret of its own."""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from sqlalchemy import Row, bindparam, insert, select

from node.accounts.lookup import checked, storable
from node.auth import scopes as scope_algebra
from node.errors import Invalid, Unauthorized
from node.html import plain
from node.runtime import Tx
from node.schema import oauth_app
from node.secrets import new_token, token_hash

OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
MAX_NAME = 200
MAX_URI = 2000
MAX_URIS = 20

# Schemes that a browser runs or reads itself; apps of phones and desktops have schemes of their own.
_NO_REDIRECT = frozenset(
    {"javascript", "data", "vbscript", "file", "about", "blob", "filesystem", "view-source", "ws", "wss", "mailto"}
)
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\\ud800-\udfff]")
_BY_CLIENT_ID = select(oauth_app).where(oauth_app.c.client_id == bindparam("client"))


@dataclass(frozen=True, slots=True)
class RegisteredApp:
    """A new app; the only moment at which its secret is known."""

    id: int
    client_id: str
    client_secret: str
    name: str
    website: str | None
    redirect_uris: tuple[str, ...]
    scopes: str


def register_app(
    tx: Tx, name: str, redirect_uris: Sequence[str], scopes: str | None = None, website: str | None = None
) -> RegisteredApp:
    """Raises Invalid with the field's name. Redirect URIs are kept as they are and compared exactly later."""
    shown = plain(checked(name, "client_name", MAX_NAME), limit=MAX_NAME)
    if not shown:
        raise Invalid("can't be blank", "client_name")
    uris = tuple(dict.fromkeys(_redirect_uri(uri) for uri in redirect_uris))
    if not 1 <= len(uris) <= MAX_URIS:
        raise Invalid(f"must be 1 to {MAX_URIS} addresses", "redirect_uris")
    client_id, client_secret = new_token(), new_token()
    granted, site = scope_algebra.text(scope_algebra.parse(scopes)), _website(website)
    row = {
        "client_id": client_id,
        "secret_hash": token_hash(client_secret),
        "name": shown,
        "website": site,
        "redirect_uris": list(uris),
        "scopes": granted,
        "created_at": tx.now,
    }
    app_id: int = tx.scalar(insert(oauth_app).returning(oauth_app.c.id), row)
    return RegisteredApp(app_id, client_id, client_secret, shown, site, uris, granted)


def app_by_client_id(tx: Tx, client_id: str) -> Row[Any]:
    """The row of an app. Raises Unauthorized if there is none."""
    row = tx.first(_BY_CLIENT_ID, {"client": client_id}) if storable(client_id) else None
    if row is None:
        raise Unauthorized("Client authentication failed: this client is not known here")
    return row


def client(tx: Tx, client_id: str, client_secret: str) -> Row[Any]:
    """The row of the app that shows its secret. Raises Unauthorized, the same for a wrong id and a wrong secret."""
    row = tx.first(_BY_CLIENT_ID, {"client": client_id}) if storable(client_id) else None
    stored = row.secret_hash if row is not None else ""
    if not hmac.compare_digest(stored, token_hash(client_secret)) or row is None:
        raise Unauthorized("Client authentication failed due to unknown client or wrong secret")
    return row


def _redirect_uri(uri: str) -> str:
    if uri == OUT_OF_BAND:
        return uri
    parts = _split(uri)
    if parts is None or not parts.scheme or parts.scheme in _NO_REDIRECT:
        raise Invalid("must be an absolute URI of a scheme that can be redirected to", "redirect_uris")
    if "#" in uri:
        raise Invalid("cannot contain a fragment", "redirect_uris")
    if parts.scheme in ("http", "https") and (not parts.hostname or "@" in parts.netloc):
        raise Invalid("must name a host", "redirect_uris")
    return uri


def _website(website: str | None) -> str | None:
    if not website or not website.strip():
        return None
    parts = _split(website.strip())
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise Invalid("is not a web address", "website")
    return website.strip()


def _split(uri: str) -> SplitResult | None:
    if len(uri) > MAX_URI or _FORBIDDEN.search(uri):
        return None
    try:
        return urlsplit(uri)
    except ValueError:
        return None
