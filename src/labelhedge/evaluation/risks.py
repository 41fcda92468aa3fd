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

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from labelhedge.evaluation.bootstrap import Estimate, bootstrap_means, estimate_scalar, label_blocks, may_be_zero
from labelhedge.evaluation.label_risks import LabelRisks, analyse_labels, products_of
from labelhedge.evaluation.parabola import correlation_of, exact_weights, pseudo_label_risk

Array = Any

RULES = ("observed", "soft", "risk", "exact")
"""Ways to choose λ that are always measured."""


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
        return bool(may_be_zero(self.cross))

    @property
    def independent_given_truth(self) -> bool:
        """Whether y and s may err independently given the truth: the interval of C - C_0 contains 0."""
        return bool(may_be_zero(self.cross_shared))

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
        Weights to measure besides the measured ones; `RULES` are names that are taken.
    resamples : int
        Bootstrap draws.
    seed : int

    Returns
    -------
    RiskAnalysis

    Raises
    ------
    ValueError
        When the shapes differ, there is no sample or no draw, a label is NaN, a weight lies outside [0, 1], or its name
        is taken.

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
        if name in RULES:
            raise ValueError(f"{name!r} is measured anyway: give the weight λ another name than {', '.join(RULES)}")
        if not 0 <= weight <= 1:
            raise ValueError(f"the weight λ {name!r} must lie in [0, 1], found {weight}")
    count, width = observed.shape
    each = np.zeros((count, 3))  # per sample: |d_y|², |d_s|², d_y · d_s
    for block in label_blocks(count, width):
        each += products_of(observed[:, block], soft[:, block], truth[:, block])[:3].sum(axis=2).T
    total = each.mean(axis=0)
    if not np.isfinite(total).all():
        raise ValueError("a label is NaN or infinite: it has no risk")
    drawn = bootstrap_means(each, resamples, seed)  # (B, 3)

    best = float(exact_weights(*total))
    chosen: dict[str, Estimate[float]] = {name: Estimate(w, w, w) for name, w in [("observed", 1.0), ("soft", 0.0)]}
    chosen |= {name: Estimate(float(w), float(w), float(w)) for name, w in (weights or {}).items()}
    chosen["risk"] = estimate_scalar(
        exact_weights(total[0], total[1], 0.0), exact_weights(drawn[:, 0], drawn[:, 1], 0.0)
    )
    chosen["exact"] = estimate_scalar(best, exact_weights(*drawn.T))
    at_best, drawn_at_best = pseudo_label_risk(best, *total), pseudo_label_risk(best, *drawn.T)
    rules = {}
    for name, estimate in chosen.items():
        here, drawn_here = pseudo_label_risk(estimate.value, *total), pseudo_label_risk(estimate.value, *drawn.T)
        rules[name] = RuleRisk(
            estimate, estimate_scalar(here, drawn_here), estimate_scalar(here - at_best, drawn_here - drawn_at_best)
        )
    by_rule = {name: rule.weight.value for name, rule in rules.items()}
    labels, drawn_independent = analyse_labels(observed, soft, truth, by_rule, resamples, seed)
    independent = labels.cross_independent.value.sum()
    return RiskAnalysis(
        samples=count,
        resamples=resamples,
        observed=estimate_scalar(total[0], drawn[:, 0]),
        soft=estimate_scalar(total[1], drawn[:, 1]),
        cross=estimate_scalar(total[2], drawn[:, 2]),
        cross_independent=estimate_scalar(independent, drawn_independent),
        cross_shared=estimate_scalar(total[2] - independent, drawn[:, 2] - drawn_independent),
        correlation=estimate_scalar(correlation_of(*total), correlation_of(*drawn.T)),
        rules=rules,
        labels=labels,
    )


def _check_shapes(observed: Array, soft: Array, truth: Array) -> None:
    shapes = [tuple(array.shape) for array in (observed, soft, truth)]
    if len(set(shapes)) > 1 or len(shapes[0]) != 2:
        raise ValueError(f"three (N, L) arrays of one shape are needed, found {shapes[0]}, {shapes[1]} and {shapes[2]}")
    if 0 in shapes[0]:
        raise ValueError("the risk of no samples or no labels is not defined")
