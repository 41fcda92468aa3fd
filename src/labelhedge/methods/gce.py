"""Generalised cross entropy (Zhang and Sabuncu, NeurIPS 2018): between cross entropy and absolute error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from labelhedge.corpus.views import Sight
from labelhedge.methods.base import Method
from labelhedge.training import Fit, Objective, SampleNumbers, Task, on_device


class GeneralisedCrossEntropy(Method):
    """Train with the loss (1 - p^q) / q, p the probability of the observed label.

    ``q`` near 0 is the cross entropy, 1 the absolute error, which learns slowly but shrugs wrong labels off.
    Generalised to many labels a sample: the loss of each label's two-way decision, summed over labels. The default is
    the paper's 0.7 where labels exclude each other and 0.3 elsewhere: with 0.7 a network of many rare labels learns to
    say no.
    """

    name: ClassVar[str] = "gce"
    about: ClassVar[str] = "generalised cross entropy, a loss that shrugs wrong labels off (Zhang and Sabuncu 2018)"
    sight: ClassVar[Sight] = "labels"

    q: Annotated[float | None, Field(gt=0, le=1)] = None

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Train on all samples."""
        q = (0.7 if task.exclusive else 0.3) if self.q is None else self.q
        return task.train_model(_Generalised(task, q))


class _Generalised(Objective):
    def __init__(self, task: Task, q: float) -> None:
        super().__init__()
        self.labels, self.exclusive, self.q = task.train.labels, task.exclusive, q

    def loss(self, logits: Tensor, samples: SampleNumbers) -> Tensor:
        observed = on_device(self.labels[samples].toarray(), logits)
        return generalised_cross_entropy(logits, observed, self.q, exclusive=self.exclusive)


def generalised_cross_entropy(logits: Tensor, observed: Tensor, q: float, *, exclusive: bool = False) -> Tensor:
    """(1 - p^q) / q of the observed labels (B, L), summed over labels, mean over samples.

    An unlabelled sample of exclusive labels costs nothing.
    """
    if exclusive:
        costs = -observed * (q * logits.log_softmax(1)).expm1() / q
    else:
        log_probability = nn.functional.logsigmoid(torch.where(observed > 0.5, logits, -logits))
        costs = -(q * log_probability).expm1() / q
    return costs.sum(1).mean()
