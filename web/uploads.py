"""Images that people send: cleaned outside this process, and stored in the media folder. For the API and the pages."""

import asyncio
from collections.abc import Iterable

from starlette.datastructures import UploadFile
from starlette.requests import Request

from node.config import Settings
from node.imaging import Image, ImageLimits, process_image
from web.errors import TooLarge
from web.parts import parts_of


async def image(request: Request, file: UploadFile) -> Image:
    """The uploaded image, decoded and written anew. Raises Invalid, TooLarge, Unavailable."""
    parts = parts_of(request)
    settings = parts.settings
    if file.size is not None and file.size > settings.media.max_bytes:
        raise TooLarge("This file is too large")
    await asyncio.to_thread(settings.media_dir.mkdir, mode=0o700, parents=True, exist_ok=True)
    data = await file.read()
    return await process_image(data, settings.media_dir, slots=parts.images, limits=_limits(settings))


async def unlink(request: Request, names: Iterable[str]) -> None:
    """Remove files of the media folder whose rows are gone, or were never made."""
    await asyncio.to_thread(_unlink, parts_of(request).settings, list(names))


def _unlink(settings: Settings, names: list[str]) -> None:
    for name in names:
        (settings.media_dir / name).unlink(missing_ok=True)


def _limits(settings: Settings) -> ImageLimits:
    section = settings.media
    return ImageLimits(
        max_bytes=section.max_bytes,
        max_pixels=section.max_pixels,
        max_side=section.max_side,
        cpu_seconds=max(1, round(section.seconds)),
        timeout_seconds=section.seconds * 1.5,
    )
