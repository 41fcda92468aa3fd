"""Baseline-Noisy: trained on everything, with the labels as they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from labelhedge.corpus.views import Sight
from labelhedge.methods.base import Method
from labelhedge.training import Fit, Task


class BaselineNoisy(Method):
    """Train on all of D: verified labels where somebody checked, observed labels elsewhere."""

    name: ClassVar[str] = "noisy"
    about: ClassVar[str] = "trained on all images: checked labels where there are any, noisy ones elsewhere"
    sight: ClassVar[Sight] = "labels"
    by_default: ClassVar[bool] = True
    baseline: ClassVar[bool] = True

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Train on all samples."""
        return task.train_model(task.train.labels)
