"""Reading photos with their words, whatever form they come in.

    for batch in read_photos("yfcc100m_dataset-0.bz2"):
        batch.photos          # PHOTO and the reader's own columns
        batch.rejects         # REJECTS: what is no photo, and why

Metadata of YFCC100M (`yfcc`), tables (`csv`, `tsv`, `jsonl`, `parquet`) and folders of images (`folder`) are told
apart by ending and content. Nothing is lost: each line is in `photos` or in `rejects`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labelhedge.collect.photos.lines import COMPRESSED, inner_suffix
from labelhedge.collect.photos.rows import Batch, batches, schema_of
from labelhedge.errors import LabelhedgeError

if TYPE_CHECKING:
    from labelhedge.collect.photos.rows import Source

FORMATS = ("yfcc", "csv", "tsv", "jsonl", "parquet", "folder")
ENDINGS = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def read_photos(
    photos: Paths,
    *,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    keep: Sequence[str] | None = None,
    tag_separator: str | None = None,
    batch_size: int = 2000,
) -> Iterator[Batch]:
    """Read photos from files or folders, a batch at a time.

    Parameters
    ----------
    photos : path, or sequence of paths
        Files, a folder of images, or a folder of tables.
    format : {'yfcc', 'csv', 'tsv', 'jsonl', 'parquet', 'folder'}, optional
        By default told by ending and content.
    columns : mapping, optional
        A photo's column to the table's: ``{"id": "photo_id", "title": "caption"}``. The rest is guessed by usual names.
    keep : sequence of str, optional
        The table's own columns that stay. By default all (of JSON lines: none).
    tag_separator : str, optional
        What parts tags in a text. By default the first of ``, ; |`` that stands in it.
    batch_size : int
        Photos and rejects of a batch, at most.

    Yields
    ------
    Batch
        Two tables, `photos` and `rejects`, of one schema throughout.

    Raises
    ------
    ValueError
        When an input has no known form, or no column of ids or of words.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "photos.csv"
    >>> _ = file.write_text("id,title,tags\\n1,A fox,red; fox\\n2,A hare\\n")
    >>> batch, = read_photos(file)
    >>> batch.photos["text"].to_pylist(), batch.rejects["reason"].to_pylist()
    (['A fox\\nred, fox'], ['2 columns, not 3'])
    """
    sources = open_sources(find_inputs(photos, format), columns, keep, tag_separator)
    schema = schema_of(sources)
    for source in sources:
        rows = map(source.row, source.records(source.whole()))
        yield from batches(rows, batch_size, schema, source.path)


def find_inputs(photos: Paths, format: str | None = None) -> list[tuple[Path, str]]:
    """The files and folders of images to read, each with its format.

    Raises
    ------
    ValueError
        When one does not exist, or its format is not known.
    """
    if format is not None and format not in FORMATS:
        raise LabelhedgeError(f"--format is {format!r}; it may be {', '.join(FORMATS)}")
    paths = [photos] if isinstance(photos, str | os.PathLike) else photos
    return [found for path in paths for found in _inputs(Path(path), format)]


def _inputs(path: Path, format: str | None) -> Iterable[tuple[Path, str]]:
    from labelhedge.collect.photos.folders import has_images

    if not path.exists():
        raise LabelhedgeError(f"{path} does not exist: name a file of photos or a folder of images")
    if not path.is_dir():
        if format == "folder":
            raise LabelhedgeError(f"{path} is a file: --format folder needs a folder of images")
        return [(path, format or guess_format(path))]
    if format == "folder" or (format is None and has_images(path)):
        return [(path, "folder")]
    known = (*ENDINGS, *COMPRESSED)
    files = sorted(file for file in path.iterdir() if file.is_file() and file.suffix.lower() in known)
    if not files:
        raise LabelhedgeError(f"{path} holds neither images nor tables ({', '.join(known)}); name the files")
    return [(file, format or guess_format(file)) for file in files]


def guess_format(path: Path) -> str:
    """The format of a file by its ending and its first lines."""
    from labelhedge.collect.photos.tables import first_lines
    from labelhedge.collect.photos.yfcc import looks_like_yfcc

    ending = ENDINGS.get(inner_suffix(path))
    if ending in ("parquet", "csv"):
        return ending
    lines = first_lines(path, 20)
    if not lines:
        if ending:
            return ending
        raise LabelhedgeError(f"{path} begins with no text in UTF-8: name a table or metadata, or fetch it again")
    line = lines[0]
    if looks_like_yfcc(line):
        return "yfcc"
    if sum(looks_like_yfcc(later) and "://" in later for later in lines[1:]) * 2 > len(lines) - 1:
        return "yfcc"  # with a damaged first line
    if ending == "jsonl" and line.lstrip().startswith("["):
        raise LabelhedgeError(f"{path} is one JSON array: write JSON lines, an object a line")
    if ending:
        return ending
    if line.startswith("{"):
        return "jsonl"
    if len(line.split("\t")) in (23, 25):
        return "yfcc"
    raise LabelhedgeError(f"{path}: the format is not known by its ending; name it: --format {'|'.join(FORMATS)}")


def open_sources(
    inputs: Iterable[tuple[Path, str]],
    columns: Mapping[str, str] | None = None,
    keep: Sequence[str] | None = None,
    tag_separator: str | None = None,
    listings: Path | None = None,
) -> list[Source]:
    """The readers of some inputs; with `listings`, the folder in which the listings of folders of images lie."""
    inputs = list(inputs)
    return [
        open_source(inputs, number, columns, keep, tag_separator, listings and listing_path(listings, number))
        for number in range(len(inputs))
    ]


def listing_path(folder: Path, source: int) -> Path:
    """Where the listing of a folder of images lies, in the folder of a job."""
    return folder / f"listing-{source:05d}.txt"


def open_source(
    inputs: Sequence[tuple[Path, str]],
    number: int,
    columns: Mapping[str, str] | None = None,
    keep: Sequence[str] | None = None,
    tag_separator: str | None = None,
    listing: Path | None = None,
) -> Source:
    """The reader of one of the inputs; the others tell whether ids of a folder need its name before them."""
    from labelhedge.collect.photos import folders, tables, yfcc

    path, format = inputs[number]
    if format == "yfcc":
        if columns or keep:
            raise LabelhedgeError(
                f"{path} is metadata of YFCC100M, whose columns are known: leave --columns and --keep"
            )
        return yfcc.YFCC(path)
    if format == "folder":
        places = [place for place, form in inputs if form == "folder"]
        name = folders.folder_names(places)[places.index(path)]
        return folders.Folder(path, listing, columns, keep, tag_separator, name)
    if format == "jsonl":
        return tables.JSONLines(path, columns, keep, tag_separator)
    if format == "parquet":
        return tables.Parquet(path, columns, keep, tag_separator)
    return tables.Delimited(path, "," if format == "csv" else "\t", columns, keep, tag_separator)
