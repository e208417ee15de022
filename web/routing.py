"""A router that looks only at routes which can match.

Starlette's tries the regular expressions of all routes one after the other; with some two hundred of them that is most
of the work of a small request. Here routes lie in a table: those without parameters under their path, the others under
the fixed beginning of theirs.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Mount, Route, Router, WebSocketRoute
from starlette.types import Lifespan, Receive, Scope, Send
from starlette.websockets import WebSocketClose

_DEPTH = 3
"""Segments of the fixed beginning that the table goes by: /api/v1/statuses of /api/v1/statuses/{id}/context."""

_FORGIVING = ("/api/", "/oauth/")
"""Where a slash at the end changes nothing, as in Mastodon: Mastodon.py asks for /api/v1/instance/."""


class TableRouter(Router):
    """Routes without parameters win over those with; among equals, the first does."""

    def __init__(self, routes: Sequence[BaseRoute], *, lifespan: Lifespan[Any] | None = None) -> None:
        super().__init__(routes, redirect_slashes=False, lifespan=lifespan)
        self._exact: dict[str, list[BaseRoute]] = {}
        self._begins: dict[str, list[BaseRoute]] = {}
        for route in routes:
            self._enter(route)

    def _enter(self, route: BaseRoute) -> None:
        if isinstance(route, (Route, WebSocketRoute)) and "{" not in route.path:
            self._exact.setdefault(route.path, []).append(route)
        elif isinstance(route, (Route, WebSocketRoute, Mount)):
            fixed = route.path.partition("{")[0] + ("/" if isinstance(route, Mount) else "")
            segments = fixed.split("/")[1:-1][:_DEPTH]
            self._begins.setdefault("/".join(segments), []).append(route)
        else:
            self._begins.setdefault("", []).append(route)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
            return
        partial: tuple[BaseRoute, Scope] | None = None
        path: str = scope["path"]
        if path.endswith("/") and path.startswith(_FORGIVING):
            path = path.rstrip("/")
            scope = {**scope, "path": path}
        for route in (
            () if "\x00" in path else self._candidates(path)
        ):  # PostgreSQL takes no NUL, and nothing is named so
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope["route"] = route
                scope.update(found)
                await route.handle(scope, receive, send)
                return
            if match is Match.PARTIAL and partial is None:
                partial = route, found
        if partial is not None:
            scope["route"] = partial[0]
            scope.update(partial[1])
            await partial[0].handle(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        else:
            raise HTTPException(404)

    def _candidates(self, path: str) -> Iterator[BaseRoute]:
        yield from self._exact.get(path, ())
        segments = path.split("/", _DEPTH + 1)[1:-1]
        for count in range(len(segments), -1, -1):
            yield from self._begins.get("/".join(segments[:count]), ())
