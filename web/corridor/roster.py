"""The company's roster, for peers: who is behind asks for the next one, who was handed a newer one brings it.

Asking needs the signature of a node that is on our roster. Bringing needs none: a roster is believed for the company's
signature on it, and a node that joins is unknown to the others until they have read the roster that names it.
"""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from activitypub import roster as documents
from activitypub.errors import Malformed
from activitypub.keys import from_multibase
from node.errors import NotFound
from node.federation import company
from node.federation.fetching import ROSTER_PATH
from web.errors import WrongType
from web.federation import signer_of
from web.identity import spend
from web.params import raw_body
from web.parts import client_address, parts_of
from web.responses import EMPTY, JSONBytes

BROUGHT = 60
"""Rosters that one address may bring in five minutes: each costs us a look at its signature."""
_JSON = "application/json"
_NO_STORE = {"Cache-Control": "no-store"}
_DIGITS = 10


def routes() -> list[BaseRoute]:
    return [Route(ROSTER_PATH, give), Route(ROSTER_PATH, take, methods=["POST"])]


async def give(request: Request) -> Response:
    """The newest roster, or with `after` and `signer` the newest that such a node can take; 204 if it has that already.

    404 outside of mode "roster", and for who holds none.
    """
    parts = parts_of(request)
    if not parts.node.company.in_use:
        raise NotFound()
    await signer_of(request)
    after, signers = _after(request.query_params.get("after", "0")), request.query_params.getlist("signer")[:2]
    for signer in signers:
        from_multibase(signer)
    if parts.node.company.roster is None:
        raise NotFound()
    body = await parts.node.glance(company.following, after=after, signers=signers)
    if body is None:
        return Response(status_code=204, headers=_NO_STORE)
    return JSONBytes(body, headers=_NO_STORE | {"Content-Type": _JSON})


async def take(request: Request) -> Response:
    """202 for a roster of ours, newer or not. 400, 401 or 403 say why it is not taken."""
    parts = parts_of(request)
    if not parts.node.company.in_use:
        raise NotFound()
    address = client_address(request)
    spend(request, "roster", address, BROUGHT)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        raise WrongType("A roster is application/json")
    body = await raw_body(request, documents.MAX_BYTES)
    found = await asyncio.to_thread(company.verified, body)
    await company.receive(parts.node, found, address)
    return JSONBytes(EMPTY, 202, _NO_STORE)


def _after(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        raise Malformed("after is no version")
    return int(text)
