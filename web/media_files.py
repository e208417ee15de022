"""Uploaded media. Names are unguessable, since clients load pictures without a token; a name is never used twice."""

import re

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from node.errors import NotFound
from web.parts import parts_of

# What imaging.py writes. Nothing else is served, whatever lies in the folder: no html, svg, xml or json (protocol §8).
_TYPES = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
}
_NAME = re.compile(r"[A-Za-z0-9_-]{16,128}\.([a-z0-9]{3,4})")
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def routes() -> list[BaseRoute]:
    return [Route("/media/{name}", media_file)]


async def media_file(request: Request) -> Response:
    """A stored file; ranges are answered. NotFound for any name that we did not give."""
    name: str = request.path_params["name"]
    match = _NAME.fullmatch(name)
    kind = _TYPES.get(match[1]) if match else None
    path = parts_of(request).settings.media_dir / name
    if kind is None or not path.is_file():
        raise NotFound()
    return FileResponse(path, media_type=kind, headers=_HEADERS)
