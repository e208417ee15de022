"""The streams of one application: who is connected to what, and one reader of the event log for all of them.

The reader runs while anybody is connected. For each batch of events one read transaction finds the recipients and
renders for them; then every connection gets its frames, which its own task sends. A connection that does not take them
is closed: the client asks for what it missed when it comes back.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field

import structlog

from node import streams
from node.bell import EVENT, Listener
from node.runtime import Tx
from node.streams import Batch, Cursor, Ended, Listeners, PostNews
from node.viewer import Viewer
from web.mastodon import conversations, loading
from web.mastodon.entities import Posts, Renderer
from web.parts import Parts

QUEUE = 200
"""Frames that may wait for one connection."""
MAX_SUBSCRIPTIONS = 100
LOOK_SECONDS = 1.0
"""How often the log is looked at without a bell."""
CHECK_SECONDS = 60.0
"""How often it is asked whether the tokens are still good, for what no event told."""

GOING_AWAY, REFUSED, TOO_SLOW = 1001, 1008, 1013


@dataclass(frozen=True, slots=True)
class Stream:
    """One subscription: a name of the API, of tags and lists with which (`wanted` normalised, `tag` as asked for)."""

    name: str
    tag: str = ""
    wanted: str = ""

    @property
    def label(self) -> list[str]:
        return [self.name, self.tag] if self.tag else [self.name]

    @property
    def is_open(self) -> bool:
        return self.name.startswith(("public", "hashtag"))

    @property
    def is_own(self) -> bool:
        """Brings what its person is told."""
        return self.name in ("user", "user:notification")

    def takes(self, news: PostNews, account_id: int) -> bool:
        if self.name == "user":
            return account_id in news.home
        if self.name == "list":
            return int(self.wanted) in news.lists
        if not self.is_open or account_id not in news.open:
            return False
        kind, *narrower = self.name.split(":")
        belongs = self.wanted in news.tags if kind == "hashtag" else news.is_public
        return belongs and all(_narrow(word, news) for word in narrower)


def _narrow(word: str, news: PostNews) -> bool:
    if word == "media":
        return news.has_media is not False
    return news.local is not (word == "remote")  # None, not known any more, is for both


@dataclass(frozen=True, slots=True)
class Frame:
    """One event for one subscription. `payload` is text: JSON, or the bare id of what is gone; or
    there is none."""

    stream: list[str]
    event: str
    payload: str | None


@dataclass(eq=False, slots=True)
class Connection:
    """One client. `hears_…` say what its token is good for."""

    viewer: Viewer
    hears_posts: bool
    hears_notifications: bool
    streams: set[Stream] = field(default_factory=set)
    filters_rev: int = 0
    """Of the filters that are in force: those of the viewer, until they change."""
    ended: int | None = None
    """The WebSocket close code, once it is to end."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set with `ended`."""
    _frames: asyncio.Queue[Frame] = field(default_factory=lambda: asyncio.Queue(QUEUE))

    def __post_init__(self) -> None:
        self.filters_rev = self.viewer.filters_rev

    @property
    def account_id(self) -> int:
        return self.viewer.account_id or 0

    def offer(self, frame: Frame) -> None:
        """Queue a frame; a client for whom too many wait is ended."""
        if self.ended is not None:
            return
        try:
            self._frames.put_nowait(frame)
        except asyncio.QueueFull:
            self.end(TOO_SLOW)

    def end(self, code: int) -> None:
        if self.ended is None:
            self.ended = code
            self.over.set()

    async def frame(self) -> Frame:
        """The next one that is to be sent."""
        return await self._frames.get()


@dataclass(frozen=True, slots=True)
class Rendered:
    """A batch with what is to be sent, ready-made on the database's thread."""

    batch: Batch
    posts: dict[tuple[int, int], str]
    """(post id, account id) -> Status."""
    notifications: list[tuple[int, str]]
    """(account id, Notification)."""
    conversations: list[tuple[int, str]]
    """(account id, Conversation)."""

    def text(self, news: PostNews, account_id: int) -> str | None:
        """The payload for one listener."""
        return str(news.post_id) if news.kind == "delete" else self.posts.get((news.post_id, account_id))


class Hub:
    """On the event loop; only `_taken` runs on a database thread."""

    def __init__(self, parts: Parts, renderer: Renderer) -> None:
        self._parts = parts
        self._renderer = renderer
        self._connections: set[Connection] = set()
        self._running: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._ready.set()

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
        """While inside, the connection hears of everything that happens from now on."""
        self._connections.add(connection)
        try:
            if self._parts.stopping.is_set():
                connection.end(GOING_AWAY)
            elif self._running is None:
                self._ready = asyncio.Event()
                self._running = asyncio.create_task(self._run(self._ready))
            await self._ready.wait()
            yield
        finally:
            self._connections.discard(connection)

    # --- the reader

    async def _run(self, ready: asyncio.Event) -> None:
        watching = asyncio.create_task(self._watch(self._running))
        try:
            with self._parts.node.bell.listen(EVENT) as bell:
                await self._read(bell, ready)
        finally:
            # Nothing is awaited since the last connection was seen to be gone: whoever comes now starts another reader.
            self._running = None
            watching.cancel()
            ready.set()

    async def _watch(self, reader: "asyncio.Task[None] | None") -> None:
        """End everything when the server is asked to stop."""
        await self._parts.stopping.wait()
        for connection in list(self._connections):
            connection.end(GOING_AWAY)
        if reader is not None:
            reader.cancel()

    async def _read(self, bell: Listener, ready: asyncio.Event) -> None:
        node = self._parts.node
        cursor: Cursor | None = None
        checked = self._parts.monotonic()
        while self._connections:
            try:
                if cursor is None:
                    cursor = await node.read(streams.begin)
                    ready.set()
                await bell.wait(LOOK_SECONDS)
                cursor = await self._catch_up(cursor)
                if self._parts.monotonic() - checked > CHECK_SECONDS:
                    checked = self._parts.monotonic()
                    await self._check_tokens()
            except Exception as error:  # a database that is away for a moment must not end the streams for good
                structlog.get_logger("web").error("streams", exc_info=error)
                await asyncio.sleep(LOOK_SECONDS)

    async def _catch_up(self, cursor: Cursor) -> Cursor:
        while True:
            found = await self._parts.node.glance(self._taken, cursor, self._listeners(), self._revisions())
            self._deliver(found)
            cursor = found.batch.cursor
            if not found.batch.more:
                return cursor

    async def _check_tokens(self) -> None:
        tokens = {one.viewer.token_id for one in self._connections if one.viewer.token_id is not None}
        alive = await self._parts.node.glance(streams.alive, tokens)
        for connection in list(self._connections):
            if connection.viewer.token_id in tokens - alive:
                connection.end(REFUSED)

    def _listeners(self) -> Listeners:
        home: set[int] = set()
        notified: set[int] = set()
        open_: set[int] = set()
        lists: dict[int, int] = {}
        direct: set[int] = set()
        for connection in self._connections:
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

    def _revisions(self) -> dict[int, int]:
        """account id -> filters_rev, of those who have filters."""
        return {one.account_id: one.filters_rev for one in self._connections if one.filters_rev}

    # --- on a database thread

    def _taken(self, tx: Tx, cursor: Cursor, listeners: Listeners, revisions: dict[int, int]) -> Rendered:
        batch = streams.take(tx, cursor, listeners)
        revisions = revisions | dict(batch.filters)
        talks = batch.conversations
        shown = conversations.rendered(self._renderer, tx, talks, revisions) if talks else []
        heard = [(row.account_id, body.decode()) for row, body in zip(talks, shown, strict=True)]
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

    def _notifications(self, tx: Tx, batch: Batch, revisions: dict[int, int]) -> list[tuple[int, str]]:
        rows = batch.notifications
        if not rows:
            return []
        who = sorted({row.account_id for row in rows})
        shown = self._renderer.notifications_of(
            tx,
            rows,
            lambda row: int(row.account_id),
            who,
            revisions={one: revisions[one] for one in who if one in revisions},
            pushed=True,
        )
        return [(row.account_id, body.decode()) for row, body in zip(rows, shown, strict=True) if body]

    # --- to the connections

    def _deliver(self, found: Rendered) -> None:
        for ended in found.batch.ended:
            self._end(ended)
        for news in found.batch.news:
            for connection, stream in self._subscribed():
                if (connection.hears_posts or stream.name == "list") and stream.takes(news, connection.account_id):
                    text = found.text(news, connection.account_id)
                    if text is not None:
                        connection.offer(Frame(stream.label, news.kind, text))
        for account_id, text in found.notifications:
            for connection, stream in self._subscribed():
                if connection.account_id == account_id and connection.hears_notifications and stream.is_own:
                    connection.offer(Frame(stream.label, "notification", text))

        self._refresh_filters(found.batch)
        for account_id, text in found.conversations:
            for connection, stream in self._subscribed():
                if connection.account_id == account_id and stream.name == "direct":
                    connection.offer(Frame(stream.label, "conversation", text))

    def _refresh_filters(self, batch: Batch) -> None:
        for connection in self._connections:
            rev = batch.filters.get(connection.account_id)
            if rev is None:
                continue
            connection.filters_rev = rev
            for stream in connection.streams:
                if stream.name == "user":
                    connection.offer(Frame(stream.label, "filters_changed", None))

    def _end(self, ended: Ended) -> None:
        for connection in self._connections:
            viewer = connection.viewer
            by_token = ended.token_id is not None and ended.token_id == viewer.token_id
            if by_token or (ended.account_id is not None and ended.account_id == viewer.account_id):
                connection.end(REFUSED)

    def _subscribed(self) -> Iterator[tuple[Connection, Stream]]:
        for connection in self._connections:
            for stream in connection.streams:
                yield connection, stream


def _for_each(posts: Posts, post_id: int, people: Iterable[int], marks: loading.Marks) -> Iterator[tuple[int, str]]:
    """The Status for each reader; readers who see the same share the text."""
    shared: dict[bytes, str] = {}
    for one in people:
        body = posts.status(post_id, one, marks)
        text = shared.get(body)
        if text is None:
            text = shared[body] = body.decode()
        yield one, text
