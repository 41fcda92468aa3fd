"""Triples on disk: files of any size, loaded piece by piece, in a folder that survives a kill.

    with TripleStore("dbpedia.store") as store:
        store.load("mappingbased_objects_en.ttl.bz2")     # goes on where an earlier attempt was stopped
        rows = store.ask("SELECT ?v ?u WHERE { ?v <http://dbpedia.org/ontology/family> ?u }")

    dbpedia.store/
      ledger.json      which files were loaded, how far, and what was found in them; written after each piece
      triples/         pyoxigraph's own files

A piece whose entry in the ledger a kill prevented is loaded again; triples are a set, so nothing changes.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

import pyoxigraph

from labelhedge.errors import LabelhedgeError
from labelhedge.graph import files
from labelhedge.graph.files import Counts, TableFormat

VERSION = 1
BATCH = 100_000
"""Statements of Turtle and other formats that are added at once."""


class TripleStore:
    """Triples in a folder on disk.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    chunk : int, optional
        Bytes of a file, decompressed, that are loaded in one piece: what a kill costs at most. Default: 8 MiB.

    Raises
    ------
    ValueError
        When the folder is something else, or another process has it open.
    """

    def __init__(self, folder: str | os.PathLike[str], *, chunk: int | None = None) -> None:
        self.folder, self._chunk = Path(folder), chunk or files.CHUNK
        self._ledger = self.folder / "ledger.json"
        if self.folder.exists() and not self._ledger.exists() and any(self.folder.iterdir()):
            raise LabelhedgeError(f"{self.folder} holds other things than a store of triples: choose another folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._files: dict[str, dict[str, Any]] = {}
        if self._ledger.exists():
            content = json.loads(self._ledger.read_text(encoding="utf-8"))
            if content["version"] != VERSION:
                raise LabelhedgeError(f"{self.folder} was written by another version of labelhedge: delete the folder")
            self._files = content["files"]
        else:
            self._write_ledger()
        try:
            self._store: pyoxigraph.Store | None = pyoxigraph.Store(self.folder / "triples")
        except OSError as error:
            raise LabelhedgeError(f"{self.folder} cannot be opened; is another process using it? ({error})") from error

    def __enter__(self) -> TripleStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder."""
        self._store = None

    @property
    def store(self) -> pyoxigraph.Store:
        """The store of pyoxigraph, for queries of one's own."""
        if self._store is None:
            raise ValueError(f"{self.folder} is closed")
        return self._store

    @property
    def loaded(self) -> dict[str, Counts]:
        """What was found in each file that is loaded whole, by its path."""
        return {name: _counts(entry) for name, entry in self._files.items() if entry["done"]}

    def load(self, path: str | os.PathLike[str], table: TableFormat | None = None, *, progress: bool = False) -> Counts:
        """Load a file, or the rest of it; one that is loaded already is not read again.

        Parameters
        ----------
        path : file
            See :mod:`labelhedge.graph.files` for the formats.
        table : TableFormat, optional
            How a TSV or CSV is read.
        progress : bool
            Show a progress bar.

        Returns
        -------
        Counts
            Of the whole file, whether it was read in one go or not.

        Raises
        ------
        ValueError
            When the file is broken, holds no statement at all, or is not the one that was loaded before.
        """
        path = Path(path)
        table = table or TableFormat()
        state = path.stat()
        kind = files.kind_of(path)
        about = [state.st_size, state.st_mtime_ns, repr(table) if kind == "table" else kind]
        entry = self._files.setdefault(str(path.resolve()), {"about": about, "offset": 0, "done": False, "counts": {}})
        if entry["about"] != about:
            raise LabelhedgeError(
                f"{path} has changed since it was loaded into {self.folder}, or is to be read in another way now: "
                "delete that folder, or name another --store"
            )
        if not entry["done"]:
            with _bar(path, show=progress) as advance:
                if kind in ("lines", "table"):
                    self._load_lines(path, entry, table if kind == "table" else None, advance)
                else:
                    self._load_whole(path, entry, kind, advance)
            counts = _counts(entry)
            if not counts.triples and not counts.other:
                raise LabelhedgeError(_nothing(path, kind, counts))
            entry["done"] = True
            self._write_ledger()
        return _counts(entry)

    def ask(self, query: str) -> Iterator[tuple[str, ...]]:
        """The rows of a SELECT query, IRIs as text."""
        for row in self.store.query(query):  # type: ignore[union-attr]  # a SELECT query gives rows
            yield tuple(term.value for term in row)

    def _load_lines(self, path: Path, entry: dict[str, Any], table: TableFormat | None, advance: Any) -> None:
        counts = _counts(entry)
        advance(entry["offset"])
        for piece, offset in files.chunks(path, entry["offset"], self._chunk):
            kept = (
                files.statements(piece, counts) if table is None else files.table_statements(piece, counts, table, path)
            )
            try:
                self._add(b"".join(line for _, line in kept))
            except SyntaxError:
                self._add(files.without_bad(kept, counts))
            advance(offset - entry["offset"])
            entry.update(offset=offset, counts=dataclasses.asdict(counts))
            self._write_ledger()

    def _load_whole(self, path: Path, entry: dict[str, Any], kind: str, advance: Any) -> None:
        counts = Counts()
        form = pyoxigraph.RdfFormat.from_extension(kind)
        try:
            with files.reading(path) as file:
                quads = self._named(
                    pyoxigraph.parse(cast(IO[bytes], file), format=form, base_iri=path.resolve().as_uri()), counts
                )
                while batch := list(islice(quads, BATCH)):
                    self.store.bulk_extend(batch)
                    advance(0)
        except SyntaxError as error:
            place = f", line {error.lineno}" if error.lineno else ""
            raise LabelhedgeError(f"{path}{place}: {error.msg}; correct the file") from error
        entry["counts"] = dataclasses.asdict(counts)

    @staticmethod
    def _named(quads: Iterable[Any], counts: Counts) -> Iterator[pyoxigraph.Quad]:
        for quad in quads:
            if isinstance(quad.subject, pyoxigraph.NamedNode) and isinstance(quad.object, pyoxigraph.NamedNode):
                counts.triples += 1
                yield pyoxigraph.Quad(quad.subject, quad.predicate, quad.object)
            else:
                counts.other += 1

    def _add(self, data: bytes) -> None:
        if data:
            self.store.bulk_load(data, format=pyoxigraph.RdfFormat.N_TRIPLES)

    def _write_ledger(self) -> None:
        partial = self._ledger.with_suffix(".tmp")
        partial.write_text(json.dumps({"version": VERSION, "files": self._files}, indent=1), encoding="utf-8")
        partial.replace(self._ledger)


def is_store(path: Path) -> bool:
    """Whether a folder is a store of triples."""
    return (path / "ledger.json").exists()


def _counts(entry: dict[str, Any]) -> Counts:
    counts = Counts(**entry["counts"])
    counts.examples = [(number, line) for number, line in counts.examples]
    return counts


def _nothing(path: Path, kind: str, counts: Counts) -> str:
    if counts.bad:
        number, line = counts.examples[0]
        return f"{path} holds no triple: none of {counts.bad:,} lines is one; line {number} is {line!r}"
    return f"{path} holds no triple" + (": head, tail and relation are needed in each line" if kind == "table" else "")


def _bar(path: Path, *, show: bool) -> AbstractContextManager[Any]:
    """A bar of the bytes read; how many there will be is known of plain files only."""
    if not show:
        return nullcontext(lambda advance: None)
    from contextlib import contextmanager

    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    @contextmanager
    def shown() -> Iterator[Any]:
        total = None if path.suffix.lower() in files.COMPRESSED else path.stat().st_size
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
        with Progress(*columns, transient=True) as progress:
            task = progress.add_task(f"loading {path.name}", total=total)
            yield lambda advance: progress.advance(task, advance)

    return shown()
