"""`corridor export`: everything is there, in files that `corridor import` takes back."""

import asyncio
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from activitypub.audience import Visibility
from node import accounts, lists, posts, reactions, scheduling, social
from node.accounts import NewAccount
from node.posts import Draft
from node.schema import account, favourite, post
from node.viewer import person
from tests.cli.conftest import Corridor, opened
from tests.cli.test_import import line, look
from tests.support.companies import company, write


@pytest.fixture
def other(make_node: Callable[..., Path], engine_name: str) -> Path:
    """An empty node of the same domain, on the same engine."""
    return make_node(engine=engine_name, folder="other")


def test_a_round_trip_loses_nothing(corridor: Corridor, eng: Path, other: Path, tmp_path: Path) -> None:
    """Out of one node, into an empty one of the same domain, and out again: the same file."""
    corridor("import", company(posts=700).write(tmp_path / "in.jsonl"))
    said = corridor("export", tmp_path / "first", "--json").json
    assert said["posts"] == 700
    corridor("import", tmp_path / "first" / "posts.jsonl", "--config", other)
    corridor("export", tmp_path / "second", "--config", other)
    first, second = _lines(tmp_path / "first" / "posts.jsonl"), _lines(tmp_path / "second" / "posts.jsonl")
    assert first == second
    assert _posts(eng) == _posts(other)


def test_what_was_written_here_comes_over_with_its_address_and_its_audience(
    corridor: Corridor, eng: Path, other: Path, tmp_path: Path
) -> None:
    _talk(eng)
    corridor("export", tmp_path / "out")
    lines = {one["text"]: one for one in _lines(tmp_path / "out" / "posts.jsonl")}
    assert lines["for us"]["local_only"]
    assert lines["for followers"]["visibility"] == "private"
    assert lines["the #pump leaks"]["tags"] == ["pump"]
    assert [one["by"] for one in lines["the #pump leaks"]["favourites"]] == ["tom"]
    assert [one["by"] for one in lines["the #pump leaks"]["boosts"]] == ["tom"]
    assert lines["@anna it does"]["in_reply_to"] == lines["the #pump leaks"]["id"]
    assert "visibility" not in lines["the #pump leaks"]

    said = corridor("import", tmp_path / "out" / "posts.jsonl", "--config", other, "--json").json
    assert (said["stored"]["posts"], said["bad"]) == (4, 0)
    assert _posts(other) == _posts(eng)


def test_importing_an_export_where_it_came_from_changes_nothing(corridor: Corridor, eng: Path, tmp_path: Path) -> None:
    _talk(eng)
    corridor("export", tmp_path / "out")
    before = _posts(eng)
    said = corridor("import", tmp_path / "out" / "posts.jsonl", "--json").json
    assert said["stored"] == {"posts": 0, "remote_posts": 0, "boosts": 0, "favourites": 0, "there_already": 4}
    assert _posts(eng) == before


def test_peers_posts_come_along_if_somebody_here_endorsed_them(
    corridor: Corridor, eng: Path, other: Path, tmp_path: Path
) -> None:
    lines = [
        line("p1", "tom", node="sales", boosts=["anna"]),
        line("p2", "tom", node="sales"),
        line("p3", "anna", node="pumps", favourites=["tom"]),
    ]
    words = ("--node", "pumps", "--peer", "sales=sales.example")
    corridor("import", write(tmp_path / "in.jsonl", lines), *words)
    corridor("export", tmp_path / "out")
    found = {one["id"]: one for one in _lines(tmp_path / "out" / "posts.jsonl")}
    assert set(found) == {"p1", "p3"}
    assert found["p1"]["author"] == "tom@sales.example"
    assert found["p3"]["favourites"][0]["by"] == "tom@sales.example"

    said = corridor("import", tmp_path / "out" / "posts.jsonl", "--config", other, "--json").json
    assert (said["stored"]["posts"], said["stored"]["remote_posts"], said["elsewhere"]) == (1, 0, 1)
    said = corridor(
        *("import", tmp_path / "out" / "posts.jsonl", "--config", other, "--json"),
        *("--peer", "sales.example=sales.example"),
    ).json
    assert (said["stored"]["remote_posts"], said["remote_accounts"]) == (1, 1)
    assert {row.iri for row in _posts(other)} == {row.iri for row in _posts(eng)}
    assert look(other, select(favourite.c.iri)) == look(eng, select(favourite.c.iri))


def test_people_follows_and_pictures_are_there_and_no_password(corridor: Corridor, eng: Path, tmp_path: Path) -> None:
    _talk(eng)
    picture = "p" * 32 + ".png"
    (eng.parent / "media" / picture).write_bytes(b"\x89PNG")
    (eng.parent / "media" / ("q" * 32 + ".png")).write_bytes(b"nobody's")
    node = opened(eng)
    asyncio.run(
        node.write(lambda tx: tx.execute(account.update().where(account.c.username == "anna").values(avatar=picture)))
    )
    node.close()
    said = corridor("export", tmp_path / "out", "--json").json
    assert said == {"accounts": 2, "posts": 4, "follows": 1, "media": 1}
    people = {one["id"]: one for one in _lines(tmp_path / "out" / "accounts.jsonl")}
    assert people["anna"]["email"] == "anna@example.org"
    assert people["anna"]["avatar"] == picture
    assert "SECRETHASH" not in (tmp_path / "out" / "accounts.jsonl").read_text()
    follows = _lines(tmp_path / "out" / "follows.jsonl")
    assert [(one["follower"], one["target"], one["state"]) for one in follows] == [("tom", "anna", "accepted")]
    assert [path.name for path in (tmp_path / "out" / "media").iterdir()] == [picture]
    for path in tmp_path.glob("out/*.jsonl"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_lists_are_in_it_with_their_members(corridor: Corridor, eng: Path, tmp_path: Path) -> None:
    _talk(eng)
    node = opened(eng)

    async def make() -> None:
        ids = {row.username: row.id for row in await node.read(lambda tx: tx.rows(select(account)))}
        list_id = await node.write_as(person(ids["tom"]), lists.create, "Pumps", exclusive=True)
        await node.write_as(person(ids["tom"]), lists.add, list_id, [ids["anna"]])

    asyncio.run(make())
    node.close()
    corridor("export", tmp_path / "out")
    assert _lines(tmp_path / "out" / "lists.jsonl") == [
        {"owner": "tom", "title": "Pumps", "replies_policy": "list", "exclusive": True, "members": ["anna"]}
    ]


def test_posts_for_later_are_in_it(corridor: Corridor, eng: Path, tmp_path: Path) -> None:
    _talk(eng)
    node = opened(eng)
    at = node.now() + 3_600_000

    async def write() -> None:
        (tom,) = await node.read(lambda tx: tx.scalars(select(account.c.id).where(account.c.username == "tom")))
        draft = Draft("Pump 3 #pump", spoiler="s", idempotency_key="k")
        await node.write_as(person(tom), scheduling.schedule, draft, at)

    asyncio.run(write())
    node.close()
    corridor("export", tmp_path / "out")
    (line,) = _lines(tmp_path / "out" / "scheduled.jsonl")
    said = {"author": "tom", "text": "Pump 3 #pump", "spoiler": "s", "scheduled_at": at, "media": []}
    assert said.items() <= line.items()
    assert "idempotency_key" not in line


@pytest.mark.parametrize("before", ["file", "folder"])
def test_a_place_that_is_taken_is_left_alone(corridor: Corridor, small: Path, tmp_path: Path, before: str) -> None:
    place = tmp_path / "out"
    if before == "file":
        place.write_text("x")
    else:
        place.mkdir()
        (place / "posts.jsonl").write_text("x")
    assert "not an empty folder" in corridor("export", place, status=1).err
    assert (place if before == "file" else place / "posts.jsonl").read_text() == "x"


def _talk(path: Path) -> None:
    """Anna and Tom talk."""

    async def talk() -> None:
        anna, tom = [
            person(
                await node.write(
                    accounts.create, NewAccount(username=name, email=f"{name}@example.org", password_hash="SECRETHASH")
                )
            )
            for name in ("anna", "tom")
        ]
        assert anna.account_id is not None
        await node.write_as(tom, social.follow, anna.account_id)
        first = await node.write_as(anna, posts.publish, Draft("the #pump leaks"))
        await node.write_as(tom, posts.publish, Draft("@anna it does", in_reply_to_id=first))
        await node.write_as(anna, posts.publish, Draft("for us", local_only=True))
        await node.write_as(anna, posts.publish, Draft("for followers", visibility=Visibility.FOLLOWERS))
        await node.write_as(tom, reactions.favourite, first)
        await node.write_as(tom, reactions.boost, first)

    node = opened(path)
    try:
        asyncio.run(talk())
    finally:
        node.close()


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(one) for one in path.read_text().splitlines()]


def _posts(path: Path) -> list[Any]:
    """What matters of all posts and boosts, by address."""
    columns = ("iri", "created_at", "text", "content", "visibility", "local_only", "boosts_count", "favourites_count")
    wanted = [post.c[name] for name in (*columns, "replies_count", "in_reply_to_iri")]
    return look(
        path, select(*wanted, account.c.handle).join(account).where(post.c.boost_of_id.is_(None)).order_by(post.c.iri)
    )
