"""What people set for themselves: profile, posting defaults, password."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from activitypub.audience import Visibility
from node import accounts, auth, passwords
from node.accounts.profile import MAX_FIELDS, MAX_NOTE
from node.errors import Invalid
from node.runtime import Tx
from web.identity import spend
from web.pages import answers, uploads, visit
from web.pages.shown import REACH
from web.pages.visit import Person
from web.params import Params, read
from web.parts import client_address, parts_of
from web.sessions import remember
from web.uploads import unlink

_NOTICES = {"profile": "Your profile is saved.", "password": "Your password is changed. Other browsers are signed out."}


async def show(request: Request) -> Response:
    frame, values = await visit.look(request, _stored)
    notice = _NOTICES.get(request.query_params.get("saved", ""), "")
    return _page(request, frame, values, notice=notice)


def _stored(tx: Tx) -> dict[str, Any]:
    row = accounts.get(tx, tx.viewer.account_id or 0)
    login = accounts.login_of(tx, row.id)
    pairs = [(one.get("name", ""), one.get("source") or "") for one in row.fields]
    return {
        "display_name": row.display_name,
        "note": row.note_source,
        "pairs": pairs + [("", "")] * (MAX_FIELDS - len(pairs)),
        "locked": bool(row.locked),
        "visibility": Visibility(login.default_visibility).name.lower(),
        "local_only": bool(login.default_local_only),
        "has_avatar": row.avatar is not None,
    }


def _page(
    request: Request, frame: Any, values: dict[str, Any], *, notice: str = "", error: str = "", status: int = 200
) -> Response:
    choices = [(one.name.lower(), REACH[one][1]) for one in Visibility if one is not Visibility.DIRECT]
    return answers.page(
        request,
        "settings.html",
        frame,
        status=status,
        values=values,
        choices=choices,
        notice=notice,
        error=error,
        longest_note=MAX_NOTE,
    )


async def save(request: Request) -> Response:
    form = await read(request, uploads=True)
    person = await visit.signed_in(request, form)
    try:
        await _save(request, form, person)
    except Invalid as error:
        frame, values = await visit.look(request, _stored)
        return _page(request, frame, values | _typed(form), error=_sentence(error), status=422)
    return answers.to("/settings?saved=profile")


async def _save(request: Request, form: Params, person: Person) -> None:
    parts = parts_of(request)
    upload = form.file("avatar")
    image = None if upload is None else await uploads.clean(request, upload, person)
    unused = [] if image is None else [image.file, image.preview]
    try:
        changes = _changes(form, None if image is None else image.preview)
        await parts.node.write_as(person.viewer, accounts.update_profile, changes)
        unused = unused[:1]  # the small copy is the avatar
    finally:
        await unlink(request, unused)


def _changes(form: Params, avatar: str | None) -> accounts.ProfileChanges:
    typed = _typed(form)
    if typed["visibility"].upper() not in Visibility.__members__:
        raise Invalid("is not a way to be seen", "visibility")
    return accounts.ProfileChanges(
        display_name=typed["display_name"],
        note=typed["note"],
        fields=[pair for pair in typed["pairs"] if any(pair)],
        avatar="" if avatar is None and form.flag("no_avatar") else avatar,
        locked=typed["locked"],
        default_visibility=Visibility[typed["visibility"].upper()],
        default_local_only=typed["local_only"],
    )


def _typed(form: Params) -> dict[str, Any]:
    """The form as it was sent, in the shape of `_stored`."""
    return {
        "display_name": form.text("display_name", max_len=1000),
        "note": form.text("note"),
        "pairs": [
            (form.text(f"label_{n}", max_len=2000), form.text(f"value_{n}", max_len=2000)) for n in range(MAX_FIELDS)
        ],
        "locked": form.flag("locked"),
        "visibility": form.text("visibility"),
        "local_only": form.flag("local_only"),
    }


def _sentence(error: Invalid) -> str:
    message = str(error).removeprefix("Validation failed: ")
    if error.field and message[:1].islower():
        return f"{error.field.replace('_', ' ').capitalize()} {message}"
    return message


async def show_password(request: Request) -> Response:
    frame, _ = await visit.look(request, lambda tx: None)
    return answers.page(request, "password.html", frame, error="")


async def save_password(request: Request) -> Response:
    """Everybody who is signed in with the old password is signed out; this browser stays."""
    form = await read(request)
    person = await visit.signed_in(request, form)
    parts = parts_of(request)
    spend(request, "sign-in", client_address(request), parts.settings.limits.sign_in_per_address)
    login = await parts.node.read_as(person.viewer, accounts.login_of, person.account_id)
    try:
        if not await passwords.verify(login.password_hash, form.text("current")):
            raise Invalid("This is not your present password.")
        passwords.refuse_weak(form.text("password"), minimum=parts.settings.accounts.password_min_length)
    except Invalid as error:
        frame, _ = await visit.look(request, lambda tx: None)
        return answers.page(request, "password.html", frame, status=422, error=_sentence(error))
    hashed = await passwords.hash(form.text("password"))
    await parts.node.write_as(person.viewer, accounts.set_password, person.account_id, hashed)
    token, _ = await parts.node.write(auth.open_session, person.account_id)
    response = answers.to("/settings?saved=password")
    remember(response, parts.settings, token)
    return response
