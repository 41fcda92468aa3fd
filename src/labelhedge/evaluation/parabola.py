"""The risk of λ y + (1 - λ) s, a parabola in λ, from three numbers: R_y, R_s and C, of a corpus or of one label.

pseudo_label_risk(0.5, risk_observed=1.0, risk_soft=0.6, cross=0.2)
exact_weights(1.0, 0.6, 0.2)                                     # λ at its lowest point in [0, 1]
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = Any
FloatArray = npt.NDArray[np.float64]


def pseudo_label_risk(
    weight: float | Array, risk_observed: float | Array, risk_soft: float | Array, cross: float | Array = 0.0
) -> Any:
    """Risk of the pseudo labels ``λ y + (1 - λ) s``: ``λ² R_y + (1 - λ)² R_s + 2 λ (1 - λ) C``.

    Parameters
    ----------
    weight : float or array in [0, 1]
        λ.
    risk_observed, risk_soft, cross : float or array
        R_y, R_s and C; all arrays of shapes that go together.

    Returns
    -------
    float or array, in the unit of the risks.

    Examples
    --------
    >>> pseudo_label_risk(0.5, risk_observed=1.0, risk_soft=0.6, cross=0.2)
    0.5
    """
    return weight**2 * risk_observed + (1 - weight) ** 2 * risk_soft + 2 * weight * (1 - weight) * cross


def exact_weights(risk_observed: Any, risk_soft: Any, cross: Any) -> FloatArray:
    """`labels.optimal_weight` for arrays of risks."""
    spread = np.asarray(risk_observed + risk_soft - 2 * cross, np.float64)
    alike = spread <= 1e-12 * np.maximum(risk_observed + risk_soft, 1e-300)
    weights = (risk_soft - cross) / np.where(alike, 1.0, spread)
    return np.where(alike, 0.5, np.clip(weights, 0.0, 1.0))


def correlation_of(risk_observed: Any, risk_soft: Any, cross: Any) -> FloatArray:
    """C / sqrt(R_y R_s), in [-1, 1]; NaN where either side makes no error."""
    scale = np.sqrt(np.asarray(risk_observed * risk_soft, np.float64))
    return np.where(scale > 0, np.clip(cross / np.where(scale > 0, scale, 1.0), -1.0, 1.0), np.nan)
