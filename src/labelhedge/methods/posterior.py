"""P(y* | observed labels, predictions, relations): learned where both labels are known, or estimated without them.

features = pair_features(observed, [held_out_logits], siblings)       # (n, L, d)
posterior = fit_posterior(features, observed, truth)
posterior.probabilities(pair_features(...), observed)                 # (B, L)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.optimize
import scipy.sparse
import scipy.stats

from labelhedge.labels import soften

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]

LIMIT = 10.0
"""Logits are clipped to this size: a teacher may be sure, but not infinitely."""


def pair_features(observed: Bools, views: Sequence[Floats], siblings: scipy.sparse.csr_array) -> Floats:
    """What is known of each (sample, label) pair, beside the label itself.

    Parameters
    ----------
    observed : (n, L) bool
    views : sequence of (n, L) logits
        Predictions by models that have not seen the samples.
    siblings : (L, L) csr_array of bool
        See :meth:`labelhedge.graph.LabelGraph.sibling_matrix`.

    Returns
    -------
    (n, L, 3 + 6 V) float64
        The label is observed; any label is; a sibling is. For each view: its logit, the logit where the label is
        observed, the largest logit of another label, the expected number of labels, the largest logit of a sibling, and
        that of another observed label.
    """
    y = observed.astype(np.float64)
    related = np.flatnonzero(np.diff(siblings.indptr))

    def over_siblings(values: Floats, otherwise: float) -> Floats:
        best = np.full(values.shape, otherwise)
        if len(related):
            best[:, related] = np.maximum.reduceat(values[:, siblings.indices], siblings.indptr[related], axis=1)
        return best

    features = [y, np.broadcast_to(y.any(1, keepdims=True), y.shape), over_siblings(y, 0.0)]
    for view in views:
        z = np.clip(view.astype(np.float64), -LIMIT, LIMIT)
        expected = np.broadcast_to(soften(z).sum(1, keepdims=True), z.shape)
        where_observed = np.where(observed, z, -LIMIT)
        features += [z, z * y, _of_others(z), expected, over_siblings(z, -LIMIT), _of_others(where_observed)]
    return np.stack(features, axis=2)


def _of_others(values: Floats) -> Floats:
    """The largest value of the row's other entries (n, L)."""
    if values.shape[1] == 1:
        return np.full(values.shape, -LIMIT)
    second, first = np.partition(values, -2, axis=1)[:, -2:].T
    result: Floats = np.where(values == first[:, None], second[:, None], first[:, None])
    return result


@dataclass(frozen=True)
class Posterior:
    """A logistic model of all (sample, label) pairs together; over labels where they exclude each other.

    The logit of label m is w · features_m + b + u_m + Σ_j B[m, j] y_j: B's diagonal tells how far a label is believed
    where it is observed, the rest what else the image is then likely to be.
    """

    mean: Floats
    scale: Floats
    slopes: Floats
    intercept: float
    labels: Floats
    observed: Floats
    exclusive: bool

    def logits(self, features: Floats, observed: Bools) -> Floats:
        """Posterior logits (n, L) of features (n, L, d) and observed labels (n, L)."""
        standard = (features - self.mean) / self.scale
        result: Floats = standard @ self.slopes + self.intercept + self.labels + observed @ self.observed.T
        return result

    def probabilities(self, features: Floats, observed: Bools) -> npt.NDArray[np.float32]:
        """P(y* = 1), (n, L) float32; rows sum to one where labels exclude each other."""
        values: Floats = soften(self.logits(features, observed), exclusive=self.exclusive)
        return values.astype(np.float32)


def fit_posterior(
    features: Floats,
    observed: Bools,
    truth: Bools,
    *,
    exclusive: bool = False,
    penalty: float = 3.0,
    label_penalty: float = 2.0,
    confusion_penalty: float = 10.0,
) -> Posterior:
    """Fit a `Posterior` by penalised maximum likelihood (L-BFGS).

    Parameters
    ----------
    features : (n, L, d)
    observed, truth : (n, L) bool
    exclusive : bool
    penalty, label_penalty, confusion_penalty : float >= 0
        Half of each multiplies the squares of the slopes of standardised features, of the effects of labels (u and B's
        diagonal), and of the rest of B.
    """
    count, size = truth.shape[1], features.shape[2]
    mean, scale = features.mean((0, 1)), features.std((0, 1))
    scale = np.where(scale > 1e-6, scale, 1.0)
    standard = np.ascontiguousarray((features - mean) / scale)
    flat = standard.reshape(-1, size)
    y, t = observed.astype(np.float64), truth.astype(np.float64)
    confusion = np.full((count, count), confusion_penalty)
    np.fill_diagonal(confusion, label_penalty)
    penalties = np.concatenate([np.full(size, penalty), [0.0], np.full(count, label_penalty), confusion.ravel()])

    def unpack(parameters: Floats) -> tuple[Floats, float, Floats, Floats]:
        slopes, rest = parameters[:size], parameters[size + 1 :]
        return slopes, float(parameters[size]), rest[:count], rest[count:].reshape(count, count)

    def objective(parameters: Floats) -> tuple[float, Floats]:
        slopes, intercept, labels, pairs = unpack(parameters)
        z = standard @ slopes + intercept + labels + y @ pairs.T  # (n, L)
        p = soften(z, exclusive=exclusive)
        if exclusive:
            shifted = z - z.max(1, keepdims=True)
            cost = float((np.log(np.exp(shifted).sum(1)) - (t * shifted).sum(1)).sum())
        else:
            cost = float((np.logaddexp(0, z) - t * z).sum())
        residual = p - t
        gradient = np.concatenate(
            [flat.T @ residual.ravel(), [residual.sum()], residual.sum(0), (residual.T @ y).ravel()]
        )
        return cost + 0.5 * float(penalties @ parameters**2), gradient + penalties * parameters

    found = scipy.optimize.minimize(
        objective, np.zeros(len(penalties)), jac=True, method="L-BFGS-B", options={"maxiter": 300}
    )
    slopes, intercept, labels, pairs = unpack(found.x)
    return Posterior(mean, scale, slopes, intercept, labels, pairs, exclusive)


class CleanSet(NamedTuple):
    """What the clean set tells about the noise: see `examine_clean_set`.

    ``wrong`` of ``labelled`` observed labels of D_c are not verified. ``area`` and ``p_value``: how much more a teacher
    believes the observed labels of D_c than those elsewhere.
    """

    wrong: int
    labelled: int
    area: float
    p_value: float
    fewer: bool

    @property
    def shows_noise(self) -> bool:
        """Whether the noise can be learned on D_c; the constants are the test that the docstring states."""
        if self.fewer:
            return False
        if self.wrong > max(2, 0.02 * self.labelled):
            return True
        return self.labelled >= 100 and self.p_value >= 0.01

    def __str__(self) -> str:
        if self.fewer:
            return "the checked images carry observed labels less than half as often as the others"
        if self.p_value >= 0.01:
            return f"{self.wrong} of {self.labelled} observed labels of the checked images are wrong, too few to tell"
        return (
            f"{self.wrong} of {self.labelled} observed labels of the checked images are wrong, and a teacher believes "
            f"them more than those of other images in {self.area:.0%} of pairs (p = {self.p_value:.1g})"
        )


def examine_clean_set(logits: Floats, observed: Bools, verified: Bools, trusted: Bools) -> CleanSet:
    """Is the clean set a random part of the noisy data, so that it shows how labels err?

    - Where wrong observed labels are among the checked ones (more than two, and than 2%), they are there to learn from.
    - Where there are none, either the data has none, or they were thrown away, or clean images come from elsewhere.
      A teacher tells: of a random part it believes the observed labels, all samples held out, as much as of the rest.
      The test is Mann and Whitney's, one-sided, on each sample's mean logit at its observed labels; p < 0.01, or fewer
      than 100 observed labels, which are too few to tell, and the clean set is not learned from.
    - Where checked images carry observed labels far less often than others (half as often, p < 0.001), they were not
      labelled by the process whose noise is wanted.

    Parameters
    ----------
    logits : (N, L)
        Of a teacher trained on D_c, each sample held out.
    observed, verified : (N, L) bool
        Rows of `verified` count where trusted.
    trusted : (N,) bool
    """
    labelled = observed.any(1)
    wrong = int((observed & ~verified)[trusted].sum())
    count = int(observed[trusted].sum())
    table = np.array([[(labelled & side).sum(), (~labelled & side).sum()] for side in (trusted, ~trusted)])
    shares = table[:, 0] / np.maximum(table.sum(1), 1)
    fewer = bool(shares[0] < 0.5 * shares[1]) and float(scipy.stats.fisher_exact(table).pvalue) < 1e-3
    believed = (logits * observed).sum(1)[labelled] / observed.sum(1)[labelled]
    inside, outside = believed[trusted[labelled]], believed[~trusted[labelled]]
    if not (len(inside) and len(outside)):
        return CleanSet(wrong, count, 0.5, 1.0, fewer)
    test = scipy.stats.mannwhitneyu(inside, outside, alternative="greater")
    return CleanSet(wrong, count, float(test.statistic) / (len(inside) * len(outside)), float(test.pvalue), fewer)


def calibrate(views: Floats, truth: Bools, *, exclusive: bool = False) -> tuple[Floats, float]:
    """Slopes (V,) and an offset that make Σ_v slope_v views_v + offset likely: Platt scaling, of several models.

    A weak penalty holds the slopes near 1/V, so that samples that are told apart perfectly have an end. Of exclusive
    labels an offset changes nothing, and is 0.

    Parameters
    ----------
    views : (V, n, L) logits
    truth : (n, L) bool
    exclusive : bool
    """
    equal = 1 / len(views)

    def cost(parameters: Floats) -> tuple[float, Floats]:
        slopes, offset = parameters[:-1], parameters[-1]
        z = np.tensordot(slopes, views, 1) + offset  # (n, L)
        if exclusive:
            shifted = z - z.max(1, keepdims=True)
            likelihood = (truth * shifted).sum() - np.log(np.exp(shifted).sum(1)).sum()
        else:
            likelihood = (truth * z - np.logaddexp(0, z)).sum()
        surprise = soften(z, exclusive=exclusive) - truth  # (n, L)
        pull = offset if exclusive else 0.0
        held = 0.5 * float(((slopes - equal) ** 2).sum() + pull**2)
        slope = np.append(np.tensordot(views, surprise, 2) + slopes - equal, surprise.sum() + pull)
        return float(held - likelihood) / truth.size, slope / truth.size

    found = scipy.optimize.minimize(cost, np.array([equal] * len(views) + [0.0]), jac=True, options={"gtol": 1e-7}).x
    return found[:-1], float(found[-1])


@dataclass(frozen=True)
class NoiseRates:
    """How labels are observed given the truth, estimated without any sample of which both are known.

    Many labels: ``kept`` P(y = 1 | y* = 1), ``gained`` P(y = 1 | y* = 0), ``shift`` of the prior logit, each (L,).
    Exclusive labels: ``transition`` P(y = j | y* = i), (L, L).
    """

    kept: Floats | None = None
    gained: Floats | None = None
    shift: Floats | None = None
    transition: Floats | None = None

    def probabilities(self, logits: Floats, observed: Bools) -> npt.NDArray[np.float32]:
        """P(y* = 1 | y, x), (n, L), from calibrated logits of P(y* | x) and observed labels."""
        if self.transition is not None:
            likelihood = np.where(observed.any(1, keepdims=True), observed @ np.log(self.transition).T, 0.0)
            joint: Floats = soften(logits + likelihood, exclusive=True)
            return joint.astype(np.float32)
        assert self.kept is not None
        assert self.gained is not None
        assert self.shift is not None
        evidence = np.where(observed, np.log(self.kept / self.gained), np.log((1 - self.kept) / (1 - self.gained)))
        values: Floats = soften(logits + self.shift + evidence)
        return values.astype(np.float32)


def estimate_noise(
    logits: Floats, observed: Bools, *, exclusive: bool = False, prior: float = 20.0, rounds: int = 100
) -> NoiseRates:
    """Estimate noise rates by expectation maximisation, with calibrated P(y* | x) held fixed.

    Parameters
    ----------
    logits : (n, L)
        Calibrated, of samples with noisy labels.
    observed : (n, L) bool
    exclusive : bool
    prior : float
        Strength of the pooled rates in each label's, in samples.
    rounds : int
    """
    y = observed.astype(np.float64)
    if exclusive:
        return _estimate_transition(logits[y.any(1)], y[y.any(1)], prior, rounds)
    count = y.shape[1]
    rates = NoiseRates(np.full(count, 0.7), np.full(count, 0.02), np.zeros(count))
    for _ in range(rounds):
        assert rates.shift is not None
        q = rates.probabilities(logits, observed).astype(np.float64)
        missed = (1 - q) * y
        pooled_kept = (q * y).sum() / max(q.sum(), 1e-9)
        pooled_gained = missed.sum() / max((1 - q).sum(), 1e-9)
        kept = ((q * y).sum(0) + prior * pooled_kept) / (q.sum(0) + prior)
        gained = (missed.sum(0) + 5 * prior * pooled_gained) / ((1 - q).sum(0) + 5 * prior)
        p = soften(logits + rates.shift)  # one Newton step towards the prior of these samples, held near none
        gradient = (q - p).sum(0) - 0.2 * prior * rates.shift
        shift = np.clip(rates.shift + gradient / ((p * (1 - p)).sum(0) + 0.2 * prior), -3, 3)
        rates = NoiseRates(np.clip(kept, 0.01, 0.999), np.clip(gained, 1e-4, 0.99), shift)
    return rates


def _estimate_transition(logits: Floats, y: Floats, prior: float, rounds: int) -> NoiseRates:
    count = logits.shape[1]
    transition = np.full((count, count), 0.3 / max(count - 1, 1))
    np.fill_diagonal(transition, 0.7)
    for _ in range(rounds):
        q = soften(logits + y @ np.log(transition).T, exclusive=True)
        transition = transition_rates(q.T @ y, prior)
    return NoiseRates(transition=transition)


def transition_rates(pairs: Floats, prior: float = 20.0) -> Floats:
    """P(y = j | y* = i), (L, L), from counts of pairs (L, L), expected ones too.

    The shares of right labels and of wrong ones, all labels together, are in each row as if seen ``prior`` times.
    """
    count = len(pairs)
    diagonal = np.trace(pairs) / max(pairs.sum(), 1e-9)
    pooled = np.full((count, count), (1 - diagonal) / max(count - 1, 1))
    np.fill_diagonal(pooled, diagonal)
    rates: Floats = np.clip((pairs + prior * pooled) / (pairs.sum(1, keepdims=True) + prior), 1e-6, None)
    return rates
