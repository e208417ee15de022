"""`Node`: everything that a running department node consists of; `Tx`: what a rule gets to work with.

A rule is a plain function whose first argument is a Tx (design, decision 1):

    await node.write(posts.publish, draft, viewer=viewer)     # runs posts.publish(tx, draft) in one transaction

Leaving commits, raising rolls back. The transaction may be run a second time (a serialisation failure, a full disk inside a
group), so a rule must have no effect outside it.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, CursorResult, Executable, Row, insert

from node import db
from node.bell import EVENT, JOB, Bell
from node.company import Company
from node.config import Settings
from node.ids import Ids, Millis
from node.outgoing import Outgoing
from node.schema import audit_entry, event, job
from node.secrets import Vault
from node.urls import Urls
from node.viewer import SYSTEM, Viewer

P = ParamSpec("P")
T = TypeVar("T")
Clock = Callable[[], float]
"""Seconds since 1970, UTC."""

_INSERT_EVENT = insert(event)
_INSERT_JOB = insert(job)
_INSERT_AUDIT = insert(audit_entry)


class Tx:
    """One transaction, seen from a rule."""

    __slots__ = ("_statements", "conn", "node", "now", "rings", "viewer")

    def __init__(self, conn: Connection, node: "Node", viewer: Viewer, now: Millis) -> None:
        self.conn = conn
        self.node = node
        self.viewer = viewer
        self.now = now
        """When this transaction began: ms since 1970, UTC."""
        self.rings: set[str] = set()
        self._statements = node.storage.statements

    @property
    def settings(self) -> Settings:
        return self.node.settings

    @property
    def urls(self) -> Urls:
        return self.node.urls

    @property
    def outgoing(self) -> Outgoing:
        """Tells peers, within this transaction."""
        return self.node.outgoing

    @property
    def dialect(self) -> str:
        """ "sqlite" or "postgresql"."""
        return self.conn.dialect.name

    def new_id(self, at: int | None = None) -> int:
        """An id for something published at `at` (ms; default now)."""
        return self.node.ids.next(self.now if at is None else at)

    def execute(
        self, statement: Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any] | db.Changed:
        return self._statements.execute(self.conn, statement, values)

    def rows(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Sequence[Row[Any]]:
        return self._statements.rows(self.conn, statement, values)

    def first(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Row[Any] | None:
        return self._statements.first(self.conn, statement, values)

    def scalar(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Any:
        row = self._statements.first(self.conn, statement, values)
        return None if row is None else row[0]

    def scalars(self, statement: Executable, values: Mapping[str, Any] | None = None) -> list[Any]:
        return [row[0] for row in self._statements.rows(self.conn, statement, values)]

    def emit(self, kind: str, *, post_id: int | None = None, account_id: int | None = None, data: Any = None) -> None:
        """Append to the event log; streams hear of it after the commit."""
        values = {"kind": kind, "post_id": post_id, "account_id": account_id, "data": data, "at": self.now}
        self.execute(_INSERT_EVENT, values)
        self.rings.add(EVENT)

    def enqueue(self, kind: str, payload: Any, *, at: int | None = None, dedupe: str | None = None) -> None:
        """A job for the worker, run after the commit or at `at` (ms). With `dedupe`, at most one such job waits."""
        statement: Executable = _INSERT_JOB
        values = {"kind": kind, "payload": payload, "run_at": self.now if at is None else at, "dedupe": dedupe}
        if dedupe is not None:
            statement = db.insert_or_ignore(self.dialect, job, ["dedupe"])
        self.execute(statement, values)
        self.rings.add(JOB)

    def audit(
        self, action: str, target: str, detail: Mapping[str, Any] | None = None, *, actor: str | None = None
    ) -> None:
        """A line in the audit log. `actor` defaults to the viewer."""
        who = actor or (f"account:{self.viewer.account_id}" if self.viewer.account_id else self.viewer.kind.value)
        values = {"at": self.now, "actor": who, "action": action, "target": target, "detail": dict(detail or {})}
        self.execute(_INSERT_AUDIT, values)

    def ring(self, topic: str) -> None:
        """Ring the bell of `topic` after the commit."""
        self.rings.add(topic)


class Node:
    """Settings, storage, clock, ids, bell and secrets of one node. Several may live in one process.

    `node.assembly.open_node` makes one. `settings` are final; whoever wants others makes another Node.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        storage: db.Storage,
        vault: Vault,
        outgoing: Outgoing,
        clock: Clock = time.time,
        ids: Ids | None = None,
    ) -> None:
        self.settings = settings
        self.storage = storage
        self.vault = vault
        self.outgoing = outgoing
        self.clock = clock
        self.ids = ids or Ids()
        self.bell = Bell()
        self.urls = Urls(settings)
        self.company = Company(settings, clock)
        """Who is on the roster, as this process last read it."""
        self.relay: Callable[[Iterable[str]], None] | None = None
        """Tells other processes which bells rang (PostgreSQL)."""
        self.presence: int | None = None
        """The number under which other processes see this one alive (PostgreSQL, `node.presence`)."""
        self._parts: dict[type[Any], Any] = {}

    def part(self, kind: type[T]) -> T:
        """The one `kind` of this node, made when it is first asked for: what a feature keeps in memory."""
        found: T = self._parts.setdefault(kind, kind())
        return found

    def close(self) -> None:
        self.storage.close()

    @property
    def home(self) -> Path:
        return self.settings.home

    def now(self) -> Millis:
        return Millis(int(self.clock() * 1000))

    async def read(self, rule: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a rule that only reads, as the node itself. For somebody: `read_as`."""
        return await self.read_as(SYSTEM, rule, *args, **kwargs)

    async def write(self, rule: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.write_as(SYSTEM, rule, *args, **kwargs)

    async def read_as(
        self, viewer: Viewer, rule: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        now = self.now()
        return await self.storage.read(lambda conn: rule(Tx(conn, self, viewer, now), *args, **kwargs))

    async def glance(self, rule: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`read` for a rule that finds little by a key or a page by an index: well under a few milliseconds.

        On SQLite it runs at once, on the event loop's thread (ADR 0010); whoever searches or counts uses `read`.
        """
        return await self.glance_as(SYSTEM, rule, *args, **kwargs)

    async def glance_as(
        self, viewer: Viewer, rule: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        now = self.now()
        return await self.storage.read(lambda conn: rule(Tx(conn, self, viewer, now), *args, **kwargs), quick=True)

    async def write_as(
        self, viewer: Viewer, rule: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a rule in a transaction; returns after the commit, which is on disk by then."""
        rings: set[str] = set()

        def work(conn: Connection) -> T:
            tx = Tx(conn, self, viewer, self.now())
            result = rule(tx, *args, **kwargs)
            rings.update(tx.rings)
            return result

        result = await self.storage.write(work)
        self._ring(rings)
        return result

    async def write_each(self, rule: Callable[[Tx, Any], T], items: Sequence[Any]) -> list[T | BaseException]:
        """`rule(tx, item)` for each item, in order, each kept or rolled back on its own, with as few commits as possible."""
        rings: set[str] = set()

        def work_on(item: Any) -> Callable[[Connection], T]:
            def work(conn: Connection) -> T:
                tx = Tx(conn, self, SYSTEM, self.now())
                result = rule(tx, item)
                rings.update(tx.rings)
                return result

            return work

        outcomes = await self.storage.write_all([work_on(item) for item in items])
        self._ring(rings)
        return outcomes

    def _ring(self, topics: set[str]) -> None:
        if topics:
            self.bell.ring(topics)
            if self.relay is not None:
                self.relay(topics)
