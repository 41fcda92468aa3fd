"""Noise on single labels: each observed label is replaced or dropped, independently, with the rate.

A row keeps its labels apart: a replacement is drawn among the labels that the row does not carry (if every other one is
carried by a replacement of the same row, two of its labels fall together). A label that has no such replacement stays.
For one seed, the labels flipped at a lower rate are among those flipped at a higher rate, to the same replacements as
far as rows have one label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from labelhedge.corpus.views import LabelSets
from labelhedge.errors import LabelhedgeError
from labelhedge.noise.sets import Integers, as_sets, check_rate, generator, label_sets, pairs


def symmetric(observed: Any, rate: float, *, seed: int) -> LabelSets:
    """With the rate, replace a label by a uniformly drawn other label.

    Parameters
    ----------
    observed : (N, L) sparse or dense bool
    rate : float in [0, 1]
        Share of the labels that are replaced (expected value).
    seed : int >= 0

    Returns
    -------
    (N, L) sparse bool

    Raises
    ------
    LabelhedgeError
        When the rate is outside [0, 1], or there is one label only.

    Examples
    --------
    >>> import numpy as np
    >>> symmetric(np.eye(3, dtype=bool), 1.0, seed=0).diagonal().any()
    np.False_
    """
    count = _several(observed, "symmetric")
    everything = np.arange(count)
    return _flip(observed, rate, lambda label: everything, seed, "symmetric")


def pair(observed: Any, rate: float, *, seed: int) -> LabelSets:
    """With the rate, replace a label by the next one of the label list, the last by the first.

    The asymmetric noise of Han et al., "Co-teaching" (NeurIPS 2018). Parameters, result and errors as in
    :func:`symmetric`.

    Examples
    --------
    >>> import numpy as np
    >>> pair(np.eye(3, dtype=bool), 1.0, seed=0).toarray().astype(int)
    array([[0, 1, 0],
           [0, 0, 1],
           [1, 0, 0]])
    """
    count = _several(observed, "pair")
    return _flip(observed, rate, lambda label: np.array([(label + 1) % count]), seed, "pair")


def siblings(observed: Any, rate: float, siblings: Sequence[Sequence[int]], *, seed: int) -> LabelSets:
    """With the rate, replace a label by a uniformly drawn sibling; labels without siblings stay.

    Parameters
    ----------
    observed, rate, seed :
        As in :func:`symmetric`. The rate counts labels that have siblings.
    siblings : L lists of label numbers
        From :func:`labelhedge.graph.siblings`, which can be limited to some relations.

    Returns
    -------
    (N, L) sparse bool

    Raises
    ------
    LabelhedgeError
        When the rate is outside [0, 1], or `siblings` is of another length than L.

    Examples
    --------
    >>> import numpy as np
    >>> siblings(np.eye(3, dtype=bool), 1.0, [[1], [0], []], seed=0).toarray().astype(int)
    array([[0, 1, 0],
           [1, 0, 0],
           [0, 0, 1]])
    """
    if len(siblings) != observed.shape[1]:
        raise LabelhedgeError(f"siblings are given for {len(siblings)} labels, but there are {observed.shape[1]}")
    groups = [np.array(group, np.int64) for group in siblings]
    return _flip(observed, rate, lambda label: groups[label], seed, "siblings")


def missing(observed: Any, rate: float, *, seed: int) -> LabelSets:
    """With the rate, drop a label. A row that loses all of them looks like background.

    Parameters, result and errors as in :func:`symmetric`.

    Examples
    --------
    >>> import numpy as np
    >>> missing(np.eye(3, dtype=bool), 1.0, seed=0).nnz
    0
    """
    check_rate(rate, "missing")
    rows, labels = pairs(observed)
    kept = generator(seed, "missing").random(len(rows)) >= rate
    return label_sets(rows[kept], labels[kept], observed.shape)


def _several(observed: Any, what: str) -> int:
    count: int = observed.shape[1]
    if count < 2:
        raise LabelhedgeError(f"{what}: with a single label there is no other label to take its place")
    return count


def _flip(observed: Any, rate: float, others: Callable[[int], Integers], seed: int, what: str) -> LabelSets:
    check_rate(rate, what)
    sets = as_sets(observed)
    rows, labels = pairs(sets)
    draws = generator(seed, what)
    flipped = draws.random(len(rows)) < rate
    lots = draws.random(len(rows))  # drawn for every label: which of its replacements, if it is flipped
    changed = labels.copy()
    for place in np.flatnonzero(flipped):
        start, stop = sets.indptr[rows[place]], sets.indptr[rows[place] + 1]
        free = others(int(labels[place]))
        free = free[free != labels[place]] if stop - start == 1 else np.setdiff1d(free, labels[start:stop])
        unused = free if stop - start == 1 else np.setdiff1d(free, changed[start:stop])
        choices = unused if len(unused) else free
        if len(choices):
            changed[place] = choices[int(lots[place] * len(choices))]
    return label_sets(rows, changed, sets.shape)
