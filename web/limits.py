"""Rate limits: how many requests an account or an address may make in a window of five minutes.

Counted in this process. Keys are what we know for certain, an account id or the address that a trusted proxy names, never
a header that a client can choose.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

WINDOW = 300.0
"""Seconds."""
_SWEEP_AT = 20_000
"""Keys after which counters of past windows are thrown away."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left after a request. `resets_at`: seconds since 1970."""

    limit: int
    remaining: int
    resets_at: float
    exceeded: bool


class Limiter:
    """Fixed windows per key, aligned to the clock. Thread-safe: identity.py counts on database threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._window = 0
        self._counts: dict[tuple[str, str | int], int] = {}

    def take(self, kind: str, key: str | int, limit: int) -> Budget | None:
        """Count one request of `key`; None if the limit is off (0)."""
        if limit <= 0:
            return None
        window = int(self._clock() // WINDOW)
        with self._lock:
            if window != self._window:
                self._window = window
                self._counts.clear()
            elif len(self._counts) > _SWEEP_AT:
                self._forget_small()
            count = self._counts.get((kind, key), 0) + 1
            self._counts[kind, key] = count
        return Budget(limit, max(0, limit - count), (window + 1) * WINDOW, count > limit)

    def give_back(self, kind: str, key: str | int) -> None:
        """Take back one request that was counted before it was known whose it is."""
        with self._lock:
            if count := self._counts.get((kind, key), 0):
                self._counts[kind, key] = count - 1

    def seconds_left(self, budget: Budget) -> float:
        return budget.resets_at - self._clock()

    def _forget_small(self) -> None:
        """Bound the memory under a flood of addresses: those that asked least lose their count."""
        keep = sorted(self._counts.items(), key=lambda item: item[1], reverse=True)[: _SWEEP_AT // 2]
        self._counts = dict(keep)
