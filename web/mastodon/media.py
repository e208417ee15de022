"""Uploads.

POST   /api/v1/media, /api/v2/media    file, description, focus: the attachment is ready when this answers
GET    /api/v1/media/{id}
PUT    /api/v1/media/{id}              description, focus
DELETE /api/v1/media/{id}              unless a post shows it
"""

import asyncio
from pathlib import Path

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import media
from node.config import Settings
from node.errors import Invalid
from node.imaging import Image, ImageLimits, process_image
from node.runtime import Tx
from web import identity as api
from web import params
from web.errors import TooLarge
from web.mastodon import answers
from web.mastodon.entities import Renderer
from web.mastodon.state import state_of
from web.params import Params
from web.parts import parts_of
from web.responses import empty

WRITE = "write:media"


def routes() -> list[BaseRoute]:
    return [
        Route("/api/v1/media", upload, methods=["POST"]),
        Route("/api/v2/media", upload, methods=["POST"]),
        Route("/api/v1/media/{id}", show),
        Route("/api/v1/media/{id}", change, methods=["PUT"]),
        Route("/api/v1/media/{id}", remove, methods=["DELETE"]),
    ]


async def upload(request: Request) -> Response:
    viewer = await api.viewer(request, WRITE)
    api.spend(request, "media", viewer.account_id or 0, parts_of(request).settings.limits.media_per_account)
    form = await params.read(request, uploads=True)
    file = form.file("file")
    if file is None:
        raise Invalid("file can't be blank", "file")
    description = media.checked_description(form.text("description"))
    focus = focus_of(form) or (0.0, 0.0)
    image = await process(request, file)
    try:
        media_id = await api.write(request, WRITE, media.create, image, description, focus)
    except Exception:  # nothing was stored that would need the files
        await asyncio.to_thread(unlink, parts_of(request).settings.media_dir, [image.file, image.preview])
        raise
    return await answers.read(request, WRITE, lambda tx, renderer: _show(tx, renderer, media_id))


async def process(request: Request, file: UploadFile) -> Image:
    """The uploaded image, cleaned and stored in the media folder. Raises Invalid, TooLarge, Unavailable."""
    settings = parts_of(request).settings
    if file.size is not None and file.size > settings.media.max_bytes:
        raise TooLarge("This file is too large")
    await asyncio.to_thread(settings.media_dir.mkdir, mode=0o700, parents=True, exist_ok=True)
    data = await file.read()
    return await process_image(data, settings.media_dir, slots=state_of(request).images, limits=_limits(settings))


def _limits(settings: Settings) -> ImageLimits:
    section = settings.media
    return ImageLimits(
        max_bytes=section.max_bytes,
        max_pixels=section.max_pixels,
        max_side=section.max_side,
        cpu_seconds=max(1, round(section.seconds)),
        timeout_seconds=section.seconds * 1.5,
    )


def unlink(folder: Path, names: list[str]) -> None:
    """Remove files whose rows are gone, or were never made."""
    for name in names:
        (folder / name).unlink(missing_ok=True)


def focus_of(form: Params) -> tuple[float, float] | None:
    """`x,y`, each from -1 to 1; None when it is not sent. Raises Invalid."""
    sent = form.text("focus")
    if not sent:
        return None
    x, _, y = sent.partition(",")
    try:
        return media.checked_focus((float(x), float(y)))
    except ValueError as error:
        raise Invalid("focus must be two numbers between -1 and 1", "focus") from error


async def show(request: Request) -> Response:
    return await answers.read(request, WRITE, lambda tx, renderer: _show(tx, renderer, params.path_id(request)))


def _show(tx: Tx, renderer: Renderer, media_id: int) -> bytes:
    return renderer.attachment(media.get(tx, media_id))


async def change(request: Request) -> Response:
    media_id = params.path_id(request)
    form = await params.read(request, uploads=True)
    description, focus = form.text_or_none("description"), focus_of(form)

    def work(tx: Tx) -> int:
        media.update_details(tx, media_id, description=description, focus=focus)
        return media_id

    return await answers.write(request, WRITE, work, _show)


async def remove(request: Request) -> Response:
    names = await api.write(request, WRITE, media.remove, params.path_id(request))
    await asyncio.to_thread(unlink, parts_of(request).settings.media_dir, names)
    return empty()
