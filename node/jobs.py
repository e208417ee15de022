"""Work that may be late: rows of `job`, each run at least once.

`Tx.enqueue` makes them, in the transaction that wants the work done. A job that fails is tried again with growing
pauses; one that can never succeed is dropped, one that keeps failing is kept with its error for the administrator.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import bindparam, delete, or_, select, update

from activitypub.errors import ProtocolError
from node import accounts, directs, polls, presence, processing, quotes, removal, scheduling
from node.attending import COUNT_JOB
from node.bell import JOB
from node.emoji import FETCH_JOB as FETCH_EMOJI_JOB
from node.errors import NodeError
from node.federation import (
    collections,
    company,
    conversations,
    emoji,
    gatherings,
    groups,
    history,
    parting,
    quoting,
    spread,
    tagged,
    votes,
)
from node.federation.actors import MOVE_JOB
from node.federation.network import Network
from node.federation.posts import THREAD_JOB
from node.federation.synchronisation import SYNC_JOB, synchronise
from node.runtime import Node, Tx
from node.schema import job

log = structlog.get_logger(__name__)

AT_ONCE = 4
LEASE_MS = 300_000
ATTEMPTS = 8
BACKOFF_MS = (10_000, 60_000, 300_000, 1_800_000, 7_200_000)

Work = Callable[[Node, Network, Any], Awaitable[None]]

_J = job.c
_READY = (
    _J.failed_at.is_(None),
    _J.run_at <= bindparam("now"),
    or_(_J.lease_until.is_(None), _J.lease_until <= bindparam("now")),
)
_DUE = select(_J.id).where(*_READY).order_by(_J.run_at, _J.id).limit(bindparam("limit"))
_CLAIM = (
    update(job)
    .where(_J.id == bindparam("of"), *_READY)
    .values(lease_until=bindparam("until"), lease_holder=bindparam("holder"), attempts=_J.attempts + 1)
    .returning(_J.id, _J.kind, _J.payload, _J.attempts)
)
_VOID = update(job).where(_J.lease_until > bindparam("now"), presence.is_dead(_J.lease_holder)).values(lease_until=None)
_DONE = delete(job).where(_J.id == bindparam("of"))
_AGAIN = (
    update(job)
    .where(_J.id == bindparam("of"))
    .values(lease_until=None, run_at=bindparam("at"), last_error=bindparam("error"), failed_at=bindparam("failed"))
)


@dataclass(frozen=True, slots=True)
class Job:
    id: int
    kind: str
    payload: Any
    attempts: int


# --- The kinds ----------------------------------------------------------------------------------------------------


async def fetch_thread(node: Node, network: Network, payload: Any) -> None:
    await network.fetch_thread(payload["iri"])
    await node.write(conversations.want_around, payload["iri"])


async def move(_node: Node, network: Network, payload: Any) -> None:
    await network.move(payload["from"], payload["to"])


async def purge_account(node: Node, _network: Network, payload: Any) -> None:
    while await node.write(removal.purge, payload["account_id"]):
        pass


async def make_keys(_node: Node, network: Network, payload: Any) -> None:
    await network.ensure_keys(payload["account_id"])


async def index_people(node: Node, _network: Network, _payload: Any) -> None:
    last: int | None = 0
    while last is not None:
        last = await node.write(accounts.index_next, last)


async def index_directs(node: Node, _network: Network, _payload: Any) -> None:
    last: int | None = 0
    while last is not None:
        last = await node.write(directs.index, last)


async def part(node: Node, _network: Network, payload: Any) -> None:
    await company.refresh(node)
    while await node.write(parting.step, payload["domain"], content=payload["content"]):
        pass


async def announce_roster(node: Node, network: Network, _payload: Any) -> None:
    await company.refresh(node)
    await network.rosters.announce()


async def ask_for_roster(_node: Node, network: Network, _payload: Any) -> None:
    await network.rosters.ask_somebody()


async def meet_peer(_node: Node, network: Network, payload: Any) -> None:
    await network.meet(payload["peer"])


async def publish_scheduled(node: Node, _network: Network, payload: Any) -> None:
    await scheduling.publish(node, payload["id"])


async def process_media(node: Node, _network: Network, payload: Any) -> None:
    await processing.process(node, payload["id"])


KINDS: Final[Mapping[str, Work]] = {
    THREAD_JOB: fetch_thread,
    scheduling.JOB: publish_scheduled,
    processing.JOB: process_media,
    polls.END_JOB: votes.end,
    polls.TALLY_JOB: votes.tally,
    spread.MEET_JOB: meet_peer,
    history.READ_JOB: history.read,
    tagged.READ_JOB: tagged.read,
    conversations.FETCH_JOB: conversations.fetch,
    quotes.VERIFY_JOB: quoting.verify,
    collections.READ_JOB: collections.read,
    COUNT_JOB: gatherings.tell_guests,
    groups.LOOK_JOB: groups.look,
    SYNC_JOB: synchronise,
    MOVE_JOB: move,
    accounts.PURGE_JOB: purge_account,
    accounts.KEYS_JOB: make_keys,
    accounts.INDEX_JOB: index_people,
    directs.INDEX_JOB: index_directs,
    parting.PART_JOB: part,
    company.ANNOUNCE_JOB: announce_roster,
    company.ASK_JOB: ask_for_roster,
    FETCH_EMOJI_JOB: emoji.fetch,
}


# --- Running them -------------------------------------------------------------------------------------------------


def is_due(tx: Tx) -> bool:
    return tx.first(_DUE, {"now": tx.now, "limit": 1}) is not None


def claim(tx: Tx, limit: int) -> list[Job]:
    """Take jobs that are due, for LEASE_MS: then they are anybody's again."""
    claimed = []
    for id_ in tx.scalars(_DUE, {"now": tx.now, "limit": limit}):
        times = {"now": tx.now, "until": tx.now + LEASE_MS}
        row = tx.first(_CLAIM, {"of": id_, "holder": tx.node.presence, **times})
        if row is not None:
            claimed.append(Job(row.id, row.kind, row.payload, row.attempts))
    return claimed


def release_all(tx: Tx) -> None:
    """For a process that knows it is the only one: what a killed predecessor had begun is begun anew."""
    tx.execute(update(job).where(_J.lease_until.is_not(None)).values(lease_until=None))


def void_of_the_dead(tx: Tx) -> None:
    """PostgreSQL: what processes had begun that are no more is anybody's."""
    if tx.execute(_VOID, {"now": tx.now}).rowcount:
        tx.ring(JOB)


def finish(tx: Tx, done: Job) -> None:
    tx.execute(_DONE, {"of": done.id})


def fail(tx: Tx, failed: Job, error: str) -> None:
    """Try again later, or keep it as failed."""
    given_up = failed.attempts >= ATTEMPTS
    at = tx.now + BACKOFF_MS[min(failed.attempts - 1, len(BACKOFF_MS) - 1)]
    values = {"of": failed.id, "at": at, "error": error[:1000], "failed": tx.now if given_up else None}
    tx.execute(_AGAIN, values)


class Runner:
    """Runs jobs of one process, a few at a time."""

    def __init__(self, node: Node, network: Network) -> None:
        self._node = node
        self._network = network
        self._tasks: set[asyncio.Task[None]] = set()

    async def step(self) -> int:
        """Start what is due, as far as there are slots; answers how many jobs."""
        free = AT_ONCE - len(self._tasks)
        if free <= 0 or not await self._node.read(is_due):
            return 0
        jobs = await self._node.write(claim, free)
        for one in jobs:
            task = asyncio.create_task(self._run(one))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        return len(jobs)

    async def drain(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self, seconds: float) -> None:
        """Let jobs finish; what takes longer is run again from its start by whoever comes next."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._node.bell.ring([JOB])
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("job could not be recorded", exc_info=error)

    async def _run(self, one: Job) -> None:
        work = KINDS.get(one.kind)
        try:
            if work is None:
                raise LookupError(f"no such kind of job: {one.kind}")
            await work(self._node, self._network, one.payload)
        except (NodeError, ProtocolError) as error:
            if not error.retry:
                log.info("job dropped", kind=one.kind, error=str(error))
                await self._node.write(finish, one)
                return
            await self._node.write(fail, one, str(error))
        except Exception as error:
            log.error("job failed", kind=one.kind, job=one.id, exc_info=error)
            await self._node.write(fail, one, f"{type(error).__name__}: {error}")
        else:
            await self._node.write(finish, one)
