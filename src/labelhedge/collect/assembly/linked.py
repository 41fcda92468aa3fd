"""Linked photos, read a portion at a time: which labels each has, and with what evidence.

Whole columns are worked on at once; a photo becomes an object only where it has a label or was checked.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labelhedge.collect.assembly.labels import CorpusLabels
from labelhedge.collect.records import linked_parts
from labelhedge.errors import LabelhedgeError

EVIDENCE = pa.list_(
    pa.struct([("label", pa.int32()), ("text", pa.string()), ("source", pa.string()), ("score", pa.float32())])
)
"""For each label the words that led to it, the entity (its URI) and its score."""

_BATCH = 16_384
Integers = npt.NDArray[np.int64]


class Photo(NamedTuple):
    """A photo with a label, or one that was checked, or one that serves as background."""

    id: str
    image: str | None  # path
    observed: tuple[int, ...]
    group: str | None


class Portion(NamedTuple):
    """Some rows of the linked photos.

    `row`, `entity` and `label` are what links rows to labels: three numbers a link.
    """

    batch: pa.RecordBatch
    ids: list[str]
    row: Integers
    entity: Integers  # in the flattened entities
    label: Integers
    named: npt.NDArray[np.bool_]  # rows that name an entity of the vocabulary, however small its score
    kin: npt.NDArray[np.bool_]  # rows that name such an entity, or a kind of one

    def observed(self) -> dict[int, tuple[int, ...]]:
        """Sorted label numbers of each row that has any."""
        if not len(self.row):
            return {}
        pairs = np.unique(np.stack([self.row, self.label], axis=1), axis=0)
        rows, starts = np.unique(pairs[:, 0], return_index=True)
        parts = np.split(pairs[:, 1], starts[1:])
        return {row: tuple(part.tolist()) for row, part in zip(rows.tolist(), parts, strict=True)}


@dataclass(frozen=True)
class LinkedPhotos:
    """A folder of linked photos, as `labelhedge collect link` writes it."""

    parts: tuple[Path, ...]
    labels: CorpusLabels
    min_score: float = 0.0

    @classmethod
    def open(cls, folder: str | os.PathLike[str], labels: CorpusLabels, min_score: float = 0.0) -> LinkedPhotos:
        """Find the parts and check their columns.

        Raises
        ------
        LabelhedgeError
            When linking did not end, there are no parts, or one is damaged or lacks a column.
        """
        if not 0 <= min_score <= 1:
            raise LabelhedgeError(f"the least score must lie between 0 and 1, found {min_score}")
        parts = linked_parts(folder)
        for part in parts:
            missing = {"id", "entities"} - set(pq.read_schema(part).names)
            if missing:
                raise LabelhedgeError(f"{part} lacks the column {min(missing)!r}: link the photos again")
        return cls(parts, labels, min_score)

    @property
    def columns(self) -> list[str]:
        """The columns of all parts, in the order in which they are met."""
        return list(dict.fromkeys(name for part in self.parts for name in pq.read_schema(part).names))

    def says(self, column: str) -> bool:
        """Whether any photo has something in a column."""
        return any(
            pc.any(pc.is_valid(pq.read_table(part, columns=[column])[column])).as_py()
            for part in self.parts
            if column in pq.read_schema(part).names
        )

    def an_entity(self) -> str | None:
        """The URI of some entity of the photos, if they have any."""
        for portion in self.portions(()):
            uris = pc.list_flatten(portion.batch.column("entities")).field("uri").drop_null()
            if len(uris):
                return str(uris[0].as_py())
        return None

    def portions(self, columns: Sequence[str] | None = None) -> Iterator[Portion]:
        """All photos, some thousand at a time; `columns` besides ``id`` and ``entities``, default all."""
        for part in self.parts:
            with pq.ParquetFile(part) as file:
                wanted = None
                if columns is not None:
                    wanted = [name for name in file.schema_arrow.names if name in ("id", "entities", *columns)]
                for batch in file.iter_batches(_BATCH, columns=wanted):
                    if batch.column("id").null_count:
                        raise LabelhedgeError(f"{part}: an id is null: link the photos again")
                    yield self._portion(batch)

    def photos(self, checked: Container[str], column: str | None = None) -> Iterator[tuple[list[Photo], int, int, int]]:
        """The photos with a label and those that were checked, and how many others there are.

        Yields
        ------
        (photos, int, int, int)
            Numbers of photos whose entities in the vocabulary all score too little, of those that have none but kinds
            of such entities, and of those without either.
        """
        for portion in self.portions(_present(["image", column])):
            observed = portion.observed()
            rows = sorted({*observed, *(row for row, id_ in enumerate(portion.ids) if id_ in checked)})
            images, groups = _values(portion.batch, "image", rows), _values(portion.batch, column, rows)
            found = [
                Photo(portion.ids[row], image, observed.get(row, ()), group)
                for row, image, group in zip(rows, images, groups, strict=True)
            ]
            others = np.ones(len(portion.ids), bool)
            others[rows] = False
            weak = int((portion.named & others).sum())
            kin = int((portion.kin & ~portion.named & others).sum())
            yield found, weak, kin, int(others.sum()) - weak - kin

    def unrelated(
        self, checked: Container[str], *, columns: Sequence[str | None] = ()
    ) -> Iterator[tuple[str, Portion, int]]:
        """Photos that name neither a label nor a kind of one, and that nobody checked: id, portion and row there."""
        for portion in self.portions(_present(columns)):
            for row in np.flatnonzero(~portion.kin).tolist():
                if portion.ids[row] not in checked:
                    yield portion.ids[row], portion, row

    def _portion(self, batch: pa.RecordBatch) -> Portion:
        entities = batch.column("entities")
        flat = pc.list_flatten(entities)
        parents = pc.list_parent_indices(entities).to_numpy(zero_copy_only=False).astype(np.int64)
        uris = pc.dictionary_encode(flat.field("uri"))
        scores = np.nan_to_num(flat.field("score").to_numpy(zero_copy_only=False).astype(np.float32))
        unique = uris.dictionary.to_pylist()
        sets = [self.labels.of(uri) for uri in unique]
        is_kind = np.array([*(self.labels.is_kind(uri) for uri in unique), False])
        codes = np.asarray(pc.fill_null(uris.indices, len(sets)), np.int64)
        counts = np.array([*map(len, sets), 0], np.int64)
        numbers = np.array([number for one in sets for number in one], np.int64)
        starts = np.concatenate([[0], np.cumsum(counts)])[:-1]
        named = np.zeros(len(batch), bool)
        named[parents[counts[codes] > 0]] = True
        kin = np.zeros(len(batch), bool)
        kin[parents[is_kind[codes]]] = True
        entity = np.flatnonzero((counts[codes] > 0) & (scores >= np.float32(self.min_score)))
        sizes = counts[codes[entity]]
        within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        label = numbers[np.repeat(starts[codes[entity]], sizes) + within]
        entity = np.repeat(entity, sizes)
        return Portion(
            batch, batch.column("id").cast(pa.string()).to_pylist(), parents[entity], entity, label, named, kin
        )


def evidence(portion: Portion, rows: Integers, renumbered: Mapping[int, int]) -> pa.Array:
    """The column `evidence` of some rows: by label, then as they stand in the text, each once.

    `renumbered` gives the labels that are kept their numbers in the corpus.
    """
    table = np.full(max([*renumbered, *portion.label.tolist()], default=0) + 1, -1, np.int64)
    table[list(renumbered)] = list(renumbered.values())
    place = np.full(len(portion.ids), -1, np.int64)
    place[rows] = np.arange(len(rows))
    number, row, entity = table[portion.label], place[portion.row], portion.entity
    order = np.lexsort((entity, number, row))
    order = order[(number[order] >= 0) & (row[order] >= 0)]
    found = pc.list_flatten(portion.batch.column("entities")).take(pa.array(entity[order]))
    codes = [
        np.asarray(pc.dictionary_encode(column).indices, np.int64)
        for column in (pc.utf8_lower(found.field("text")), found.field("uri"))
    ]
    _, first = np.unique(np.stack([row[order], number[order], *codes]), axis=1, return_index=True)
    first.sort()
    found, order = found.take(pa.array(first)), order[first]
    values = pa.StructArray.from_arrays(
        [pa.array(number[order], pa.int32()), *(found.field(name) for name in ("text", "uri", "score"))],
        fields=list(EVIDENCE.value_type),
    )
    sizes = np.bincount(row[order], minlength=len(rows))
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32()), values).cast(
        EVIDENCE
    )


def _present(names: Sequence[str | None]) -> list[str]:
    return [name for name in names if name is not None]


def _values(batch: pa.RecordBatch, name: str | None, rows: Sequence[int]) -> list[str | None]:
    """A column of some rows as text; nulls where the part does not have it."""
    if name is None or name not in batch.schema.names:
        return [None] * len(rows)
    values = batch.column(name).take(pa.array(rows, pa.int64())).to_pylist()
    return [None if value is None else str(value) for value in values]
