"""Lines of text files, plain or compressed: numbered, bounded in length, decoded; and where a file can be cut.

A line that is over-long or no UTF-8 comes as a `Reject`; so does the place at which a compressed file is damaged.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, cast

import pyarrow as pa

from labelhedge.collect.photos.rows import KEPT_CONTENT, Reject

LONGEST = 1 << 20
"""Bytes of the longest line that is read; a longer one is a reject."""
COMPRESSED = (".bz2", ".gz", ".xz", ".zst")
_BOM = b"\xef\xbb\xbf"
_BLOCK = 1 << 23
_CHUNK = 1 << 16


class Line(NamedTuple):
    """One line: its number from 1, its length in bytes in the file, its text with the line end, or why it has none."""

    number: int
    size: int
    text: str | Reject


def is_compressed(path: Path) -> bool:
    """Whether a file's ending says that it is compressed."""
    return path.suffix.lower() in COMPRESSED


def inner_suffix(path: Path) -> str:
    """The ending of a file, without that of its compression, in lower case.

    Examples
    --------
    >>> inner_suffix(Path("photos.TSV.bz2"))
    '.tsv'
    """
    return (Path(path.stem) if is_compressed(path) else path).suffix.lower()


class _Decompressor(Protocol):
    """What `bz2` and `lzma` have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Streams(io.RawIOBase):
    """The streams of a compressed file, one behind the other, with zeros between them at most.

    `bz2.open` and `lzma.open` take what follows a good stream and is none for the end of the file: a stream whose
    header is damaged, and all that follows, would be missed.
    """

    def __init__(self, file: IO[bytes], make: Callable[[], _Decompressor]) -> None:
        self._file, self._make, self._stream = file, make, make()

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while True:
            given = b""
            if self._stream.eof:
                given = self._stream.unused_data.lstrip(b"\0")
                while not given:
                    if not (block := self._file.read(_CHUNK)):
                        return 0
                    given = block.lstrip(b"\0")
                self._stream = self._make()
            elif self._stream.needs_input and not (given := self._file.read(_CHUNK)):
                raise EOFError("the file ends within a compressed stream")
            if data := self._stream.decompress(given, len(buffer)):
                buffer[: len(data)] = data
                return len(data)


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading, decompressed by its ending (.bz2, .gz, .xz, .zst)."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return cast(IO[bytes], gzip.open(path))
    if suffix == ".bz2":
        return io.BufferedReader(_Streams(path.open("rb"), bz2.BZ2Decompressor), _CHUNK)
    if suffix == ".xz":
        return io.BufferedReader(_Streams(path.open("rb"), lzma.LZMADecompressor), _CHUNK)
    if suffix == ".zst":
        return io.BufferedReader(pa.CompressedInputStream(str(path), "zstd"))
    return path.open("rb", buffering=1 << 20)


DAMAGED = "the file is damaged here, what follows was not read"


def read_lines(path: Path, start: int = 0, first: int = 1) -> Iterator[Line]:
    """The lines of a file from byte `start` on, which begins line number `first`."""
    number = first
    with open_bytes(path) as file:
        if start:
            file.seek(start)
        while True:
            try:
                raw = file.readline(LONGEST + 1)
                size = len(raw)
                cut = size > LONGEST and not raw.endswith(b"\n")
                while cut and (more := file.readline(LONGEST)):
                    size += len(more)
                    if more.endswith(b"\n"):
                        break
            except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
                if (isinstance(error, OSError) and error.errno is not None) or not is_compressed(path):
                    raise
                yield Line(number, 0, Reject(number, DAMAGED, str(error)))
                return
            if not raw:
                return
            if number == 1:
                raw = raw.removeprefix(_BOM)
            yield Line(number, size, _too_long(number, raw) if size > LONGEST else _decode(number, raw))
            number += 1


def _too_long(number: int, raw: bytes) -> Reject:
    return Reject(number, f"longer than {LONGEST:,} bytes", raw[:KEPT_CONTENT].decode("utf-8", "backslashreplace"))


def _decode(number: int, raw: bytes) -> str | Reject:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return Reject(number, "not UTF-8", raw.decode("utf-8", "backslashreplace").rstrip("\r\n"))


def cut_lines(path: Path, size: int) -> Iterator[tuple[int, int, int]]:
    """Cut a plain file at line ends: ``(start, number of the first line, lines)`` for each `size` lines.

    One pass over the bytes, which only counts line ends, so that line numbers are right in every piece.
    """
    start, line, seen, place = 0, 1, 0, 0  # `seen` lines since `start`; `place`: of the block in the file
    ends_open = False
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            inside = 0
            while True:
                there = block.count(b"\n", inside)
                if seen + there < size:
                    seen += there
                    break
                inside = _after(block, inside, size - seen)
                yield start, line, size
                start, line, seen = place + inside, line + size, 0
            ends_open = not block.endswith(b"\n")
            place += len(block)
    if seen + ends_open:
        yield start, line, seen + ends_open


def _after(block: bytes, start: int, lines: int) -> int:
    """The place in a block behind the next `lines` line ends."""
    for _ in range(lines):
        start = block.index(b"\n", start) + 1
    return start
