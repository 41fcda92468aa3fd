"""From triples to siblings to the relation matrix G (Eq. 16), sparse throughout."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse

from labelhedge.graph.label_graph import LabelGraph

Siblings: TypeAlias = Sequence[Collection[int]] | scipy.sparse.csr_array
"""N(n) of every label n: collections of label numbers, or the rows of a sparse matrix."""


def siblings(
    triples: Iterable[tuple[str, str, str]], labels: Sequence[Any], relations: Collection[str] | None = None
) -> list[list[int]]:
    """Siblings of every label: labels that share an entity u through one same relation r.

    Parameters
    ----------
    triples : iterable of (u, v, r)
        "u is the r of v", see :func:`read_triples`.
    labels : L labels, in order
        IRIs, or objects with a ``uri`` (such as the corpus's labels); one without is known by its ``id``, see
        :func:`labelhedge.graph.label_iri`.
    relations : collection of str, optional
        Only these relations, named in full or by the part after the last ``/``, ``#`` or ``:``. Default: all.

    Returns
    -------
    list of L sorted lists of label numbers
        N(n) of Eq. 16; never holds n itself.

    Raises
    ------
    ValueError
        When a relation is asked for that no triple has, or when groups are so large that their siblings do not fit
        into memory, see :meth:`labelhedge.graph.LabelGraph.sibling_matrix`.

    Examples
    --------
    >>> triples = [("mammal", "cat", "class"), ("mammal", "dog", "class"), ("bird", "owl", "class")]
    >>> siblings(triples, ["cat", "owl", "dog"])
    [[2], [], [0]]
    """
    matrix = LabelGraph.from_triples(triples, labels).sibling_matrix(relations)
    return [group.tolist() for group in np.split(matrix.indices, matrix.indptr[1:-1])] if len(labels) else []


def describe_siblings(siblings: Siblings) -> str:
    """How many labels have siblings, and how many, in a line.

    Examples
    --------
    >>> describe_siblings([[1], [0], []])
    'graph: 2 of 3 labels have siblings, 1.0 on average'
    """
    counts = _entries(siblings)[0]
    sizes = counts[counts > 0]
    if not len(sizes):
        return f"graph: none of {len(counts)} labels has a sibling: are the labels' URIs subjects of the triples?"
    return f"graph: {len(sizes)} of {len(counts)} labels have siblings, {sizes.mean():.1f} on average"


def relation_matrix(siblings: Siblings, beta: float = 0.4) -> scipy.sparse.csr_array:
    """The label relation matrix G (Eq. 16), each row scaled to sum to one.

    ``G(m, n) ∝ 1`` for m = n, ``β / |N(n)|`` where m is a sibling of n, 0 elsewhere.

    Parameters
    ----------
    siblings : L collections of label numbers, or an (L, L) csr_array
        N(n), see :func:`siblings`; or, for many labels, :meth:`labelhedge.graph.LabelGraph.sibling_matrix`, whose
        row n holds N(n).
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
    sizes, rows = _entries(siblings)
    count = len(sizes)
    columns = np.repeat(np.arange(count, dtype=np.int32), sizes)
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


def _entries(siblings: Siblings) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """How many siblings each label has, and their numbers one after the other."""
    if isinstance(siblings, scipy.sparse.csr_array):
        matrix = siblings.copy()
        matrix.eliminate_zeros()
        if matrix.shape[0] != matrix.shape[1]:
            raise ValueError(f"a sibling matrix has the shape (L, L), found {matrix.shape}")
        return np.diff(matrix.indptr).astype(np.int64), matrix.indices.astype(np.int32, copy=False)
    sizes = np.fromiter((len(group) for group in siblings), np.int64, count=len(siblings))
    return sizes, np.fromiter((m for group in siblings for m in group), np.int32, count=int(sizes.sum()))
