"""AlexNet with batch normalisation, for any input size: the network of the paper's experiments.

    network = AlexNetSettings(image_size=64).build(label_count=59)
    logits = network(network.prepare(images))        # images: (B, 64, 64, 3) uint8

Five convolutions and three linear layers (Krizhevsky et al., NIPS 2012; one column, as in "One weird trick",
arXiv 1404.5997), each but the last followed by batch normalisation (Ioffe and Szegedy, ICML 2015). Below 160 pixels
the first convolution is smaller and strides less, so that the fifth still sees a map of 3 x 3 or more.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

IMAGE_MEAN = (0.485, 0.456, 0.406)  # of ImageNet, in [0, 1], as is usual for RGB photos
IMAGE_STD = (0.229, 0.224, 0.225)


class AlexNetSettings(BaseModel):
    """Settings of AlexNet with batch normalisation.

    ``image_size`` in pixels; ``width`` scales all channel counts (1 is AlexNet, 0.25 trains on a laptop);
    ``dropout`` before the two hidden linear layers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    training_defaults: ClassVar[dict[str, float | int]] = {}
    """The defaults of the training settings are the paper's schedule, made for this network."""
    from_scratch: ClassVar[bool] = True
    """Its image features are learned in training, which is long, so that a trained network is worth starting from."""

    kind: Literal["alexnet-bn"] = "alexnet-bn"
    image_size: Annotated[int, Field(ge=32, le=512)] = 224
    width: Annotated[float, Field(gt=0, le=4)] = 1.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5

    def build(self, label_count: int) -> AlexNetBN:
        """A freshly initialised network; draws from torch's global generator."""
        return AlexNetBN(self, label_count)


class AlexNetBN(nn.Module):
    """AlexNet with batch normalisation; see the module's text."""

    mean: Tensor
    std: Tensor

    def __init__(self, settings: AlexNetSettings, label_count: int) -> None:
        super().__init__()
        size = settings.image_size
        c1, c2, c3, c4, c5, hidden = (
            max(8, round(channels * settings.width)) for channels in (64, 192, 384, 256, 256, 4096)
        )
        kernel, stride = (11, 4) if size >= 160 else (7, 2) if size >= 64 else (3, 1)
        self.features = nn.Sequential(
            *_convolution(3, c1, kernel, stride),
            nn.MaxPool2d(3, 2),
            *_convolution(c1, c2, 5),
            nn.MaxPool2d(3, 2),
            *_convolution(c2, c3, 3),
            *_convolution(c3, c4, 3),
            *_convolution(c4, c5, 3),
            nn.MaxPool2d(3, 2),
        )
        side = (size + stride - 1) // stride
        for _ in range(3):
            side = (side - 3) // 2 + 1
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(settings.dropout),
            *_linear(c5 * side * side, hidden),
            nn.Dropout(settings.dropout),
            *_linear(hidden, hidden),
            nn.Linear(hidden, label_count),
        )
        # As the batches are: with weights in the usual order they would be put into this one at every step.
        self.features.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.register_buffer("mean", torch.tensor(IMAGE_MEAN).view(3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(IMAGE_STD).view(3, 1, 1) * 255, persistent=False)

    def prepare(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """From (B, H, W, 3) uint8 to normalised (B, 3, H, W); with a generator, flipped and shifted at random.

        A shift is up to an eighth of the size, the border repeated; the draws are made on the CPU, so that they are
        the same on every device.
        """
        batch = images.permute(0, 3, 1, 2)
        if generator is not None:
            batch = _shift_and_flip(batch, generator)
        batch = (batch.float() - self.mean) / self.std
        return batch.contiguous(memory_format=torch.channels_last)

    def forward(self, batch: Tensor) -> Tensor:
        """Logits (B, L) of a prepared batch."""
        logits: Tensor = self.classifier(self.features(batch))
        return logits


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def _linear(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU(inplace=True)]


def _shift_and_flip(batch: Tensor, generator: torch.Generator) -> Tensor:
    count, _, height, width = batch.shape
    reach = max(1, height // 8)
    rows = torch.arange(height) + torch.randint(-reach, reach + 1, (count, 1), generator=generator)
    columns = torch.arange(width) + torch.randint(-reach, reach + 1, (count, 1), generator=generator)
    flip = torch.rand(count, 1, generator=generator) < 0.5
    columns = torch.where(flip, columns.flip(1), columns)
    rows, columns = rows.clamp(0, height - 1).to(batch.device), columns.clamp(0, width - 1).to(batch.device)
    sample = torch.arange(count, device=batch.device)[:, None, None]
    shifted = batch.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]]  # (B, H, W, 3)
    return shifted.permute(0, 3, 1, 2)
