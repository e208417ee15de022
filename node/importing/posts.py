"""Lines of an import file on their way to become posts: whose they are, what they say, where they will be.

Ids are made from the time and the ids in the file, so that every node that imports the same file gives the same post the
same address, and copies of it elsewhere are copies of that post.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Row

from activitypub.audience import Visibility
from node import accounts, search, text
from node.accounts.finding import acct
from node.drafts import MAX_MENTIONS
from node.ids import COUNTER_BITS, floor_id
from node.importing.lines import VISIBILITIES, BadLine, Endorsement, Line, millis
from node.importing.people import Addresses, Directory, Person
from node.runtime import Node
from node.text import MentionRef, normalise_tag

CHARACTERS = 500
"""So much text weighs as much as a row."""


@dataclass(frozen=True, slots=True)
class Endorsed:
    """`person` boosted or favourited a post at `at` (ms)."""

    person: Person
    at: int


@dataclass(frozen=True, slots=True)
class Ready:
    """A post with everything that could be worked out without a transaction."""

    line: Line
    author: Person
    post_id: int
    iri: str
    written: text.Written
    names: tuple[str, ...]
    """Of its tags, as written."""
    boosts: tuple[Endorsed, ...]
    favourites: tuple[Endorsed, ...]
    content: str = ""
    mention_ids: tuple[int, ...] = ()
    entry: str = ""
    """What search finds it by, as of `search.entry`."""
    again: bool = False
    """Further boosts and favourites of a post that was handed over before."""

    @property
    def weight(self) -> int:
        """About how long it takes to store: rows of posts, boosts and favourites, and the text that is to be indexed."""
        return (0 if self.again else 1 + len(self.line.text) // CHARACTERS) + len(self.boosts) + len(self.favourites)

    @property
    def visibility(self) -> Visibility:
        return VISIBILITIES[self.line.visibility]

    @property
    def plain(self) -> str:
        """What search finds it by: tags that the text does not show, too."""
        shown = {tag.name for tag in self.written.tags}
        hidden = [f"#{name}" for name in self.names if normalise_tag(name) not in shown]
        return "\n".join(part for part in (self.line.spoiler, self.line.text, " ".join(hidden)) if part)


@dataclass(frozen=True, slots=True)
class Maker:
    """Prepares lines. `lag` (ms) dates boosts and favourites that carry no time."""

    node: Node
    directory: Directory
    addresses: Addresses
    lag: int = 0

    def ready(self, line: Line) -> Ready | None:
        """None for a post of a peer's that nobody here boosted or favourited. Raises BadLine."""
        author = self.directory.find(line.author)
        if author is None:
            raise BadLine(f"the account of {line.author[:60]!r} was deleted or suspended here")
        boosts, favourites = self._endorsed(line, line.boosts, author), self._endorsed(line, line.favourites, author)
        if author.domain is not None and not (boosts or favourites):
            return None
        if VISIBILITIES[line.visibility] > Visibility.UNLISTED:
            boosts = ()
        settings = self.node.settings
        written = text.analyse(line.text, local_domain=author.domain or settings.node.domain)
        if written.length > settings.posts.max_characters:
            raise BadLine(
                f"text has {written.length} characters, posts.max_characters is {settings.posts.max_characters}"
            )
        post_id, iri = self._identity(line, author)
        names = tuple(tag.display for tag in written.tags) + tuple(name.lstrip("#＃") for name in line.tags)
        return Ready(line, author, post_id, iri, written, names, boosts, favourites)

    async def render(self, batch: Sequence[Ready]) -> list[Ready]:
        """With HTML, the people whom the texts mention, and what the search index will hold."""
        refs = {ref for one in batch for ref in map(self._absolute(one), one.written.mentions)}
        people = await self.node.read(accounts.resolve, sorted(refs, key=repr)) if refs else {}
        return [self._rendered(one, people) for one in batch]

    def _rendered(self, one: Ready, people: dict[tuple[str, str | None], Row[Any]]) -> Ready:
        absolute = self._absolute(one)
        found: dict[tuple[str, str | None], Row[Any]] = {}
        for ref in one.written.mentions[:MAX_MENTIONS]:
            whole = absolute(ref)
            row = people.get((whole.username, whole.domain))
            if row is not None and row.iri != self.node.urls.node_actor and not (one.line.local_only and row.domain):
                found[ref.username, ref.domain] = row
        links = {key: (row.url, acct(row)) for key, row in found.items()}
        content = text.render(one.line.text, one.written, links, self.addresses.of(one.author.domain).tag_page)
        entry = search.entry(one.plain, "sqlite" if self.node.settings.is_sqlite else "postgresql")
        return replace(one, content=content, mention_ids=tuple({row.id: None for row in found.values()}), entry=entry)

    def _absolute(self, one: Ready) -> Any:
        """Mentions of a peer's post, as seen from here."""
        own = self.node.settings.node.domain
        domain = one.author.domain

        def absolute(ref: MentionRef) -> MentionRef:
            there = ref.domain or domain
            return MentionRef(ref.username, None if there == own else there, 0, 0)

        return absolute

    def _endorsed(self, line: Line, said: Sequence[str | Endorsement], author: Person) -> tuple[Endorsed, ...]:
        """Each person once. On a peer's post, only people of this node; on a department post, nobody else either."""
        found: dict[int, Endorsed] = {}
        for one in said:
            by, at = (one, None) if isinstance(one, str) else (one.by, one.at)
            person = self.directory.find(by)
            if person is None or (person.domain is not None and (author.domain is not None or _is_close(line))):
                continue
            moment = line.at + self.lag if at is None else max(millis(at), 0)
            found.setdefault(person.account_id, Endorsed(person, min(moment, self.node.now())))
        return tuple(found.values())

    def _identity(self, line: Line, author: Person) -> tuple[int, str]:
        """(id, IRI). An export says where the post was; if that was here, or at its author's peer, there it stays."""
        urls = self.addresses.of(author.domain)
        post_id = stable_id(line.at, "post", line.id)
        if line.uri is None or urlsplit(line.uri).netloc.lower() != urls.domain:
            return post_id, urls.post(author.username, post_id)
        if author.domain is not None:
            return post_id, line.uri
        last = line.uri.rpartition("/")[2]
        former = int(last) if last.isascii() and last.isdigit() and len(last) <= 18 else 0
        if line.uri == urls.post(author.username, former) and former >= floor_id(0):
            return former, line.uri
        return post_id, urls.post(author.username, post_id)


def parts(batch: Sequence[Ready], limit: int) -> Iterator[list[Ready]]:
    """The batch in parts that weigh no more than `limit`: boosts and favourites beyond it follow their post."""
    part: list[Ready] = []
    weight = 0
    for one in batch:
        for piece in _pieces(one, limit):
            if part and weight + piece.weight > limit:
                yield part
                part, weight = [], 0
            part.append(piece)
            weight += piece.weight
    if part:
        yield part


def _pieces(one: Ready, limit: int) -> Iterator[Ready]:
    if len(one.boosts) + len(one.favourites) <= limit:
        yield one
        return
    yield replace(one, boosts=(), favourites=())
    for start in range(0, len(one.boosts), limit):
        yield replace(one, boosts=one.boosts[start : start + limit], favourites=(), again=True)
    for start in range(0, len(one.favourites), limit):
        yield replace(one, boosts=(), favourites=one.favourites[start : start + limit], again=True)


def stable_id(at: int, *names: str) -> int:
    """The same id for the same names, wherever it is made. Times in whole seconds are spread over the second."""
    number = int.from_bytes(hashlib.blake2b("\0".join(names).encode("utf-8"), digest_size=8).digest())
    spread = at + number % 1000 if at % 1000 == 0 else at
    return floor_id(spread) + (number >> 16) % (1 << COUNTER_BITS)


def _is_close(line: Line) -> bool:
    """Whether people of peers could not have seen it, or not all of them."""
    return line.local_only or VISIBILITIES[line.visibility] > Visibility.UNLISTED
