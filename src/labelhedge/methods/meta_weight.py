"""Meta-Weight-Net (Shu et al., NeurIPS 2019): a small network learns, on the clean set, which losses to trust."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call

from labelhedge.methods.base import Method
from labelhedge.training import (
    Fit,
    Objective,
    SampleNumbers,
    Task,
    cross_entropy,
    derive_seed,
    elementwise_cross_entropy,
    on_device,
)


class MetaWeightNet(Method):
    """Train on losses weighted by V(loss), V learned so that a step on the weighted loss lowers the loss on D_c.

    At each step a virtual step of plain gradient descent with ``inner_learning_rate``; the loss of
    a batch of trusted samples after it, differentiated through that step, moves V (one hidden layer of ``hidden``, Adam
    with ``meta_learning_rate``); then the weights that the new V gives are used for the real step.
    Generalised to many labels a sample: every (sample, label) has a weight of its own, and V sees the label beside the
    loss, as positives are rare and nearly always cost more. For exclusive labels a sample has one, as in the paper.
    """

    name: ClassVar[str] = "meta-weight"
    about: ClassVar[str] = "losses weighted by a small network that is trained on the checked images (Shu et al. 2019)"
    needs_clean_set: ClassVar[bool] = True

    hidden: Annotated[int, Field(ge=1)] = 100
    inner_learning_rate: Annotated[float, Field(gt=0)] = 0.01
    meta_learning_rate: Annotated[float, Field(gt=0)] = 0.001

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Train network and weights together."""
        return task.train_model(MetaWeighted(task, self))


class MetaWeighted(Objective):
    """The weighted loss; calling it trains V by one step."""

    steps: Tensor

    def __init__(self, task: Task, settings: MetaWeightNet) -> None:
        super().__init__()
        self.task, self.labels, self.exclusive = task, task.train.labels, task.exclusive
        self.inner = settings.inner_learning_rate
        self.trusted = np.flatnonzero(task.train.trusted)
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(task.seed, "meta"))
            self.weigh = nn.Sequential(
                nn.Linear(1 if self.exclusive else 2, settings.hidden),
                nn.ReLU(),
                nn.Linear(settings.hidden, 1),
                nn.Sigmoid(),
            )
        self.optimizer = torch.optim.Adam(self.weigh.parameters(), settings.meta_learning_rate, weight_decay=1e-4)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def trained(self) -> list[nn.Parameter]:
        """None: V has an optimizer of its own."""
        return []

    def forward(self, network: nn.Module, batch: Tensor, samples: SampleNumbers) -> Tensor:
        """The weighted loss of a batch, after a step of V."""
        observed = on_device(self.labels[samples].toarray(), batch)
        costs = self._costs(network(batch).float(), observed)  # (B, L), or (B, 1)
        features = self._features(costs, observed)
        parameters = dict(network.named_parameters())
        virtual = (self._weights(features, costs) * costs).sum(1).mean()
        gradients = torch.autograd.grad(virtual, list(parameters.values()), create_graph=True)
        moved = {name: p - self.inner * g for (name, p), g in zip(parameters.items(), gradients, strict=True)}
        buffers = {name: value.clone() for name, value in network.named_buffers()}  # statistics of a virtual network
        clean, truth = self._clean_batch(network, batch, len(samples))
        after = functional_call(network, (moved, buffers), (clean,)).float()
        goal = cross_entropy(after, truth, exclusive=self.exclusive)
        self.optimizer.zero_grad()
        for parameter, gradient in zip(
            self.weigh.parameters(), torch.autograd.grad(goal, list(self.weigh.parameters())), strict=True
        ):
            parameter.grad = gradient
        self.optimizer.step()
        self.steps += 1
        with torch.no_grad():
            weights = self._weights(features, costs)
        return (weights * costs).sum(1).mean()

    def loss(self, logits: Tensor, samples: SampleNumbers) -> Tensor:
        """The weighted loss of logits (B, L) with V as it is."""
        observed = on_device(self.labels[samples].toarray(), logits)
        costs = self._costs(logits, observed)
        with torch.no_grad():
            weights = self._weights(self._features(costs, observed), costs)
        return (weights * costs).sum(1).mean()

    def get_extra_state(self) -> dict[str, Any]:
        """The state of V's optimizer, for checkpoints."""
        return self.optimizer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.optimizer.load_state_dict(state)

    def _costs(self, logits: Tensor, observed: Tensor) -> Tensor:
        costs = elementwise_cross_entropy(logits, observed, exclusive=self.exclusive)
        return costs.sum(1, keepdim=True) if self.exclusive else costs

    def _features(self, costs: Tensor, observed: Tensor) -> Tensor:
        cost = costs.detach()[..., None]
        return cost if self.exclusive else torch.cat([cost, observed[..., None]], -1)

    def _weights(self, features: Tensor, costs: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            weights: Tensor = self.weigh(features).view_as(costs)
        return weights

    def _clean_batch(self, network: nn.Module, like: Tensor, size: int) -> tuple[Tensor, Tensor]:
        seed = derive_seed(self.task.seed, "meta batch", int(self.steps))
        rows = self.trusted[np.random.default_rng(seed).integers(0, len(self.trusted), size)]
        draws = torch.Generator().manual_seed(seed) if self.task.training.augment else None
        raw = self.task.train.inputs.gather(rows).to(like.device)
        return network.prepare(raw, draws), on_device(self.task.train.verified[rows].toarray(), like)  # type: ignore[operator]
