"""Images that people upload or peers send: checked, cleaned and made small, outside this process.

Decoders of image formats are where servers like this one get broken into (TootRoot, CVE-2023-36460), so none runs
here: a process of its own (`node/imaging_worker.py`) decodes one image with bounded memory and time, and writes it
anew. What comes out has the picture and nothing else: no place, no camera, no profile, no bytes after the end.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import tempfile
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import msgspec

from node.errors import Invalid, Unavailable

_WORKER = Path(__file__).with_name("imaging_worker.py")
_TYPES = {"jpg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp"}
_MAX_REPORT = 4096
_NOT_AN_IMAGE = "This is not an image of a kind that can be shown (JPEG, PNG, GIF, WebP or AVIF)."
_DAMAGED = "This image is damaged or incomplete."
_TOO_BIG = "This image takes too much memory to read."
_NOT_NOW = "Images can't be taken just now; try again."
_TOO_SLOW = "This image takes too long to read."


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Sizes in pixels unless said otherwise. `max_total_pixels` is over all frames of an animation."""

    max_bytes: int = 16 * 1024 * 1024
    max_pixels: int = 33_000_000
    max_frames: int = 300
    max_total_pixels: int = 50_000_000
    max_side: int = 3840
    preview_side: int = 640
    memory_bytes: int = 1536 * 1024 * 1024
    cpu_seconds: int = 20
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Image:
    """A stored image: names of two files in the directory that was given, and what clients are told about them."""

    file: str
    content_type: str
    width: int
    height: int
    animated: bool
    preview: str
    preview_content_type: str
    preview_width: int
    preview_height: int
    blurhash: str


class _Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    file: str
    width: int
    height: int
    frames: int
    preview: str
    preview_width: int
    preview_height: int
    blurhash: str


class _Report(msgspec.Struct, frozen=True):
    ok: _Made | None = None
    error: str | None = None
    pixels: int = 0
    frames: int = 0


async def process_image(
    data: bytes | Path, out_dir: Path, *, slots: asyncio.Semaphore, limits: ImageLimits | None = None
) -> Image:
    """Store a clean copy and a preview of an image in `out_dir`, under names nobody guesses (192 random bits).

    `slots` bounds how many are decoded at once. Raises Invalid, with a message for the person who sent it and nothing
    left behind, for what is no image, is damaged, or is beyond `limits`; Unavailable if no decoder can be started or
    the disk is full.
    """
    limits = limits or ImageLimits()
    with await asyncio.to_thread(_open, data, limits) as source:
        source.seek(0)
        image_format = sniff(source.read(32))
        if image_format is None:
            raise Invalid(_NOT_AN_IMAGE, field="file")
        names = _Names(out_dir, secrets.token_hex(24), secrets.token_hex(24))
        try:
            async with slots:
                report = await _run(names.task(image_format, limits), source, limits.timeout_seconds)
            image = _checked(report, names, limits)
            await asyncio.to_thread(_sync_directory, out_dir)
        except BaseException:
            names.remove()
            raise
    return image


def sniff(start: bytes) -> str | None:
    """Pillow's name of the format that the first 32 bytes announce; None for everything else, whatever its name."""
    if start.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if start.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WEBP"
    if start[4:8] == b"ftyp" and start[8:12] in (b"avif", b"avis", b"mif1"):
        return "AVIF"
    return None


@dataclass(frozen=True, slots=True)
class _Names:
    directory: Path
    image: str
    preview: str

    def task(self, image_format: str, limits: ImageLimits) -> str:
        return json.dumps(
            {
                "format": image_format,
                "image": str(self.directory.absolute() / self.image),
                "preview": str(self.directory.absolute() / self.preview),
                "max_pixels": limits.max_pixels,
                "max_frames": limits.max_frames,
                "max_total_pixels": limits.max_total_pixels,
                "max_side": limits.max_side,
                "preview_side": limits.preview_side,
                "memory": limits.memory_bytes,
                "cpu": limits.cpu_seconds,
                "max_output": limits.max_bytes * 4,
            }
        )

    def remove(self) -> None:
        for stem in (self.image, self.preview):
            for extension in _TYPES:
                (self.directory / f"{stem}.{extension}").unlink(missing_ok=True)


def _open(data: bytes | Path, limits: ImageLimits) -> FileIO:
    """The image as a file that the worker can have for its stdin.

    Unbuffered, since the worker moves the position that both share.
    """
    size = data.stat().st_size if isinstance(data, Path) else len(data)
    if size > limits.max_bytes:
        raise Invalid(f"This file is larger than {limits.max_bytes // (1024 * 1024)} MB.", field="file")
    if isinstance(data, Path):
        return FileIO(data)
    try:
        with contextlib.ExitStack() as on_failure:
            source = on_failure.enter_context(tempfile.TemporaryFile(buffering=0))
            rest = memoryview(data)
            while rest:
                rest = rest[source.write(rest) :]
            on_failure.pop_all()
    except OSError as error:
        raise Unavailable(_NOT_NOW) from error
    return source


async def _run(task: str, source: FileIO, seconds: float) -> bytes:
    source.seek(0)
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            sys.executable,
            "-I",  # else the worker's folder comes first in its sys.path, and our html.py in place of Python's
            str(_WORKER),
            task,
            stdin=source.fileno(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )
    )
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        # Half-way through, the process may exist already while nobody holds it.
        await _end(await starting)
        raise
    except OSError as error:
        raise Unavailable(_NOT_NOW) from error
    try:
        async with asyncio.timeout(seconds):
            assert process.stdout is not None
            report = await process.stdout.read(_MAX_REPORT)
            status = await process.wait()
    except TimeoutError as error:
        raise Invalid(_TOO_SLOW, field="file") from error
    finally:
        await _end(process)
    if status == -signal.SIGXCPU or (status == -signal.SIGKILL and not report):
        raise Invalid(_TOO_SLOW, field="file")
    return report if status == 0 else b""


async def _end(process: asyncio.subprocess.Process) -> None:
    """No worker outlives its call, not even when the call is cancelled."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())


def _checked(raw: bytes, names: _Names, limits: ImageLimits) -> Image:
    """Believe nothing of the report that a file on the disk or a range does not confirm."""
    try:
        report = msgspec.json.decode(raw, type=_Report)
    except msgspec.DecodeError as error:
        raise Invalid(_DAMAGED, field="file") from error
    made = report.ok
    if report.error == "not_stored":
        raise Unavailable(_NOT_NOW)
    if made is None:
        raise Invalid(_refusal(report, limits), field="file")
    return Image(
        file=_existing(names.directory, made.file, names.image),
        content_type=_content_type(made.file),
        width=_within(made.width, limits.max_side),
        height=_within(made.height, limits.max_side),
        animated=made.frames > 1,
        preview=_existing(names.directory, made.preview, names.preview),
        preview_content_type=_content_type(made.preview),
        preview_width=_within(made.preview_width, limits.preview_side),
        preview_height=_within(made.preview_height, limits.preview_side),
        blurhash=_blurhash(made.blurhash),
    )


def _refusal(report: _Report, limits: ImageLimits) -> str:
    match report.error:
        case "too_many_pixels":
            return (
                f"This image has {_millions(report.pixels)} million pixels; "
                f"at most {_millions(limits.max_pixels)} million are possible."
            )
        case "too_many_frames":
            return (
                f"This animation has {report.frames} pictures; at most {limits.max_frames} are possible, "
                "and fewer if they are large."
            )
        case "too_big":
            return _TOO_BIG
        case _:
            return _DAMAGED


def _millions(pixels: int) -> str:
    return f"{pixels / 1_000_000:.0f}" if pixels >= 10_000_000 else f"{pixels / 1_000_000:.2g}"


def _existing(directory: Path, name: str, stem: str) -> str:
    base, _, extension = name.partition(".")
    path = directory / name
    if base != stem or extension not in _TYPES or path.is_symlink() or not path.is_file():
        raise Invalid(_DAMAGED, field="file")
    return name


def _content_type(name: str) -> str:
    return _TYPES[name.rpartition(".")[2]]


def _within(pixels: int, most: int) -> int:
    if not 0 < pixels <= most:
        raise Invalid(_DAMAGED, field="file")
    return pixels


def _blurhash(text: str) -> str:
    if not (text.isascii() and text.isprintable() and 6 <= len(text) <= 64) or set(text) & set("\"'<>&\\ "):
        raise Invalid(_DAMAGED, field="file")
    return text


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
