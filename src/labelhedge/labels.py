"""The equations of the method, as pure functions on arrays.

Every function takes NumPy arrays or torch tensors and returns the same kind; PyTorch is not imported here.
Shapes: ``(N, L)``, N samples by L labels. Source: Li et al., "Learning from Noisy Labels with Distillation",
ICCV 2017, whose equation numbers are given.

    observed labels ──┐
                      ├─ pseudo_labels (Eq. 5) ── what a network is trained on
    soften(logits) ───┤
    propagate (12) ───┘
"""

from __future__ import annotations

from typing import Any

import array_api_compat

Array = Any
"""A NumPy array or a torch tensor."""


def pseudo_labels(observed: Array, soft: Array, weight: float | Array) -> Array:
    """Mix observed and soft labels: ``weight * observed + (1 - weight) * soft`` (Eq. 5).

    Parameters
    ----------
    observed : (N, L) array of 0 and 1
        The labels as they were found; all zeros is a background image.
    soft : (N, L) array in [0, 1]
        The auxiliary model's predictions, see :func:`soften`.
    weight : float, or (L,) array, in [0, 1]
        λ, the trust in the observed labels; one for all labels or one per label.

    Returns
    -------
    (N, L) array in the floating type of `soft`.

    Raises
    ------
    ValueError
        When the shapes differ or a weight lies outside [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> pseudo_labels(np.array([[1, 0]]), np.array([[0.5, 0.25]]), weight=0.6)
    array([[0.8, 0.1]])
    """
    _same_shape(observed, soft)
    weight = _checked_weight(weight, soft)
    observed = array_api_compat.array_namespace(soft).astype(observed, soft.dtype)
    return weight * observed + (1 - weight) * soft


def soften(logits: Array, temperature: float = 1.0, *, exclusive: bool = False) -> Array:
    """Turn logits into soft labels, ``δ(f / T)`` with the sigmoid δ (Eq. 4), or the softmax of exclusive labels.

    Parameters
    ----------
    logits : (N, L) floating array
        Outputs f of a network before the sigmoid.
    temperature : float > 0
        T; above 1 the labels become softer. The paper uses 1.
    exclusive : bool
        The labels exclude each other: softmax over labels (Hinton et al., arXiv 1503.02531), so that rows sum to 1.

    Returns
    -------
    (N, L) array in [0, 1], same floating type.

    Raises
    ------
    ValueError
        When the temperature is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> soften(np.array([0.0, 2.0]), temperature=2.0).round(3)
    array([0.5  , 0.731])
    >>> soften(np.array([0.0, 2.0]), exclusive=True).round(3)
    array([0.119, 0.881])
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, found {temperature}")
    xp = array_api_compat.array_namespace(logits)
    scaled = logits / float(temperature)
    if exclusive:
        powers = xp.exp(scaled - xp.max(scaled, axis=-1, keepdims=True))
        return powers / xp.sum(powers, axis=-1, keepdims=True)
    return xp.exp(-xp.logaddexp(xp.zeros_like(scaled), -scaled))  # 1 / (1 + exp(-x)) without overflow


def smooth(observed: Array, weight: float) -> Array:
    """Label smoothing, ``weight * observed + (1 - weight) / L`` (Eq. 9; Szegedy et al., CVPR 2016).

    Parameters
    ----------
    observed : (N, L) array of 0 and 1
    weight : float in [0, 1]
        λ, the trust in the observed labels.

    Returns
    -------
    (N, L) floating array.

    Examples
    --------
    >>> import numpy as np
    >>> smooth(np.array([[1.0, 0.0]]), weight=0.8)
    array([[0.9, 0.1]])
    """
    observed = _floating(array_api_compat.array_namespace(observed), observed)
    weight = _checked_weight(weight, observed)
    return weight * observed + (1 - weight) / observed.shape[-1]


def propagate(soft: Array, relation_matrix: Array) -> Array:
    """Guide soft labels by the label graph: ``ŝ = G s``, for rows ``S @ G.T`` (Eq. 12).

    Parameters
    ----------
    soft : (N, L) floating array
        Soft labels, one sample a row.
    relation_matrix : (L, L) array of the same kind, or SciPy sparse matrix
        G, see :func:`labelhedge.graph.relation_matrix`.

    Returns
    -------
    (N, L) array of the same kind and floating type as `soft`.

    Raises
    ------
    ValueError
        When G is not L by L.

    Examples
    --------
    >>> import numpy as np
    >>> propagate(np.array([[1.0, 0.0]]), np.array([[0.75, 0.25], [0.5, 0.5]]))
    array([[0.75, 0.5 ]])
    """
    count = soft.shape[-1]
    if tuple(relation_matrix.shape) != (count, count):
        raise ValueError(
            f"the relation matrix is {tuple(relation_matrix.shape)}, but there are {count} labels: "
            f"it must be ({count}, {count})"
        )
    xp = array_api_compat.array_namespace(soft)
    if not hasattr(relation_matrix, "tocoo"):
        return soft @ xp.astype(relation_matrix, soft.dtype).T
    precise = soft if soft.dtype in (xp.float32, xp.float64) else xp.astype(soft, xp.float32)  # no sparse halves
    if array_api_compat.is_torch_array(soft):
        import torch

        sparse = relation_matrix.tocoo()
        matrix = torch.sparse_coo_tensor(
            torch.stack([torch.as_tensor(sparse.row), torch.as_tensor(sparse.col)]).long(),
            torch.as_tensor(sparse.data, dtype=precise.dtype),
            size=sparse.shape,
            device=soft.device,
            check_invariants=False,
        )
    else:
        matrix = relation_matrix.tocsr().astype(precise.dtype)
    return xp.astype((matrix @ precise.T).T, soft.dtype)


def risk(labels: Array, truth: Array) -> Array:
    """Mean over samples of the squared distance to the true labels, ``E‖ỹ - y*‖²`` (Eq. 6).

    Parameters
    ----------
    labels : (N, L) array
        Any labels: observed, soft or pseudo.
    truth : (N, L) array of 0 and 1
        The true labels.

    Returns
    -------
    A scalar of the same kind: squared L2 distance, summed over labels, mean over samples.

    Raises
    ------
    ValueError
        When the shapes differ or there is no sample.

    Examples
    --------
    >>> import numpy as np
    >>> float(risk(np.array([[1.0, 0.5], [0.0, 0.0]]), np.array([[1, 0], [1, 0]])))
    0.625
    """
    _same_shape(labels, truth)
    if labels.shape[0] == 0:
        raise ValueError("the risk of no samples is not defined")
    xp = array_api_compat.array_namespace(labels, truth)
    difference = _floating(xp, labels) - _floating(xp, truth)
    return xp.mean(xp.sum(difference * difference, axis=-1))


def optimal_weight(risk_soft: float, risk_observed: float, cross: float = 0.0) -> float:
    """The λ of least risk, ``(R_s - C) / (R_s + R_y - 2 C)``, clipped to [0, 1] (Eq. 8).

    With C = 0 this is Eq. 8 of the paper, which assumes that the errors of observed and soft labels are
    uncorrelated (Proposition 1). C is their measured correlation ``E[(y - y*)·(s - y*)]``.

    Parameters
    ----------
    risk_soft, risk_observed : float >= 0
        R_s and R_y, see :func:`risk`.
    cross : float
        C, in the units of the risks.

    Returns
    -------
    float
        λ, the weight of the *observed* labels; 0.5 where both sides err in exactly the same way.

    Raises
    ------
    ValueError
        When a risk is negative, or C is larger than two such risks can have (Cauchy-Schwarz).

    Examples
    --------
    >>> optimal_weight(risk_soft=0.5, risk_observed=1.5)
    0.25
    >>> round(optimal_weight(risk_soft=0.6, risk_observed=0.9, cross=0.3), 3)
    0.333
    """
    risk_soft, risk_observed, cross = float(risk_soft), float(risk_observed), float(cross)
    if not (risk_soft >= 0 and risk_observed >= 0):
        raise ValueError(f"two risks of 0 or more are needed, found {risk_soft} and {risk_observed}")
    if not cross * cross <= risk_soft * risk_observed * (1 + 1e-5) + 1e-30:  # room for float32
        raise ValueError(
            f"the cross term {cross} cannot belong to the risks {risk_soft} and {risk_observed}: "
            "its square is at most their product"
        )
    spread = risk_soft + risk_observed - 2 * cross
    if spread <= 1e-12 * max(risk_soft + risk_observed, 1e-300):
        return 0.5
    return float(min(1.0, max(0.0, (risk_soft - cross) / spread)))


def heuristic_weight(map_clean: float, map_noisy: float) -> float:
    """λ from two mean average precisions on dev, ``mAP_clean / (mAP_noisy + mAP_clean)`` (Eq. 14 as printed).

    As printed, a better teacher gives the noisy labels *more* weight, which is the opposite of Eq. 8: call
    with the arguments exchanged for the mirrored form that agrees with it.

    Parameters
    ----------
    map_clean, map_noisy : float in [0, 1]
        mAP of Baseline-Clean and Baseline-Noisy, measured on dev.

    Returns
    -------
    float
        λ in [0, 1].

    Raises
    ------
    ValueError
        When either is negative or both are zero.

    Examples
    --------
    >>> heuristic_weight(map_clean=0.3, map_noisy=0.7)
    0.3
    """
    if not (map_clean >= 0 and map_noisy >= 0 and map_clean + map_noisy > 0):
        raise ValueError(f"two mAPs above zero are needed, found {map_clean} and {map_noisy}")
    return map_clean / (map_noisy + map_clean)


def _same_shape(first: Array, second: Array) -> None:
    if tuple(first.shape) != tuple(second.shape):
        raise ValueError(f"both arrays must have one shape, found {tuple(first.shape)} and {tuple(second.shape)}")


def _floating(xp: Any, array: Array) -> Array:
    return array if xp.isdtype(array.dtype, "real floating") else xp.astype(array, xp.float64)


def _checked_weight(weight: float | Array, like: Array) -> float | Array:
    if isinstance(weight, int | float) or getattr(weight, "ndim", None) == 0:
        weight = float(weight)
        if not 0 <= weight <= 1:
            raise ValueError(f"the weight λ must lie in [0, 1], found {weight}")
        return weight
    xp = array_api_compat.array_namespace(like)
    if not bool(xp.all((weight >= 0) & (weight <= 1))):
        raise ValueError("every weight λ must lie in [0, 1]")
    return xp.astype(weight, like.dtype)
