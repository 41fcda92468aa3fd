"""Large N-Triples files as three columns of numbers, read by pyarrow: about ten times as fast as a triple at a time.

Lines as :func:`labelhedge.graph.write_triples` writes them have four parts between single spaces, which makes them a
table. A file that holds anything else but statements on literals is left to the parser of pyoxigraph, which knows all
of N-Triples and says what is wrong with a line.
"""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyoxigraph

BLOCK = 16 << 20
"""Bytes that are read at once."""


class Column(NamedTuple):
    """Names, and for each row the number of its name."""

    names: list[str]
    numbers: npt.NDArray[np.int32]


def read_columns(path: str | os.PathLike[str]) -> tuple[Column, Column, Column] | None:
    """Subjects, relations and objects of an N-Triples file, or None where it is not as simple as can be read fast.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "graph.nt"
    >>> _ = file.write_text("<urn:fox> <urn:class> <urn:mammal> .\\n<urn:cat> <urn:class> <urn:mammal> .\\n")
    >>> [column.names for column in read_columns(file)]
    [['urn:fox', 'urn:cat'], ['urn:class'], ['urn:mammal']]
    """
    import pyarrow.csv

    if not Path(path).stat().st_size or not _is_utf8(path):
        return None
    odd: list[str] = []

    def put_aside(row: Any) -> str:
        odd.append(row.text)
        return "skip"

    names = ["subject", "relation", "object", "end"]
    kind = pa.dictionary(pa.int32(), pa.string())
    try:
        reader = pyarrow.csv.open_csv(
            os.fspath(path),
            pyarrow.csv.ReadOptions(column_names=names, block_size=BLOCK),
            pyarrow.csv.ParseOptions(delimiter=" ", quote_char=False, escape_char=False, invalid_row_handler=put_aside),
            pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, kind), strings_can_be_null=False),
        )
        table = pa.Table.from_batches(list(reader), reader.schema).unify_dictionaries()
    except pa.ArrowInvalid:
        return None
    if not table.num_rows or not all(map(_on_literal, odd)):
        return None
    columns = [_column(table[name]) for name in names]
    if columns.pop().names != ["."]:
        return None
    literal = np.array([name.startswith('"') for name in columns[2].names])
    if literal.any():
        if not all(_on_literal(f"<urn:s> <urn:p> {name} .") for name in columns[2].names if name.startswith('"')):
            return None
        kept = ~literal[columns[2].numbers]
        columns = [_used(Column(column.names, column.numbers[kept])) for column in columns]
    parsed = [_iris(column.names) for column in columns]
    if any(iris is None for iris in parsed):
        return None
    subject, relation, entity = (
        _renumbered(column, iris) for column, iris in zip(columns, parsed, strict=True) if iris is not None
    )
    return subject, relation, entity


def _is_utf8(path: str | os.PathLike[str]) -> bool:
    """Whether a file is text; of odd rows that are none pyarrow prints a traceback, which nothing can catch."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _used(column: Column) -> Column:
    """The column without the names that no row has."""
    places, numbers = np.unique(column.numbers, return_inverse=True)
    return Column([column.names[place] for place in places], numbers.astype(np.int32))


def _column(chunks: pa.ChunkedArray) -> Column:
    combined = chunks.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):
        combined = combined.chunk(0)
    return Column(combined.dictionary.to_pylist(), combined.indices.to_numpy(zero_copy_only=False).astype(np.int32))


def _renumbered(column: Column, iris: list[str]) -> Column:
    """The column with IRIs for names; two spellings of one IRI become one."""
    numbers: dict[str, int] = {}
    ranks = np.array([numbers.setdefault(iri, len(numbers)) for iri in iris], np.int32)
    return Column(list(numbers), ranks[column.numbers])


def _on_literal(line: str) -> bool:
    """Whether a line is a statement on a literal, which may hold spaces."""
    try:
        (found,) = pyoxigraph.parse(line, format=pyoxigraph.RdfFormat.N_TRIPLES)
    except (SyntaxError, ValueError):
        return False
    return isinstance(found.object, pyoxigraph.Literal)


def _iris(names: list[str]) -> list[str] | None:
    """What names in N-Triples stand for; None where one is no IRI in angle brackets."""
    if not all(name.startswith("<") for name in names):
        return None
    lines = "".join(f"<urn:s> <urn:p> {name} .\n" for name in names)
    try:
        parsed = [quad.object.value for quad in pyoxigraph.parse(lines, format=pyoxigraph.RdfFormat.N_TRIPLES)]
    except (SyntaxError, ValueError):
        return None
    return parsed if len(parsed) == len(names) else None
