"""Baseline-Clean: trained on the clean set alone. The auxiliary model (teacher) of the methods that hedge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from labelhedge.corpus.views import Sight
from labelhedge.methods.base import Method
from labelhedge.training import Fit, Task


class BaselineClean(Method):
    """Train f_Dc on D_c with verified labels (section 3 of the paper)."""

    name: ClassVar[str] = "clean"
    about: ClassVar[str] = "trained on the checked images alone; the teacher of the methods that hedge"
    sight: ClassVar[Sight] = "clean set"
    by_default: ClassVar[bool] = True
    baseline: ClassVar[bool] = True
    needs_clean_set: ClassVar[bool] = True

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Train on trusted samples only."""
        trusted = np.flatnonzero(task.train.trusted)
        return task.train_model(task.train.verified, rows=trusted)
