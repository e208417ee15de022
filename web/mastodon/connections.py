"""One client that listens: what it subscribed to, and the frames that wait for it."""

import asyncio
from dataclasses import dataclass, field

from node.eventlog import Cursor
from node.streams import PostNews
from node.viewer import Viewer

QUEUE = 200
"""Frames that may wait for one connection."""
MAX_SUBSCRIPTIONS = 100
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
    position: Cursor | None = None
    """Whoever has taken this frame has had everything up to here; None: there is more of the same batch."""


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
    since: Cursor | None = None
    """What happened from here on comes by itself; set when the hub has taken the connection in."""
    admitted: asyncio.Event = field(default_factory=asyncio.Event)
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
