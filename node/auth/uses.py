"""When tokens were last used: kept in memory, and stored a little later, all that waits in one transaction.

To the hour: a token costs one small write an hour at the most, however busy it is, and no request waits for it. A crash
loses what was noted in the last seconds, which nobody misses.
"""

import asyncio
import contextlib
from collections.abc import Mapping

import structlog
from sqlalchemy import bindparam, or_, update

from node.errors import NodeError
from node.runtime import Node, Tx
from node.schema import oauth_token
from node.schema.meta import Id

HOUR_MS = 3_600_000
STORE_SECONDS = 10.0

log = structlog.get_logger(__name__)

_AT = bindparam("at", type_=Id)
_USED = (
    update(oauth_token)
    .where(
        oauth_token.c.id == bindparam("of", type_=Id),
        # Another process may have stored a later use, or one of the same hour.
        or_(oauth_token.c.last_used_at.is_(None), oauth_token.c.last_used_at <= _AT - HOUR_MS),
    )
    .values(last_used_at=_AT)
)


def store(tx: Tx, uses: Mapping[int, int]) -> None:
    """Token id -> ms. Leaves alone what was stored less than an hour before."""
    tx.execute(_USED, [{"of": token_id, "at": at} for token_id, at in sorted(uses.items())])


class TokenUses:
    """One per process that answers requests. `note` and `close` belong to the event loop's thread."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._noted: dict[int, int] = {}
        self._waiting: dict[int, int] = {}
        self._closing = asyncio.Event()
        self._storing: asyncio.Task[None] | None = None

    def note(self, token_id: int) -> None:
        """The token was used just now."""
        now = self._node.now()
        if now - self._noted.get(token_id, 0) < HOUR_MS:
            return
        self._noted[token_id] = self._waiting[token_id] = now
        if self._storing is None and not self._closing.is_set():
            self._storing = asyncio.create_task(self._store_later())

    async def close(self) -> None:
        """Store what waits."""
        self._closing.set()
        if self._storing is not None:
            await self._storing

    async def _store_later(self) -> None:
        while self._waiting:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STORE_SECONDS):
                    await self._closing.wait()
            uses, self._waiting = self._waiting, {}
            await self._store(uses)
        self._storing = None

    async def _store(self, uses: dict[int, int]) -> None:
        old = self._node.now() - HOUR_MS
        self._noted = {token_id: at for token_id, at in self._noted.items() if at > old}
        try:
            await self._node.write(store, uses)
        except NodeError as error:  # the disk is full, or the file locked: their next use is noted again
            log.warning("uses of tokens were not stored", error=str(error))
            for token_id in uses:
                self._noted.pop(token_id, None)
