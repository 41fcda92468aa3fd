"""The posterior of `hedge` where the clean set does not show the noise: noise rates are estimated without it.

In as many rounds as where it is learned. Networks' logits are calibrated on dev, a slope each and an offset: that gives
P(y* | x). Noise rates follow by expectation maximisation on untrusted samples. Teachers, trained on D_c alone, have
seen none of these, so the mean of all is used. In the second round networks trained on the first posterior, each
without its fold, are a further view. Two students are trained, on the posterior and on half of it with half the
observed label, which a wrong estimate harms less; dev chooses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from labelhedge.methods.hedge_networks import ENOUGH, CrossFitted, Lesson, Soft, View
from labelhedge.methods.posterior import LIMIT, calibrate, estimate_noise
from labelhedge.training import SampleNumbers, Targets


def estimated(networks: CrossFitted, rounds: int) -> list[Lesson]:
    """The posterior by estimated noise rates, and half of it with half the labels."""
    task, folds = networks.task, networks.folds
    dev = networks.some(networks.some_pairs(np.arange(len(task.dev.truth))), ENOUGH // folds)
    average = np.mean([teacher.dev(dev) for teacher in networks.teachers], axis=0)  # (n, L)
    posterior = _estimate(networks, "posterior-1", [_average(networks)], [average], dev)
    if rounds == 2:
        second = networks.second_round([networks.plain(posterior)] * folds)
        on_dev = [np.tile(average, (folds, 1)), np.concatenate([network.dev(dev) for network in second])]
        views = [_average(networks), networks.own(second)]
        posterior = _estimate(networks, "posterior-2", views, on_dev, np.tile(dev, folds))

    def half(samples: SampleNumbers) -> Soft:
        whole, labels = posterior(samples), task.train.labels[samples].toarray().astype(np.float32)
        unlabelled = task.exclusive & ~labels.any(1, keepdims=True)  # such a sample has no half to keep
        return np.where(unlabelled, whole, 0.5 * labels + 0.5 * whole)

    return [networks.plain(posterior), networks.plain(half)]


def _average(networks: CrossFitted) -> View:
    """The mean of the teachers; of a sample that some have seen, the prediction of the one that has not."""
    own = networks.own(networks.teachers)
    return lambda samples: np.where(
        networks.seen[samples, None],
        own(samples),
        np.mean([teacher(samples) for teacher in networks.teachers], axis=0),
    )


def _estimate(
    networks: CrossFitted, name: str, views: Sequence[View], on_dev: Sequence[Soft], dev: SampleNumbers
) -> Targets:
    """The posterior from views of all samples, and their logits (n, L) on dev samples (n,), to calibrate them there."""
    task, train = networks.task, networks.task.train
    stacked = np.stack(on_dev).clip(-LIMIT, LIMIT).astype(np.float64)  # (V, n, L)
    slopes, offset = calibrate(stacked, task.dev.truth[dev], exclusive=task.exclusive)

    def calibrated(samples: SampleNumbers) -> npt.NDArray[np.float64]:
        values = np.stack([view(samples) for view in views]).clip(-LIMIT, LIMIT).astype(np.float64)
        return np.tensordot(slopes, values, 1) + offset

    untrusted = networks.some_pairs(networks.some(np.flatnonzero(~train.trusted)))
    rates = estimate_noise(calibrated(untrusted), networks.observed(untrusted), exclusive=task.exclusive)

    def targets(samples: SampleNumbers) -> Soft:
        result = rates.probabilities(calibrated(samples), networks.observed(samples))
        known = train.trusted[samples]
        result[known] = networks.verified(samples[known])
        return result

    return task.keep(name, targets)
