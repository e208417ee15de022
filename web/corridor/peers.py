"""Other nodes, for administrators, over our own API: role admin, scopes `admin:read`, `admin:write`.

    GET  /api/corridor/v1/admin/peers                   every known peer
    GET  /api/corridor/v1/admin/peers/{domain}          one; domain is host[:port]
    POST /api/corridor/v1/admin/peers/{domain}/pause    send it nothing; what is for it waits
    POST /api/corridor/v1/admin/peers/{domain}/drain    send what waits, take nothing new
    POST /api/corridor/v1/admin/peers/{domain}/resume   end both, and try it at once
    POST /api/corridor/v1/admin/peers/{domain}/retry    send what was given up once more
    POST /api/corridor/v1/admin/peers/{domain}/purge    drop what waits or was given up; confirm=DOMAIN must be sent

Every change leaves a line in the audit log and answers with the peer. A peer in JSON; times are RFC 3339 or null:

    {"domain", "state" (active | draining | blocked | gone), "paused_at", "waiting", "lag_seconds" (age of the oldest that
     waits, or null), "set_aside", "breaker" (closed | failing | open | probing | ramp), "failures", "failing_since",
     "next_attempt_at", "last_status" (HTTP), "last_error", "last_sent_at", "last_received_at"}
"""

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from activitypub.build import timestamp
from node.errors import Invalid
from node.federation import delivery, peers
from node.federation.peers import PeerState
from node.runtime import Tx
from web import identity as api
from web import params
from web.identity import Access
from web.responses import json

READ = Access("admin:read", role="admin")
WRITE = Access("admin:write", role="admin")
_PATH = "/api/corridor/v1/admin/peers"
_TIMES = ("paused_at", "failing_since", "next_attempt_at", "last_sent_at", "last_received_at")


def routes() -> list[BaseRoute]:
    return [
        Route(_PATH, list_peers),
        Route(f"{_PATH}/{{domain}}", get_peer),
        Route(f"{_PATH}/{{domain}}/pause", _acting(peers.pause), methods=["POST"]),
        Route(f"{_PATH}/{{domain}}/drain", _acting(peers.drain), methods=["POST"]),
        Route(f"{_PATH}/{{domain}}/resume", _acting(peers.resume), methods=["POST"]),
        Route(f"{_PATH}/{{domain}}/retry", _acting(_retry), methods=["POST"]),
        Route(f"{_PATH}/{{domain}}/purge", purge_peer, methods=["POST"]),
    ]


async def list_peers(request: Request) -> Response:
    return json([_shown(one) for one in await api.read(request, READ, peers.listing)])


async def get_peer(request: Request) -> Response:
    return json(_shown(await api.read(request, READ, peers.state_of, request.path_params["domain"])))


def _acting(rule: Callable[[Tx, str], object]) -> Callable[[Request], Any]:
    async def act(request: Request) -> Response:
        return json(_shown(await api.write(request, WRITE, _act, rule, request.path_params["domain"])))

    return act


def _act(tx: Tx, rule: Callable[[Tx, str], object], domain: str) -> PeerState:
    rule(tx, domain)
    return peers.state_of(tx, domain)


def _retry(tx: Tx, domain: str) -> None:
    delivery.requeue(tx, peers.state_of(tx, domain).domain)


async def purge_peer(request: Request) -> Response:
    """In several transactions, each short enough for the writer."""
    domain: str = request.path_params["domain"]
    confirmed = (await params.read(request)).text("confirm") == domain
    while await api.write(request, WRITE, _purge, domain, confirmed):
        pass
    return json(_shown(await api.read(request, WRITE, peers.state_of, domain)))


def _purge(tx: Tx, domain: str, confirmed: bool) -> int:
    if not confirmed:
        raise Invalid("confirm must repeat the domain: what waits is dropped for good", "confirm")
    return peers.purge(tx, domain)


def _shown(peer: PeerState) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(peer)
    for name in _TIMES:
        shown[name] = None if shown[name] is None else timestamp(shown[name])
    return shown
