"""Statements prepared once (ADR 0015).

The house builds its statements once, as constants, and runs them many times a second. SQLAlchemy looks each run up in its
cache of compiled statements, makes a context, and binds and describes the result anew: four fifths of the CPU of a short
statement on SQLite. Here a statement that comes a second time is remembered as what the driver needs (its text, in which
order and form it takes the values) and what the rows look like; from the third time on it goes to the driver directly.

SQLAlchemy stays the one who writes the text and converts the values, and it runs whatever is not plain: many values at once,
lists in a statement (`expanding`), statements that somebody listens to. Rows and errors are of its classes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import (
    CompoundSelect,
    Connection,
    CursorResult,
    Delete,
    Dialect,
    Executable,
    Insert,
    Row,
    Select,
    TextClause,
    Update,
)
from sqlalchemy.engine import result_tuple
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.sql.compiler import SQLCompiler

Values = Mapping[str, Any]
Change = Insert | Update | Delete
Query = Select[Any] | CompoundSelect[Any]

_PLAIN_OPTIONS = frozenset({"preserve_rowcount"})
_NOTHING: Values = {}


class Slot(NamedTuple):
    """A parameter of the statement. `key` is what its caller calls it; without one, `value` is always the same."""

    name: str
    key: str | None
    value: Any
    convert: Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class Shape:
    """Rows: how one is made of what the driver returns, and which of its places are converted before."""

    make: Callable[[Sequence[Any]], Row[Any]]
    converted: tuple[tuple[int, Callable[[Any], Any]], ...]

    def row(self, raw: Sequence[Any]) -> Row[Any]:
        if self.converted:
            raw = list(raw)
            for place, convert in self.converted:
                raw[place] = convert(raw[place])
        return self.make(raw)


@dataclass(frozen=True, slots=True)
class Prepared:
    """`positional`: the driver takes the values in order, not by name. No `shape`: it returns no rows."""

    text: str
    slots: tuple[Slot, ...]
    positional: bool
    shape: Shape | None

    def bound(self, values: Values) -> Any:
        """What the driver is given. KeyError for a value that is missing."""
        if self.positional:
            return [
                value if key is None else values[key] if convert is None else convert(values[key])
                for _, key, value, convert in self.slots
            ]
        return {
            name: value if key is None else values[key] if convert is None else convert(values[key])
            for name, key, value, convert in self.slots
        }


@dataclass(frozen=True, slots=True)
class Changed:
    """What is told of a statement that returns no rows."""

    rowcount: int


class Statements:
    """Those of one database, as long as whoever built them keeps them. Used by all its threads."""

    def __init__(self) -> None:
        # By the names of the values, which decide the columns of an INSERT or UPDATE. None: it was run once, and those that
        # are built for a single run are not worth more. False: it is not plain.
        self._known: WeakKeyDictionary[Executable, dict[tuple[str, ...], Prepared | bool | None]] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self._known)

    def rows(self, connection: Connection, statement: Executable, values: Values | None) -> Sequence[Row[Any]]:
        prepared = self._find(connection, statement, values)
        if prepared is None or prepared.shape is None:
            return self._learn(connection, statement, values).fetchall()
        shape, found = prepared.shape, _run(connection, prepared, values, _all)
        return [shape.row(raw) for raw in found] if shape.converted else [shape.make(raw) for raw in found]

    def first(self, connection: Connection, statement: Executable, values: Values | None) -> Row[Any] | None:
        prepared = self._find(connection, statement, values)
        if prepared is None or prepared.shape is None:
            return self._learn(connection, statement, values).first()
        raw = _run(connection, prepared, values, _first)
        return None if raw is None else prepared.shape.row(raw)

    def execute(
        self, connection: Connection, statement: Executable, values: Values | Sequence[Values] | None
    ) -> "CursorResult[Any] | Changed":
        if not isinstance(values, Mapping | None):
            if len(values) != 1:
                return connection.execute(statement, values)
            values = values[0]
        prepared = self._find(connection, statement, values)
        if prepared is None or prepared.shape is not None:
            return self._learn(connection, statement, values)
        return Changed(_run(connection, prepared, values, _count))

    def _find(self, connection: Connection, statement: Executable, values: Values | None) -> Prepared | None:
        by_keys = self._known.get(statement)
        found = None if by_keys is None else by_keys.get(_keys(statement, values))
        # Whoever counts or explains statements hears of them from SQLAlchemy only.
        return found if isinstance(found, Prepared) and not connection.dispatch.before_cursor_execute else None

    def _learn(self, connection: Connection, statement: Executable, values: Values | None) -> CursorResult[Any]:
        """Run it by SQLAlchemy, and at the second time see what it does."""
        result = connection.execute(statement, values)
        keys = _keys(statement, values)
        by_keys = self._known.setdefault(statement, {})
        if keys not in by_keys:
            by_keys[keys] = None
        elif by_keys[keys] is None:
            by_keys[keys] = _prepared(connection.dialect, statement, keys, result) or False
        return result


def run_text(connection: Connection, text: str) -> None:
    """Run what frames a transaction: text without values, of which nothing comes back."""
    _run(connection, Prepared(text, (), True, None), None, _count)


# --- Running ----------------------------------------------------------------------------------------------------------


def _run(connection: Connection, prepared: Prepared, values: Values | None, fetch: Callable[[Any], Any]) -> Any:
    try:
        bound = prepared.bound(_NOTHING if values is None else values)
    except KeyError as error:
        raise StatementError(f"A value is required for {error}", prepared.text, None, error) from error
    driver: Any = connection.connection.driver_connection
    try:
        return fetch(driver.execute(prepared.text, bound))
    except connection.dialect.loaded_dbapi.Error as error:
        raise _translated(connection, driver, prepared.text, bound, error) from error


def _all(cursor: Any) -> Any:
    return cursor.fetchall()


def _first(cursor: Any) -> Any:
    found = cursor.fetchone()
    cursor.close()  # or SQLite would still be reading
    return found


def _count(cursor: Any) -> Any:
    return cursor.rowcount


def _translated(connection: Connection, driver: Any, text: str, bound: Any, error: Any) -> Exception:
    """The error as SQLAlchemy would raise it; a connection that is lost is thrown away."""
    dialect = connection.dialect
    lost = dialect.is_disconnect(error, driver, None)
    if lost:
        connection.invalidate(error)
    base = dialect.loaded_dbapi.Error
    raised: Exception = DBAPIError.instance(text, bound, error, base, connection_invalidated=lost, dialect=dialect)
    return raised


# --- Learning ---------------------------------------------------------------------------------------------------------


def _keys(statement: Executable, values: Values | None) -> tuple[str, ...]:
    return tuple(values) if values and isinstance(statement, Change) else ()


def _prepared(
    dialect: Dialect, statement: Executable, keys: Sequence[str], result: CursorResult[Any]
) -> Prepared | None:
    """None for what only SQLAlchemy can run."""
    if not isinstance(statement, Change | Query | TextClause) or not (
        statement.get_execution_options().keys() <= _PLAIN_OPTIONS
    ):
        return None
    # Without `inline`, an INSERT would ask for the key of its row unasked.
    asked = statement.inline() if isinstance(statement, Insert) else statement
    compiled = asked.compile(dialect=dialect, column_keys=list(keys) or None)
    if not isinstance(compiled, SQLCompiler) or not _is_plain(compiled):
        return None
    slots = _slots(compiled, dialect)
    shape = _shape(statement, dialect, result) if result.returns_rows else None
    if slots is None or (result.returns_rows and shape is None):
        return None
    return Prepared(compiled.string, slots, bool(compiled.positional), shape)


def _is_plain(compiled: SQLCompiler) -> bool:
    extra = (compiled.post_compile_params, compiled.literal_execute_params, compiled.escaped_bind_names)
    return not any(extra) and not compiled.insert_prefetch and not compiled.update_prefetch


def _slots(compiled: SQLCompiler, dialect: Dialect) -> tuple[Slot, ...] | None:
    names = compiled.positiontup if compiled.positional else list(compiled.bind_names.values())
    slots = []
    for name in names or ():
        bind = compiled.binds[name]
        convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
        if bind.required:
            slots.append(Slot(name, bind.key, None, convert))
        elif bind.unique and bind.callable is None:
            slots.append(Slot(name, None, convert(bind.value) if convert else bind.value, None))
        else:
            return None
    return tuple(slots)


def _shape(statement: Change | Query | TextClause, dialect: Dialect, result: CursorResult[Any]) -> Shape | None:
    if isinstance(statement, TextClause):
        return None  # nobody said what its columns are
    names, columns = tuple(result.keys()), tuple(statement.exported_columns)
    described = result.cursor.description if result.cursor is not None else None
    if described is None or not len(described) == len(names) == len(columns) == len(set(names)):
        return None
    converted = []
    for place, (column, (_, code, *_)) in enumerate(zip(columns, described, strict=True)):
        convert = column.type.dialect_impl(dialect).result_processor(dialect, code)
        if convert is not None:
            converted.append((place, convert))
    return Shape(result_tuple(names), tuple(converted))
