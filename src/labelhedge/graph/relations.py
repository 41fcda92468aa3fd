"""From triples to siblings to the relation matrix G (Eq. 16), sparse throughout."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import scipy.sparse

from labelhedge.errors import LabelhedgeError


def siblings(
    triples: Iterable[tuple[str, str, str]], labels: Sequence[Any], relations: Collection[str] | None = None
) -> list[list[int]]:
    """Siblings of every label: labels that share an entity u through one same relation r.

    Parameters
    ----------
    triples : iterable of (u, v, r)
        "u is the r of v", see :func:`read_triples`.
    labels : L labels, in order
        IRIs, or objects with a ``uri`` (such as the corpus's labels); a label without one has no siblings.
    relations : collection of str, optional
        Only these relations, named in full or by the part after the last ``/``, ``#`` or ``:``. Default: all.

    Returns
    -------
    list of L sorted lists of label numbers
        N(n) of Eq. 16; never holds n itself.

    Raises
    ------
    ValueError
        When a relation is asked for that no triple has.

    Examples
    --------
    >>> triples = [("mammal", "cat", "class"), ("mammal", "dog", "class"), ("bird", "owl", "class")]
    >>> siblings(triples, ["cat", "owl", "dog"])
    [[2], [], [0]]
    """
    relations = {relations} if isinstance(relations, str) else relations
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, label in enumerate(labels):
        name = label if isinstance(label, str) else label.uri
        if name is not None:
            numbers[name].append(number)
    groups: dict[tuple[str, str], set[int]] = defaultdict(set)
    seen = set()
    for u, v, r in triples:
        seen.add(r)
        if relations is None or r in relations or _local(r) in relations:
            groups[u, r].update(numbers.get(v, ()))
    unknown = [name for name in relations or () if name not in seen and name not in map(_local, seen)]
    if unknown:
        raise LabelhedgeError(
            f"no triple has the relation {unknown[0]!r}; the graph has: {', '.join(sorted(map(_local, seen)))}"
        )
    found: list[set[int]] = [set() for _ in labels]
    for group in groups.values():
        for number in group:
            found[number] |= group
    return [sorted(group - {number}) for number, group in enumerate(found)]


def describe_siblings(siblings: Sequence[Collection[int]]) -> str:
    """How many labels have siblings, and how many, in a line.

    Examples
    --------
    >>> describe_siblings([[1], [0], []])
    'graph: 2 of 3 labels have siblings, 1.0 on average'
    """
    sizes = [len(group) for group in siblings if group]
    if not sizes:
        return f"graph: none of {len(siblings)} labels has a sibling: are the labels' URIs subjects of the triples?"
    return f"graph: {len(sizes)} of {len(siblings)} labels have siblings, {sum(sizes) / len(sizes):.1f} on average"


def relation_matrix(siblings: Sequence[Collection[int]], beta: float = 0.4) -> scipy.sparse.csr_array:
    """The label relation matrix G (Eq. 16), each row scaled to sum to one.

    ``G(m, n) ∝ 1`` for m = n, ``β / |N(n)|`` where m is a sibling of n, 0 elsewhere.

    Parameters
    ----------
    siblings : L collections of label numbers
        N(n), see :func:`siblings`.
    beta : float >= 0
        β, how much a label takes from its siblings together. The paper uses 0.4.

    Returns
    -------
    (L, L) scipy.sparse.csr_array of float64

    Raises
    ------
    ValueError
        When beta is negative, or a number is no label or its own sibling.

    Examples
    --------
    >>> relation_matrix([[1], [0], []], beta=0.25).toarray()
    array([[0.8, 0.2, 0. ],
           [0.2, 0.8, 0. ],
           [0. , 0. , 1. ]])
    """
    if not 0 <= beta < math.inf:
        raise ValueError(f"beta must be a number of 0 or more, found {beta}")
    count = len(siblings)
    sizes = np.fromiter((len(group) for group in siblings), np.int64, count=count)
    rows = np.fromiter((m for group in siblings for m in group), np.int64, count=int(sizes.sum()))
    columns = np.repeat(np.arange(count), sizes)
    if len(rows) and (rows.min() < 0 or rows.max() >= count):
        raise ValueError(f"a sibling is outside the {count} labels")
    if (rows == columns).any():
        raise ValueError(f"label {rows[rows == columns][0]} is listed as its own sibling")
    data = beta / np.repeat(np.maximum(sizes, 1), sizes)
    related = scipy.sparse.coo_array((data, (rows, columns)), shape=(count, count)).tocsr()
    matrix: scipy.sparse.csr_array = (related + scipy.sparse.eye_array(count, format="csr")).tocsr()
    matrix.data /= np.repeat(matrix.sum(axis=1), np.diff(matrix.indptr))
    matrix.eliminate_zeros()
    return matrix


def _local(name: str) -> str:
    return name.rstrip("/#:").replace("#", "/").replace(":", "/").rsplit("/", 1)[-1]
