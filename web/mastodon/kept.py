"""What was made once and is used while its revision is the newest."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """The newest revision of what was rendered, the least recently used forgotten. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._entries: OrderedDict[int, tuple[int, T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, wanted: Iterable[tuple[int, int]]) -> tuple[dict[int, T], list[int]]:
        """Of (id, revision): what is here by id, and the ids of what is not."""
        found: dict[int, T] = {}
        missing: list[int] = []
        with self._lock:
            for id_, revision in wanted:
                entry = self._entries.get(id_)
                if entry is not None and entry[0] == revision:
                    self._entries.move_to_end(id_)
                    found[id_] = entry[1]
                else:
                    missing.append(id_)
        return found, missing

    def keep(self, id_: int, revision: int, value: T) -> None:
        """Unless a later revision is here: a reader's snapshot may be an old one."""
        with self._lock:
            entry = self._entries.get(id_)
            if entry is None or entry[0] <= revision:
                self._entries[id_] = (revision, value)
                self._entries.move_to_end(id_)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)
