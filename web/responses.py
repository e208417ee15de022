"""JSON answers: ready bytes in, and the paging links that Mastodon's clients follow."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from web.parts import parts_of

JSON_TYPE = "application/json; charset=utf-8"
_PAGING = frozenset({"max_id", "since_id", "min_id", "access_token"})


class JSONBytes(Response):
    """JSON that is bytes already."""

    media_type = JSON_TYPE


def json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> JSONBytes:
    """Any value that msgspec can encode."""
    return JSONBytes(msgspec.json.encode(value), status, headers)


EMPTY = b"{}"


def empty() -> JSONBytes:
    """`{}`: what a call answers that has nothing to say. Clients want JSON even then."""
    return JSONBytes(EMPTY)


def paged(request: Request, body: bytes, cursors: Sequence[int | str]) -> JSONBytes:
    """A page with its Link header. `cursors` are those of its items, the newest first.

    The links are absolute, on the configured base, and keep all other query parameters, except a token.
    """
    if not cursors:
        return JSONBytes(body)
    older, newer = _page_url(request, "max_id", cursors[-1]), _page_url(request, "min_id", cursors[0])
    return JSONBytes(body, headers={"Link": f'<{older}>; rel="next", <{newer}>; rel="prev"'})


def _page_url(request: Request, name: str, cursor: int | str) -> str:
    kept = [(key, value) for key, value in request.query_params.multi_items() if key not in _PAGING]
    path = quote(request.url.path, safe="/@:~!$&'()*+,;=")
    return f"{parts_of(request).urls.base}{path}?{urlencode([*kept, (name, str(cursor))])}"
