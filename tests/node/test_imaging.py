"""Images of strangers: what is stored has the picture and nothing else, and what is no picture is refused."""

import asyncio
import os
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageDraw, PngImagePlugin, features

from node.errors import Invalid, Unavailable
from node.imaging import Image as Stored
from node.imaging import ImageLimits, process_image, sniff
from node.imaging_worker import blurhash

SECRET = b"taken at Home Street 1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "media"
    made.mkdir()
    return made


@pytest.fixture
def slots() -> asyncio.Semaphore:
    return asyncio.Semaphore(2)


def picture(width: int = 80, height: int = 40, mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right, a green corner top left: which way up is visible."""
    image = Image.new("RGB", (width, height), (0, 0, 255))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width // 2 - 1, height), fill=(255, 0, 0))
    draw.rectangle((0, 0, width // 8, height // 4), fill=(0, 255, 0))
    return image.convert(mode)


def encoded(image: Image.Image, output: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, output, **options)
    return buffer.getvalue()


def looks(image: Image.Image, x: float, y: float) -> str:
    """The name of the colour at a place given in parts of the sides."""
    colour = image.convert("RGB").getpixel((int(x * (image.width - 1)), int(y * (image.height - 1))))
    assert isinstance(colour, tuple)
    return ("red", "green", "blue")[colour.index(max(colour))]


KINDS = {
    "JPEG": ("image/jpeg", "jpg", ["RGB", "L", "1", "CMYK"]),
    "PNG": ("image/png", "png", ["RGB", "L", "P", "RGBA", "1", "LA", "I;16"]),
    "WEBP": ("image/webp", "webp", ["RGB", "RGBA", "L", "P"]),
    "GIF": ("image/png", "png", ["RGB", "L", "P", "RGBA", "1"]),
}


@pytest.mark.parametrize(("source", "mode"), [(source, mode) for source in KINDS for mode in KINDS[source][2]])
async def test_every_kind_of_picture_is_stored(folder: Path, slots: asyncio.Semaphore, source: str, mode: str) -> None:
    content_type, extension, _ = KINDS[source]
    data = encoded(picture(mode=mode) if mode != "I;16" else Image.new(mode, (80, 40), 40_000), source)
    stored = await process_image(data, folder, slots=slots)
    assert (stored.content_type, stored.width, stored.height, stored.animated) == (content_type, 80, 40, False)
    assert sorted(os.listdir(folder)) == sorted([stored.file, stored.preview])
    with Image.open(folder / stored.file) as made, Image.open(folder / stored.preview) as preview:
        assert made.size == (80, 40)
        assert preview.size == (stored.preview_width, stored.preview_height)
        if mode in ("RGB", "P", "RGBA", "CMYK"):
            assert [looks(made, x, 0.9) for x in (0.1, 0.9)] == ["red", "blue"]
    assert stored.file.endswith(f".{extension}")


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
async def test_avif_becomes_what_every_client_shows(folder: Path, slots: asyncio.Semaphore) -> None:
    plain = await process_image(encoded(picture(), "AVIF"), folder, slots=slots)
    assert plain.content_type == "image/jpeg"
    clear = picture(mode="RGBA")
    clear.putalpha(100)
    assert (await process_image(encoded(clear, "AVIF"), folder, slots=slots)).content_type == "image/webp"


async def test_transparency_is_kept_in_image_and_preview(folder: Path, slots: asyncio.Semaphore) -> None:
    clear = picture(mode="RGBA")
    clear.putalpha(100)
    stored = await process_image(encoded(clear, "PNG"), folder, slots=slots)
    for name in (stored.file, stored.preview):
        with Image.open(folder / name) as made:
            assert made.convert("RGBA").getchannel("A").getextrema() == (100, 100)


async def test_large_pictures_are_made_smaller_and_keep_their_shape(folder: Path, slots: asyncio.Semaphore) -> None:
    stored = await process_image(encoded(picture(5000, 1000), "PNG"), folder, slots=slots)
    assert (stored.width, stored.height) == (3840, 768)
    assert (stored.preview_width, stored.preview_height) == (640, 128)
    thin = await process_image(encoded(picture(5000, 1), "PNG"), folder, slots=slots)
    assert (thin.width, thin.height) == (3840, 1)


async def test_a_path_is_read_like_bytes(folder: Path, tmp_path: Path, slots: asyncio.Semaphore) -> None:
    upload = tmp_path / "-o evil;name.svg"
    upload.write_bytes(encoded(picture(), "PNG"))
    stored = await process_image(upload, folder, slots=slots)
    assert stored.content_type == "image/png"
    assert upload.exists()


async def test_names_tell_nothing_and_files_are_private(folder: Path, slots: asyncio.Semaphore) -> None:
    data = encoded(picture(), "PNG")
    first, second = [await process_image(data, folder, slots=slots) for _ in range(2)]
    names = [first.file, first.preview, second.file, second.preview]
    assert len({name.partition(".")[0] for name in names}) == 4
    for name in names:
        assert len(name.partition(".")[0]) == 48
        assert (folder / name).stat().st_mode & 0o777 == 0o600


async def test_pictures_are_turned_upright(folder: Path, slots: asyncio.Semaphore) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the right side of the picture is down
    stored = await process_image(encoded(picture(), "JPEG", exif=exif, quality=95), folder, slots=slots)
    assert (stored.width, stored.height) == (40, 80)
    with Image.open(folder / stored.file) as made:
        assert [looks(made, 0.5, y) for y in (0.3, 0.9)] == ["red", "blue"]
        assert looks(made, 0.95, 0.02) == "green"
        assert not made.getexif()


def with_secrets(output: str) -> bytes:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[0x001D] = SECRET.decode()  # GPS
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + SECRET + b"</x:xmpmeta>"
    match output:
        case "JPEG":
            return encoded(picture(), output, exif=exif, icc_profile=profile, comment=SECRET, xmp=xmp)
        case "PNG":
            words = PngImagePlugin.PngInfo()
            words.add_text("Comment", SECRET.decode())
            words.add_itxt("XML:com.adobe.xmp", xmp.decode())
            return encoded(picture(), output, exif=exif, icc_profile=profile, pnginfo=words)
        case "WEBP":
            return encoded(picture(), output, exif=exif, icc_profile=profile, xmp=xmp)
        case _:
            return encoded(picture(), output, comment=SECRET, save_all=True, append_images=[picture(mode="L")])


@pytest.mark.parametrize("output", ["JPEG", "PNG", "WEBP", "GIF"])
async def test_nothing_is_left_of_place_camera_profile_and_what_follows_the_end(
    folder: Path, slots: asyncio.Semaphore, output: str
) -> None:
    data = with_secrets(output) + b"<script>alert(1)</script>PK\x03\x04" + SECRET
    assert data.count(SECRET) >= 2
    stored = await process_image(data, folder, slots=slots)
    for name in (stored.file, stored.preview):
        made = (folder / name).read_bytes()
        for trace in (
            SECRET,
            b"<script",
            b"Exif",
            b"xmpmeta",
            b"ICC_PROFILE",
            b"iCCP",
            b"ICCP",
            b"tEXt",
            b"iTXt",
            b"\xff\xfe\x00",
        ):
            assert trace not in made


async def test_colours_are_what_the_profile_says_and_a_broken_profile_is_no_error(
    folder: Path, slots: asyncio.Semaphore
) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")  # red is blue
    for profile, expected in [(srgb, ["red", "blue"]), (swapped, ["blue", "red"]), (b"broken" * 40, ["red", "blue"])]:
        stored = await process_image(encoded(picture(), "PNG", icc_profile=profile), folder, slots=slots)
        with Image.open(folder / stored.file) as made:
            assert [looks(made, x, 0.9) for x in (0.1, 0.9)] == expected


async def test_no_room_on_the_disk_is_not_the_fault_of_the_image(folder: Path, slots: asyncio.Semaphore) -> None:
    data = encoded(picture(), "PNG")
    with pytest.raises(Unavailable):
        await process_image(data, folder / "missing", slots=slots)


@pytest.mark.parametrize("output", ["GIF", "WEBP"])
async def test_animations_stay_animations_with_their_timing(
    folder: Path, slots: asyncio.Semaphore, output: str
) -> None:
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], output, save_all=True, append_images=frames[1:], duration=[70, 80, 90], loop=0)
    stored = await process_image(data, folder, slots=slots)
    assert (stored.animated, stored.content_type) == (True, f"image/{output.lower()}")
    with Image.open(folder / stored.file) as made:
        assert getattr(made, "n_frames", 1) == 3
        assert made.info["loop"] == 0
        seen = []
        for number in range(3):
            made.seek(number)
            made.load()
            seen.append((looks(made, 0.5, 0.5), made.info["duration"]))
    assert seen == [("red", 70), ("green", 80), ("blue", 90)]
    with Image.open(folder / stored.preview) as preview:
        assert getattr(preview, "n_frames", 1) == 1
        assert looks(preview, 0.5, 0.5) == "red"


def png_bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes whose header promises width x height pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 100_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def many_frames(count: int) -> bytes:
    frames = [Image.new("P", (4, 4), n % 2) for n in range(count)]
    for frame in frames:
        frame.putpalette([0, 0, 0, 255, 255, 255])
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=20, optimize=False)


JPEG = encoded(picture(400, 300), "JPEG")
PNG = encoded(picture(400, 300), "PNG")
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "not an image"),
    "svg": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', "not an image"),
    "html": (lambda: b"<!doctype html><img src=x>", "not an image"),
    "pdf": (lambda: b"%PDF-1.7 ...", "not an image"),
    "tiff": (lambda: encoded(picture(), "TIFF"), "not an image"),
    "bmp": (lambda: encoded(picture(), "BMP"), "not an image"),
    "eps": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    "html that starts like a GIF": (lambda: b"GIF89a<script>alert(1)</script>", "damaged"),
    "a head without a body": (lambda: JPEG[:4], "damaged"),
    "half a JPEG": (lambda: JPEG[: len(JPEG) // 2], "damaged"),
    "half a PNG": (lambda: PNG[: len(PNG) // 2], "damaged"),
    "a PNG that says WebP": (lambda: b"RIFF\x10\0\0\0WEBP" + PNG, "damaged"),
    "a header of 10 gigapixels": (lambda: png_bomb(100_000, 100_000), "10000 million pixels"),
    "a header of 34 megapixels": (lambda: png_bomb(34_000, 1_000), "34 million pixels; at most 33 million"),
    "too many frames": (lambda: many_frames(302), "302 pictures; at most 300"),
    "too many bytes": (lambda: PNG + b"\0" * 16 * 1024 * 1024, "larger than 16 MB"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_is_no_good_image_is_refused_and_leaves_nothing(
    folder: Path, slots: asyncio.Semaphore, name: str
) -> None:
    make, message = BAD[name]
    with pytest.raises(Invalid, match=message) as refused:
        await process_image(make(), folder, slots=slots)
    assert refused.value.field == "file"
    assert os.listdir(folder) == []


async def test_just_within_the_limits_is_taken(folder: Path, slots: asyncio.Semaphore) -> None:
    stored = await process_image(many_frames(300), folder, slots=slots)
    assert stored.animated
    limits = ImageLimits(max_pixels=80 * 40)
    assert await process_image(encoded(picture(80, 40), "PNG"), folder, slots=slots, limits=limits)
    with pytest.raises(Invalid):
        await process_image(encoded(picture(80, 41), "PNG"), folder, slots=slots, limits=limits)


@pytest.fixture(scope="module")
def heavy() -> bytes:
    """A small file that takes over a second to read."""
    return encoded(Image.new("RGB", (12_000, 10_000), "red"), "PNG", compress_level=1)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (ImageLimits(timeout_seconds=0.02), "too long"),
        (ImageLimits(memory_bytes=300_000_000, max_pixels=10**9), "memory"),
        (ImageLimits(cpu_seconds=1, max_side=20_000, max_pixels=10**9), "too long"),
    ],
)
async def test_time_and_memory_of_the_decoder_are_bounded(
    folder: Path, slots: asyncio.Semaphore, heavy: bytes, limits: ImageLimits, message: str
) -> None:
    with pytest.raises(Invalid, match=message):
        await process_image(heavy, folder, slots=slots, limits=limits)
    assert os.listdir(folder) == []


async def test_a_cancelled_call_leaves_neither_process_nor_files(folder: Path, slots: asyncio.Semaphore) -> None:
    heavy = encoded(Image.new("RGB", (5_000, 5_000), "red"), "PNG")
    work = asyncio.create_task(process_image(heavy, folder, slots=slots))
    children: list[int] = []
    while not children:
        await asyncio.sleep(0.01)
        children = workers()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert workers() == []
    assert os.listdir(folder) == []


def workers() -> list[int]:
    """Ids of the living workers that this process started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(stat[1]) == os.getpid() and b"imaging_worker" in command:
                found.append(int(entry.name))
    return found


async def test_no_more_decoders_run_than_there_are_slots(folder: Path) -> None:
    slots = asyncio.Semaphore(2)
    data = encoded(picture(1_500, 1_500), "PNG")
    work = [asyncio.create_task(process_image(data, folder, slots=slots)) for _ in range(5)]
    most = 0
    while not all(task.done() for task in work):
        most = max(most, len(workers()))
        await asyncio.sleep(0.005)
    assert most == 2
    assert len({(await task).file for task in work}) == 5


async def test_the_decoder_sees_nothing_of_our_environment(
    folder: Path, slots: asyncio.Semaphore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORRIDOR_TEST_SECRET", "s3cret")
    data = encoded(picture(1_500, 1_500), "PNG")
    work = asyncio.create_task(process_image(data, folder, slots=slots))
    seen: bytes | None = None
    while not work.done():
        for worker in workers():
            with suppress(ProcessLookupError, FileNotFoundError):  # it ended just now
                seen = (Path("/proc") / str(worker) / "environ").read_bytes()
        await asyncio.sleep(0.005)
    assert isinstance(await work, Stored)
    assert seen is not None
    assert b"s3cret" not in seen


def test_formats_are_told_by_their_first_bytes() -> None:
    assert sniff(JPEG[:32]) == "JPEG"
    assert sniff(b"\0\0\0\x1cftypavif") == "AVIF"
    assert sniff(b"\0\0\0\x1cftypheic") is None
    assert sniff(b"RIFF\0\0\0\0WAVE") is None
    assert sniff(b"") is None


def grid(
    width: int, height: int, colour: Callable[[int, int], tuple[int, int, int]]
) -> list[list[tuple[int, int, int]]]:
    return [[colour(x, y) for x in range(width)] for y in range(height)]


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (grid(4, 4, lambda x, y: (0, 0, 0)), "L00000fQfQfQfQfQfQfQfQfQfQfQ"),
        (grid(4, 4, lambda x, y: (255, 255, 255)), "L~TSUA~qfQ~q~q%MfQ%MfQfQfQfQ"),
        (grid(8, 8, lambda x, y: (200, 255, 60)), "LfN39P?:fQ?:?:oxfQoxfQfQfQfQ"),
        (grid(32, 32, lambda x, y: (x * 8, y * 8, 128)), "LxH2cX2swxX8l}WDjte;gJfjfQfj"),
        (grid(24, 20, lambda x, y: (x * y % 256, x * 13 % 256, y * 29 % 256)), "LXC@mS96HgucBfnj#oX5Jg$4SMSL"),
    ],
)
def test_blurhash_is_that_of_the_reference(pixels: list[list[tuple[int, int, int]]], expected: str) -> None:
    """Black, white and lime are published vectors; the others were computed with the reference in Python (halcy)."""
    assert blurhash(pixels) == expected
