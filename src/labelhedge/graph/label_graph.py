"""The triples of the labels as three arrays of numbers: what siblings, figures and pictures are made from.

    graph = LabelGraph.from_triples(stream_triples("graph.nt"), labels)
    graph.sibling_matrix(["family"])         # (L, L) sparse

A group of k labels makes k² siblings, so the incidence of labels and groups is what is kept, and siblings are
multiplied out only where somebody asks for them and where they fit into memory.
"""

from __future__ import annotations

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
        numbers: dict[str, list[int]] = defaultdict(list)
        for number, label in enumerate(labels):
            iri = label_iri(label)
            if iri is not None:
                numbers[iri].append(number)
        relations: dict[str, int] = {}
        entities: dict[str, int] = {}
        rows = array("i"), array("i"), array("i")
        for u, v, r in triples:
            relation = relations.setdefault(r, len(relations))
            for number in numbers.get(v, ()):
                rows[0].append(relation)
                rows[1].append(entities.setdefault(u, len(entities)))
                rows[2].append(number)
        relation_names, relation_numbers = _sorted(relations, rows[0])
        entity_names, entity_numbers = _sorted(entities, rows[1])
        label_numbers = np.array(rows[2], np.int32)
        order = np.lexsort((label_numbers, entity_numbers, relation_numbers))
        columns = [column[order] for column in (relation_numbers, entity_numbers, label_numbers)]
        fresh = np.ones(len(order), bool)
        fresh[1:] = np.logical_or.reduce([np.diff(column) != 0 for column in columns])
        relation_column, entity_column, label_column = (column[fresh] for column in columns)
        return cls(len(labels), relation_names, entity_names, label_column, relation_column, entity_column)

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
        sizes = np.diff(self.incidence(relation).tocsc().indptr).astype(np.int64)
        return min(int((sizes**2).sum()), self.count**2)

    def _too_many(self, relation: int, entries: int, most: int) -> LabelhedgeError:
        largest = int(np.diff(self.incidence(relation).tocsc().indptr).max())
        return LabelhedgeError(
            f"the relation {self.relations[relation]} makes {entries:,} pairs of siblings, {most:,} fit into memory. "
            f"Its largest group has {largest:,} of {self.count:,} labels and tells little of them; choose other "
            "relations, or build the graph with `labelhedge graph build … --relations auto`"
        )


def _sorted(numbers: dict[str, int], column: array[int]) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
    """The names in order, and the column renumbered: equal triples give equal arrays, whatever their order."""
    names = sorted(numbers)
    ranks = np.empty(len(names), np.int32)
    ranks[np.fromiter((numbers[name] for name in names), np.int64, count=len(names))] = np.arange(len(names))
    return tuple(names), ranks[np.array(column, np.int64)]
