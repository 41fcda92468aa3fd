"""What training minimises. Most methods differ in their targets alone; the others write an objective of their own.

    loss = CrossEntropy(targets)(network, batch, samples)

An objective is a module: its parameters are trained along with the network (a noise layer's matrix), its buffers are
its memory (an average of past predictions), and both are kept in checkpoints, so that resuming stays exact.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

SampleNumbers = npt.NDArray[np.int64]
"""(B,) positions in the training set."""

Targets = Callable[[SampleNumbers], npt.NDArray[Any]]
"""From sample numbers (B,) to targets (B, L) in [0, 1]."""


class Objective(nn.Module, ABC):
    """A loss that training minimises.

    Subclasses write `loss`, from logits to a scalar; one that needs more than the logits writes `forward`. Where
    training is in mixed precision, the network is computed in bfloat16 and the loss in float32: in bfloat16 a
    probability of 0.999 is 1, and its complement has no logarithm.
    """

    def forward(self, network: nn.Module, batch: Tensor, samples: SampleNumbers) -> Tensor:
        """The loss of a prepared batch (B, ...) of training samples (B,)."""
        logits: Tensor = network(batch)
        with torch.autocast(logits.device.type, enabled=False):
            return self.loss(logits.float(), samples)

    @abstractmethod
    def loss(self, logits: Tensor, samples: SampleNumbers) -> Tensor:
        """The loss of logits (B, L) of training samples (B,)."""

    def trained(self) -> list[nn.Parameter]:
        """The parameters that the network's optimizer trains along."""
        return list(self.parameters())


class CrossEntropy(Objective):
    """Eq. 3, or Eq. 4 where the targets are pseudo labels.

    Parameters
    ----------
    targets : function from sample numbers (B,) to targets (B, L) in [0, 1]
    exclusive : bool
        The labels exclude each other: see `cross_entropy`.
    """

    def __init__(self, targets: Targets, *, exclusive: bool = False) -> None:
        super().__init__()
        self.targets, self.exclusive = targets, exclusive

    def loss(self, logits: Tensor, samples: SampleNumbers) -> Tensor:
        """The cross entropy of logits (B, L), mean over samples."""
        return cross_entropy(logits, on_device(self.targets(samples), logits), exclusive=self.exclusive)


def cross_entropy(logits: Tensor, targets: Tensor, *, exclusive: bool = False) -> Tensor:
    """Multi-label cross entropy with logits, summed over labels, mean over samples (Eq. 3).

    With pseudo labels as targets this is Eq. 4, by linearity of the cross entropy in its targets. Where labels exclude
    each other, the categorical cross entropy of the softmax; a row of zeros (an unlabelled sample) then costs nothing.

    Parameters
    ----------
    logits : (B, L)
    targets : (B, L) in [0, 1]
    exclusive : bool
    """
    return elementwise_cross_entropy(logits, targets, exclusive=exclusive).sum(1).mean()


def elementwise_cross_entropy(logits: Tensor, targets: Tensor, *, exclusive: bool = False) -> Tensor:
    """The terms (B, L) whose sum over labels is `cross_entropy` of each sample."""
    if exclusive:
        return -targets * logits.log_softmax(1)
    return nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def trusted_apart(
    logits: Tensor,
    labels: Tensor,
    trusted: npt.NDArray[np.bool_],
    noisy_cost: Callable[[Tensor, Tensor], Tensor],
    *,
    exclusive: bool = False,
) -> Tensor:
    """The cross entropy of trusted samples and another cost of the others, mean over all.

    Parameters
    ----------
    logits, labels : (B, L)
    trusted : (B,) bool
    noisy_cost : function from logits and labels (b, L) of untrusted samples to their mean cost
    exclusive : bool
    """
    gold = torch.from_numpy(trusted).to(logits.device)
    share = float(trusted.mean())
    total = logits.new_zeros(())
    if share > 0:
        total = total + share * cross_entropy(logits[gold], labels[gold], exclusive=exclusive)
    if share < 1:
        total = total + (1 - share) * noisy_cost(logits[~gold], labels[~gold])
    return total


def on_device(array: npt.NDArray[Any], like: Tensor) -> Tensor:
    """An array as a float32 tensor where another tensor is."""
    return torch.as_tensor(array, dtype=torch.float32).to(like.device)
