"""Triples on disk: files of any size, loaded piece by piece, in a folder that survives a kill.

    with TripleStore("dbpedia.store") as store:
        store.load("mappingbased_objects_en.ttl.bz2")     # goes on where an earlier attempt was stopped
        rows = store.ask("SELECT ?v ?u WHERE { ?v <http://dbpedia.org/ontology/family> ?u }")

    dbpedia.store/
      ledger.json      which files were loaded, how far, and what was found in them; written after each piece
      triples/         pyoxigraph's own files

A file is entered in the ledger before its first statement goes into the store, so that the ledger names all files that
the store holds anything of. A piece that a kill kept out of the ledger is loaded again; triples are a set, so nothing
changes.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
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
        self._ledger, self._partial = self.folder / "ledger.json", self.folder / "ledger.tmp"
        if not self._ledger.exists() and self.folder.exists() and set(self.folder.iterdir()) - {self._partial}:
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

    def other_than(self, paths: Iterable[str | os.PathLike[str]], table: TableFormat | None = None) -> str:
        """What the store holds, whole or in part, that is not of these files as they are, read in this way.

        Parameters
        ----------
        paths : files
        table : TableFormat, optional
            How TSV and CSV files are read.

        Returns
        -------
        str
            In words; empty where it holds nothing else.
        """
        wanted = {str(Path(path).resolve()): Path(path) for path in paths}
        for name, entry in self._files.items():
            if name not in wanted:
                return f"{self.folder} holds {name} too, which is not among the sources"
            if entry["about"] != _about(wanted[name], table or TableFormat()):
                return (
                    f"{wanted[name]} has changed since it was loaded into {self.folder}, or is to be read in another "
                    "way now"
                )
        return ""

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
        kind, about, name = files.kind_of(path), _about(path, table), str(path.resolve())
        entry = self._files.get(name) or {"about": about, "offset": 0, "done": False, "counts": {}}
        if entry["about"] != about:
            raise LabelhedgeError(
                f"{path} has changed since it was loaded into {self.folder}, or is to be read in another way now: "
                "delete that folder, or name another --store"
            )
        if not entry["done"]:
            if kind == "table":
                files.table_places(table, path)  # columns that are not there leave no entry
            self._files[name] = entry
            self._write_ledger()
            with _bar(path, show=progress) as advance:
                if kind in ("lines", "table"):
                    self._load_lines(path, entry, table if kind == "table" else None, advance)
                else:
                    self._load_whole(path, entry, kind, advance)
            counts = _counts(entry)
            if not counts.triples and not counts.other:
                del self._files[name]
                self._write_ledger()
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
                if cast(io.BufferedReader, file).peek(3)[:3] == files.BOM:
                    file.read(3)
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
        self._partial.write_text(json.dumps({"version": VERSION, "files": self._files}, indent=1), encoding="utf-8")
        self._partial.replace(self._ledger)


def is_store(path: Path) -> bool:
    """Whether a folder is a store of triples."""
    return (path / "ledger.json").exists()


def discard(folder: Path) -> None:
    """Remove a store that nobody has open; killed in the middle, no half of one stays in its place."""
    shutil.rmtree(set_aside(folder))


def set_aside(folder: Path) -> Path:
    """Give a store that nobody has open the name of one to be removed; returns where it is now."""
    gone = folder.with_name(f"{folder.name}.discarded")
    if gone.exists():
        shutil.rmtree(gone)
    return folder.replace(gone)


def _about(path: Path, table: TableFormat) -> list[int | str]:
    """By what a file that changed, or is to be read in another way, is told from the one that was loaded."""
    state, kind = path.stat(), files.kind_of(path)
    return [state.st_size, state.st_mtime_ns, repr(table) if kind == "table" else kind]


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
