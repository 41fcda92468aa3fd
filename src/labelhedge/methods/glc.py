"""Gold loss correction (Hendrycks et al., NeurIPS 2018): the noise is measured on the clean set, and corrected for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from labelhedge.methods.base import Method
from labelhedge.training import Fit, Objective, SampleNumbers, Task, on_device, trusted_apart

_LEAST = 1e-20  # where a probability is clamped nothing is learned


class GoldLossCorrection(Method):
    """Train on D_n with predictions passed through a corruption matrix Ĉ, and on D_c as usual.

    Ĉ[i, j], the mean over trusted samples with true label i of the probability of j under a model trained on D_n alone.
    Generalised to many labels a sample: a 2 x 2 matrix per label, so that
    P(y_m = 1 | x) = Ĉ_m[1] p_m + Ĉ_m[0] (1 - p_m). A label that no trusted sample has, or that all have, is not
    corrected; where labels exclude each other the matrix is L x L as in the paper.
    """

    name: ClassVar[str] = "glc"
    about: ClassVar[str] = "gold loss correction: noise measured on the checked images (Hendrycks et al. 2018)"
    needs_clean_set: ClassVar[bool] = True
    needs_untrusted: ClassVar[bool] = True

    @property
    def needs(self) -> tuple[str, ...]:
        """A model that has seen noisy labels only."""
        return ("silver",)

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Measure the corruption, then train through it."""
        rows = np.flatnonzero(task.train.trusted)
        truth, predicted = task.train.verified[rows].toarray(), fitted["silver"].scores(task.train)[rows]
        measure = exclusive_corruption if task.exclusive else corruption
        return task.train_model(ForwardCorrection(task, measure(truth, predicted)))


class ForwardCorrection(Objective):
    """Predictions are passed through a corruption before they meet the observed labels of untrusted samples.

    Parameters
    ----------
    task : Task
    corrupted : (2, L), or (L, L) where labels exclude each other
        P(y_m = 1 | y*_m = 0) and P(y_m = 1 | y*_m = 1); or P(y = j | y* = i).
    """

    corruption: Tensor

    def __init__(self, task: Task, corrupted: npt.NDArray[np.floating[Any]]) -> None:
        super().__init__()
        self.labels, self.trusted, self.exclusive = task.train.labels, task.train.trusted, task.exclusive
        self.register_buffer("corruption", torch.from_numpy(corrupted).float())

    def loss(self, logits: Tensor, samples: SampleNumbers) -> Tensor:
        """The cost of logits (B, L): cross entropy for trusted samples, that of the corrupted prediction for others."""
        labels = on_device(self.labels[samples].toarray(), logits)
        return trusted_apart(logits, labels, self.trusted[samples], self._silver, exclusive=self.exclusive)

    def _silver(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.exclusive:
            predicted = (logits.softmax(1) @ self.corruption).clamp_min(_LEAST)
            return -(labels * predicted.log()).sum(1).mean()
        no, yes = self.corruption[0], self.corruption[1]  # (L,) each
        p, rest = logits.sigmoid(), (-logits).sigmoid()  # 1 - p, exact where p is near 1
        present, absent = yes * p + no * rest, (1 - yes) * p + (1 - no) * rest
        costs = labels * present.clamp_min(_LEAST).log() + (1 - labels) * absent.clamp_min(_LEAST).log()
        return -costs.sum(1).mean()


def corruption(truth: npt.NDArray[np.bool_], predicted: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """P(y = 1 | y* = 0) and P(y = 1 | y* = 1) of every label, (2, L), from truth and predictions (n, L)."""
    result = np.empty((2, truth.shape[1]))
    for value in (0, 1):
        chosen = truth == bool(value)
        counts = chosen.sum(axis=0)
        means = (predicted * chosen).sum(axis=0) / np.maximum(counts, 1)
        result[value] = np.where(counts > 0, means, value)
    unknown = truth.all(axis=0) | ~truth.any(axis=0)
    result[:, unknown] = np.array([[0.0], [1.0]])
    return result


def exclusive_corruption(truth: npt.NDArray[np.bool_], predicted: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Ĉ (L, L) for one label a sample; the identity in rows of labels that no sample has."""
    counts = truth.sum(axis=0)
    means = truth.T.astype(np.float64) @ predicted / np.maximum(counts, 1)[:, None]
    return np.where(counts[:, None] > 0, means, np.eye(truth.shape[1]))
