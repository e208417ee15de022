"""The same file once more: what people took back meanwhile stays taken back."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from node import accounts, reactions
from node.runtime import Node
from node.schema import imported, post, takeback
from node.viewer import person
from tests.cli.conftest import Corridor, opened
from tests.support.companies import write

ENDORSED = ["tom", "eva"]


@pytest.fixture
def take(corridor: Corridor, tmp_path: Path) -> Callable[..., Any]:
    """Import one post with these boosts and favourites; what was stored."""

    def run(boosts: list[str], favourites: list[str]) -> Any:
        line = {"id": "p1", "author": "anna", "created_at": "2020-05-01T12:00:00Z", "text": "The pump leaks"}
        file = write(tmp_path / "in.jsonl", [line | {"boosts": boosts, "favourites": favourites}])
        return corridor("import", file, "--json").json["stored"]

    return run


def acted(node: Node, name: str, rule: Callable[..., Any]) -> None:
    async def act() -> None:
        who = await node.read(accounts.by_handle, name)
        post_id = await node.read(lambda tx: tx.scalar(select(post.c.id).where(post.c.boost_of_id.is_(None))))
        await node.write_as(person(who.id), rule, post_id)

    asyncio.run(act())


def counts(node: Node) -> tuple[int, int]:
    found = select(post.c.boosts_count, post.c.favourites_count).where(post.c.boost_of_id.is_(None))
    (row,) = asyncio.run(node.read(lambda tx: tx.rows(found)))
    return row.boosts_count, row.favourites_count


def test_what_was_taken_back_stays_so_and_can_be_given_again(eng: Path, take: Callable[..., Any]) -> None:
    take(ENDORSED, ENDORSED)
    node = opened(eng)
    for rule in (reactions.unboost, reactions.unfavourite):
        acted(node, "tom", rule)
    for _ in range(2):
        assert (take(ENDORSED, ENDORSED)["boosts"], counts(node)) == (0, (1, 1))
    assert take([*ENDORSED, "ravi"], ENDORSED)["boosts"] == 1  # what is new in the file comes all the same
    acted(node, "tom", reactions.favourite)
    acted(node, "tom", reactions.unfavourite)
    acted(node, "tom", reactions.favourite)
    assert take(ENDORSED, ENDORSED)["favourites"] == 0
    assert counts(node) == (2, 2)
    node.close()


def test_of_what_was_written_here_nothing_is_remembered(eng: Path, take: Callable[..., Any]) -> None:
    node = opened(eng)
    take([], [])
    acted(node, "anna", reactions.favourite)
    asyncio.run(node.write(lambda tx: tx.execute(imported.delete())))
    acted(node, "anna", reactions.unfavourite)
    assert asyncio.run(node.read(lambda tx: tx.rows(select(takeback)))) == []
    node.close()
