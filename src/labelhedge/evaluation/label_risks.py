"""Risks, cross term and λ of every label by itself: the half of `analyse_risk` that goes label by label.

    found = analyse_risk(observed, soft, truth).labels
    found.cross.value, found.independent             # (L,): does Proposition 1 hold for this label?

A label's d_y, d_s and C are those of :mod:`.risks`, of one column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelhedge.evaluation.bootstrap import Estimate, bootstrap_means, estimate, label_blocks, may_be_zero
from labelhedge.evaluation.parabola import correlation_of, exact_weights, pseudo_label_risk

FloatArray = npt.NDArray[np.float64]


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
    noise_shown : (L,) bool
        Whether any observed label is wrong. Where none is, nothing is known of C.
    independent, independent_given_truth : (L,) bool
        Whether C, and whether C - C_0, may be 0: its interval contains 0. A label with fewer than four wrong
        observed labels cannot be told from one with C = 0, and of many labels 1 in 20 is told apart by chance.
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

    @property
    def noise_shown(self) -> npt.NDArray[np.bool_]:
        """By label, whether any observed label is wrong."""
        return self.observed.value > 0

    @property
    def independent(self) -> npt.NDArray[np.bool_]:
        """By label, whether C may be 0, as Proposition 1 assumes."""
        return np.asarray(may_be_zero(self.cross))

    @property
    def independent_given_truth(self) -> npt.NDArray[np.bool_]:
        """By label, whether C - C_0 may be 0."""
        return np.asarray(may_be_zero(self.cross_shared))


def analyse_labels(
    observed: npt.NDArray[Any],
    soft: npt.NDArray[Any],
    truth: npt.NDArray[Any],
    weights: Mapping[str, float],
    resamples: int,
    seed: int,
) -> tuple[LabelRisks, FloatArray]:
    """Every label by itself, and the draws (B,) of the C_0 of all; arguments as :func:`.analyse_risk` checked them."""
    parts = [
        _analyse_block(observed[:, block], soft[:, block], truth[:, block], weights, resamples, seed)
        for block in label_blocks(*observed.shape)
    ]
    drawn_independent = np.sum([drawn_of_block for _, drawn_of_block in parts], axis=0)  # (B,)
    return _join([part for part, _ in parts]), drawn_independent


def _analyse_block(
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
    products = products_of(observed, soft, truth)  # (8, N, K)
    kinds, count, width = products.shape
    flat = products.transpose(1, 0, 2).reshape(count, kinds * width)
    several = bootstrap_means(flat, resamples, seed).reshape(resamples, kinds, width).transpose(1, 0, 2)  # (8, B, K)
    single = products.mean(axis=1)  # (8, K)
    independent, drawn_independent = _independent_cross(*single[3:]), _independent_cross(*several[3:])  # (K,), (B, K)
    means, drawn = single[:3], several[:3]
    labels = LabelRisks(
        positives=np.count_nonzero(truth, axis=0).astype(np.int64),
        observed=estimate(means[0], drawn[0]),
        soft=estimate(means[1], drawn[1]),
        cross=estimate(means[2], drawn[2]),
        cross_independent=estimate(independent, drawn_independent),
        cross_shared=estimate(means[2] - independent, drawn[2] - drawn_independent),
        correlation=estimate(correlation_of(*means), correlation_of(*drawn)),
        weight_risk=estimate(exact_weights(means[0], means[1], 0.0), exact_weights(drawn[0], drawn[1], 0.0)),
        weight_exact=estimate(exact_weights(*means), exact_weights(*drawn)),
        pseudo={
            name: estimate(pseudo_label_risk(weight, *means), pseudo_label_risk(weight, *drawn))
            for name, weight in weights.items()
        },
    )
    return labels, drawn_independent.sum(axis=1)


def products_of(observed: npt.NDArray[Any], soft: npt.NDArray[Any], truth: npt.NDArray[Any]) -> FloatArray:
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
