"""Importance re-weighting (Liu and Tao, TPAMI 2016, arXiv 1411.7718): each label counts as much as it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field
from torch import Tensor

from labelhedge.methods.base import Method
from labelhedge.training import Fit, Objective, SampleNumbers, Task, elementwise_cross_entropy, on_device

Array = npt.NDArray[np.floating[Any]]


class Reweight(Method):
    """Train on observed labels weighted by β = P(y* = y | x) / P(y | x), estimated from Baseline-Noisy.

    With noise rates ρ₊ = P(y = 0 | y* = 1) and ρ₋ = P(y = 1 | y* = 0) of a label, an observed y weighs
    β = (P(y | x) - ρ of the other value) / ((1 - ρ₊ - ρ₋) P(y | x)), not below 0. The rates are the least
    P(y = 0 | x) and P(y = 1 | x) among the training samples, as they propose; ``quantile`` above 0 takes that quantile
    instead of the least, which a single odd sample cannot move. The paper is for one binary label: here it is applied
    per label; where labels exclude each other, with a transition matrix whose rows are the predictions at the sample
    that is most surely of each label (``quantile`` does not apply), inverted. The predictions are of samples that
    Baseline-Noisy was trained on, as in the paper. A weight is capped at ``cap``. Trusted
    samples weigh 1.
    """

    name: ClassVar[str] = "reweight"
    about: ClassVar[str] = "labels weighted by how much a noisy model believes them (Liu and Tao 2016)"

    quantile: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    cap: Annotated[float, Field(gt=0)] = 10.0

    @property
    def needs(self) -> tuple[str, ...]:
        """The model that tells the noise rates."""
        return ("noisy",)

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Train on weighted labels."""
        return task.train_model(_Weighted(task, fitted["noisy"].scores(task.train), self))


class _Weighted(Objective):
    def __init__(self, task: Task, predicted: Array, settings: Reweight) -> None:
        super().__init__()
        self.labels, self.trusted, self.exclusive = task.train.labels, task.train.trusted, task.exclusive
        self.predicted, self.cap = predicted, settings.cap
        if self.exclusive:
            self.transition = transition_matrix(predicted)
        else:
            self.rates = noise_rates(predicted, settings.quantile)

    def loss(self, logits: Tensor, samples: SampleNumbers) -> Tensor:
        observed = self.labels[samples].toarray()  # (B, L)
        if self.exclusive:
            weights = exclusive_weights(observed, self.predicted[samples], self.transition)
        else:
            weights = importance_weights(observed, self.predicted[samples], *self.rates)
        weights = np.minimum(weights, self.cap)
        weights[self.trusted[samples]] = 1
        costs = elementwise_cross_entropy(logits, on_device(observed, logits), exclusive=self.exclusive)
        return (on_device(weights, logits) * costs).sum(1).mean()


def noise_rates(predicted: Array, quantile: float = 0.0) -> tuple[Array, Array]:
    """ρ₊ and ρ₋ (L,) from P(y = 1 | x) (N, L): the least P(y = 0 | x) and P(y = 1 | x), or a low quantile of them."""
    columns = (predicted[:, label] for label in range(predicted.shape[1]))  # no second array of (N, L)
    ends = np.array([np.quantile(column, [1 - quantile, quantile]) for column in columns])  # (L, 2)
    return 1 - ends[:, 0], ends[:, 1]


def importance_weights(observed: npt.NDArray[Any], predicted: Array, lost: Array, gained: Array) -> Array:
    """β (B, L) of observed labels (B, L), given P(y = 1 | x) (B, L) and the rates ρ₊, ρ₋ (L,)."""
    believed = np.where(observed, predicted, 1 - predicted)
    other = np.where(observed, gained, lost)
    scale = np.maximum(1 - lost - gained, 1e-6) * np.maximum(believed, 1e-6)
    weights: Array = np.maximum(believed - other, 0) / scale
    return weights


def transition_matrix(predicted: Array) -> Array:
    """P(y = j | y* = i), (L, L): row i is predicted at the sample that is most surely i (an anchor point)."""
    return np.asarray(predicted[predicted.argmax(axis=0)], np.float64)


def exclusive_weights(observed: npt.NDArray[Any], predicted: Array, transition: Array) -> Array:
    """β (B, 1): P(y* = y | x) / P(y | x) for one label a sample, P(y* | x) from the inverse of the transition."""
    true = np.maximum(predicted @ np.linalg.pinv(transition), 0)
    true /= np.maximum(true.sum(axis=1, keepdims=True), 1e-6)
    weights: Array = (observed * true).sum(1, keepdims=True) / np.maximum((observed * predicted).sum(1), 1e-6)[:, None]
    return weights
