"""Which processes of a node are alive (PostgreSQL): what a killed one had leased is anybody's at once.

Each process holds an advisory lock of its session, under a number of its own, on the connection on which it listens for
bells. The server drops the lock with the connection, so nobody has to guess from a clock. Leases name the number of their
holder; times still bound them, for a machine that vanishes without closing its connections.
"""

import secrets

from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, cast, column, func, literal, select, table

from node.runtime import Tx

CLASS = 0x636F7272
"""First key of the locks: "corr"."""

_LOCKS = table(
    "pg_locks", column("locktype"), column("classid"), column("objid"), column("objsubid"), column("database")
)
_DATABASES = table("pg_database", column("oid"), column("datname"))
_HERE = select(_DATABASES.c.oid).where(_DATABASES.c.datname == func.current_database()).scalar_subquery()
_ALIVE = select(cast(_LOCKS.c.objid, BigInteger)).where(
    _LOCKS.c.locktype == "advisory",
    cast(_LOCKS.c.classid, BigInteger) == CLASS,
    _LOCKS.c.objsubid == 2,  # a lock of two keys
    _LOCKS.c.database == _HERE,
)
_WHETHER_DEAD = select(literal(1)).where(bindparam("holder", type_=BigInteger).not_in(_ALIVE))


def number() -> int:
    """A number for a process: 31 bits, not 0."""
    return secrets.randbelow(2**31 - 1) + 1


def is_dead(holder: ColumnElement[int | None]) -> ColumnElement[bool]:
    """The process that held something under this number is no more. Of one without a number nothing is known."""
    return and_(holder.is_not(None), holder.not_in(_ALIVE))


def is_gone(tx: Tx, holder: int) -> bool:
    return tx.first(_WHETHER_DEAD, {"holder": holder}) is not None
