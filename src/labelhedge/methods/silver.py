"""Trained on the untrusted samples alone: what gold loss correction compares the clean set with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from labelhedge.methods.base import Method
from labelhedge.training import Fit, Task


class Silver(Method):
    """Train on D_n with observed labels. It has seen no verified label, so its errors on D_c are those of the noise."""

    name: ClassVar[str] = "silver"
    about: ClassVar[str] = "trained on the unchecked images alone"
    auxiliary: ClassVar[bool] = True
    needs_untrusted: ClassVar[bool] = True

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Train on untrusted samples only."""
        untrusted = np.flatnonzero(~task.train.trusted)
        return task.train_model(task.train.observed, rows=untrusted)
