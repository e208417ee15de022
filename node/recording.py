"""Sound and film that people upload: looked at and written anew by ffmpeg, outside this process.

As with images, what comes out has sound and picture and nothing else: no place, no device, no cover, no subtitles, no bytes
of the stranger's own. ffmpeg reads the one file, in a few formats that are no playlists, over no network, within bounds of
memory, time and size (recording_worker.py). Without ffmpeg on the machine none of this is taken.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from node.errors import Invalid, Unavailable

VIDEO, AUDIO = "video", "audio"
EXTENSIONS = {VIDEO: "mp4", AUDIO: "mp3"}
CONTENT_TYPES = {VIDEO: "video/mp4", AUDIO: "audio/mpeg"}
MIME_TYPES = (
    *("video/mp4", "video/quicktime", "video/webm", "video/x-matroska", "video/ogg"),
    *("audio/mpeg", "audio/mp4", "audio/aac", "audio/ogg", "audio/webm", "audio/flac", "audio/wav", "audio/x-wav"),
)
"""What `sniff` knows, as clients call it."""

_WORKER = Path(__file__).with_name("recording_worker.py")
_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,mp3,flac,wav,aac"
_READING = ("-protocol_whitelist", "file", "-format_whitelist", _DEMUXERS)
_ANEW = ("-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn")
_MEMORY = 3 * 1024**3
_PROBE_SECONDS = 20.0
_MAX_REPORT = 256 * 1024
_DAMAGED = "This file is damaged, or no sound or film of a kind that can be taken."
_TOO_SLOW = "This file takes too long to read."
_NOT_NOW = "Sound and film can't be taken just now; try again."


@dataclass(frozen=True, slots=True)
class Limits:
    max_bytes: int
    """Of what is made; what comes in is measured by who takes it."""
    max_seconds: float
    """How long it plays."""
    seconds: float
    """How long it may take to be made anew."""
    max_side: int = 1920
    """Pixels; larger films are made smaller."""
    max_pixels: int = 3840 * 2160
    max_frame_rate: int = 120


@dataclass(frozen=True, slots=True)
class Programs:
    ffmpeg: str
    ffprobe: str


@dataclass(frozen=True, slots=True)
class Probe:
    """What a file is. `kind` is VIDEO or AUDIO, `duration` in ms; sizes in pixels, 0 for sound."""

    kind: str
    duration: int
    width: int
    height: int
    details: dict[str, Any]
    """What clients are told besides: frame_rate, bitrate, audio_encode …"""


class _Stream(msgspec.Struct):
    codec_type: str = ""
    codec_name: str = ""
    width: int = 0
    height: int = 0
    avg_frame_rate: str = "0/0"
    sample_rate: str = ""
    channels: int = 0
    disposition: dict[str, int] = {}


class _Format(msgspec.Struct):
    duration: str = ""
    bit_rate: str = ""


class _Report(msgspec.Struct):
    streams: list[_Stream] = []
    format: _Format = msgspec.field(default_factory=_Format)


@cache
def programs(name: str) -> Programs | None:
    """ffmpeg and the ffprobe beside it; None if there are none, or none are wanted (an empty name)."""
    found = shutil.which(name) if name else None
    if found is None:
        return None
    probe = Path(found).with_name("ffprobe")
    return Programs(found, str(probe)) if os.access(probe, os.X_OK) else None


def sniff(start: bytes) -> bool:
    """Whether the first 32 bytes announce sound or film of a kind that is taken."""
    if start[4:8] == b"ftyp":
        return start[8:12] not in (b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix")
    if start.startswith(b"RIFF"):
        return start[8:12] == b"WAVE"
    if start.startswith((b"\x1aE\xdf\xa3", b"OggS", b"fLaC", b"ID3")):
        return True
    return len(start) > 1 and start[0] == 0xFF and start[1] & 0xE0 == 0xE0 and start[1] != 0xFF  # MPEG audio, ADTS


async def probe(tools: Programs, path: Path, limits: Limits) -> Probe:
    """What the file is. Raises Invalid for what is damaged, is neither, or is beyond the limits; Unavailable."""
    command = [
        tools.ffprobe,
        "-v",
        "error",
        *_READING,
        "-print_format",
        "json",
        "-show_format",
        "-show_streams",
        str(path),
    ]
    report = await _run(command, _PROBE_SECONDS, limits)
    try:
        found = msgspec.json.decode(report, type=_Report)
        return _checked(found, limits)
    except (msgspec.DecodeError, ValueError, ZeroDivisionError) as error:
        raise Invalid(_DAMAGED, field="file") from error


async def make(tools: Programs, source: Path, kind: str, target: Path, limits: Limits) -> Probe:
    """Write the sound or film anew to `target`; what it has become. Raises as `probe` does, and leaves nothing then."""
    making = _film(limits) if kind == VIDEO else _sound()
    command = [tools.ffmpeg, "-nostdin", "-y", "-v", "error", *_READING, "-i", str(source), *making, *_ANEW]
    bounds = ("-t", str(limits.max_seconds), "-fs", str(limits.max_bytes))
    try:
        await _run([*command, *bounds, str(target)], limits.seconds, limits)
        if await asyncio.to_thread(_size, target) >= limits.max_bytes:
            raise Invalid(f"This would be larger than {limits.max_bytes // 1024**2} MB.", field="file")
        return await probe(tools, target, limits)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target)
        raise


async def still(tools: Programs, film: Path, target: Path, limits: Limits) -> None:
    """One picture of a film that `make` made, as PNG."""
    command = [tools.ffmpeg, "-nostdin", "-y", "-v", "error", *_READING, "-i", str(film)]
    await _run([*command, "-frames:v", "1", "-f", "image2", "-c:v", "png", str(target)], _PROBE_SECONDS, limits)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError as error:
        raise Invalid(_DAMAGED, field="file") from error


def _film(limits: Limits) -> list[str]:
    side = limits.max_side
    smaller = f"scale=w='min({side},iw)':h='min({side},ih)':force_original_aspect_ratio=decrease:force_divisible_by=2"
    picture = ["-map", "0:v:0", "-vf", f"{smaller},setsar=1", "-c:v", "libx264", "-preset", "veryfast", "-crf", "25"]
    sound = ["-map", "0:a:0?", "-c:a", "aac", "-b:a", "128k", "-ac", "2"]
    return [*picture, "-pix_fmt", "yuv420p", "-fpsmax", "60", *sound, "-movflags", "+faststart", "-f", "mp4"]


def _sound() -> list[str]:
    return ["-map", "0:a:0", "-vn", "-c:a", "libmp3lame", "-q:a", "4", "-ac", "2", "-id3v2_version", "0", "-f", "mp3"]


def _checked(found: _Report, limits: Limits) -> Probe:
    films = [one for one in found.streams if one.codec_type == "video" and not one.disposition.get("attached_pic")]
    sounds = [one for one in found.streams if one.codec_type == "audio"]
    if not films and not sounds:
        raise Invalid(_DAMAGED, field="file")
    duration = float(found.format.duration)
    if not 0 < duration <= limits.max_seconds + 1:  # containers round
        raise Invalid(f"This plays for more than {limits.max_seconds:g} seconds.", field="file")
    details: dict[str, Any] = {"bitrate": int(found.format.bit_rate or 0)}
    if sounds:
        details |= {
            "audio_encode": sounds[0].codec_name[:40],
            "audio_bitrate": f"{int(sounds[0].sample_rate or 0)} Hz",
            "audio_channels": "mono" if sounds[0].channels == 1 else "stereo",
        }
    if not films:
        return Probe(AUDIO, round(duration * 1000), 0, 0, details)
    film = films[0]
    above, _, below = film.avg_frame_rate.partition("/")
    rate = int(above) / int(below)
    pixels = film.width * film.height
    if not 0 < pixels <= limits.max_pixels:
        raise Invalid(f"This film has {film.width} × {film.height} pixels, which is too many.", field="file")
    if not 0 < rate <= limits.max_frame_rate:
        raise Invalid(f"This film has more than {limits.max_frame_rate} pictures a second.", field="file")
    details |= {"frame_rate": f"{int(above)}/{int(below)}", "fps": round(rate)}
    return Probe(VIDEO, round(duration * 1000), film.width, film.height, details)


async def _run(command: Sequence[str], seconds: float, limits: Limits) -> bytes:
    bounds = {"memory": _MEMORY, "cpu": max(1, round(seconds * 2)), "output": limits.max_bytes * 2}
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *(sys.executable, "-I", str(_WORKER), json.dumps(bounds), *command),
            stdin=asyncio.subprocess.DEVNULL,
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
        await _end(await starting)
        raise
    except OSError as error:
        raise Unavailable(_NOT_NOW) from error
    try:
        async with asyncio.timeout(seconds):
            assert process.stdout is not None
            report = await _report(process.stdout)
            status = await process.wait()
    except TimeoutError as error:
        raise Invalid(_TOO_SLOW, field="file") from error
    finally:
        await _end(process)
    if status == -signal.SIGXCPU:
        raise Invalid(_TOO_SLOW, field="file")
    if status:
        raise Invalid(_DAMAGED, field="file")
    return report


async def _report(stream: asyncio.StreamReader) -> bytes:
    """All that is said, which comes in pieces; of what is longer than any true report, the beginning."""
    report = b""
    while len(report) < _MAX_REPORT and (piece := await stream.read(_MAX_REPORT)):
        report += piece
    return report


async def _end(process: asyncio.subprocess.Process) -> None:
    """No worker outlives its call, not even when the call is cancelled."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())
