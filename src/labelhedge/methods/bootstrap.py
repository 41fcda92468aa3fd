"""Bootstrapping (Eq. 11; Reed et al., arXiv 1412.6596): the labels are hedged with the model's own predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from labelhedge.corpus.views import Sight
from labelhedge.labels import pseudo_labels, soften
from labelhedge.methods.base import Method
from labelhedge.training import Fit, Objective, SampleNumbers, Task, cross_entropy, on_device


class Bootstrap(Method):
    """Train on λ y + (1 - λ) s', s' the current model's prediction, rounded to 0 and 1 where it is ``hard``.

    ``weight`` is λ; the default is that of Reed et al., 0.95, hard 0.8. The gradient flows through a soft s' too, which
    makes this an entropy penalty, as they say. Held fixed, s' would change nothing: the gradient λ y + (1 - λ) s' - s'
    is λ times that of y, and Adam undoes the factor.
    Generalised from one label a sample to many: s' is a sigmoid per label instead of a softmax, and the hard variant
    rounds each label instead of taking the largest; where labels exclude each other it is as in the paper, and a sample
    without a label costs nothing.
    """

    name: ClassVar[str] = "bootstrap"
    about: ClassVar[str] = "labels hedged with the model's own predictions (Reed et al. 2014)"
    sight: ClassVar[Sight] = "labels"

    hard: bool = False
    weight: Annotated[float | None, Field(ge=0, le=1)] = None

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Train with targets that follow the model."""
        weight = (0.8 if self.hard else 0.95) if self.weight is None else self.weight
        return task.train_model(_Bootstrapped(task, weight, self.hard), weight=weight)


class _Bootstrapped(Objective):
    def __init__(self, task: Task, weight: float, hard: bool) -> None:
        super().__init__()
        self.labels, self.exclusive, self.weight, self.hard = task.train.labels, task.exclusive, weight, hard

    def loss(self, logits: Tensor, samples: SampleNumbers) -> Tensor:
        own = soften(logits, exclusive=self.exclusive)  # (B, L)
        if self.hard:
            own = (own == own.amax(1, keepdim=True) if self.exclusive else own > 0.5).float()
        observed = on_device(self.labels[samples].toarray(), logits)
        targets = pseudo_labels(observed, own, self.weight)
        if self.exclusive:
            targets = targets * observed.sum(1, keepdim=True)
        return cross_entropy(logits, targets, exclusive=self.exclusive)
