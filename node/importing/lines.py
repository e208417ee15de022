"""Lines of an import file: JSON objects, one post each; read as a stream, plain or gzip, in constant memory.

A line has `id`, `author`, `created_at` (RFC 3339; UTC if it says nothing) and `text`; it may have `node` (the author's
department), `tags`, `links`, and `boosts` and `favourites`: who did, as an id or as `{"by": id, "at": time}`. What
`corridor export` adds is read as well: `in_reply_to` (the id of an earlier line), `visibility`, `local_only`, `spoiler`,
`sensitive`, `language`, `uri`. Anything else is ignored.
"""

import datetime
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from activitypub.audience import Visibility
from node.errors import Invalid
from node.schema.posts import REF_LENGTH

LINE_BYTES = 1024 * 1024
SLACK_MS = 60_000
"""How far in the future a post may be dated: clocks differ."""
MAX_ENDORSEMENTS = 10_000
MAX_TAGS = 200
MAX_LINKS = 200
MAX_TAG = 255
MAX_URL = 2048
MAX_NAME = 255
VISIBILITIES = {
    "public": Visibility.PUBLIC,
    "unlisted": Visibility.UNLISTED,
    "private": Visibility.FOLLOWERS,
    "direct": Visibility.DIRECT,
}

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MILLISECOND = datetime.timedelta(milliseconds=1)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_TAG = re.compile(r"[^\s#\x00-\x20\ud800-\udfff]+")
_LINK = re.compile(r"https?://[^\s\x00-\x20\ud800-\udfff]+")


class BadLine(Exception):
    """This line cannot be taken. `str(error)` says why."""


class Endorsement(msgspec.Struct, frozen=True):
    """Somebody boosted or favourited the post; without a time, it is dated by `--endorsement-lag`."""

    by: str
    at: datetime.datetime | None = None


class Line(msgspec.Struct, frozen=True):
    """One post as the file says it. Checked by `parse`."""

    id: str
    author: str
    created_at: datetime.datetime
    text: str
    node: str | None = None
    tags: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    boosts: tuple[str | Endorsement, ...] = ()
    favourites: tuple[str | Endorsement, ...] = ()
    in_reply_to: str | None = None
    visibility: str = "public"
    local_only: bool = False
    spoiler: str = ""
    sensitive: bool = False
    language: str | None = None
    uri: str | None = None

    @property
    def at(self) -> int:
        """When it was published, ms."""
        return millis(self.created_at)

    @property
    def endorsers(self) -> Iterator[str]:
        for one in (*self.boosts, *self.favourites):
            yield one if isinstance(one, str) else one.by


def millis(moment: datetime.datetime) -> int:
    """ms since 1970; a time without a zone is UTC."""
    return ((moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)) - _EPOCH) // _MILLISECOND


def parse(raw: bytes, *, now: int) -> Line:
    """One line, checked; `now` in ms. Raises BadLine."""
    if len(raw) > LINE_BYTES:
        raise BadLine(f"longer than {LINE_BYTES} bytes")
    try:
        line = _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise BadLine(str(error) or "cannot be read") from error
    _check(line, now)
    return line


def _check(line: Line, now: int) -> None:
    if not 0 < len(line.id) <= REF_LENGTH or _UNSTORABLE.search(line.id):
        raise BadLine(f"id must have 1 to {REF_LENGTH} characters")
    if not 0 <= line.at <= now + SLACK_MS:
        raise BadLine(f"created_at {line.created_at.isoformat()} is not between 1970 and now")
    if line.visibility not in VISIBILITIES:
        raise BadLine(f"visibility {line.visibility!r} is none of {', '.join(VISIBILITIES)}")
    if not line.text.strip() and not line.spoiler.strip():
        raise BadLine("has no text")
    if _UNSTORABLE.search(line.text) or _UNSTORABLE.search(line.spoiler):
        raise BadLine("text contains characters that cannot be stored")
    if len(line.tags) > MAX_TAGS or not all(len(tag) <= MAX_TAG and _TAG.fullmatch(_bare(tag)) for tag in line.tags):
        raise BadLine(f"tags must be at most {MAX_TAGS} words without spaces")
    if len(line.links) > MAX_LINKS or not all(len(link) <= MAX_URL and _LINK.fullmatch(link) for link in line.links):
        raise BadLine(f"links must be at most {MAX_LINKS} http addresses")
    if len(line.boosts) + len(line.favourites) > MAX_ENDORSEMENTS:
        raise BadLine(f"has more than {MAX_ENDORSEMENTS} boosts and favourites")
    if line.language is not None and not 0 < len(line.language) <= 35:
        raise BadLine("language must have 1 to 35 characters")


def _bare(tag: str) -> str:
    return tag.lstrip("#＃")


_DECODER = msgspec.json.Decoder(Line)


class Reader:
    """The lines of a file with their numbers; `position` says how far reading has come in the `size` bytes of the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self.size = path.stat().st_size

    @property
    def position(self) -> int:
        return self.size if self._file is None else self._file.tell()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """(number, line), empty lines left out. Raises Invalid for a compressed file that is damaged."""
        with self._path.open("rb") as file:
            self._file = file
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            number = 0
            try:
                stream = gzip.GzipFile(fileobj=file) if compressed else file
                for number, raw in enumerate(_lines(stream), start=1):
                    if raw.strip():
                        yield number, raw
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise Invalid(f"{self._path} is damaged after line {number}: {error}") from error
            finally:
                self._file = None


def _lines(stream: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    """Lines of at most a little over LINE_BYTES: of longer ones the beginning, which `parse` refuses."""
    while raw := stream.readline(LINE_BYTES + 1):
        yield raw
        while not raw.endswith(b"\n") and (raw := stream.readline(LINE_BYTES)):
            pass
