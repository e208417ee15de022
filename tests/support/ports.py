"""Ports for servers that are started later, in a process of their own.

Not from the range that the system hands out for port 0 and for outgoing connections: between choosing such a port and
the server's start anybody may get it, and a test would then talk with a stranger. Each test process has a range of its own.
"""

import itertools
import os
import socket

FIRST, EACH = 12_000, 4_000
_NUMBERS = itertools.count()


def free_port() -> int:
    """A port that nobody listens on, and that no other test process will choose."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 5
    for number in _NUMBERS:
        port = FIRST + EACH * worker + number % EACH
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("unreachable")
