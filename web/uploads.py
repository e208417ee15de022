"""Images, sound and film that people send: looked at outside this process, and stored in the media folder."""

import asyncio
import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from starlette.datastructures import UploadFile
from starlette.requests import Request

from node import processing, recording
from node.config import Settings
from node.errors import Invalid, Unavailable
from node.imaging import Image, ImageLimits, process_image
from node.recording import Probe
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


async def start_of(file: UploadFile) -> bytes:
    """The first bytes, which say what a file is."""
    start = await file.read(32)
    await file.seek(0)
    return start


async def recorded(request: Request, file: UploadFile) -> tuple[str, Probe]:
    """Store uploaded sound or film as it is; (its name in the media folder, what it is). Raises Invalid, TooLarge."""
    settings = parts_of(request).settings
    tools = recording.programs(settings.media.ffmpeg)
    if tools is None:
        raise Invalid("This server takes pictures, but neither sound nor film.", "file")
    if file.size is not None and file.size > settings.media.video_max_bytes:
        raise TooLarge("This file is too large")
    name = f"{secrets.token_hex(24)}.{processing.UPLOAD}"
    path = settings.media_dir / name
    try:
        await asyncio.to_thread(_store, file, path)
        return name, await recording.probe(tools, path, processing.limits(settings))
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _store(file: UploadFile, path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            shutil.copyfileobj(file.file, out)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise Unavailable("Files can't be taken just now; try again.") from error


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
