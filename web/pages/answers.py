"""What handlers of pages answer: a rendered page, or the way back to where a form came from."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from web.pages.visit import Frame
from web.params import Params
from web.parts import parts_of

# Pages hold what only their reader may see: no cache keeps them, not even the browser's after signing out.
_HEADERS = {"Cache-Control": "no-store", "Vary": "Cookie, Accept"}
_LOCAL = re.compile(r"/(?![/\\])[!-~]*")
MAX_BACK = 2000


def page(request: Request, template: str, frame: Frame | None, *, status: int = 200, **values: Any) -> Response:
    """Render a template of web/templates. `frame` None: for visitors."""
    parts = parts_of(request)
    text = parts.templates.get_template(template).render(
        node_title=parts.settings.title, department=parts.settings.node.department, frame=frame, **values
    )
    return HTMLResponse(text, status, _HEADERS)


def to(path: str) -> Response:
    """After a form: reloading the page that follows sends nothing again."""
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


def back(form: Params, default: str = "/") -> Response:
    """Back to the page, and the place in it, that the form names."""
    return to(local(form.text("back"), default))


def local(path: str, default: str = "/") -> str:
    """A path of this site as somebody sent it; `default` for anything that could lead elsewhere."""
    return path if len(path) <= MAX_BACK and _LOCAL.fullmatch(path) and "\\" not in path else default
