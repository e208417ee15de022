"""Browser sessions: the cookie, and forms that only our own pages can send.

The cookie carries the node's name, since nodes on one host share cookies over all ports. It is HttpOnly and SameSite=Lax;
what is stored of it is a hash. Forms of a signed-in person carry the session's CSRF token; the sign-in form, which has no
session yet, carries the value of a cookie of its own.
"""

import hmac
import re

from starlette.requests import Request
from starlette.responses import Response

from node import secrets
from node.config import Settings
from node.errors import Forbidden

SECONDS = 30 * 86_400
_SIGN_IN_SECONDS = 3600
_STALE = "This form is too old, or was not sent from this site. Go back, reload the page and try again."


def cookie_name(settings: Settings) -> str:
    return "corridor_" + re.sub(r"[^a-z0-9]+", "_", settings.node.domain)


def token_of(request: Request, settings: Settings) -> str | None:
    """The session token that the browser sent, unverified."""
    return request.cookies.get(cookie_name(settings)) or None


def remember(response: Response, settings: Settings, token: str) -> None:
    _set(response, settings, cookie_name(settings), token, SECONDS)


def forget(response: Response, settings: Settings) -> None:
    response.delete_cookie(cookie_name(settings), path="/", secure=_secure(settings), httponly=True, samesite="lax")


def check_csrf(sent: str, expected: str) -> None:
    """Raise Forbidden unless the form's token is the session's."""
    if not expected or not hmac.compare_digest(sent.encode("utf-8", "replace"), expected.encode()):
        raise Forbidden(_STALE)


# --- the sign-in form, before there is a session


def sign_in_token(request: Request, settings: Settings) -> str:
    """The value for the hidden field: that of the browser's cookie, or a new one. Send it with `send_sign_in_token`."""
    return request.cookies.get(_sign_in_cookie(settings)) or secrets.new_token()


def send_sign_in_token(response: Response, settings: Settings, token: str) -> None:
    _set(response, settings, _sign_in_cookie(settings), token, _SIGN_IN_SECONDS)


def check_sign_in(request: Request, settings: Settings, sent: str) -> None:
    """Raise Forbidden unless the form came from a page that this browser got from us."""
    check_csrf(sent, request.cookies.get(_sign_in_cookie(settings), ""))


def _sign_in_cookie(settings: Settings) -> str:
    return cookie_name(settings) + "_form"


def _set(response: Response, settings: Settings, name: str, value: str, seconds: int) -> None:
    response.set_cookie(name, value, max_age=seconds, path="/", secure=_secure(settings), httponly=True, samesite="lax")


def _secure(settings: Settings) -> bool:
    return settings.node.scheme == "https"
