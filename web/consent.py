"""The pages of OAuth: what an app asks for, the sign-in form, the question, the way back."""

import string
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from sqlalchemy import Row
from starlette.requests import Request as HTTPRequest
from starlette.responses import HTMLResponse, RedirectResponse, Response

from node import auth
from node.errors import Invalid
from web.edge import page_csp
from web.params import Params
from web.parts import parts_of
from web.sessions import send_sign_in_token, sign_in_token, token_of

_PAGE_HEADERS = {"Cache-Control": "no-store"}
_KEPT = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "lang",
)

_ABILITIES = {
    "read": "read everything that you can read",
    "write": "post, follow and change things in your name",
    "follow": "follow, block and mute people for you",
    "push": "send you notifications",
    "profile": "see who you are",
    "admin:read": "read what administrators can read",
    "admin:write": "do what administrators can do",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What an app asks for in an authorization request."""

    client_id: str
    redirect_uri: str
    response_type: str
    scope: str
    state: str | None
    challenge: str | None
    method: str | None
    force_login: bool
    lang: str

    @classmethod
    def of(cls, form: Params) -> "Request":
        return cls(
            client_id=form.text("client_id", max_len=500),
            redirect_uri=form.text("redirect_uri", max_len=4000),
            response_type=form.text("response_type"),
            scope=form.text("scope", max_len=4000) or "read",
            state=form.text_or_none("state", max_len=8000),
            challenge=form.text("code_challenge") or None,
            method=form.text("code_challenge_method") or None,
            force_login=form.flag("force_login"),
            lang=form.text("lang", max_len=35),
        )

    def fields(self) -> list[tuple[str, str]]:
        """As parameters again, for forms and links; `force_login` is done with by then."""
        values = (
            self.client_id,
            self.redirect_uri,
            self.response_type,
            self.scope,
            self.state,
            self.challenge,
            self.method,
            self.lang,
        )
        return [(name, value) for name, value in zip(_KEPT, values, strict=True) if value]

    def problem(self, app: Row[Any]) -> dict[str, str] | None:
        """What the app is told at its redirect URI, when it asks for what cannot be (RFC 6749 §4.1.2.1)."""
        if self.response_type != "code":
            return _error("unsupported_response_type", "The authorization server does not support this response type.")
        if self.challenge is not None and self.method != "S256":
            return _error("invalid_request", "The code_challenge_method must be S256.")
        try:
            auth.within(auth.parse(self.scope), app.scopes.split())
        except Invalid as error:
            return _error("invalid_scope", str(error))
        return None


def _error(code: str, description: str) -> dict[str, str]:
    return {"error": code, "error_description": description}


def session_token(request: HTTPRequest) -> str | None:
    return token_of(request, parts_of(request).settings)


def again(asked: Request) -> str:
    """The authorization page anew, now that somebody is signed in."""
    return f"/oauth/authorize?{urlencode(asked.fields())}"


def sign_in_form(request: HTTPRequest, app: Row[Any], asked: Request, *, error: str | None, username: str) -> Response:
    settings = parts_of(request).settings
    form_token = sign_in_token(request, settings)
    response = _page(
        request,
        "oauth/sign_in.html",
        status=422 if error else 200,
        app_name=app.name,
        fields=asked.fields(),
        form_token=form_token,
        error=error,
        username=username,
    )
    send_sign_in_token(response, settings, form_token)
    return response


def question(request: HTTPRequest, app: Row[Any], asked: Request, username: str, csrf: str) -> Response:
    response = _page(
        request,
        "oauth/consent.html",
        app_name=app.name,
        website=app.website,
        fields=asked.fields(),
        form_token=csrf,
        username=username,
        abilities=_abilities(asked.scope),
        other_account=again(asked) + "&force_login=true",
    )
    response.headers["Content-Security-Policy"] = _csp(request, asked.redirect_uri)
    return response


def _csp(request: HTTPRequest, redirect_uri: str) -> str:
    """Chromium applies form-action to the redirects after a form too, so the app's own scheme must be allowed here."""
    return page_csp(parts_of(request).settings, f"'self' {urlsplit(redirect_uri).scheme}:")


def _abilities(scope: str) -> list[str]:
    return [_ABILITIES.get(word) or f"{word.replace(':', ' your ')}" for word in scope.split()]


def code_page(request: HTTPRequest, app: Row[Any], code: str) -> Response:
    return _page(request, "oauth/code.html", app_name=app.name, code=code)


def refused(request: HTTPRequest, message: str) -> Response:
    """The client or its redirect URI is wrong: nobody is sent anywhere."""
    return _page(request, "oauth/error.html", status=400, message=message)


def send_back(request: HTTPRequest, asked: Request, answer: dict[str, str]) -> Response:
    """Redirect to the app, whose redirect URI was checked before; out of band there is only a page."""
    if asked.redirect_uri == auth.OUT_OF_BAND:
        return refused(request, answer.get("error_description", ""))
    if asked.state is not None:
        answer = {**answer, "state": asked.state}
    joint = "&" if "?" in asked.redirect_uri else "?"
    # Exactly as the app registered it: only what is not ASCII, which no header takes, is quoted.
    location = quote(asked.redirect_uri, safe=string.punctuation) + joint + urlencode(answer)
    response = RedirectResponse("/", 302, _PAGE_HEADERS)
    response.headers["Location"] = location
    return response


def _page(request: HTTPRequest, template: str, *, status: int = 200, **values: Any) -> Response:
    parts = parts_of(request)
    page = parts.templates.get_template(template).render(node_title=parts.settings.title, **values)
    return HTMLResponse(page, status, _PAGE_HEADERS)
