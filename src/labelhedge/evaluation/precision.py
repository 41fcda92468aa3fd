"""Average precision per label and its mean (Eq. 15), as scikit-learn >= 0.19 computes it: step-wise, no interpolation.

Equal scores are one threshold, so the order of the samples never matters.
"""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np
import numpy.typing as npt

Array = Any


def average_precision(truth: Array, scores: Array) -> Array:
    """Average precision of every label, ``Σ_k (R_k - R_{k-1}) P_k`` over distinct scores.

    Parameters
    ----------
    truth : (N, L) array of 0 and 1
        True labels; rows of zeros are background images and count as negatives.
    scores : (N, L) array
        Higher means more likely; any monotone scale.

    Returns
    -------
    (L,) floating array of the same kind; NaN where a label has no positive.

    Raises
    ------
    ValueError
        When the arrays are not two-dimensional, their shapes differ, the truth is not 0 or 1, or a score is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.array([[1, 0], [0, 0], [1, 0]])
    >>> scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    >>> average_precision(truth, scores).round(3)
    array([0.833,   nan])
    """
    values = _average_precision(_numpy(truth), _numpy(scores))
    if array_api_compat.is_torch_array(scores):
        import torch

        return torch.as_tensor(values, device=scores.device)
    return values


def mean_average_precision(truth: Array, scores: Array) -> Array:
    """Mean over labels of average precision; labels without a positive are left out (Eq. 15).

    Parameters
    ----------
    truth, scores : (N, L) arrays
        As for :func:`average_precision`.

    Returns
    -------
    A scalar of the same kind, in [0, 1].

    Raises
    ------
    ValueError
        As :func:`average_precision`, and when no label at all has a positive.

    Examples
    --------
    >>> import numpy as np
    >>> float(mean_average_precision(np.array([[1, 0], [0, 0]]), np.array([[0.9, 0.5], [0.1, 0.5]])))
    1.0
    """
    values = _average_precision(_numpy(truth), _numpy(scores))
    scored = values[~np.isnan(values)]
    if not len(scored):
        raise ValueError("no label has a positive among these samples: there is no mean average precision")
    if array_api_compat.is_torch_array(scores):
        import torch

        return torch.as_tensor(scored.mean(), device=scores.device)
    return scored.mean()


def _numpy(array: Array) -> npt.NDArray[Any]:
    if array_api_compat.is_torch_array(array):
        array = array.detach().cpu()
        return np.asarray((array.double() if array.dtype.is_floating_point else array).numpy())
    return np.asarray(array)


def _average_precision(truth: npt.NDArray[Any], scores: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    if truth.ndim != 2 or truth.shape != scores.shape:
        raise ValueError(f"two (N, L) arrays of one shape are needed, found {truth.shape} and {scores.shape}")
    if np.isnan(scores).any():
        raise ValueError("a score is NaN: it has no rank")
    if not np.isin(truth, (0, 1)).all():
        raise ValueError("truth must hold 0 and 1 only")
    truth = truth.astype(bool)
    values = np.full(truth.shape[1], np.nan)
    for label in np.flatnonzero(truth.any(axis=0)):
        values_of_label = scores[:, label].astype(np.float64)
        order = np.argsort(-values_of_label, kind="stable")
        ranked = values_of_label[order]
        ends = np.append(
            np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1
        )  # last sample of each distinct score
        hits = np.cumsum(truth[order, label])[ends]
        precision = hits / (ends + 1)
        recall = hits / hits[-1]
        values[label] = np.sum(np.diff(recall, prepend=0.0) * precision)
    return values
