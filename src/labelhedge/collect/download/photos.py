"""What is asked for: ids and addresses, read as a stream, as often as wanted, in the same order.

Photos("linked")                       a folder that `labelhedge collect link` wrote, or one of Parquet files
Photos("list.csv", url="image_url")    CSV, TSV, Parquet; .gz, .bz2 and .zst too
Photos("urls.txt")                     a line an address, or an id, white space and an address
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from labelhedge.collect.photos.yfcc import copy_url, photo_hash
from labelhedge.errors import LabelhedgeError

_BATCH = 1024
_COMPRESSED = (".gz", ".bz2", ".zst")
_HASH = re.compile("[0-9a-f]{16,32}")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}


class Ask(NamedTuple):
    """One photo; `url` is None where it has none (for a copy: neither a sound hash nor an address)."""

    id: str
    url: str | None


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
        if not self._files:
            self._read_lines()  # refuses a kind of file it cannot read

    def __len__(self) -> int:
        """How many, as far as that is known without reading; 0 where it is not."""
        return sum(pq.read_metadata(file).num_rows for file in self._files)

    def batches(self) -> Iterator[list[Ask]]:
        """The photos, about a thousand at a time."""
        if self._files:
            for file in self._files:
                yield from self._parquet(file)
        else:
            yield from self._read_lines()()

    def _parquet_files(self) -> list[Path]:
        if self.path.is_file():
            return [self.path] if self.path.suffix == ".parquet" else []
        folder = self.path / "photos" if (self.path / "photos").is_dir() else self.path
        files = sorted(folder.glob("*.parquet"))
        if not files:
            raise LabelhedgeError(f"{folder} holds no Parquet file: give a folder that `labelhedge collect link` wrote")
        return files

    def _parquet(self, path: Path) -> Iterator[list[Ask]]:
        try:
            with pq.ParquetFile(path) as file:
                columns = self._columns(file.schema_arrow.names, path)
                row = 0
                for batch in file.iter_batches(_BATCH, columns=columns):
                    yield self._asks(batch, path, row)
                    row += len(batch)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise LabelhedgeError(f"{path} cannot be read as Parquet ({error}): write it again") from error

    def _read_lines(self) -> Callable[[], Iterator[list[Ask]]]:
        name = self.path.name.lower()
        for ending in _COMPRESSED:
            name = name.removesuffix(ending)
        kind = Path(name).suffix
        if kind in _DELIMITERS:
            return lambda: self._table(_DELIMITERS[kind])
        if kind in (".txt", ".lst", ".list"):
            return self._plain
        raise LabelhedgeError(
            f"{self.path} is of no known kind: its name must end in .parquet, .csv, .tsv or .txt (and .gz, .bz2, .zst)"
        )

    def _table(self, delimiter: str) -> Iterator[list[Ask]]:
        parse = pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        try:
            with pa.input_stream(str(self.path), compression="detect") as stream:
                # Every column as text: an id such as 007 is no number.
                names = pa_csv.open_csv(stream, parse_options=parse).schema.names
            columns = self._columns(names, self.path)
            convert = pa_csv.ConvertOptions(
                include_columns=columns, column_types={name: pa.string() for name in columns}, strings_can_be_null=False
            )
            row = 0
            with pa.input_stream(str(self.path), compression="detect") as stream:
                for block in pa_csv.open_csv(stream, parse_options=parse, convert_options=convert):
                    for start in range(0, len(block), _BATCH):
                        batch = block.slice(start, _BATCH)
                        yield self._asks(batch, self.path, row)
                        row += len(batch)
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            raise LabelhedgeError(f"{self.path} cannot be read as a table ({error}): correct it") from error

    def _plain(self) -> Iterator[list[Ask]]:
        with pa.input_stream(str(self.path), compression="detect") as stream:
            batch = []
            for line in _lines(stream):
                if not line or line.startswith("#"):
                    continue
                words = line.split()
                if len(words) > 2:
                    raise LabelhedgeError(
                        f"{self.path}: {line[:100]!r} is no line of an address, or of an id and an address: correct it"
                    )
                batch.append(self._ask(words[0], words[-1], None))
                if len(batch) == _BATCH:
                    yield batch
                    batch = []
            if batch:
                yield batch

    def _columns(self, names: list[str], path: Path) -> list[str]:
        missing = [name for name in (self._id, self._url) if name not in names]
        if missing:
            raise LabelhedgeError(
                f"{path} has no column {missing[0]!r} but {', '.join(names)}: name the right ones (--id-column, "
                f"--url-column)"
            )
        return list(dict.fromkeys([self._id, self._url, *(["hash"] if self.copy and "hash" in names else [])]))

    def _asks(self, batch: Any, path: Path, row: int) -> list[Ask]:
        ids, urls = (batch.column(name).cast(pa.string()).to_pylist() for name in (self._id, self._url))
        hashes = (
            batch.column("hash").cast(pa.string()).to_pylist() if "hash" in batch.schema.names else [None] * len(ids)
        )
        if None in ids:
            raise LabelhedgeError(f"{path}, row {row + ids.index(None)}: the photo has no id: give it one")
        return [self._ask(*photo) for photo in zip(ids, urls, hashes, strict=True)]

    def _ask(self, id: str, url: str | None, hash: str | None) -> Ask:
        url = (url or "").strip() or None
        if self.copy:
            hash = hash or (photo_hash(url) if url else None)
            url = copy_url(hash) if hash and _HASH.fullmatch(hash) else None
        return Ask(id, url)


def _lines(stream: Any) -> Iterator[str]:
    """Lines of a stream of bytes, without their ends."""
    rest = b""
    while block := stream.read(1 << 20):
        *whole, rest = (rest + block).split(b"\n")
        yield from (line.decode(errors="replace").strip() for line in whole)
    yield rest.decode(errors="replace").strip()
