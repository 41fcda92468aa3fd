"""A corpus of a table: a row an image, with the path of its file, its labels, and what somebody checked.

import_table("images.csv", "my-corpus", label="tags", verified="checked", split="part")
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.collect.importing.building import Imported, Item, Options, Source, build, check_target
from labelhedge.collect.importing.class_folders import SPLIT_NAMES
from labelhedge.collect.importing.settling import Entry
from labelhedge.collect.importing.values import BACKGROUND, label_entry, label_names, words
from labelhedge.errors import LabelhedgeError, reading

ENDINGS = {".csv": ",", ".tsv": "\t", ".parquet": "", ".jsonl": "", ".ndjson": ""}
"""Of the tables that can be read, and what parts the columns of text."""
_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0", ""})

Row = tuple[str, Mapping[str, Any]]  # its place, for messages; its values by column


class _Columns(NamedTuple):
    image: str
    label: str
    verified: str | None
    trusted: str | None
    split: str | None
    text: tuple[str, ...]

    @property
    def named(self) -> list[str]:
        """Those that must be there."""
        return [name for name in (*self[:5], *self.text) if name is not None]


def import_table(
    table: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    image: str = "image",
    label: str = "label",
    verified: str | None = None,
    trusted: str | None = None,
    split: str | None = None,
    images: str | os.PathLike[str] | None = None,
    separator: str = "|",
    background: str = BACKGROUND,
    text: Sequence[str] = (),
    options: Options | None = None,
) -> Imported:
    """Make a corpus of a table of image files: CSV, TSV, Parquet or JSON lines, by its ending.

    Parameters
    ----------
    table : file
    target : folder to write
    image : column of the paths of image files, which become the samples' ids
    label : column of noisy labels: a name, several joined by `separator`, or a list
        What is empty was labelled by nobody; the row is left out unless `verified` has a label.
    verified : column of checked labels of the same kind, empty where nobody checked
    trusted : column of true and false: the training samples whose verified labels methods may see
        Default: all training samples that have some.
    split : column of train, dev or test, or what others call them (val, validation); default: all are train
    images : folder that paths start from; default: that of the table
    separator : what joins several labels in a text
    background : what stands for none of the labels; an empty list in Parquet or JSON does too
    text : columns of words, which methods may learn from
    options : Options, optional

    Raises
    ------
    LabelhedgeError
        When the file is no such table, a column is missing, or a value is not as said; it names the row.
    """
    options = options or Options()
    path = Path(table)
    check_target(Path(target), options)
    if path.suffix.lower() not in ENDINGS:
        raise LabelhedgeError(f"{path}: the ending tells what a table is: name one of {', '.join(ENDINGS)}")
    if not path.is_file():
        raise LabelhedgeError(f"there is no file {path}")
    if not separator:
        raise LabelhedgeError("--separator is empty: say what joins several labels, such as |")
    columns = _Columns(image, label, verified, trusted, split, tuple(text))
    folder = Path(images) if images is not None else path.parent
    if not folder.is_dir():
        raise LabelhedgeError(f"there is no folder {folder}")

    def labels_of(value: Any, place: str, what: str) -> tuple[str, ...] | None:
        if isinstance(value, str):
            value = [name for part in value.split(separator) if (name := part.strip())] or None
        return label_names(value, None, place, what, background=None if options.exclusive else background)

    def items() -> Iterator[Item]:
        for place, row in _rows(path, columns):
            name = row[image]
            if not isinstance(name, str) or not name.strip():
                raise LabelhedgeError(f"{place}: {image} is {name!r}, where the path of a file is needed")
            part = _split(row[split], place, split) if split is not None else "train"
            checked = labels_of(row[verified], place, verified) if verified is not None else None
            clean = part == "train" and checked is not None
            if trusted is not None:
                clean = _truth(row[trusted], place, trusted)
            entry, problem = label_entry(part, labels_of(row[label], place, label), checked, clean, place)
            extra = {column: words(row[column] or None) for column in text}
            yield Item(place, name, (folder / name).read_bytes, entry or Entry(part, (), None), problem, extra)

    kinds = {name: pa.list_(pa.string()) for name in text}
    return build(Source(items, None, kinds, tuple(text)), target, options)


def _rows(path: Path, columns: _Columns) -> Iterator[Row]:
    """The rows, each with its place, after a look at whether the columns are there."""
    kind = path.suffix.lower()
    if kind == ".parquet":
        rows = _parquet(path, columns)
    else:
        rows = _text(path, ENDINGS[kind], columns) if ENDINGS[kind] else _json_lines(path, columns)
    with reading(path):
        yield from rows


def _need(path: Path, found: Sequence[str], columns: _Columns) -> None:
    for name in columns.named:
        if found.count(name) > 1:
            raise LabelhedgeError(f"{path}: the column {name!r} stands twice: keep one of them")
        if name not in found:
            raise LabelhedgeError(f"{path}: no column {name!r}; it has {', '.join(found)}")


def _text(path: Path, delimiter: str, columns: _Columns) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file, delimiter=delimiter, strict=True)
        _need(path, table.fieldnames or [], columns)
        for row in table:
            place = f"{path}, line {table.line_num}"
            if None in row or None in row.values():
                raise LabelhedgeError(f"{place}: not as many fields as the first line names: quote a field with commas")
            yield place, row


def _parquet(path: Path, columns: _Columns) -> Iterator[Row]:
    try:
        with pq.ParquetFile(path) as file:
            _need(path, file.schema_arrow.names, columns)
            start = 0
            for batch in file.iter_batches(1024, columns=columns.named):
                rows = batch.to_pylist()
                yield from ((f"{path}, row {start + number}", row) for number, row in enumerate(rows))
                start += len(rows)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise LabelhedgeError(f"{path} cannot be read as Parquet: {error}") from error


def _json_lines(path: Path, columns: _Columns) -> Iterator[Row]:
    seen: dict[str, None] = {}
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            place = f"{path}, line {number}"
            try:
                row = json.loads(line)
            except ValueError as error:
                raise LabelhedgeError(f"{place}: not JSON ({error})") from error
            if not isinstance(row, dict):
                raise LabelhedgeError(f"{place}: a JSON object is needed, with the columns as keys")
            seen |= dict.fromkeys(row)
            yield place, {name: row.get(name) for name in columns.named}
    _need(path, list(seen), columns)


def _split(value: Any, place: str, column: str) -> str:
    name = SPLIT_NAMES.get(str(value).strip().lower())
    if name is None:
        raise LabelhedgeError(f"{place}: {column} is {value!r}: write one of {', '.join(SPLIT_NAMES)}")
    return name


def _truth(value: Any, place: str, column: str) -> bool:
    text = str(value if value is not None else "").strip().lower()
    if text not in _TRUE | _FALSE:
        raise LabelhedgeError(f"{place}: {column} is {value!r}: write true or false")
    return text in _TRUE
