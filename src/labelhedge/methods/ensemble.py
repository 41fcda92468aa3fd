"""The two baselines together: the geometric mean of their probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from labelhedge.corpus.views import Sight
from labelhedge.evaluation import accuracy, mean_average_precision
from labelhedge.methods.base import Method
from labelhedge.training import Fit, Task


class Ensemble(Method):
    """sqrt(p_clean p_noisy), two networks at test time (Table 4). Nothing is trained."""

    name: ClassVar[str] = "ensemble"
    about: ClassVar[str] = "clean and noisy together: two networks at prediction time"
    sight: ClassVar[Sight] = "labels"
    by_default: ClassVar[bool] = True

    @property
    def needs(self) -> tuple[str, ...]:
        """Both baselines."""
        return ("clean", "noisy")

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Put the two networks into one classifier."""
        networks = [network for name in self.needs for network in fitted[name].classifier.networks]
        fit = Fit(folder=task.folder, classifier=task.classifier(networks), dev_map=0.0)
        scores = fit.scores(task.dev)
        fit.dev_map = float(mean_average_precision(task.dev.truth, scores))
        fit.dev_accuracy = float(accuracy(task.dev.truth, scores)) if task.exclusive else None
        return fit
