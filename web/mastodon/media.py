"""Uploads.

POST   /api/v1/media, /api/v2/media    file, description, focus: the attachment is ready when this answers
GET    /api/v1/media/{id}
PUT    /api/v1/media/{id}              description, focus
DELETE /api/v1/media/{id}              unless a post shows it
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import media
from node.errors import Invalid
from node.runtime import Tx
from web import identity as api
from web import params, uploads
from web.mastodon import answers
from web.mastodon.entities import Renderer
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
    image = await uploads.image(request, file)
    try:
        media_id = await api.write(request, WRITE, media.create, image, description, focus)
    except Exception:  # nothing was stored that would need the files
        await uploads.unlink(request, [image.file, image.preview])
        raise
    return await answers.read(request, WRITE, lambda tx, renderer: _show(tx, renderer, media_id))


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
    await uploads.unlink(request, names)
    return empty()
