"""Networks: a small head on frozen features, and AlexNet with batch normalisation trained from scratch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from labelhedge.models.alexnet import AlexNetBN, AlexNetSettings
from labelhedge.models.backbones import Backbone, load_backbone
from labelhedge.models.classifier import Classifier, load_classifier, save_classifier
from labelhedge.models.frozen import FrozenSettings, Head

NetworkSettings = Annotated[FrozenSettings | AlexNetSettings, Field(discriminator="kind")]
"""Settings of any network; ``kind`` tells which."""

__all__ = [
    "AlexNetBN",
    "AlexNetSettings",
    "Backbone",
    "Classifier",
    "FrozenSettings",
    "Head",
    "NetworkSettings",
    "load_backbone",
    "load_classifier",
    "save_classifier",
]
