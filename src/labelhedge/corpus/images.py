"""Images of a corpus: read as bytes, identified by content, decoded to one size."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps, UnidentifiedImageError

from labelhedge.corpus.errors import CorpusError
from labelhedge.store import DIGEST_BYTES

_BATCH = 64  # rows in memory at once
_BUFFER = 2**20  # bytes read at once: without it the whole column of a row group is
DECODING_VERSION = 1
"""To be raised whenever `decode` gives other pixels: what was made of the old ones is then made again."""


@dataclass(frozen=True)
class ImageReader:
    """Reads the image bytes of a corpus in row order, without ever holding all of them.

    Attributes
    ----------
    folder : Path
        The corpus folder, which relative paths start from.
    parts : list of (Path, int)
        The Parquet files in order, and their numbers of rows.
    """

    folder: Path
    parts: list[tuple[Path, int]]

    def place(self, row: int) -> tuple[Path, int]:
        """The file that holds a row of the corpus, and the row's number in that file."""
        for path, count in self.parts:
            if 0 <= row < count:
                return path, row
            row -= count
        raise IndexError("no such row")

    def read(self, rows: npt.NDArray[np.int64] | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield ``(row, encoded bytes)`` in row order; `rows` limits them.

        A file is opened only where it holds one of them, a row group decoded only as far as the last of them.

        Raises
        ------
        CorpusError
            When a row has no image, or its path is missing or leads out of the folder.
        """
        rows = None if rows is None else np.unique(rows)
        start = 0
        for path, count in self.parts:
            wanted = _within(rows, start, count)
            if len(wanted):
                for place, image in self._read_part(path, wanted):
                    yield start + place, self._bytes(image, path, place)
            start += count

    def read_one(self, row: int) -> bytes:
        """The encoded bytes of one row.

        Raises
        ------
        CorpusError
            As `read` does.
        """
        self.place(row)  # an IndexError where there is no such row
        ((_, data),) = self.read(np.array([row]))
        return data

    def _read_part(self, path: Path, wanted: npt.NDArray[np.int64]) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """Cells of a file by their rows in it. Only those that are wanted ever become Python objects."""
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
            first = 0
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                here = _within(wanted, first, size)
                done = 0
                for batch in self._batches(file, group, path) if len(here) else ():
                    inside = _within(here, done, batch.num_rows)
                    cells = batch.column("image").take(pa.array(inside)).to_pylist() if len(inside) else []
                    yield from zip((first + done + inside).tolist(), cells, strict=True)
                    done += batch.num_rows
                    if done > here[-1]:
                        break
                first += size

    def _batches(self, file: pq.ParquetFile, group: int, path: Path) -> Iterator[Any]:
        try:
            yield from file.iter_batches(_BATCH, row_groups=[group], columns=["image"])
        except (pa.ArrowInvalid, OSError) as error:
            raise CorpusError(path, f"the file is damaged ({error})", "write the part again") from error

    def _bytes(self, image: dict[str, Any] | None, file: Path, row: int) -> bytes:
        if image is None or (image["bytes"] is None and image["path"] is None):
            raise CorpusError(file, "the image has neither bytes nor a path", "give one of them", row=row)
        if image["bytes"] is not None:
            return bytes(image["bytes"])
        try:
            path = (self.folder / image["path"]).resolve()
            exists = path.is_file()
        except (ValueError, OSError) as error:
            problem = f"the image path cannot be a path ({error})"
            raise CorpusError(file, problem, "correct it", row=row) from error
        if not path.is_relative_to(self.folder.resolve()):
            raise CorpusError(
                file,
                f"the image path {image['path']!r} leads out of the corpus folder",
                "copy the image into the folder and give the path relative to it",
                row=row,
            )
        if not exists:
            raise CorpusError(
                file, f"there is no image at {image['path']!r}", "restore the file or remove the row", row=row
            )
        data: bytes = path.read_bytes()
        return data


def _within(rows: npt.NDArray[np.int64] | None, start: int, count: int) -> npt.NDArray[np.int64]:
    """Those of some sorted rows (None: all) that are among `count` from `start` on, numbered from there."""
    if rows is None:
        return np.arange(count)
    low, high = np.searchsorted(rows, (start, start + count))
    return rows[low:high] - start


def digest(data: bytes) -> bytes:
    """Identity of an encoded image: 16 bytes of BLAKE2b."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def check_header(data: bytes) -> str | None:
    """What is wrong with an encoded image, as far as its header tells; None where nothing is."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return None if image.width and image.height else "the image has no pixels"
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError, ValueError) as error:
        return f"the image is unreadable ({_plain(error)})"


def decode(data: bytes, size: int) -> npt.NDArray[np.uint8]:
    """Decode to ``(size, size, 3)`` RGB uint8, the whole image fitted in, the rest filled with its border colour.

    Transparent parts become white, and a photo is turned as its EXIF data say. The aspect ratio is kept: what is
    outside the image is filled with the median colour of its border, so that a drawing on white stays on white.

    Raises
    ------
    ValueError
        When the image cannot be decoded.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.draft("RGB", (size, size))
            image = upright_on_white(opened)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise ValueError(f"the image is unreadable ({_plain(error)})") from error
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.array(image)
    if width == height:
        return pixels
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    square = np.empty((size, size, 3), np.uint8)
    square[:] = np.median(border, axis=0).astype(np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square


def decode_all(images: Iterable[tuple[int, bytes]], size: int, reader: ImageReader) -> Iterator[npt.NDArray[np.uint8]]:
    """Decode images one by one; an unreadable one is a CorpusError that names its file and row."""
    for row, data in images:
        try:
            yield decode(data, size)
        except ValueError as error:
            file, place = reader.place(row)
            raise CorpusError(file, str(error), "replace the image or remove the row", row=place) from error


def upright_on_white(image: Image.Image) -> Image.Image:
    """An image as RGB: turned as its EXIF data say, transparent parts white, 16 bits of grey brought to 8."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits of grey
        image = Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
    if "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        return white
    return image.convert("RGB")


def _plain(error: Exception) -> str:
    return str(error).replace("\n", " ").split(" <_io.")[0]
