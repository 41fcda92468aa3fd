"""`Classifier`: what a method ends with, from prepared inputs to probabilities; saved and loaded as a folder.

save_classifier(classifier, folder)              # model.safetensors, model.json
probabilities = load_classifier(folder)(batch)   # (B, L)
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from labelhedge.errors import LabelhedgeError
from labelhedge.files import replacing
from labelhedge.models.alexnet import AlexNetSettings
from labelhedge.models.frozen import FrozenSettings

FORMAT_VERSION = 1


class Classifier(nn.Module):
    """One network, or the geometric mean of several networks' probabilities.

    Probabilities are sigmoids of the logits; where labels exclude each other, their softmax (and the mean is scaled to
    sum to one).

    Parameters
    ----------
    settings : FrozenSettings or AlexNetSettings
    labels : sequence of L label names, in the order of the outputs
    networks : networks built from the settings
    exclusive : whether the labels exclude each other
    """

    def __init__(
        self,
        settings: FrozenSettings | AlexNetSettings,
        labels: Sequence[str],
        networks: Sequence[nn.Module],
        *,
        exclusive: bool = False,
    ) -> None:
        super().__init__()
        self.settings, self.labels, self.exclusive = settings, tuple(labels), exclusive
        self.networks = nn.ModuleList(networks)

    def prepare(self, raw: Tensor) -> Tensor:
        """From stored inputs (features or uint8 images) to a batch."""
        batch: Tensor = self.networks[0].prepare(raw)  # type: ignore[operator]
        return batch

    def forward(self, batch: Tensor) -> Tensor:
        """Probabilities (B, L) of a prepared batch."""
        outputs = torch.stack([network(batch).float() for network in self.networks])  # (networks, B, L)
        if self.exclusive:
            return outputs.log_softmax(-1).mean(0).softmax(-1)
        return nn.functional.logsigmoid(outputs).mean(0).exp()


def save_classifier(classifier: Classifier, folder: Path, about: dict[str, Any] | None = None) -> None:
    """Write `model.safetensors` and `model.json`, atomically; `about` is kept beside the settings."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in classifier.state_dict().items()}
    description = {
        "format_version": FORMAT_VERSION,
        "network": classifier.settings.model_dump(),
        "networks": len(classifier.networks),
        "exclusive": classifier.exclusive,
        "labels": list(classifier.labels),
        "about": about or {},
    }
    with replacing(folder / "model.safetensors") as new:
        save_file(weights, new)
    with replacing(folder / "model.json") as new:
        new.write_text(json.dumps(description, indent=1))


def load_classifier(folder: str | os.PathLike[str]) -> Classifier:
    """Read a classifier that :func:`save_classifier` wrote, ready to predict.

    Raises
    ------
    FileNotFoundError
        When the folder holds no model.
    ValueError
        When it was written by another version of the format.
    """
    path = Path(folder)
    if not (path / "model.json").exists():
        raise FileNotFoundError(f"{path} holds no model.json: name a folder such as runs/demo/models/distill")
    description = json.loads((path / "model.json").read_text())
    if description["format_version"] != FORMAT_VERSION:
        raise LabelhedgeError(
            f"{path}: the model's format is {description['format_version']}, {FORMAT_VERSION} is read here"
        )
    adapter: TypeAdapter[FrozenSettings | AlexNetSettings] = TypeAdapter(FrozenSettings | AlexNetSettings)
    settings = adapter.validate_python(description["network"])
    labels = description["labels"]
    networks = [settings.build(len(labels)) for _ in range(description["networks"])]
    classifier = Classifier(settings, labels, networks, exclusive=description.get("exclusive", False))
    classifier.load_state_dict(load_file(path / "model.safetensors"))
    return classifier.eval()
