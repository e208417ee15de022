"""64-bit ids, ordered by publication time.

An id is 10^17 + (milliseconds since 1970 << 16) + a 16-bit counter. The offset keeps every id between 1970 and 2109 at
eighteen digits, so that clients which compare ids as strings get the same order as those which compare numbers.
"""

import itertools
import secrets
import threading
from typing import NewType

AccountId = NewType("AccountId", int)
PostId = NewType("PostId", int)
Millis = NewType("Millis", int)
"""UTC, milliseconds since 1970."""

OFFSET = 10**17
COUNTER_BITS = 16
LAST_MILLIS = (1 << 42) - 1


class Ids:
    """Source of ids for one process. Thread-safe.

    The counter starts at random and never repeats within 65,536 ids, whatever times they are for; two processes that hit
    the same id collide on the primary key, and the transaction is run again. It starts in the lower half: where a clock
    stands still, as in tests, ids go on rising for 32,768 more.
    """

    def __init__(self, first: int | None = None) -> None:
        self._counter = itertools.count(secrets.randbits(COUNTER_BITS - 1) if first is None else first)
        self._lock = threading.Lock()

    def next(self, at: int) -> int:
        """An id for something published at `at` (ms since 1970; clamped to what an id can hold)."""
        with self._lock:
            count = next(self._counter)
        return floor_id(at) + count % (1 << COUNTER_BITS)


def floor_id(at: int) -> int:
    """The smallest id that something published at `at` can have: a cursor for "everything before that time"."""
    return OFFSET + (min(max(at, 0), LAST_MILLIS) << COUNTER_BITS)


def millis_of(id_: int) -> Millis:
    """When the thing with this id was published (ms since 1970)."""
    return Millis((id_ - OFFSET) >> COUNTER_BITS)
