"""Accuracy of single-label predictions."""

from __future__ import annotations

from typing import Any

import array_api_compat

Array = Any


def accuracy(truth: Array, scores: Array) -> Array:
    """Share of samples whose highest score belongs to their true label (top-1).

    Parameters
    ----------
    truth : (N, L) array of 0 and 1
        One 1 a row.
    scores : (N, L) array of the same kind
        Logits or probabilities. Of equal scores the first label counts.

    Returns
    -------
    A scalar of the same kind, in [0, 1].

    Raises
    ------
    ValueError
        When the shapes differ, there is no sample, or a sample has not exactly one label.

    Examples
    --------
    >>> import numpy as np
    >>> float(accuracy(np.array([[1, 0], [0, 1]]), np.array([[0.6, 0.4], [0.7, 0.3]])))
    0.5
    """
    xp = array_api_compat.array_namespace(truth, scores)
    if truth.ndim != 2 or tuple(truth.shape) != tuple(scores.shape) or truth.shape[0] == 0:
        raise ValueError(f"two (N, L) arrays of one shape are needed, found {truth.shape} and {scores.shape}")
    truth = xp.astype(truth, xp.int64)
    if not bool(xp.all((truth >= 0) & (xp.sum(truth, axis=1, keepdims=True) == 1))):
        raise ValueError("accuracy needs exactly one true label per sample")
    hits = xp.argmax(scores, axis=1) == xp.argmax(truth, axis=1)
    return xp.mean(xp.astype(hits, xp.float64))
