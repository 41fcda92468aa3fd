"""What is drawn once from the seed: which classes, or groups of background images, a label takes in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from labelhedge import graph
from labelhedge.corpus.views import LabelSets
from labelhedge.noise.sets import generator


def kinship(
    triples: Iterable[tuple[str, str, str]], labels: Sequence[Any], relations: Collection[str] | None = None
) -> scipy.sparse.csr_array:
    """How near labels are in the graph: the number of relations under which they are siblings.

    Parameters
    ----------
    triples, labels, relations :
        As in :func:`labelhedge.graph.siblings`.

    Returns
    -------
    (L, L) sparse int, symmetric, with a zero diagonal

    Raises
    ------
    LabelhedgeError
        When a relation is asked for that no triple has.

    Examples
    --------
    >>> triples = [("mammal", "cat", "class"), ("mammal", "dog", "class"), ("mammal", "lion", "class")]
    >>> triples += [("feline", "cat", "family"), ("feline", "lion", "family")]
    >>> kinship(triples, ["cat", "dog", "lion"]).toarray()
    array([[0, 1, 2],
           [1, 0, 1],
           [2, 1, 0]])
    """
    triples = list(triples)
    if relations is None:
        relations = sorted({r for _, _, r in triples})
    near = scipy.sparse.csr_array((len(labels), len(labels)), dtype=np.int64)
    for relation in [relations] if isinstance(relations, str) else relations:
        groups = graph.siblings(triples, labels, [relation])
        rows = np.repeat(np.arange(len(labels)), [len(group) for group in groups])
        columns = np.array([sibling for group in groups for sibling in group], np.int64)
        near = near + scipy.sparse.coo_array((np.ones(len(rows), np.int64), (rows, columns)), shape=near.shape).tocsr()
    return near.tocsr()


def fixed_classes(
    count: int, *, seed: int, near: Any = None, among: npt.NDArray[np.bool_] | None = None
) -> list[list[int]]:
    """One or two fixed other classes for every label, drawn once; no class serves many labels where that can be helped.

    Parameters
    ----------
    count : int
        L, the number of labels.
    seed : int >= 0
    near : (L, L) sparse or dense, optional
        Choose the nearest siblings, see :func:`kinship`; a label without siblings gets one random class. Default: any.
    among : (L,) or (L, L) bool, optional
        Only these classes, for every label or for each (a row for a label): those that have images for it. Default:
        all.

    Returns
    -------
    list of L lists of one or two label numbers
        Empty where there is no other class.

    Examples
    --------
    >>> fixed_classes(4, seed=0, near=[[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]])
    [[1], [0], [3], [2]]
    """
    draws = generator(seed, "modes")
    nearness = None if near is None else scipy.sparse.csr_array(near)
    able = np.broadcast_to(True if among is None else np.asarray(among, bool), (count, count))
    double = draws.random(count) < 0.5
    used = np.zeros(count)
    chosen: list[list[int]] = [[] for _ in range(count)]
    for turn in range(2):
        for label in draws.permutation(count):
            luck = draws.random(count)
            kin = np.zeros(count) if nearness is None else nearness[[label]].toarray()[0].astype(float)
            open_ = able[label].copy()
            open_[[label, *chosen[label]]] = False
            if (kin[open_] > 0).any():
                open_ &= kin > 0
            elif nearness is not None and turn:
                continue
            if open_.any() and (not turn or double[label]):
                choices = np.flatnonzero(open_)
                best = choices[np.lexsort((luck[choices], used[choices], -kin[choices]))[0]]
                chosen[label].append(int(best))
                used[best] += 1
    return chosen


def fixed_groups(count: int, groups: int, *, seed: int) -> list[list[int]]:
    """One or two fixed groups of background images for every label, drawn once, each group used about as often.

    Parameters
    ----------
    count : int
        L, the number of labels.
    groups : int
        Number of groups.
    seed : int >= 0

    Returns
    -------
    list of L lists of one or two group numbers

    Examples
    --------
    >>> fixed_groups(2, 1, seed=0)
    [[0], [0]]
    """
    draws = generator(seed, "background modes")
    double = draws.random(count) < 0.5
    used = np.zeros(groups)
    chosen: list[list[int]] = [[] for _ in range(count)]
    for turn in range(min(2, groups)):
        for label in draws.permutation(count):
            order = np.lexsort((draws.random(groups), used))
            if not turn or double[label]:
                best = next(group for group in order if group not in chosen[label])
                chosen[label].append(int(best))
                used[best] += 1
    return chosen


def lenders(truth: LabelSets) -> npt.NDArray[np.bool_]:
    """(L, L): class c (column) has an image that is not truly of label m (row), and so can be taken in wrongly."""
    counts = truth.astype(np.int64)
    together = (counts.T @ counts).toarray()
    return np.asarray(together < np.diag(together))
