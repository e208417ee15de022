"""Small pictures for tests."""

from io import BytesIO

from PIL import Image


def png(colour: str = "red", side: int = 32) -> bytes:
    out = BytesIO()
    Image.new("RGB", (side, side), colour).save(out, "PNG")
    return out.getvalue()


def moving_gif(side: int = 16) -> bytes:
    out = BytesIO()
    frames = [Image.new("RGB", (side, side), colour) for colour in ("red", "green", "blue")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0)
    return out.getvalue()
