"""How far labels are from the truth, and which λ hedges them best: Eq. 6 and 8 measured, with intervals.

    analysis = analyse_risk(observed, soft, truth, {"paper": 0.46})
    analysis.cross, analysis.independent             # does Proposition 1 hold?
    analysis.rules["exact"].weight                   # λ with the cross term counted

With errors d_y = y - y* and d_s = s - y*, the risk of the pseudo labels λ y + (1 - λ) s is a parabola in λ:

    R(λ) = λ² R_y + (1 - λ)² R_s + 2 λ (1 - λ) C,    R_y = E‖d_y‖²,  R_s = E‖d_s‖²,  C = E[d_y · d_s]

so three numbers a sample are all that a bootstrap over samples needs. Source: Li et al., ICCV 2017; C is what their
Proposition 1 takes to be zero. With y and y* of 0 and 1 and s in [0, 1] it never is below zero: where y is wrong, s can
only err to the same side. Even errors that are independent given the truth have C > 0, so that part is told apart:

    C_0 = Σ_l Σ_t P(y*_l = t) E[d_y,l | y*_l = t] E[d_s,l | y*_l = t]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import array_api_compat
import numpy as np
import numpy.typing as npt

Array = Any
FloatArray = npt.NDArray[np.float64]
Value = TypeVar("Value", float, FloatArray)

LEVEL = 0.95
"""Of every interval here."""

_ENTRIES = 16_000_000  # of an array at work: 128 MB


class Estimate(NamedTuple, Generic[Value]):
    """A measured value and its 95% interval: floats, or arrays (L,) with an entry per label."""

    value: Value
    low: Value
    high: Value


@dataclass(frozen=True)
class RuleRisk:
    """A way to choose λ, and what the pseudo labels λ y + (1 - λ) s are then worth.

    Attributes
    ----------
    weight : Estimate
        λ, the weight of the observed labels. A λ that was given has no interval: low and high are its value.
    risk : Estimate
        Their risk at this λ, held fixed while samples are drawn again.
    excess : Estimate
        Their risk less that at the λ of the rule ``exact``, on the same samples: narrower than two intervals apart.
    """

    weight: Estimate[float]
    risk: Estimate[float]
    excess: Estimate[float]


@dataclass(frozen=True)
class LabelRisks:
    """The same for every label by itself; the risks and the cross terms of all labels add up to the whole.

    Attributes
    ----------
    positives : (L,) int
        Samples that truly have the label.
    observed, soft, cross : Estimate of (L,)
        R_y, R_s and C.
    cross_independent, cross_shared : Estimate of (L,)
        C_0, the C of errors that are independent given the truth, and C - C_0.
    correlation : Estimate of (L,)
        C / sqrt(R_y R_s), in [-1, 1]; NaN where either side makes no error.
    weight_risk, weight_exact : Estimate of (L,)
        λ of the rules ``risk`` and ``exact`` for this label alone.
    pseudo : dict of Estimate of (L,)
        By rule, the risk of the pseudo labels at the rule's λ for all labels.
    """

    positives: npt.NDArray[np.int64]
    observed: Estimate[FloatArray]
    soft: Estimate[FloatArray]
    cross: Estimate[FloatArray]
    cross_independent: Estimate[FloatArray]
    cross_shared: Estimate[FloatArray]
    correlation: Estimate[FloatArray]
    weight_risk: Estimate[FloatArray]
    weight_exact: Estimate[FloatArray]
    pseudo: dict[str, Estimate[FloatArray]]


@dataclass(frozen=True)
class RiskAnalysis:
    """What :func:`analyse_risk` found.

    Attributes
    ----------
    samples, resamples : int
    observed, soft : Estimate
        R_y and R_s: mean squared distance to the truth, summed over labels (Eq. 6).
    cross : Estimate
        C = E[(y - y*) · (s - y*)], in the same unit.
    cross_independent, cross_shared : Estimate
        C_0, what C would be if y and s erred independently given the truth, and C - C_0: above 0 where the samples on
        which y is wrong are hard for s too. C_0 is a sum over labels of products of means, so labels with a handful of
        positives make it vague.
    correlation : Estimate
        C / sqrt(R_y R_s), in [-1, 1]; NaN where either side makes no error.
    rules : dict of RuleRisk
        ``observed`` (λ = 1) and ``soft`` (λ = 0), the λs that were given, ``risk`` (Eq. 8) and ``exact``.
    labels : LabelRisks
    """

    samples: int
    resamples: int
    observed: Estimate[float]
    soft: Estimate[float]
    cross: Estimate[float]
    cross_independent: Estimate[float]
    cross_shared: Estimate[float]
    correlation: Estimate[float]
    rules: dict[str, RuleRisk]
    labels: LabelRisks

    @property
    def independent(self) -> bool:
        """Whether C may be 0, as Proposition 1 assumes: its interval contains 0."""
        return self.cross.low <= 0 <= self.cross.high

    @property
    def noise_shown(self) -> bool:
        """Whether any observed label of these samples is wrong."""
        return self.observed.value > 0


def cross_term(observed: Array, soft: Array, truth: Array) -> Array:
    """How the errors of observed and soft labels go together, ``C = E[(y - y*) · (s - y*)]``.

    Proposition 1 of the paper takes it to be 0. With y and y* of 0 and 1 and s in [0, 1] it is 0 only where s is
    exactly right wherever y is wrong, and else above.

    Parameters
    ----------
    observed, soft, truth : (N, L) arrays, NumPy or torch
        y, s and y*.

    Returns
    -------
    A scalar of the same kind: summed over labels, mean over samples, the unit of :func:`labelhedge.labels.risk`.

    Raises
    ------
    ValueError
        When the shapes differ or there is no sample.

    Examples
    --------
    >>> import numpy as np
    >>> float(cross_term(np.array([[1, 0], [0, 0]]), np.array([[0.5, 0.0], [0.25, 0.0]]), np.array([[0, 0], [1, 0]])))
    0.625
    """
    _check_shapes(observed, soft, truth)
    xp = array_api_compat.array_namespace(observed, soft, truth)
    soft = soft if xp.isdtype(soft.dtype, "real floating") else xp.astype(soft, xp.float64)
    truth = xp.astype(truth, soft.dtype)
    return xp.mean(xp.sum((xp.astype(observed, soft.dtype) - truth) * (soft - truth), axis=-1))


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


def analyse_risk(
    observed: Array,
    soft: Array,
    truth: Array,
    weights: Mapping[str, float] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> RiskAnalysis:
    """Measure the risks of observed, soft and pseudo labels, with percentile bootstrap intervals over samples.

    Samples are drawn with replacement, the same draws for everything, so that differences are paired. On few samples
    with few errors such intervals are somewhat too narrow, and where nothing erred they have no width at all.

    Parameters
    ----------
    observed : (N, L) array of 0 and 1
        y. The samples must be ones that the model behind `soft` was not trained on: on its own training samples it is
        over-confident.
    soft : (N, L) array in [0, 1]
        s.
    truth : (N, L) array of 0 and 1
        y*.
    weights : mapping of names to λ in [0, 1], optional
        Weights to measure besides the measured ones.
    resamples : int
        Bootstrap draws.
    seed : int

    Returns
    -------
    RiskAnalysis

    Raises
    ------
    ValueError
        When the shapes differ, there is no sample or no draw, a label is NaN, or a weight lies outside [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.array([[1, 0], [0, 1], [0, 0], [1, 1]])
    >>> observed = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> found = analyse_risk(observed, np.full((4, 2), 0.5), truth, {"half": 0.5}, resamples=100)
    >>> found.observed.value, found.soft.value, found.cross.value
    (0.5, 0.5, 0.25)
    >>> found.rules["half"].risk.value
    0.375
    """
    observed, soft, truth = np.asarray(observed), np.asarray(soft), np.asarray(truth)
    _check_shapes(observed, soft, truth)
    if resamples < 1:
        raise ValueError(f"one bootstrap draw or more is needed, found {resamples}")
    for name, weight in (weights or {}).items():
        if not 0 <= weight <= 1:
            raise ValueError(f"the weight λ {name!r} must lie in [0, 1], found {weight}")
    count, width = observed.shape
    blocks = list(_label_blocks(count, width))
    each = np.zeros((count, 3))  # per sample: |d_y|², |d_s|², d_y · d_s
    for block in blocks:
        each += _products(observed[:, block], soft[:, block], truth[:, block])[:3].sum(axis=2).T
    total = each.mean(axis=0)
    if not np.isfinite(total).all():
        raise ValueError("a label is NaN or infinite: it has no risk")
    drawn = _bootstrap_means(each, resamples, seed)  # (B, 3)

    best = float(_exact_weights(*total))
    chosen: dict[str, Estimate[float]] = {name: Estimate(w, w, w) for name, w in [("observed", 1.0), ("soft", 0.0)]}
    chosen |= {name: Estimate(float(w), float(w), float(w)) for name, w in (weights or {}).items()}
    chosen["risk"] = _scalar(_exact_weights(total[0], total[1], 0.0), _exact_weights(drawn[:, 0], drawn[:, 1], 0.0))
    chosen["exact"] = _scalar(best, _exact_weights(*drawn.T))
    at_best, drawn_at_best = pseudo_label_risk(best, *total), pseudo_label_risk(best, *drawn.T)
    rules = {}
    for name, estimate in chosen.items():
        here, drawn_here = pseudo_label_risk(estimate.value, *total), pseudo_label_risk(estimate.value, *drawn.T)
        rules[name] = RuleRisk(estimate, _scalar(here, drawn_here), _scalar(here - at_best, drawn_here - drawn_at_best))
    by_rule = {name: rule.weight.value for name, rule in rules.items()}
    parts = [
        _analyse_labels(observed[:, block], soft[:, block], truth[:, block], by_rule, resamples, seed)
        for block in blocks
    ]
    labels = _join([part for part, _ in parts])
    drawn_independent = np.sum([drawn_of_block for _, drawn_of_block in parts], axis=0)  # (B,)
    independent = labels.cross_independent.value.sum()
    return RiskAnalysis(
        samples=count,
        resamples=resamples,
        observed=_scalar(total[0], drawn[:, 0]),
        soft=_scalar(total[1], drawn[:, 1]),
        cross=_scalar(total[2], drawn[:, 2]),
        cross_independent=_scalar(independent, drawn_independent),
        cross_shared=_scalar(total[2] - independent, drawn[:, 2] - drawn_independent),
        correlation=_scalar(_correlation(*total), _correlation(*drawn.T)),
        rules=rules,
        labels=labels,
    )


def _analyse_labels(
    observed: npt.NDArray[Any],
    soft: npt.NDArray[Any],
    truth: npt.NDArray[Any],
    weights: Mapping[str, float],
    resamples: int,
    seed: int,
) -> tuple[LabelRisks, FloatArray]:
    """Every label of a block by itself, and the draws (B,) of the block's C_0.

    The draws of samples are those for the whole, as the seed is the same.
    """
    products = _products(observed, soft, truth)  # (8, N, K)
    kinds, count, width = products.shape
    flat = products.transpose(1, 0, 2).reshape(count, kinds * width)
    several = _bootstrap_means(flat, resamples, seed).reshape(resamples, kinds, width).transpose(1, 0, 2)  # (8, B, K)
    single = products.mean(axis=1)  # (8, K)
    independent, drawn_independent = _independent_cross(*single[3:]), _independent_cross(*several[3:])  # (K,), (B, K)
    means, drawn = single[:3], several[:3]
    labels = LabelRisks(
        positives=np.count_nonzero(truth, axis=0).astype(np.int64),
        observed=_estimate(means[0], drawn[0]),
        soft=_estimate(means[1], drawn[1]),
        cross=_estimate(means[2], drawn[2]),
        cross_independent=_estimate(independent, drawn_independent),
        cross_shared=_estimate(means[2] - independent, drawn[2] - drawn_independent),
        correlation=_estimate(_correlation(*means), _correlation(*drawn)),
        weight_risk=_estimate(_exact_weights(means[0], means[1], 0.0), _exact_weights(drawn[0], drawn[1], 0.0)),
        weight_exact=_estimate(_exact_weights(*means), _exact_weights(*drawn)),
        pseudo={
            name: _estimate(pseudo_label_risk(weight, *means), pseudo_label_risk(weight, *drawn))
            for name, weight in weights.items()
        },
    )
    return labels, drawn_independent.sum(axis=1)


def _products(observed: npt.NDArray[Any], soft: npt.NDArray[Any], truth: npt.NDArray[Any]) -> FloatArray:
    """d_y², d_s², d_y d_s; y*, y* d_y, y* d_s, d_y, d_s of every sample and label: (8, N, K)."""
    true = truth.astype(np.float64)
    y, s = observed - true, soft - true
    return np.stack([y**2, s**2, y * s, true, true * y, true * s, y, s])


def _independent_cross(
    positive: FloatArray, y_positive: FloatArray, s_positive: FloatArray, y: FloatArray, s: FloatArray
) -> FloatArray:
    """C_0 of labels from means of y*, y* d_y, y* d_s, d_y and d_s."""
    negative = 1 - positive
    with_label = y_positive * s_positive / np.where(positive > 0, positive, 1.0)
    without = (y - y_positive) * (s - s_positive) / np.where(negative > 0, negative, 1.0)
    return np.asarray(with_label + without)


def _bootstrap_means(quantities: FloatArray, resamples: int, seed: int) -> FloatArray:
    """Means (B, K) of quantities (N, K) over samples drawn again, N of N with replacement."""
    generator = np.random.default_rng(seed)
    count, width = quantities.shape
    means = np.empty((resamples, width))
    together = max(1, _ENTRIES // (8 * count))  # draws at once
    for start in range(0, resamples, together):
        draws = min(together, resamples - start)
        picked = generator.integers(count, size=(draws, count)) + count * np.arange(draws)[:, None]
        times = np.bincount(picked.ravel(), minlength=draws * count).reshape(draws, count)
        means[start : start + draws] = times.astype(np.float64) @ quantities / count
    return means


def _exact_weights(risk_observed: Any, risk_soft: Any, cross: Any) -> FloatArray:
    """`labels.optimal_weight` for arrays of risks."""
    spread = np.asarray(risk_observed + risk_soft - 2 * cross, np.float64)
    alike = spread <= 1e-12 * np.maximum(risk_observed + risk_soft, 1e-300)
    weights = (risk_soft - cross) / np.where(alike, 1.0, spread)
    return np.where(alike, 0.5, np.clip(weights, 0.0, 1.0))


def _correlation(risk_observed: Any, risk_soft: Any, cross: Any) -> FloatArray:
    scale = np.sqrt(np.asarray(risk_observed * risk_soft, np.float64))
    return np.where(scale > 0, np.clip(cross / np.where(scale > 0, scale, 1.0), -1.0, 1.0), np.nan)


def _estimate(value: FloatArray, drawn: FloatArray) -> Estimate[FloatArray]:
    """A value (...) with the interval of its draws (B, ...); NaN where the value is."""
    filled = np.nan_to_num(drawn, nan=0.0)  # a draw in which one side made no error shares none
    low, high = np.quantile(filled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    unknown = np.isnan(value)
    return Estimate(np.asarray(value), np.where(unknown, np.nan, low), np.where(unknown, np.nan, high))


def _scalar(value: Any, drawn: FloatArray) -> Estimate[float]:
    return Estimate(*(float(part) for part in _estimate(np.asarray(value, np.float64), drawn)))


def _label_blocks(count: int, width: int) -> Iterator[slice]:
    """Labels in blocks, so that no float copy of everything is made."""
    step = max(16, _ENTRIES // (16 * count))
    return (slice(start, min(start + step, width)) for start in range(0, width, step))


def _join(parts: list[LabelRisks]) -> LabelRisks:
    def join(estimates: list[Estimate[FloatArray]]) -> Estimate[FloatArray]:
        return Estimate(*(np.concatenate(arrays) for arrays in zip(*estimates, strict=True)))

    names = (
        "observed",
        "soft",
        "cross",
        "cross_independent",
        "cross_shared",
        "correlation",
        "weight_risk",
        "weight_exact",
    )
    return LabelRisks(
        positives=np.concatenate([part.positives for part in parts]),
        **{name: join([getattr(part, name) for part in parts]) for name in names},
        pseudo={rule: join([part.pseudo[rule] for part in parts]) for rule in parts[0].pseudo},
    )


def _check_shapes(observed: Array, soft: Array, truth: Array) -> None:
    shapes = [tuple(array.shape) for array in (observed, soft, truth)]
    if len(set(shapes)) > 1 or len(shapes[0]) != 2:
        raise ValueError(f"three (N, L) arrays of one shape are needed, found {shapes[0]}, {shapes[1]} and {shapes[2]}")
    if 0 in shapes[0]:
        raise ValueError("the risk of no samples or no labels is not defined")
