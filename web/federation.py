"""ActivityPub over HTTP: inboxes, and signed GETs of actors, posts and collections.

The inbox checks in the order of R37: size, content type, then (in `Network.receive`) allow-list, signature, digest, and
who may say what; nothing is stored before all of them passed. Then one transaction, and 202.

    400 cannot be read · 401 not signed properly · 403 not of this company, or saying what it may not · 404 no such inbox
    413 too large · 415 not ActivityStreams · 429, 503 come back later

GETs need a valid signature, except that of the node's own actor, through which peers get to verify ours. `tx.viewer` is
the signer. The same URL answers browsers with a redirect to the page.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from activitypub import signatures
from activitypub.collections import Cursor, parse_cursor
from activitypub.vocabulary import AP_TYPE, is_as2
from node import accounts
from node.federation import collections, emoji, groups, missed, published, quoting, synchronisation
from node.federation.published import Gone
from node.federation.signers import Signer
from node.runtime import Tx
from node.text import normalise_tag
from node.viewer import NOBODY, SYSTEM, Viewer
from web.errors import WrongType
from web.identity import spend
from web.params import path_id, raw_body
from web.parts import parts_of
from web.responses import EMPTY, JSONBytes

_HEADERS = {"Vary": "Accept, Signature", "Cache-Control": "private, max-age=0, must-revalidate"}
_FALLBACK = "application/json"


class Negotiated(Route):
    """A route for those who ask for ActivityStreams; for others it does not exist, and a page answers the same path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or not prefers_as2(scope, default=False):
            return Match.NONE, {}
        return super().matches(scope)


def routes() -> list[BaseRoute]:
    return [
        Route("/inbox", shared_inbox, methods=["POST"]),
        Route("/users/{username}/inbox", personal_inbox, methods=["POST"]),
        Route("/actor", node_actor),
        Route("/users/{username}", person),
        Route("/users/{username}/outbox", _collection(published.outbox)),
        Route("/users/{username}/followers", _collection(published.followers)),
        Route("/users/{username}/followers_synchronization", own_followers),
        Route("/users/{username}/following", _collection(published.following)),
        Route("/users/{username}/collections/featured", featured),
        Route("/users/{username}/moderators", moderators),
        Route("/users/{username}/collections/tags", featured_tags),
        Route("/users/{username}/statuses/{id}", note),
        Route("/users/{username}/statuses/{id}/activity", note_activity),
        Route("/users/{username}/statuses/{id}/replies", replies),
        Route("/users/{username}/activities/{kind}/{id}", activity),
        Route("/users/{username}/quote_authorizations/{id}", quote_authorization),
        Route("/history", history),
        Route("/users/{username}/statuses/{id}/context", context),
        Route("/actor/activities/{kind}/{id}", activity),
        Route("/emojis/{id}", custom_emoji),
        Negotiated("/tags/{name}", tag_collection),
        Negotiated("/@{username}", person),
        Negotiated("/@{username}/{id}", note),
    ]


# --- inbox -------------------------------------------------------------------


async def shared_inbox(request: Request) -> Response:
    return await _receive(request)


async def personal_inbox(request: Request) -> Response:
    """The same with an owner, who must exist; whom an activity concerns is said in it, not by where it was sent."""
    parts = parts_of(request)
    await parts.node.read(accounts.local_by_iri, parts.urls.actor(request.path_params["username"]))
    return await _receive(request)


async def _receive(request: Request) -> Response:
    parts = parts_of(request)
    body = await raw_body(request, parts.settings.federation.max_document_bytes)
    if not is_as2(request.headers.get("content-type")):
        raise WrongType("An inbox takes application/activity+json")
    signed = _signed(request, body)
    limit = parts.settings.limits.inbox_per_peer
    if limit:  # counted for whoever signed, not for whom a request claims to be
        spend(request, "inbox", (await parts.network.signer(signed)).domain, limit)
    await parts.network.receive(signed)
    # A peer that was away for a day sends more at once than any address may ask for: what is signed has its own limit.
    parts.limiter.give_back("address", request.scope["corridor.address"])
    _name_roster(request)
    return _accepted()


def _accepted() -> Response:
    return JSONBytes(EMPTY, 202)


def _signed(request: Request, body: bytes) -> signatures.Request:
    """The request as signatures see it: exactly what was on the wire."""
    scope = request.scope
    target = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("latin-1")
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    return signatures.Request(request.method, target, headers, body)


# --- signed reading ----------------------------------------------------------


async def _viewer(request: Request) -> Viewer:
    """The signer, or nobody where `federation.authorized_fetch` is off. Raises SignatureInvalid, Refused."""
    parts = parts_of(request)
    headers = request.headers
    if "signature" not in headers and not parts.settings.federation.authorized_fetch:
        return replace(NOBODY, anonymous_read=True)
    return (await signer_of(request)).viewer


async def signer_of(request: Request) -> Signer:
    """Who signed a request without a body. Raises SignatureInvalid, KeyUnavailable, Refused for whom we do not deal with."""
    signer = await parts_of(request).network.signer(_signed(request, b""))
    _name_roster(request)
    return signer


def _name_roster(request: Request) -> None:
    """Peers tell each other in every exchange which roster they hold; the edge puts it into the answer."""
    company = parts_of(request).node.company
    if company.in_use:
        request.scope["corridor.roster"] = company.version


async def node_actor(request: Request) -> Response:
    """Open to all: whoever wants to verify our signatures starts here (R5, R33)."""
    parts = parts_of(request)
    row = await parts.node.read(accounts.node_actor)
    return await _actor(request, row.id, SYSTEM)


async def person(request: Request) -> Response:
    username: str = request.path_params["username"]
    if not prefers_as2(request.scope):
        return _to_page(request, f"/@{username}")
    viewer = await _viewer(request)
    try:
        row = await parts_of(request).node.read_as(viewer, published.local, username)
    except Gone as gone:
        return _gone(gone)
    return await _actor(request, row.id, viewer)


async def _actor(request: Request, account_id: int, viewer: Viewer) -> Response:
    parts = parts_of(request)
    await parts.network.ensure_keys(account_id)
    return _as2(await parts.network.vouched(await parts.node.read_as(viewer, published.actor, account_id)))


async def note(request: Request) -> Response:
    username, post_id = request.path_params["username"], path_id(request)
    if not prefers_as2(request.scope):
        return _to_page(request, f"/@{username}/{post_id}")
    return await _answer(request, published.note, username, post_id)


async def note_activity(request: Request) -> Response:
    return await _answer(request, published.post_activity, request.path_params["username"], path_id(request))


async def activity(request: Request) -> Response:
    viewer = await _viewer(request)
    parts = parts_of(request)
    iri = parts.urls.base + request.url.path
    return JSONBytes(await parts.node.read_as(viewer, published.other_activity, iri), headers=_HEADERS | _type())


async def quote_authorization(request: Request) -> Response:
    """The consent of one of ours to being quoted by a post, for those who may see both (FEP-044f)."""
    return await _answer(request, quoting.authorization, request.path_params["username"], path_id(request))


async def custom_emoji(request: Request) -> Response:
    return await _answer(request, emoji.document, path_id(request))


async def own_followers(request: Request) -> Response:
    """The followers of the signer's host, for followers synchronisation (FEP-8fcf)."""
    return await _answer(request, synchronisation.partial_collection, request.path_params["username"])


async def featured(request: Request) -> Response:
    return await _answer(request, published.featured, request.path_params["username"])


async def featured_tags(request: Request) -> Response:
    return await _answer(request, collections.featured_tags, request.path_params["username"])


async def moderators(request: Request) -> Response:
    """Of a group."""
    return await _answer(request, groups.moderators, request.path_params["username"])


async def replies(request: Request) -> Response:
    username, post_id = request.path_params["username"], path_id(request)
    return await _answer(request, published.replies, username, post_id, _cursor(request))


async def history(request: Request) -> Response:
    """Public posts, newest first; or, of a peer that was restored, what would have been sent to it `since`."""
    if (wanted := missed.asked(request.query_params)) is not None:
        return await _answer(request, missed.collection, wanted)
    return await _answer(request, published.history, _cursor(request))


async def context(request: Request) -> Response:
    """The conversation that a post of ours began (FEP-7888)."""
    username, post_id = request.path_params["username"], path_id(request)
    return await _answer(request, published.conversation, username, post_id, _cursor(request))


async def tag_collection(request: Request) -> Response:
    return await _answer(request, published.tagged, normalise_tag(request.path_params["name"]), _cursor(request))


def _collection(rule: Callable[[Tx, str, Cursor | None], dict[str, Any]]) -> Callable[[Request], Any]:
    async def collection(request: Request) -> Response:
        return await _answer(request, rule, request.path_params["username"], _cursor(request))

    return collection


def _cursor(request: Request) -> Cursor | None:
    return parse_cursor(request.query_params)


async def _answer(request: Request, rule: Callable[..., dict[str, Any]], *args: Any) -> Response:
    viewer = await _viewer(request)
    try:
        return _as2(await parts_of(request).node.read_as(viewer, rule, *args))
    except Gone as gone:
        return _gone(gone)


def _as2(document: dict[str, Any], status: int = 200) -> Response:
    return JSONBytes(msgspec.json.encode(document), status, _HEADERS | _type())


def _gone(gone: Gone) -> Response:
    return _as2(gone.document, 410)


def _type() -> dict[str, str]:
    return {"Content-Type": AP_TYPE}


# --- whom to answer how ------------------------------------------------------


def prefers_as2(scope: Scope, *, default: bool = True) -> bool:
    """Whether the Accept header asks for ActivityStreams rather than for a page. `default`: if it asks for neither."""
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1").lower()
    best, answer = 0.0, default
    for part in accept.split(",")[:20]:
        kind, weight = part.partition(";")[0].strip(), _weight(part)
        if weight > best and (is_as2(part.strip()) or kind in (_FALLBACK, "application/ld+json")):
            best, answer = weight, True
        elif weight > best and kind in ("text/html", "application/xhtml+xml"):
            best, answer = weight, False
    return answer


def _weight(part: str) -> float:
    _, found, value = part.partition("q=")
    try:
        return float(value.split(";")[0]) if found else 1.0
    except ValueError:
        return 0.0


def _to_page(request: Request, path: str) -> Response:
    """303 to the page that people read: always on our own configured base."""
    return RedirectResponse(parts_of(request).urls.base + path, 303, {"Vary": "Accept"})
