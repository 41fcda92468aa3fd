"""A small trained head on the features of a frozen, pretrained backbone: good results in seconds.

head = FrozenSettings().build(label_count=34)
logits = head(head.prepare(features))            # features: (B, 1280) float16
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from labelhedge.models.backbones import FEATURE_SIZES


class FrozenSettings(BaseModel):
    """Settings of a frozen backbone and its head.

    ``backbone`` by name; ``image_size`` in pixels at its input; ``hidden`` units of the head's one hidden layer;
    ``dropout`` before and after it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    training_defaults: ClassVar[dict[str, float | int]] = {"decay": 1.0, "weight_decay": 0.01, "patience": 20}
    """Training settings that suit this network where a recipe does not set them."""
    from_scratch: ClassVar[bool] = False
    """Its image features are there already, and a head is soon trained."""

    kind: Literal["frozen"] = "frozen"
    backbone: Literal["efficientnet-lite0"] = "efficientnet-lite0"
    image_size: Annotated[int, Field(ge=32, le=1024)] = 224
    hidden: Annotated[int, Field(ge=1)] = 512
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5

    def build(self, label_count: int) -> Head:
        """A freshly initialised head; draws from torch's global generator."""
        return Head(self, label_count)


class UniformDropout(nn.Module):
    """Dropout by comparing uniform draws: on a CPU, `nn.Dropout`'s draws take a quarter of the head's training time."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, batch: Tensor) -> Tensor:
        """Zero entries with the probability and scale the others up; nothing in evaluation mode."""
        if not self.training or self.probability == 0:
            return batch
        keep = torch.rand_like(batch) >= self.probability
        return batch * keep / (1 - self.probability)


class Head(nn.Module):
    """One hidden layer on fixed features."""

    def __init__(self, settings: FrozenSettings, label_count: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            UniformDropout(settings.dropout),
            nn.Linear(FEATURE_SIZES[settings.backbone], settings.hidden),
            nn.ReLU(inplace=True),
            UniformDropout(settings.dropout),
            nn.Linear(settings.hidden, label_count),
        )

    def prepare(self, features: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """From (B, D) stored features to network input. Features are fixed, so nothing is drawn."""
        return features.float()

    def forward(self, batch: Tensor) -> Tensor:
        """Logits (B, L) of a prepared batch."""
        logits: Tensor = self.layers(batch)
        return logits
