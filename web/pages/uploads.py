"""Pictures that come with a form: cleaned outside this process, then stored."""

from starlette.datastructures import UploadFile
from starlette.requests import Request

from node import media
from node.imaging import Image
from web import uploads
from web.identity import spend
from web.pages.visit import Person
from web.params import Params
from web.parts import parts_of

PICTURES = 4
"""Files that one form takes."""


async def pictures(request: Request, form: Params, person: Person) -> list[int]:
    """Store the files `picture_1` … with their `alt_1` …; ids of the new attachments. Raises Invalid."""
    made = []
    for number in range(1, PICTURES + 1):
        upload = form.file(f"picture_{number}")
        if upload is None:
            continue
        description = media.checked_description(form.text(f"alt_{number}"))
        image = await clean(request, upload, person)
        made.append(await parts_of(request).node.write_as(person.viewer, media.create, image, description))
    return made


async def described(request: Request, form: Params, person: Person) -> list[int]:
    """The attachments that an earlier try of the same form has stored, with what is now said about them."""
    kept = form.ids("kept", max_items=PICTURES)
    node = parts_of(request).node
    for media_id in kept:
        await node.write_as(person.viewer, media.update_details, media_id, description=form.text(f"kept_{media_id}"))
    return kept


async def clean(request: Request, upload: UploadFile, person: Person) -> Image:
    """Decode and write anew what was sent. Raises Invalid, TooLarge, Unavailable, TooMany."""
    settings = parts_of(request).settings
    spend(request, "media", person.account_id, settings.limits.media_per_account)
    return await uploads.image(request, upload)
