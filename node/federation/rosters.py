"""How rosters travel: every signed exchange between peers names the version that each holds; who is behind asks.

    Corridor-Roster: 7                                            on requests and answers
    GET  /.well-known/corridor-roster?after=7&signer=z6Mk…        the newest that who holds 7 and trusts z6Mk… can take
    POST /.well-known/corridor-roster                             a node that was handed a newer one brings it to the others

A node asks one random other at its start and every ten minutes, so that a roster reaches all even where nobody writes.
"""

import asyncio
import contextlib
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable

import httpx
import structlog
from sqlalchemy.exc import SQLAlchemyError

from activitypub import roster as documents
from activitypub.client import Client, Courier
from activitypub.errors import FetchFailed, ProtocolError
from node.bell import ROSTER
from node.company import Company
from node.errors import NodeError
from node.federation import company
from node.federation.company import Taken
from node.federation.fetching import ROSTER_PATH
from node.runtime import Node

log = structlog.get_logger(__name__)

HEADER = "corridor-roster"
LOOK_SECONDS = 1.0
ASK_AGAIN_SECONDS = 60.0
"""One peer is asked at most so often."""
REMEMBERED = 2000
EVERY_SECONDS = 600.0
AT_ONCE = 4
AT_ONCE_ANNOUNCED = 8
CHAIN = 50
"""Rosters that are taken one after the other from one peer."""
TRIES = 3
_DIGITS = 10


class Rosters(Courier):
    """One per process and event loop: keeps `node.company` up to date, and tells and asks peers."""

    wanted = (HEADER.encode(),)

    def __init__(self, node: Node) -> None:
        self._node = node
        self._client: Client | None = None
        self._ready: Callable[[], Awaitable[object]] | None = None
        self._asked: OrderedDict[str, float] = OrderedDict()
        self._tasks: set[asyncio.Task[bool]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._looked_at: float | None = None

    @property
    def _company(self) -> Company:
        return self._node.company

    async def start(self, client: Client, ready: Callable[[], Awaitable[object]]) -> None:
        """`ready` sees to it that the client has the node's key to sign with."""
        self._client, self._ready = client, ready
        if self._company.in_use:
            await company.refresh(self._node)
            self._watching = asyncio.create_task(self._watch())

    async def aclose(self) -> None:
        tasks = [*self._tasks, *([self._watching] if self._watching is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        """Another process, or a command, may have stored a roster."""
        with self._node.bell.listen(ROSTER) as bell:
            while True:
                await bell.wait(LOOK_SECONDS)
                try:
                    await company.refresh(self._node)
                except (NodeError, ProtocolError, SQLAlchemyError) as error:
                    log.warning("the roster cannot be read", error=str(error))

    # --- What rides along

    def headers(self, authority: str) -> dict[str, str]:
        return {HEADER: str(self._company.version)} if self._company.in_use and self._company.admits(authority) else {}

    def answered(self, authority: str, headers: httpx.Headers) -> None:
        if (said := headers.get(HEADER)) is not None:
            self.heard(authority, said)

    def heard_in(self, domain: str, headers: Iterable[tuple[str, str]]) -> None:
        """The headers, names in lower case, of a request that `domain` signed."""
        if (
            self._company.in_use
            and (said := next((value for name, value in headers if name == HEADER), None)) is not None
        ):
            self.heard(domain, said)

    def heard(self, domain: str, said: str) -> None:
        """A peer says which version it holds; if that is newer than ours, it is asked for it in the background."""
        if not said.isascii() or not said.isdigit() or len(said) > _DIGITS or int(said) <= self._company.version:
            return
        if self._client is None or not self._company.admits(domain) or len(self._tasks) >= AT_ONCE:
            return
        now = asyncio.get_running_loop().time()
        if now < self._asked.get(domain, 0.0):
            return
        self._asked[domain] = now + ASK_AGAIN_SECONDS
        self._asked.move_to_end(domain)
        while len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
        task = asyncio.create_task(self._ask_quietly(domain))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- Asking

    async def ask(self, domain: str) -> bool:
        """Take what the peer has that is newer; True if there was something.

        Raises FetchFailed, Malformed, SignatureInvalid, Refused.
        """
        taken = False
        for _ in range(CHAIN):
            body = await self._fetch(domain)
            if body is None or await self._take(body, domain) is not Taken.NEW:
                break
            taken = True
        return taken

    async def ask_somebody(self) -> None:
        """A few random peers, one after the other, until one answers; those of a roster that has expired, too."""
        roster = self._company.roster
        if self._client is None or roster is None:
            return
        others = [one.domain for one in roster.nodes if self._company.names(one.domain)]
        for domain in random.sample(others, min(TRIES, len(others))):
            if await self._ask_quietly(domain):
                return

    async def _ask_quietly(self, domain: str) -> bool:
        """True if it answered, whatever."""
        try:
            await self.ask(domain)
        except FetchFailed as error:
            log.info("a peer could not be asked for its roster", peer=domain, error=str(error))
            return False
        except (ProtocolError, NodeError) as error:
            log.warning("a peer's roster is not taken", peer=domain, error=str(error))
        return True

    async def look_round(self) -> None:
        """For the worker, at its start and then as often as it likes: every ten minutes somebody is asked."""
        now = asyncio.get_running_loop().time()
        if not self._company.in_use or (self._looked_at is not None and now - self._looked_at < EVERY_SECONDS):
            return
        self._looked_at = now
        await company.refresh(self._node)
        for trouble in company.troubles(self._company):
            log.warning("no peers", reason=trouble)
        if (days := company.days_left(self._company, self._node.now())) is not None and not self._company.expired:
            log.warning("the roster expires soon", days=days, version=self._company.version)
        await self._node.write(company.want)

    async def _fetch(self, domain: str) -> bytes | None:
        """None if it has none that is newer and that we could take."""
        assert self._client is not None
        assert self._ready is not None
        await self._ready()
        believed = await self._node.read(company.believed)
        query = f"?after={self._company.version}" + "".join(f"&signer={key}" for key in believed)
        try:
            fetched = await self._client.fetch(
                self._url(domain) + query, accept="application/json", max_bytes=documents.MAX_BYTES
            )
        except FetchFailed as error:
            if error.gone:
                return None
            raise
        return fetched.body or None

    async def _take(self, body: bytes, source: str) -> Taken:
        return await company.receive(self._node, await asyncio.to_thread(company.verified, body), source)

    # --- Telling

    async def announce(self) -> None:
        """Bring the roster to every peer: it was handed to this node, and the others cannot know of it.

        Whom it newly names they would not even let in to tell them. Who does not answer hears of it later.
        """
        roster, client = self._company.roster, self._client
        if roster is None or client is None:
            return
        slots = asyncio.Semaphore(AT_ONCE_ANNOUNCED)

        async def tell(domain: str) -> None:
            async with slots:
                with contextlib.suppress(ProtocolError):
                    await client.post(self._url(domain), roster.body, content_type="application/json")

        async with asyncio.TaskGroup() as group:
            for member in self._company.peers():
                group.create_task(tell(member.domain))

    def _url(self, domain: str) -> str:
        return f"{self._node.settings.node.scheme}://{domain}{ROSTER_PATH}"
