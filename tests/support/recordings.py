"""Sound and film for tests, made by ffmpeg."""

import shutil
import subprocess
from pathlib import Path

from tests.conftest import missing

PLACE = "+48.8577+002.295/"


def ffmpeg(*arguments: str) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        missing("ffmpeg is not installed (apt install ffmpeg)")
    subprocess.run([program or "", "-nostdin", "-y", "-v", "error", *arguments], check=True, timeout=60)


def film(
    folder: Path, *, seconds: float = 1, size: str = "320x240", extension: str = "mp4", sound: bool = True
) -> Path:
    """A film that says where it was made."""
    path = folder / f"film-{seconds:g}-{size}.{extension}"
    inputs = ["-f", "lavfi", "-i", f"testsrc=duration={seconds}:size={size}:rate=25"]
    if sound:
        inputs += ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"]
    said = ["-metadata", f"location={PLACE}", "-metadata", "artist=Secret Agent", "-metadata", "title=Plans"]
    ffmpeg(*inputs, *said, "-movflags", "use_metadata_tags", str(path))
    return path


def tone(folder: Path, *, seconds: float = 1, extension: str = "ogg") -> Path:
    path = folder / f"tone-{seconds:g}.{extension}"
    ffmpeg("-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}", "-metadata", "artist=Secret Agent", str(path))
    return path
