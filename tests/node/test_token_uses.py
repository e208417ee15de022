"""When tokens were last used: to the hour, and without a write for each request."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import event as sql_event
from sqlalchemy import select

from node import auth
from node.auth import uses
from node.auth.uses import HOUR_MS, TokenUses
from node.errors import Unavailable
from node.runtime import Node
from node.schema import oauth_token
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.rows import id_of

_LAST_USED = select(oauth_token.c.last_used_at).order_by(oauth_token.c.id)


async def make_tokens(node: Node, number: int = 1) -> list[int]:
    person = await make_person(node, "anna")
    for _ in range(number):
        await node.write(auth.make_token, id_of(person))
    return [row.id for row in reversed(await node.read(auth.tokens_of, id_of(person)))]


async def last_used(node: Node) -> list[int | None]:
    return await node.read(lambda tx: tx.scalars(_LAST_USED))


async def test_uses_are_stored_together_when_the_server_ends(node: Node, clock: Clock) -> None:
    first, second, _ = await make_tokens(node, 3)
    writes = node.storage.figures.writes
    noted = TokenUses(node)
    for _ in range(5):
        noted.note(first)
    clock.advance(1)
    noted.note(second)
    await noted.close()
    assert await last_used(node) == [node.now() - 1000, node.now(), None]
    assert node.storage.figures.writes == writes + 1


async def test_uses_are_stored_after_a_while_and_once_an_hour(
    node: Node, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uses, "STORE_SECONDS", 0.01)
    (token,) = await make_tokens(node)
    noted = TokenUses(node)
    since, writes = node.now(), node.storage.figures.writes

    async def used() -> int:
        noted.note(token)
        await asyncio.sleep(0.1)
        return node.storage.figures.writes - writes

    assert await used() == 1
    clock.advance(HOUR_MS / 1000 - 1)
    assert await used() == 1
    assert await last_used(node) == [since]
    clock.advance(1)
    assert await used() == 2
    assert await last_used(node) == [since + HOUR_MS]
    await noted.close()


async def test_what_another_process_stored_within_the_hour_is_left_alone(node: Node, clock: Clock) -> None:
    (token,) = await make_tokens(node)
    since = node.now()
    await node.write(uses.store, {token: since})
    clock.advance(60)
    noted = TokenUses(node)
    noted.note(token)
    await noted.close()
    assert await last_used(node) == [since]
    await node.write(uses.store, {token: since - HOUR_MS, 999: since})
    assert await last_used(node) == [since]


async def test_what_could_not_be_stored_is_noted_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uses, "STORE_SECONDS", 0.01)
    (token,) = await make_tokens(node)
    noted = TokenUses(node)
    failing = True

    def refuse(*_args: Any) -> None:
        if failing:
            raise Unavailable

    sql_event.listen(node.storage.engine, "before_cursor_execute", refuse)
    noted.note(token)
    await asyncio.sleep(0.1)
    failing = False
    assert await last_used(node) == [None]
    noted.note(token)
    await noted.close()
    assert await last_used(node) == [node.now()]
