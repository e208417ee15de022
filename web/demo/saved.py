"""What a later start of the demo has to know: the ports, tokens, and how far the story was told. One file, demo.json."""

import os
import shutil
from pathlib import Path

import click
import msgspec

FILE = "demo.json"


class Saved(msgspec.Struct):
    port_base: int
    tokens: dict[str, str] = {}
    """By person."""
    done: list[str] = []
    """Names of steps."""
    posts: dict[str, str] = {}
    """Step key of a post: its ActivityPub id."""


def load(folder: Path, port_base: int) -> Saved:
    """What an earlier start has left in the folder, or a new beginning. Raises ClickException for other ports or data."""
    path = folder / FILE
    if not path.exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise click.ClickException(f"{folder} holds something that is no demo: choose another folder with --dir")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        saved = Saved(port_base)
        store(folder, saved)
        return saved
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=Saved)
    except msgspec.DecodeError as error:
        raise click.ClickException(f"{path} cannot be read ({error}); `corridor demo --reset` starts over") from error
    if saved.port_base != port_base:
        raise click.ClickException(
            f"the demo in {folder} was made for --port-base {saved.port_base}, which is part of every address in it; "
            "use that, another --dir, or --reset"
        )
    return saved


def store(folder: Path, saved: Saved) -> None:
    """Readable for its owner only: it holds tokens."""
    fresh = folder / f"{FILE}.new"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(saved), indent=1))
    fresh.replace(folder / FILE)


def reset(folder: Path) -> None:
    """Remove an earlier demo, and nothing that is not one. Raises ClickException."""
    if not folder.exists():
        return
    if not (folder / FILE).is_file():
        if folder.is_dir() and not any(folder.iterdir()):
            return
        raise click.ClickException(f"{folder} is no demo: it has no {FILE}, and nothing was removed")
    shutil.rmtree(folder)
