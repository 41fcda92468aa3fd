"""The images of photos on their way into a corpus: where they are, whether they can be read, what they look like."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from labelhedge.collect.records import IMAGES
from labelhedge.corpus.images import digest, upright_on_white
from labelhedge.corpus.near_duplicates import Look, in_order, look
from labelhedge.errors import LabelhedgeError

Prepare = Callable[[bytes], bytes]
"""From an image file to the encoded image that the corpus holds; a ValueError says that it is unreadable."""


class Downloads(NamedTuple):
    """What `labelhedge collect download` fetched."""

    paths: dict[str, str]  # by id of the photo
    failed: frozenset[str]

    @classmethod
    def read(cls, folder: str | os.PathLike[str] | None) -> Downloads:
        """Read `images.parquet` of a folder of downloads; none at all without a folder."""
        if folder is None:
            return cls({}, frozenset())
        path = Path(folder) / "images.parquet"
        if not path.exists():
            raise LabelhedgeError(
                f"{path} is missing, so the folder holds no finished download: let `labelhedge collect download` end"
            )
        found = pq.read_schema(path).names
        missing = [name for name in ("id", "path") if name not in found]
        if missing:
            raise LabelhedgeError(f"{path} lacks the column {missing[0]!r}: it needs {', '.join(IMAGES.names)}")
        table = pq.read_table(path, columns=["id", "path"])
        ids, paths = table["id"].to_pylist(), table["path"].to_pylist()
        fetched = {id_: str(Path(folder) / name) for id_, name in zip(ids, paths, strict=True) if name is not None}
        return cls(fetched, frozenset(ids) - fetched.keys())

    def place(self, id_: str, image: str | None) -> str | None:
        """The path of a photo's image: the download, or else the file that the photo itself names."""
        return self.paths.get(id_, image)


def look_at(paths: Iterable[str], prepare: Prepare | None, workers: int) -> Iterator[Look | str]:
    """The look of each image, or why it cannot be used."""

    def one(path: str) -> Look | str:
        try:
            data = Path(path).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return "image file missing"
        try:
            return look(prepare(data) if prepare else data)
        except LabelhedgeError:
            raise
        except ValueError:
            return "image unreadable"

    return in_order(one, paths, workers)


def read_again(items: Iterable[tuple[str, bytes]], prepare: Prepare | None, workers: int) -> Iterator[bytes]:
    """The encoded images of paths, which must still have the identity that they had when they were looked at."""

    def one(item: tuple[str, bytes]) -> bytes:
        path, identity = item
        data = Path(path).read_bytes()
        data = prepare(data) if prepare else data
        if digest(data) != identity:
            raise LabelhedgeError(f"{path} has changed since it was looked at: leave the images alone and start again")
        return data

    return in_order(one, items, workers)


def at_most(side: int) -> Prepare:
    """Images of at most so many pixels a side: larger ones are scaled down and stored as WebP, others stay as they are.

    Examples
    --------
    >>> buffer = io.BytesIO()
    >>> Image.new("RGB", (400, 300)).save(buffer, "PNG")
    >>> Image.open(io.BytesIO(at_most(100)(buffer.getvalue()))).size
    (100, 75)
    """

    def prepare(data: bytes) -> bytes:
        try:
            with Image.open(io.BytesIO(data)) as opened:
                if max(opened.size) <= side:
                    return data
                opened.draft("RGB", (2 * side, 2 * side))
                image = upright_on_white(opened)
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            image.save(buffer, "WEBP", quality=90, method=4)
            return buffer.getvalue()
        except (OSError, Image.DecompressionBombError, SyntaxError) as error:
            raise ValueError(f"the image is unreadable ({error})") from error

    return prepare


def image_column(images: list[bytes]) -> pa.Array:
    """Encoded images as the column `image` of a corpus."""
    paths = pa.nulls(len(images), pa.string())
    return pa.StructArray.from_arrays([pa.array(images, pa.binary()), paths], ["bytes", "path"])
