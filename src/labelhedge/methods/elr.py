"""Early-learning regularisation (Liu et al., NeurIPS 2020): what is learned early is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from labelhedge.corpus.views import Sight
from labelhedge.methods.base import Method
from labelhedge.training import Fit, Objective, SampleNumbers, Task, cross_entropy, on_device

_LEAST = 1e-4


class EarlyLearning(Method):
    """Cross entropy plus ``strength`` · log(1 - ⟨p, t⟩), t a running mean of the sample's predictions p.

    t ← ``momentum`` t + (1 - ``momentum``) p at each visit, no gradient through it. Generalised to many labels a
    sample: each label is a decision between two classes, ⟨p, t⟩ = p t + (1 - p)(1 - t), and the terms are summed over
    labels as those of the cross entropy are. The defaults are theirs for CIFAR-10, 3 and 0.7; of many labels the
    strength is 0.3: with 3 the pull towards early predictions, nearly all of them "no", wins over rare labels.
    """

    name: ClassVar[str] = "elr"
    about: ClassVar[str] = "early-learning regularisation towards past predictions (Liu et al. 2020)"
    sight: ClassVar[Sight] = "labels"

    strength: Annotated[float | None, Field(ge=0)] = None
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.7

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Train on all samples."""
        strength = (3.0 if task.exclusive else 0.3) if self.strength is None else self.strength
        return task.train_model(Remembered(task, strength, self.momentum))


class Remembered(Objective):
    """The cross entropy with its memory t, (N, L)."""

    memory: Tensor

    def __init__(self, task: Task, strength: float, momentum: float) -> None:
        super().__init__()
        self.labels, self.exclusive = task.train.labels, task.exclusive
        self.strength, self.momentum = strength, momentum
        shape = task.train.labels.shape
        # A label's two classes start alike; of exclusive labels, as in the paper, none has a share yet.
        self.register_buffer("memory", torch.zeros(shape) if task.exclusive else torch.full(shape, 0.5))

    def loss(self, logits: Tensor, samples: SampleNumbers) -> Tensor:
        """The regularised loss of logits (B, L); remembers their predictions."""
        p = (logits.softmax(1) if self.exclusive else logits.sigmoid()).clamp(_LEAST, 1 - _LEAST)
        now = p.detach()
        if self.exclusive:
            now = now / now.sum(1, keepdim=True)
        rows = torch.from_numpy(samples).to(logits.device)
        t = self.momentum * self.memory[rows] + (1 - self.momentum) * now  # (B, L)
        self.memory[rows] = t
        agreement = (p * t).sum(1) if self.exclusive else p * t + (1 - p) * (1 - t)
        observed = on_device(self.labels[samples].toarray(), logits)
        penalty = (1 - agreement).log().sum() / len(samples)
        return cross_entropy(logits, observed, exclusive=self.exclusive) + self.strength * penalty
