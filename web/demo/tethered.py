"""A command of `corridor` that ends when whoever started it does, however that ended: `python -m web.demo.tethered serve …`.

Standard input is a pipe whose other end only the starter holds. The kernel closes that when the starter is killed, on every
system alike, and nobody has to watch process numbers that might have been given to somebody else.
"""

import os
import signal
import sys
import threading
import time

from web.cli.main import main

PATIENCE_SECONDS = 20.0
"""For a stop in order, before a hard end."""


def hold_on_to(descriptor: int) -> None:
    """End this process when the pipe's other end is closed: asked first, then made to."""
    threading.Thread(target=_wait_for_the_end, args=(descriptor,), name="tether", daemon=True).start()


def _wait_for_the_end(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    hold_on_to(sys.stdin.fileno())
    main(sys.argv[1:])
