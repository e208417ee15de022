"""Uploaded media. Names are unguessable, since clients load pictures without a token; a name is never used twice.

And the pictures of custom emoji, ours and those of peers, whose addresses stay the same when the picture is another one:
GET /emojis/{id}/image · /emojis/{id}/still
"""

import re

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from node import emoji
from node.errors import NotFound
from web.params import path_id
from web.parts import parts_of

# What imaging.py and recording.py write. Nothing else is served, whatever lies in the folder: no html, svg, xml or json
# (protocol §8).
_TYPES = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "mp4": "video/mp4",
    "mp3": "audio/mpeg",
}
_NAME = re.compile(r"[A-Za-z0-9_-]{16,128}\.([a-z0-9]{3,4})")
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


_EMOJI_HEADERS = _HEADERS | {"Cache-Control": "public, max-age=3600"}


def routes() -> list[BaseRoute]:
    return [
        Route("/media/{name}", media_file),
        Route("/emojis/{id}/image", emoji_image, name="image"),
        Route("/emojis/{id}/still", emoji_image, name="still"),
    ]


async def media_file(request: Request) -> Response:
    """A stored file; ranges are answered. NotFound for any name that we did not give."""
    return _file(request, request.path_params["name"], _HEADERS)


async def emoji_image(request: Request) -> Response:
    """NotFound until it is here, and once it is disabled. The file's name, never used twice, is what tells a new one."""
    node, still = parts_of(request).node, request.scope["route"].name == "still"
    name = await node.glance(lambda tx: emoji.picture(tx, path_id(request), still=still))
    headers = _EMOJI_HEADERS | {"ETag": f'"{name}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return _file(request, name, headers)


def _file(request: Request, name: str, headers: dict[str, str]) -> Response:
    match = _NAME.fullmatch(name)
    kind = _TYPES.get(match[1]) if match else None
    path = parts_of(request).settings.media_dir / name
    if kind is None or not path.is_file():
        raise NotFound()
    return FileResponse(path, media_type=kind, headers=headers)
