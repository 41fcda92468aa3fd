"""Label smoothing (Eq. 9; Szegedy et al., CVPR 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from labelhedge.corpus.views import Sight
from labelhedge.labels import smooth
from labelhedge.methods.base import Method
from labelhedge.training import Fit, Objective, SampleNumbers, Task, cross_entropy, on_device


class LabelSmoothing(Method):
    """Train on λ y + (1 - λ) / L. ``weight`` is λ.

    Where labels exclude each other, a sample without a label costs nothing.
    """

    name: ClassVar[str] = "smooth"
    about: ClassVar[str] = "label smoothing (Szegedy et al. 2016)"
    sight: ClassVar[Sight] = "labels"

    weight: Annotated[float, Field(ge=0, le=1)] = 0.9

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Train on smoothed labels."""
        return task.train_model(_Smoothed(task, self.weight), weight=self.weight)


class _Smoothed(Objective):  # and not targets: smoothed labels tell nothing about which labels are wrong
    def __init__(self, task: Task, weight: float) -> None:
        super().__init__()
        self.labels, self.exclusive, self.weight = task.train.labels, task.exclusive, weight

    def loss(self, logits: Tensor, samples: SampleNumbers) -> Tensor:
        observed = on_device(self.labels[samples].toarray(), logits)
        targets = smooth(observed, self.weight)
        if self.exclusive:
            targets = targets * observed.sum(1, keepdim=True)
        return cross_entropy(logits, targets, exclusive=self.exclusive)
