"""How far long work has come: a bar on a terminal, a line now and then otherwise; always on standard error."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import click

Progress = Callable[[int, int], None]
"""(done, in all)"""

LINE_SECONDS = 5.0
"""Between two lines, where there is no terminal."""


@contextlib.contextmanager
def shown(label: str) -> Iterator[Progress]:
    """`with shown("Importing") as progress: …` — `progress(done, total)` may be called as often as one likes."""
    if not sys.stderr.isatty():
        yield _lines(label)
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(label: str) -> Progress:
    said = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= LINE_SECONDS and total:
            said = now
            click.echo(f"{label}: {100 * done // total} %", err=True)

    return progress
