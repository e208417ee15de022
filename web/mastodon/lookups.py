"""Looking things up at peers while a client waits: never inside a transaction, never for long."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Literal

from starlette.requests import Request

from activitypub.errors import ProtocolError
from node.errors import NodeError
from web.parts import parts_of

MENTION_SECONDS = 3.0
"""What publishing waits for people who are mentioned and not known yet."""
MENTIONS = 10
SEARCH_SECONDS = 10.0

Found = tuple[Literal["account", "post"], int]


async def learn_people(request: Request, handles: Sequence[tuple[str, str]]) -> None:
    """Fetch the accounts of these (username, domain), all at the same time; who does not answer stays unknown."""
    async with asyncio.TaskGroup() as group:
        for username, domain in handles[:MENTIONS]:
            group.create_task(person(request, f"{username}@{domain}", seconds=MENTION_SECONDS))


async def person(request: Request, handle: str, *, seconds: float = SEARCH_SECONDS) -> int | None:
    """The account of `user@host`; None if there is none, or its node does not say so in time."""
    with contextlib.suppress(ProtocolError, NodeError, TimeoutError):
        async with asyncio.timeout(seconds):
            return await parts_of(request).network.resolve_handle(handle)
    return None


async def address(request: Request, url: str) -> Found | None:
    """The account or post at an address. Says nothing of who may see it."""
    with contextlib.suppress(ProtocolError, NodeError, TimeoutError):
        async with asyncio.timeout(SEARCH_SECONDS):
            return await parts_of(request).network.resolve_url(url)
    return None
