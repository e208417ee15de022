"""Column types that mean the same on SQLite and PostgreSQL, and the one MetaData."""

from typing import Any

import msgspec
from sqlalchemy import BigInteger, Dialect, Integer, MetaData, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

# SQLite makes only "INTEGER PRIMARY KEY" an alias of the rowid; its INTEGER holds 64 bits.
Id: TypeEngine[int] = BigInteger().with_variant(Integer, "sqlite")
Millis = Id


class Json(TypeDecorator[Any]):
    """JSON as text on both engines: it is never queried into, and msgspec is the one encoder of the house."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else msgspec.json.decode(value)
