"""The work on one piece of an input: read it, link it, write its parts of photos and of rejects.

A part's name, content and bytes follow from the input, the linker and the size of parts alone. Its rejects are written
before its photos, so a part whose photos stand there is finished. The footer of the photos holds the counts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.collect.photos.rows import Batch, Photo, Piece, Reject, Source, batch_of
from labelhedge.collect.photos.sources import listing_path, open_source
from labelhedge.collect.records import ENTITIES, PHOTO, REJECTS, Entity, Linker
from labelhedge.files import replacing

LINKED = PHOTO.append(pa.field("entities", ENTITIES))
"""Columns of a linked photo; those of the reader's own stand behind."""
BATCH = 2000
"""Photos that are held as Python objects, and given to the linker, at a time."""
AGAIN = "the id stands before in the input"
_COUNTS = b"labelhedge.counts"
_GROUP = 10_000


class Counts(NamedTuple):
    """What a part holds; `last` tells that its piece ends with it."""

    read: int
    linked: int
    with_entities: int
    entities: int
    reasons: dict[str, int]
    last: bool
    further_lines: int = 0
    refused: int = 0

    @property
    def rejected(self) -> int:
        """Lines that are no photo."""
        return sum(self.reasons.values())


class Task(NamedTuple):
    """A piece to be linked; or one part of it to be linked again, without some ids that stand before in the input."""

    piece: Piece
    only: int | None = None
    banned: tuple[str, ...] = ()

    def text(self) -> str:
        """To be sent to a worker."""
        return json.dumps(self)

    @classmethod
    def parse(cls, text: str) -> Task:
        """As it was before `text`."""
        piece, only, banned = json.loads(text)
        return cls(Piece(*piece), only, tuple(banned))


class Settings(NamedTuple):
    """What workers need to know of a job; picklable."""

    out: Path
    inputs: tuple[tuple[Path, str], ...]
    columns: dict[str, str] | None
    keep: tuple[str, ...] | None
    tag_separator: str | None
    schema: pa.Schema
    part_size: int
    linker: str | Linker
    options: tuple[tuple[str, Any], ...]


@lru_cache(maxsize=1)
def opened_linker(spec: str, options: tuple[tuple[str, Any], ...]) -> Linker:
    """The linker of a name, opened once in a process."""
    from labelhedge.collect.linking import open_linker

    linker: Linker = open_linker(spec, **dict(options))
    return linker


class PieceLinker:
    """Links pieces, one call each; keeps the linker between them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        spec = settings.linker
        self.linker = opened_linker(spec, settings.options) if isinstance(spec, str) else spec
        self._sources: dict[int, Source] = {}
        self._further_lines = 0

    def __call__(self, task: str) -> str:
        """Write the parts of a task that are missing; answers with the numbers read and linked now."""
        piece, only, banned = Task.parse(task)
        parts = self._parts(piece, only, frozenset(banned))
        read = linked = 0
        for counts in parts:
            read, linked = read + counts.read, linked + counts.linked
        return json.dumps([read, linked])

    def _source(self, number: int) -> Source:
        if number not in self._sources:
            job = self.settings
            listing = listing_path(job.out, number)
            self._sources = {number: open_source(job.inputs, number, job.columns, job.keep, job.tag_separator, listing)}
        return self._sources[number]

    def _parts(self, piece: Piece, only: int | None, banned: frozenset[str]) -> Iterator[Counts]:
        source, size = self._source(piece.source), self.settings.part_size
        records: Iterator[Any] = islice(source.records(piece), piece.length)
        part, last = piece.part, False
        while not last:
            photos = self.settings.out / "photos" / part_name(piece.source, part)
            old = read_counts(photos) if only is None else None
            if old is None and only in (None, part):
                self._further_lines, refused = 0, self._refused()
                batches = list(self._linked(source, islice(records, size), banned))
                refused = self._refused() - refused
                ahead = next(records, None)
                last = ahead is None
                if ahead is not None:
                    records = chain([ahead], records)
                yield self._write(photos, batches, last, refused)
                last = last or only is not None
            else:
                last = old is not None and old.last
                if not last:
                    next(islice(records, size, size), None)
            part += 1

    def _linked(self, source: Source, records: Iterator[Any], banned: frozenset[str]) -> Iterator[Batch]:
        """Batches of a part, with their entities; of an id that stands twice, the first counts."""
        seen: set[str] = set()
        while chunk := list(islice(records, BATCH)):
            self._further_lines += sum(getattr(record, "further_lines", 0) for record in chunk)
            rows = [self._once(source.row(record), record, seen, banned) for record in chunk]
            photos = [row for row in rows if not isinstance(row, Reject)]
            found = self.linker.link([photo["text"] for photo in photos]) if photos else []
            for photo, entities in zip(photos, found, strict=True):
                photo["entities"] = [Entity._asdict(entity) for entity in entities]
            yield batch_of(rows, self.settings.schema, source.path)

    def _once(self, row: Photo | Reject, record: Any, seen: set[str], banned: frozenset[str]) -> Photo | Reject:
        if isinstance(row, Reject):
            return row
        if row["id"] in banned or row["id"] in seen:
            return Reject(record[0], AGAIN, shown(record))
        seen.add(row["id"])
        return row

    def _refused(self) -> int:
        """Texts that a linker's service has refused so far."""
        return int(getattr(self.linker, "skipped", 0))

    def _write(self, path: Path, batches: Sequence[Batch], last: bool, refused: int) -> Counts:
        schema = self.settings.schema
        photos = pa.concat_tables([batch.photos for batch in batches] or [schema.empty_table()])
        rejects = pa.concat_tables([batch.rejects for batch in batches] or [REJECTS.empty_table()])
        sizes = photos["entities"].combine_chunks().value_lengths()
        sizes = sizes.to_numpy(zero_copy_only=False) if len(sizes) else []
        reasons = Counter(rejects["reason"].to_pylist())
        counts = Counts(
            photos.num_rows + rejects.num_rows,
            photos.num_rows,
            int(sum(size > 0 for size in sizes)),
            int(sum(sizes)),
            dict(sorted(reasons.items())),
            last,
            self._further_lines,
            refused,
        )
        write_table(rejects, path.parent.parent / "rejects" / path.name)
        write_table(photos.replace_schema_metadata({_COUNTS: json.dumps(counts)}), path)
        return counts


def shown(record: Any) -> str:
    """A record as it stood; every format keeps that last in its records."""
    return record[-1].rstrip("\r\n") if isinstance(record[-1], str) else json.dumps(record[-1], default=str)


def part_name(source: int, part: int) -> str:
    """The file name of a part."""
    return f"part-{source:05d}-{part:06d}.parquet"


def write_table(table: pa.Table, path: Path) -> None:
    """Write a Parquet file atomically."""
    with replacing(path) as new:
        pq.write_table(table, new, compression="zstd", row_group_size=_GROUP)


def read_counts(photos: Path) -> Counts | None:
    """The counts of a part, None where it is not finished."""
    if not photos.exists():
        return None
    try:
        metadata = pq.read_metadata(photos).metadata or {}
        return Counts(*json.loads(metadata[_COUNTS]))
    except (pa.ArrowInvalid, KeyError):  # cut off by a machine that went down: the part is made again
        return None
