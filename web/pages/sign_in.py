"""Signing in and out. The form is what password managers know: one page, `username` and `current-password`."""

from starlette.requests import Request
from starlette.responses import Response

from node import auth, passwords, rules
from node.errors import Unauthorized
from node.secrets import token_hash
from web.identity import spend
from web.pages import answers, visit
from web.params import Params, query, read
from web.parts import client_address, parts_of
from web.privacy import PRIVACY
from web.sessions import check_sign_in, forget, remember, send_sign_in_token, sign_in_token, token_of


async def show(request: Request) -> Response:
    """The form; whoever is signed in already goes on."""
    wanted = answers.local(query(request).text("next"))
    try:
        await visit.look(request, lambda tx: None)
    except visit.SignInFirst:
        return _form(request, wanted)
    return answers.to(wanted)


async def sign_in(request: Request) -> Response:
    form = await read(request)
    parts = parts_of(request)
    check_sign_in(request, parts.settings, form.text("csrf"))
    spend(request, "sign-in", client_address(request), parts.settings.limits.sign_in_per_address)
    try:
        account_id = await passwords.sign_in(parts.node, form.text("username", max_len=400), form.text("password"))
        session, _ = await parts.node.write(auth.open_session, account_id)
    except Unauthorized as error:
        return _form(request, answers.local(form.text("next")), form=form, error=str(error))
    await _close(request)
    response = answers.to(answers.local(form.text("next")))
    remember(response, parts.settings, session)
    return response


def _form(request: Request, wanted: str, *, form: Params | None = None, error: str = "") -> Response:
    settings = parts_of(request).settings
    token = sign_in_token(request, settings)
    username = form.text("username", max_len=400) if form else ""
    response = answers.page(
        request,
        "sign_in.html",
        None,
        status=422 if error else 200,
        wanted=wanted,
        form_token=token,
        error=error,
        username=username,
        description=settings.node.description,
        contact=settings.node.contact_email,
    )
    send_sign_in_token(response, settings, token)
    return response


async def sign_out(request: Request) -> Response:
    await visit.signed_in(request, await read(request))
    await _close(request)
    response = answers.to("/sign-in")
    forget(response, parts_of(request).settings)
    return response


async def _close(request: Request) -> None:
    """End the session that this browser had."""
    parts = parts_of(request)
    cookie = token_of(request, parts.settings)
    if cookie is not None:
        await parts.node.write(auth.close_session, token_hash(cookie))


async def about(request: Request) -> Response:
    """What this node is; open to everybody."""
    settings = parts_of(request).settings
    in_force = await parts_of(request).node.glance(rules.shown)
    return answers.page(
        request,
        "about.html",
        None,
        description=settings.node.description,
        contact=settings.node.contact_email,
        domain=settings.node.domain,
        rules=in_force,
        privacy=PRIVACY,
    )
