"""Fine-tuning: Baseline-Clean's weights, trained on with the noisy data (Table 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from labelhedge.corpus.views import Sight
from labelhedge.methods.base import Method
from labelhedge.training import Fit, Task


class Finetune(Method):
    """Start from the weights of `clean`, then train as `noisy` does.

    It has the teacher's training on top of its own: twice the steps of `noisy` in all.
    """

    name: ClassVar[str] = "finetune"
    about: ClassVar[str] = "starts from clean's weights, then trained as noisy"
    sight: ClassVar[Sight] = "labels"

    @property
    def needs(self) -> tuple[str, ...]:
        """The model to start from."""
        return ("clean",)

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Train on all samples."""
        (network,) = fitted["clean"].classifier.networks
        return task.train_model(task.train.labels, initial=network.state_dict())
