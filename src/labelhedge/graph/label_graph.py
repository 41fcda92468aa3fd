"""The triples of the labels as three arrays of numbers: what siblings, figures and pictures are made from.

    graph = LabelGraph.from_file("graph.nt", labels)
    graph.sibling_matrix(["family"])         # (L, L) sparse

A group of k labels makes k² siblings, so the incidence of labels and groups is what is kept, and siblings are
multiplied out only where somebody asks for them and where they fit into memory.
"""

from __future__ import annotations

import os
from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import scipy.sparse

from labelhedge.errors import LabelhedgeError
from labelhedge.graph.columns import Column, read_columns
from labelhedge.graph.triples import stream_triples

MOST_ENTRIES = 50_000_000
"""Most entries of a sibling matrix: about 600 MB as a relation matrix."""

LABEL = "urn:labelhedge:label:"
"""Before the id of a label that has no URI of its own, see :func:`label_iri`."""


def label_iri(label: Any) -> str | None:
    """The IRI under which triples know a label: itself where it is a string, its `uri`, or one made of its `id`.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> label_iri("urn:cat"), label_iri(SimpleNamespace(uri=None, id="red fox"))
    ('urn:cat', 'urn:labelhedge:label:red%20fox')
    """
    if isinstance(label, str):
        return label
    if label.uri is not None:
        return str(label.uri)
    name = getattr(label, "id", None)
    return None if name is None else LABEL + quote(str(name), safe="")


def local_name(iri: str) -> str:
    """The part of an IRI after its last ``/``, ``#`` or ``:``.

    Examples
    --------
    >>> local_name("http://dbpedia.org/ontology/family")
    'family'
    """
    return iri.rstrip("/#:").replace("#", "/").replace(":", "/").rsplit("/", 1)[-1]


@dataclass(frozen=True)
class LabelGraph:
    """Which labels are related to which entities by which relations. Make one with :meth:`from_triples`.

    Attributes
    ----------
    count : int
        L, the number of labels.
    relations : tuple of str
        IRIs of all relations that the triples have, sorted; also of those that no label has.
    entities : tuple of str
        IRIs of the entities that labels are related to.
    label, relation, entity : (T,) int32
        The triples of the labels, by number; sorted by relation, entity, label, each once.
    """

    count: int
    relations: tuple[str, ...]
    entities: tuple[str, ...]
    label: npt.NDArray[np.int32]
    relation: npt.NDArray[np.int32]
    entity: npt.NDArray[np.int32]

    @classmethod
    def from_triples(cls, triples: Iterable[tuple[str, str, str]], labels: Sequence[Any]) -> LabelGraph:
        """Keep the triples of the labels; an iterator is read once, and the others are forgotten at once.

        Parameters
        ----------
        triples : iterable of (u, v, r)
            "u is the r of v", see :func:`labelhedge.graph.read_triples`.
        labels : L labels, in order
            IRIs, or objects with a ``uri``, see :func:`label_iri`.

        Examples
        --------
        >>> graph = LabelGraph.from_triples([("mammal", "cat", "class"), ("bird", "owl", "class")], ["owl", "cat"])
        >>> graph.relations, graph.entities, graph.label.tolist()
        (('class',), ('bird', 'mammal'), [0, 1])
        """
        numbers = _numbers(labels)
        relations: dict[str, int] = {}
        entities: dict[str, int] = {}
        rows = array("i"), array("i"), array("i")
        for u, v, r in triples:
            relation = relations.setdefault(r, len(relations))
            for number in numbers.get(v, ()):
                rows[0].append(relation)
                rows[1].append(entities.setdefault(u, len(entities)))
                rows[2].append(number)
        relation_rows, entity_rows, label_rows = (np.array(column, np.int32) for column in rows)
        return cls._of_columns(
            len(labels), label_rows, Column(list(relations), relation_rows), Column(list(entities), entity_rows)
        )

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], labels: Sequence[Any]) -> LabelGraph:
        """The same from an N-Triples file, faster: for files of millions of triples.

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        ValueError
            When a line is not N-Triples; the message names file and line.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "graph.nt"
        >>> _ = file.write_text("<urn:cat> <urn:class> <urn:mammal> .\\n")
        >>> LabelGraph.from_file(file, ["urn:owl", "urn:cat"]).label.tolist()
        [1]
        """
        columns = read_columns(path)
        if columns is None:
            return cls.from_triples(stream_triples(path), labels)
        subject, relation, entity = columns
        numbers = _numbers(labels)
        found = [(place, number) for place, name in enumerate(subject.names) for number in numbers.get(name, ())]
        # Several labels may have one IRI: the k-th of each is looked up in the k-th round.
        rounds: list[npt.NDArray[np.int32]] = []
        for place, number in found:
            used = next((one for one in rounds if one[place] < 0), None)
            if used is None:
                used = np.full(len(subject.names), -1, np.int32)
                rounds.append(used)
            used[place] = number
        rows = [(np.flatnonzero(one[subject.numbers] >= 0), one) for one in rounds]
        kept = np.concatenate([np.empty(0, np.int64), *(places for places, _ in rows)])
        label_rows = np.concatenate([np.empty(0, np.int32), *(one[subject.numbers[places]] for places, one in rows)])
        used_entities, entity_rows = np.unique(entity.numbers[kept], return_inverse=True)
        return cls._of_columns(
            len(labels),
            label_rows,
            Column(relation.names, relation.numbers[kept]),
            Column([entity.names[number] for number in used_entities], entity_rows.astype(np.int32)),
        )

    @classmethod
    def _of_columns(cls, count: int, label: npt.NDArray[np.int32], relation: Column, entity: Column) -> LabelGraph:
        """Sorted, each triple once."""
        relation, entity = _sorted(relation), _sorted(entity)
        columns = [relation.numbers, entity.numbers, label]
        order = np.lexsort(columns[::-1])
        columns = [column[order] for column in columns]
        fresh = np.ones(len(order), bool)
        fresh[1:] = np.logical_or.reduce([np.diff(column) != 0 for column in columns])
        relation_rows, entity_rows, label_rows = (column[fresh] for column in columns)
        return cls(count, tuple(relation.names), tuple(entity.names), label_rows, relation_rows, entity_rows)

    def numbers(self, relations: Collection[str] | None) -> list[int]:
        """Numbers of the relations of these names, in full or their local names; of all where None.

        Raises
        ------
        ValueError
            When a relation is asked for that no triple has.
        """
        if relations is None:
            return list(range(len(self.relations)))
        wanted = {relations} if isinstance(relations, str) else relations
        known = {*self.relations, *map(local_name, self.relations)}
        for name in wanted:
            if name not in known:
                there = ", ".join(sorted(set(map(local_name, self.relations)))) or "no relation"
                raise LabelhedgeError(f"no triple has the relation {name!r}; the graph has: {there}")
        return [number for number, name in enumerate(self.relations) if name in wanted or local_name(name) in wanted]

    def limited_to(self, relations: Collection[str] | None) -> LabelGraph:
        """The same labels with only these relations; see :meth:`numbers`."""
        kept = np.isin(self.relation, self.numbers(relations))
        rows = self.label[kept], self.relation[kept], self.entity[kept]
        return LabelGraph(self.count, self.relations, self.entities, *rows)

    def incidence(self, relation: int) -> scipy.sparse.csr_array:
        """(L, groups) bool: the labels of each entity that the relation leads to."""
        first, last = np.searchsorted(self.relation, [relation, relation + 1])
        entities, groups = np.unique(self.entity[first:last], return_inverse=True)
        ones = np.ones(last - first, bool)
        places = (self.label[first:last], groups)
        return scipy.sparse.coo_array((ones, places), shape=(self.count, len(entities))).tocsr()

    def sibling_matrix(
        self, relations: Collection[str] | None = None, *, most: int = MOST_ENTRIES
    ) -> scipy.sparse.csr_array:
        """(L, L) bool: which labels share an entity through one same relation; no label is its own sibling.

        Parameters
        ----------
        relations : collection of str, optional
            Only these, in full or by their local names. Default: all.
        most : int
            Most entries that the matrix may have.

        Raises
        ------
        ValueError
            When a relation is unknown, or makes more siblings than `most`; the message says which and what to do.

        Examples
        --------
        >>> triples = [("mammal", "cat", "class"), ("mammal", "dog", "class"), ("bird", "owl", "class")]
        >>> LabelGraph.from_triples(triples, ["cat", "owl", "dog"]).sibling_matrix().toarray().astype(int)
        array([[0, 0, 1],
               [0, 0, 0],
               [1, 0, 0]])
        """
        total = scipy.sparse.csr_array((self.count, self.count), dtype=bool)
        for number in self.numbers(relations):
            total = total + self.siblings_by(number, most=most)
            if total.nnz > most:
                raise self._too_many(number, total.nnz, most)
        total.sort_indices()
        return total

    def siblings_by(self, relation: int, *, most: int = MOST_ENTRIES) -> scipy.sparse.csr_array:
        """(L, L) bool: the siblings that one relation makes; see :meth:`sibling_matrix`."""
        incidence = self.incidence(relation)
        entries = self.pairs(relation)
        if entries > most:
            raise self._too_many(relation, entries, most)
        product = scipy.sparse.coo_array(incidence @ incidence.T)
        off = product.row != product.col
        places = (product.row[off], product.col[off])
        return scipy.sparse.coo_array((product.data[off], places), shape=product.shape).tocsr()

    def pairs(self, relation: int) -> int:
        """How many entries the product of the incidence has at most: the sum of k² over groups, and no more than L²."""
        first, last = np.searchsorted(self.relation, [relation, relation + 1])
        sizes = np.unique(self.entity[first:last], return_counts=True)[1].astype(np.int64)
        return min(int((sizes**2).sum()), self.count**2)

    def _too_many(self, relation: int, entries: int, most: int) -> LabelhedgeError:
        largest = int(np.diff(self.incidence(relation).tocsc().indptr).max())
        return LabelhedgeError(
            f"the relation {self.relations[relation]} makes {entries:,} pairs of siblings, {most:,} fit into memory. "
            f"Its largest group has {largest:,} of {self.count:,} labels and tells little of them; choose other "
            "relations, or build the graph with `labelhedge graph build … --relations auto`"
        )


def _numbers(labels: Sequence[Any]) -> dict[str, list[int]]:
    """Which labels an IRI stands for."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, label in enumerate(labels):
        iri = label_iri(label)
        if iri is not None:
            numbers[iri].append(number)
    return numbers


def _sorted(column: Column) -> Column:
    """The names in order, and the rows renumbered: equal triples give equal arrays, whatever their order."""
    order = sorted(range(len(column.names)), key=column.names.__getitem__)
    ranks = np.empty(len(order), np.int32)
    ranks[order] = np.arange(len(order))
    return Column([column.names[number] for number in order], ranks[column.numbers])
