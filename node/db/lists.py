"""`column` is one of a list that is bound as a single parameter.

`column.in_(bindparam(…, expanding=True))` writes a statement of its own for each length of the list: SQLAlchemy spells it
out anew at each run, and PostgreSQL plans it anew. With `among` the statement stays the same, and the list is a text: a
JSON array, or on PostgreSQL the literal of a bigint array for numbers (an array parameter is quoted item by item in Python).
"""

import json
from collections.abc import Iterable
from typing import Any, Self

from sqlalchemy import Boolean, ColumnElement, Dialect, Text, TypeDecorator, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


def among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """`column`, a number or a text, equals one of the values that are bound as `name`; if there are none, never."""
    return (_AmongNumbers if column.type.python_type is int else _AmongTexts)(column, name)


class _Numbers(TypeDecorator[Iterable[int]]):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Iterable[int] | None, dialect: Dialect) -> str:
        listed = ",".join(map(str, value or ()))
        return f"[{listed}]" if dialect.name == "sqlite" else f"{{{listed}}}"


class _Texts(TypeDecorator[Iterable[str]]):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Iterable[str] | None, dialect: Dialect) -> str:
        return json.dumps(list(value or ()))


class _Among(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Self:
        return self  # the inherited one would write `… = 1` for SQLite, which no index answers


class _AmongNumbers(_Among):
    name = "among_numbers"
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], values: str) -> None:
        super().__init__(column, bindparam(values, type_=_Numbers()))


class _AmongTexts(_Among):
    name = "among_texts"
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], values: str) -> None:
        super().__init__(column, bindparam(values, type_=_Texts()))


def _parts(element: _Among, compiler: SQLCompiler, options: dict[str, Any]) -> list[str]:
    return [compiler.process(part, **options) for part in element.clauses]


@compiles(_Among, "sqlite")
def _in_json(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = _parts(element, compiler, options)
    return f"{column} IN (SELECT value FROM json_each({values}))"


@compiles(_AmongNumbers, "postgresql")
def _any_number(element: _AmongNumbers, compiler: SQLCompiler, **options: Any) -> str:
    column, values = _parts(element, compiler, options)
    return f"{column} = ANY (CAST({values} AS BIGINT[]))"


@compiles(_AmongTexts, "postgresql")
def _any_text(element: _AmongTexts, compiler: SQLCompiler, **options: Any) -> str:
    column, values = _parts(element, compiler, options)
    return f"{column} = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST({values} AS JSONB))))"
