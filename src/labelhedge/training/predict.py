"""`Predictor`: a saved model applied to image files.

predictor = Predictor.load("runs/demo/models/distill")
predictor.predict(["cat.jpg"])                   # (1, L) probabilities
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from labelhedge.corpus.images import decode
from labelhedge.errors import LabelhedgeError
from labelhedge.models import Classifier, FrozenSettings, load_backbone, load_classifier
from labelhedge.training.cache import cache_folder

_BATCH = 16
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Predictor:
    """A classifier and, where its backbone is frozen, the backbone."""

    classifier: Classifier

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Predictor:
        """Load a model folder of a run, such as ``runs/demo/models/distill``.

        Raises
        ------
        FileNotFoundError
            When the folder holds no model.
        """
        return cls(load_classifier(folder))

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names, in the order of the probabilities."""
        return self.classifier.labels

    @torch.inference_mode()
    def predict(
        self, images: Sequence[str | os.PathLike[str] | bytes], *, progress: bool = False
    ) -> npt.NDArray[np.float32]:
        """Probabilities (N, L) of images, given as paths or as encoded bytes.

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        ValueError
            When an image is unreadable; the message names it.
        """
        settings = self.classifier.settings
        backbone = None
        if isinstance(settings, FrozenSettings):
            backbone = load_backbone(settings.backbone, settings.image_size, cache_folder() / "backbones")
        from rich.progress import track

        parts = [np.empty((0, len(self.labels)), np.float32)]
        for start in track(range(0, len(images), _BATCH), "predicting", disable=not progress, transient=True):
            raw = np.stack([_decode(image, settings.image_size) for image in images[start : start + _BATCH]])
            inputs = backbone(raw).astype(np.float16) if backbone else raw
            parts.append(self.classifier(self.classifier.prepare(torch.from_numpy(inputs))).numpy())
        return np.concatenate(parts)


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The image files among paths, folders searched through, in order.

    Raises
    ------
    FileNotFoundError
        When a path does not exist, or there is no image at all.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
        elif path.exists():
            found.append(path)
        else:
            raise FileNotFoundError(f"there is no image or folder {path}")
    if not found:
        raise FileNotFoundError(f"no image file in {', '.join(map(str, paths))} ({', '.join(IMAGE_SUFFIXES)})")
    return found


def write_predictions(
    path: Path, images: Sequence[Path], labels: Sequence[str], probabilities: npt.NDArray[np.float32]
) -> None:
    """Write probabilities as CSV: a row an image, a column a label."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *labels])
        for image, row in zip(images, probabilities, strict=True):
            writer.writerow([image, *(f"{value:.4f}" for value in row)])


def _decode(image: str | os.PathLike[str] | bytes, size: int) -> npt.NDArray[np.uint8]:
    if isinstance(image, bytes):
        return decode(image, size)
    try:
        return decode(Path(image).read_bytes(), size)
    except ValueError as error:
        raise LabelhedgeError(f"{os.fspath(image)}: {error}") from error
