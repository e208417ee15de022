"""JSON answers: ready bytes in, and the paging links that Mastodon's clients follow."""

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


def paged(request: Request, body: bytes, first_id: int | str | None, last_id: int | str | None) -> JSONBytes:
    """A page with its Link header.

    `first_id` and `last_id` are the cursors of the newest and the oldest item (None: the page is empty). The links are
    absolute, on the configured base, and keep all other query parameters, except a token.
    """
    links = []
    if last_id is not None:
        links.append(f'<{_page_url(request, "max_id", last_id)}>; rel="next"')
    if first_id is not None:
        links.append(f'<{_page_url(request, "min_id", first_id)}>; rel="prev"')
    return JSONBytes(body, headers={"Link": ", ".join(links)} if links else None)


def _page_url(request: Request, name: str, cursor: int | str) -> str:
    kept = [(key, value) for key, value in request.query_params.multi_items() if key not in _PAGING]
    path = quote(request.url.path, safe="/@:~!$&'()*+,;=")
    return f"{parts_of(request).urls.base}{path}?{urlencode([*kept, (name, str(cursor))])}"
