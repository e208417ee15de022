"""The process in which ffmpeg reads what a stranger sent: bounded before it begins.

Started by `node.recording` as a file, isolated from the rest of the code. Its arguments are the bounds (JSON: bytes of
memory and of output, seconds of CPU) and the command, which takes its place.
"""

import json
import os
import resource
import sys


def main(arguments: list[str]) -> None:
    bounds = json.loads(arguments[0])
    for limit, value in (
        (resource.RLIMIT_AS, bounds["memory"]),
        (resource.RLIMIT_CPU, bounds["cpu"]),
        (resource.RLIMIT_FSIZE, bounds["output"]),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    os.umask(0o077)
    os.nice(10)  # who reads and writes goes first
    os.execv(arguments[1], arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
