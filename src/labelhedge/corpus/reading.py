"""Reading `samples/part-*.parquet` into columns, and every check that reading makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import scipy.sparse

from labelhedge.corpus.errors import CorpusError
from labelhedge.corpus.images import ImageReader, check_header, digest
from labelhedge.corpus.schema import SPLITS, check_columns
from labelhedge.corpus.views import LabelSets

_FIXED = ("id", "split", "image", "observed", "verified", "trusted")


@dataclass(frozen=True)
class Samples:
    """All samples of a corpus as columns; the images stay on disk.

    Attributes
    ----------
    ids : list of N str
    split : (N,) str
        ``train``, ``dev`` or ``test``.
    observed, verified : (N, L) sparse bool
        Rows of `verified` are empty where nobody checked: see `checked`.
    checked, trusted : (N,) bool
    digests : list of N bytes
        Identities of the images.
    extra : pyarrow.Table
        The columns that the format does not fix.
    images : ImageReader
    """

    ids: list[str]
    split: npt.NDArray[np.str_]
    observed: LabelSets
    verified: LabelSets
    checked: npt.NDArray[np.bool_]
    trusted: npt.NDArray[np.bool_]
    digests: list[bytes]
    extra: pa.Table
    images: ImageReader


def read_samples(folder: Path, label_count: int, *, exclusive: bool = False, progress: bool = False) -> Samples:
    """Read and validate the samples of a corpus folder."""
    paths = sorted((folder / "samples").glob("*.parquet"))
    if not paths:
        raise CorpusError(folder / "samples", "there is no Parquet file", "write the samples as part-00000.parquet")
    table, reader = _read_parts(folder, paths, label_count, exclusive)
    ids = table.column("id").to_pylist()
    split = np.array(table.column("split").to_pylist())
    digests = _identify(reader, ids, progress=progress)
    _check_twins(digests, split, ids, reader)
    return Samples(
        ids=ids,
        split=split,
        observed=_label_sets(table.column("observed"), label_count),
        verified=_label_sets(table.column("verified"), label_count),
        checked=table.column("verified").is_valid().to_numpy(),
        trusted=table.column("trusted").to_numpy(),
        digests=digests,
        extra=table.drop_columns([name for name in _FIXED if name != "image"]),
        images=reader,
    )


def check_samples(folder: Path, label_count: int, *, exclusive: bool = False) -> None:
    """Validate the columns of the samples of a folder, not their images.

    Raises
    ------
    CorpusError
        As when the corpus is opened.
    """
    _read_parts(folder, sorted((folder / "samples").glob("*.parquet")), label_count, exclusive)


def _read_parts(folder: Path, paths: Sequence[Path], label_count: int, exclusive: bool) -> tuple[pa.Table, ImageReader]:
    tables = [_read_part(path, label_count, exclusive) for path in paths]
    reader = ImageReader(folder, [(path, len(table)) for path, table in zip(paths, tables, strict=True)])
    table = tables[0]
    for path, part in zip(paths[1:], tables[1:], strict=True):
        try:
            table = pa.concat_tables([table, part], promote_options="permissive")
        except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
            problem = f"a column has another type than in the parts before ({error})"
            raise CorpusError(path, problem, "store it with one type in all parts") from error
    if not len(table):
        raise CorpusError(paths[0], "there is no sample in it", "write at least one row")
    _check_unique_ids(table.column("id").to_pylist(), reader)
    return table, reader


def _read_part(path: Path, label_count: int, exclusive: bool) -> pa.Table:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorpusError(path, f"not a Parquet file ({error})", "write the part again") from error
    check_columns(schema, path)
    try:
        table = pq.read_table(path, columns=[name for name in schema.names if name != "image"])
    except (pa.ArrowInvalid, OSError) as error:
        raise CorpusError(path, f"the file is damaged ({error})", "write the part again") from error
    _check_rows(table, path, label_count, exclusive)
    for name in ("id", "split"):  # parts may differ in how they encode strings
        table = table.set_column(table.column_names.index(name), name, table.column(name).cast(pa.string()))
    return table


def _check_rows(table: pa.Table, path: Path, label_count: int, exclusive: bool) -> None:
    ids = table.column("id")

    def stop_at(bad: pa.ChunkedArray | npt.NDArray[np.bool_], problem: str, mend: str) -> None:
        found = np.flatnonzero(np.asarray(bad))
        if len(found):
            row = int(found[0])
            sample = ids[row].as_py()
            value = {name: table.column(name)[row].as_py() for name in ("split", "observed", "verified")}
            raise CorpusError(path, problem.format(**value), mend, row=row, sample=sample)

    for name in ("id", "split", "observed", "trusted"):
        mend = "write an empty list for a background image" if name == "observed" else "fill it in"
        stop_at(table.column(name).is_null(), f"{name} is null", mend)
    split = pc.cast(table.column("split"), pa.string())
    stop_at(
        pc.invert(pc.is_in(split, pa.array(SPLITS))),
        "the split is {split!r}",
        f"write one of {', '.join(SPLITS)}",
    )
    for name in ("observed", "verified"):
        bad, repeated = _label_faults(table.column(name), label_count)
        found = "{" + name + "}"
        stop_at(
            bad,
            f"{name} is {found}, but the labels of corpus.json are numbered 0 to {label_count - 1}",
            "correct the number, or add the label to corpus.json",
        )
        stop_at(repeated, f"{name} is {found}, with one label twice", "list each label once")
        if exclusive:
            lengths = np.asarray(pc.fill_null(pc.list_value_length(table.column(name)), 1))
            fewest = 1 if name == "verified" else 0
            stop_at(
                (lengths > 1) | (lengths < fewest),
                f"{name} is {found}, but corpus.json says that the labels are exclusive",
                "keep one label (background needs a label of its own), or take 'exclusive' out of corpus.json",
            )
    trusted = table.column("trusted").to_numpy()
    stop_at(
        trusted & table.column("verified").is_null().to_numpy(),
        "the row is trusted but has no verified labels",
        "fill in verified (an empty list for background), or set trusted to false",
    )
    stop_at(
        trusted & pc.not_equal(split, "train").to_numpy(),
        "the row is trusted but its split is {split!r}",
        "only training samples belong to the clean set D_c: set trusted to false",
    )


def _label_faults(column: pa.ChunkedArray, label_count: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    rows, values = _flat(column)
    bad = np.zeros(len(column), bool)
    bad[rows[(values < 0) | (values >= label_count)]] = True
    order = np.lexsort((values, rows))
    again = (np.diff(rows[order]) == 0) & (np.diff(values[order]) == 0)
    repeated = np.zeros(len(column), bool)
    repeated[rows[order][1:][again]] = True
    return bad, repeated


def _flat(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0), np.int64)
    flat = pc.list_flatten(column)
    values = np.asarray(pc.fill_null(pc.cast(flat, pa.int64(), safe=False), -1), np.int64)
    return np.repeat(np.arange(len(column)), lengths), values


def _label_sets(column: pa.ChunkedArray, label_count: int) -> LabelSets:
    rows, values = _flat(column)
    ones = np.ones(len(rows), bool)
    return scipy.sparse.coo_array((ones, (rows, values)), shape=(len(column), label_count)).tocsr()


def _check_unique_ids(ids: list[str], reader: ImageReader) -> None:
    first: dict[str, int] = {}
    for row, sample in enumerate(ids):
        if sample in first:
            file, place = reader.place(row)
            earlier, line = reader.place(first[sample])
            raise CorpusError(
                file,
                f"the id stands already in {earlier.name}, row {line}",
                "give every sample an id of its own",
                row=place,
                sample=sample,
            )
        first[sample] = row


def _identify(reader: ImageReader, ids: list[str], *, progress: bool) -> list[bytes]:
    from rich.progress import track

    def look(item: tuple[int, bytes]) -> bytes:
        row, data = item
        problem = check_header(data)
        if problem:
            file, place = reader.place(row)
            raise CorpusError(file, problem, "replace the image or remove the row", row=place, sample=ids[row])
        return digest(data)

    images = track(reader.read(), "reading images", total=len(ids), disable=not progress, transient=True)
    with ThreadPoolExecutor() as pool:
        return [identity for chunk in _chunks(images, 256) for identity in pool.map(look, chunk)]


def _chunks(items: Iterable[tuple[int, bytes]], size: int) -> Iterator[list[tuple[int, bytes]]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _check_twins(digests: list[bytes], split: npt.NDArray[np.str_], ids: list[str], reader: ImageReader) -> None:
    first: dict[bytes, int] = {}
    for row, identity in enumerate(digests):
        earlier = first.setdefault(identity, row)
        if split[earlier] != split[row]:
            file, place = reader.place(row)
            raise CorpusError(
                file,
                f"the image is in {split[row]} and, as {ids[earlier]!r}, also in {split[earlier]}",
                "keep it in one split: a model must not be measured on what it was trained on",
                row=place,
                sample=ids[row],
            )
