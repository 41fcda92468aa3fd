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
    sample, cleanlab judges the sample as a whole (`find_multilabel_issues` semantics of `filter.find_label_issues`).
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
        issues = find_issues(task, task.soften(fitted["cross-noisy"].held_out()))
        kept = np.flatnonzero(task.train.trusted | ~issues)
        fit = task.train_model(task.train.labels, rows=kept)
        fit.remarks = [f"{len(task.train) - len(kept)} of {len(task.train)} training samples were dropped"]
        return fit


def find_issues(task: Task, probabilities: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which training samples (N,) have a label issue according to cleanlab."""
    from cleanlab.filter import find_label_issues

    labels = task.train.labels
    counts = np.diff(labels.indptr)
    if not task.exclusive:
        sets = [part.tolist() for part in np.split(labels.indices, labels.indptr[1:-1])]
        return np.asarray(find_label_issues(sets, probabilities, multi_label=True, n_jobs=1), bool)
    issues = np.zeros(len(task.train), bool)
    known = np.flatnonzero(counts == 1)  # an unlabelled sample has no label to be wrong
    issues[known] = find_label_issues(labels[known].indices, probabilities[known], n_jobs=1)
    return issues
