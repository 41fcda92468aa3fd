"""From the bytes that were sent to the image that is kept: checked by its header, decoded, turned, resized, bare."""

from __future__ import annotations

import io
import math
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from labelhedge.collect.download.settings import FORMATS, Failure
from labelhedge.corpus.images import upright_on_white

QUALITY = 90
VERSION = 2
"""To be raised whenever `prepare` gives other bytes: a folder holds images of one version."""

# What Pillow raises on damaged data, besides OSError.
_DAMAGED = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError,
    ZeroDivisionError, MemoryError, NotImplementedError, struct.error, zlib.error,
)  # fmt: skip
_MAGIC: dict[str, tuple[bytes, ...]] = {
    "jpeg": (b"\xff\xd8\xff",), "png": (b"\x89PNG\r\n\x1a\n",), "gif": (b"GIF8",), "webp": (b"RIFF",), "bmp": (b"BM",),
    "tiff": (b"II*\0", b"MM\0*"),
}  # fmt: skip


_STRIP = 1 << 21  # pixels of an image that are brought to RGB at a time
_ORIENTATION = 0x0112  # the EXIF tag
_GAP = 3.0  # an image is first averaged to this many times its final size, which is fast, and then resampled


class Budget:
    """The pixels that all threads together may have decoded at a time; who comes first is served first.

    Parameters
    ----------
    pixels : int
        An image that has more is decoded alone.
    """

    def __init__(self, pixels: int) -> None:
        self._pixels, self._used = pixels, 0
        self._turn = threading.Lock()
        self._freed = threading.Condition()

    @contextmanager
    def of(self, pixels: int) -> Iterator[None]:
        """Wait for the room that an image needs, and have it while inside."""
        pixels = min(pixels, self._pixels)
        with self._turn, self._freed:
            self._freed.wait_for(lambda: self._used + pixels <= self._pixels)
            self._used += pixels
        try:
            yield
        finally:
            with self._freed:
                self._used -= pixels
                self._freed.notify_all()


class Picture(NamedTuple):
    """An image ready to be stored: a JPEG file, and its size in pixels."""

    data: bytes
    width: int
    height: int


def prepare(
    data: bytes, *, size: int, max_pixels: int, formats: tuple[str, ...], budget: Budget | None = None
) -> Picture:
    """Make a JPEG whose longer side has at most `size` pixels, without metadata, transparent parts white.

    Of an animation the first frame is taken. No pixel is decoded before the header was checked, and before `budget` has
    room for all of them.

    Raises
    ------
    Failure
        `not an image` (or of a format that is not allowed), `too many pixels`, `truncated`, `damaged image`.

    Examples
    --------
    >>> buffer = io.BytesIO()
    >>> Image.new("RGB", (40, 20), "red").save(buffer, "PNG")
    >>> picture = prepare(buffer.getvalue(), size=16, max_pixels=1000, formats=("png",))
    >>> picture.data[:3], picture.width, picture.height
    (b'\\xff\\xd8\\xff', 16, 8)
    """
    _check_whole(data)
    try:
        with Image.open(io.BytesIO(data), formats=[FORMATS[name] for name in formats]) as image:
            if image.width * image.height > max_pixels:
                raise Failure("too many pixels", f"{image.width} x {image.height}")
            with (budget or Budget(max_pixels)).of(image.width * image.height):
                bare = _small(image, size)
    except Image.DecompressionBombError as error:
        raise Failure("too many pixels", "more than Pillow opens") from error
    except UnidentifiedImageError as error:
        raise _unidentified(data, formats) from error
    except _DAMAGED as error:
        text = str(error).split(" <_io.")[0]
        short = "truncated" in text.lower() or isinstance(error, EOFError)
        raise Failure("truncated" if short else "damaged image", text) from error
    buffer = io.BytesIO()
    bare.save(buffer, "JPEG", quality=QUALITY)
    return Picture(buffer.getvalue(), bare.width, bare.height)


def _small(image: Image.Image, size: int) -> Image.Image:
    """An image as RGB on white, upright, its longer side at most `size` pixels, without metadata."""
    with suppress(*_DAMAGED):  # what can be read of a damaged EXIF block is used, the image is good without
        image.getexif()
    image.draft("RGB", (2 * size, 2 * size))  # JPEG decodes at a fraction of its size
    image.load()
    shrink = max(1.0, max(image.size) / size)
    factor = max(1, int(shrink / _GAP))
    small = _averaged(image, factor)
    if shrink > 1:
        width, height = image.size
        wanted = (max(1, round(width / shrink)), max(1, round(height / shrink)))
        small = small.resize(wanted, Image.Resampling.LANCZOS, (0, 0, width / factor, height / factor))
    small.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
    return ImageOps.exif_transpose(small)


def _averaged(image: Image.Image, factor: int) -> Image.Image:
    """An image as RGB on white, squares of `factor` pixels made one: strip by strip, for a copy costs as much again."""
    width, height = image.size
    step = factor * max(1, _STRIP // (width * factor))
    small = Image.new("RGB", (math.ceil(width / factor), math.ceil(height / factor)))
    for top in range(0, height, step):
        strip = image.crop((0, top, width, min(top + step, height)))
        # Of what the file says beside its pixels only this is about colours; and a strip is not to be turned.
        strip.info = {name: value for name, value in image.info.items() if name == "transparency"}
        rgb = upright_on_white(strip)
        small.paste(rgb if factor == 1 else rgb.reduce(factor), (0, top // factor))
    return small


def _check_whole(data: bytes) -> None:
    """Refuse a WebP file shorter than it says: Pillow does not tell it from one that is no image."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        stated = int.from_bytes(data[4:8], "little") + 8
        if len(data) < stated:
            raise Failure("truncated", f"{len(data)} of {stated} bytes")


def _unidentified(data: bytes, formats: tuple[str, ...]) -> Failure:
    for name, magic in _MAGIC.items():
        if data.startswith(magic) and (name != "webp" or data[8:12] == b"WEBP"):
            if name in formats:
                return Failure("damaged image", f"the header of the {name} cannot be read")
            return Failure("not an image", f"{name} is not among the formats allowed")
    return Failure("not an image", f"it starts with {data[:16]!r}" if data else "it is empty")
