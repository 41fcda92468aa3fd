"""Samples ranked by pseudo label, for each label: Figure 4 of the paper."""

from __future__ import annotations

from typing import Any, NamedTuple

import array_api_compat
import numpy as np

Array = Any


class Ranking(NamedTuple):
    """Samples in the order of their pseudo label, a column per label.

    ``order`` (N, L): sample numbers, highest pseudo label first, ties in the samples' own order.
    ``values`` (N, L): their pseudo labels. ``correct`` (N, L) bool, or None: whether each has the label.
    """

    order: Array
    values: Array
    correct: Array | None


def rank(labels: Array, truth: Array | None = None) -> Ranking:
    """Rank samples by their (pseudo) labels, for every label.

    Parameters
    ----------
    labels : (N, L) array
        Pseudo, soft or predicted labels.
    truth : (N, L) array of 0 and 1, optional
        True labels, to mark what is right.

    Returns
    -------
    Ranking
        Arrays of the same kind as `labels`.

    Raises
    ------
    ValueError
        When the arrays are not two-dimensional, their shapes differ, or a label is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> ranking = rank(np.array([[0.2], [0.9], [0.4]]), truth=np.array([[0], [1], [1]]))
    >>> ranking.order[:, 0], ranking.correct[:, 0]
    (array([1, 2, 0]), array([ True,  True, False]))
    """
    if labels.ndim != 2:
        raise ValueError(f"(N, L) labels are needed, found shape {tuple(labels.shape)}")
    if truth is not None and tuple(truth.shape) != tuple(labels.shape):
        raise ValueError(f"truth has shape {tuple(truth.shape)}, labels {tuple(labels.shape)}")
    if bool((labels != labels).any()):
        raise ValueError("a label is NaN: it has no rank")
    if array_api_compat.is_torch_array(labels):
        import torch

        order = torch.argsort(labels, dim=0, descending=True, stable=True)
        correct = None if truth is None else torch.gather(truth, 0, order) == 1
        return Ranking(order, torch.gather(labels, 0, order), correct)
    rows = np.argsort(-labels.astype(np.float64), axis=0, kind="stable")
    right = None if truth is None else np.take_along_axis(truth, rows, 0) == 1
    return Ranking(rows, np.take_along_axis(labels, rows, 0), right)
