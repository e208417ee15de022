"""The process in which an image of a stranger is decoded: one image, one process, few means.

Started by `node.imaging` as a file, isolated from the rest of the code, with an empty environment. It reads a task
(JSON, see `Task`) from its argument and the image from stdin, bounds its own memory, time and files before the decoder
is loaded, writes two new files, and prints one line of JSON: `{"ok": {...}}` or `{"error": code, ...}`. Whatever it
prints is checked by the parent, since a decoder may have been taken over.
"""

import errno
import json
import math
import os
import resource
import sys
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from PIL import Image

_BASE83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
_BLURHASH_SIDE = 64
_BLURHASH_COMPONENTS = (4, 3)
_WRITES = {"JPEG": "jpg", "PNG": "png", "GIF": "gif", "WEBP": "webp"}

Row = Sequence[tuple[int, int, int]]


class Task(TypedDict):
    """Sizes in pixels, memory and `max_output` in bytes, CPU time in seconds.

    `image` and `preview` are absolute paths without extension.
    """

    format: str
    image: str
    preview: str
    max_pixels: int
    max_frames: int
    max_total_pixels: int
    max_side: int
    preview_side: int
    memory: int
    cpu: int
    max_output: int


class Refuse(Exception):
    """The image is not taken. `report` is what the parent is told."""

    def __init__(self, code: str, **details: int) -> None:
        super().__init__(code)
        self.report: dict[str, Any] = {"error": code, **details}


def main(arguments: list[str]) -> int:
    task: Task = json.loads(arguments[0])
    _bound(task)
    try:
        report: dict[str, Any] = {"ok": _process(task, sys.stdin.buffer.read())}
    except Refuse as refusal:
        report = refusal.report
    except MemoryError:
        report = {"error": "too_big"}
    except Exception as error:
        # Pillow's decoders raise nearly everything (OSError, SyntaxError, struct.error, ValueError …) for damaged files.
        report = {"error": "damaged", "reason": f"{type(error).__name__}: {error}"[:200]}
    sys.stdout.write(json.dumps(report))
    return 0


def _bound(task: Task) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (task["memory"], task["memory"]))
    resource.setrlimit(resource.RLIMIT_CPU, (task["cpu"], task["cpu"] + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (task["max_output"], task["max_output"]))
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)


def _process(task: Task, data: bytes) -> dict[str, Any]:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # ours, below, is stricter and says which limit it was
    # Only the decoder that the first bytes call for is tried.
    with Image.open(BytesIO(data), formats=[task["format"]]) as opened:
        _check_size(opened, task)
        frames = getattr(opened, "n_frames", 1)
        moves = frames > 1 and task["format"] in ("GIF", "WEBP")
        if moves:
            _check_frames(opened, frames, task)
            first, image_name = _write_moving(opened, frames, task)
        else:
            opened.seek(0)
            first = _still(opened)
            image_name = _write_still(_shrunk(first, task["max_side"]), task["image"], _output(task, first), 90)
    shown = _shrunk(first, task["max_side"])
    preview = _shrunk(first, task["preview_side"])
    preview_name = _write_still(preview, task["preview"], "WEBP" if _has_alpha(preview) else "JPEG", 80)
    return {
        "file": image_name,
        "width": shown.width,
        "height": shown.height,
        "frames": frames if moves else 1,
        "preview": preview_name,
        "preview_width": preview.width,
        "preview_height": preview.height,
        "blurhash": _blurhash_of(preview),
    }


def _check_size(image: "Image.Image", task: Task) -> None:
    """Judged from the header alone, before a pixel is decoded."""
    pixels = image.width * image.height
    if pixels > task["max_pixels"]:
        raise Refuse("too_many_pixels", pixels=pixels)
    if pixels == 0:
        raise Refuse("damaged")


def _check_frames(image: "Image.Image", frames: int, task: Task) -> None:
    if frames > task["max_frames"] or frames * image.width * image.height > task["max_total_pixels"]:
        raise Refuse("too_many_frames", frames=frames)


def _still(image: "Image.Image") -> "Image.Image":
    """The picture as it is meant to be seen (upright, sRGB), and nothing else: no EXIF, no profile, no comment."""
    from PIL import ImageOps

    image.load()
    upright = ImageOps.exif_transpose(image)
    clean = _plain_mode(_in_srgb(upright))
    return _bare(clean)


def _bare(image: "Image.Image") -> "Image.Image":
    bare = image.copy()
    bare.info.clear()  # Pillow writes comments and profiles from here when it saves
    return bare


def _in_srgb(image: "Image.Image") -> "Image.Image":
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK"):
        return image
    mode = "RGB" if image.mode == "CMYK" else image.mode
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image  # a broken profile is no reason to refuse the picture
    return converted or image


def _plain_mode(image: "Image.Image") -> "Image.Image":
    """L, RGB or RGBA with 8 bits a channel."""
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        coloured = image.convert("RGBA")
        return coloured if coloured.getchannel("A").getextrema() != (255, 255) else coloured.convert("RGB")
    return image.convert("RGB")


def _has_alpha(image: "Image.Image") -> bool:
    return image.mode == "RGBA"


def _shrunk(image: "Image.Image", side: int) -> "Image.Image":
    from PIL import Image

    longest = max(image.size)
    if longest <= side:
        return image
    size = (max(1, round(image.width * side / longest)), max(1, round(image.height * side / longest)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _output(task: Task, image: "Image.Image") -> str:
    """JPEG, PNG and WebP stay what they are; AVIF, which not every client shows, and a still GIF become something common."""
    if task["format"] == "GIF":
        return "PNG"
    if task["format"] == "AVIF":
        return "WEBP" if _has_alpha(image) else "JPEG"
    return task["format"]


def _write_still(image: "Image.Image", path: str, output: str, quality: int) -> str:
    options: dict[str, Any] = {
        "JPEG": {"quality": quality, "progressive": True},
        "WEBP": {"quality": quality, "method": 4},
    }.get(output, {})
    if output == "JPEG" and image.mode != "L":
        image = image.convert("RGB")
    return _save(image, path, output, options)


def _write_moving(opened: "Image.Image", frames: int, task: Task) -> tuple["Image.Image", str]:
    """Write an animation with its timing; returns (first frame, name)."""
    from PIL import Image

    pictures: list[Image.Image] = []
    durations: list[int] = []
    loop = int(opened.info.get("loop", 1)) if task["format"] == "GIF" else int(opened.info.get("loop", 0))
    endless = {"loop": loop} if task["format"] == "WEBP" or "loop" in opened.info else {}
    for number in range(frames):
        opened.seek(number)
        pictures.append(_shrunk(_bare(opened.convert("RGBA")), task["max_side"]))
        durations.append(min(max(int(opened.info.get("duration", 100)), 20), 60_000))
    options: dict[str, Any] = {
        "save_all": True,
        "append_images": pictures[1:],
        "duration": durations,
        "disposal": 2,
        **endless,
    }
    if task["format"] == "WEBP":
        options = {k: v for k, v in options.items() if k != "disposal"} | {"quality": 90, "method": 2}
    name = _save(pictures[0], task["image"], task["format"], options)
    return _plain_mode(pictures[0]), name


def _save(image: "Image.Image", path: str, output: str, options: dict[str, Any]) -> str:
    """A new file, readable by its owner alone, on the disk when this returns. Returns its name."""
    full = f"{path}.{_WRITES[output]}"
    try:
        descriptor = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            image.save(file, output, **options)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno is None:  # an encoder's complaint about the picture
            raise
        raise Refuse("too_big" if error.errno == errno.EFBIG else "not_stored") from error
    return os.path.basename(full)


def _blurhash_of(image: "Image.Image") -> str:
    from PIL import Image

    small = image.convert("RGBA").resize(
        tuple(max(1, min(side, round(side * _BLURHASH_SIDE / max(image.size)))) for side in image.size),
        Image.Resampling.BILINEAR,
    )
    paper = Image.new("RGBA", small.size, (255, 255, 255, 255))
    pixels = Image.alpha_composite(paper, small).convert("RGB").tobytes()
    triples = list(zip(pixels[0::3], pixels[1::3], pixels[2::3], strict=True))
    return blurhash([triples[y * small.width : (y + 1) * small.width] for y in range(small.height)])


def blurhash(rows: Sequence[Row], components: tuple[int, int] = _BLURHASH_COMPONENTS) -> str:
    """The BlurHash (github.com/woltapp/blurhash, Algorithm.md) of rows of 8-bit sRGB pixels.

    The cosine transform is done by rows and then by columns, which is the same sum in a quarter of the steps.
    """
    across, down = components
    width, height = len(rows[0]), len(rows)
    linear = [_to_linear(value) for value in range(256)]
    waves_x = [[math.cos(math.pi * i * x / width) for x in range(width)] for i in range(across)]
    waves_y = [[math.cos(math.pi * j * y / height) for y in range(height)] for j in range(down)]
    by_row = [[_weigh(row, wave, linear) for wave in waves_x] for row in rows]
    factors = []
    for j in range(down):
        for i in range(across):
            scale = (1 if i == j == 0 else 2) / (width * height)
            factors.append(
                tuple(
                    scale * sum(wave * line[i][channel] for wave, line in zip(waves_y[j], by_row, strict=True))
                    for channel in range(3)
                )
            )
    return _encode(factors, across, down)


def _weigh(row: Row, wave: list[float], linear: list[float]) -> tuple[float, float, float]:
    red = green = blue = 0.0
    for (r, g, b), weight in zip(row, wave, strict=True):
        red += weight * linear[r]
        green += weight * linear[g]
        blue += weight * linear[b]
    return red, green, blue


def _encode(factors: list[tuple[float, ...]], across: int, down: int) -> str:
    average, rest = factors[0], factors[1:]
    text = _base83((across - 1) + (down - 1) * 9, 1)
    largest = 1.0
    level = 0
    if rest:
        level = max(0, min(82, math.floor(max(abs(v) for factor in rest for v in factor) * 166 - 0.5)))
        largest = (level + 1) / 166
    text += _base83(level, 1)
    red, green, blue = (_to_srgb(value) for value in average)
    text += _base83((red << 16) + (green << 8) + blue, 4)
    for factor in rest:
        r, g, b = (max(0, min(18, math.floor(_signed_root(v / largest) * 9 + 9.5))) for v in factor)
        text += _base83(r * 19 * 19 + g * 19 + b, 2)
    return text


def _base83(value: int, length: int) -> str:
    return "".join(_BASE83[value // 83**place % 83] for place in range(length - 1, -1, -1))


def _to_linear(value: int) -> float:
    part = value / 255
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _to_srgb(value: float) -> int:
    part = max(0.0, min(1.0, value))
    return int((part * 12.92 if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055) * 255 + 0.5)


def _signed_root(value: float) -> float:
    return math.copysign(math.sqrt(abs(value)), value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
