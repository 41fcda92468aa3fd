"""Noise layer (Sukhbaatar et al., arXiv 1406.2080): label switching is absorbed by a layer that is dropped later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from labelhedge.methods.base import Method
from labelhedge.training import Fit, Objective, SampleNumbers, Task, on_device, trusted_apart

_LEAST = 1e-20  # where a probability is clamped nothing is learned


class NoiseLayer(Method):
    """Train the network through a linear layer Q on its probabilities, near the identity at first: p̃ = Q p.

    In the paper p is a softmax and Q[m, n] = P(observed m | true n). Generalised to many labels a sample: p is a
    sigmoid per label, and each row of Q is a distribution over the true labels and two constants, one for "observed
    whatever is true" and one for "never observed": p̃_m = Σ_n Q[m, n] p_n + Q[m, always], which stays in [0, 1]. Both
    forms are linear, hold switching between labels, and are kept stochastic by a softmax over free parameters. Labels
    of trusted samples are known, so they reach the network directly.

    ``identity`` is the diagonal of Q at the start; ``decay`` is the weight of Q's trace in the loss, which keeps the
    network from explaining the noise itself (they keep Q diffuse so too).
    """

    name: ClassVar[str] = "noise-layer"
    about: ClassVar[str] = "a linear layer learns which labels are switched and is dropped (Sukhbaatar et al. 2014)"

    identity: Annotated[float, Field(gt=0, lt=1)] = 0.9
    decay: Annotated[float, Field(ge=0)] = 0.01

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Train network and layer together."""
        return task.train_model(SwitchedLabels(task, self.identity, self.decay))


class SwitchedLabels(Objective):
    """The cross entropy of switched probabilities."""

    def __init__(self, task: Task, identity: float, decay: float) -> None:
        super().__init__()
        self.labels, self.trusted = task.train.labels, task.train.trusted
        self.exclusive, self.decay = task.exclusive, decay
        count = len(task.labels)
        columns = count if self.exclusive else count + 2  # true labels, always, never
        start = torch.full((count, columns), (1 - identity) / max(columns - 1, 1))
        start[range(count), range(count)] = identity
        self.parameter = nn.Parameter(start.log())

    def loss(self, logits: Tensor, samples: SampleNumbers) -> Tensor:
        """The cross entropy of logits (B, L), of trusted samples without the layer."""
        observed = on_device(self.labels[samples].toarray(), logits)
        trace = self.matrix().diagonal().sum()
        costs = trusted_apart(logits, observed, self.trusted[samples], self._cost, exclusive=self.exclusive)
        return costs + self.decay * trace

    def switch(self, logits: Tensor) -> Tensor:
        """Probabilities (B, L) of observed labels from logits (B, L) of true ones."""
        matrix = self.matrix()
        if self.exclusive:
            return logits.softmax(1) @ matrix
        count = logits.shape[1]
        return logits.sigmoid() @ matrix[:, :count].T + matrix[:, count]

    def matrix(self) -> Tensor:
        """Q, (L, L + 2); for exclusive labels its transpose P(observed | true), (L, L). Rows sum to one."""
        return self.parameter.softmax(1)

    def _cost(self, logits: Tensor, observed: Tensor) -> Tensor:
        costs = observed * self.switch(logits).clamp_min(_LEAST).log()
        if not self.exclusive:
            count, matrix = logits.shape[1], self.matrix()
            absent = (-logits).sigmoid() @ matrix[:, :count].T + matrix[:, count + 1]  # 1 - p̃, exact where p̃ is near 1
            costs = costs + (1 - observed) * absent.clamp_min(_LEAST).log()
        return -costs.sum(1).mean()
