"""Photos from tables: CSV and TSV with a header, JSON lines, Parquet; compressed text too.

Quotes of CSV and TSV are read strictly, so that a stray one costs its own line only: a quote that never closes, or text
behind a closing quote, makes the line a reject (CSV), or a line without quoting (TSV, where it has the right number of
columns so). Two stray quotes many lines apart look like a field that is quoted over lines; where most of the lines
between are rows on their own, they are read as rows.
"""

from __future__ import annotations

import csv
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.collect.photos.columns import keepable, kept_names, map_columns, own_name, photo_from
from labelhedge.collect.photos.lines import LONGEST, Line, cut_lines, is_compressed, read_lines
from labelhedge.collect.photos.rows import Photo, Piece, Reject, Source
from labelhedge.errors import LabelhedgeError

MOST_LINES = 1000
"""Lines of the longest record of CSV."""
LOOKED_AT = 100
"""Lines of JSON that are looked at for names of columns."""
_OPEN = "a quote that never closes"


class Record(NamedTuple):
    """One record of CSV: number of its first line, its length in bytes in the file, its fields, the text itself."""

    line: int
    size: int
    fields: list[str]
    text: str

    @property
    def further_lines(self) -> int:
        """Lines of the file that it takes beyond its first, by a field that is quoted over lines."""
        return self.text.removesuffix("\n").count("\n")


class Delimited(Source):
    """CSV or TSV with a header."""

    def __init__(
        self,
        path: Path,
        delimiter: str,
        columns: Mapping[str, str] | None = None,
        keep: Sequence[str] | None = None,
        separator: str | None = None,
    ) -> None:
        self.path, self.delimiter, self.separator = path, delimiter, separator
        header, self._begin = self._header()
        self.names = [name.strip() for name in header]
        hint = "; if it is metadata of YFCC100M: --format yfcc" if any("://" in name for name in self.names) else ""
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise LabelhedgeError(
                f"{path}: the column {repeated[0]!r} stands twice in the header; rename one of them{hint}"
            )
        try:
            self.mapping = map_columns(self.names, columns, path)
        except LabelhedgeError as error:
            raise LabelhedgeError(f"{error}{hint}") from error
        self._kept = kept_names(self.names, self.mapping, keep, path)
        self.own = tuple(pa.field(own_name(name), pa.string()) for name in self._kept)

    def _header(self) -> tuple[list[str], Piece]:
        """The names of the columns, and where the records begin."""
        for line in read_lines(self.path):
            if isinstance(line.text, Reject):
                mend = "save it as UTF-8" if line.text.reason == "not UTF-8" else "fetch or write it again"
                raise LabelhedgeError(f"{self.path}: the header cannot be read ({line.text.reason}): {mend}")
            fields = _parse(line.text, self.delimiter)
            self._trusted = line.text.rstrip("\r\n") == self.delimiter.join(f'"{name}"' for name in fields)
            if isinstance(fields, str) or not any(fields):
                problem = fields if isinstance(fields, str) else "it is empty"
                raise LabelhedgeError(f"{self.path}: the first line must name the columns: {problem}")
            return fields, Piece(0, line.size, 2, None, 0)
        raise LabelhedgeError(f"{self.path} is empty: its first line must name the columns")

    def pieces(self, size: int) -> Iterator[tuple[int, int, int | None]]:
        """Cut a plain file where a record ends."""
        if is_compressed(self.path):
            yield 0, 2, None
            return
        start, line, count, place = self._begin.start, 2, 0, self._begin.start
        for record in self.records(self._begin):
            first, length = (record.line, record.size) if isinstance(record, Record) else (record[0], record[1])
            if count == size:
                yield start, line, count
                start, line, count = place, first, 0
            place += length
            count += 1
        if count:
            yield start, line, count

    def whole(self) -> Piece:
        """All that follows the header."""
        return self._begin

    def records(self, piece: Piece) -> Iterator[Record | Line]:
        """The records of a piece; a Line where none could be read."""
        if is_compressed(self.path):
            lines: Iterator[Line] = islice(read_lines(self.path), 1, None)
        else:
            lines = read_lines(self.path, piece.start, piece.line)
        waiting: deque[Line] = deque()
        while (line := waiting.popleft() if waiting else next(lines, None)) is not None:
            if isinstance(line.text, Reject):
                yield line
                continue
            fields = _parse(line.text, self.delimiter)
            if fields == _OPEN:
                taken, fields = self._follow(line, waiting, lines)
                if not isinstance(fields, str) and self._are_rows(taken, fields):
                    literal = self._literal(line.text)
                    fields = _OPEN
                    if len(literal) == len(self.names):
                        waiting.extendleft(reversed(taken[1:]))
                        yield Record(line.number, line.size, literal, line.text)
                        continue
                if not isinstance(fields, str):
                    text = "".join(str(part.text) for part in taken)
                    yield Record(line.number, sum(part.size for part in taken), fields, text)
                    continue
                waiting.extendleft(reversed(taken[1:]))
            if isinstance(fields, str) and self.delimiter == "\t":
                literal = self._literal(line.text)
                fields = literal if len(literal) == len(self.names) else fields
            if isinstance(fields, str):
                yield Line(line.number, line.size, Reject(line.number, fields, line.text.rstrip("\r\n")))
            else:
                yield Record(line.number, line.size, fields, line.text)

    def _follow(self, first: Line, waiting: deque[Line], lines: Iterator[Line]) -> tuple[list[Line], list[str] | str]:
        """The lines up to the one that closes the quote, and the fields; only those of the right number count."""
        taken, size = [first], first.size
        while len(taken) < MOST_LINES and size < LONGEST:
            line = waiting.popleft() if waiting else next(lines, None)
            if line is None:
                break
            taken.append(line)
            size += line.size
            if isinstance(line.text, Reject):
                break
            if '"' in line.text:
                fields = _parse("".join(str(part.text) for part in taken), self.delimiter)
                if fields != _OPEN:
                    right = not isinstance(fields, str) and len(fields) == len(self.names)
                    return taken, fields if right else _OPEN
        return taken, _OPEN

    def _are_rows(self, taken: Sequence[Line], joined: Sequence[str]) -> bool:
        """Whether most of the lines that quotes join are rows on their own: then the quotes are stray.

        The first of them has all its columns, or more where commas are in a text. The others are rows if they have the
        right number of columns and, in CSV, an id of the kind that the record has which they would make. In a file
        whose header is quoted wholly, quotes are never stray.
        """
        if self._trusted or len(self._literal(str(taken[0].text))) < len(self.names):
            return False
        place = self.names.index((self.mapping or {})["id"])
        anything = self.delimiter == "\t" or "\n" in joined[place]
        alike = 0
        for line in taken[1:]:
            fields = _parse(str(line.text), self.delimiter)
            if isinstance(fields, str):
                fields = self._literal(str(line.text))
            if len(fields) == len(self.names):
                alike += anything or _kind(fields[place]) == _kind(joined[place])
        return alike * 2 > len(taken) - 1

    def _literal(self, text: str) -> list[str]:
        return text.rstrip("\r\n").split(self.delimiter)

    def photo(self, record: Record | Line) -> Photo | Reject:
        """The photo of a record."""
        if isinstance(record, Line):
            assert isinstance(record.text, Reject)
            return record.text
        width = len(record.fields)
        if width != len(self.names):
            reason = f"{width} columns, not {len(self.names)}" if width else "empty line"
            return Reject(record.line, reason, record.text.rstrip("\r\n"))
        values = dict(zip(self.names, record.fields, strict=True))
        photo = photo_from(values, self.mapping or {}, self.separator)
        if isinstance(photo, str):
            return Reject(record.line, photo, record.text.rstrip("\r\n"))
        for name, field in zip(self._kept, self.own, strict=True):
            photo[field.name] = values[name] or None
        return photo


def _kind(identity: str) -> str:
    """What an id is made of: digits, a word with digits, a word, or several words."""
    identity = identity.strip().strip('"')
    if identity.isdecimal():
        return "number"
    if len(identity.split()) != 1:
        return "words" if identity else "nothing"
    return "code" if any(mark.isdecimal() for mark in identity) else "word"


def _parse(text: str, delimiter: str) -> list[str] | str:
    """The fields of one record, or why it has none."""
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        return _OPEN if "unexpected end of data" in str(error) else f"malformed CSV: {error}"


class JSONLines(Source):
    """One JSON object a line; own columns are those named, texts as they are and all else as JSON."""

    def __init__(
        self,
        path: Path,
        columns: Mapping[str, str] | None = None,
        keep: Sequence[str] | None = None,
        separator: str | None = None,
    ) -> None:
        self.path, self.separator = path, separator
        names: dict[str, None] = {}
        for line in islice(read_lines(path), LOOKED_AT):
            found = _json_object(line)
            if isinstance(found, dict):
                names.update(dict.fromkeys(found))
        if not names:
            raise LabelhedgeError(f"{path}: no JSON object in its first {LOOKED_AT} lines; each line must be one")
        known = [*names, *(name for name in (columns or {}).values() if name), *(keep or ())]
        self.mapping = map_columns(list(dict.fromkeys(known)), columns, path)
        self._kept = kept_names(known, self.mapping, keep or (), path)
        self.own = tuple(pa.field(own_name(name), pa.string()) for name in self._kept)

    def pieces(self, size: int) -> Iterator[tuple[int, int, int | None]]:
        """Cut a plain file at line ends."""
        return iter([(0, 1, None)]) if is_compressed(self.path) else cut_lines(self.path, size)

    def records(self, piece: Piece) -> Iterator[Line]:
        """The lines of a piece."""
        return read_lines(self.path, piece.start, piece.line)

    def photo(self, record: Line) -> Photo | Reject:
        """The photo of a line."""
        values = _json_object(record)
        if isinstance(values, Reject):
            return values
        photo = photo_from(values, self.mapping or {}, self.separator)
        if isinstance(photo, str):
            return Reject(record.number, photo, str(record.text).rstrip("\r\n"))
        for name, field in zip(self._kept, self.own, strict=True):
            value = values.get(name)
            photo[field.name] = (
                value if isinstance(value, str | None) else json.dumps(value, ensure_ascii=False, sort_keys=True)
            )
        return photo


def _json_object(line: Line) -> dict[str, Any] | Reject:
    if isinstance(line.text, Reject):
        return line.text
    text = line.text.rstrip("\r\n")
    if not text.strip():
        return Reject(line.number, "empty line", text)
    try:
        value = json.loads(text)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except UnicodeEncodeError:
        return Reject(line.number, "not Unicode: half of a surrogate pair", text)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).split(":")[0]
        return Reject(line.number, f"broken JSON: {reason}", text)
    return value if isinstance(value, dict) else Reject(line.number, "no JSON object", text)


class Parquet(Source):
    """A Parquet file; bytes and nested columns are left out unless mapped."""

    def __init__(
        self,
        path: Path,
        columns: Mapping[str, str] | None = None,
        keep: Sequence[str] | None = None,
        separator: str | None = None,
    ) -> None:
        self.path, self.separator = path, separator
        try:
            with pq.ParquetFile(path) as file:
                self.schema = file.schema_arrow
                self._groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        except (pa.ArrowInvalid, OSError) as error:
            raise LabelhedgeError(f"{path} is no readable Parquet file ({error})") from error
        usable = {field.name: kind for field in self.schema if (kind := keepable(field.type)) is not None}
        if len(set(self.schema.names)) < len(self.schema.names):
            raise LabelhedgeError(f"{path}: two columns have one name; rename one of them")
        self.mapping = map_columns(list(usable), columns, path)
        self._kept = kept_names(usable, self.mapping, keep, path)
        self.own = tuple(pa.field(own_name(name), usable[name]) for name in self._kept)
        self._types = {name: usable[name] for name in dict.fromkeys([*self.mapping.values(), *self._kept])}

    def pieces(self, size: int) -> Iterator[tuple[int, int, int | None]]:
        """Neighbouring row groups that have `size` rows together, or one that has more."""
        start, line, count = 0, 0, 0
        for group, rows in enumerate(self._groups):
            if count and count + rows > size:
                yield start, line, count
                start, line, count = group, line + count, 0
            count += rows
        if count:
            yield start, line, count

    def whole(self) -> Piece:
        """All rows, which count from 0."""
        return Piece(0, 0, 0, None, 0)

    def records(self, piece: Piece) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows of a piece, with their numbers."""
        row, groups, rows = piece.line, [], 0
        for group in range(piece.start, len(self._groups)):
            if piece.length is not None and rows >= piece.length:
                break
            groups.append(group)
            rows += self._groups[group]
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(1000, row_groups=groups, columns=list(self._types)):
                    columns = [batch.column(name).cast(kind).to_pylist() for name, kind in self._types.items()]
                    for values in zip(*columns, strict=True):
                        yield row, dict(zip(self._types, values, strict=True))
                        row += 1
        except (pa.ArrowInvalid, OSError) as error:
            raise LabelhedgeError(f"{self.path}: damaged behind row {row} ({error}); fetch the file again") from error

    def photo(self, record: tuple[int, dict[str, Any]]) -> Photo | Reject:
        """The photo of a row."""
        row, values = record
        photo = photo_from(values, self.mapping or {}, self.separator)
        if isinstance(photo, str):
            return Reject(row, photo, json.dumps(values, ensure_ascii=False, default=str))
        for name, field in zip(self._kept, self.own, strict=True):
            photo[field.name] = values[name]
        return photo


def first_lines(path: Path, count: int) -> list[str]:
    """The first lines of a text file, without those that are no text."""
    found = (line.text for line in islice(read_lines(path), count))
    return [text.rstrip("\r\n") for text in found if isinstance(text, str)]
