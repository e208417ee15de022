"""Ports for servers that are started later, in a process of their own.

Not from the range that the system hands out for port 0 and for outgoing connections: between choosing such a port and
the server's start anybody may get it, and a test would then talk with a stranger.

Each test process, whether of one run or of several on the machine, has a block of ports of its own. It holds the block by
a socket on the first port, which the system takes back when the process ends, however it does.
"""

import atexit
import itertools
import os
import socket
from collections.abc import Iterator
from functools import cache

FIRST, EACH, BLOCKS = 12_000, 1_000, 20
"""Up to 32,000: the system's own range begins at 32,768."""


def free_port() -> int:
    """A port that nobody listens on, and that no other test process will choose."""
    for port in itertools.islice(_ports_of(os.getpid()), EACH):
        if (probe := _bound(port)) is not None:
            probe.close()
            return port
    raise RuntimeError("every port of this test process is in use")


@cache
def _ports_of(process: int) -> Iterator[int]:
    """The ports of this process's block, round and round. A child by fork has another number, and gets its own."""
    start = next(block for block in range(FIRST, FIRST + EACH * BLOCKS, EACH) if _hold(block))
    return itertools.cycle(range(start + 1, start + EACH))


def _hold(port: int) -> bool:
    """Keep the port until this process ends, if nobody has it."""
    holder = _bound(port)
    if holder is not None:
        atexit.register(holder.close)
    return holder is not None


def _bound(port: int) -> socket.socket | None:
    probe = socket.socket()
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        probe.close()
        return None
    return probe
