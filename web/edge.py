"""What every request passes on its way in and out: one plain ASGI layer around the router.

In: the client's address (X-Forwarded-For is believed only from `server.trusted_proxies`), a request id, CORS preflights,
the rate limit of the address. Out: security and CORS headers, X-RateLimit-*, an error as JSON or page, one log line with
the method, the route's template, the status and the time. Never a query string, since tokens travel there.
"""

import itertools
import secrets
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from node.addresses import Networks, forwarded_for
from node.config import Settings
from web import errors, params
from web.errors import TooLarge, TooMany
from web.limits import Budget, Limiter
from web.parts import Parts

Header = tuple[bytes, bytes]

_CORS_PATHS = ("/api/", "/oauth/token", "/oauth/revoke", "/oauth/userinfo", "/.well-known/", "/nodeinfo/", "/media/")
_EXPOSED = b"Link, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id"
_CORS: list[Header] = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", _EXPOSED),
]
_PREFLIGHT: list[Header] = [  # besides _CORS
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, Idempotency-Key"),
    (b"access-control-max-age", b"86400"),
    (b"vary", b"Access-Control-Request-Headers"),
    (b"content-length", b"0"),
]
_SECURITY: list[Header] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
]
# No Cross-Origin-Opener-Policy anywhere: it would part a client's sign-in popup from the window that opened it.
_MACHINE_CSP = b"default-src 'none'; frame-ancestors 'none'"
_PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "img-src 'self' data: https:{http}; media-src 'self' https:{http}; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_CSP = b"content-security-policy"


class Edge:
    """The outermost ASGI layer."""

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        settings = parts.settings
        self._app = app
        self._parts = parts
        self._limiter: Limiter = parts.limiter
        self._limit = settings.limits.per_address
        self._largest = settings.server.max_body_bytes + settings.media.max_bytes
        self._proxies = Networks(settings.server.trusted_proxies)
        self._security = _SECURITY + _transport(settings)
        self._page_csp: Header = (_CSP, page_csp(settings).encode())
        self._machine_csp: Header = (_CSP, _MACHINE_CSP)
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._log = structlog.get_logger("web").bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        scope["corridor.address"] = forwarded_for(client[0] if client else "", scope["headers"], self._proxies)
        scope["corridor.id"] = f"{self._prefix}-{next(self._numbers):x}"
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        await _Exchange(self, scope, send).run(receive)

    def headers(self, scope: Scope, *, is_page: bool, has_csp: bool) -> list[Header]:
        """What is added to an answer."""
        added = [*self._security, (b"x-request-id", scope["corridor.id"].encode())]
        if scope["path"].startswith(_CORS_PATHS):
            added += _CORS
        if not has_csp:
            added.append(self._page_csp if is_page else self._machine_csp)
        if (version := scope.get("corridor.roster")) is not None:
            added.append((b"corridor-roster", b"%d" % version))
        budget: Budget | None = scope.get("corridor.budget")
        if budget is not None:
            added += rate_headers(budget)
        return added

    def admit(self, scope: Scope) -> None:
        """Raise TooMany or TooLarge for what need not be looked at further."""
        budget = self._limiter.take("address", scope["corridor.address"], self._limit)
        if budget is not None:
            scope["corridor.budget"] = budget
            if budget.exceeded:
                raise TooMany(self._limiter.seconds_left(budget))
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value[:20]) > self._largest):
                raise TooLarge()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS" and scope["path"].startswith(_CORS_PATHS):
            await send({"type": "http.response.start", "status": 204, "headers": list(_PREFLIGHT)})
            await send({"type": "http.response.body", "body": b""})
            return
        self.admit(scope)
        await self._app(scope, receive, send)

    def failed(self, scope: Scope, error: Exception) -> Response:
        response = errors.answer(scope, error, self._parts.templates, node_title=self._parts.settings.title)
        if response.status_code == 500 and not isinstance(error, HTTPException):
            self._log.error("unexpected", request_id=scope["corridor.id"], exc_info=error, **_place(scope))
        return response

    def finished(self, scope: Scope, status: int, seconds: float) -> None:
        place = _place(scope)
        self._parts.requests.add(place["method"], place["route"], status, seconds)
        self._log.info("request", **place, status=status, ms=round(seconds * 1000, 1), request_id=scope["corridor.id"])


class _Exchange:
    """One request and its answer."""

    __slots__ = ("_edge", "_scope", "_send", "_since", "_status")

    def __init__(self, edge: Edge, scope: Scope, send: Send) -> None:
        self._edge = edge
        self._scope = scope
        self._send = send
        self._status = 0
        self._since = time.perf_counter()

    async def run(self, receive: Receive) -> None:
        try:
            await self._edge.serve(self._scope, receive, self.send)
        except Exception as error:
            response = self._edge.failed(self._scope, error)
            if self._status:  # the answer has begun: it can only be cut off
                raise
            await response(self._scope, receive, self.send)
        finally:
            self._edge.finished(self._scope, self._status, time.perf_counter() - self._since)
            if "corridor.uploads" in self._scope:
                await params.close_uploads(self._scope)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers: list[Header] = message["headers"]
            is_page = has_csp = False
            for name, value in headers:
                if name == b"content-type":
                    is_page = value.startswith(b"text/html")
                elif name == _CSP:
                    has_csp = True
            message["headers"] = [*headers, *self._edge.headers(self._scope, is_page=is_page, has_csp=has_csp)]
        await self._send(message)


def page_csp(settings: Settings, form_action: str | None = "'self'") -> str:
    """The Content-Security-Policy of pages. Pictures come from peers too; scripts and styles only from here."""
    policy = _PAGE_CSP.format(http=" http:" if settings.node.scheme == "http" else "")
    return policy.replace("form-action 'self'", f"form-action {form_action}" if form_action else "")


def rate_headers(budget: Budget) -> list[Header]:
    return [
        (b"x-ratelimit-limit", b"%d" % budget.limit),
        (b"x-ratelimit-remaining", b"%d" % budget.remaining),
        (b"x-ratelimit-reset", _moment(budget.resets_at)),
    ]


@lru_cache(maxsize=4)
def _moment(seconds: float) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z").encode()


def _transport(settings: Settings) -> list[Header]:
    return [(b"strict-transport-security", b"max-age=63072000")] if settings.node.scheme == "https" else []


def _place(scope: Scope) -> dict[str, Any]:
    """Method and route of a request, for the log. The template, not the path: paths hold names."""
    route = scope.get("route")
    return {"method": scope["method"], "route": getattr(route, "path", "-")}
