"""The streams of one application: who is connected to what, and one reader of the event log for all of them.

The reader runs while anybody is connected. For each batch of events one read transaction finds the recipients and
renders for them; then every connection gets its frames, which its own task sends. A connection that does not take them
is closed: the client asks for what it missed when it comes back.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog
from sqlalchemy import Row

from node import eventlog, streams
from node.bell import EVENT, Listener
from node.eventlog import Cursor
from node.runtime import Tx
from node.streams import Batch, Ended, Listeners, PostNews
from web.mastodon import conversations, loading
from web.mastodon.connections import GOING_AWAY, REFUSED, Connection, Frame
from web.mastodon.entities import Posts, Renderer
from web.parts import Parts

MAX_MISSED = 20_000
"""Events of the log that are looked through for who comes back."""
LOOK_SECONDS = 1.0
"""How often the log is looked at without a bell."""
CHECK_SECONDS = 60.0
"""How often it is asked whether the tokens are still good, for what no event told."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A batch with what is to be sent, ready-made on the database's thread."""

    batch: Batch
    posts: dict[tuple[int, int], str]
    """(post id, account id) -> Status."""
    notifications: dict[int, list[str]]
    """account id -> each Notification."""
    conversations: dict[int, list[str]]
    """account id -> each Conversation."""

    def text(self, news: PostNews, account_id: int) -> str | None:
        """The payload for one listener."""
        return str(news.post_id) if news.kind == "delete" else self.posts.get((news.post_id, account_id))


class Hub:
    """On the event loop; only `_taken` runs on a database thread."""

    def __init__(self, parts: Parts, renderer: Renderer) -> None:
        self._parts = parts
        self._renderer = renderer
        self._connections: set[Connection] = set()
        self._waiting: set[Connection] = set()
        """Came while a batch was being read, without them among the listeners: they hear from its end on."""
        self._running: asyncio.Task[None] | None = None
        self._cursor: Cursor | None = None
        """How far the reader has read and told; None until it has begun."""
        self._is_taking = False

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def connections(self) -> frozenset[Connection]:
        return frozenset(self._connections)

    @property
    def is_reading(self) -> bool:
        return self._running is not None

    @contextlib.asynccontextmanager
    async def joined(self, connection: Connection) -> AsyncIterator[None]:
        """While inside, the connection hears of everything that happens from `connection.since` on."""
        try:
            self._waiting.add(connection)
            if self._parts.stopping.is_set():
                connection.end(GOING_AWAY)
                self._admit()
            elif self._running is None:
                self._running = asyncio.create_task(self._run())
            elif self._cursor is not None and not self._is_taking:
                self._admit()
            await connection.admitted.wait()
            yield
        finally:
            self._waiting.discard(connection)
            self._connections.discard(connection)

    async def missed(self, connection: Connection, since: Cursor) -> AsyncIterator[Frame]:
        """What the connection would have been sent from `since` until it joined, as far as the log reaches back and is not
        longer than MAX_MISSED."""
        until = connection.since
        if until is None:
            return
        cursor = Cursor(until.last - MAX_MISSED) if since.last < until.last - MAX_MISSED else since
        more = True
        while more and connection.ended is None:
            listeners, revisions = _listeners([connection]), _revisions([connection])
            found = await self._parts.node.read(self._taken, cursor, listeners, revisions, until)
            for frame in _frames(connection, found):
                yield frame
            cursor, more = found.batch.cursor, found.batch.more

    # --- the reader

    async def _run(self) -> None:
        watching = asyncio.create_task(self._watch(self._running))
        try:
            with self._parts.node.bell.listen(EVENT) as bell:
                await self._read(bell)
        finally:
            # Nothing is awaited since the last connection was seen to be gone: whoever comes now starts another reader.
            self._running = self._cursor = None
            watching.cancel()
            self._admit()

    async def _watch(self, reader: "asyncio.Task[None] | None") -> None:
        """End everything when the server is asked to stop."""
        await self._parts.stopping.wait()
        for connection in [*self._connections, *self._waiting]:
            connection.end(GOING_AWAY)
        if reader is not None:
            reader.cancel()

    async def _read(self, bell: Listener) -> None:
        checked = self._parts.monotonic()
        while self._connections or self._waiting:
            try:
                if self._cursor is None:
                    self._cursor = await self._parts.node.read(eventlog.begin)
                    self._admit()
                await bell.wait(LOOK_SECONDS)
                await self._catch_up(self._cursor)
                if self._parts.monotonic() - checked > CHECK_SECONDS:
                    checked = self._parts.monotonic()
                    await self._check_tokens()
            except Exception as error:  # a database that is away for a moment must not end the streams for good
                structlog.get_logger("web").error("streams", exc_info=error)
                await asyncio.sleep(LOOK_SECONDS)

    async def _catch_up(self, cursor: Cursor) -> None:
        more = True
        while more:
            self._is_taking = True
            try:
                listeners, revisions = _listeners(self._connections), _revisions(self._connections)
                found = await self._parts.node.glance(self._taken, cursor, listeners, revisions)
                self._deliver(found)
                self._cursor = cursor = found.batch.cursor
                more = found.batch.more
            finally:
                self._is_taking = False
                self._admit()

    def _admit(self) -> None:
        for connection in self._waiting:
            connection.since = self._cursor
            connection.admitted.set()
        self._connections |= self._waiting
        self._waiting.clear()

    async def _check_tokens(self) -> None:
        tokens = {one.viewer.token_id for one in self._connections if one.viewer.token_id is not None}
        alive = await self._parts.node.glance(streams.alive, tokens)
        for connection in list(self._connections):
            if connection.viewer.token_id in tokens - alive:
                connection.end(REFUSED)

    # --- on a database thread

    def _taken(
        self, tx: Tx, cursor: Cursor, listeners: Listeners, revisions: dict[int, int], until: Cursor | None = None
    ) -> Rendered:
        batch = streams.take(tx, cursor, listeners, until)
        revisions = revisions | dict(batch.filters)
        talks = batch.conversations
        shown = conversations.rendered(self._renderer, tx, talks, revisions) if talks else []
        heard = _by_account(talks, shown)
        return Rendered(batch, self._posts(tx, batch.news, revisions), self._notifications(tx, batch, revisions), heard)

    def _posts(self, tx: Tx, news: Iterable[PostNews], revisions: dict[int, int]) -> dict[tuple[int, int], str]:
        readers = {one.post_id: one.readers for one in news if one.kind != "delete"}
        who = sorted(set().union(*readers.values()))
        if not who:
            return {}
        posts = self._renderer.load(tx, list(readers), who)
        self._renderer.filter(tx, posts, {one: revisions[one] for one in who if one in revisions})
        marks = loading.marks(tx, who, posts.originals)
        return {
            (post_id, one): text
            for post_id, people in readers.items()
            if post_id in posts.faces
            for one, text in _for_each(posts, post_id, people, marks)
        }

    def _notifications(self, tx: Tx, batch: Batch, revisions: dict[int, int]) -> dict[int, list[str]]:
        rows = batch.notifications
        if not rows:
            return {}
        who = sorted({row.account_id for row in rows})
        shown = self._renderer.notifications_of(
            tx,
            rows,
            lambda row: int(row.account_id),
            who,
            revisions={one: revisions[one] for one in who if one in revisions},
            pushed=True,
        )
        return _by_account(rows, shown)

    # --- to the connections

    def _deliver(self, found: Rendered) -> None:
        for ended in found.batch.ended:
            self._end(ended)
        for connection in self._connections:
            for frame in _frames(connection, found):
                connection.offer(frame)

    def _end(self, ended: Ended) -> None:
        for connection in self._connections:
            viewer = connection.viewer
            by_token = ended.token_id is not None and ended.token_id == viewer.token_id
            if by_token or (ended.account_id is not None and ended.account_id == viewer.account_id):
                connection.end(REFUSED)


def _listeners(connections: Iterable[Connection]) -> Listeners:
    home: set[int] = set()
    notified: set[int] = set()
    open_: set[int] = set()
    lists: dict[int, int] = {}
    direct: set[int] = set()
    for connection in connections:
        for stream in connection.streams:
            if stream.is_open:
                open_.add(connection.account_id)
            elif stream.name == "user" and connection.hears_posts:
                home.add(connection.account_id)
            elif stream.name == "direct":
                direct.add(connection.account_id)
            elif stream.name == "list":
                lists[int(stream.wanted)] = connection.account_id
            if stream.is_own and connection.hears_notifications:
                notified.add(connection.account_id)
    return Listeners(home, notified, open_, lists, direct)


def _revisions(connections: Iterable[Connection]) -> dict[int, int]:
    """account id -> filters_rev, of those who have filters."""
    return {one.account_id: one.filters_rev for one in connections if one.filters_rev}


def _frames(connection: Connection, found: Rendered) -> list[Frame]:
    """What of a batch one connection is sent; the last one says how far that is. Filters that changed are in force then."""
    who = connection.account_id
    frames = [
        Frame(stream.label, news.kind, text)
        for news in found.batch.news
        for stream in connection.streams
        if (connection.hears_posts or stream.name == "list") and stream.takes(news, who)
        if (text := found.text(news, who)) is not None
    ]
    if connection.hears_notifications:
        told = found.notifications.get(who, ())
        own = [stream for stream in connection.streams if stream.is_own]
        frames += [Frame(stream.label, "notification", text) for text in told for stream in own]
    if (rev := found.batch.filters.get(who)) is not None:
        connection.filters_rev = rev
        own = [stream for stream in connection.streams if stream.name == "user"]
        frames += [Frame(stream.label, "filters_changed", None) for stream in own]
    talks = found.conversations.get(who, ())
    direct = [stream for stream in connection.streams if stream.name == "direct"]
    frames += [Frame(stream.label, "conversation", text) for text in talks for stream in direct]
    if frames:
        frames[-1] = replace(frames[-1], position=found.batch.cursor)
    return frames


def _by_account(rows: Sequence[Row[Any]], shown: Sequence[bytes]) -> dict[int, list[str]]:
    """What was rendered for each owner; nothing of what filters hide."""
    found: dict[int, list[str]] = {}
    for row, body in zip(rows, shown, strict=True):
        if body:
            found.setdefault(row.account_id, []).append(body.decode())
    return found


def _for_each(posts: Posts, post_id: int, people: Iterable[int], marks: loading.Marks) -> Iterator[tuple[int, str]]:
    """The Status for each reader; readers who see the same share the text."""
    shared: dict[bytes, str] = {}
    for one in people:
        body = posts.status(post_id, one, marks)
        text = shared.get(body)
        if text is None:
            text = shared[body] = body.decode()
        yield one, text
