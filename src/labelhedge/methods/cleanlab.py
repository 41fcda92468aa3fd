"""Confident learning with the library cleanlab (Northcutt et al., JAIR 2021): label issues are found and dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from labelhedge.methods.base import Method
from labelhedge.training import Fit, Task


class Cleanlab(Method):
    """Drop the samples whose labels cleanlab finds wrong, then train as `noisy` on the others.

    cleanlab is given held-out probabilities of `cross-noisy`. Trusted samples are never dropped. With many labels a
    sample, cleanlab judges each label's two-way decision, and a sample is dropped for any issue, as in its
    `multilabel_classification.filter`. Of labels that all samples have, or none, nothing can be said.
    Where labels exclude each other, cleanlab needs the probabilities (N, L) of the labelled samples in memory.
    """

    name: ClassVar[str] = "cleanlab"
    about: ClassVar[str] = "samples that the library cleanlab finds mislabelled are dropped"
    packages: ClassVar[tuple[str, ...]] = ("cleanlab",)

    @property
    def needs(self) -> tuple[str, ...]:
        """Held-out predictions of noisy models."""
        return ("cross-noisy",)

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Find the issues, drop them, train."""
        issues = find_issues(task, fitted["cross-noisy"].held_out())
        kept = np.flatnonzero(task.train.trusted | ~issues)
        fit = task.train_model(task.train.labels, rows=kept)
        fit.remarks = [f"{len(task.train) - len(kept)} of {len(task.train)} training samples were dropped"]
        return fit


def find_issues(task: Task, logits: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which training samples (N,) have a label issue according to cleanlab, given held-out logits (N, L)."""
    labels = task.train.labels
    if task.exclusive:
        issues = np.zeros(len(task.train), bool)
        known = np.flatnonzero(np.diff(labels.indptr) == 1)  # an unlabelled sample has no label to be wrong
        issues[known] = _issues(labels[known].indices, task.soften(logits[known]))
        return issues
    by_label = labels.tocsc()
    issues = np.zeros(len(task.train), bool)
    for label in range(logits.shape[1]):
        given = np.zeros(len(task.train), np.int64)
        given[by_label.indices[by_label.indptr[label] : by_label.indptr[label + 1]]] = 1
        present = task.soften(logits[:, label])  # (N,)
        issues |= _issues(given, np.stack([1 - present, present], axis=1))
    return issues


def _issues(given: npt.NDArray[np.integer[Any]], probabilities: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    from cleanlab.filter import find_label_issues

    if len(np.unique(given)) < 2:  # which cleanlab refuses
        return np.zeros(len(given), bool)
    return np.asarray(find_label_issues(given, probabilities, n_jobs=1), bool)
