"""From the bytes that were sent to the image that is kept: checked by its header, decoded, turned, resized, bare."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from labelhedge.collect.download.settings import FORMATS, Failure
from labelhedge.corpus.images import upright_on_white

QUALITY = 90
VERSION = 1
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


class Picture(NamedTuple):
    """An image ready to be stored: a JPEG file, and its size in pixels."""

    data: bytes
    width: int
    height: int


def prepare(data: bytes, *, size: int, max_pixels: int, formats: tuple[str, ...]) -> Picture:
    """Make a JPEG whose longer side has at most `size` pixels, without metadata, transparent parts white.

    Of an animation the first frame is taken. No pixel is decoded before the header was checked.

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
            with suppress(*_DAMAGED):  # what can be read of a damaged EXIF block is used, the image is good without
                image.getexif()
            image.draft("RGB", (2 * size, 2 * size))  # JPEG decodes at a fraction of its size
            upright = upright_on_white(image)
            upright.thumbnail((size, size), Image.Resampling.LANCZOS, reducing_gap=3.0)
            bare = Image.new("RGB", upright.size)  # a copy would keep the comment, which a JPEG file would hold
            bare.paste(upright)
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
