"""Uploads.

POST   /api/v1/media, /api/v2/media    file, description, focus, thumbnail (of sound and film)
GET    /api/v1/media/{id}
PUT    /api/v1/media/{id}              description, focus, thumbnail
DELETE /api/v1/media/{id}              unless a post shows it
"""

import time

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import media, processing, recording
from node.bell import JOB
from node.errors import Invalid
from node.imaging import Image
from node.runtime import Tx
from web import identity as api
from web import params, uploads
from web.mastodon import answers
from web.mastodon.entities import Renderer
from web.params import Params
from web.parts import parts_of
from web.responses import empty

WRITE = "write:media"
PARTIAL = 206
LOOK_SECONDS = 1.0


def routes() -> list[BaseRoute]:
    return [
        Route("/api/v1/media", upload, methods=["POST"]),
        Route("/api/v2/media", upload, methods=["POST"]),
        Route("/api/v1/media/{id}", show),
        Route("/api/v1/media/{id}", change, methods=["PUT"]),
        Route("/api/v1/media/{id}", remove, methods=["DELETE"]),
    ]


async def upload(request: Request) -> Response:
    """An image is ready when this answers. Sound and film take their time: 202, or for the first version, which knows no
    waiting, the answer when they are ready."""
    settings = parts_of(request).settings
    viewer = await api.viewer(request, WRITE)
    api.spend(request, "media", viewer.account_id or 0, settings.limits.media_per_account)
    form = await params.read(request, uploads=True, most=settings.media.largest)
    file = form.file("file")
    if file is None:
        raise Invalid("file can't be blank", "file")
    description = media.checked_description(form.text("description"))
    focus = focus_of(form) or (0.0, 0.0)
    if recording.sniff(await uploads.start_of(file)):
        media_id = await _record(request, form, file, description, focus)
        return await (_finished if request.url.path.startswith("/api/v1/") else _begun)(request, media_id)
    image = await uploads.image(request, file)
    try:
        media_id = await api.write(request, WRITE, media.create, image, description, focus)
    except Exception:  # nothing was stored that would need the files
        await uploads.unlink(request, [image.file, image.preview])
        raise
    return await answers.read(request, WRITE, lambda tx, renderer: _show(tx, renderer, media_id))


async def _record(
    request: Request, form: Params, file: UploadFile, description: str, focus: tuple[float, float]
) -> int:
    name, found = await uploads.recorded(request, file)
    stored = [name]
    try:
        thumbnail = await _thumbnail(request, form)
        stored += [thumbnail.preview] if thumbnail is not None else []
        return await api.write(request, WRITE, processing.accept, name, found, description, focus, thumbnail)
    except BaseException:
        await uploads.unlink(request, stored)
        raise


async def _thumbnail(request: Request, form: Params) -> Image | None:
    """The picture that a client sends for sound or film, of which the smaller one is kept."""
    file = form.file("thumbnail")
    if file is None:
        return None
    image = await uploads.image(request, file)
    await uploads.unlink(request, [image.file])
    return image


async def _begun(request: Request, media_id: int) -> Response:
    answer = await answers.read(request, WRITE, lambda tx, renderer: _show(tx, renderer, media_id))
    answer.status_code = 202
    return answer


async def _finished(request: Request, media_id: int) -> Response:
    parts = parts_of(request)
    end = time.monotonic() + parts.settings.media.video_seconds
    with parts.node.bell.listen(JOB) as bell:  # rung when a job has ended
        while await parts.node.glance(processing.is_processing, media_id) and time.monotonic() < end:
            await bell.wait(LOOK_SECONDS)
    return await _state(request, media_id)


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
    """206 while it is processed, 422 if that has failed."""
    return await _state(request, params.path_id(request))


async def _state(request: Request, media_id: int) -> Response:
    states: list[str] = []

    def work(tx: Tx, renderer: Renderer) -> bytes:
        row = media.get(tx, media_id)
        if row.state == processing.FAILED:
            raise Invalid((row.details or {}).get("error") or "Error processing media")
        states.append(row.state)
        return renderer.attachment(row)

    answer = await answers.read(request, WRITE, work)
    if states[-1] == processing.PROCESSING:
        answer.status_code = PARTIAL
    return answer


def _show(tx: Tx, renderer: Renderer, media_id: int) -> bytes:
    return renderer.attachment(media.get(tx, media_id))


async def change(request: Request) -> Response:
    media_id = params.path_id(request)
    form = await params.read(request, uploads=True)
    description, focus = form.text_or_none("description"), focus_of(form)
    await api.read(request, WRITE, media.get, media_id)  # one's own, before a picture is decoded
    thumbnail = await _thumbnail(request, form)

    def work(tx: Tx) -> int:
        media.update_details(tx, media_id, description=description, focus=focus)
        if thumbnail is not None:
            processing.set_thumbnail(tx, media_id, thumbnail)
        return media_id

    try:
        return await answers.write(request, WRITE, work, _show)
    except Exception:
        await uploads.unlink(request, [thumbnail.preview] if thumbnail is not None else [])
        raise


async def remove(request: Request) -> Response:
    names = await api.write(request, WRITE, media.remove, params.path_id(request))
    await uploads.unlink(request, names)
    return empty()
