"""What the client API keeps for one application: what it has rendered and its streams."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from web.mastodon.entities import Renderer
from web.mastodon.hub import Hub
from web.parts import Parts, parts_of


@dataclass(slots=True)
class State:
    renderer: Renderer
    unkept: Renderer
    """For what is rendered within a transaction that writes, see `Renderer.forgetful`."""
    hub: Hub


def state_of(connection: HTTPConnection) -> State:
    """The state of the application that serves this request; made by the first one."""
    kept = connection.app.state
    found: State | None = getattr(kept, "mastodon", None)
    if found is None:
        found = kept.mastodon = _new(parts_of(connection))
    return found


def _new(parts: Parts) -> State:
    renderer = Renderer(parts.urls)
    return State(renderer, renderer.forgetful(), Hub(parts, renderer))
