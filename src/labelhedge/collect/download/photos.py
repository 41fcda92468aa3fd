"""What is asked for: ids and addresses, read as a stream, as often as wanted, in the same order.

Photos("linked")                       a folder that `labelhedge collect link` wrote, or one of Parquet files
Photos("list.csv", url="image_url")    CSV, TSV, Parquet; .gz, .bz2, .xz and .zst too
Photos("urls.txt")                     a line an address, or an id, white space and an address

A line that cannot be read is a photo with a `problem`: it is counted, and stops nothing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.collect.photos.columns import USUAL, semicolons
from labelhedge.collect.photos.lines import inner_suffix, read_lines
from labelhedge.collect.photos.rows import Reject
from labelhedge.collect.photos.tables import Delimited, first_lines
from labelhedge.collect.photos.yfcc import copy_url, photo_hash
from labelhedge.errors import LabelhedgeError

_BATCH = 1024
_HASH = re.compile("[0-9a-f]{16,32}")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_PLAIN = (".txt", ".lst", ".list")


class Ask(NamedTuple):
    """One photo; `url` is None where it has none (for a copy: neither a sound hash nor an address).

    Where a line is no photo, `problem` says why, and `id` names file and line.
    """

    id: str
    url: str | None
    problem: str | None = None


@contextmanager
def _parquet(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise LabelhedgeError(f"{path} cannot be read as Parquet ({error}): write it again") from error


class Photos:
    """A list of photos to fetch.

    Parameters
    ----------
    path : path
        A folder of linked photos or of Parquet files, or a CSV, TSV, Parquet or text file.
    copy : bool
        Ask for the YFCC copies: by the column `hash`, or by the address where there is none.
    id, url : str
        Names of the columns.

    Raises
    ------
    ValueError
        When there is no such file, it is of no such kind, or a column is missing.
    """

    def __init__(self, path: str | Path, *, copy: bool = False, id: str = "id", url: str = "url") -> None:
        self.path, self.copy = Path(path), copy
        self._id, self._url = id, url
        if not self.path.exists():
            raise LabelhedgeError(
                f"{self.path} is not there: give a folder of linked photos, or a CSV, Parquet or text"
            )
        self._files = self._parquet_files()
        kind = inner_suffix(self.path)
        if not self._files and kind not in (*_DELIMITERS, *_PLAIN):
            raise LabelhedgeError(
                f"{self.path} is of no known kind: its name must end in .parquet, .csv, .tsv or .txt (and .gz, .bz2, "
                ".xz or .zst)"
            )
        self._table = self._delimited(_DELIMITERS[kind]) if not self._files and kind in _DELIMITERS else None

    def __len__(self) -> int:
        """How many, as far as that is known without reading; 0 where it is not."""
        count = 0
        for path in self._files:
            with _parquet(path) as file:
                count += file.metadata.num_rows
        return count

    def batches(self) -> Iterator[list[Ask]]:
        """The photos, about a thousand at a time."""
        for file in self._files:
            yield from self._parquet(file)
        if not self._files:
            asks = self._rows(self._table) if self._table else self._lines()
            while batch := list(islice(asks, _BATCH)):
                yield batch

    def _parquet_files(self) -> list[Path]:
        if self.path.is_file():
            return [self.path] if self.path.suffix == ".parquet" else []
        folder = self.path / "photos" if (self.path / "photos").is_dir() else self.path
        files = sorted(folder.glob("*.parquet"))
        if not files:
            raise LabelhedgeError(f"{folder} holds no Parquet file: give a folder that `labelhedge collect link` wrote")
        return files

    def _parquet(self, path: Path) -> Iterator[list[Ask]]:
        with _parquet(path) as file:
            columns = self._columns(file.schema_arrow.names, path)
            row = 0
            for batch in file.iter_batches(_BATCH, columns=columns):
                yield self._asks(batch, path, row)
                row += len(batch)

    def _delimited(self, delimiter: str) -> Delimited:
        """The reader of a table; of its columns only those that are asked for are looked at."""
        try:
            header = next(csv.reader(first_lines(self.path, 1), delimiter=delimiter), [])
        except csv.Error:
            header = []  # the reader says what is wrong
        names = [name.strip() for name in header]
        wanted = self._columns(names, self.path) if names else []
        keep = [name for name in wanted if name not in (self._id, self._url)]
        # The reader wants a column of words, which a list of addresses may lack.
        columns = dict.fromkeys(USUAL, "") | {"id": self._id, "url": self._url, "title": self._id}
        return Delimited(self.path, delimiter, columns, keep)

    def _rows(self, table: Delimited) -> Iterator[Ask]:
        for record in table.records(table.whole()):
            row = table.photo(record)
            if not isinstance(row, Reject):
                yield self._ask(row["id"], row["url"], row.get("hash"))
            elif row.content or row.reason != "empty line":
                yield self._bad(self.path, row.line, row.reason)

    def _lines(self) -> Iterator[Ask]:
        for line in read_lines(self.path):
            if isinstance(line.text, Reject):
                yield self._bad(self.path, line.number, line.text.reason)
                continue
            words = line.text.split()
            if not words or words[0].startswith("#"):
                continue
            if len(words) > 2:
                problem = f"{len(words)} words, not an address, or an id and an address"
                yield self._bad(self.path, line.number, problem)
            else:
                yield self._ask(words[0], words[-1], None)

    @staticmethod
    def _bad(path: Path, line: int, problem: str) -> Ask:
        return Ask(f"{path.name}:{line}", None, problem)

    def _columns(self, names: list[str], path: Path) -> list[str]:
        missing = [name for name in (self._id, self._url) if name not in names]
        if missing:
            raise LabelhedgeError(
                f"{path} has no column {missing[0]!r} but {', '.join(names)}: "
                + (semicolons(names) or "name the right ones (--id-column, --url-column)")
            )
        return list(dict.fromkeys([self._id, self._url, *(["hash"] if self.copy and "hash" in names else [])]))

    def _asks(self, batch: Any, path: Path, row: int) -> list[Ask]:
        ids, urls = (batch.column(name).cast(pa.string()).to_pylist() for name in (self._id, self._url))
        hashes = (
            batch.column("hash").cast(pa.string()).to_pylist() if "hash" in batch.schema.names else [None] * len(ids)
        )
        return [
            self._bad(path, row + place, "no id") if photo[0] is None else self._ask(*photo)
            for place, photo in enumerate(zip(ids, urls, hashes, strict=True))
        ]

    def _ask(self, id: str, url: str | None, hash: str | None) -> Ask:
        url = (url or "").strip() or None
        if self.copy:
            hash = hash or (photo_hash(url) if url else None)
            url = copy_url(hash) if hash and _HASH.fullmatch(hash) else None
        return Ask(id, url)
