"""What every reader of photos shares: rows and rejects, batches of them, pieces of an input, text made plain.

A `Source` is one input file (or one folder of images). It is cut into `Piece`s, which workers read on their own; a
piece gives records (cheap to pass over), and a record gives a photo or a reject.
"""

from __future__ import annotations

import html
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from labelhedge.collect.records import PHOTO, REJECTS, photo_text

KEPT_CONTENT = 10_000
"""Characters of a rejected line that are kept."""

Photo = dict[str, Any]
"""Columns of PHOTO, and those of the reader's own; a missing one is null."""


class Reject(NamedTuple):
    """A line that is no photo: its number, why, and the line itself."""

    line: int
    reason: str
    content: str


class Piece(NamedTuple):
    """A part of a source that is read on its own.

    `start` is where it begins (a byte, or the first row group of Parquet), `line` the number of its first line,
    `length` its records (None: up to the end of the file, which is then one piece), `part` the number of its first
    part.
    """

    source: int
    start: int
    line: int
    length: int | None
    part: int


class Batch(NamedTuple):
    """Some photos and some rejects; together they are what was read."""

    photos: pa.Table
    rejects: pa.Table

    @property
    def read(self) -> int:
        """Lines, rows or images that this batch stands for."""
        return int(self.photos.num_rows + self.rejects.num_rows)


class Source(ABC):
    """One input: a file, or a folder of images.

    Attributes
    ----------
    path : Path
        As given; rejects name it.
    own : sequence of pyarrow fields
        Columns that this source adds to PHOTO.
    """

    path: Path
    own: Sequence[pa.Field] = ()
    mapping: dict[str, str] | None = None

    @abstractmethod
    def pieces(self, size: int) -> Iterator[tuple[int, int, int | None]]:
        """Cut it: ``(start, line, count)`` of each piece; `size` records each where the format can be cut."""

    def whole(self) -> Piece:
        """All of it, as one piece."""
        return Piece(0, 0, 1, None, 0)

    @abstractmethod
    def records(self, piece: Piece) -> Iterator[Any]:
        """What stands in a piece, not looked into yet; a Reject where it is known already that it is no photo."""

    @abstractmethod
    def photo(self, record: Any) -> Photo | Reject:
        """The photo that a record describes, without `text`."""

    def row(self, record: Any) -> Photo | Reject:
        """The photo of a record with its `text`, or why there is none."""
        row = record if isinstance(record, Reject) else self.photo(record)
        if not isinstance(row, Reject):
            row["text"] = photo_text(row.get("title"), row.get("tags"), row.get("description"))
        return row


def schema_of(sources: Iterable[Source]) -> pa.Schema:
    """PHOTO and the own columns of all sources, in order.

    Raises
    ------
    ValueError
        When two sources have a column of one name and two types.
    """
    from labelhedge.errors import LabelhedgeError

    fields = {field.name: field for field in PHOTO}
    for source in sources:
        for field in source.own:
            if fields.setdefault(field.name, field).type != field.type:
                raise LabelhedgeError(
                    f"{source.path}: the column {field.name!r} has type {field.type}, and {fields[field.name].type} in "
                    "an input before; link them in two jobs, or leave it out (name the others with --keep)"
                )
    return pa.schema(list(fields.values()))


def batch_of(rows: Sequence[Photo | Reject], schema: pa.Schema, path: Path) -> Batch:
    """Rows as two tables."""
    photos = [row for row in rows if not isinstance(row, Reject)]
    return Batch(pa.Table.from_pylist(photos, schema), reject_table([r for r in rows if isinstance(r, Reject)], path))


def reject_table(rejects: Sequence[Reject], path: Path) -> pa.Table:
    """Rejects of one file as a table."""
    return pa.table(
        [
            [str(path)] * len(rejects),
            [reject.line for reject in rejects],
            [reject.reason for reject in rejects],
            [reject.content[:KEPT_CONTENT] for reject in rejects],
        ],
        schema=REJECTS,
    )


def batches(rows: Iterator[Photo | Reject], size: int, schema: pa.Schema, path: Path) -> Iterator[Batch]:
    """Rows in batches of `size`."""
    while chunk := list(islice(rows, size)):
        yield batch_of(chunk, schema, path)


_MARKUP = re.compile(r"<[a-zA-Z/!]|&#?\w+;")
_TAG = re.compile(r"<(?:(/?)([a-zA-Z][a-zA-Z0-9]*)|!)[^<>]*>")
"""Linear in the text's length, which `html.parser` is not: what is never closed is found out at the next ``<``."""
_ENDLESS = re.compile(r"&#[0-9]{8,};?")
"""Numbers beyond any character's; of thousands of digits Python makes no number."""
_BREAKS = frozenset(("br", "p", "div", "li", "tr", "h1", "h2", "h3", "blockquote"))


def _without_tags(text: str) -> str:
    """What a reader would see: without tags, comments, scripts and styles, with line ends for some tags."""
    found, end, hidden = [], 0, 0
    for tag in _TAG.finditer(text):
        if not hidden:
            found.append(text[end : tag.start()])
        end, name = tag.end(), (tag[2] or "").lower()
        if name in ("script", "style"):
            hidden = max(0, hidden - 1) if tag[1] else hidden + 1
        elif name in _BREAKS and not tag[1] and not hidden:
            found.append("\n")
    if not hidden:
        found.append(text[end:])
    return "".join(found)


def plain_text(text: str) -> str:
    """Text without HTML: tags left out, entities decoded, line ends as ``\\n``.

    Examples
    --------
    >>> plain_text('a <b>red</b> fox &amp; its cub<br>in 2 < 3 parts')
    'a red fox & its cub\\nin 2 < 3 parts'
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not _MARKUP.search(text):
        return text.strip()
    return html.unescape(_ENDLESS.sub("\ufffd", _without_tags(text))).strip()
