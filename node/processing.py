"""Sound and film between the upload and the day they can be posted: taken as they came, made anew by a job.

What was uploaded lies in the media folder under a name that is never served, and goes when it has been made anew, when that
has failed, or with its row. The file that is made has the name of the upload, so that a job that is run again, because its
process was killed, leaves nothing behind.
"""

import asyncio
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Row, bindparam, insert, select, update

from node import imaging, media, recording
from node.accounts.lookup import me
from node.config import Settings
from node.errors import Invalid, NodeError
from node.imaging import Image
from node.recording import Limits, Probe
from node.runtime import Node, Tx
from node.schema import media as media_table
from node.schema.meta import Id

log = structlog.get_logger(__name__)

JOB = "media.process"
"""Payload `{"id": int}`."""
PROCESSING, READY, FAILED = "processing", "ready", "failed"
UPLOAD = "upload"
"""Ending of the names of uploads; nothing that ends so is served."""

_ID = bindparam("of", type_=Id)
_BY_ID = select(media_table).where(media_table.c.id == _ID, media_table.c.state == PROCESSING)
_SET = update(media_table).where(media_table.c.id == _ID, media_table.c.state == PROCESSING)


def limits(settings: Settings) -> Limits:
    section = settings.media
    return Limits(section.video_max_bytes, section.video_max_seconds, section.video_seconds)


def accept(
    tx: Tx, upload: str, found: Probe, description: str, focus: tuple[float, float], thumbnail: Image | None = None
) -> int:
    """A new attachment of the viewer's that is being processed; `upload` is the name of its file."""
    x, y = media.checked_focus(focus)
    media_id = tx.new_id()
    row = {
        "id": media_id,
        "account_id": me(tx),
        "kind": found.kind,
        "content_type": recording.CONTENT_TYPES[found.kind],
        "state": PROCESSING,
        "upload": upload,
        "description": media.checked_description(description),
        "focus_x": x,
        "focus_y": y,
        "created_at": tx.now,
        **_looks(thumbnail),
    }
    tx.execute(insert(media_table), row)
    tx.enqueue(JOB, {"id": media_id}, dedupe=f"{JOB}:{media_id}")
    return media_id


def set_thumbnail(tx: Tx, media_id: int, thumbnail: Image) -> None:
    """The picture that stands for an own sound or film. Raises NotFound, Invalid for a picture itself."""
    row = media.get(tx, media_id)
    if row.kind not in recording.CONTENT_TYPES:
        raise Invalid("Only sound and film have thumbnails", "thumbnail")
    media.retire(tx, row.account_id, [row.preview] if row.preview else [])
    tx.execute(update(media_table).where(media_table.c.id == row.id).values(**_looks(thumbnail)))
    media.shown_anew(tx, row)


def is_processing(tx: Tx, media_id: int) -> bool:
    return tx.first(_BY_ID, {"of": media_id}) is not None


async def process(node: Node, media_id: int) -> None:
    """Make an upload anew. What cannot be made is kept as failed, so that its owner hears of it."""
    row = await node.read(lambda tx: tx.first(_BY_ID, {"of": media_id}))
    if row is None:
        return
    try:
        values = await _made(node.settings, row)
    except NodeError as error:
        if error.retry:
            raise
        log.info("an upload could not be processed", media=media_id, error=str(error))
        values = {"state": FAILED, "details": {"error": str(error)}}
    values["upload"] = None
    done = await node.write(lambda tx: tx.execute(_SET.values(**values), {"of": media_id}).rowcount)
    folder = node.settings.media_dir
    gone = [row.upload] if done else [row.upload, values.get("file"), values.get("preview")]  # deleted meanwhile
    await asyncio.to_thread(_unlink, [folder / name for name in gone if name])


async def _made(settings: Settings, row: Row[Any]) -> dict[str, Any]:
    """What is to be stored of the finished attachment."""
    tools = recording.programs(settings.media.ffmpeg)
    source = settings.media_dir / row.upload
    if tools is None or not source.is_file():
        raise Invalid("This server takes no sound and no film.")
    bounds = limits(settings)
    name = f"{source.stem}.{recording.EXTENSIONS[row.kind]}"
    target = settings.media_dir / name
    found = await recording.make(tools, source, row.kind, target, bounds)
    values = {
        "state": READY,
        "file": name,
        "duration": found.duration,
        "details": found.details,
        "size": target.stat().st_size,
        "width": found.width or None,
        "height": found.height or None,
    }
    if row.kind == recording.VIDEO and row.preview is None:
        try:
            values |= await _still(tools, target, bounds)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    return values


async def _still(tools: recording.Programs, film: Path, bounds: Limits) -> dict[str, Any]:
    picture = film.with_suffix(".still")
    try:
        await recording.still(tools, film, picture, bounds)
        made = await imaging.process_image(picture, film.parent, slots=asyncio.Semaphore())
    finally:
        picture.unlink(missing_ok=True)
    (film.parent / made.file).unlink(missing_ok=True)
    return _looks(made)


def _looks(picture: Image | None) -> dict[str, Any]:
    if picture is None:
        return {}
    return {
        "preview": picture.preview,
        "preview_width": picture.preview_width,
        "preview_height": picture.preview_height,
        "blurhash": picture.blurhash,
    }


def _unlink(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
