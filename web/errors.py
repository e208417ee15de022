"""The one place that knows which HTTP status an error is.

Clients always get one shape, `{"error": "..."}`, OAuth's errors also `error_description`, a wrong field `details`
(as Mastodon has it: {"field": [{"error": "ERR_INVALID", "description": "..."}]}). Browsers get a page.

    NotFound 404 · Forbidden 403 · Unauthorized 401 · Invalid, Conflict 422 · Unavailable 503 · Unknown 404
    Malformed 400 · SignatureInvalid 401 · Refused, HostRefused 403 · KeyUnavailable 401 or 503 · FetchFailed 503
    anything else 500, which says nothing of its cause; the log has it, under the request id
"""

import html
from dataclasses import dataclass, field
from typing import Any

import msgspec
from jinja2 import Environment, TemplateError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from activitypub.errors import (
    FetchFailed,
    HostRefused,
    KeyUnavailable,
    Malformed,
    ProtocolError,
    Refused,
    SignatureInvalid,
)
from node.errors import Conflict, Forbidden, Invalid, NodeError, NotFound, Unauthorized, Unavailable, Unknown
from web.responses import JSONBytes

_WANTED = 'sig1=("@method" "@target-uri" "content-digest");created;keyid'
"""What an inbox would take (RFC 9421, section 5; protocol R31)."""

RETRY_SECONDS = 10
"""What a 503 asks callers to wait."""

_UNEXPECTED = "Something went wrong here. It has been recorded."
_PHRASES = {400: "Bad request", 404: "Record not found", 405: "Method not allowed"}
_HEADINGS = {
    400: "This cannot be read",
    401: "Please sign in",
    403: "This is not allowed",
    404: "There is nothing here",
    410: "This was deleted",
    413: "This is too large",
    422: "Something is missing or wrong",
    429: "Too fast",
    500: "Something went wrong",
    503: "Not just now",
}
_MACHINE_PATHS = ("/api/", "/oauth/token", "/oauth/revoke", "/oauth/userinfo", "/nodeinfo", "/.well-known/", "/inbox")


class WebError(Exception):
    """An error that only the HTTP side knows. `str(error)` is fit for a person."""

    status = 400

    def headers(self) -> dict[str, str]:
        return {}


class BadRequest(WebError):
    """The request cannot be read."""


class Deleted(WebError):
    """There was something that everybody could see, and it was deleted."""

    status = 410


class TooLarge(WebError):
    status = 413

    def __init__(self, message: str = "The request is too large") -> None:
        super().__init__(message)


class WrongType(WebError):
    status = 415

    def __init__(self, message: str = "This content type is not supported") -> None:
        super().__init__(message)


class TooMany(WebError):
    """A rate limit is used up; `seconds` until there is room again."""

    status = 429

    def __init__(self, seconds: float) -> None:
        super().__init__("Too many requests")
        self.seconds = seconds

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(max(1, round(self.seconds)))}


class OAuthError(WebError):
    """RFC 6749 §5.2: `code` is the word for programs, `str(error)` the sentence for people."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.code = code
        self.status = status

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Basic realm="oauth"'} if self.status == 401 else {}


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as HTTP says it."""

    status: int
    message: str
    headers: dict[str, str] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    """Besides `error`."""


def describe(error: BaseException) -> Failure:
    """Status, words and headers of any exception. 500 for those that nobody raised on purpose."""
    if isinstance(error, OAuthError):
        return Failure(error.status, error.code, error.headers(), {"error_description": str(error)})
    if isinstance(error, WebError):
        return Failure(error.status, str(error), error.headers())
    if isinstance(error, NodeError):
        return _node_error(error)
    if isinstance(error, ProtocolError):
        return _protocol_error(error)
    if isinstance(error, HTTPException):
        message = _PHRASES.get(error.status_code, error.detail)
        return Failure(error.status_code, message, dict(error.headers or {}))
    if isinstance(error, ClientDisconnect):
        return Failure(400, "The request was cut off")
    return Failure(500, _UNEXPECTED)


def _node_error(error: NodeError) -> Failure:
    match error:
        case NotFound() | Forbidden():
            return Failure(404 if isinstance(error, NotFound) else 403, str(error))
        case Unauthorized():
            return Failure(401, str(error), {"WWW-Authenticate": 'Bearer realm="corridor", error="invalid_token"'})
        case Invalid(field=name):
            return Failure(422, _validation(str(error)), more=_details(name, str(error)))
        case Conflict():
            return Failure(422, _validation(str(error)))
        case Unavailable():
            return Failure(503, str(error), {"Retry-After": str(RETRY_SECONDS)})
        case Unknown():
            return Failure(404, _PHRASES[404])
    return Failure(500, _UNEXPECTED)


def _protocol_error(error: ProtocolError) -> Failure:
    match error:
        case Malformed():
            return Failure(400, str(error))
        case SignatureInvalid():
            return Failure(401, str(error), {"Accept-Signature": _WANTED})
        case Refused() | HostRefused():
            return Failure(403, str(error))
        case KeyUnavailable(retry=retry):
            return Failure(503 if retry else 401, "The key could not be fetched", _later() if retry else {})
        case FetchFailed():
            return Failure(503, "Remote data could not be fetched", _later())
    return Failure(400, str(error))


def _validation(message: str) -> str:
    # What is no word of an enumeration Mastodon says bare: "'some' is not a valid replies_policy".
    return message if message.startswith(("Validation failed", "'")) else f"Validation failed: {message}"


def _details(name: str | None, message: str) -> dict[str, Any]:
    return {"details": {name: [{"error": "ERR_INVALID", "description": message}]}} if name else {}


def _later() -> dict[str, str]:
    return {"Retry-After": str(RETRY_SECONDS)}


def answer(scope: Scope, error: BaseException, templates: Environment, **page_values: Any) -> Response:
    """The response for an exception: a page for a browser, JSON for everything else."""
    failure = describe(error)
    if wants_page(scope):
        return as_page(failure, scope, templates, page_values)
    return as_json(failure)


def as_json(failure: Failure) -> Response:
    body = msgspec.json.encode({"error": failure.message, **failure.more})
    return JSONBytes(body, failure.status, failure.headers)


def as_page(failure: Failure, scope: Scope, templates: Environment, values: dict[str, Any]) -> Response:
    message = str(failure.more.get("error_description", failure.message))
    heading = _HEADINGS.get(failure.status, "That did not work")
    request_id = scope.get("corridor.id") if failure.status == 500 else None
    try:
        page = templates.get_template("error.html").render(
            heading=heading, message=message, request_id=request_id, **values
        )
    except TemplateError:  # what is broken may be the templates
        page = f'<!DOCTYPE html><html lang="en"><title>{heading}</title><h1>{heading}</h1><p>{html.escape(message)}</p>'
    return HTMLResponse(page, failure.status, {"Cache-Control": "no-store", **failure.headers})


def wants_page(scope: Scope) -> bool:
    """True for a browser that asks for something else than an API or an ActivityPub object."""
    path: str = scope.get("path", "")
    if path.startswith(_MACHINE_PATHS) or path.endswith("/inbox"):
        return False
    accept = next((value for name, value in scope.get("headers", ()) if name == b"accept"), b"")
    return b"text/html" in accept
