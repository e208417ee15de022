"""The promises of storage: what was answered is on disk, one bad unit harms no other, both engines mean the same."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from node import db
from node.errors import Conflict, Unavailable


@pytest.fixture
def storage(engine_name: str, tmp_path: Path, new_database_url: Callable[[str, Path], str]) -> Iterator[db.Storage]:
    opened = db.connect(new_database_url(engine_name, tmp_path), readers=2, pool=4)
    yield opened
    opened.close()


@pytest.fixture
def sqlite(tmp_path: Path, new_database_url: Callable[[str, Path], str]) -> Iterator[db.Storage]:
    opened = db.connect(new_database_url("sqlite", tmp_path), readers=2)
    yield opened
    opened.close()


def put(key: str, value: str = "x") -> db.Work[str]:
    def work(conn: Connection) -> str:
        conn.execute(text("INSERT INTO meta (key, value) VALUES (:key, :value)"), {"key": key, "value": value})
        return key

    return work


def keys(conn: Connection) -> list[str]:
    return list(conn.execute(text("SELECT key FROM meta ORDER BY key")).scalars())


async def test_a_unit_that_raises_leaves_nothing_and_the_error_reaches_its_caller(storage: db.Storage) -> None:
    def half_done(conn: Connection) -> None:
        put("a")(conn)
        raise Conflict("no")

    with pytest.raises(Conflict):
        await storage.write(half_done)
    await storage.write(put("b"))
    assert await storage.read(keys) == ["b"]


async def test_each_unit_of_write_all_is_kept_or_rolled_back_on_its_own_and_in_order(storage: db.Storage) -> None:
    def refuse(conn: Connection) -> None:
        put("refused")(conn)
        raise Conflict("no")

    def count(conn: Connection) -> int:
        return len(keys(conn))

    outcomes = await storage.write_all([put("a"), refuse, count, put("b"), count])
    assert outcomes[0] == "a"
    assert isinstance(outcomes[1], Conflict)
    assert outcomes[2:] == [1, "b", 2]
    assert await storage.read(keys) == ["a", "b"]


async def test_a_mistake_of_ours_in_a_group_is_raised_to_its_caller_only(storage: db.Storage) -> None:
    def broken(conn: Connection) -> None:
        conn.execute(text("INSERT INTO no_such_table VALUES (1)"))

    outcomes = await storage.write_all([put("a"), broken, put("b")])
    assert [outcomes[0], outcomes[2]] == ["a", "b"]
    assert "no_such_table" in str(outcomes[1])
    assert await storage.read(keys) == ["a", "b"]


async def test_check_then_insert_by_many_at_once_inserts_once(storage: db.Storage) -> None:
    def insert_if_missing(conn: Connection) -> bool:
        if conn.execute(text("SELECT 1 FROM meta WHERE key = 'one'")).first():
            return False
        put("one")(conn)
        return True

    outcomes = await asyncio.gather(*(storage.write(insert_if_missing) for _ in range(12)))
    assert outcomes.count(True) == 1
    assert await storage.read(keys) == ["one"]


async def test_counting_up_by_many_at_once_loses_no_step(storage: db.Storage) -> None:
    await storage.write(put("n", "0"))

    def step(conn: Connection) -> None:
        value = int(conn.execute(text("SELECT value FROM meta WHERE key = 'n'")).scalar_one())
        conn.execute(text("UPDATE meta SET value = :value WHERE key = 'n'"), {"value": str(value + 1)})

    await asyncio.gather(*(storage.write(step) for _ in range(20)))
    assert await storage.read(lambda c: c.execute(text("SELECT value FROM meta")).scalar_one()) == "20"


async def test_a_reader_sees_only_what_is_committed(storage: db.Storage) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(conn: Connection) -> None:
        put("late")(conn)
        inside.set()
        assert go_on.wait(10)

    writing = asyncio.ensure_future(storage.write(slow))
    await asyncio.to_thread(inside.wait, 10)
    assert await storage.read(keys) == []
    go_on.set()
    await writing
    assert await storage.read(keys) == ["late"]


async def test_waiting_units_share_one_commit(storage: db.Storage) -> None:
    async with held(storage):
        waiting = [asyncio.ensure_future(storage.write(put(f"k{n:02}"))) for n in range(20)]
        await asyncio.sleep(0.05)
    assert await asyncio.gather(*waiting) == [f"k{n:02}" for n in range(20)]
    assert storage.figures.groups == 2
    assert storage.figures.writes == 21


async def test_one_bad_unit_of_those_that_wait_takes_no_other_with_it(storage: db.Storage) -> None:
    await storage.write(put("taken"))
    async with held(storage):
        before = asyncio.ensure_future(storage.write(put("a")))
        bad = asyncio.ensure_future(storage.write(put("taken")))
        after = asyncio.ensure_future(storage.write(put("b")))
        await asyncio.sleep(0.05)
    assert (await before, await after) == ("a", "b")
    with pytest.raises(IntegrityError):
        await bad
    assert await storage.read(keys) == ["a", "b", "taken"]


async def test_callers_that_give_up_while_they_wait_do_not_stop_the_writer(storage: db.Storage) -> None:
    async with held(storage):
        waiting = [asyncio.ensure_future(storage.write(put(f"k{n}"))) for n in range(3)]
        await asyncio.sleep(0.05)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert await storage.write(put("later")) == "later"
    assert await storage.read(keys) == ["later"]


async def test_two_processes_that_count_at_one_row_lose_nothing(
    engine_name: str, tmp_path: Path, new_database_url: Callable[[str, Path], str]
) -> None:
    url = new_database_url(engine_name, tmp_path)
    both = [db.connect(url, readers=1, pool=1) for _ in range(2)]

    def count(conn: Connection) -> None:
        found = int(conn.execute(text("SELECT value FROM meta WHERE key = 'n'")).scalar_one())
        conn.execute(text("UPDATE meta SET value = :value WHERE key = 'n'"), {"value": str(found + 1)})

    async def many(storage: db.Storage) -> None:
        for _ in range(15):
            await storage.write(count)

    try:
        await both[0].write(put("n", "0"))
        await asyncio.gather(*(many(storage) for storage in both for _ in range(4)))
        assert await both[1].read(lambda c: c.execute(text("SELECT value FROM meta")).scalar_one()) == "120"
    finally:
        for storage in both:
            storage.close()


async def test_a_full_disk_inside_a_group_fails_only_what_does_not_fit_and_work_resumes_by_itself(
    sqlite: db.Storage,
) -> None:
    pages = await sqlite.write(lambda c: int(c.exec_driver_sql("PRAGMA page_count").scalar_one()))
    await sqlite.write(lambda c: limit_pages(c, pages + 8))
    async with held(sqlite):
        small = [asyncio.ensure_future(sqlite.write(put(f"small{n}"))) for n in range(4)]
        big = asyncio.ensure_future(sqlite.write(put("big", "x" * 400_000)))
        late = [asyncio.ensure_future(sqlite.write(put(f"zlate{n}"))) for n in range(4)]
        await asyncio.sleep(0.05)
    assert await asyncio.gather(*small, *late) == [f"small{n}" for n in range(4)] + [f"zlate{n}" for n in range(4)]
    with pytest.raises(Unavailable):
        await big
    assert sqlite.figures.reruns == 1
    assert sqlite.figures.failure != ""
    await sqlite.write(lambda c: limit_pages(c, 1_000_000))
    assert await sqlite.write(put("big", "x" * 400_000)) == "big"
    assert await sqlite.read(keys) == ["big", *(f"small{n}" for n in range(4)), *(f"zlate{n}" for n in range(4))]
    assert sqlite.figures.failed_at is None


async def test_a_disk_that_is_full_for_all_acknowledges_nothing(sqlite: db.Storage) -> None:
    pages = await sqlite.write(lambda c: int(c.exec_driver_sql("PRAGMA page_count").scalar_one()))
    await sqlite.write(lambda c: limit_pages(c, pages))
    outcomes = await sqlite.write_all([put(f"k{n}", "x" * 100_000) for n in range(3)])
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    assert await sqlite.read(keys) == []


async def test_a_file_locked_by_another_process_is_a_503_and_then_works_again(
    sqlite: db.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sqlite.write(lambda c: c.exec_driver_sql("PRAGMA busy_timeout=100").fetchall())
    path = db.sqlite_path(str(sqlite.engine.url))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        await sqlite.write(put("a"))
    outcomes = await sqlite.write_all([put("b"), put("c")])
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 2
    other.execute("ROLLBACK")
    other.close()
    await sqlite.write(put("d"))
    assert await sqlite.read(keys) == ["d"]


async def test_sqlite_is_durable_at_commit(sqlite: db.Storage) -> None:
    assert await sqlite.write(lambda c: c.exec_driver_sql("PRAGMA synchronous").scalar_one()) == 2  # FULL
    assert await sqlite.write(lambda c: c.exec_driver_sql("PRAGMA journal_mode").scalar_one()) == "wal"


async def test_a_write_after_close_is_refused_and_one_before_is_finished(
    tmp_path: Path, new_database_url: Callable[[str, Path], str]
) -> None:
    storage = db.connect(new_database_url("sqlite", tmp_path))
    before = asyncio.ensure_future(storage.write(put("a")))
    await asyncio.sleep(0)
    await asyncio.to_thread(storage.close)
    assert await before == "a"
    with pytest.raises(Unavailable):
        await storage.write(put("b"))


async def test_a_unit_of_work_that_opens_a_socket_is_refused(storage: db.Storage) -> None:
    import socket

    def talk(_conn: Connection) -> None:
        socket.create_connection(("127.0.0.1", 9), timeout=1)

    with pytest.raises(RuntimeError, match="network access inside a database transaction"):
        await storage.write(talk)


async def test_a_lost_postgresql_connection_is_unavailable_and_the_next_write_works(
    cluster: Any, tmp_path: Path, new_database_url: Callable[[str, Path], str]
) -> None:
    storage = db.connect(new_database_url("postgresql", tmp_path), pool=2)
    try:

        def die(conn: Connection) -> None:
            conn.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

        with pytest.raises(Unavailable):
            await storage.write(die)
        assert await storage.write(put("a")) == "a"
    finally:
        storage.close()


async def test_a_commit_whose_answer_was_lost_is_not_run_again(
    tmp_path: Path, new_database_url: Callable[[str, Path], str]
) -> None:
    storage = db.connect(new_database_url("postgresql", tmp_path), pool=1)
    other = storage.engine.connect()
    runs = []

    def work(conn: Connection) -> None:
        runs.append(1)
        me = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
        other.execute(text("SELECT pg_terminate_backend(:me, 5000)"), {"me": me})

    try:
        with pytest.raises(Unavailable):
            await storage.write(work)
        assert len(runs) == 1
        assert await storage.write(put("a")) == "a"
    finally:
        other.close()
        storage.close()


def limit_pages(conn: Connection, pages: int) -> None:
    """A disk that is full at `pages` (SQLITE_FULL, as from the real thing)."""
    conn.exec_driver_sql(f"PRAGMA max_page_count={pages}").fetchall()


class held:
    """Keeps the writer busy while the block runs, so that what is written inside waits together."""

    def __init__(self, storage: db.Storage) -> None:
        self.storage = storage
        self.inside, self.go_on = threading.Event(), threading.Event()

    async def __aenter__(self) -> None:
        def wait(_conn: Connection) -> None:
            self.inside.set()
            assert self.go_on.wait(10)

        self.task = asyncio.ensure_future(self.storage.write(wait))
        await asyncio.to_thread(self.inside.wait, 10)

    async def __aexit__(self, *_exc: object) -> None:
        self.go_on.set()
        await self.task
