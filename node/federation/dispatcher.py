"""Sends what is due: one task for each leased peer, windows of a few deliveries, in order for each object.

The rules about rows are in `leases`; this is the part that waits for the network and decides what an answer means.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import structlog

from activitypub.client import Delivered
from activitypub.errors import FetchFailed, HostRefused, ProtocolError
from node.bell import DELIVERY
from node.errors import NodeError, Unavailable
from node.federation import departures, leases
from node.federation.leases import Item, Lease, Outcome
from node.federation.peers import BREAKER_OPENS
from node.runtime import Node
from node.secrets import SecretError

if TYPE_CHECKING:
    from node.federation.network import Network

log = structlog.get_logger(__name__)

WINDOWS_AT_A_STRETCH = 25
"""After so many windows a peer makes room for others."""
WINDOW_SECONDS = 60.0
"""After which no further delivery of a window is begun: it must be recorded while the lease lasts."""
TRIES_AMONG_OTHERS = 6
"""Failures of one activity, while others pass, after which it is set aside."""
BREAKER_MS, BREAKER_MAX_MS = 30_000, 3_600_000
PAUSE_MAX_SECONDS = 86_400.0
"""However long a peer asks to be left alone (Retry-After): what waits for it grows old."""
RETRY_MS = (60_000, 300_000, 1_800_000, 7_200_000, 21_600_000, 43_200_000)
"""Between the tries of one activity (protocol R82)."""
GONE = frozenset({404, 410})
MAY_PASS = frozenset({401, 403, 408, 425})
"""4xx that another try may mend: keys and clocks are put right."""


class Verdict(Enum):
    DONE = "done"
    LATER = "later"
    """This activity failed."""
    ASIDE = "aside"
    """This activity will never be taken."""
    DOWN = "down"
    """The peer did not answer, or with 5xx: its fault or the activity's, which the rest of the window tells."""
    BUSY = "busy"
    """The peer wants to be left alone for `retry_after` seconds."""
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Answer:
    verdict: Verdict
    error: str = ""
    retry_after: float | None = None
    reached: bool = True
    """False if there was no answer at all: then the rest of the window need not be tried."""
    connected: bool = True
    """False if there was no connection: no fault of the activity."""
    sent: bool = True
    """False if it cannot have arrived: a Delete may still overtake it."""
    status: int | None = None


@dataclass(slots=True)
class Window:
    """What is known so far of a window that is being sent."""

    started: set[int] = field(default_factory=set)
    answers: dict[int, Answer] = field(default_factory=dict)
    halted: bool = False


def judge(answered: Delivered) -> Answer:
    """What an HTTP answer means for the delivery and for the peer."""
    status, error = answered.status, f"answered {answered.status}"
    if 200 <= status < 300:
        return Answer(Verdict.DONE, status=status)
    if status == 429 or (status == 503 and answered.retry_after is not None):
        return Answer(Verdict.BUSY, error, answered.retry_after, status=status)
    if status in GONE:
        return Answer(Verdict.GONE, error, status=status)
    if status in MAY_PASS or 300 <= status < 400:
        return Answer(Verdict.LATER, error, status=status)
    if 400 <= status < 500:
        return Answer(Verdict.ASIDE, error, status=status)
    return Answer(Verdict.DOWN, error, status=status)


class Dispatcher:
    """Any number of them may run on one database; the leases keep them apart.

    `randomness` gives the jitter (0 to 1); None of the times is in the wall clock's hands but the node's.
    """

    def __init__(self, node: Node, network: "Network", *, randomness: Callable[[], float] = random.random) -> None:
        self._node = node
        self._network = network
        self._random = randomness
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def step(self) -> int:
        """Lease peers for the slots that are free and start sending to them; answers how many were leased."""
        free = self._node.settings.federation.workers - len(self._tasks)
        if self._stopping or free <= 0 or not await self._node.glance(leases.is_due):
            return 0
        taken = await self._node.write(leases.lease, free)
        for lease in taken:
            task = asyncio.create_task(self._serve(lease))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        return len(taken)

    async def drain(self) -> None:
        """Wait until everything leased has been sent or has failed."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self, seconds: float) -> None:
        """Lease no more, let windows under way finish, cut off what takes longer."""
        self._stopping = True
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._node.bell.ring([DELIVERY])  # another peer may have its turn
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("delivery failed", exc_info=error)

    async def _serve(self, lease: Lease) -> None:
        """Send window after window to one peer until nothing is due, it fails, or others should have their turn."""
        held: Lease | None = lease
        size = len(lease.items) if lease.failures else leases.WINDOW
        for number in range(WINDOWS_AT_A_STRETCH):
            if held is None:
                return
            outcome = await self._window(held)
            # After an outage the rate ramps up: two, four, eight … so that the peer is not knocked over again.
            size = min(leases.WINDOW, max(size, 1) * 2)
            last = self._stopping or number == WINDOWS_AT_A_STRETCH - 1 or outcome.failures > 0
            held = await self._record(held, outcome, 0 if last else size)

    async def _record(self, held: Lease, outcome: Outcome, size: int) -> Lease | None:
        """Store the outcome; while the database cannot take it, keep trying as long as the lease lasts."""
        for pause in (0.2, 1.0, 5.0, 15.0, 30.0):
            try:
                return await self._node.write(leases.record, held, outcome, size)
            except Unavailable:
                await asyncio.sleep(pause)
        return await self._node.write(leases.record, held, outcome, size)

    async def _window(self, held: Lease) -> Outcome:
        window = Window()
        try:
            await self._network.blocked()  # the guard refuses blocked peers, if it knows of them
            await self._send_all(held.items, window)
        except asyncio.CancelledError:
            # Cut off at a stop: what was answered until now is kept, what was under way is sent again.
            await self._node.write(leases.record, held, self._outcome(held, window), 0)
            raise
        await self._confirm_gone(held, window)
        return self._outcome(held, window)

    async def _send_all(self, items: Sequence[Item], window: Window) -> None:
        """Items with the same key one after the other, different keys at the same time."""
        by_key: dict[str, list[Item]] = {}
        for item in items:
            by_key.setdefault(item.key, []).append(item)
        loop = asyncio.get_running_loop()
        until = loop.time() + WINDOW_SECONDS
        connections = asyncio.Semaphore(self._node.settings.federation.connections_per_peer)

        async def in_order(queue: list[Item]) -> None:
            for item in queue:
                async with connections:
                    if window.halted or loop.time() > until:
                        return
                    window.started.add(item.id)
                    answer = window.answers[item.id] = await self._send(item)
                if answer.verdict is Verdict.BUSY or not answer.reached:
                    window.halted = True
                if answer.verdict not in (Verdict.DONE, Verdict.ASIDE):
                    return

        async with asyncio.TaskGroup() as tasks:
            for queue in by_key.values():
                tasks.create_task(in_order(queue))

    async def _send(self, item: Item) -> Answer:
        try:
            return judge(await self._network.sender.send(item))
        except HostRefused as error:
            return Answer(Verdict.LATER, str(error))
        except FetchFailed as error:
            return Answer(Verdict.DOWN, str(error), reached=False, connected=error.connected, sent=error.sent)
        except (ProtocolError, NodeError, SecretError) as error:
            return Answer(Verdict.LATER, f"cannot be signed: {error}")

    async def _confirm_gone(self, held: Lease, window: Window) -> None:
        """404 and 410 are believed after a look at the actor; an inbox that has moved is no reason to give up."""
        for inbox in {item.inbox for item in held.items if _verdict(window, item) is Verdict.GONE}:
            gone = await self._gone(inbox, held.domain)
            for item in held.items:
                if item.inbox == inbox and _verdict(window, item) is Verdict.GONE:
                    verdict = Verdict.ASIDE if gone else Verdict.LATER
                    said = window.answers[item.id]
                    window.answers[item.id] = Answer(verdict, said.error, status=said.status)

    async def _gone(self, inbox: str, domain: str) -> bool:
        try:
            return await departures.confirm(self._network, inbox, domain)
        except (ProtocolError, NodeError) as error:
            log.info("cannot tell whether an inbox is gone", inbox=inbox, error=str(error))
            return False

    def _outcome(self, held: Lease, window: Window) -> Outcome:
        """What the window says about each activity, and about the peer as a whole."""
        answers = window.answers
        statuses = [answer.status for answer in answers.values() if answer.status is not None]
        outcome = Outcome(failures=held.failures, tried=bool(answers), status=statuses[-1] if statuses else None)
        passed = any(answer.verdict is Verdict.DONE for answer in answers.values())
        down = [answer for answer in answers.values() if answer.verdict is Verdict.DOWN]
        busy = [answer for answer in answers.values() if answer.verdict is Verdict.BUSY]
        answered = any(answer.verdict not in (Verdict.DOWN, Verdict.BUSY) for answer in answers.values())
        for item in held.items:
            if item.id in answers:
                self._sort_in(item, answers[item.id], outcome, among_others=passed)
            elif item.id not in window.started:
                outcome.untried.append(item.id)
        if passed or busy or (answered and not down):
            outcome.failures = 0
        if busy:
            self._pause(outcome, max(answer.retry_after or 60.0 for answer in busy), busy[0].error)
        elif down and not passed:
            self._count_failure(outcome, down[0].error)
        return outcome

    def _sort_in(self, item: Item, answer: Answer, outcome: Outcome, *, among_others: bool) -> None:
        if answer.verdict is Verdict.DONE:
            outcome.done.append(item.id)
        elif answer.verdict is Verdict.ASIDE:
            outcome.aside[item.id] = f"given up: {answer.error}"
        elif not answer.sent:
            outcome.untried.append(item.id)
        elif (
            answer.verdict is Verdict.BUSY
            or not answer.connected
            or (answer.verdict is Verdict.DOWN and not among_others)
        ):
            pass  # the peer's fault, for now: it stays due, and the peer as a whole waits
        elif item.attempts >= TRIES_AMONG_OTHERS and answer.verdict is Verdict.DOWN:
            outcome.aside[item.id] = f"given up after {item.attempts} tries: {answer.error}"
        else:
            delay = RETRY_MS[min(item.attempts - 1, len(RETRY_MS) - 1)]
            outcome.later[item.id] = (self._node.now() + self._jittered(delay), answer.error)

    def _pause(self, outcome: Outcome, seconds: float, error: str) -> None:
        seconds = min(seconds, PAUSE_MAX_SECONDS)
        outcome.paused_until = self._node.now() + int(seconds * 1000) + int(self._random() * 1000)
        outcome.error = error

    def _count_failure(self, outcome: Outcome, error: str) -> None:
        outcome.failures += 1
        past = outcome.failures - BREAKER_OPENS
        wait = BREAKER_MS * 2 ** min(past, 10) if past >= 0 else 1000 * 2 ** (outcome.failures - 1)
        outcome.paused_until = self._node.now() + self._jittered(min(wait, BREAKER_MAX_MS))
        outcome.error = error[:1000]

    def _jittered(self, delay: int) -> int:
        """Three quarters to five quarters of it, so that what failed together does not come back together."""
        return int(delay * (0.75 + self._random() / 2))


def _verdict(window: Window, item: Item) -> Verdict | None:
    answer = window.answers.get(item.id)
    return answer.verdict if answer is not None else None
