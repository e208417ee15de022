"""docs/client-api.md lists exactly the routes that answer."""

import re
from pathlib import Path

from starlette.routing import Route, WebSocketRoute

from web import oauth
from web.corridor import admin, gatherings, groups, peers
from web.mastodon.routes import routes

PAGE = Path(__file__).parent.parent / "docs" / "client-api.md"


def test_the_page_lists_exactly_the_routes() -> None:
    answered = set()
    for route in [*oauth.routes(), *routes(), *admin.routes(), *peers.routes(), *groups.routes(), *gatherings.routes()]:
        assert isinstance(route, (Route, WebSocketRoute))
        methods = route.methods if isinstance(route, Route) else {"WebSocket"}
        answered |= {(method, route.path.replace(":int}", "}")) for method in (methods or set()) - {"HEAD"}}
    listed = set(re.findall(r"^\| ([A-Za-z]+) \| `([^`]+)` \|$", PAGE.read_text(), re.MULTILINE))
    assert listed == answered
