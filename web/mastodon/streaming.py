"""Streams.

    WebSocket /api/v1/streaming                     many streams on one connection: subscribe and unsubscribe
    WebSocket /api/v1/streaming?stream=user         from the start
    GET       /api/v1/streaming/{user,…}            server-sent events
    GET       /api/v1/streaming/health

Streams: user, user:notification, public, public:local, public:remote (each also :media), hashtag, hashtag:local (with
`tag`), list (with `list`, its id), direct. Events: update, status.update, delete, notification, conversation (on direct
alone), filters_changed (on user). Server-sent events have ids; who comes back with Last-Event-ID is first sent
what came meanwhile. The token comes as Authorization, `?access_token=`, or Sec-WebSocket-Protocol, which is
echoed. Nobody listens without one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from activitypub.errors import ProtocolError
from node import auth, eventlog, lists
from node.errors import Forbidden, Invalid, NodeError, NotFound, Unauthorized
from node.eventlog import Cursor
from node.secrets import token_hash
from node.text import normalise_tag
from node.viewer import Kind, Viewer
from web import errors, params
from web import identity as api
from web.errors import TooMany, WebError
from web.mastodon.answers import path_name
from web.mastodon.connections import GOING_AWAY, MAX_SUBSCRIPTIONS, Connection, Frame, Stream
from web.mastodon.state import state_of
from web.parts import parts_of

POSTS, NOTIFICATIONS, LISTS = "read:statuses", "read:notifications", "read:lists"
HEARTBEAT_SECONDS = 15.0
CLOSE_SECONDS = 5.0
MAX_TAG = 255

_OPEN = ("public", "public:local", "public:remote")
_NEEDS = {
    "user": POSTS,
    "user:notification": NOTIFICATIONS,
    "direct": POSTS,
    "list": LISTS,
    "hashtag": POSTS,
    "hashtag:local": POSTS,
    **{f"{name}{media}": POSTS for name in _OPEN for media in ("", ":media")},
}
"""Stream -> the scope that it takes."""
_PATH = "/api/v1/streaming"
_EVENT_STREAM = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def routes() -> list[BaseRoute]:
    return [
        WebSocketRoute(_PATH, websocket),
        WebSocketRoute(f"{_PATH}/", websocket),
        Route(f"{_PATH}/health", health),
        Route(f"{_PATH}/{{kind}}", server_sent),
        Route(f"{_PATH}/{{kind}}/{{part}}", server_sent),
    ]


async def health(_request: Request) -> Response:
    return PlainTextResponse("OK")


# --- who listens


async def _listener(connection: HTTPConnection, token: str | None) -> Viewer:
    """The person whose token this is. Raises Unauthorized, TooMany."""
    if not token:
        raise Unauthorized()
    parts = parts_of(connection)
    viewer = await parts.node.read(auth.authenticate, token_hash(token))
    if viewer.kind is not Kind.PERSON or viewer.account_id is None:
        raise Unauthorized()
    budget = parts.limiter.take("streams", viewer.account_id, parts.settings.limits.streams_per_account)
    if budget is not None and budget.exceeded:
        raise TooMany(parts.limiter.seconds_left(budget))
    return viewer


def _connection(viewer: Viewer) -> Connection:
    return Connection(viewer, auth.covers(viewer.scopes, POSTS), auth.covers(viewer.scopes, NOTIFICATIONS))


async def _stream(at: HTTPConnection, viewer: Viewer, name: str, tag: str, list_id: str) -> Stream:
    """Raises NotFound for a stream or list there is not, Invalid for a tag that is none, Forbidden outside the scopes."""
    scope = _NEEDS.get(name)
    if scope is None:
        raise NotFound("Unknown stream type")
    if not auth.covers(viewer.scopes, scope):
        raise Forbidden("This action is outside the authorized scopes")
    if name == "list":
        return await _list_stream(at, viewer, list_id)
    if not name.startswith("hashtag"):
        return Stream(name)
    wanted = normalise_tag(tag) if len(tag) <= MAX_TAG else ""
    if not wanted:
        raise Invalid("tag is missing", "tag")
    return Stream(name, tag, wanted)


async def _list_stream(at: HTTPConnection, viewer: Viewer, list_id: str) -> Stream:
    if not list_id:
        raise Invalid("list is missing", "list")
    row = await parts_of(at).node.glance_as(viewer, lists.get, params.id_of(list_id))
    return Stream("list", str(row.id), str(row.id))


# --- WebSocket


class _Message(msgspec.Struct):
    """What a client sends."""

    type: str
    stream: str = ""
    tag: str = ""
    list: str | int = ""


async def websocket(socket: WebSocket) -> None:
    offered: list[str] = socket.scope.get("subprotocols") or []
    header = api.token_of(socket)
    try:
        viewer = await _listener(socket, header or (offered[0] if offered else None))
        connection = _connection(viewer)
        asked = socket.query_params
        name = asked.get("stream")
        if name:
            connection.streams.add(await _stream(socket, viewer, name, asked.get("tag", ""), asked.get("list", "")))
    except (NodeError, WebError, ProtocolError) as error:
        await socket.send_denial_response(errors.as_json(errors.describe(error)))
        return
    async with state_of(socket).hub.joined(connection):
        await socket.accept(subprotocol=offered[0] if offered else None)
        await _converse(socket, connection)
    # A client that takes nothing would not take this either.
    with contextlib.suppress(TimeoutError, RuntimeError, OSError, WebSocketDisconnect):
        async with asyncio.timeout(CLOSE_SECONDS):
            await socket.close(connection.ended or GOING_AWAY)


async def _converse(socket: WebSocket, connection: Connection) -> None:
    """Send and listen until either side ends."""
    work = (_send(socket, connection), _listen(socket, connection), connection.over.wait())
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send(socket: WebSocket, connection: Connection) -> None:
    while True:
        await socket.send_text(_text(await connection.frame()))


def _text(frame: Frame) -> str:
    body = {"stream": frame.stream, "event": frame.event}
    return msgspec.json.encode(body if frame.payload is None else body | {"payload": frame.payload}).decode()


async def _listen(socket: WebSocket, connection: Connection) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        try:
            await _obey(socket, connection, _read(message.get("text")))
        except NodeError as error:
            failure = errors.describe(error)
            await socket.send_text(msgspec.json.encode({"error": failure.message, "status": failure.status}).decode())


def _read(text: str | None) -> _Message:
    try:
        return msgspec.json.decode(text or "", type=_Message)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise Invalid("The message cannot be read") from error


async def _obey(socket: WebSocket, connection: Connection, message: _Message) -> None:
    stream = await _stream(socket, connection.viewer, message.stream, message.tag, str(message.list))
    if message.type == "unsubscribe":
        connection.streams.discard(stream)
    elif message.type != "subscribe":
        raise Invalid("type must be subscribe or unsubscribe", "type")
    elif len(connection.streams) >= MAX_SUBSCRIPTIONS:
        raise Invalid(f"There are {MAX_SUBSCRIPTIONS} subscriptions on this connection already")
    else:
        connection.streams.add(stream)


# --- server-sent events


async def server_sent(request: Request) -> Response:
    parts = [path_name(request, name) for name in ("kind", "part") if name in request.path_params]
    asked = params.query(request)
    name = ":".join(parts)
    if name.startswith("public") and asked.flag("only_media"):
        name += ":media"
    viewer = await _listener(request, api.token_of(request))
    connection = _connection(viewer)
    connection.streams.add(await _stream(request, viewer, name, asked.text("tag"), asked.text("list")))
    since = eventlog.parsed(request.headers.get("last-event-id", ""), parts_of(request).node.now())
    return StreamingResponse(_events(request, connection, since), media_type="text/event-stream", headers=_EVENT_STREAM)


async def _events(request: Request, connection: Connection, since: Cursor | None) -> AsyncIterator[str]:
    hub = state_of(request).hub
    async with hub.joined(connection):
        yield ":)\n\n"
        if since is not None:
            async for frame in hub.missed(connection, since):
                yield _event(frame)
        over = asyncio.create_task(connection.over.wait())
        waiting: asyncio.Task[Frame] | None = None
        try:
            while not over.done():
                waiting = waiting or asyncio.create_task(connection.frame())
                done, _ = await asyncio.wait(
                    {over, waiting}, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if waiting in done:
                    frame, waiting = waiting.result(), None
                    yield _event(frame)
                elif not done:
                    yield ":thump\n\n"
        finally:
            over.cancel()
            if waiting is not None:
                waiting.cancel()


def _event(frame: Frame) -> str:
    """No block is an id alone, although the standard allows it: Mastodon.py stumbles over what has no data."""
    position = "" if frame.position is None else f"id: {eventlog.written(frame.position)}\n"
    return f"event: {frame.event}\n{position}data: {frame.payload or ''}\n\n"
