"""Importing posts that were written elsewhere: `corridor import`.

lines    what a file says, line by line
people   who of them is ours, who is a peer's
posts    what becomes of a line
storing  a batch of them in one transaction

The file is read twice: first for who is who, then for the posts, some of them in each transaction, so that a server beside
it stays usable: nobody else writes meanwhile. What can be worked out without the database is worked out in between, when
everybody may write.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from node.errors import NodeError
from node.importing import people
from node.importing.lines import BadLine, Line, Reader, parse
from node.importing.people import Addresses, Selection, Survey, settle
from node.importing.posts import Maker, Ready, parts
from node.importing.storing import Stored, store
from node.runtime import Node, Tx

__all__ = ["BATCH", "BadLine", "Outcome", "Selection", "run"]

BATCH = 250
"""Weight of one transaction, see `Ready.weight`: some 15 ms on a machine that has nothing else to do."""
EVERY = 250
"""Lines between two reports of progress."""
LISTED = 1000
"""Bad lines that are kept for the report; beyond, they are counted."""
DAY_MS = 86_400_000

Progress = Callable[[int, int], None]
"""(bytes done, bytes in all)"""


@dataclass
class Outcome:
    """What an import did. `elsewhere` are lines of departments that take no part, or that nobody here endorsed."""

    stored: Stored = field(default_factory=Stored)
    accounts: int = 0
    remote_accounts: int = 0
    elsewhere: int = 0
    unplaced_endorsements: int = 0
    """Boosts and favourites on posts that came along, by people who have no account here."""
    bad: int = 0
    bad_lines: list[tuple[int, str]] = field(default_factory=list)

    def note_bad(self, number: int, reason: str) -> None:
        self.bad += 1
        if len(self.bad_lines) < LISTED:
            self.bad_lines.append((number, reason))


async def run(
    node: Node,
    path: Path,
    selection: Selection,
    *,
    endorsement_lag_days: float = 0.0,
    progress: Progress = lambda _done, _all: None,
) -> Outcome:
    """Import a file. Bad lines are left out and listed; what is there already stays as it is. Raises Invalid, OSError."""
    survey = _survey(path, node.now(), progress)
    outcome = Outcome()
    directory = await settle(node, survey, selection)
    outcome.accounts, outcome.remote_accounts = directory.made, directory.made_remote
    maker = Maker(node, directory, Addresses(node.settings), lag=int(endorsement_lag_days * DAY_MS))
    await _Import(node, maker, survey, selection, outcome).go(path, progress)
    await node.write(_audit, path.name, outcome)
    return outcome


def _survey(path: Path, now: int, progress: Progress) -> Survey:
    """The first reading; what cannot be read is said in the second."""
    survey, reader = Survey(), Reader(path)
    for number, raw in reader:
        try:
            survey.note(parse(raw, now=now))
        except BadLine:
            continue
        finally:
            if number % EVERY == 0:
                progress(reader.position // 10, reader.size)  # a tenth of the way: this reading is the quick one
    return survey


class _Import:
    """The second reading.

    One batch after the other, none prepared while another is written: the interpreter runs one thread at a time, so that
    would only make transactions last longer.
    """

    def __init__(self, node: Node, maker: Maker, survey: Survey, selection: Selection, outcome: Outcome) -> None:
        self._node = node
        self._maker = maker
        self._survey = survey
        self._selection = selection
        self._outcome = outcome

    async def go(self, path: Path, progress: Progress) -> None:
        reader = Reader(path)
        batch: dict[str, Ready] = {}
        weight = 0
        for number, raw in reader:
            one = self._ready(number, raw)
            if one is not None and one.line.id in batch:
                self._outcome.note_bad(number, f"id {one.line.id!r} was used by a line just before")
            elif one is not None:
                if batch and weight + one.weight > BATCH:
                    await self._store(list(batch.values()))
                    batch, weight = {}, 0
                batch[one.line.id] = one
                weight += one.weight
            if number % EVERY == 0:
                progress(reader.size // 10 + reader.position * 9 // 10, reader.size)
        await self._store(list(batch.values()))
        progress(reader.size, reader.size)

    def _ready(self, number: int, raw: bytes) -> Ready | None:
        try:
            line = parse(raw, now=self._node.now())
            if self._takes_part(line):
                one = self._maker.ready(line)
                self._outcome.unplaced_endorsements += 0 if one is None else self._unplaced(line)
                self._outcome.elsewhere += one is None
                return one
        except (BadLine, NodeError) as error:
            self._outcome.note_bad(number, str(error))
            return None
        self._outcome.elsewhere += 1
        return None

    def _takes_part(self, line: Line) -> bool:
        """Raises BadLine for an author of ours whose id cannot be a user name."""
        if line.author in self._maker.directory.people:
            return True
        if "@" not in line.author and self._selection.place(self._survey.department(line.author)) is not None:
            people.username(line.author)
        return False

    def _unplaced(self, line: Line) -> int:
        return sum(self._maker.directory.find(person) is None for person in line.endorsers)

    async def _store(self, batch: Sequence[Ready]) -> None:
        for part in parts(await self._maker.render(batch), BATCH):
            self._outcome.stored.add(await self._node.write(store, part, self._maker.addresses))


def _audit(tx: Tx, name: str, outcome: Outcome) -> None:
    detail = {"accounts": outcome.accounts, "posts": outcome.stored.posts, "remote_posts": outcome.stored.remote_posts}
    tx.audit("posts.import", name, detail)
