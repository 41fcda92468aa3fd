"""Files of triples as they are found: N-Triples and N-Quads line by line, tables line by line, other RDF as a whole.

Compressed files (gz, bz2, xz, zst) are read as they are. DBpedia's dumps are N-Triples lines in spite of the ending
`.ttl`; what the first lines look like decides. A bad line of a line format is counted and kept with its number; a
syntax error in Turtle or RDF/XML ends the reading, because what follows it cannot be told.

Only statements between IRIs relate labels to entities: those on literals and blank nodes are counted and left out.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote

import pyarrow as pa
import pyoxigraph

from labelhedge.errors import LabelhedgeError

CHUNK = 8 << 20
"""Bytes of a file, decompressed, that are loaded in one piece."""
EXAMPLES = 5
"""How many bad lines are kept."""
BOM = b"\xef\xbb\xbf"
"""What Excel writes before the first line of a CSV in UTF-8."""
NAME = "urn:labelhedge:name:"
RELATION = "urn:labelhedge:relation:"
"""Before the bare names of a table where no other prefix is given."""
DBPEDIA = "http://dbpedia.org/"

TABLES = {".tsv": "\t", ".csv": ",", ".txt": "\t"}
LINES = {".nt", ".nq", ".tql"}
COMPRESSED = {".gz", ".bz2", ".xz", ".zst"}

_IRI = rb"<[^\x00-\x20<>\"{}|^`]*>"
_BLANK = rb"_:[^\s<>\"]+"
_LITERAL = rb'"(?:[^"\\\r\n]|\\.)*"(?:@[A-Za-z0-9-]+|\^\^' + _IRI + rb")?"
_END = rb"[ \t]*(?:(?:" + _IRI + rb"|" + _BLANK + rb")[ \t]*)?\.[ \t]*(?:#.*)?\r?"
_STATEMENT = re.compile(rb"[ \t]*(" + _IRI + rb")[ \t]*(" + _IRI + rb")[ \t]*(" + _IRI + rb")" + _END)
_OTHER = re.compile(
    rb"[ \t]*(?:" + _IRI + rb"|" + _BLANK + rb")[ \t]*" + _IRI + rb"[ \t]*(?:" + _IRI + rb"|" + _BLANK + rb"|"
    + _LITERAL + rb")" + _END
)  # fmt: skip
_NOT_IRI = re.compile(  # what RFC 3987 does not let stand in a path, query or fragment
    r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~:/?#@!$&'()*+,;=%\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef\U00010000-\U0001fffd]"
)
_ABSOLUTE = re.compile(r"(?:https?://|urn:)")


@dataclass
class Counts:
    """What reading a file came to: lines = triples + other + comments + bad, where it has lines."""

    lines: int = 0
    triples: int = 0
    other: int = 0
    comments: int = 0
    bad: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)

    def reject(self, number: int, line: bytes) -> None:
        """Count a bad line; the first few are kept with their numbers."""
        self.bad += 1
        self.examples.append((number, line[:200].decode("utf-8", errors="replace").strip()))
        self.examples = sorted(self.examples)[:EXAMPLES]


@dataclass(frozen=True)
class TableFormat:
    """How a TSV or CSV of triples is read.

    Attributes
    ----------
    columns : three names or numbers, optional
        Of the head (the label), the tail (the entity) and the relation: ``("v", "u", "r")`` by the names in the first
        line, ``(2, 1, 3)`` by place, from 1. Default: by the first line, if it names head, tail and relation (or
        subject, object and predicate, or v, u and r), else 1, 2, 3.
    prefix : str
        Before bare names of heads and tails: ``http://dbpedia.org/resource/``.
    relation_prefix : str, optional
        Before bare names of relations. Default: DBpedia's ontology where `prefix` is DBpedia's, else one of our own.
    """

    columns: tuple[str, str, str] | None = None
    prefix: str = NAME
    relation_prefix: str | None = None

    def iri(self, name: str, *, relation: bool = False) -> str:
        """The IRI of a name; one that is an IRI already, in ``<>`` or not, stays.

        Examples
        --------
        >>> TableFormat(prefix="http://dbpedia.org/resource/").iri("Red fox")
        'http://dbpedia.org/resource/Red_fox'
        >>> TableFormat().iri("urn:fox"), TableFormat().iri("family", relation=True)
        ('urn:fox', 'urn:labelhedge:relation:family')
        """
        name = name.strip().removeprefix("<").removesuffix(">")
        if _ABSOLUTE.match(name):
            return name
        return (self._relations if relation else self.prefix) + bare(name)

    @property
    def _relations(self) -> str:
        if self.relation_prefix is not None:
            return self.relation_prefix
        return DBPEDIA + "ontology/" if self.prefix.startswith(DBPEDIA) else RELATION


def bare(name: str) -> str:
    """A name as the end of an IRI: spaces are underscores, what an IRI cannot hold is percent-encoded.

    Examples
    --------
    >>> bare("Bird of paradise"), bare('a"b')
    ('Bird_of_paradise', 'a%22b')
    """
    name = name.strip().replace(" ", "_")
    return _NOT_IRI.sub(lambda found: quote(found.group(), safe="", errors="surrogatepass"), name)


def ending(path: Path) -> str:
    """The ending of a file's name in lower case, without that of its compression: ``.ttl`` of ``a.ttl.bz2``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def open_decompressed(path: Path) -> IO[bytes] | gzip.GzipFile:
    """A file opened for reading, decompressed by the ending of its name."""
    kind = path.suffix.lower()
    if kind == ".gz":
        return gzip.open(path)
    if kind == ".bz2":
        return bz2.open(path)
    if kind == ".xz":
        return lzma.open(path)
    if kind == ".zst":
        return io.BufferedReader(_Raw(pa.input_stream(str(path), compression="zstd")))  # type: ignore[type-var]
    return path.open("rb")


def kind_of(path: Path) -> str:
    """``table``, ``lines`` or the ending of another RDF format.

    Raises
    ------
    ValueError
        When the name says none that is known.
    """
    end = ending(path)
    if end in TABLES:
        return "table"
    if end in LINES or (end == ".ttl" and _starts_with_lines(path)):
        return "lines"
    if pyoxigraph.RdfFormat.from_extension(end[1:]) is None:
        raise LabelhedgeError(
            f"{path}: triples are read from .nt, .ttl, .nq, .tql, .rdf, .owl, .jsonld, .tsv and .csv files, plain or "
            f"compressed ({', '.join(sorted(COMPRESSED))}); give the file one of these endings"
        )
    return end[1:]


def chunks(path: Path, offset: int = 0, size: int = CHUNK) -> Iterator[tuple[bytes, int]]:
    """Whole lines of a file in pieces of about `size` bytes, and the offset, decompressed, at which each piece ends.

    Raises
    ------
    ValueError
        When a compressed file is cut off or broken.
    """
    with reading(path) as file:
        _skip(file, offset)
        while piece := file.read(size):
            piece += file.readline()
            offset += len(piece)
            yield piece, offset


@contextmanager
def reading(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """A file open for reading, decompressed; where that fails in the middle, the error names the file."""
    try:
        with open_decompressed(path) as file:
            yield file
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, pa.ArrowException) as error:
        raise _broken(path, error) from error
    except OSError as error:
        if error.errno is not None:  # the disk's own; bz2 and pyarrow raise errors without a number for broken data
            raise
        raise _broken(path, error) from error


Kept = list[tuple[int, bytes]]
"""Statements as lines of N-Triples, each with the number of the line that it was read from."""


def statements(piece: bytes, counts: Counts) -> Kept:
    """Of lines of N-Triples or N-Quads, the statements between IRIs; the counts are brought up to date."""
    kept = []
    for line in _lines(piece, first=not counts.lines):
        counts.lines += 1
        found = _split(line)
        if found:
            kept.append((counts.lines, b"%b %b %b .\n" % found))
        elif not line.strip() or line.lstrip().startswith(b"#"):
            counts.comments += 1
        elif _OTHER.fullmatch(line):
            counts.other += 1
        else:
            counts.reject(counts.lines, line)
    counts.triples += len(kept)
    return kept


def table_statements(piece: bytes, counts: Counts, form: TableFormat, path: Path) -> Kept:
    """Of lines of a table, the statements; the first line of the file may be its header."""
    delimiter = TABLES[ending(path)]
    places, header = table_places(form, path)
    kept = []
    for line in _lines(piece, first=not counts.lines):
        counts.lines += 1
        if not line.strip() or (header and counts.lines == 1):
            counts.comments += 1
            continue
        fields = _fields(line, delimiter)
        if fields is None or len(fields) <= max(places) or not all(fields[place].strip() for place in places):
            counts.reject(counts.lines, line)
            continue
        head, tail, relation = (fields[place] for place in places)
        names = form.iri(head), form.iri(relation, relation=True), form.iri(tail)
        kept.append((counts.lines, ("<{}> <{}> <{}> .\n".format(*names)).encode()))
    counts.triples += len(kept)
    return kept


def without_bad(kept: Kept, counts: Counts) -> bytes:
    """The statements as one, less those whose IRIs are none; these are counted as bad."""
    good = []
    for number, line in kept:
        try:
            list(pyoxigraph.parse(line, format=pyoxigraph.RdfFormat.N_TRIPLES))
        except SyntaxError:
            counts.triples -= 1
            counts.reject(number, line)
        else:
            good.append(line)
    return b"".join(good)


def table_places(form: TableFormat, path: Path) -> tuple[tuple[int, int, int], bool]:
    """Where head, tail and relation stand in a table, from 0, and whether its first line is a header."""
    with open_decompressed(path) as file:
        first = _fields(file.readline().removeprefix(BOM).rstrip(b"\r\n"), TABLES[ending(path)]) or []
    names = [name.strip().lower() for name in first]
    for trio in ("head tail relation", "subject object predicate", "v u r"):
        if form.columns is None and set(trio.split()) <= set(names):
            head, tail, relation = map(names.index, trio.split())
            return (head, tail, relation), True
    if form.columns is None:
        return (0, 1, 2), False
    if all(column.isdigit() for column in form.columns):
        head, tail, relation = (int(column) - 1 for column in form.columns)
        if min(head, tail, relation) < 0:
            raise LabelhedgeError(f"columns count from 1, found {','.join(form.columns)}")
        return (head, tail, relation), False
    for column in form.columns:
        if column.lower() not in names:
            raise LabelhedgeError(f"{path} has no column {column!r}; its first line is: {', '.join(first)}")
    head, tail, relation = (names.index(column.lower()) for column in form.columns)
    return (head, tail, relation), True


def _fields(line: bytes, delimiter: str) -> Sequence[str] | None:
    import csv

    try:
        text = line.decode("utf-8")
        return text.split("\t") if delimiter == "\t" else next(csv.reader([text]), [])
    except (UnicodeDecodeError, csv.Error):
        return None


def _lines(piece: bytes, *, first: bool) -> list[bytes]:
    return (piece.removeprefix(BOM) if first else piece).removesuffix(b"\n").split(b"\n")


def _split(line: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Subject, relation and object of a line, where all are IRIs; most lines are parted by single spaces."""
    parts = line.split()
    if len(parts) == 4 and parts[3] == b"." and all(part[:1] == b"<" and part[-1:] == b">" for part in parts[:3]):
        return parts[0], parts[1], parts[2]
    found = _STATEMENT.fullmatch(line)
    return (found[1], found[2], found[3]) if found else None


def _starts_with_lines(path: Path) -> bool:
    """Whether the first lines of a Turtle file are those of N-Triples, as in DBpedia's dumps."""
    piece, _ = next(chunks(path, size=1 << 16), (b"", 0))
    found = [line for line in _lines(piece, first=True) if line.strip() and not line.lstrip().startswith(b"#")]
    if any(line.lower().lstrip().startswith((b"@", b"prefix", b"base")) for line in found):
        return False
    return 2 * sum(bool(_OTHER.fullmatch(line)) for line in found) > len(found)


def _skip(file: IO[bytes] | gzip.GzipFile, offset: int) -> None:
    if offset and isinstance(file, io.BufferedReader) and not isinstance(file.raw, _Raw):
        file.seek(offset)
        return
    while offset > 0 and (piece := file.read(min(offset, CHUNK))):
        offset -= len(piece)


def _broken(path: Path, error: Exception) -> LabelhedgeError:
    return LabelhedgeError(f"{path} is broken or cut off ({error}): fetch it again")


class _Raw(io.RawIOBase):
    """A stream of pyarrow as one of Python."""

    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
