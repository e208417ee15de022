"""Everything a node does by itself: works off its inbox, delivers, runs jobs, tidies up.

Each kind of work is a loop that does one step after the other while there is something to do, and then waits for the bell,
looking by itself once a second. The outermost loop catches and logs whatever a step raises: the worker lives on.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import structlog
from sqlalchemy import delete, select

from node import auth, db, jobs, media, pgbell, presence
from node.bell import DELIVERY, INBOX, JOB
from node.federation import (
    conversations,
    delivery,
    history,
    inbox,
    leases,
    outgoing,
    recovery,
    retractions,
    spread,
    subscriptions,
)
from node.federation.dispatcher import Dispatcher
from node.federation.network import Network
from node.runtime import Node, Tx
from node.schema import event, idempotency, meta

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
HOUSEKEEPING_SECONDS = 60.0
STUCK_SECONDS = 60.0
ROLE_MS, RENEW_SECONDS = 30_000, 10.0
TAKE_OVER_SECONDS = 2.0
"""How often one looks whether a process that held something was killed."""
CHUNK = 500
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
SET_ASIDE_DAYS = 30

Step = Callable[[], Awaitable[bool]]


class Worker:
    """One per process. `run` until `stop`; SQLite allows only one on a database, PostgreSQL any number."""

    def __init__(self, node: Node, network: Network) -> None:
        self._node = node
        self._network = network
        self.inbox = inbox.Processor(node, network)
        self.dispatcher = Dispatcher(node, network)
        self.jobs = jobs.Runner(node, network)
        self._role = _Role(node, "inbox")
        self._stop = asyncio.Event()
        self._stopped = asyncio.Event()
        self._stopped.set()
        self._beats: dict[str, float] = {}
        self._relay: pgbell.Relay | None = None

    async def run(self) -> None:
        """Work until `stop` is called; then finish what runs, within `server.shutdown_seconds`."""
        self._stopped.clear()
        if not self._node.settings.is_sqlite and self._node.relay is None:
            self._relay = pgbell.Relay(self._node)
            self._relay.start()
        try:
            await self._prepare()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._loop(INBOX, self._inbox_step))
                tasks.create_task(self._loop(DELIVERY, self._delivery_step))
                tasks.create_task(self._loop(JOB, self._job_step))
                tasks.create_task(self._housekeeping())
                if not self._node.settings.is_sqlite:
                    tasks.create_task(self._bury())
            await self._finish()
        finally:
            if self._relay is not None:
                await self._relay.stop()
            self._stopped.set()

    async def stop(self) -> None:
        """Ask `run` to end, and wait for it."""
        self._stop.set()
        self.inbox.cancel()  # what is being fetched for an activity is fetched again by whoever comes next
        self._node.bell.ring([INBOX, DELIVERY, JOB])
        await self._stopped.wait()

    @property
    def stuck(self) -> list[str]:
        """Kinds of work whose loop has not come round for a minute; for `/healthz`."""
        now = time.monotonic()
        return sorted(name for name, at in self._beats.items() if now - at > STUCK_SECONDS)

    # --- Loops

    async def _prepare(self) -> None:
        try:
            if self._node.settings.is_sqlite:
                await self._node.write(leases.release_all)
                await self._node.write(jobs.release_all)
            await self._network.rosters.look_round()
            await self._node.write(outgoing.greet)
            await self._node.write(recovery.catch_up)
        except Exception as error:
            log.error("the worker could not prepare", exc_info=error)

    async def _loop(self, topic: str, step: Step) -> None:
        with self._node.bell.listen(topic) as bell:
            while not self._stop.is_set():
                self._beats[topic] = time.monotonic()
                try:
                    busy = await step()
                except Exception as error:
                    log.error("a step of the worker failed", work=topic, exc_info=error)
                    busy = False
                if not busy:
                    await bell.wait(LOOK_SECONDS)
        self._beats.pop(topic, None)

    async def _bury(self) -> None:
        """Take over from processes that were killed."""
        while not self._stop.is_set():
            try:
                await self._node.write(leases.void_of_the_dead)
                await self._node.write(jobs.void_of_the_dead)
            except Exception as error:
                log.error("cannot take over from processes that are no more", exc_info=error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TAKE_OVER_SECONDS):
                    await self._stop.wait()

    async def _inbox_step(self) -> bool:
        return await self._role.held() and await self.inbox.step()

    async def _delivery_step(self) -> bool:
        return await self.dispatcher.step() > 0

    async def _job_step(self) -> bool:
        return await self.jobs.step() > 0

    async def _finish(self) -> None:
        seconds = self._node.settings.server.shutdown_seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(self.dispatcher.stop(seconds * 0.8), self.jobs.stop(seconds * 0.8))
        self.inbox.cancel()
        await self._role.release()
        await self._network.store_flavours()

    # --- Housekeeping

    async def _housekeeping(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HOUSEKEEPING_SECONDS):
                    await self._stop.wait()
            if not self._stop.is_set():
                try:
                    await self.tidy_up()
                except Exception as error:
                    log.error("housekeeping failed", exc_info=error)

    async def tidy_up(self) -> None:
        """Remove what has outlived its time, in chunks short enough for the writer."""
        for chore in self._chores():
            more = True
            while more and not self._stop.is_set():
                more = await chore()

    def _chores(self) -> Iterator[Callable[[], Awaitable[bool]]]:
        node, kept, now = self._node, self._node.settings.retention, self._node.now()

        def writing(rule: Callable[[Tx], int]) -> Callable[[], Awaitable[bool]]:
            async def chore() -> bool:
                return await node.write(rule) >= CHUNK

            return chore

        yield self._store_flavours
        yield self._look_round
        yield self._keep_up
        yield writing(lambda tx: delivery.expire(tx, CHUNK))
        yield writing(lambda tx: delivery.prune(tx, before=now - SET_ASIDE_DAYS * DAY_MS, limit=CHUNK))
        yield writing(lambda tx: retractions.prune(tx, before=now - retractions.KEPT_DAYS * DAY_MS, limit=CHUNK))
        yield writing(lambda tx: conversations.prune(tx, before=now - HOUR_MS, limit=CHUNK))
        yield writing(lambda tx: auth.purge(tx, CHUNK))
        if kept.event_hours:
            yield writing(lambda tx: prune_events(tx, before=now - int(kept.event_hours * HOUR_MS)))
        if kept.idempotency_hours:
            yield writing(lambda tx: prune_idempotency(tx, before=now - int(kept.idempotency_hours * HOUR_MS)))
        if kept.processed_inbox_days:
            before = now - int(kept.processed_inbox_days * DAY_MS)
            yield writing(lambda tx: inbox.prune(tx, before=before, limit=CHUNK))
        if kept.unattached_media_hours:
            yield self._purge_media

    async def _keep_up(self) -> bool:
        await self._node.write(keep_up)
        return False

    async def _store_flavours(self) -> bool:
        await self._network.store_flavours()
        return False

    async def _look_round(self) -> bool:
        await self._network.rosters.look_round()
        return False

    async def _purge_media(self) -> bool:
        before = self._node.now() - int(self._node.settings.retention.unattached_media_hours * HOUR_MS)
        names = await self._node.write(media.purge_unattached, before, CHUNK)
        await asyncio.to_thread(_remove_files, self._node.settings.media_dir, names)
        return len(names) >= CHUNK


def keep_up(tx: Tx) -> None:
    """Peers that are new, and settings that changed: look up whom we do not know, ask for tags, read what was before."""
    spread.introduce(tx)
    subscriptions.settle(tx)
    history.begin(tx)


def prune_events(tx: Tx, *, before: int) -> int:
    """Forget what streams need no more; answers how many."""
    old = select(event.c.id).where(event.c.at < before).limit(CHUNK)
    return tx.execute(delete(event).where(event.c.id.in_(old))).rowcount


def prune_idempotency(tx: Tx, *, before: int) -> int:
    return tx.execute(delete(idempotency).where(idempotency.c.created_at < before)).rowcount


def _remove_files(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


# --- What one worker at a time does -------------------------------------------------------------------------------


def take_role(tx: Tx, role: str, who: str) -> bool:
    """Take or keep a role for ROLE_MS. False while somebody else has it, who is not known to be dead."""
    key, mine = f"role:{role}", f"{who} {tx.now + ROLE_MS} {tx.node.presence or ''}"
    holder = tx.scalar(select(meta.c.value).where(meta.c.key == key))
    if holder is None:
        return tx.execute(db.insert_or_ignore(tx.dialect, meta, ["key"]), {"key": key, "value": mine}).rowcount > 0
    name, _, rest = holder.partition(" ")
    until, _, number = rest.partition(" ")
    if name != who and int(until) > tx.now and not (number and presence.is_gone(tx, int(number))):
        return False
    tx.execute(meta.update().where(meta.c.key == key).values(value=mine))
    return True


def leave_role(tx: Tx, role: str, who: str) -> None:
    tx.execute(meta.delete().where(meta.c.key == f"role:{role}", meta.c.value.startswith(f"{who} ")))


class _Role:
    """On SQLite, which one process owns, nothing is asked. A mistake costs order, never correctness: rows are claimed."""

    def __init__(self, node: Node, role: str) -> None:
        self._node = node
        self._role = role
        self._who = secrets.token_hex(8)
        self._held = node.settings.is_sqlite
        self._asked: tuple[float, int | None] | None = None
        """When, and under which number of this process."""

    async def held(self) -> bool:
        if self._node.settings.is_sqlite:
            return True
        now, number = time.monotonic(), self._node.presence
        every = RENEW_SECONDS if self._held else TAKE_OVER_SECONDS
        if self._asked is None or self._asked[1] != number or now - self._asked[0] >= every:
            self._held = await self._node.write(take_role, self._role, self._who)
            self._asked = now, number
        return self._held

    async def release(self) -> None:
        if self._held and not self._node.settings.is_sqlite:
            await self._node.write(leave_role, self._role, self._who)
