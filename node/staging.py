"""Folders and files that appear together and whole, or not at all.

Everything is made under another name beside its place (`.NAME.partial-…`; inside it, where the folder is there already and
is somebody's choice: a mount point, or one with rights of its own), and renamed when all of it is on disk. What fails
before leaves nothing. A process that is killed leaves only what `leftovers` finds.
"""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_MARK = ".partial-"


@dataclass(frozen=True, slots=True)
class _Wanted:
    staged: Path
    final: Path
    last: str = ""

    @property
    def is_inside(self) -> bool:
        return self.staged.parent == self.final


class Staging:
    """`with Staging() as staging:` make folders and files at the paths that `folder` and `file` give, then `commit`.

    Leaving without `commit` removes all that was made. Whoever writes files sees to it that they are on disk; the folders,
    and the renaming, are the business of `commit`. Raises OSError.
    """

    def __init__(self) -> None:
        self._token = secrets.token_hex(4)
        self._parents: list[Path] = []
        self._wanted: list[_Wanted] = []
        self._renamed: list[tuple[Path, Path]] = []

    def __enter__(self) -> "Staging":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._remove()

    def folder(self, final: Path, *, last: str = "") -> Path:
        """A new folder that becomes `final`. If that is there, the content moves in one by one, the entry `last` last."""
        parent = final if final.exists() else self._made_parent(final)
        wanted = _Wanted(self._partial(parent, final), final, last)
        self._wanted.append(wanted)
        wanted.staged.mkdir(mode=0o700)
        return wanted.staged

    def file(self, final: Path) -> Path:
        """Where to make the file that becomes `final`."""
        wanted = _Wanted(self._partial(self._made_parent(final), final), final)
        self._wanted.append(wanted)
        return wanted.staged

    def commit(self) -> None:
        """Put all in its place, what was asked for first as the last. Raises FileExistsError rather than replace a thing."""
        for wanted in self._wanted:
            for walked, _, _ in os.walk(wanted.staged):
                sync_folder(Path(walked))
        for staged, final in list(self._renames()):
            if os.path.lexists(final):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final))
            os.rename(staged, final)
            self._renamed.append((staged, final))
        for folder in {final.parent for _, final in self._renamed} | {made.parent for made in self._parents}:
            sync_folder(folder)
        for wanted in self._wanted:
            if wanted.is_inside:
                wanted.staged.rmdir()
        self._parents, self._wanted, self._renamed = [], [], []

    def _renames(self) -> Iterator[tuple[Path, Path]]:
        for wanted in reversed(self._wanted):
            if not wanted.is_inside:
                yield wanted.staged, wanted.final
                continue
            for name in sorted(os.listdir(wanted.staged), key=lambda name: name == wanted.last):
                yield wanted.staged / name, wanted.final / name

    def _partial(self, parent: Path, final: Path) -> Path:
        return parent / f".{final.name}{_MARK}{self._token}"

    def _made_parent(self, final: Path) -> Path:
        for folder in reversed([folder for folder in final.parents if not folder.exists()]):
            folder.mkdir(mode=0o700)
            self._parents.append(folder)
        return final.parent

    def _remove(self) -> None:
        """As if nothing had been. What cannot be removed is found by `leftovers`."""
        for staged, final in reversed(self._renamed):
            with contextlib.suppress(OSError):
                os.rename(final, staged)
        for wanted in self._wanted:
            shutil.rmtree(wanted.staged, ignore_errors=True)
            for path in wanted.staged.parent.glob(f"*{_MARK}{self._token}*"):  # a database has a log beside it
                with contextlib.suppress(OSError):
                    path.unlink()
        for folder in reversed(self._parents):
            with contextlib.suppress(OSError):
                folder.rmdir()


def leftovers(final: Path) -> list[Path]:
    """What is left of a process that was killed while it made `final`, or is being made just now."""
    found: list[Path] = []
    for folder in (final.parent, final):
        with contextlib.suppress(OSError):
            found += [path for path in folder.iterdir() if path.name.startswith(f".{final.name}{_MARK}")]
    return sorted(found)


def sync_folder(folder: Path) -> None:
    """Names in the folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
