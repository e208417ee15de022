"""A statement that goes to the driver directly does the same as one that SQLAlchemy runs, on both engines."""

import gc
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Connection,
    Engine,
    Executable,
    Float,
    bindparam,
    cast,
    delete,
    event,
    func,
    insert,
    literal,
    null,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, StatementError

from node import db
from node.db.statements import Changed, Statements
from node.schema import account, login, meta, tag
from node.schema.meta import Id

ACCOUNT = {
    "id": 2**62 + 1,
    "username": "anna",
    "handle": "anna",
    "iri": "https://x.example/users/anna",
    "url": "https://x.example/@anna",
    "fields": [{"name": "50 %", "value": "é \U0001f600"}],
    "locked": True,
    "created_at": 5,
    "updated_at": 6,
}
BY_ID = bindparam("of", type_=Id)
SELECTS: dict[str, tuple[Executable, Mapping[str, Any] | None]] = {
    "every type": (select(account).where(account.c.id == BY_ID), {"of": ACCOUNT["id"]}),
    "nothing found": (select(account).where(account.c.id == BY_ID), {"of": 7}),
    "a value that is NULL": (select(account.c.id).where(account.c.username != bindparam("name")), {"name": None}),
    "values of its own": (
        select(account.c.iri, literal("a % b ? :c").label("l")).where(account.c.locked, account.c.rev == 0),
        None,
    ),
    "no value": (select(func.count().label("n"), null().label("none")).select_from(account), None),
    "limit": (select(account.c.id).order_by(account.c.id).limit(bindparam("k", type_=Id)), {"k": 1}),
    "one value twice": (
        select(account.c.id).where((account.c.id == BY_ID) | (account.c.rev > BY_ID)),
        {"of": ACCOUNT["id"]},
    ),
    "a list": (select(account.c.id).where(db.among(account.c.id, "ids")), {"ids": [ACCOUNT["id"], 3]}),
    "a list spelt out": (
        select(account.c.id).where(account.c.id.in_(bindparam("ids", expanding=True))),
        {"ids": [ACCOUNT["id"], 3]},
    ),
    "columns of one name": (select(account.c.id, login.c.account_id, account.c.id).join(login, isouter=True), None),
    "more values than asked for": (select(account.c.id), {"of": 1}),
    "two queries": (union_all(select(account.c.locked), select(account.c.bot)), None),
    "floats": (select(cast(literal("0.25"), Float).label("f"), literal(0.5).label("g")), None),
    "text": (text("SELECT 1 AS one"), None),
}


@pytest.fixture
def connection(engine_name: str, tmp_path: Path, new_database_url: Callable[[str, Path], str]) -> Iterator[Connection]:
    storage = db.connect(new_database_url(engine_name, tmp_path), readers=1, pool=2)
    with storage.engine.connect() as opened:
        opened.execute(insert(account), ACCOUNT)
        yield opened
    storage.close()


@pytest.fixture
def statements() -> Statements:
    return Statements()


@pytest.mark.parametrize("name", SELECTS)
def test_rows_are_those_of_sqlalchemy(connection: Connection, statements: Statements, name: str) -> None:
    statement, values = SELECTS[name]
    expected = connection.execute(statement, values).fetchall()
    for _ in range(4):
        found = statements.rows(connection, statement, values)
        assert found == expected
        assert [row._asdict() for row in found] == [row._asdict() for row in expected]
        assert [[type(value) for value in row] for row in found] == [[type(value) for value in row] for row in expected]
        assert statements.first(connection, statement, values) == (expected[0] if expected else None)


def test_from_the_third_time_on_sqlalchemy_is_not_asked(connection: Connection, statements: Statements) -> None:
    statement, values = SELECTS["every type"]
    for _ in range(2):
        statements.rows(connection, statement, values)
    connection.execute = refuse  # type: ignore[method-assign, assignment]
    assert statements.rows(connection, statement, values)[0].username == "anna"
    with pytest.raises(AssertionError):
        statements.rows(connection, select(account), None)


def test_a_change_in_text_is_prepared_like_one_that_was_built(connection: Connection, statements: Statements) -> None:
    put = text("INSERT INTO meta (key, value) VALUES (:of, '50 % : ' || :what)")
    for number in range(2):
        assert statements.execute(connection, put, {"of": f"k{number}", "what": "%s"}).rowcount == 1
    connection.execute, asked = refuse, connection.execute  # type: ignore[method-assign, assignment]
    assert statements.execute(connection, put, [{"of": "k2", "what": "%s"}]) == Changed(1)
    connection.execute = asked  # type: ignore[method-assign]
    assert connection.execute(select(meta.c.value)).scalars().all() == ["50 % : %s"] * 3


def refuse(*_: Any) -> None:
    raise AssertionError("asked")


def test_what_is_changed_is_told_and_done(connection: Connection, statements: Statements) -> None:
    put, rename = insert(meta), update(meta).where(meta.c.key.like(bindparam("like"))).values(value=bindparam("to"))
    for number in range(5):
        statements.execute(connection, put, {"key": f"k{number}", "value": "%s"})
        assert statements.execute(connection, rename, {"like": "k%", "to": f"{number} %"}).rowcount == number + 1
    assert isinstance(statements.execute(connection, rename, {"like": "none", "to": ""}), Changed)
    assert connection.execute(select(meta.c.value).distinct()).scalars().all() == ["4 %"]
    remove = delete(meta).where(meta.c.key == bindparam("of"))
    assert [statements.execute(connection, remove, {"of": "k1"}).rowcount for _ in range(4)] == [1, 0, 0, 0]


def test_an_insert_writes_the_columns_that_are_given_each_time(connection: Connection, statements: Statements) -> None:
    put = insert(account)
    base = {key: ACCOUNT[key] for key in ("url", "created_at", "updated_at")}
    for number in range(1, 9):
        more = {"id": number, "username": "x", "handle": f"h{number}", "iri": f"i{number}"} | base
        if number % 2:
            more |= {"fields": [number], "title": "boss", "locked": True}
        statements.execute(connection, put, more)
    found = connection.execute(select(account.c.fields, account.c.title, account.c.locked).where(account.c.id < 9))
    assert found.fetchall() == [([number], "boss", True) if number % 2 else ([], None, False) for number in range(1, 9)]


def test_what_is_returned_comes_back(connection: Connection, statements: Statements) -> None:
    put = insert(tag).returning(tag.c.id, tag.c.name)
    names = [f"t{number}" for number in range(5)]
    rows = [statements.first(connection, put, {"name": name, "display": name, "created_at": 1}) for name in names]
    assert [row.name for row in rows if row is not None] == names
    assert len({row.id for row in rows if row is not None}) == 5


def test_an_insert_that_is_ignored_says_so(connection: Connection, statements: Statements) -> None:
    put = db.insert_or_ignore(connection.dialect.name, meta, ["key"])
    assert put is db.insert_or_ignore(connection.dialect.name, meta, ("key",))
    counts = [statements.execute(connection, put, {"key": "a", "value": "1"}).rowcount for _ in range(4)]
    assert counts == [1, 0, 0, 0]


def test_many_at_once_go_to_sqlalchemy(connection: Connection, statements: Statements) -> None:
    put = insert(meta)
    for number in range(4):
        statements.execute(connection, put, [{"key": f"{number}{part}", "value": ""} for part in "ab"])
    assert connection.execute(select(func.count()).select_from(meta)).scalar() == 8


def test_a_list_of_one_is_as_good_as_one(connection: Connection, statements: Statements) -> None:
    put = insert(meta)
    for number in range(4):
        statements.execute(connection, put, [{"key": str(number), "value": ""}])
    assert connection.execute(select(func.count()).select_from(meta)).scalar() == 4
    assert isinstance(statements.execute(connection, put, [{"key": "x", "value": ""}]), Changed)


def test_errors_are_those_of_sqlalchemy(connection: Connection, statements: Statements) -> None:
    put, wrong = insert(meta), text("SELECT nothing FROM nowhere")
    statements.execute(connection, put, {"key": "a", "value": ""})
    for _ in range(3):
        with pytest.raises(IntegrityError) as caught:
            statements.execute(connection, put, {"key": "a", "value": ""})
        assert not caught.value.connection_invalidated
    statements.execute(connection, put, {"key": "b", "value": ""})
    with pytest.raises(IntegrityError) as caught:
        statements.execute(connection, put, {"key": "b", "value": ""})
    assert type(caught.value.orig).__name__ in ("IntegrityError", "UniqueViolation")
    with pytest.raises((ProgrammingError, StatementError)):
        statements.rows(connection, wrong, None)


def test_a_value_that_is_missing_is_an_error_each_time(connection: Connection, statements: Statements) -> None:
    statement, values = SELECTS["every type"]
    for given in (values, values, values):
        statements.rows(connection, statement, given)
    with pytest.raises(StatementError, match="of"):
        statements.rows(connection, statement, {"another": 1})


def test_whoever_listens_hears_of_every_statement(connection: Connection, statements: Statements) -> None:
    statement, values = SELECTS["every type"]
    for _ in range(3):
        statements.rows(connection, statement, values)
    heard: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        heard.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        statements.rows(connection, statement, values)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    statements.rows(connection, statement, values)
    assert len(heard) == 1


def test_a_statement_for_a_single_run_is_forgotten(connection: Connection, statements: Statements) -> None:
    for number in range(3):
        statements.rows(connection, select(account.c.id).where(account.c.id == number), None)
    gc.collect()
    assert len(statements) <= 1  # SQLAlchemy's cache keeps the first of a kind


def test_a_connection_that_died_is_thrown_away(tmp_path: Path, new_database_url: Callable[[str, Path], str]) -> None:
    storage = db.connect(new_database_url("postgresql", tmp_path), pool=2)
    statements = Statements()
    me, alive = select(func.pg_backend_pid()), select(literal(1))
    try:
        with storage.engine.connect() as connection, storage.engine.connect() as other:
            *_, number = (statements.first(connection, me, None) for _ in range(3))
            assert number is not None
            other.execute(text("SELECT pg_terminate_backend(:me, 5000)"), {"me": number[0]})
            for _ in range(3):
                statements.first(other, alive, None)
            with pytest.raises(OperationalError) as caught:
                statements.first(connection, me, None)
            assert caught.value.connection_invalidated
            assert connection.invalidated
    finally:
        storage.close()
