"""What the steps of collecting hand on: photos, entities found in their words, rejects, images, a vocabulary.

A folder of linked photos, as `labelhedge collect link` writes it:

    linked/
      job.json                     what was read, with which linker; written first, checked when a job goes on
      photos/part-….parquet        LINKED, one row a photo
      rejects/part-….parquet       REJECTS, one row a line that is no photo; always a part for each part of photos
      summary.json                 counts, read = linked + rejected; written last

A folder of images, as `labelhedge collect download` writes it:

    images/
      files/…                      the images; names are the downloader's own
      images.parquet               IMAGES, one row a photo asked for; written last
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.errors import LabelhedgeError

ENTITIES = pa.list_(
    pa.struct(
        [
            ("uri", pa.string()),  # the entity's IRI
            ("name", pa.string()),  # to show
            ("text", pa.string()),  # the surface form, as it stands in the photo's text
            ("offset", pa.int32()),  # where, in characters of the photo's text
            ("score", pa.float32()),  # 0 to 1
        ]
    )
)

PHOTO = pa.schema(
    [
        ("id", pa.string()),  # unique in the input; never null
        ("title", pa.string()),
        ("description", pa.string()),  # plain text: decoded, without HTML
        ("tags", pa.list_(pa.string())),
        ("text", pa.string()),  # what is linked, see `photo_text`
        ("url", pa.string()),  # of the image; null where it is a file
        ("image", pa.string()),  # path of the image file as given; null where it has a URL
        ("page_url", pa.string()),
        ("creator", pa.string()),
        ("licence", pa.string()),
    ]
)
"""Columns of a photo. Readers fill what they know, and append columns of their own (YFCC: `hash`, `date_taken`, …)."""

REJECTS = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),  # in the file, from 1; or the row of a Parquet file, from 0
        ("reason", pa.string()),
        ("content", pa.string()),  # the line as it stood, at most 10,000 characters of it
    ]
)

IMAGES = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),  # what was asked for
        ("path", pa.string()),  # of the file, relative to the folder; null where it failed
        ("reason", pa.string()),  # why it failed; null where it did not
        ("width", pa.int32()),  # pixels of the stored file
        ("height", pa.int32()),
        ("bytes", pa.int64()),  # of the stored file
    ]
)

VOCABULARY = ("uri", "name", "photos")
"""Columns that a vocabulary CSV must have, one row a label; it may have others."""


class Entity(NamedTuple):
    """One entity in a text; `offset` counts characters, and the text there is the entity's `text`."""

    uri: str
    name: str
    text: str
    offset: int
    score: float


class Linker(Protocol):
    """Text in, entities out."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same text might be linked otherwise: a job that goes on checks it."""

    def link(self, texts: Sequence[str]) -> list[list[Entity]]:
        """The entities of each text, by offset; empty where none was found."""


def photo_text(title: str | None, tags: Sequence[str] | None, description: str | None) -> str:
    """What of a photo is linked: title, tags and description, a line each, the tags parted by commas.

    A line break or a comma ends a name, so none is found across two tags.

    Examples
    --------
    >>> photo_text("A dog", ["hot", "dog"], None)
    'A dog\\nhot, dog'
    """
    lines = [title or "", ", ".join(tags or ()), description or ""]
    return "\n".join(line for line in lines if line)


def check_folder(folder: Path, ours: Collection[str]) -> None:
    """Check that a folder to write into is new, or holds nothing but what is ours and hidden files.

    Raises
    ------
    LabelhedgeError
        When it is a file, or holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise LabelhedgeError(f"{folder} is a file: name a folder to write")
    others = [
        entry.name
        for entry in (folder.iterdir() if folder.exists() else ())
        if not entry.name.startswith(".") and not any(fnmatch(entry.name, name) for name in ours)
    ]
    if others:
        raise LabelhedgeError(f"{folder} holds something else ({min(others)}): name a new folder")


def complete_linked(folder: str | os.PathLike[str]) -> Path:
    """A folder of linked photos, as an absolute path.

    Raises
    ------
    LabelhedgeError
        When its `summary.json`, which is written last, is not there: linking was stopped, or never begun.
    """
    path = Path(folder).absolute()
    if not (path / "summary.json").exists():
        raise LabelhedgeError(f"{path} is no complete folder of linked photos: run labelhedge collect link first")
    return path


def linked_parts(folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """The parts of a folder of linked photos, in order.

    Raises
    ------
    LabelhedgeError
        When linking did not end, there are no parts, or one is damaged.
    """
    photos = complete_linked(folder) / "photos"
    parts = tuple(sorted(photos.glob("part-*.parquet")))
    if not parts:
        raise LabelhedgeError(f"{photos} holds no part-*.parquet: name a folder that `labelhedge collect link` wrote")
    for part in parts:
        try:
            pq.read_metadata(part)
        except pa.ArrowInvalid as error:
            raise LabelhedgeError(
                f"{part} is damaged ({error}): remove it and link the photos again, which makes only this part anew"
            ) from error
    return parts


def needs(package: str, extra: str) -> LabelhedgeError:
    """The error to raise where an optional package is missing."""
    return LabelhedgeError(f"{package} is not installed: pip install 'labelhedge[{extra}]'")
